//! What becomes of notices, and the switch of dispatch, on the wire.

use mahnwerk_proto::dunning::v1::{
    DeliveryOutcome, Dispatch, GetDispatchRequest, GetDispatchResponse, ReportDeliveryRequest,
    ReportDeliveryResponse, SetDispatchRequest, SetDispatchResponse,
};
use mahnwerk_runtime::{context::Call, validate::Checker};
use tonic::{Request, Response, Status};

use super::convert_notice::notice_message;
use crate::app::{App, dispatch::SwitchView};

/// Longest reason, in characters.
const MAX_REASON: usize = 500;

pub(super) async fn report_delivery(
    app: &App,
    request: Request<ReportDeliveryRequest>,
) -> Result<Response<ReportDeliveryResponse>, Status> {
    let call = Call::of(&request);
    let r = request.into_inner();
    let mut check = Checker::new();
    check.request_id(&r.request_id);
    check.key("creditor_id", &r.creditor_id);
    check.key("notice_id", &r.notice_id);
    let outcome = check.enum_value::<DeliveryOutcome>("outcome", r.outcome);
    check.finish()?;
    let outcome = outcome.unwrap_or_default();
    let reported = app
        .report_delivery(&call, &r.request_id, &r.creditor_id, &r.notice_id, outcome)
        .await?;
    Ok(Response::new(ReportDeliveryResponse {
        notice: Some(notice_message(&reported.response, None)),
        consistency_token: reported.consistency_token,
    }))
}

pub(super) async fn get_dispatch(
    app: &App,
    request: Request<GetDispatchRequest>,
) -> Result<Response<GetDispatchResponse>, Status> {
    let deadline = Call::of(&request).deadline;
    let r = request.into_inner();
    let mut check = Checker::new();
    check.key("creditor_id", &r.creditor_id);
    check.finish()?;
    let view = app.dispatch(&r.creditor_id, &r.at_least, deadline).await?;
    Ok(Response::new(GetDispatchResponse {
        dispatch: Some(message(view)),
    }))
}

pub(super) async fn set_dispatch(
    app: &App,
    request: Request<SetDispatchRequest>,
) -> Result<Response<SetDispatchResponse>, Status> {
    let call = Call::of(&request);
    let r = request.into_inner();
    let mut check = Checker::new();
    check.request_id(&r.request_id);
    check.key("creditor_id", &r.creditor_id);
    if !r.enabled {
        check.text("reason", &r.reason, 1, MAX_REASON);
    }
    check.finish()?;
    let set = app
        .set_dispatch(&call, &r.request_id, &r.creditor_id, r.enabled, &r.reason)
        .await?;
    Ok(Response::new(SetDispatchResponse {
        dispatch: Some(message(set.response)),
        consistency_token: set.consistency_token,
    }))
}

fn message(view: SwitchView) -> Dispatch {
    Dispatch {
        creditor_id: view.creditor_id,
        enabled: view.enabled,
        reason: view.reason,
        waiting: view.waiting.notices,
        uncertain: view.waiting.uncertain,
        version: view.version,
        waiting_commands: view.waiting.commands,
    }
}
