//! `ArrangementService`.

use mahnwerk_feed::Written;
use mahnwerk_proto::registry::v1::{
    CancelInstalmentPlanRequest, CancelInstalmentPlanResponse, CancelPromiseRequest,
    CancelPromiseResponse, CloseDisputeRequest, CloseDisputeResponse, CreateInstalmentPlanRequest,
    CreateInstalmentPlanResponse, CreatePromiseRequest, CreatePromiseResponse, ListDisputesRequest,
    ListDisputesResponse, ListInstalmentPlansRequest, ListInstalmentPlansResponse,
    ListPromisesRequest, ListPromisesResponse, OpenDisputeRequest, OpenDisputeResponse,
    arrangement_service_server::ArrangementService,
};
use mahnwerk_runtime::{
    context::Call,
    error::Result,
    page::{PageRequest, read_page},
    validate::Checker,
};
use registry_core::arrangement::{Arrangement, ArrangementKind, Dispute};
use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::finish,
    convert_arrangement::{self as convert, dispute_to_wire, plan_to_wire, promise_to_wire},
    debtor::{debtor_key, parameters},
    token_behind,
};
use crate::{app::dispute::CloseDispute, storage::arrangement::ArrangementKey};

const LIST_DISPUTES: &str = "ListDisputes";
const LIST_PROMISES: &str = "ListPromises";
const LIST_PLANS: &str = "ListInstalmentPlans";

#[tonic::async_trait]
impl ArrangementService for Api {
    async fn open_dispute(
        &self,
        request: Request<OpenDisputeRequest>,
    ) -> Result<Response<OpenDisputeResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        let claim = convert::claim(&mut check, request.dispute.unwrap_or_default());
        let claim = finish(check, claim)?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .open_dispute(&call, &request.request_id, claim)
            .await?;
        Ok(Response::new(OpenDisputeResponse {
            dispute: Some(dispute_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn close_dispute(
        &self,
        request: Request<CloseDisputeRequest>,
    ) -> Result<Response<CloseDisputeResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        check.key("creditor_id", &request.creditor_id);
        check.key("dispute_id", &request.dispute_id);
        let outcome = convert::outcome(&mut check, request.outcome);
        let close = CloseDispute {
            outcome: finish(check, outcome)?,
            creditor_id: request.creditor_id,
            dispute_id: request.dispute_id,
        };
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .close_dispute(&call, &request.request_id, close)
            .await?;
        Ok(Response::new(CloseDisputeResponse {
            dispute: Some(dispute_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn list_disputes(
        &self,
        request: Request<ListDisputesRequest>,
    ) -> Result<Response<ListDisputesResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let ListDisputesRequest {
            creditor_id,
            debtor_id,
            page_size,
            page_token,
            at_least,
        } = request.into_inner();
        let check = debtor_key(&creditor_id, &debtor_id);
        let parameters = parameters(&creditor_id, &debtor_id);
        let page = read_page(check, page_size, &page_token, LIST_DISPUTES, &parameters)?;
        let after = page.after_id()?;
        let found = self
            .app
            .list_disputes(
                &creditor_id,
                &debtor_id,
                after,
                page.limit,
                &at_least,
                deadline,
            )
            .await?;
        let key = |each: &Dispute| vec![each.claim.dispute_id.clone()];
        Ok(Response::new(ListDisputesResponse {
            next_page_token: token_behind(&found, LIST_DISPUTES, &parameters, key),
            disputes: found.rows.iter().map(dispute_to_wire).collect(),
        }))
    }

    async fn create_promise(
        &self,
        request: Request<CreatePromiseRequest>,
    ) -> Result<Response<CreatePromiseResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        let new = convert::promise(&mut check, request.promise.unwrap_or_default());
        check.finish()?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .create_arrangement(&call, &request.request_id, new)
            .await?;
        Ok(Response::new(CreatePromiseResponse {
            promise: Some(promise_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn cancel_promise(
        &self,
        request: Request<CancelPromiseRequest>,
    ) -> Result<Response<CancelPromiseResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.key("promise_id", &request.promise_id);
        let key = ArrangementKey {
            kind: ArrangementKind::Promise,
            id: request.promise_id,
        };
        let Written {
            response,
            consistency_token,
        } = self
            .cancel(&call, check, &request.request_id, &request.creditor_id, key)
            .await?;
        Ok(Response::new(CancelPromiseResponse {
            promise: Some(promise_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn list_promises(
        &self,
        request: Request<ListPromisesRequest>,
    ) -> Result<Response<ListPromisesResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let ListPromisesRequest {
            creditor_id,
            debtor_id,
            page_size,
            page_token,
            at_least,
        } = request.into_inner();
        let check = debtor_key(&creditor_id, &debtor_id);
        let parameters = parameters(&creditor_id, &debtor_id);
        let page = read_page(check, page_size, &page_token, LIST_PROMISES, &parameters)?;
        let after = after(ArrangementKind::Promise, &page)?;
        let found = self
            .app
            .list_arrangements(
                &creditor_id,
                &debtor_id,
                &after,
                page.limit,
                &at_least,
                deadline,
            )
            .await?;
        Ok(Response::new(ListPromisesResponse {
            next_page_token: token_behind(&found, LIST_PROMISES, &parameters, key),
            promises: found.rows.iter().map(promise_to_wire).collect(),
        }))
    }

    async fn create_instalment_plan(
        &self,
        request: Request<CreateInstalmentPlanRequest>,
    ) -> Result<Response<CreateInstalmentPlanResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        let new = convert::plan(&mut check, request.instalment_plan.unwrap_or_default());
        let new = finish(check, new)?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .create_arrangement(&call, &request.request_id, new)
            .await?;
        Ok(Response::new(CreateInstalmentPlanResponse {
            instalment_plan: Some(plan_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn cancel_instalment_plan(
        &self,
        request: Request<CancelInstalmentPlanRequest>,
    ) -> Result<Response<CancelInstalmentPlanResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.key("plan_id", &request.plan_id);
        let key = ArrangementKey {
            kind: ArrangementKind::Plan,
            id: request.plan_id,
        };
        let Written {
            response,
            consistency_token,
        } = self
            .cancel(&call, check, &request.request_id, &request.creditor_id, key)
            .await?;
        Ok(Response::new(CancelInstalmentPlanResponse {
            instalment_plan: Some(plan_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn list_instalment_plans(
        &self,
        request: Request<ListInstalmentPlansRequest>,
    ) -> Result<Response<ListInstalmentPlansResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let ListInstalmentPlansRequest {
            creditor_id,
            debtor_id,
            page_size,
            page_token,
            at_least,
        } = request.into_inner();
        let check = debtor_key(&creditor_id, &debtor_id);
        let parameters = parameters(&creditor_id, &debtor_id);
        let page = read_page(check, page_size, &page_token, LIST_PLANS, &parameters)?;
        let after = after(ArrangementKind::Plan, &page)?;
        let found = self
            .app
            .list_arrangements(
                &creditor_id,
                &debtor_id,
                &after,
                page.limit,
                &at_least,
                deadline,
            )
            .await?;
        Ok(Response::new(ListInstalmentPlansResponse {
            next_page_token: token_behind(&found, LIST_PLANS, &parameters, key),
            instalment_plans: found.rows.iter().map(plan_to_wire).collect(),
        }))
    }
}

impl Api {
    /// Ends the check and cancels.
    async fn cancel(
        &self,
        call: &Call,
        mut check: Checker,
        request_id: &str,
        creditor_id: &str,
        key: ArrangementKey,
    ) -> Result<Written<Arrangement>> {
        check.request_id(request_id);
        check.key("creditor_id", creditor_id);
        check.finish()?;
        self.app
            .cancel_arrangement(call, request_id, creditor_id, key)
            .await
    }
}

fn after(kind: ArrangementKind, page: &PageRequest) -> Result<ArrangementKey> {
    Ok(ArrangementKey {
        kind,
        id: page.after_id()?.to_owned(),
    })
}

fn key(arrangement: &Arrangement) -> Vec<String> {
    vec![arrangement.id.clone()]
}
