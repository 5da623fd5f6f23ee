//! Evaluation inputs: what is known of a debtor, exactly.

mod frozen;

use std::collections::BTreeSet;

use chrono::Days;
use dunning_core::{
    input::{Channel, Contact, DunningState},
    plan::Reason,
};
use mahnwerk_feed::PARTITIONS;
use mahnwerk_proto::registry::v1::{self as wire, ContactPurpose, InstalmentPlanState};
use mahnwerk_runtime::{
    db::{Db, now_micros},
    error::{Error, Result},
    validate::from_date,
};

use super::world::{World, date};
use crate::{
    app::inputs::{self, Configuration, Subject},
    storage::{
        facts::{self, Owing},
        state::{self, SentContact},
    },
};

pub use frozen::a_hand_made_world_is_frozen_exactly;

/// The subject of a debtor.
///
/// # Errors
/// Those of the database; if the debtor gives none.
pub async fn subject(world: &World, debtor_id: &str) -> Result<Subject> {
    let db = world.app.publisher.db();
    let creditor = world.app.creditor(db, &world.creditor_id).await?;
    let ids = [debtor_id.to_owned()];
    let found = inputs::load(db, &creditor, &ids).await?.pop();
    found.ok_or_else(|| Error::internal("no such subject"))
}

fn sent(level: u8, on: &str, pay_by: &str) -> DunningState {
    DunningState {
        procedure: "strict".to_owned(),
        cycle: 1,
        level,
        pay_by: Some(date(pay_by)),
        notice_on: Some(date(on)),
        done: true,
        ..DunningState::default()
    }
}

async fn record(world: &World, states: &[(&str, &str, DunningState)]) -> Result<()> {
    let owned = states.iter().cloned();
    let states: Vec<_> = owned
        .map(|(debtor_id, item_id, state)| (debtor_id.to_owned(), item_id.to_owned(), state))
        .collect();
    let txn = world.app.publisher.db().begin_write().await?;
    state::record_states(&txn, &world.creditor_id, &states).await?;
    txn.commit().await
}

/// Without a treatment the standard procedure applies, by a person's hand; nobody who owes nothing is left out.
///
/// # Errors
/// Those of the database.
pub async fn without_a_treatment_the_standard_applies(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.owing("d1", &[]);
    // Somebody who dies later is alive.
    world.debtor("d2", |debtor| {
        debtor.deceased_since = Some(from_date(date("2026-03-03")))
    });
    world.flush().await?;
    let found = subject(&world, "d1").await?;
    assert_eq!(
        (
            found.input.procedure.id.as_str(),
            found.input.procedure.revision
        ),
        ("standard", 1)
    );
    assert_eq!(found.input.debtor.segment, "");
    assert!(found.input.items.is_empty() && !found.addressee.autopilot);
    assert_eq!(
        (found.addressee.pd_ppm, found.addressee.portfolio.as_str()),
        (None, "")
    );
    assert!(!subject(&world, "d2").await?.input.debtor.deceased);
    Ok(())
}

/// A plan that breaks after the last notice begins a new cycle, of the invoices it covered and of no others; the next
/// notice is in it.
///
/// # Errors
/// Those of the database.
pub async fn a_broken_plan_begins_a_new_cycle(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    let due = "2026-01-05";
    world.owing(
        "d1",
        &[("R-1", 100, due), ("R-2", 100, due), ("R-3", 100, due)],
    );
    world.plan(
        "d1",
        "T-1",
        &[("R-1", 100), ("R-3", 100)],
        InstalmentPlanState::Active,
    );
    world.flush().await?;
    let state = sent(2, "2026-02-02", "2026-02-16");
    record(
        &world,
        &[("d1", "R-1", state.clone()), ("d1", "R-2", state.clone())],
    )
    .await?;
    let states = async |world: &World| -> Result<Vec<DunningState>> {
        let items = subject(world, "d1").await?.input.items;
        Ok(items.into_iter().map(|item| item.state).collect())
    };
    let fresh = DunningState::default();
    let running = vec![state.clone(), state.clone(), fresh.clone()];
    assert_eq!(states(&world).await?, running);
    world.plan(
        "d1",
        "T-1",
        &[("R-1", 100), ("R-3", 100)],
        InstalmentPlanState::Broken,
    );
    world.flush().await?;
    let broken = vec![state.next_cycle(), state.clone(), fresh.clone()];
    assert_eq!(states(&world).await?, broken);
    let entered = DunningState {
        cycle: 2,
        ..sent(1, "2026-03-02", "2026-03-16")
    };
    record(&world, &[("d1", "R-1", entered.clone())]).await?;
    assert_eq!(states(&world).await?, vec![entered, state, fresh]);
    Ok(())
}

/// A contact made by a notice counts at once, and once, whatever the registry tells of it later.
///
/// # Errors
/// Those of the database.
pub async fn a_sent_notice_is_a_contact_at_once(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.owing("d1", &[]);
    world.flush().await?;
    let contacts =
        async |world: &World| Ok::<_, Error>(subject(world, "d1").await?.input.recent_contacts);
    let by_notice = |on, channel| SentContact {
        debtor_id: "d1".to_owned(),
        notice_id: "n1".to_owned(),
        on,
        channel,
    };
    let sending = async |world: &World, contact: SentContact| {
        let txn = world.app.publisher.db().begin_write().await?;
        state::record_contacts(&txn, "c1", &[contact]).await?;
        txn.commit().await
    };
    let today = world.today;
    sending(&world, by_notice(today, Channel::Email)).await?;
    sending(&world, by_notice(today, Channel::Registered)).await?;
    let expected = vec![Contact {
        on: today,
        channel: Channel::Post,
    }];
    assert_eq!(contacts(&world).await?, expected);
    world.contact(
        "d1",
        "n1",
        (wire::Channel::Post, ContactPurpose::Reminder),
        today,
    );
    world.flush().await?;
    assert_eq!(contacts(&world).await?, expected);
    world.open_day(today + Days::new(91));
    world.flush().await?;
    assert_eq!(contacts(&world).await?, Vec::new());
    let later = SentContact {
        notice_id: "n2".to_owned(),
        ..by_notice(world.today, Channel::Email)
    };
    sending(&world, later).await?;
    let stored = state::contacts(db, "c1", &["d1".to_owned()]).await?;
    assert_eq!(stored.get("d1").map(Vec::len), Some(1));
    Ok(())
}

/// Candidates are those who owe something, page by page over partitions; the parked are told apart.
///
/// # Errors
/// Those of the database.
pub async fn candidates_are_paged_and_the_parked_left_out(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    let ids: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
    for (number, id) in ids.iter().enumerate() {
        let (one, other) = (format!("{id}-1"), format!("{id}-2"));
        let due = "2026-02-16";
        match number % 4 {
            0 => world.owing(id, &[]),
            _ => world.owing(id, &[(&one, 100, due), (&other, 100, due)]),
        }
    }
    world.pay("d1-1", 100, world.today);
    world.pay("d1-2", 100, world.today);
    world.pay("d2-1", 100, world.today);
    world.flush().await?;
    let expected = (2..40)
        .filter(|number| number % 4 != 0)
        .map(|number| format!("d{number}"));
    let expected: BTreeSet<String> = expected.collect();
    let mut found = Vec::new();
    let mut after = (0, String::new());
    loop {
        let page = facts::owing(db, "c1", PARTITIONS - 1, (after.0, &after.1), 7).await?;
        let full = page.len() == 7;
        found.extend(page);
        match found.last() {
            Some(last) if full => after = (last.part, last.debtor_id.clone()),
            _ => break,
        }
    }
    assert!(found.is_sorted(), "{found:?}");
    let items = |of: &[Owing]| of.iter().map(|it| it.items).sum::<i64>();
    assert_eq!(items(&found), 2 * 29 - 1);
    let [part, beyond] = [&found[3], &found[20]].map(|it| it.part);
    let between = facts::owing(db, "c1", beyond, (part, ""), 100).await?;
    let expected_between = found.iter().filter(|it| (part..=beyond).contains(&it.part));
    assert_eq!(between, expected_between.cloned().collect::<Vec<_>>());
    let found: Vec<String> = found.into_iter().map(|it| it.debtor_id).collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected);

    db.execute(
        "INSERT INTO feed_parked (feed, creditor_id, debtor_id, part, error, entity, entity_id, parked_at) \
         VALUES ('scoring', 'c1', 'd2', 0, '', '', '', 0)",
        vec![],
    )
    .await?;
    let creditor = world.app.creditor(db, "c1").await?;
    let asked = ["d2", "d3", "d4", "nobody"].map(str::to_owned);
    let subjects = inputs::load(db, &creditor, &asked).await?;
    let subjects: Vec<_> = subjects.iter().map(|it| it.debtor_id.as_str()).collect();
    assert_eq!(subjects, ["d3", "d4"]);
    let parked = inputs::parked(db, "c1", &asked).await?;
    assert_eq!(parked, BTreeSet::from(["d2".to_owned()]));
    Ok(())
}

/// While a partition of the registry's feed is not followed live, or is known up to a minute ago only, the ledger is
/// behind.
///
/// # Errors
/// Those of the database.
pub async fn a_feed_that_lags_makes_the_ledger_stale(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.owing("d1", &[("R-1", 10_000, "2026-02-16")]);
    world.flush().await?;
    for (state, behind) in [("snapshot", true), ("live", false)] {
        db.execute(
            "UPDATE feed_cursor SET state = $1 WHERE feed = 'registry' AND part = 17",
            vec![state.into()],
        )
        .await?;
        let found = subject(&world, "d1").await?;
        assert_eq!(found.input.ledger.feed_behind, behind, "{state}");
    }
    for (micros, behind) in [(61_000_000, true), (30_000_000, false)] {
        let sql = format!(
            "UPDATE feed_lease SET current_at = {} - $1 WHERE feed = 'registry' AND part = 17",
            now_micros(db.backend())
        );
        db.execute(&sql, vec![i64::into(micros)]).await?;
        let found = subject(&world, "d1").await?;
        assert_eq!(found.input.ledger.feed_behind, behind, "{micros}");
    }
    Ok(())
}

/// A procedure that does not exist, and facts beyond what the core takes, are reasons and hold nobody up.
///
/// # Errors
/// Those of the database.
pub async fn what_cannot_be_evaluated_says_why(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.owing("d1", &[("R-1", 10_000, "2026-02-16")]);
    world.treat("d1", "late", "gone", |_| {});
    world.owing("d2", &[("R-2", 2_000_000_000_000_000, "2026-02-16")]);
    world.owing("d3", &[("R-3", 10_000, "2026-02-16")]);
    world.flush().await?;
    let creditor = world.app.creditor(db, "c1").await?;
    let configuration = Configuration::load(db, &world.app.law, &creditor).await?;
    let ids = ["d1", "d2", "d3"].map(str::to_owned);
    let mut said = Vec::new();
    for subject in inputs::load(db, &creditor, &ids).await? {
        let plan = configuration.evaluate(&subject.input)?;
        said.extend(
            plan.findings
                .into_iter()
                .map(|it| (it.reason, it.values.reference)),
        );
    }
    let expected = [
        (Reason::ProcedureUnknown, Some("gone".to_owned())),
        (Reason::InputInvalid, Some("items[0].open".to_owned())),
        (Reason::DunnedEntry, Some("EUR".to_owned())),
    ];
    assert_eq!(said, expected);
    Ok(())
}
