//! Tasks and what their outcomes do, and commands to the registry.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    dunning::v1::{
        ClaimTaskRequest, CompleteTaskRequest, CompleteTaskResponse, ListTasksRequest, NoticeState,
        Task, TaskKind, TaskOutcome, work_service_server::WorkService,
    },
    registry::v1::{Channel, InstalmentPlanState, PromiseState},
    scoring::v1::RiskClass,
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::Error,
    validate::from_date,
};
use tonic::{Code, Request, Response, Status};

use super::{
    Outcome, assert_refused, assert_violates,
    runner::{Book, DUE, Runner, lock},
    world::{Feed, date},
};
use crate::{
    app::outbox::{Failure, Order},
    storage::state,
};

async fn complete(
    runner: &mut Runner,
    task: &Task,
    outcome: TaskOutcome,
) -> Result<Response<CompleteTaskResponse>, Status> {
    let request_id = runner.request_id();
    let request = CompleteTaskRequest {
        request_id,
        creditor_id: "c1".to_owned(),
        task_id: task.task_id.clone(),
        outcome: outcome.into(),
        note: "spoke to the bookkeeper".to_owned(),
    };
    runner.api.complete_task(Request::new(request)).await
}

async fn only_task(runner: &Runner) -> Result<Task, Status> {
    let mut tasks = runner.tasks().await?;
    assert_eq!(tasks.len(), 1);
    Ok(tasks.pop().unwrap_or_default())
}

async fn step(db: &Db, item_id: &str) -> Result<Option<(u8, bool)>, Status> {
    let states = state::states(db, "c1", &[("d1", item_id)]).await?;
    Ok(states.values().next().map(|it| (it.level, it.done)))
}

/// The second step asks for a call after its pay-by date; the step is done when the call was made.
///
/// # Errors
/// Those of the calls.
pub async fn a_call_lets_the_ladder_go_on(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    runner
        .world
        .contact_point("d1", "phone", Channel::Phone, |_| {});
    runner.switch(true).await?;
    runner.released().await?;
    runner.send().await?;
    runner.world.open_day(date("2026-03-25"));
    let second = runner.released().await?;
    runner.send().await?;
    let notice = runner.notices(&second).await?.pop().unwrap_or_default();
    assert_eq!((notice.level, notice.state()), (2, NoticeState::Sent));
    assert_eq!(step(db, "R1").await?, Some((2, false)));
    let call = only_task(&runner).await?;
    assert_eq!(
        (call.kind(), &call.notice_id),
        (TaskKind::Call, &notice.notice_id)
    );
    assert_eq!(call.item_ids, ["R1"]);
    complete(&mut runner, &call, TaskOutcome::NotReached).await?;
    assert_eq!(step(db, "R1").await?, Some((2, true)));
    let again = complete(&mut runner, &call, TaskOutcome::Done).await;
    assert_refused(&again, Code::FailedPrecondition, ErrorReason::WrongState);
    Ok(())
}

/// A letter is a task for a person: done, it counts as a contact; not sent at all, its step is free again.
///
/// # Errors
/// Those of the calls.
pub async fn a_letter_is_brought_by_hand_or_taken_back(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    for debtor in ["d1", "d2"] {
        runner.world.debtor(debtor, |_| {});
        runner
            .world
            .contact_point(debtor, "house", Channel::Post, |_| {});
        let item = format!("R-{debtor}");
        runner
            .world
            .invoice(debtor, &item, 10_000, date(DUE), |_| {});
    }
    let run_id = runner.released().await?;
    runner.switch(true).await?;
    runner.send().await?;
    let tasks = runner.tasks().await?;
    assert!(tasks.iter().all(|it| it.kind() == TaskKind::SendByHand));
    let of = |debtor: &str| tasks.iter().find(|it| it.debtor_id == debtor).cloned();
    let [one, two] = ["d1", "d2"].map(|debtor| of(debtor).unwrap_or_default());
    assert_eq!(step(db, "R-d1").await?, Some((1, false)));
    let wrong = complete(&mut runner, &one, TaskOutcome::Promised).await;
    assert_violates(&wrong, &["outcome"]);
    complete(&mut runner, &one, TaskOutcome::Done).await?;
    assert_eq!(step(db, "R-d1").await?, Some((1, true)));
    complete(&mut runner, &two, TaskOutcome::Dismissed).await?;
    let states: Vec<_> = runner
        .notices(&run_id)
        .await?
        .iter()
        .map(|it| it.state())
        .collect();
    assert_eq!(states, [NoticeState::Sent, NoticeState::Withdrawn]);
    let book = Book::default();
    runner.carry_out(&book).await?;
    let contacts: Vec<_> = lock(&book.done)
        .iter()
        .map(|it| it.debtor_id.clone())
        .collect();
    assert_eq!(contacts, ["d1"]);
    // The one that was taken back counts as a contact of the day that it was planned for, and is due after it.
    runner.world.open_day(date("2026-03-09"));
    let next = runner.propose().await?;
    let proposed: Vec<_> = runner.notices(&next).await?;
    let proposed: Vec<_> = proposed
        .iter()
        .map(|it| (it.debtor_id.as_str(), it.level))
        .collect();
    assert_eq!(proposed, [("d2", 1)]);
    Ok(())
}

/// A promise or plan that breaks is a task, once, with what is open of its invoices at risk; if all is paid, or only a
/// snapshot tells of it, there is none.
///
/// # Errors
/// Those of the calls.
pub async fn a_broken_promise_is_a_task_once(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    let world = &mut runner.world;
    world.owing("d1", &[("R1", 10_000, DUE), ("R2", 6_000, DUE)]);
    world.owing("d2", &[("R3", 9_000, DUE)]);
    world.owing("d3", &[("R4", 9_000, DUE)]);
    world.score("d1", RiskClass::D, 100_000);
    let told = [("d1", "V1", "R1"), ("d2", "V2", "R3"), ("d3", "V3", "R4")];
    for (debtor_id, id, item_id) in told {
        world.promise(debtor_id, id, &[(item_id, 5_000)], PromiseState::Open);
    }
    world.flush().await?;
    world.pay("R1", 2_000, world.today);
    world.pay("R3", 9_000, world.today);
    world.promise("d1", "V1", &[("R1", 3_000)], PromiseState::PartlyKept);
    world.promise("d2", "V2", &[("R3", 5_000)], PromiseState::Broken);
    world.promise("d3", "V3", &[("R4", 5_000)], PromiseState::Kept);
    world.flush().await?;
    let task = only_task(&runner).await?;
    assert_eq!(
        (task.kind(), task.debtor_id.as_str()),
        (TaskKind::BrokenPromise, "d1")
    );
    assert_eq!(
        (task.priority, task.reference.as_str()),
        (800, "promise/V1")
    );
    assert_eq!(
        (&*task.item_ids, task.due_date),
        (&["R1".to_owned()][..], Some(from_date(date("2026-03-02"))))
    );
    complete(&mut runner, &task, TaskOutcome::Reached).await?;
    let world = &mut runner.world;
    world.promise("d1", "V1", &[("R1", 3_000)], PromiseState::Broken);
    world.plan("d3", "T1", &[("R4", 9_000)], InstalmentPlanState::Broken);
    world.flush().await?;
    let task = only_task(&runner).await?;
    assert_eq!(
        (task.priority, task.reference.as_str()),
        (4_500, "instalment_plan/T1")
    );
    complete(&mut runner, &task, TaskOutcome::Done).await?;
    let world = &mut runner.world;
    let rows = world.snapshot(Feed::Registry);
    world.restore(Feed::Registry, rows).await?;
    assert_eq!(runner.tasks().await?, []);
    Ok(())
}

/// Tasks come by priority; one that somebody has claimed is not for others.
///
/// # Errors
/// Those of the calls.
pub async fn a_claimed_task_is_nobody_elses(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    for (debtor, minor, pd) in [
        ("d1", 10_000, 100_000),
        ("d2", 50_000, 500_000),
        ("d3", 40_000, 0),
    ] {
        runner.world.debtor(debtor, |_| {});
        let item = format!("R-{debtor}");
        runner
            .world
            .invoice(debtor, &item, minor, date(DUE), |_| {});
        runner.world.score(debtor, RiskClass::C, pd);
    }
    runner.propose().await?;
    let tasks = runner.tasks().await?;
    let order: Vec<_> = tasks
        .iter()
        .map(|it| (it.debtor_id.as_str(), it.priority))
        .collect();
    assert_eq!(order, [("d2", 25_000), ("d1", 1_000), ("d3", 0)]);
    let first = tasks.first().cloned().unwrap_or_default();
    let claim = |request_id: &str| {
        Request::new(ClaimTaskRequest {
            request_id: request_id.to_owned(),
            creditor_id: "c1".to_owned(),
            task_id: first.task_id.clone(),
            minutes: 30,
        })
    };
    let claimed = runner.api.claim_task(claim("one")).await?.into_inner();
    let claimed = claimed.task.unwrap_or_default();
    assert_eq!(
        (claimed.claimed_by.as_str(), claimed.claimed_until.is_some()),
        ("unknown", true)
    );
    let txn = db.begin_write().await?;
    txn.execute_sql(
        "UPDATE task SET claimed_by = 'ann' WHERE claimed_by <> ''",
        vec![],
    )
    .await?;
    txn.commit().await?;
    let other = runner.api.claim_task(claim("two")).await;
    assert_refused(&other, Code::FailedPrecondition, ErrorReason::WrongState);
    let second = tasks.get(1).cloned().unwrap_or_default();
    complete(&mut runner, &second, TaskOutcome::Done).await?;
    let page = async |completed, token: &str| {
        let listed = runner.api.list_tasks(Request::new(ListTasksRequest {
            creditor_id: "c1".to_owned(),
            include_completed: completed,
            page_size: 2,
            page_token: token.to_owned(),
            ..Default::default()
        }));
        Ok::<_, Status>(listed.await?.into_inner())
    };
    let all = page(true, "").await?;
    let rest = page(true, &all.next_page_token).await?;
    let whole = all.tasks.iter().chain(&rest.tasks);
    let whole: Vec<_> = whole.map(|it| it.debtor_id.as_str()).collect();
    assert_eq!(whole, ["d2", "d1", "d3"]);
    assert_eq!(page(false, "").await?.tasks.len(), 2);
    Ok(())
}

/// A command is carried out under its id until the registry has it; what it refuses for good becomes a task.
///
/// # Errors
/// Those of the calls.
pub async fn commands_are_carried_out_once_or_become_tasks(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    runner.world.owing("d2", &[("R2", 10_000, DUE)]);
    runner.switch(true).await?;
    runner.released().await?;
    runner.send().await?;
    let book = Book::default();
    *lock(&book.failures) = vec![
        Failure::Refused("RESOURCE_NOT_FOUND".to_owned()),
        Failure::Later,
    ];
    runner.carry_out(&book).await?;
    assert_eq!(lock(&book.done).len(), 0);
    let task = only_task(&runner).await?;
    assert_eq!(task.kind(), TaskKind::RefusedCommand);
    assert!(task.reference.ends_with("RESOURCE_NOT_FOUND"));
    let txn = db.begin_write().await?;
    txn.execute_sql("UPDATE command SET next_at = 0", vec![])
        .await?;
    txn.commit().await?;
    runner.carry_out(&book).await?;
    runner.carry_out(&book).await?;
    let done = lock(&book.done).clone();
    assert_eq!(done.len(), 1);
    let command = done.first().cloned();
    assert!(command.is_some_and(|it| {
        it.command_id.len() <= 64 && matches!(it.order, Order::RecordContact { .. })
    }));
    Ok(())
}

/// Commands are forgotten 30 days after they ended, a batch at a time; one that is open never is, however old.
///
/// # Errors
/// Those of the calls.
pub async fn ended_commands_are_forgotten_after_30_days(db: &Db) -> Outcome {
    const KEPT: i64 = 30 * 24 * 3_600 * 1_000_000;
    let aged = async |age: i64| {
        let sql = "UPDATE command SET next_at = next_at - $1";
        db.execute(sql, vec![age.into()]).await
    };
    let left = async || {
        let rows = db.query("SELECT state FROM command", vec![]).await?;
        let states = rows.iter().map(|row| Ok(column(row, "state")?));
        states.collect::<Result<Vec<String>, Error>>()
    };
    let mut runner = Runner::open(db).await?;
    for (debtor, item) in [("d1", "R1"), ("d2", "R2"), ("d3", "R3")] {
        runner.world.owing(debtor, &[(item, 10_000, DUE)]);
    }
    runner.switch(true).await?;
    runner.released().await?;
    runner.send().await?;
    let book = Book::default();
    let refused = Failure::Refused("RESOURCE_NOT_FOUND".to_owned());
    *lock(&book.failures) = vec![Failure::Later, refused];
    runner.carry_out(&book).await?;
    let app = runner.api.app.clone();
    // A minute is left.
    aged(KEPT - 60_000_000).await?;
    assert_eq!(app.forget_commands(10).await?, 0);
    assert_eq!(left().await?.len(), 3);
    aged(120_000_000).await?;
    assert_eq!(app.forget_commands(1).await?, 1);
    assert_eq!(app.forget_commands(10).await?, 1);
    assert_eq!(left().await?, ["OPEN"]);
    // The one that waited so long ends now, and is kept from now on.
    runner.carry_out(&book).await?;
    assert_eq!(lock(&book.done).len(), 2);
    assert_eq!(app.forget_commands(10).await?, 0);
    assert_eq!(left().await?, ["DONE"]);
    Ok(())
}
