//! What cannot be done now, or not at all: nobody else is held up, and nothing is lost by it.

use mahnwerk_proto::{
    common::v1::Money,
    dunning::v1::{
        DeliveryOutcome, NoticeState, PreviewNoticeRequest, ProposeRunRequest, Run, RunState,
        TaskKind, run_service_server::RunService,
    },
    registry::v1::{Channel, DebtorKind},
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::Error,
};
use tonic::{Request, Status};

use super::{
    Outcome,
    dispatching::{due_again, level, only_notice, report},
    runner::{DUE, Runner},
    world::date,
};
use crate::{app::not_ready, storage::state};

fn count(run: &Run, state: NoticeState) -> i64 {
    let found = run.notices.iter().find(|it| it.state() == state);
    found.map_or(0, |it| it.notices)
}

/// A release renders every notice; one that cannot be rendered fails with a task, and stops nobody.
///
/// # Errors
/// Those of the calls.
pub async fn a_release_renders_what_can_be_rendered(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 123_456, DUE)]);
    for debtor_id in ["d2", "d3"] {
        runner.world.debtor(debtor_id, |debtor| {
            debtor.kind = DebtorKind::Person.into();
            if debtor_id == "d3" {
                debtor.country = "NL".to_owned();
            }
        });
        runner
            .world
            .contact_point(debtor_id, "mail", Channel::Email, |_| {});
    }
    // Nobody knows how to write an amount without a minor unit.
    runner.world.invoice("d2", "R2", 20_000, date(DUE), |item| {
        let gold = Some(Money {
            currency_code: "XAU".to_owned(),
            minor_units: 20_000,
        });
        item.amount.clone_from(&gold);
        item.open_amount = gold;
    });
    runner.world.invoice("d3", "R3", 20_000, date(DUE), |_| {});
    let run_id = runner.propose().await?;
    let notices = runner.notices(&run_id).await?;
    let id = notices
        .iter()
        .find(|it| it.debtor_id == "d1")
        .map(|it| it.notice_id.clone())
        .unwrap_or_default();
    let before = runner.notice(&id).await?;
    assert_eq!((before.subject.as_str(), before.text.as_str()), ("", ""));
    let preview = runner
        .api
        .preview_notice(Request::new(PreviewNoticeRequest {
            creditor_id: "c1".to_owned(),
            notice_id: id.clone(),
            language: "nl".to_owned(),
        }));
    let preview = preview.await?.into_inner();
    assert!(preview.text.contains("1.234,56"), "{}", preview.text);
    assert!(preview.html.contains("lang=\"nl\""));
    runner.release(&run_id).await?;
    let after = runner.notice(&id).await?;
    assert_eq!(after.state(), NoticeState::Released);
    assert!(after.text.contains("1.234,56") && after.text.contains("R1"));
    assert!(!after.subject.is_empty());
    let run = runner.run(&run_id).await?;
    assert_eq!(
        (
            count(&run, NoticeState::Released),
            count(&run, NoticeState::Failed)
        ),
        (2, 1)
    );
    let dutch = runner.notices(&run_id).await?;
    let dutch = dutch.iter().find(|it| it.debtor_id == "d3");
    let dutch = runner.notice(dutch.map_or("", |it| &it.notice_id)).await?;
    assert_eq!(dutch.costs_after_period_minor, Some(4_000));
    assert!(dutch.text.contains("40,00"), "{}", dutch.text);
    let tasks = runner.tasks().await?;
    let kinds: Vec<_> = tasks
        .iter()
        .map(|it| (it.kind(), it.debtor_id.as_str()))
        .collect();
    assert_eq!(kinds, [(TaskKind::FailedDelivery, "d2")]);
    Ok(())
}

/// While nobody knows how a debtor stands, because the registry's feed is taken anew, its notices wait, and nobody is told
/// so again and again; afterwards they leave.
///
/// # Errors
/// Those of the calls.
pub async fn what_is_not_known_now_is_not_withdrawn(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    let run_id = runner.released().await?;
    runner.switch(true).await?;
    let follow = async |state: &str| -> Outcome {
        let sql = "UPDATE feed_cursor SET state = $1 WHERE feed = 'registry' AND part = 3";
        db.execute(sql, vec![state.into()]).await?;
        Ok(())
    };
    follow("snapshot").await?;
    let (before, told) = (only_notice(&runner, &run_id).await?, events(db).await?);
    for _ in 0..3 {
        due_again(db).await?;
        runner.send().await?;
    }
    assert_eq!(only_notice(&runner, &run_id).await?, before);
    assert_eq!(before.state(), NoticeState::Released);
    assert_eq!(events(db).await?, told);
    follow("live").await?;
    due_again(db).await?;
    runner.send().await?;
    let after = only_notice(&runner, &run_id).await?;
    assert_eq!(after.state(), NoticeState::Sent);
    Ok(())
}

async fn events(db: &Db) -> Result<i64, Status> {
    let sql = "SELECT CAST(count(*) AS BIGINT) AS n FROM event";
    let row = db.query_one(sql, vec![]).await?.ok_or_else(not_ready)?;
    Ok(column::<i64>(&row, "n").map_err(Error::from)?)
}

/// A notice that came back and finds no other way never reached the debtor: its step is open again, and it was no contact.
///
/// # Errors
/// Those of the calls.
pub async fn what_came_back_for_good_was_never_sent(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    let run_id = runner.released().await?;
    runner.switch(true).await?;
    runner.send().await?;
    let id = only_notice(&runner, &run_id).await?.notice_id;
    assert_eq!(level(db, "R1").await?, Some((1, true)));
    report(&mut runner, &id, DeliveryOutcome::Bounced).await?;
    runner.send().await?;
    let failed = only_notice(&runner, &run_id).await?;
    assert_eq!(
        (failed.state(), failed.reason.as_str()),
        (NoticeState::Failed, "NO_CHANNEL")
    );
    assert_eq!(level(db, "R1").await?, Some((0, false)));
    let contacts = state::contacts(db, "c1", &["d1".to_owned()]).await?;
    assert!(contacts.values().all(Vec::is_empty), "{contacts:?}");
    Ok(())
}

/// A run that waits for a state of the registry which another history has replaced waits for what is known of that one.
///
/// # Errors
/// Those of the calls.
pub async fn a_run_outlives_the_registry_s_history(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    runner.world.flush().await?;
    let request_id = runner.request_id();
    let proposed = runner.api.propose_run(Request::new(ProposeRunRequest {
        request_id,
        creditor_id: "c1".to_owned(),
        business_date: None,
    }));
    let run = proposed.await?.into_inner().run.unwrap_or_default();
    let sql = "UPDATE feed_cursor SET incarnation = 'another' WHERE feed = 'registry'";
    db.execute(sql, vec![]).await?;
    // The first look finds out.
    runner.work().await?;
    runner.work().await?;
    assert_eq!(runner.run(&run.run_id).await?.state(), RunState::Proposed);
    Ok(())
}
