//! The projections: whatever the feeds tell, in whatever portions, what is known is the last state.

mod random;

use std::collections::BTreeSet;

use chrono::Days;
use mahnwerk_proto::{
    registry::v1::{
        Channel, ContactPurpose, ContactState, DebtorKind, DisputeState, InstalmentPlanState,
        PromiseState,
    },
    scoring::v1::RiskClass,
    segmentation::v1::{Handling, ReminderFees},
};
use mahnwerk_runtime::{db::Db, error::Result};

use super::world::{Feed, World, date, euro};
pub use random::what_is_stored_follows_from_the_last_states;

use crate::storage::{
    day_number,
    facts::{
        self, Fact, FactRow, StoredArrangement, StoredContact, StoredContactPoint, StoredCover,
        StoredCredit, StoredDebtor, StoredInvoice, StoredMembership, StoredPrincipal, StoredScore,
    },
    procedure,
};

fn day(text: &str) -> i64 {
    day_number(date(text))
}

/// What is known of a debtor, by entity key.
async fn known(world: &World, debtor_id: &str) -> Result<Vec<FactRow>> {
    let ids = [debtor_id.to_owned()];
    let db = world.app.publisher.db();
    let mut known = facts::of_debtors(db, &world.creditor_id, &ids).await?;
    let mut known = known.remove(debtor_id).unwrap_or_default();
    known.sort_by(|left, right| left.entity_id.cmp(&right.entity_id));
    Ok(known)
}

async fn fact(world: &World, debtor_id: &str, entity_id: &str) -> Result<Option<Fact>> {
    let known = known(world, debtor_id).await?.into_iter();
    let mut known = known.filter(|row| row.entity_id == entity_id);
    Ok(known.next().map(|row| row.fact))
}

async fn assert_no_drift(world: &World) -> Result<()> {
    for feed in Feed::ALL {
        assert_eq!(world.drift(feed).await?, BTreeSet::new(), "{feed:?}");
    }
    Ok(())
}

/// Tells something of every entity about `d1`.
fn tell_everything(world: &mut World) {
    world.debtor("d1", |debtor| {
        debtor.kind = DebtorKind::Person.into();
        debtor.preferred_channel = Channel::Email.into();
        debtor.insolvent_since = Some(mahnwerk_runtime::validate::from_date(date("2026-02-01")));
    });
    world.contact_point("d1", "mail", Channel::Email, |_| {});
    world.invoice("d1", "R-1", 10_000, date("2026-02-16"), |_| {});
    world.payment("d1", "P-1", euro(700));
    world.dispute("d1", "R-1", Some(euro(2_000)), DisputeState::Open);
    world.promise("d1", "V-1", &[("R-1", 500)], PromiseState::Open);
    world.plan("d1", "T-1", &[("R-1", 600)], InstalmentPlanState::Active);
    let reminder = (Channel::Phone, ContactPurpose::Reminder);
    world.contact("d1", "K-1", reminder, date("2026-02-20"));
    world.score("d1", RiskClass::C, 40_000);
    world.treat("d1", "late", "strict", |policy| {
        policy.reminder_fees = ReminderFees::Waived.into();
        policy.handling = Handling::Autopilot.into();
        policy.portfolio = "north".to_owned();
    });
}

fn arrangement(minor: Option<i64>) -> StoredArrangement {
    StoredArrangement {
        covered: vec![StoredCover {
            item_id: "R-1".to_owned(),
            minor,
        }],
        broken_on: None,
    }
}

/// Every entity leaves the fact that it should, a change replaces it, and what is deleted is gone.
///
/// # Errors
/// Those of the database.
pub async fn every_entity_is_kept_changed_and_forgotten(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    tell_everything(&mut world);
    world.flush().await?;
    assert_no_drift(&world).await?;
    let expected = [
        (
            "K-1",
            Fact::Contact(StoredContact {
                on: day("2026-02-20"),
                channel: 3,
            }),
        ),
        ("T-1", Fact::Plan(arrangement(Some(600)))),
        ("V-1", Fact::Promise(arrangement(Some(500)))),
        (
            "d1",
            Fact::Debtor(StoredDebtor {
                person: true,
                display_name: "Beispiel d1 GmbH".to_owned(),
                language: "de".to_owned(),
                country: "DE".to_owned(),
                preferred_channel: Channel::Email.into(),
                insolvent_since: Some(day("2026-02-01")),
                deceased_since: None,
            }),
        ),
        ("d1", Fact::Score(StoredScore { pd_ppm: 40_000 })),
        (
            "d1/mail",
            Fact::ContactPoint(StoredContactPoint {
                id: "mail".to_owned(),
                channel: Channel::Email.into(),
                address: "mail.d1@example.org".to_owned(),
                state: ContactState::Verified.into(),
            }),
        ),
        (
            "d1/treatment",
            Fact::Membership(StoredMembership {
                segment_id: "late".to_owned(),
                procedure_id: "strict".to_owned(),
                waive_fees: true,
                autopilot: true,
                portfolio: "north".to_owned(),
            }),
        ),
        ("dispute-R-1", Fact::Dispute(arrangement(Some(2_000)))),
        (
            "invoice/R-1",
            Fact::Invoice(StoredInvoice {
                currency: "EUR".to_owned(),
                open: 10_000,
                document_date: day("2026-02-02"),
                due_date: day("2026-02-16"),
                history: Vec::new(),
            }),
        ),
        (
            "payment/P-1",
            Fact::Credit(StoredCredit {
                currency: "EUR".to_owned(),
                open: 700,
            }),
        ),
    ];
    let stored = known(&world, "d1").await?;
    let stored: Vec<_> = stored
        .iter()
        .map(|row| (row.entity_id.as_str(), &row.fact))
        .collect();
    let expected: Vec<_> = expected.iter().map(|(id, fact)| (*id, fact)).collect();
    assert_eq!(stored, expected);

    world.contact_point("d1", "mail", Channel::Email, |point| {
        point.state = ContactState::Bounced.into();
    });
    world.dispute("d1", "R-1", None, DisputeState::Open);
    world.score("d1", RiskClass::X, 0);
    // Another scheme, and a scheme without policies, say nothing to dunning.
    world.member("d1", "value", "high", None);
    world.flush().await?;
    assert_no_drift(&world).await?;
    let point = fact(&world, "d1", "d1/mail").await?;
    assert!(
        matches!(&point, Some(Fact::ContactPoint(point)) if point.state == i32::from(ContactState::Bounced)),
        "{point:?}"
    );
    let disputed = fact(&world, "d1", "dispute-R-1").await?;
    assert_eq!(disputed, Some(Fact::Dispute(arrangement(None))));
    assert!(
        known(&world, "d1")
            .await?
            .iter()
            .all(|row| !matches!(row.fact, Fact::Score(_)))
    );

    world.tell(Feed::Registry, facts::CONTACT_POINT, "d1", "d1/mail", None);
    world.tell(
        Feed::Segmentation,
        facts::MEMBERSHIP,
        "d1",
        "d1/treatment",
        None,
    );
    world.flush().await?;
    assert_no_drift(&world).await?;
    assert_eq!(fact(&world, "d1", "d1/mail").await?, None);
    assert_eq!(fact(&world, "d1", "d1/treatment").await?, None);

    // A debtor takes along what its service told of it, whether or not that is told to be gone.
    world.score("d1", RiskClass::A, 1_000);
    world.flush().await?;
    world.tell(Feed::Registry, facts::DEBTOR, "d1", "d1", None);
    world.flush().await?;
    let left = known(&world, "d1").await?;
    assert!(
        matches!(
            left.as_slice(),
            [FactRow {
                fact: Fact::Score(_),
                ..
            }]
        ),
        "{left:?}"
    );
    Ok(())
}

/// What is settled is not kept; a reversal brings it back with its history. Likewise for what ended.
///
/// # Errors
/// Those of the database.
pub async fn what_is_settled_goes_and_what_is_reopened_comes_back(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.owing("d1", &[("R-1", 10_000, "2026-02-16")]);
    world.pay("R-1", 4_000, date("2026-02-20"));
    world.flush().await?;
    let partly = fact(&world, "d1", "invoice/R-1").await?;
    let point = |on: &str, open| StoredPrincipal { on: day(on), open };
    let history = vec![point("2026-02-02", 10_000), point("2026-02-20", 6_000)];
    assert!(
        matches!(&partly, Some(Fact::Invoice(invoice)) if invoice.open == 6_000 && invoice.history == history),
        "{partly:?}"
    );
    world.pay("R-1", 6_000, date("2026-02-25"));
    world.flush().await?;
    assert_no_drift(&world).await?;
    assert_eq!(fact(&world, "d1", "invoice/R-1").await?, None);
    world.pay("R-1", -6_000, date("2026-02-27"));
    world.flush().await?;
    assert_no_drift(&world).await?;
    let again = fact(&world, "d1", "invoice/R-1").await?;
    let history = vec![
        point("2026-02-02", 10_000),
        point("2026-02-20", 6_000),
        point("2026-02-25", 0),
        point("2026-02-27", 6_000),
    ];
    assert!(
        matches!(&again, Some(Fact::Invoice(invoice)) if invoice.open == 6_000 && invoice.history == history),
        "{again:?}"
    );

    world.payment("d1", "P-1", euro(10));
    world.dispute("d1", "R-1", None, DisputeState::Open);
    world.promise("d1", "V-1", &[("R-1", 500)], PromiseState::Open);
    world.plan("d1", "T-1", &[("R-1", 600)], InstalmentPlanState::Active);
    world.flush().await?;
    world.payment("d1", "P-1", euro(0));
    world.dispute("d1", "R-1", None, DisputeState::Rejected);
    world.promise("d1", "V-1", &[], PromiseState::Kept);
    world.plan("d1", "T-1", &[("R-1", 600)], InstalmentPlanState::Broken);
    world.flush().await?;
    assert_no_drift(&world).await?;
    for gone in ["payment/P-1", "dispute-R-1", "V-1"] {
        assert_eq!(fact(&world, "d1", gone).await?, None, "{gone}");
    }
    let broken = StoredArrangement {
        broken_on: Some(day("2026-03-02")),
        ..arrangement(Some(0))
    };
    assert_eq!(fact(&world, "d1", "T-1").await?, Some(Fact::Plan(broken)));
    Ok(())
}

/// A completed snapshot replaces what was known, of its own feed and of no other, even where versions begin anew.
///
/// # Errors
/// Those of the database.
pub async fn a_snapshot_replaces_what_was_known(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    tell_everything(&mut world);
    world.owing("d2", &[("R-2", 5_000, "2026-02-16")]);
    world.pay("R-1", 10_000, world.today);
    world.flush().await?;
    let mut rows = world.snapshot(Feed::Registry);
    rows.retain(|row| row.debtor_id != "d2" && row.entity != facts::CONTACT_POINT);
    world.restore(Feed::Registry, rows).await?;
    assert_no_drift(&world).await?;
    assert_eq!(known(&world, "d2").await?, Vec::new());
    let left = known(&world, "d1").await?.into_iter();
    let left: Vec<_> = left.map(|row| row.entity_id).collect();
    let expected = [
        "K-1",
        "T-1",
        "V-1",
        "d1",
        "d1",
        "d1/treatment",
        "dispute-R-1",
        "payment/P-1",
    ];
    assert_eq!(left, expected);

    world.restore(Feed::Segmentation, Vec::new()).await?;
    world.restore(Feed::Scoring, Vec::new()).await?;
    assert_no_drift(&world).await?;
    assert_eq!(known(&world, "d1").await?.len(), 6);
    Ok(())
}

/// Duplicates and older versions change nothing.
///
/// # Errors
/// Those of the database.
pub async fn old_news_change_nothing(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.owing("d1", &[("R-1", 10_000, "2026-02-16")]);
    world.flush().await?;
    let old = world.snapshot(Feed::Registry);
    world.open_day(date("2026-03-03"));
    world.debtor("d1", |debtor| debtor.language = "nl".to_owned());
    world.pay("R-1", 4_000, date("2026-02-20"));
    world.flush().await?;
    let before = known(&world, "d1").await?;
    world.apply(Feed::Registry, &old, true).await?;
    let new = world.snapshot(Feed::Registry);
    let both: Vec<_> = new.iter().chain(&old).cloned().collect();
    world.apply(Feed::Registry, &both, true).await?;
    assert_eq!(known(&world, "d1").await?, before);
    assert_no_drift(&world).await?;
    let creditor = facts::creditor(db, "c1").await?;
    let today = creditor.and_then(|creditor| creditor.business_date);
    assert_eq!(today, Some(day("2026-03-03")));
    Ok(())
}

/// A creditor that appears gets the starter procedures, once, and keeps its own.
///
/// # Errors
/// Those of the database.
pub async fn a_creditor_begins_with_the_starter_procedures(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    let latest = procedure::latest(db, "c1").await?;
    let ids: Vec<_> = latest
        .iter()
        .map(|(id, revision)| (id.as_str(), *revision))
        .collect();
    assert_eq!(
        ids,
        [
            ("courteous", 1),
            ("new_customer", 1),
            ("standard", 1),
            ("strict", 1)
        ]
    );
    let revision = procedure::RevisionRow {
        procedure_id: "standard".to_owned(),
        revision: 2,
        definition: "mine".to_owned(),
    };
    let txn = db.begin_write().await?;
    procedure::insert(&txn, "c1", &revision, "somebody", 0).await?;
    txn.commit().await?;
    world.open_day(date("2026-03-03"));
    world.flush().await?;
    assert_eq!(procedure::latest(db, "c1").await?.get("standard"), Some(&2));
    assert_eq!(
        procedure::get(db, "c1", "standard", 0).await?,
        Some(revision)
    );
    Ok(())
}

/// Without its calendar no date of a creditor could be told: such a fact cannot be applied, and parks it.
///
/// # Errors
/// Those of the database.
pub async fn an_unknown_calendar_cannot_be_applied(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.change_creditor(|creditor| creditor.calendar = "MOON".to_owned());
    assert!(world.flush().await.is_err());
    let creditor = facts::creditor(db, "c1").await?;
    assert_eq!(creditor.map(|it| it.calendar).as_deref(), Some("WEEKDAYS"));
    Ok(())
}

/// Reminders are kept as long as they count; other contacts are not kept at all.
///
/// # Errors
/// Those of the database.
pub async fn reminders_are_forgotten_after_90_days(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.owing("d1", &[]);
    let reminder = (Channel::Email, ContactPurpose::Reminder);
    world.contact("d1", "K-1", reminder, world.today);
    world.contact(
        "d1",
        "K-2",
        (Channel::Phone, ContactPurpose::Other),
        world.today,
    );
    world.contact(
        "d1",
        "K-3",
        (Channel::Phone, ContactPurpose::Inbound),
        world.today,
    );
    world.flush().await?;
    let contacts = async |world: &World| -> Result<Vec<String>> {
        let known = known(world, "d1").await?.into_iter();
        let contacts = known.filter(|row| matches!(row.fact, Fact::Contact(_)));
        Ok(contacts.map(|row| row.entity_id).collect())
    };
    assert_eq!(contacts(&world).await?, ["K-1"]);
    world.open_day(world.today + Days::new(90));
    world.contact("d1", "K-4", reminder, world.today);
    world.flush().await?;
    assert_eq!(contacts(&world).await?, ["K-1", "K-4"]);
    world.open_day(world.today + Days::new(1));
    world.contact("d1", "K-5", reminder, world.today);
    world.flush().await?;
    assert_eq!(contacts(&world).await?, ["K-4", "K-5"]);
    Ok(())
}
