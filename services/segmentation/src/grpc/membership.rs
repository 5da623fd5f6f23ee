//! `MembershipService`.

use mahnwerk_proto::segmentation::v1::{
    self, ExplainMembershipRequest, ExplainMembershipResponse, GetMembershipsRequest,
    GetMembershipsResponse, ListMembershipHistoryRequest, ListMembershipHistoryResponse,
    ListMembershipsRequest, ListMembershipsResponse, ListSegmentSizesRequest,
    ListSegmentSizesResponse, PinDebtorRequest, PinDebtorResponse, UnpinDebtorRequest,
    UnpinDebtorResponse, membership_service_server::MembershipService,
};
use mahnwerk_runtime::{
    context::Call,
    error::Error,
    page::{next_token, read_page},
    validate::Checker,
};
use tonic::{Request, Response, Status};

use super::{Api, convert};
use crate::{
    app::{
        pin::Place,
        read::{In, Of},
    },
    feed::{membership_message, period_message},
    storage::pin::PinRow,
};

fn keys(keys: &[(&str, &str)]) -> Checker {
    let mut check = Checker::new();
    for (field, value) in keys {
        check.key(field, value);
    }
    check
}

#[tonic::async_trait]
impl MembershipService for Api {
    async fn get_memberships(
        &self,
        request: Request<GetMembershipsRequest>,
    ) -> Result<Response<GetMembershipsResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let check = keys(&[("creditor_id", &r.creditor_id), ("debtor_id", &r.debtor_id)]);
        check.finish()?;
        let of = Of {
            creditor_id: &r.creditor_id,
            debtor_id: &r.debtor_id,
            at_least: &r.at_least,
            deadline,
        };
        let rows = self.app.memberships(of).await?;
        Ok(Response::new(GetMembershipsResponse {
            memberships: rows.iter().map(membership_message).collect(),
        }))
    }

    async fn list_memberships(
        &self,
        request: Request<ListMembershipsRequest>,
    ) -> Result<Response<ListMembershipsResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let mut check = keys(&[("creditor_id", &r.creditor_id), ("scheme_id", &r.scheme_id)]);
        check.optional_key("segment_id", &r.segment_id);
        let method = "ListMemberships";
        let parameters = format!("{}/{}/{}", r.creditor_id, r.scheme_id, r.segment_id);
        let page = read_page(check, r.page_size, &r.page_token, method, &parameters)?;
        let of = In {
            creditor_id: &r.creditor_id,
            scheme_id: &r.scheme_id,
            at_least: &r.at_least,
            deadline,
        };
        let after = page.after_id()?;
        let rows = self
            .app
            .members(of, &r.segment_id, after, page.limit)
            .await?;
        let last = rows.last().filter(|_| rows.len() as u64 == page.limit);
        Ok(Response::new(ListMembershipsResponse {
            next_page_token: last.map_or_else(String::new, |last| {
                next_token(method, &parameters, std::slice::from_ref(&last.debtor_id))
            }),
            memberships: rows.iter().map(membership_message).collect(),
        }))
    }

    async fn list_membership_history(
        &self,
        request: Request<ListMembershipHistoryRequest>,
    ) -> Result<Response<ListMembershipHistoryResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let check = keys(&[
            ("creditor_id", &r.creditor_id),
            ("debtor_id", &r.debtor_id),
            ("scheme_id", &r.scheme_id),
        ]);
        let method = "ListMembershipHistory";
        let parameters = format!("{}/{}/{}", r.creditor_id, r.debtor_id, r.scheme_id);
        let page = read_page(check, r.page_size, &r.page_token, method, &parameters)?;
        let before = match page.after_parts::<1>()? {
            Some([version]) => version.parse().map_err(|_| Error::InvalidPageToken)?,
            None => i64::MAX,
        };
        let of = Of {
            creditor_id: &r.creditor_id,
            debtor_id: &r.debtor_id,
            at_least: &r.at_least,
            deadline,
        };
        let rows = self
            .app
            .membership_history(of, &r.scheme_id, before, page.limit)
            .await?;
        let last = rows.last().filter(|_| rows.len() as u64 == page.limit);
        Ok(Response::new(ListMembershipHistoryResponse {
            next_page_token: last.map_or_else(String::new, |last| {
                next_token(method, &parameters, &[last.version.to_string()])
            }),
            periods: rows.iter().map(period_message).collect(),
        }))
    }

    async fn list_segment_sizes(
        &self,
        request: Request<ListSegmentSizesRequest>,
    ) -> Result<Response<ListSegmentSizesResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let check = keys(&[("creditor_id", &r.creditor_id), ("scheme_id", &r.scheme_id)]);
        check.finish()?;
        let of = In {
            creditor_id: &r.creditor_id,
            scheme_id: &r.scheme_id,
            at_least: &r.at_least,
            deadline,
        };
        let sizes = self.app.segment_sizes(of).await?.into_iter();
        let segments = sizes.map(|(size, display_name)| v1::SegmentSize {
            segment_id: size.segment_id,
            display_name,
            debtors: size.debtors,
            held_by_error: size.held_by_error,
        });
        Ok(Response::new(ListSegmentSizesResponse {
            segments: segments.collect(),
        }))
    }

    async fn explain_membership(
        &self,
        request: Request<ExplainMembershipRequest>,
    ) -> Result<Response<ExplainMembershipResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let check = keys(&[
            ("creditor_id", &r.creditor_id),
            ("debtor_id", &r.debtor_id),
            ("scheme_id", &r.scheme_id),
        ]);
        check.finish()?;
        let of = Of {
            creditor_id: &r.creditor_id,
            debtor_id: &r.debtor_id,
            at_least: &r.at_least,
            deadline,
        };
        let explained = self.app.explain(of, &r.scheme_id).await?;
        Ok(Response::new(convert::explained(&explained)))
    }

    async fn pin_debtor(
        &self,
        request: Request<PinDebtorRequest>,
    ) -> Result<Response<PinDebtorResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = keys(&[
            ("creditor_id", &r.creditor_id),
            ("debtor_id", &r.debtor_id),
            ("scheme_id", &r.scheme_id),
        ]);
        check.request_id(&r.request_id);
        let pin = pin(&mut check, r.pin);
        check.finish()?;
        let at = Place {
            creditor_id: r.creditor_id,
            debtor_id: r.debtor_id,
            scheme_id: r.scheme_id,
        };
        let written = self.app.pin(&call, &r.request_id, at, pin).await?;
        Ok(Response::new(PinDebtorResponse {
            membership: Some(membership_message(&written.response)),
            consistency_token: written.consistency_token,
        }))
    }

    async fn unpin_debtor(
        &self,
        request: Request<UnpinDebtorRequest>,
    ) -> Result<Response<UnpinDebtorResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = keys(&[
            ("creditor_id", &r.creditor_id),
            ("debtor_id", &r.debtor_id),
            ("scheme_id", &r.scheme_id),
        ]);
        check.request_id(&r.request_id);
        check.finish()?;
        let at = Place {
            creditor_id: r.creditor_id,
            debtor_id: r.debtor_id,
            scheme_id: r.scheme_id,
        };
        let written = self.app.unpin(&call, &r.request_id, at).await?;
        Ok(Response::new(UnpinDebtorResponse {
            membership: Some(membership_message(&written.response)),
            consistency_token: written.consistency_token,
        }))
    }
}

/// A pin as asked for; who asks is known by the call.
fn pin(check: &mut Checker, pin: Option<v1::Pin>) -> PinRow {
    if pin.is_none() {
        check.refuse("pin", "must be given");
        return PinRow {
            segment_id: String::new(),
            until: None,
            reason: String::new(),
            principal: String::new(),
        };
    }
    let pin = pin.unwrap_or_default();
    check.key("pin.segment_id", &pin.segment_id);
    check.text("pin.reason", &pin.reason, 1, 500);
    PinRow {
        until: check.optional_date("pin.until", pin.until.as_ref()),
        segment_id: pin.segment_id,
        reason: pin.reason,
        principal: String::new(),
    }
}
