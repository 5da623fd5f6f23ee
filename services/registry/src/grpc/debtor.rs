//! `DebtorService`.

use mahnwerk_feed::Written;
use mahnwerk_proto::registry::v1::{
    CreateContactPointRequest, CreateContactPointResponse, CreateDebtorRequest,
    CreateDebtorResponse, DeleteContactPointRequest, DeleteContactPointResponse, GetDebtorRequest,
    GetDebtorResponse, ListContactPointsRequest, ListContactPointsResponse, ListContactsRequest,
    ListContactsResponse, ListDebtorsRequest, ListDebtorsResponse, ListTimelineRequest,
    ListTimelineResponse, RecordContactRequest, RecordContactResponse, ReportContactOutcomeRequest,
    ReportContactOutcomeResponse, SetCreditHoldRequest, SetCreditHoldResponse, SetDeceasedRequest,
    SetDeceasedResponse, SetInsolvencyRequest, SetInsolvencyResponse, UpdateContactPointRequest,
    UpdateContactPointResponse, UpdateDebtorRequest, UpdateDebtorResponse,
    debtor_service_server::DebtorService,
};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
    page::read_page,
    validate::Checker,
};
use registry_core::debtor::{ContactPoint, Debtor};
use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{self, Fields, contact_point_to_wire, debtor_to_wire, timeline_entry_to_wire},
    token_behind,
};
use crate::{
    app::{
        contact_point::{ContactPointKey, UpdateContactPoint},
        debtor::{SetCreditHold, SetDeceased, SetInsolvency, UpdateDebtor},
    },
    storage::timeline::TimelineEntry,
};

const LIST_DEBTORS: &str = "ListDebtors";
const LIST_CONTACT_POINTS: &str = "ListContactPoints";
const LIST_TIMELINE: &str = "ListTimeline";

/// Longest reason of a credit hold, in characters.
const MAX_REASON: usize = 500;

#[tonic::async_trait]
impl DebtorService for Api {
    async fn create_debtor(
        &self,
        request: Request<CreateDebtorRequest>,
    ) -> Result<Response<CreateDebtorResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        let new = convert::debtor(&mut check, request.debtor.unwrap_or_default(), Fields::All);
        check.finish()?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .create_debtor(&call, &request.request_id, new)
            .await?;
        Ok(Response::new(CreateDebtorResponse {
            debtor: Some(debtor_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn get_debtor(
        &self,
        request: Request<GetDebtorRequest>,
    ) -> Result<Response<GetDebtorResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let GetDebtorRequest {
            creditor_id,
            debtor_id,
            at_least,
        } = request.into_inner();
        debtor_key(&creditor_id, &debtor_id).finish()?;
        let debtor = self
            .app
            .get_debtor(&creditor_id, &debtor_id, &at_least, deadline)
            .await?;
        Ok(Response::new(GetDebtorResponse {
            debtor: Some(debtor_to_wire(&debtor)),
        }))
    }

    async fn list_debtors(
        &self,
        request: Request<ListDebtorsRequest>,
    ) -> Result<Response<ListDebtorsResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let ListDebtorsRequest {
            creditor_id,
            page_size,
            page_token,
            at_least,
        } = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &creditor_id);
        let page = read_page(check, page_size, &page_token, LIST_DEBTORS, &creditor_id)?;
        let after = page.after_id()?;
        let found = self
            .app
            .list_debtors(&creditor_id, after, page.limit, &at_least, deadline)
            .await?;
        let key = |debtor: &Debtor| vec![debtor.debtor_id.clone()];
        Ok(Response::new(ListDebtorsResponse {
            next_page_token: token_behind(&found, LIST_DEBTORS, &creditor_id, key),
            debtors: found.rows.iter().map(debtor_to_wire).collect(),
        }))
    }

    async fn update_debtor(
        &self,
        request: Request<UpdateDebtorRequest>,
    ) -> Result<Response<UpdateDebtorResponse>, Status> {
        let call = Call::of(&request);
        let UpdateDebtorRequest {
            request_id,
            debtor,
            update_mask: mask,
            etag,
        } = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request_id);
        let fields = Fields::Named(&mask);
        let new = convert::debtor(&mut check, debtor.unwrap_or_default(), fields);
        check.finish()?;
        let update = UpdateDebtor { new, mask, etag };
        let Written {
            response,
            consistency_token,
        } = self.app.update_debtor(&call, &request_id, update).await?;
        Ok(Response::new(UpdateDebtorResponse {
            debtor: Some(debtor_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn set_credit_hold(
        &self,
        request: Request<SetCreditHoldRequest>,
    ) -> Result<Response<SetCreditHoldResponse>, Status> {
        let call = Call::of(&request);
        let SetCreditHoldRequest {
            request_id,
            creditor_id,
            debtor_id,
            credit_hold: hold,
            reason,
        } = request.into_inner();
        let mut check = debtor_key(&creditor_id, &debtor_id);
        check.request_id(&request_id);
        let reason = if hold { reason } else { String::new() };
        if hold {
            check.text("reason", &reason, 1, MAX_REASON);
        }
        check.finish()?;
        let command = SetCreditHold {
            creditor_id,
            debtor_id,
            hold,
            reason,
        };
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .set_credit_hold(&call, &request_id, command)
            .await?;
        Ok(Response::new(SetCreditHoldResponse {
            debtor: Some(debtor_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn set_insolvency(
        &self,
        request: Request<SetInsolvencyRequest>,
    ) -> Result<Response<SetInsolvencyResponse>, Status> {
        let call = Call::of(&request);
        let SetInsolvencyRequest {
            request_id,
            creditor_id,
            debtor_id,
            insolvent_since,
        } = request.into_inner();
        let mut check = debtor_key(&creditor_id, &debtor_id);
        check.request_id(&request_id);
        let since = check.optional_date("insolvent_since", insolvent_since.as_ref());
        check.finish()?;
        let command = SetInsolvency {
            creditor_id,
            debtor_id,
            since,
        };
        let Written {
            response,
            consistency_token,
        } = self.app.set_insolvency(&call, &request_id, command).await?;
        Ok(Response::new(SetInsolvencyResponse {
            debtor: Some(debtor_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn set_deceased(
        &self,
        request: Request<SetDeceasedRequest>,
    ) -> Result<Response<SetDeceasedResponse>, Status> {
        let call = Call::of(&request);
        let SetDeceasedRequest {
            request_id,
            creditor_id,
            debtor_id,
            deceased_since,
        } = request.into_inner();
        let mut check = debtor_key(&creditor_id, &debtor_id);
        check.request_id(&request_id);
        let since = check.optional_date("deceased_since", deceased_since.as_ref());
        check.finish()?;
        let command = SetDeceased {
            creditor_id,
            debtor_id,
            since,
        };
        let Written {
            response,
            consistency_token,
        } = self.app.set_deceased(&call, &request_id, command).await?;
        Ok(Response::new(SetDeceasedResponse {
            debtor: Some(debtor_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn report_contact_outcome(
        &self,
        request: Request<ReportContactOutcomeRequest>,
    ) -> Result<Response<ReportContactOutcomeResponse>, Status> {
        Ok(Response::new(super::contact::report(self, request).await?))
    }

    async fn record_contact(
        &self,
        request: Request<RecordContactRequest>,
    ) -> Result<Response<RecordContactResponse>, Status> {
        Ok(Response::new(super::contact::record(self, request).await?))
    }

    async fn list_contacts(
        &self,
        request: Request<ListContactsRequest>,
    ) -> Result<Response<ListContactsResponse>, Status> {
        Ok(Response::new(super::contact::list(self, request).await?))
    }

    async fn create_contact_point(
        &self,
        request: Request<CreateContactPointRequest>,
    ) -> Result<Response<CreateContactPointResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        let wire = request.contact_point.unwrap_or_default();
        let new = convert::contact_point(&mut check, wire, Fields::All);
        check.finish()?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .create_contact_point(&call, &request.request_id, new)
            .await?;
        Ok(Response::new(CreateContactPointResponse {
            contact_point: Some(contact_point_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn update_contact_point(
        &self,
        request: Request<UpdateContactPointRequest>,
    ) -> Result<Response<UpdateContactPointResponse>, Status> {
        let call = Call::of(&request);
        let UpdateContactPointRequest {
            request_id,
            contact_point,
            update_mask: mask,
        } = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request_id);
        let wire = contact_point.unwrap_or_default();
        let new = convert::contact_point(&mut check, wire, Fields::Named(&mask));
        check.finish()?;
        let update = UpdateContactPoint { new, mask };
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .update_contact_point(&call, &request_id, update)
            .await?;
        Ok(Response::new(UpdateContactPointResponse {
            contact_point: Some(contact_point_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn delete_contact_point(
        &self,
        request: Request<DeleteContactPointRequest>,
    ) -> Result<Response<DeleteContactPointResponse>, Status> {
        let call = Call::of(&request);
        let DeleteContactPointRequest {
            request_id,
            creditor_id,
            debtor_id,
            contact_point_id,
        } = request.into_inner();
        let mut check = debtor_key(&creditor_id, &debtor_id);
        check.request_id(&request_id);
        check.key("contact_point_id", &contact_point_id);
        check.finish()?;
        let key = ContactPointKey {
            creditor_id,
            debtor_id,
            contact_point_id,
        };
        let Written {
            consistency_token, ..
        } = self
            .app
            .delete_contact_point(&call, &request_id, key)
            .await?;
        Ok(Response::new(DeleteContactPointResponse {
            consistency_token,
        }))
    }

    async fn list_contact_points(
        &self,
        request: Request<ListContactPointsRequest>,
    ) -> Result<Response<ListContactPointsResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let ListContactPointsRequest {
            creditor_id,
            debtor_id,
            page_size,
            page_token,
            at_least,
        } = request.into_inner();
        let check = debtor_key(&creditor_id, &debtor_id);
        let parameters = parameters(&creditor_id, &debtor_id);
        let page = read_page(
            check,
            page_size,
            &page_token,
            LIST_CONTACT_POINTS,
            &parameters,
        )?;
        let after = page.after_id()?;
        let found = self
            .app
            .list_contact_points(
                &creditor_id,
                &debtor_id,
                after,
                page.limit,
                &at_least,
                deadline,
            )
            .await?;
        let key = |each: &ContactPoint| vec![each.contact_point_id.clone()];
        Ok(Response::new(ListContactPointsResponse {
            next_page_token: token_behind(&found, LIST_CONTACT_POINTS, &parameters, key),
            contact_points: found.rows.iter().map(contact_point_to_wire).collect(),
        }))
    }

    async fn list_timeline(
        &self,
        request: Request<ListTimelineRequest>,
    ) -> Result<Response<ListTimelineResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let ListTimelineRequest {
            creditor_id,
            debtor_id,
            page_size,
            page_token,
            at_least,
        } = request.into_inner();
        let check = debtor_key(&creditor_id, &debtor_id);
        let parameters = parameters(&creditor_id, &debtor_id);
        let page = read_page(check, page_size, &page_token, LIST_TIMELINE, &parameters)?;
        let before = match page.after_parts::<1>()? {
            Some([seq]) => seq.parse().map_err(|_| Error::InvalidPageToken)?,
            None => i64::MAX,
        };
        let found = self
            .app
            .list_timeline(
                &creditor_id,
                &debtor_id,
                before,
                page.limit,
                &at_least,
                deadline,
            )
            .await?;
        let key = |entry: &TimelineEntry| vec![entry.seq.to_string()];
        Ok(Response::new(ListTimelineResponse {
            next_page_token: token_behind(&found, LIST_TIMELINE, &parameters, key),
            entries: found.rows.into_iter().map(timeline_entry_to_wire).collect(),
        }))
    }
}

pub(super) fn debtor_key(creditor_id: &str, debtor_id: &str) -> Checker {
    let mut check = Checker::new();
    check.key("creditor_id", creditor_id);
    check.key("debtor_id", debtor_id);
    check
}

/// What binds a page token to the list of one debtor.
pub(super) fn parameters(creditor_id: &str, debtor_id: &str) -> String {
    format!("{creditor_id}/{debtor_id}")
}
