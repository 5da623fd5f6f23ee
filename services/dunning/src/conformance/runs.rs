//! Runs: proposed, reviewed, released, cancelled and replayed.

use futures::StreamExt as _;
use mahnwerk_proto::{
    common::v1::ErrorReason,
    dunning::v1::{
        CancelRunRequest, ExplainDebtorRequest, ListRunsRequest, Notice, NoticeChannel, NoticeEdit,
        NoticeState, ProposeRunRequest, ReplayRunRequest, ReplayRunResponse, ReviewNoticeRequest,
        ReviewNoticeResponse, Run, RunState, TaskKind, notice_edit::Edit,
        run_service_server::RunService, work_service_server::WorkService,
    },
    registry::v1::Channel,
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::Error,
    validate::from_date,
};
use sea_orm::DbErr;
use tonic::{Code, Request, Response, Status};

use super::{
    Outcome, assert_not_found, assert_refused, assert_violates,
    runner::{DUE, LEASE, Runner},
    world::date,
};
use crate::{
    app::inputs::Configuration,
    storage::{notice, run},
    worker::{Found, propose},
};

fn count(run: &Run, state: NoticeState) -> i64 {
    let of_state = run.notices.iter().filter(|it| it.state() == state);
    of_state.map(|it| it.notices).sum()
}

fn reason(run: &Run, reason: &str) -> i64 {
    let found = run.reasons.iter().filter(|it| it.reason == reason);
    found.map(|it| it.items).sum()
}

/// A run evaluates everybody once, counts every item's reason, and is the only unreleased one.
///
/// # Errors
/// Those of the calls.
pub async fn a_run_gives_every_item_a_reason(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner
        .world
        .owing("d1", &[("R1", 10_000, DUE), ("R2", 500, "2026-03-01")]);
    runner.world.owing("d2", &[("R3", 20_000, DUE)]);
    runner.world.debtor("d3", |_| {});
    runner.world.invoice("d3", "R4", 30_000, date(DUE), |_| {});
    let run_id = runner.propose().await?;
    let run = runner.run(&run_id).await?;
    assert_eq!(run.state(), RunState::Proposed);
    assert_eq!((run.debtors, run.evaluated, run.parked), (3, 3, 0));
    assert_eq!(run.business_date, Some(from_date(date("2026-03-02"))));
    assert_eq!(count(&run, NoticeState::Proposed), 2);
    assert_eq!(reason(&run, "DUNNED_ENTRY"), 2);
    assert_eq!(
        (reason(&run, "NOT_DUE"), reason(&run, "NO_CHANNEL")),
        (1, 1)
    );
    let tasks = runner.tasks().await?;
    let kinds: Vec<_> = tasks
        .iter()
        .map(|it| (it.kind(), it.debtor_id.as_str()))
        .collect();
    assert_eq!(kinds, [(TaskKind::ResearchContact, "d3")]);
    let notices = runner.notices(&run_id).await?;
    let totals: Vec<_> = notices
        .iter()
        .map(|it| (it.total_minor, it.level))
        .collect();
    assert_eq!(totals, [(10_000, 1), (20_000, 1)]);
    let request = |date| ProposeRunRequest {
        request_id: "again".to_owned(),
        creditor_id: "c1".to_owned(),
        business_date: date,
    };
    let again = runner.api.propose_run(Request::new(request(None))).await;
    assert_refused(&again, Code::FailedPrecondition, ErrorReason::WrongState);
    let other = Some(from_date(date("2026-03-03")));
    let another = runner.api.propose_run(Request::new(request(other))).await;
    assert_violates(&another, &["business_date"]);
    let listed = runner.api.list_runs(Request::new(ListRunsRequest {
        creditor_id: "c1".to_owned(),
        ..Default::default()
    }));
    let listed = listed.await?.into_inner().runs;
    let ids: Vec<_> = listed.iter().map(|it| (&it.run_id, it.evaluated)).collect();
    assert_eq!(ids, [(&run_id, 3)]);
    Ok(())
}

/// The debtors of a small creditor are one piece of work, however many partitions they are in; a run with nothing to send
/// ends with its release.
///
/// # Errors
/// Those of the calls.
pub async fn a_small_run_is_one_piece(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    for number in 0..30 {
        let (debtor_id, item_id) = (format!("d{number}"), format!("R{number}"));
        runner
            .world
            .owing(&debtor_id, &[(&item_id, 10_000, "2026-03-01")]);
    }
    let run_id = runner.propose().await?;
    let pieces = db
        .query("SELECT part, last_part, debtors FROM run_chunk", vec![])
        .await?;
    let pieces: Vec<(i64, i64, i64)> = pieces
        .iter()
        .map(|row| {
            Ok((
                column(row, "part")?,
                column(row, "last_part")?,
                column(row, "debtors")?,
            ))
        })
        .collect::<Result<_, DbErr>>()
        .map_err(Error::from)?;
    assert_eq!(pieces, [(0, 63, 30)]);
    runner.release(&run_id).await?;
    let run = runner.run(&run_id).await?;
    assert_eq!((run.state(), run.evaluated), (RunState::Done, 30));
    assert_eq!(reason(&run, "NOT_DUE"), 30);
    Ok(())
}

/// A worker that stands still or dies between steps changes nothing: others do its work, and what it does later has no
/// effect.
///
/// # Errors
/// Those of the calls.
pub async fn a_worker_that_was_overtaken_changes_nothing(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    for number in 0..40 {
        let (debtor_id, item_id) = (format!("d{number}"), format!("R{number}"));
        runner.world.owing(&debtor_id, &[(&item_id, 10_000, DUE)]);
    }
    runner.world.flush().await?;
    let app = runner.api.app.clone();
    let proposed = runner.api.propose_run(Request::new(ProposeRunRequest {
        request_id: "propose".to_owned(),
        creditor_id: "c1".to_owned(),
        business_date: None,
    }));
    let run_id = proposed.await?.into_inner().run.unwrap_or_default().run_id;
    assert_eq!(propose::step(&app, 0).await?, Found::Work);
    let row = run::get(db, "c1", &run_id).await?;
    let row = row.ok_or_else(|| Status::not_found("run"))?;
    let rules = Configuration::load(db, &app.law, &row.facts).await?;
    // It takes all there is, its lease is over at once, and everybody else is faster.
    let overtaken = run::lease_chunk(db, &row, 0).await?;
    runner.work().await?;
    let before = runner.run(&run_id).await?;
    assert_eq!((before.state(), before.evaluated), (RunState::Proposed, 40));
    let mut chunk = overtaken.ok_or_else(|| Status::not_found("chunk"))?;
    assert!(!app.propose_step(&row, &rules, &mut chunk, LEASE).await?);
    let after = runner.run(&run_id).await?;
    assert_eq!(before, after);
    assert_eq!(runner.notices(&run_id).await?.len(), 40);
    Ok(())
}

/// What waits to be sent is not proposed again, in whatever run.
///
/// # Errors
/// Those of the calls.
pub async fn a_step_that_waits_is_not_proposed_again(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    let first = runner.released().await?;
    assert_eq!(runner.run(&first).await?.state(), RunState::Dispatching);
    for day in ["2026-03-02", "2026-03-03", "2026-04-15"] {
        runner.world.open_day(date(day));
        let run_id = runner.released().await?;
        let run = runner.run(&run_id).await?;
        assert_eq!(count(&run, NoticeState::Released), 0, "{day}");
        assert_eq!(reason(&run, "WAITING_PAY_BY"), 1, "{day}");
        assert_eq!(run.state(), RunState::Done);
    }
    Ok(())
}

/// A step that a notice holds, though no state tells of it, is not made again: its item says so, what else there is goes
/// on, and a replay says the same.
///
/// # Errors
/// Those of the calls.
pub async fn a_step_that_a_notice_holds_is_not_made_again(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    runner.world.owing("d2", &[("R2", 20_000, DUE)]);
    runner.switch(true).await?;
    let first = runner.released().await?;
    runner.send().await?;
    let sent = runner.notices(&first).await?;
    db.execute("DELETE FROM item_state", vec![]).await?;
    runner.world.open_day(date("2026-04-15"));
    runner
        .world
        .invoice("d2", "R3", 30_000, date("2026-03-20"), |_| {});
    let second = runner.propose().await?;
    let run = runner.run(&second).await?;
    assert_eq!((run.state(), run.evaluated), (RunState::Proposed, 2));
    assert_eq!(
        (reason(&run, "ALREADY_SENT"), reason(&run, "DUNNED_ENTRY")),
        (2, 1)
    );
    let notices = runner.notices(&second).await?;
    let items: Vec<_> = notices
        .iter()
        .flat_map(|it| &it.items)
        .map(|it| it.item_id.as_str())
        .collect();
    assert_eq!(items, ["R3"]);
    for (debtor_id, expected) in [
        ("d1", vec![("R1", "ALREADY_SENT")]),
        ("d2", vec![("R2", "ALREADY_SENT"), ("R3", "DUNNED_ENTRY")]),
    ] {
        let explained = runner
            .api
            .explain_debtor(Request::new(ExplainDebtorRequest {
                creditor_id: "c1".to_owned(),
                debtor_id: debtor_id.to_owned(),
                at_least: String::new(),
            }));
        let findings = explained.await?.into_inner().findings;
        let said: Vec<_> = findings
            .iter()
            .map(|it| (it.item_id.as_str(), it.reason.as_str()))
            .collect();
        assert_eq!(said, expected);
        let held_by = sent.iter().find(|it| it.debtor_id == debtor_id);
        let named = findings.first().map(|it| &it.reference);
        assert_eq!(named, held_by.map(|it| &it.notice_id));
    }
    let replayed = replay(&runner, &second).await?;
    let last = replayed.last().cloned().unwrap_or_default();
    assert_eq!((last.replayed, last.differing), (2, 0));
    runner.release(&second).await?;
    runner.send().await?;
    assert_eq!(runner.run(&second).await?.state(), RunState::Done);
    assert_eq!(runner.mailbox.by_notice().len(), 3);
    Ok(())
}

/// A cancelled run leaves nothing behind that stands in the way of the next.
///
/// # Errors
/// Those of the calls.
pub async fn a_cancelled_run_gives_its_steps_free(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    let first = runner.propose().await?;
    runner.cancel(&first).await?;
    let run = runner.run(&first).await?;
    assert_eq!(
        (run.state(), count(&run, NoticeState::Excluded)),
        (RunState::Cancelled, 1)
    );
    let second = runner.propose().await?;
    let notices = runner.notices(&second).await?;
    assert_eq!(notices.len(), 1);
    runner.release(&second).await?;
    let request_id = runner.request_id();
    let late = runner.api.cancel_run(Request::new(CancelRunRequest {
        request_id,
        creditor_id: "c1".to_owned(),
        run_id: second,
    }));
    assert_refused(
        &late.await,
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );
    Ok(())
}

async fn review(
    runner: &mut Runner,
    notice_id: &str,
    edit: Edit,
) -> Result<Response<ReviewNoticeResponse>, Status> {
    let request_id = runner.request_id();
    let request = ReviewNoticeRequest {
        request_id,
        creditor_id: "c1".to_owned(),
        notice_id: notice_id.to_owned(),
        edit: Some(NoticeEdit { edit: Some(edit) }),
    };
    runner.api.review_notice(Request::new(request)).await
}

fn reviewed(answer: Response<ReviewNoticeResponse>) -> Notice {
    answer.into_inner().notice.unwrap_or_default()
}

/// A reviewer's edits change the notice and the counts; what the ladder does not allow is refused.
///
/// # Errors
/// Those of the calls.
pub async fn a_reviewer_edits_what_is_proposed(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner
        .world
        .owing("d1", &[("R1", 10_000, DUE), ("R2", 5_000, DUE)]);
    runner
        .world
        .contact_point("d1", "house", Channel::Post, |_| {});
    runner.world.owing("d2", &[("R3", 20_000, DUE)]);
    let run_id = runner.propose().await?;
    let notices = runner.notices(&run_id).await?;
    let [one, two] = [0, 1].map(|at| notices.get(at).cloned().unwrap_or_default());
    let id = one.notice_id.as_str();
    let out = review(&mut runner, id, Edit::ExcludeItemId("R2".to_owned())).await?;
    let out = reviewed(out);
    assert_eq!((out.total_minor, out.items.len()), (10_000, 1));
    let raised = reviewed(review(&mut runner, id, Edit::Raise(true)).await?);
    assert_eq!(raised.level, 2);
    let again = review(&mut runner, id, Edit::Raise(true)).await;
    assert_violates(&again, &["edit"]);
    let post = Edit::Channel(NoticeChannel::Post.into());
    let posted = reviewed(review(&mut runner, id, post).await?);
    assert_eq!(posted.channel(), NoticeChannel::Post);
    let sms = review(&mut runner, id, Edit::Channel(NoticeChannel::Sms.into())).await;
    assert_violates(&sms, &["edit.channel"]);
    let unknown = review(&mut runner, id, Edit::ExcludeItemId("R9".to_owned())).await;
    assert_violates(&unknown, &["edit.exclude_item_id"]);
    let remark = Edit::Comment("spoke to them".to_owned());
    let remarked = reviewed(review(&mut runner, id, remark).await?);
    assert_eq!(remarked.comment, "spoke to them");
    let gone = review(&mut runner, &two.notice_id, Edit::ExcludeAll(true)).await?;
    assert_eq!(reviewed(gone).state(), NoticeState::Excluded);
    let late = review(&mut runner, &two.notice_id, Edit::Raise(true)).await;
    assert_refused(&late, Code::FailedPrecondition, ErrorReason::WrongState);
    let missing = review(&mut runner, "nobody", Edit::Raise(true)).await;
    assert_not_found(&missing, "notice");
    let run = runner.run(&run_id).await?;
    assert_eq!(
        (
            reason(&run, "EXCLUDED_BY_REVIEW"),
            reason(&run, "DUNNED_REVIEWED")
        ),
        (2, 1)
    );
    runner.release(&run_id).await?;
    let after = review(&mut runner, id, Edit::Raise(true)).await;
    assert_refused(&after, Code::FailedPrecondition, ErrorReason::WrongState);
    let replayed = replay(&runner, &run_id).await?;
    assert_eq!(
        replayed.last().map(|it| it.differing),
        Some(0),
        "edits are no difference"
    );
    Ok(())
}

async fn replay(runner: &Runner, run_id: &str) -> Result<Vec<ReplayRunResponse>, Status> {
    let replay = runner.api.replay_run(Request::new(ReplayRunRequest {
        creditor_id: "c1".to_owned(),
        run_id: run_id.to_owned(),
    }));
    let messages: Vec<_> = replay.await?.into_inner().collect().await;
    messages.into_iter().collect()
}

/// A replay gives the same plans, whatever came since; one altered input is named, and nothing else.
///
/// # Errors
/// Those of the calls.
pub async fn a_replay_names_exactly_what_differs(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    for number in 0..30 {
        let (debtor_id, item_id) = (format!("d{number}"), format!("R{number}"));
        runner
            .world
            .owing(&debtor_id, &[(&item_id, 10_000 + number, DUE)]);
    }
    let run_id = runner.propose().await?;
    let first = replay(&runner, &run_id).await?;
    for number in 0..30 {
        runner
            .world
            .pay(&format!("R{number}"), 5_000, date("2026-03-02"));
    }
    runner.world.open_day(date("2026-03-03"));
    runner.world.flush().await?;
    let second = replay(&runner, &run_id).await?;
    assert_eq!(first, second);
    let last = second.last().cloned().unwrap_or_default();
    assert_eq!(
        (last.replayed, last.differing, last.digest.len()),
        (30, 0, 64)
    );
    let txn = db.begin_write().await?;
    txn.execute_sql(
        "UPDATE run_debtor SET input = replace(input, '\"open\":10007', '\"open\":10008') WHERE run_id = $1",
        vec![run_id.as_str().into()],
    )
    .await?;
    txn.commit().await?;
    let third = replay(&runner, &run_id).await?;
    let named: Vec<_> = third.iter().flat_map(|it| &it.differences).collect();
    assert_eq!(named.len(), 1);
    let named = named.first().map(|it| it.debtor_id.as_str());
    assert_eq!(named, Some("d7"));
    let altered = third.last().cloned().unwrap_or_default();
    assert_eq!((altered.replayed, altered.differing), (30, 1));
    assert_ne!(altered.digest, last.digest);
    let steps = notice::list(
        db,
        notice::Filter {
            creditor_id: "c1",
            run_id: &run_id,
            debtor_id: "",
            state: NoticeState::Proposed,
        },
        "",
        1_000,
    );
    assert_eq!(steps.await?.len(), 30);
    Ok(())
}
