//! Dispatch: checked, sent once, and what becomes of it.

use dunning_channel::{Refusal, SendError};
use mahnwerk_proto::{
    common::v1::ErrorReason,
    dunning::v1::{
        CreatePauseRequest, DeliveryOutcome, GetDispatchRequest, Notice, NoticeChannel,
        NoticeState, Pause, PauseKind, ReportDeliveryRequest, ReportDeliveryResponse, RunState,
        TaskKind, work_service_server::WorkService,
    },
    registry::v1::{Channel, DisputeState},
};
use mahnwerk_runtime::{
    db::{Db, Sql},
    validate::from_date,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};

use super::{
    Outcome, assert_refused,
    runner::{Book, DUE, LEASE, Runner, lock},
    world::date,
};
use crate::{
    app::{dispatch::Dispatcher, outbox::Order},
    storage::{notice, outbox, state},
    worker::{Found, dispatch},
};

pub(super) async fn report(
    runner: &mut Runner,
    notice_id: &str,
    outcome: DeliveryOutcome,
) -> Result<Response<ReportDeliveryResponse>, Status> {
    let request_id = runner.request_id();
    let request = ReportDeliveryRequest {
        request_id,
        creditor_id: "c1".to_owned(),
        notice_id: notice_id.to_owned(),
        outcome: outcome.into(),
    };
    runner.api.report_delivery(Request::new(request)).await
}

pub(super) async fn only_notice(runner: &Runner, run_id: &str) -> Result<Notice, Status> {
    let mut notices = runner.notices(run_id).await?;
    assert_eq!(notices.len(), 1);
    Ok(notices.pop().unwrap_or_default())
}

/// Level and pay-by date recorded for an item of `d1`.
pub(super) async fn level(db: &Db, item_id: &str) -> Result<Option<(u8, bool)>, Status> {
    let states = state::states(db, "c1", &[("d1", item_id)]).await?;
    Ok(states.values().next().map(|it| (it.level, it.done)))
}

/// Notices wait until dispatch is on and there is a way out; then each leaves once, and its step, its contact and its run
/// follow.
///
/// # Errors
/// Those of the calls.
pub async fn nothing_leaves_unless_it_is_switched_on(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    let run_id = runner.released().await?;
    runner.send().await?;
    assert_eq!(waiting(&runner).await?, (false, 1, 0, 0));
    runner.switch(true).await?;
    let without = Dispatcher {
        email: None,
        ..runner.dispatcher()
    };
    assert_eq!(
        dispatch::step(&without, &CancellationToken::new()).await?,
        Found::Work
    );
    assert!(runner.mailbox.by_notice().is_empty());
    assert_eq!(
        only_notice(&runner, &run_id).await?.state(),
        NoticeState::Released
    );
    due_again(db).await?;
    runner.switch(false).await?;
    runner.send().await?;
    assert!(runner.mailbox.by_notice().is_empty());
    runner.switch(true).await?;
    runner.send().await?;
    let notice = only_notice(&runner, &run_id).await?;
    assert_eq!(notice.state(), NoticeState::Sent);
    assert!(notice.sent_time.is_some());
    let taken = lock(&runner.mailbox.taken).clone();
    let ids: Vec<_> = taken.iter().map(|it| it.message_id.clone()).collect();
    assert_eq!(ids, [format!("{}.1@example.com", notice.notice_id)]);
    assert_eq!(notice.message_id, ids.concat());
    assert_eq!(
        taken.first().map(|it| it.to.as_str()),
        Some("mail.d1@example.org")
    );
    assert_eq!(level(db, "R1").await?, Some((1, true)));
    assert_eq!(runner.run(&run_id).await?.state(), RunState::Done);
    assert_eq!(waiting(&runner).await?, (true, 0, 0, 1));
    let book = Book::default();
    runner.carry_out(&book).await?;
    assert_eq!(waiting(&runner).await?, (true, 0, 0, 0));
    let orders: Vec<_> = lock(&book.done).iter().map(|it| it.order.clone()).collect();
    let contact = Order::RecordContact {
        contact_id: notice.notice_id.clone(),
        channel: dunning_core::input::Channel::Email,
        on: date("2026-03-02"),
        notice_id: notice.notice_id,
    };
    assert_eq!(orders, [contact]);
    Ok(())
}

/// Whether notices are being sent, and how many notices, uncertain ones and commands wait.
async fn waiting(runner: &Runner) -> Result<(bool, i64, i64, i64), Status> {
    let view = runner.api.get_dispatch(Request::new(GetDispatchRequest {
        creditor_id: "c1".to_owned(),
        at_least: String::new(),
    }));
    let it = view.await?.into_inner().dispatch.unwrap_or_default();
    Ok((it.enabled, it.waiting, it.uncertain, it.waiting_commands))
}

/// Notices that were put off are to be sent now.
pub(super) async fn due_again(db: &Db) -> Result<(), Status> {
    let txn = db.begin_write().await?;
    let sql = "UPDATE notice SET next_at = 0, lease = 0 WHERE state = 'RELEASED'";
    txn.execute_sql(sql, vec![]).await?;
    Ok(txn.commit().await?)
}

/// Two dispatchers that work at the same time send every notice once between them.
///
/// # Errors
/// Those of the calls.
pub async fn two_dispatchers_send_nothing_twice(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    for number in 0..60 {
        let (debtor_id, item_id) = (format!("d{number}"), format!("R{number}"));
        runner.world.owing(&debtor_id, &[(&item_id, 10_000, DUE)]);
    }
    let run_id = runner.released().await?;
    runner.switch(true).await?;
    let (one, other) = (runner.dispatcher(), runner.dispatcher());
    let work = async |dispatcher: &Dispatcher| {
        while dispatch::step(dispatcher, &CancellationToken::new()).await? == Found::Work {}
        Ok::<_, Status>(())
    };
    let (one, other) = futures::join!(work(&one), work(&other));
    one?;
    other?;
    runner.work().await?;
    let counts = runner.mailbox.by_notice();
    assert_eq!((counts.len(), counts.values().max()), (60, Some(&1)));
    let run = runner.run(&run_id).await?;
    assert_eq!(run.state(), RunState::Done);
    let sent: Vec<_> = run
        .notices
        .iter()
        .map(|it| (it.state(), it.notices))
        .collect();
    assert_eq!(sent, [(NoticeState::Sent, 60)]);
    Ok(())
}

/// Whoever takes notices or commands up gets no more than asked for, however the database goes about it: what is in doubt
/// after a crash rests on that.
///
/// # Errors
/// Those of the calls.
pub async fn nobody_takes_more_than_asked_for(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    for number in 0..30 {
        let (debtor_id, item_id) = (format!("d{number}"), format!("R{number}"));
        runner.world.owing(&debtor_id, &[(&item_id, 10_000, DUE)]);
    }
    runner.released().await?;
    runner.switch(true).await?;
    for expected in [8, 8, 8, 6, 0] {
        let taken = notice::lease_due(db, "c1", 8, LEASE).await?;
        assert_eq!(taken.len(), expected);
    }
    due_again(db).await?;
    runner.send().await?;
    for expected in [16, 14, 0] {
        let taken = outbox::lease_due(db, 16, LEASE).await?;
        assert_eq!(taken.len(), expected);
    }
    Ok(())
}

/// Begins to send what is due, and dies: the intent is stored, the outcome never.
async fn crash(runner: &Runner, handed_over: bool) -> Result<(), Status> {
    let dying = Dispatcher {
        lease: 0,
        ..runner.dispatcher()
    };
    let db = runner.api.app.publisher.db();
    let taken = notice::lease_due(db, "c1", 8, LEASE).await?;
    let outgoing = dying.intend("c1", &taken).await?;
    assert_eq!(outgoing.len(), 1);
    if handed_over {
        for each in &outgoing {
            dunning_channel::Channel::send(&*runner.mailbox, each.message())
                .await
                .map_err(|error| Status::internal(error.to_string()))?;
        }
    }
    Ok(())
}

/// A notice whose sender died is uncertain: its step counts as made, it is never sent again, and a person is asked.
///
/// # Errors
/// Those of the calls.
pub async fn a_crash_while_sending_is_uncertain_and_not_repeated(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    let run_id = runner.released().await?;
    runner.switch(true).await?;
    crash(&runner, true).await?;
    assert_eq!(
        only_notice(&runner, &run_id).await?.state(),
        NoticeState::Sending
    );
    runner.send().await?;
    runner.send().await?;
    let uncertain = only_notice(&runner, &run_id).await?;
    assert_eq!(uncertain.state(), NoticeState::Uncertain);
    assert_eq!(uncertain.reason, "OUTCOME_UNKNOWN");
    assert_eq!(runner.mailbox.by_notice().values().max(), Some(&1));
    assert_eq!(level(db, "R1").await?, Some((1, true)));
    assert_eq!(runner.run(&run_id).await?.state(), RunState::Done);
    let kinds: Vec<_> = runner.tasks().await?.iter().map(|it| it.kind()).collect();
    assert_eq!(kinds, [TaskKind::UncertainDelivery]);
    let next = runner.released().await?;
    runner.send().await?;
    assert_eq!(runner.notices(&next).await?.len(), 0);
    let id = uncertain.notice_id.as_str();
    let bounced = report(&mut runner, id, DeliveryOutcome::Bounced).await;
    assert_refused(&bounced, Code::FailedPrecondition, ErrorReason::WrongState);
    report(&mut runner, id, DeliveryOutcome::WasSent).await?;
    assert_eq!(runner.notice(id).await?.state(), NoticeState::Sent);
    assert_eq!(runner.tasks().await?.len(), 0);
    assert_eq!(runner.mailbox.by_notice().values().max(), Some(&1));
    Ok(())
}

/// A person found that an uncertain notice never left: it is sent again, as a new try.
///
/// # Errors
/// Those of the calls.
pub async fn what_was_not_sent_after_all_is_sent_again(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    let run_id = runner.released().await?;
    runner.switch(true).await?;
    crash(&runner, false).await?;
    runner.send().await?;
    let uncertain = only_notice(&runner, &run_id).await?;
    assert_eq!(uncertain.state(), NoticeState::Uncertain);
    let id = uncertain.notice_id.as_str();
    report(&mut runner, id, DeliveryOutcome::WasNotSent).await?;
    assert_eq!(level(db, "R1").await?.map(|(level, _)| level), Some(0));
    runner.send().await?;
    let sent = only_notice(&runner, &run_id).await?;
    assert_eq!(sent.state(), NoticeState::Sent);
    assert_eq!(sent.message_id, format!("{id}.2@example.com"));
    assert_eq!(level(db, "R1").await?, Some((1, true)));
    assert_eq!(runner.mailbox.by_notice().len(), 1);
    assert_eq!(runner.run(&run_id).await?.state(), RunState::Done);
    Ok(())
}

/// A payment, a dispute and a pause between release and dispatch withdraw their items, with the reason; a part payment
/// leaves a notice over the rest, rendered anew.
///
/// # Errors
/// Those of the calls.
pub async fn what_arrived_since_the_release_withdraws(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    for debtor in ["paid", "disputed", "paused", "part", "two"] {
        let item = format!("R-{debtor}");
        runner.world.owing(debtor, &[(&item, 10_000, DUE)]);
    }
    runner
        .world
        .invoice("two", "R-other", 7_000, date(DUE), |_| {});
    let run_id = runner.released().await?;
    let today = date("2026-03-02");
    runner.world.pay("R-paid", 10_000, today);
    runner
        .world
        .dispute("disputed", "R-disputed", None, DisputeState::Open);
    runner.world.pay("R-part", 4_000, today);
    runner.world.pay("R-other", 7_000, today);
    runner.world.flush().await?;
    let paused = CreatePauseRequest {
        request_id: "pause".to_owned(),
        pause: Some(Pause {
            creditor_id: "c1".to_owned(),
            pause_id: "p1".to_owned(),
            debtor_id: "paused".to_owned(),
            kind: PauseKind::Suppress.into(),
            from: Some(from_date(today)),
            reason: "talks".to_owned(),
            ..Pause::default()
        }),
    };
    runner.api.create_pause(Request::new(paused)).await?;
    runner.switch(true).await?;
    runner.send().await?;
    let notices = runner.notices(&run_id).await?;
    let told: Vec<_> = notices
        .iter()
        .map(|it| {
            (
                it.debtor_id.as_str(),
                it.state(),
                it.reason.as_str(),
                it.total_minor,
            )
        })
        .collect();
    let (sent, withdrawn) = (NoticeState::Sent, NoticeState::Withdrawn);
    assert_eq!(
        told,
        [
            ("disputed", withdrawn, "DISPUTED", 10_000),
            ("paid", withdrawn, "PAID", 10_000),
            ("part", sent, "", 6_000),
            ("paused", withdrawn, "PAUSED", 10_000),
            ("two", sent, "", 10_000),
        ]
    );
    let rows = notice::get_many(db, "c1", &ids(&notices)).await?;
    let fell = |debtor: &str| {
        let of = rows.iter().filter(|row| row.debtor_id == debtor);
        of.flat_map(|row| {
            row.findings
                .iter()
                .map(|it| (it.item_id.as_str(), it.reason.name()))
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(fell("two"), [("R-other", "PAID")]);
    assert_eq!(fell("paused"), [("R-paused", "PAUSED")]);
    let taken = lock(&runner.mailbox.taken).clone();
    assert_eq!(taken.len(), 2);
    let part = taken.iter().find(|it| it.to == "mail.part@example.org");
    assert!(part.is_some_and(|it| it.text.contains("60,00")));
    assert_eq!(runner.run(&run_id).await?.state(), RunState::Done);
    Ok(())
}

fn ids(notices: &[Notice]) -> Vec<&str> {
    notices.iter().map(|it| it.notice_id.as_str()).collect()
}

/// A bounce goes to the registry, and the notice takes the next channel of its step without raising the level.
///
/// # Errors
/// Those of the calls.
pub async fn a_bounce_takes_the_next_channel_at_the_same_level(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    runner
        .world
        .contact_point("d1", "house", Channel::Post, |_| {});
    let run_id = runner.released().await?;
    runner.switch(true).await?;
    runner.send().await?;
    let id = only_notice(&runner, &run_id).await?.notice_id;
    report(&mut runner, &id, DeliveryOutcome::Bounced).await?;
    assert_eq!(runner.run(&run_id).await?.state(), RunState::Dispatching);
    runner.send().await?;
    let again = only_notice(&runner, &run_id).await?;
    assert_eq!((again.state(), again.level), (NoticeState::Sent, 1));
    assert_eq!(again.channel(), NoticeChannel::Post);
    assert_eq!(level(db, "R1").await?, Some((1, false)));
    let tasks = runner.tasks().await?;
    let kinds: Vec<_> = tasks.iter().map(|it| (it.kind(), &it.notice_id)).collect();
    assert_eq!(kinds, [(TaskKind::SendByHand, &id)]);
    assert_eq!(runner.mailbox.by_notice().get(&id), Some(&1));
    let book = Book::default();
    runner.carry_out(&book).await?;
    let reported = lock(&book.done).iter().any(|it| {
        matches!(&it.order, Order::ReportContactOutcome { contact_point_id, .. } if contact_point_id == "mail")
    });
    assert!(reported);
    report(&mut runner, &id, DeliveryOutcome::Moved).await?;
    runner.send().await?;
    let failed = only_notice(&runner, &run_id).await?;
    assert_eq!(
        (failed.state(), failed.reason.as_str()),
        (NoticeState::Failed, "NO_CHANNEL")
    );
    let kinds: Vec<_> = runner.tasks().await?.iter().map(|it| it.kind()).collect();
    assert_eq!(kinds, [TaskKind::FailedDelivery]);
    assert_eq!(runner.run(&run_id).await?.state(), RunState::Done);
    Ok(())
}

/// An address that is refused is marked in the registry; what our own guard holds back marks nobody.
///
/// # Errors
/// Those of the calls.
pub async fn a_refused_address_takes_the_next_channel(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    runner
        .world
        .contact_point("d1", "second", Channel::Email, |_| {});
    runner.world.owing("d2", &[("R2", 10_000, DUE)]);
    for (address, cause) in [
        ("mail.d1@example.org", Refusal::Address),
        ("mail.d2@example.org", Refusal::Guard),
    ] {
        let reason = "550".to_owned();
        runner
            .mailbox
            .trouble(address, Some(SendError::Refused { cause, reason }));
    }
    let run_id = runner.released().await?;
    runner.switch(true).await?;
    runner.send().await?;
    let notices = runner.notices(&run_id).await?;
    let told: Vec<_> = notices
        .iter()
        .map(|it| (it.state(), it.reason.as_str(), it.contact_point_id.as_str()))
        .collect();
    let expected = [
        (NoticeState::Sent, "", "second"),
        (NoticeState::Failed, "HELD_BACK", "mail"),
    ];
    assert_eq!(told, expected);
    let book = Book::default();
    runner.carry_out(&book).await?;
    let marked: Vec<_> = lock(&book.done)
        .iter()
        .filter(|it| matches!(it.order, Order::ReportContactOutcome { .. }))
        .map(|it| it.debtor_id.clone())
        .collect();
    assert_eq!(marked, ["d1"]);
    Ok(())
}

/// What the channel cannot take now waits and leaves later, as a new try; what may have left is uncertain.
///
/// # Errors
/// Those of the calls.
pub async fn what_cannot_be_sent_now_waits(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    runner.world.owing("d2", &[("R2", 10_000, DUE)]);
    let (one, two) = ("mail.d1@example.org", "mail.d2@example.org");
    runner
        .mailbox
        .trouble(one, Some(SendError::NotSent("421".to_owned())));
    runner
        .mailbox
        .trouble(two, Some(SendError::Uncertain("lost".to_owned())));
    let run_id = runner.released().await?;
    runner.switch(true).await?;
    runner.send().await?;
    let states = async || {
        let notices = runner.notices(&run_id).await?;
        Ok::<_, Status>(notices.iter().map(Notice::state).collect::<Vec<_>>())
    };
    assert_eq!(
        states().await?,
        [NoticeState::Released, NoticeState::Uncertain]
    );
    assert_eq!(level(db, "R1").await?, None);
    runner.mailbox.trouble(one, None);
    runner.mailbox.trouble(two, None);
    runner.send().await?;
    assert!(runner.mailbox.by_notice().is_empty(), "it is not time yet");
    due_again(db).await?;
    runner.send().await?;
    assert_eq!(states().await?, [NoticeState::Sent, NoticeState::Uncertain]);
    let message_ids: Vec<_> = lock(&runner.mailbox.taken)
        .iter()
        .map(|it| it.message_id.clone())
        .collect();
    assert_eq!(message_ids.len(), 1);
    assert!(message_ids.concat().contains(".2@"));
    Ok(())
}
