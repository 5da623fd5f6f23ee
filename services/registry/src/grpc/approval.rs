//! `ApprovalService`.

use mahnwerk_feed::{Written, timestamp};
use mahnwerk_proto::registry::v1::{
    self, GetApprovalRequest, GetApprovalResponse, GrantApprovalRequest, GrantApprovalResponse,
    ListApprovalsRequest, ListApprovalsResponse, RefuseApprovalRequest, RefuseApprovalResponse,
    RequestWriteOffRequest, RequestWriteOffResponse, approval::Command,
    approval_service_server::ApprovalService,
};
use mahnwerk_runtime::{
    context::Call,
    page::read_page,
    validate::{Checker, from_date},
};
use registry_core::approval::{Approval, ApprovalState, NewWriteOff};
use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{refuse_all, same_names},
    convert_account::{item_message, money_message, optional_money},
    token_behind,
};
use crate::storage::approval::ApprovalFilter;

same_names!(state_to_wire, state_from_wire, ApprovalState, { Pending, Granted, Refused, Expired });

const LIST: &str = "ListApprovals";
/// Most characters of a note.
const MAX_NOTE: usize = 500;

#[tonic::async_trait]
impl ApprovalService for Api {
    async fn request_write_off(
        &self,
        request: Request<RequestWriteOffRequest>,
    ) -> Result<Response<RequestWriteOffResponse>, Status> {
        let (call, r) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        check.request_id(&r.request_id);
        let new = NewWriteOff {
            creditor_id: r.creditor_id,
            invoice_id: r.invoice_id,
            amount: optional_money(&mut check, "amount", r.amount.as_ref()),
            reason: r.reason,
        };
        refuse_all(&mut check, new.validate());
        check.finish()?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .request_write_off(&call, &r.request_id, new)
            .await?;
        Ok(Response::new(RequestWriteOffResponse {
            approval: Some(approval_to_wire(response)),
            consistency_token,
        }))
    }

    async fn grant_approval(
        &self,
        request: Request<GrantApprovalRequest>,
    ) -> Result<Response<GrantApprovalResponse>, Status> {
        let (call, r) = (Call::of(&request), request.into_inner());
        let mut check = keys(&r.creditor_id, &r.approval_id);
        check.request_id(&r.request_id);
        check.finish()?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .grant_approval(&call, &r.request_id, &r.creditor_id, &r.approval_id)
            .await?;
        Ok(Response::new(GrantApprovalResponse {
            invoice: Some(item_message(&r.creditor_id, &response.invoice)),
            approval: Some(approval_to_wire(response.approval)),
            consistency_token,
        }))
    }

    async fn refuse_approval(
        &self,
        request: Request<RefuseApprovalRequest>,
    ) -> Result<Response<RefuseApprovalResponse>, Status> {
        let (call, r) = (Call::of(&request), request.into_inner());
        let mut check = keys(&r.creditor_id, &r.approval_id);
        check.request_id(&r.request_id);
        check.text("note", &r.note, 0, MAX_NOTE);
        check.finish()?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .refuse_approval(&call, &r.request_id, &r.creditor_id, &r.approval_id, r.note)
            .await?;
        Ok(Response::new(RefuseApprovalResponse {
            approval: Some(approval_to_wire(response)),
            consistency_token,
        }))
    }

    async fn get_approval(
        &self,
        request: Request<GetApprovalRequest>,
    ) -> Result<Response<GetApprovalResponse>, Status> {
        let (call, r) = (Call::of(&request), request.into_inner());
        keys(&r.creditor_id, &r.approval_id).finish()?;
        let found = self
            .app
            .approval(&r.creditor_id, &r.approval_id, &r.at_least, call.deadline)
            .await?;
        Ok(Response::new(GetApprovalResponse {
            approval: Some(approval_to_wire(found)),
        }))
    }

    async fn list_approvals(
        &self,
        request: Request<ListApprovalsRequest>,
    ) -> Result<Response<ListApprovalsResponse>, Status> {
        let (call, r) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        check.optional_key("debtor_id", &r.debtor_id);
        let state = match r.state {
            0 => None,
            state => state_from_wire(&mut check, "state", state),
        };
        let filter = ApprovalFilter {
            debtor_id: r.debtor_id,
            state,
        };
        let parameters = format!("{} {filter:?}", r.creditor_id);
        let page = read_page(check, r.page_size, &r.page_token, LIST, &parameters)?;
        let before = page.after_id()?;
        let found = self
            .app
            .approvals(
                &r.creditor_id,
                &filter,
                before,
                page.limit,
                &r.at_least,
                call.deadline,
            )
            .await?;
        let key = |each: &Approval| vec![each.approval_id.clone()];
        Ok(Response::new(ListApprovalsResponse {
            next_page_token: token_behind(&found, LIST, &parameters, key),
            approvals: found.rows.into_iter().map(approval_to_wire).collect(),
        }))
    }
}

fn keys(creditor_id: &str, approval_id: &str) -> Checker {
    let mut check = Checker::new();
    check.key("creditor_id", creditor_id);
    check.key("approval_id", approval_id);
    check
}

fn approval_to_wire(approval: Approval) -> v1::Approval {
    let write_off = v1::WriteOff {
        invoice_id: approval.invoice_id,
        amount: Some(money_message(approval.amount)),
    };
    v1::Approval {
        creditor_id: approval.creditor_id,
        approval_id: approval.approval_id,
        debtor_id: approval.debtor_id,
        state: state_to_wire(approval.state),
        command: Some(Command::WriteOff(write_off)),
        reason: approval.reason,
        requested_by: approval.requested_by,
        request_time: Some(timestamp(approval.requested_at)),
        requested_date: Some(from_date(approval.requested_date)),
        expire_date: Some(from_date(approval.expire_date)),
        decided_by: approval.decided_by,
        decide_time: approval.decided_at.map(timestamp),
        note: approval.note,
        version: approval.version,
    }
}
