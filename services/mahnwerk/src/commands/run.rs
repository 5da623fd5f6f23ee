//! `mahnwerk run`.

use mahnwerk_proto::dunning::v1::{
    CancelRunRequest, Dispatch, GetDispatchRequest, GetRunRequest, ListNoticesRequest,
    ListRunsRequest, NoticeEdit, ProposeRunRequest, ReleaseRunRequest, ReplayDifference,
    ReplayRunRequest, ReviewNoticeRequest, Run, RunState, notice_edit::Edit,
};
use serde_json::json;

use super::{
    Context,
    listing::{pages, until_rest},
    notice::{NOTICE, notice_text, notices},
};
use crate::{
    cli::{
        ListArgs,
        dunning::{ReviewArgs, RunArgs, RunCommand},
    },
    client::{Failure, Result, call, new_request_id, once_arrived},
    json, names,
    output::{count_text, date_text, facts, print_json, right, table, time_text, yes},
};

const RUN: &str = "mahnwerk.dunning.v1.Run";
const RUN_STATE: &str = "mahnwerk.dunning.v1.RunState";

/// Runs the command.
pub(super) async fn run(context: &Context, command: RunCommand) -> Result<()> {
    match command {
        RunCommand::Propose { creditor, wait } => propose(context, creditor, wait).await,
        RunCommand::List { creditor, list } => list_runs(context, creditor, list).await,
        RunCommand::Show { run, list } => show(context, run, list).await,
        RunCommand::Review(args) => review(context, args).await,
        RunCommand::Release { run, etag, wait } => release(context, run, etag, wait).await,
        RunCommand::Cancel(args) => {
            let request = CancelRunRequest {
                request_id: new_request_id(),
                creditor_id: args.creditor,
                run_id: args.run,
            };
            let mut runs = context.clients.runs();
            let answer = runs.cancel_run(call(request)).await?.into_inner();
            let run = answer.run.unwrap_or_default();
            context.print_written(("run", RUN), &run, &answer.consistency_token, run_text);
            Ok(())
        }
        RunCommand::Replay(args) => replay(context, args).await,
    }
}

async fn propose(context: &Context, creditor: String, wait: bool) -> Result<()> {
    let request = ProposeRunRequest {
        request_id: new_request_id(),
        creditor_id: creditor,
        business_date: None,
    };
    let mut runs = context.clients.runs();
    let answer = runs.propose_run(call(request)).await?.into_inner();
    let token = answer.consistency_token;
    let mut run = answer.run.unwrap_or_default();
    if wait {
        let look = async || read(context, &run.creditor_id, &run.run_id, &token).await;
        let evaluated = |it: &Run| it.state() != RunState::Proposing;
        run = until_rest(look, |it| (it.evaluated, it.debtors), evaluated).await?;
    }
    context.print_written(("run", RUN), &run, &token, run_text);
    Ok(())
}

async fn read(context: &Context, creditor: &str, run: &str, token: &str) -> Result<Run> {
    let request = GetRunRequest {
        creditor_id: creditor.to_owned(),
        run_id: run.to_owned(),
        at_least: token.to_owned(),
    };
    let mut runs = context.clients.runs();
    let answer = once_arrived(async || runs.get_run(call(request.clone())).await).await?;
    Ok(answer.run.unwrap_or_default())
}

async fn list_runs(context: &Context, creditor: String, list: ListArgs) -> Result<()> {
    let mut runs = context.clients.runs();
    let listed = pages(list.limit, async |page| {
        let request = ListRunsRequest {
            creditor_id: creditor.clone(),
            page_size: page.size,
            page_token: page.token,
            at_least: list.read.at_least.clone(),
        };
        let answer = runs.list_runs(call(request)).await?.into_inner();
        Ok((answer.runs, answer.next_page_token))
    })
    .await?;
    context.print_list(("runs", RUN), &listed, "no runs", run_table);
    Ok(())
}

async fn show(context: &Context, args: RunArgs, list: ListArgs) -> Result<()> {
    let mut runs = context.clients.runs();
    let request = GetRunRequest {
        creditor_id: args.creditor.clone(),
        run_id: args.run.clone(),
        at_least: list.read.at_least.clone(),
    };
    let answer = runs.get_run(call(request)).await?.into_inner();
    let run = answer.run.unwrap_or_default();
    let listed = pages(list.limit, async |page| {
        let request = ListNoticesRequest {
            creditor_id: args.creditor.clone(),
            run_id: args.run.clone(),
            page_size: page.size,
            page_token: page.token,
            ..ListNoticesRequest::default()
        };
        let answer = runs.list_notices(call(request)).await?.into_inner();
        Ok((answer.notices, answer.next_page_token))
    })
    .await?;
    if context.json {
        print_json(&json!({
            "run": json::message(RUN, &run),
            "notices": json::messages(NOTICE, &listed.rows),
            "more": listed.more,
        }));
        return Ok(());
    }
    say!("{}\n\nNotices", run_text(&run));
    context.print_list(("notices", NOTICE), &listed, "none", notices);
    Ok(())
}

async fn review(context: &Context, args: ReviewArgs) -> Result<()> {
    let request = ReviewNoticeRequest {
        request_id: new_request_id(),
        edit: Some(NoticeEdit { edit: edit(&args) }),
        creditor_id: args.creditor,
        notice_id: args.notice,
    };
    let mut runs = context.clients.runs();
    let answer = runs.review_notice(call(request)).await?.into_inner();
    let notice = answer.notice.unwrap_or_default();
    context.print_written(
        ("notice", NOTICE),
        &notice,
        &answer.consistency_token,
        notice_text,
    );
    Ok(())
}

/// What the arguments ask for: they take exactly one.
fn edit(args: &ReviewArgs) -> Option<Edit> {
    let flags = [
        (args.exclude, Edit::ExcludeAll(true)),
        (args.lower, Edit::Lower(true)),
        (args.raise, Edit::Raise(true)),
    ];
    let flag = flags
        .into_iter()
        .find_map(|(given, edit)| given.then_some(edit));
    let item = args.exclude_item.clone().map(Edit::ExcludeItemId);
    let comment = args.comment.clone().map(Edit::Comment);
    flag.or(item)
        .or(comment)
        .or(args.channel.map(Edit::Channel))
}

/// The etag is the one that somebody was shown: one read here would vouch for what nobody has seen.
async fn release(context: &Context, args: RunArgs, etag: String, wait: bool) -> Result<()> {
    let request = ReleaseRunRequest {
        request_id: new_request_id(),
        creditor_id: args.creditor.clone(),
        run_id: args.run,
        etag,
    };
    let mut runs = context.clients.runs();
    let answer = runs.release_run(call(request)).await?.into_inner();
    let token = answer.consistency_token;
    let mut released = answer.run.unwrap_or_default();
    let mut dispatch = Dispatch::default();
    if wait {
        let look = async || {
            let run = read(context, &args.creditor, &released.run_id, &token).await?;
            Ok((run, read_dispatch(context, &args.creditor).await?))
        };
        // What nothing will come of is not waited for.
        let ended = |(run, dispatch): &(Run, Dispatch)| match run.state() {
            RunState::Done | RunState::Cancelled => true,
            RunState::Dispatching => !dispatch.enabled || !dispatch.reason.is_empty(),
            _ => false,
        };
        (released, dispatch) = until_rest(look, |(run, _)| dealt_with(run), ended).await?;
    }
    context.print_written(("run", RUN), &released, &token, run_text);
    if wait && released.state() == RunState::Dispatching && !context.json {
        if dispatch.enabled {
            say!("\n{}", dispatch.reason);
        } else {
            say!(
                "\nDispatch is off: `mahnwerk dispatch resume {}` sends what waits",
                args.creditor
            );
        }
    }
    Ok(())
}

async fn read_dispatch(context: &Context, creditor: &str) -> Result<Dispatch> {
    let request = GetDispatchRequest {
        creditor_id: creditor.to_owned(),
        at_least: String::new(),
    };
    let answer = context.clients.work().get_dispatch(call(request)).await?;
    Ok(answer.into_inner().dispatch.unwrap_or_default())
}

/// Notices that need nothing any more, and all notices.
fn dealt_with(run: &Run) -> (i64, i64) {
    use mahnwerk_proto::dunning::v1::NoticeState;
    let waiting = |state| matches!(state, NoticeState::Released | NoticeState::Sending);
    let all = run.notices.iter().map(|it| it.notices).sum::<i64>();
    let left = run
        .notices
        .iter()
        .filter(|it| waiting(it.state()))
        .map(|it| it.notices)
        .sum::<i64>();
    (all - left, all)
}

async fn replay(context: &Context, args: RunArgs) -> Result<()> {
    let request = ReplayRunRequest {
        creditor_id: args.creditor,
        run_id: args.run,
    };
    // Without a deadline: it takes as long as there are debtors.
    let mut messages = context
        .clients
        .runs()
        .replay_run(request)
        .await?
        .into_inner();
    let (mut replayed, mut differing, mut digest) = (0, 0, String::new());
    let mut differences: Vec<ReplayDifference> = Vec::new();
    while let Some(message) = messages.message().await? {
        (replayed, differing) = (message.replayed, message.differing);
        differences.extend(message.differences);
        digest = message.digest;
    }
    if digest.is_empty() {
        return Err(Failure::Unexpected("the replay ended early".to_owned()));
    }
    if context.json {
        let name = "mahnwerk.dunning.v1.ReplayDifference";
        print_json(&json!({
            "replayed": replayed,
            "differing": differing,
            "digest": digest,
            "differences": json::messages(name, &differences),
        }));
    } else {
        let counts = facts(&[
            ("Replayed", count_text(replayed)),
            ("Differing", count_text(differing)),
            ("SHA-256 of the plans", digest),
        ]);
        say!("{counts}");
        for it in &differences {
            say!(
                "\n{}\n  stored    {}\n  replayed  {}",
                it.debtor_id,
                it.stored,
                it.replayed
            );
        }
    }
    if differing > 0 {
        let text = format!("the plans of {} debtors differ", count_text(differing));
        return Err(Failure::Unexpected(text));
    }
    Ok(())
}

fn run_table(runs: &[Run]) -> comfy_table::Table {
    let mut shown = table(&[
        "Run",
        "Business date",
        "State",
        "Debtors",
        "Evaluated",
        "Proposed",
        "By",
    ]);
    for it in runs {
        shown.add_row([
            it.run_id.clone(),
            date_text(it.business_date.as_ref()),
            names::word(RUN_STATE, it.state),
            count_text(it.debtors),
            count_text(it.evaluated),
            time_text(it.create_time.as_ref()),
            it.principal.clone(),
        ]);
    }
    right(&mut shown, 3..5);
    shown
}

/// How a run stands, and why.
fn run_text(run: &Run) -> String {
    let evaluated = format!(
        "{} of {}",
        count_text(run.evaluated),
        count_text(run.debtors)
    );
    let parked = if run.parked > 0 {
        count_text(run.parked)
    } else {
        String::new()
    };
    let mut text = facts(&[
        ("Run", run.run_id.clone()),
        ("Business date", date_text(run.business_date.as_ref())),
        ("State", names::word(RUN_STATE, run.state)),
        ("Debtors evaluated", evaluated),
        ("Parked, left out", parked),
        ("Ledger is stale", yes(run.stale_ledger).to_owned()),
        ("Proposed", time_text(run.create_time.as_ref())),
        ("By", run.principal.clone()),
        ("Released by", run.released_by.clone()),
        ("Etag", run.etag.clone()),
    ])
    .to_string();
    if !run.notices.is_empty() {
        let mut states = table(&["Notices", "State"]);
        for it in &run.notices {
            let state = names::word("mahnwerk.dunning.v1.NoticeState", it.state);
            states.add_row([count_text(it.notices), state]);
        }
        right(&mut states, [0]);
        text = format!("{text}\n\n{states}");
    }
    if !run.reasons.is_empty() {
        let mut reasons = table(&["Items", "Why, or why not"]);
        for it in &run.reasons {
            reasons.add_row([count_text(it.items), it.reason.clone()]);
        }
        right(&mut reasons, [0]);
        text = format!("{text}\n\n{reasons}");
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use mahnwerk_proto::dunning::v1::{NoticeChannel, NoticeCount, NoticeState, ReasonCount};

    use super::*;
    use crate::cli::{Cli, Command};

    fn edit_of(given: &[&str]) -> Option<Edit> {
        let words = ["mahnwerk", "run", "review", "acme", "N-1"];
        let parsed = Cli::try_parse_from(words.iter().chain(given)).ok()?;
        match parsed.command {
            Command::Run(RunCommand::Review(args)) => edit(&args),
            _ => None,
        }
    }

    #[test]
    fn a_review_is_exactly_one_edit() {
        assert_eq!(
            edit_of(&["--exclude-item", "R-1"]),
            Some(Edit::ExcludeItemId("R-1".to_owned()))
        );
        assert_eq!(edit_of(&["--exclude"]), Some(Edit::ExcludeAll(true)));
        assert_eq!(edit_of(&["--lower"]), Some(Edit::Lower(true)));
        assert_eq!(edit_of(&["--raise"]), Some(Edit::Raise(true)));
        assert_eq!(
            edit_of(&["--channel", "registered"]),
            Some(Edit::Channel(NoticeChannel::Registered.into()))
        );
        assert_eq!(
            edit_of(&["--comment", "x"]),
            Some(Edit::Comment("x".to_owned()))
        );
        assert_eq!(edit_of(&[]), None);
        assert_eq!(edit_of(&["--lower", "--raise"]), None);
    }

    #[test]
    fn a_run_shows_its_notices_by_state_and_its_items_by_reason() {
        let run = Run {
            run_id: "R".to_owned(),
            etag: "v7".to_owned(),
            state: RunState::Dispatching.into(),
            debtors: 1_500,
            evaluated: 1_500,
            notices: vec![
                NoticeCount {
                    state: NoticeState::Sent.into(),
                    notices: 40,
                },
                NoticeCount {
                    state: NoticeState::Released.into(),
                    notices: 2,
                },
            ],
            reasons: vec![ReasonCount {
                reason: "WAITING_PAY_BY".to_owned(),
                items: 1_234,
            }],
            ..Run::default()
        };
        let text = run_text(&run);
        for part in [
            "1,500 of 1,500",
            "dispatching",
            "40",
            "sent",
            "1,234",
            "WAITING_PAY_BY",
            "v7",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("stale"), "{text}");
        assert_eq!(dealt_with(&run), (40, 42));
    }
}
