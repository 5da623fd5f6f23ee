//! Pauses and manual mode on the wire.

use chrono::NaiveDate;
use dunning_core::pause::PauseKind;
use mahnwerk_proto::dunning::v1::{
    self, CreatePauseRequest, CreatePauseResponse, EndPauseRequest, EndPauseResponse,
    ListPausesRequest, ListPausesResponse, SetManualModeRequest, SetManualModeResponse,
};
use mahnwerk_runtime::{
    context::Call,
    page::{next_token, read_page},
    validate::{Checker, from_date},
};
use tonic::{Request, Response, Status};

use crate::{app::App, storage::pause::PauseRow};

/// Longest reason, in characters.
const MAX_REASON: usize = 500;

pub(super) async fn create_pause(
    app: &App,
    request: Request<CreatePauseRequest>,
) -> Result<Response<CreatePauseResponse>, Status> {
    let call = Call::of(&request);
    let r = request.into_inner();
    let given = r.pause.unwrap_or_default();
    let mut check = Checker::new();
    check.request_id(&r.request_id);
    let pause = checked(&mut check, &given);
    check.finish()?;
    let written = app
        .create_pause(&call, &r.request_id, &given.creditor_id, pause)
        .await?;
    Ok(Response::new(CreatePauseResponse {
        pause: Some(message(&given.creditor_id, written.response)),
        consistency_token: written.consistency_token,
    }))
}

pub(super) async fn end_pause(
    app: &App,
    request: Request<EndPauseRequest>,
) -> Result<Response<EndPauseResponse>, Status> {
    let call = Call::of(&request);
    let r = request.into_inner();
    let mut check = Checker::new();
    check.request_id(&r.request_id);
    check.key("creditor_id", &r.creditor_id);
    check.key("pause_id", &r.pause_id);
    let until = check.optional_date("until", r.until.as_ref());
    check.finish()?;
    let written = app
        .end_pause(&call, &r.request_id, &r.creditor_id, &r.pause_id, until)
        .await?;
    Ok(Response::new(EndPauseResponse {
        pause: Some(message(&r.creditor_id, written.response)),
        consistency_token: written.consistency_token,
    }))
}

pub(super) async fn list_pauses(
    app: &App,
    request: Request<ListPausesRequest>,
) -> Result<Response<ListPausesResponse>, Status> {
    let deadline = Call::of(&request).deadline;
    let r = request.into_inner();
    let mut check = Checker::new();
    check.key("creditor_id", &r.creditor_id);
    check.optional_key("debtor_id", &r.debtor_id);
    let method = "ListPauses";
    let parameters = format!("{}/{}", r.creditor_id, r.debtor_id);
    let page = read_page(check, r.page_size, &r.page_token, method, &parameters)?;
    let after = (page.after_id()?, page.limit);
    let found = app
        .pauses(&r.creditor_id, &r.debtor_id, after, &r.at_least, deadline)
        .await?;
    let next_page_token = match found.last() {
        Some(last) if found.len() as u64 == page.limit => {
            next_token(method, &parameters, std::slice::from_ref(&last.pause_id))
        }
        _ => String::new(),
    };
    let found = found.into_iter();
    Ok(Response::new(ListPausesResponse {
        pauses: found.map(|pause| message(&r.creditor_id, pause)).collect(),
        next_page_token,
    }))
}

pub(super) async fn set_manual_mode(
    app: &App,
    request: Request<SetManualModeRequest>,
) -> Result<Response<SetManualModeResponse>, Status> {
    let call = Call::of(&request);
    let r = request.into_inner();
    let mut check = Checker::new();
    check.request_id(&r.request_id);
    check.key("creditor_id", &r.creditor_id);
    check.key("debtor_id", &r.debtor_id);
    let until = check.optional_date("until", r.until.as_ref());
    check.finish()?;
    let written = app
        .set_manual_mode(&call, &r.request_id, &r.creditor_id, &r.debtor_id, until)
        .await?;
    Ok(Response::new(SetManualModeResponse {
        consistency_token: written.consistency_token,
    }))
}

fn checked(check: &mut Checker, given: &v1::Pause) -> PauseRow {
    check.key("pause.creditor_id", &given.creditor_id);
    check.key("pause.pause_id", &given.pause_id);
    check.optional_key("pause.debtor_id", &given.debtor_id);
    check.optional_key("pause.item_id", &given.item_id);
    check.optional_key("pause.segment_id", &given.segment_id);
    if !given.item_id.is_empty() && given.debtor_id.is_empty() {
        check.refuse("pause.debtor_id", "must be given with an item");
    }
    if !given.segment_id.is_empty() && (!given.debtor_id.is_empty() || !given.item_id.is_empty()) {
        check.refuse(
            "pause.segment_id",
            "must not be given with a debtor or an item",
        );
    }
    let kind = check.enum_value("pause.kind", given.kind);
    let from = check.date("pause.from", given.from.as_ref());
    let until = check.optional_date("pause.until", given.until.as_ref());
    if from.zip(until).is_some_and(|(from, until)| until < from) {
        check.refuse("pause.until", "must not be before the first day");
    }
    check.text("pause.reason", &given.reason, 1, MAX_REASON);
    PauseRow {
        pause_id: given.pause_id.clone(),
        debtor_id: given.debtor_id.clone(),
        item_id: given.item_id.clone(),
        segment_id: given.segment_id.clone(),
        kind: match kind {
            Some(v1::PauseKind::StopClock) => PauseKind::StopClock,
            _ => PauseKind::Suppress,
        },
        from: from.unwrap_or(NaiveDate::MIN),
        until,
        reason: given.reason.clone(),
        principal: String::new(),
        version: 0,
    }
}

fn message(creditor_id: &str, pause: PauseRow) -> v1::Pause {
    v1::Pause {
        creditor_id: creditor_id.to_owned(),
        pause_id: pause.pause_id,
        debtor_id: pause.debtor_id,
        item_id: pause.item_id,
        segment_id: pause.segment_id,
        kind: match pause.kind {
            PauseKind::Suppress => v1::PauseKind::Suppress,
            PauseKind::StopClock => v1::PauseKind::StopClock,
        }
        .into(),
        from: Some(from_date(pause.from)),
        until: pause.until.map(from_date),
        reason: pause.reason,
        principal: pause.principal,
        version: pause.version,
    }
}
