//! Tasks on the wire.

use mahnwerk_proto::dunning::v1::{
    ClaimTaskRequest, ClaimTaskResponse, CompleteTaskRequest, CompleteTaskResponse,
    ListTasksRequest, ListTasksResponse, TaskKind, TaskOutcome,
};
use mahnwerk_runtime::{
    context::Call,
    error::Error,
    page::{next_token, read_page},
    validate::Checker,
};
use tonic::{Request, Response, Status};

use super::convert_notice::task_message;
use crate::{app::App, storage::task::Filter};

/// Longest claim, in minutes.
const MAX_MINUTES: i32 = 1_440;

/// Longest note, in characters.
const MAX_NOTE: usize = 2_000;

/// Longest portfolio, in characters.
const MAX_PORTFOLIO: usize = 200;

pub(super) async fn list_tasks(
    app: &App,
    request: Request<ListTasksRequest>,
) -> Result<Response<ListTasksResponse>, Status> {
    let deadline = Call::of(&request).deadline;
    let r = request.into_inner();
    let mut check = Checker::new();
    check.key("creditor_id", &r.creditor_id);
    check.optional_key("debtor_id", &r.debtor_id);
    check.text("portfolio", &r.portfolio, 0, MAX_PORTFOLIO);
    let kind = TaskKind::try_from(r.kind);
    if kind.is_err() {
        check.refuse("kind", "is not a known value");
    }
    let method = "ListTasks";
    let parameters = format!(
        "{}/{}/{}/{}/{}",
        r.creditor_id, r.kind, r.debtor_id, r.include_completed, r.portfolio
    );
    let page = read_page(check, r.page_size, &r.page_token, method, &parameters)?;
    let number = |text: &str| text.parse::<i64>().map_err(|_| Error::InvalidPageToken);
    let after = match page.after_parts::<3>()? {
        Some([priority, created_at, id]) => Some((number(priority)?, number(created_at)?, id)),
        None => None,
    };
    let filter = Filter {
        creditor_id: &r.creditor_id,
        kind: kind.unwrap_or_default(),
        portfolio: &r.portfolio,
        debtor_id: &r.debtor_id,
        completed: r.include_completed,
    };
    let rows = app
        .tasks(filter, after, page.limit, &r.at_least, deadline)
        .await?;
    let next_page_token = match rows.last() {
        Some(last) if rows.len() as u64 == page.limit => {
            let (priority, created_at) = (last.priority.to_string(), last.created_at.to_string());
            let key = [priority, created_at, last.task_id.clone()];
            next_token(method, &parameters, &key)
        }
        _ => String::new(),
    };
    Ok(Response::new(ListTasksResponse {
        tasks: rows.iter().map(|row| task_message(row, true)).collect(),
        next_page_token,
    }))
}

pub(super) async fn claim_task(
    app: &App,
    request: Request<ClaimTaskRequest>,
) -> Result<Response<ClaimTaskResponse>, Status> {
    let call = Call::of(&request);
    let r = request.into_inner();
    let mut check = Checker::new();
    check.request_id(&r.request_id);
    check.key("creditor_id", &r.creditor_id);
    check.key("task_id", &r.task_id);
    if !(1..=MAX_MINUTES).contains(&r.minutes) {
        check.refuse("minutes", "must be 1 to 1,440");
    }
    check.finish()?;
    let minutes = i64::from(r.minutes);
    let claimed = app
        .claim_task(&call, &r.request_id, &r.creditor_id, &r.task_id, minutes)
        .await?;
    Ok(Response::new(ClaimTaskResponse {
        task: Some(task_message(&claimed.response, true)),
        consistency_token: claimed.consistency_token,
    }))
}

pub(super) async fn complete_task(
    app: &App,
    request: Request<CompleteTaskRequest>,
) -> Result<Response<CompleteTaskResponse>, Status> {
    let call = Call::of(&request);
    let r = request.into_inner();
    let mut check = Checker::new();
    check.request_id(&r.request_id);
    check.key("creditor_id", &r.creditor_id);
    check.key("task_id", &r.task_id);
    let outcome = check.enum_value::<TaskOutcome>("outcome", r.outcome);
    check.text("note", &r.note, 0, MAX_NOTE);
    check.finish()?;
    let outcome = outcome.unwrap_or_default();
    let completed = app
        .complete_task(
            &call,
            &r.request_id,
            &r.creditor_id,
            &r.task_id,
            outcome,
            &r.note,
        )
        .await?;
    Ok(Response::new(CompleteTaskResponse {
        task: Some(task_message(&completed.response, true)),
        consistency_token: completed.consistency_token,
    }))
}
