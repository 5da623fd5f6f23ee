//! `mahnwerk task`, `pause`, `manual` and `dispatch`: the work around runs.

use mahnwerk_proto::dunning::v1::{
    ClaimTaskRequest, CompleteTaskRequest, CreatePauseRequest, Dispatch, EndPauseRequest,
    GetDispatchRequest, ListPausesRequest, ListTasksRequest, Pause, SetDispatchRequest,
    SetManualModeRequest, Task,
};

use super::{Context, listing::pages};
use crate::{
    cli::{
        ListArgs,
        dunning::DispatchCommand,
        work::{ManualArgs, PauseArgs, PauseCommand, TaskCommand, TaskListArgs},
    },
    client::{Result, call, new_request_id},
    names,
    output::{count_text, date_text, facts, joined, proto_date, right, table, time_text},
};

const TASK: &str = "mahnwerk.dunning.v1.Task";
const PAUSE: &str = "mahnwerk.dunning.v1.Pause";
const DISPATCH: &str = "mahnwerk.dunning.v1.Dispatch";

/// Runs `task`.
pub(super) async fn task(context: &Context, command: TaskCommand) -> Result<()> {
    let mut work = context.clients.work();
    match command {
        TaskCommand::List(args) => list_tasks(context, args).await,
        TaskCommand::Claim {
            creditor,
            task,
            minutes,
        } => {
            let request = ClaimTaskRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                task_id: task,
                minutes,
            };
            let answer = work.claim_task(call(request)).await?.into_inner();
            let (task, token) = (answer.task.unwrap_or_default(), answer.consistency_token);
            context.print_written(("task", TASK), &task, &token, task_facts);
            Ok(())
        }
        TaskCommand::Done {
            creditor,
            task,
            outcome,
            note,
        } => {
            let request = CompleteTaskRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                task_id: task,
                outcome,
                note,
            };
            let answer = work.complete_task(call(request)).await?.into_inner();
            let (task, token) = (answer.task.unwrap_or_default(), answer.consistency_token);
            context.print_written(("task", TASK), &task, &token, task_facts);
            Ok(())
        }
    }
}

async fn list_tasks(context: &Context, args: TaskListArgs) -> Result<()> {
    let mut work = context.clients.work();
    let listed = pages(args.list.limit, async |page| {
        let request = ListTasksRequest {
            creditor_id: args.creditor.clone(),
            kind: args.kind.unwrap_or_default(),
            portfolio: args.portfolio.clone().unwrap_or_default(),
            debtor_id: args.debtor.clone().unwrap_or_default(),
            include_completed: args.completed,
            page_size: page.size,
            page_token: page.token,
            at_least: args.list.read.at_least.clone(),
        };
        let answer = work.list_tasks(call(request)).await?.into_inner();
        Ok((answer.tasks, answer.next_page_token))
    })
    .await?;
    context.print_list(("tasks", TASK), &listed, "nothing to do", tasks);
    Ok(())
}

/// Runs `pause`.
pub(super) async fn pause(context: &Context, command: PauseCommand) -> Result<()> {
    let mut work = context.clients.work();
    let (pause, token) = match command {
        PauseCommand::List {
            creditor,
            debtor,
            list,
        } => return list_pauses(context, creditor, debtor, list).await,
        PauseCommand::Add(args) => {
            let request = CreatePauseRequest {
                request_id: new_request_id(),
                pause: Some(new_pause(args)),
            };
            let answer = work.create_pause(call(request)).await?.into_inner();
            (answer.pause, answer.consistency_token)
        }
        PauseCommand::End {
            creditor,
            id,
            until,
        } => {
            let request = EndPauseRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                pause_id: id,
                until: until.map(proto_date),
            };
            let answer = work.end_pause(call(request)).await?.into_inner();
            (answer.pause, answer.consistency_token)
        }
    };
    let shown = |pause: &Pause| pauses(std::slice::from_ref(pause));
    context.print_written(("pause", PAUSE), &pause.unwrap_or_default(), &token, shown);
    Ok(())
}

fn new_pause(args: PauseArgs) -> Pause {
    Pause {
        creditor_id: args.creditor,
        pause_id: args.id,
        debtor_id: args.debtor.unwrap_or_default(),
        item_id: args.item.unwrap_or_default(),
        segment_id: args.segment.unwrap_or_default(),
        kind: args.kind,
        from: Some(proto_date(args.from)),
        until: args.until.map(proto_date),
        reason: args.reason,
        ..Pause::default()
    }
}

async fn list_pauses(
    context: &Context,
    creditor: String,
    debtor: Option<String>,
    list: ListArgs,
) -> Result<()> {
    let mut work = context.clients.work();
    let listed = pages(list.limit, async |page| {
        let request = ListPausesRequest {
            creditor_id: creditor.clone(),
            debtor_id: debtor.clone().unwrap_or_default(),
            page_size: page.size,
            page_token: page.token,
            at_least: list.read.at_least.clone(),
        };
        let answer = work.list_pauses(call(request)).await?.into_inner();
        Ok((answer.pauses, answer.next_page_token))
    })
    .await?;
    context.print_list(("pauses", PAUSE), &listed, "no pauses", pauses);
    Ok(())
}

/// Runs `manual`.
pub(super) async fn manual(context: &Context, args: ManualArgs) -> Result<()> {
    let request = SetManualModeRequest {
        request_id: new_request_id(),
        creditor_id: args.creditor,
        debtor_id: args.debtor,
        until: args.until.map(proto_date),
    };
    let mut work = context.clients.work();
    let answer = work.set_manual_mode(call(request)).await?.into_inner();
    context.print_token(&answer.consistency_token);
    Ok(())
}

/// Runs `dispatch`.
pub(super) async fn dispatch(context: &Context, command: DispatchCommand) -> Result<()> {
    let (creditor_id, enabled, reason) = match command {
        DispatchCommand::Show { creditor, read } => {
            let request = GetDispatchRequest {
                creditor_id: creditor,
                at_least: read.at_least,
            };
            let mut work = context.clients.work();
            let answer = work.get_dispatch(call(request)).await?.into_inner();
            let dispatch = answer.dispatch.unwrap_or_default();
            context.print_read(("dispatch", DISPATCH), &dispatch, dispatch_facts);
            return Ok(());
        }
        DispatchCommand::Pause { creditor, reason } => (creditor, false, reason),
        DispatchCommand::Resume { creditor } => (creditor, true, String::new()),
    };
    let request = SetDispatchRequest {
        request_id: new_request_id(),
        creditor_id,
        enabled,
        reason,
    };
    let mut work = context.clients.work();
    let answer = work.set_dispatch(call(request)).await?.into_inner();
    let (dispatch, token) = (
        answer.dispatch.unwrap_or_default(),
        answer.consistency_token,
    );
    context.print_written(("dispatch", DISPATCH), &dispatch, &token, dispatch_facts);
    Ok(())
}

fn dispatch_facts(dispatch: &Dispatch) -> comfy_table::Table {
    let state = if dispatch.enabled { "on" } else { "off" };
    facts(&[
        ("Dispatch", state.to_owned()),
        ("Reason", dispatch.reason.clone()),
        ("Released, waiting", count_text(dispatch.waiting)),
        ("Uncertain", count_text(dispatch.uncertain)),
        ("Commands, waiting", count_text(dispatch.waiting_commands)),
    ])
}

fn kind_text(task: &Task) -> String {
    names::word("mahnwerk.dunning.v1.TaskKind", task.kind)
}

fn outcome_text(task: &Task) -> String {
    names::word("mahnwerk.dunning.v1.TaskOutcome", task.outcome)
}

/// Who works on it, and until when.
fn claim_text(task: &Task) -> String {
    joined(
        &[
            task.claimed_by.clone(),
            time_text(task.claimed_until.as_ref()),
        ],
        " until ",
    )
}

fn tasks(tasks: &[Task]) -> comfy_table::Table {
    let header = [
        "Task",
        "Kind",
        "Debtor",
        "Due",
        "Priority",
        "Portfolio",
        "Items",
        "About",
        "Claimed by",
        "Outcome",
    ];
    let mut shown = table(&header);
    for it in tasks {
        shown.add_row([
            it.task_id.clone(),
            kind_text(it),
            it.debtor_id.clone(),
            date_text(it.due_date.as_ref()),
            count_text(it.priority),
            it.portfolio.clone(),
            it.item_ids.join(", "),
            joined(&[it.notice_id.clone(), it.reference.clone()], ", "),
            claim_text(it),
            outcome_text(it),
        ]);
    }
    right(&mut shown, [4]);
    shown
}

fn task_facts(task: &Task) -> comfy_table::Table {
    facts(&[
        ("Task", task.task_id.clone()),
        ("Kind", kind_text(task)),
        ("Debtor", task.debtor_id.clone()),
        ("Items", task.item_ids.join(", ")),
        ("Notice", task.notice_id.clone()),
        ("Reference", task.reference.clone()),
        ("Due", date_text(task.due_date.as_ref())),
        ("Claimed by", claim_text(task)),
        ("Outcome", outcome_text(task)),
        ("Note", task.note.clone()),
    ])
}

fn pauses(pauses: &[Pause]) -> comfy_table::Table {
    let mut shown = table(&["Pause", "Concerns", "Kind", "From", "Until", "By", "Reason"]);
    for it in pauses {
        shown.add_row([
            it.pause_id.clone(),
            scope_text(it),
            names::word("mahnwerk.dunning.v1.PauseKind", it.kind),
            date_text(it.from.as_ref()),
            date_text(it.until.as_ref()),
            it.principal.clone(),
            it.reason.clone(),
        ]);
    }
    shown
}

fn scope_text(pause: &Pause) -> String {
    let named = |what: &str, id: &str| {
        if id.is_empty() {
            String::new()
        } else {
            format!("{what} {id}")
        }
    };
    let scope = joined(
        &[
            named("item", &pause.item_id),
            named("debtor", &pause.debtor_id),
            named("segment", &pause.segment_id),
        ],
        " of ",
    );
    if scope.is_empty() {
        "everybody".to_owned()
    } else {
        scope
    }
}

#[cfg(test)]
mod tests {
    use mahnwerk_proto::dunning::v1::{PauseKind, TaskKind};

    use super::*;

    #[test]
    fn a_pause_says_whom_it_concerns() {
        let mut pause = Pause::default();
        assert_eq!(scope_text(&pause), "everybody");
        pause.segment_id = "strict".to_owned();
        assert_eq!(scope_text(&pause), "segment strict");
        pause.segment_id.clear();
        pause.debtor_id = "C-1".to_owned();
        pause.item_id = "R-1".to_owned();
        pause.kind = PauseKind::StopClock.into();
        assert_eq!(scope_text(&pause), "item R-1 of debtor C-1");
        assert!(pauses(&[pause]).to_string().contains("stop-clock"));
    }

    #[test]
    fn a_task_shows_what_and_about_whom() {
        let task = Task {
            task_id: "T-1".to_owned(),
            kind: TaskKind::SendByHand.into(),
            debtor_id: "C-1".to_owned(),
            priority: 12_345,
            item_ids: vec!["R-1".to_owned(), "R-2".to_owned()],
            claimed_by: "anna".to_owned(),
            ..Task::default()
        };
        let text = tasks(std::slice::from_ref(&task)).to_string();
        for part in ["send-by-hand", "C-1", "12,345", "R-1, R-2", "anna"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!task_facts(&task).to_string().contains("Outcome"));
    }
}
