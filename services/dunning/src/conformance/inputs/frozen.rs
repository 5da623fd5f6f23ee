//! A world made by hand, and the input written down by hand.

use dunning_core::{
    Input,
    input::{
        Channel, Contact, ContactPoint, ContactState, Credit, DebtorFacts, DebtorKind,
        DunningState, Item, ItemKind, LedgerState, PrincipalPoint, ProcedureRef, WhenStale,
    },
    pause::{Pause, PauseKind, PauseScope},
};
use mahnwerk_proto::{
    registry::v1::{self as wire, ContactPurpose, DisputeState, InstalmentPlanState, PromiseState},
    scoring::v1::RiskClass,
    segmentation::v1::{Handling, ReminderFees},
};
use mahnwerk_runtime::{db::Db, error::Result, validate::from_date};

use super::{record, sent, subject};
use crate::{
    app::inputs::{AddressedPoint, Addressee},
    conformance::world::{World, date, euro},
    storage::{
        pause::{self, PauseRow},
        settings::{self, DunningSettings},
        state::{self, SentContact},
    },
};

/// Stores pauses: id, debtor, item, segment, kind, first day, last day.
async fn pause(
    world: &World,
    id: &str,
    [debtor_id, item_id, segment_id]: [&str; 3],
    kind: PauseKind,
    (from, until): (&str, Option<&str>),
) -> Result<()> {
    let row = PauseRow {
        pause_id: id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        item_id: item_id.to_owned(),
        segment_id: segment_id.to_owned(),
        kind,
        from: date(from),
        until: until.map(date),
        reason: "because".to_owned(),
        principal: "somebody".to_owned(),
        version: 1,
    };
    let txn = world.app.publisher.db().begin_write().await?;
    assert!(pause::insert(&txn, &world.creditor_id, &row, 0).await?);
    txn.commit().await
}

/// Tells the world whose input the next suite writes down.
async fn tell(world: &mut World) -> Result<()> {
    world.change_creditor(|it| it.last_bank_import = Some(from_date(date("2026-02-27"))));
    world.debtor("d1", |debtor| {
        debtor.kind = wire::DebtorKind::Person.into();
        debtor.country = "NL".to_owned();
        debtor.language = "nl".to_owned();
        debtor.preferred_channel = wire::Channel::Post.into();
        debtor.insolvent_since = Some(from_date(date("2026-02-01")));
        debtor.deceased_since = Some(from_date(date("2026-03-02")));
    });
    world.contact_point("d1", "post", wire::Channel::Post, |point| {
        point.state = wire::ContactState::MovedUnknown.into();
    });
    world.contact_point("d1", "mail", wire::Channel::Email, |point| {
        point.state = wire::ContactState::Unverified.into();
    });
    world.invoice("d1", "R-2", 9_000, date("2026-02-20"), |_| {});
    world.invoice("d1", "R-1", 10_000, date("2026-02-16"), |_| {});
    world.pay("R-1", 4_000, date("2026-02-20"));
    world.dispute("d1", "R-1", Some(euro(2_000)), DisputeState::Open);
    world.dispute("d1", "R-2", None, DisputeState::Open);
    world.promise(
        "d1",
        "V-1",
        &[("R-1", 500), ("R-2", 100)],
        PromiseState::Open,
    );
    world.plan("d1", "T-1", &[("R-1", 600)], InstalmentPlanState::Active);
    world.payment("d1", "P-1", euro(700));
    let reminder = |channel| (channel, ContactPurpose::Reminder);
    world.contact(
        "d1",
        "K-1",
        reminder(wire::Channel::Phone),
        date("2026-02-20"),
    );
    world.contact(
        "d1",
        "K-2",
        reminder(wire::Channel::Post),
        date("2025-12-02"),
    );
    world.contact(
        "d1",
        "K-3",
        reminder(wire::Channel::Fax),
        date("2025-12-01"),
    );
    world.score("d1", RiskClass::D, 90_000);
    world.treat("d1", "late", "strict", |policy| {
        policy.reminder_fees = ReminderFees::Waived.into();
        policy.handling = Handling::Autopilot.into();
        policy.portfolio = "north".to_owned();
    });
    world.owing("d2", &[("R-3", 1_000, "2026-02-16")]);
    world.flush().await?;
    let settings = DunningSettings {
        max_bank_import_age_days: Some(3),
        when_stale: WhenStale::Mark,
        ..DunningSettings::default()
    };
    let txn = world.app.publisher.db().begin_write().await?;
    settings::put(&txn, "c1", &settings).await?;
    pause::set_manual(&txn, "c1", "d1", Some(date("2026-03-04")), "somebody").await?;
    let contact = SentContact {
        debtor_id: "d1".to_owned(),
        notice_id: "n1".to_owned(),
        on: date("2026-02-25"),
        channel: Channel::Registered,
    };
    state::record_contacts(&txn, "c1", &[contact]).await?;
    txn.commit().await?;
    record(world, &[("d1", "R-1", sent(2, "2026-02-25", "2026-03-09"))]).await?;
    let suppress = PauseKind::Suppress;
    pause(
        world,
        "all",
        ["", "", ""],
        suppress,
        ("2026-01-05", Some("2026-01-06")),
    )
    .await?;
    pause(
        world,
        "seg",
        ["", "", "late"],
        suppress,
        ("2026-02-02", None),
    )
    .await?;
    pause(
        world,
        "other-seg",
        ["", "", "fast"],
        suppress,
        ("2026-02-02", None),
    )
    .await?;
    let stop = PauseKind::StopClock;
    pause(
        world,
        "deb",
        ["d1", "", ""],
        stop,
        ("2026-02-03", Some("2026-02-03")),
    )
    .await?;
    pause(world, "item", ["d1", "R-2", ""], stop, ("2026-02-04", None)).await?;
    pause(world, "paid", ["d1", "R-0", ""], stop, ("2026-02-04", None)).await?;
    pause(world, "other", ["d2", "", ""], stop, ("2026-02-04", None)).await?;
    pause(
        world,
        "never",
        ["d1", "", ""],
        stop,
        ("2026-02-04", Some("2026-02-03")),
    )
    .await
}

/// The input that [`tell`] leads to.
fn expected() -> Input {
    let paused = |id: &str, scope, kind, from: &str, until: Option<&str>| Pause {
        id: id.to_owned(),
        scope,
        kind,
        from: date(from),
        until: until.map(date),
    };
    let (suppress, stop) = (PauseKind::Suppress, PauseKind::StopClock);
    let contact = |on: &str, channel| Contact {
        on: date(on),
        channel,
    };
    let point = |id: &str, channel, state| ContactPoint {
        id: id.to_owned(),
        channel,
        state,
    };
    let segment = PauseScope::Segment("late".to_owned());
    let item = PauseScope::Item("R-2".to_owned());
    Input {
        business_date: date("2026-03-02"),
        calendar: "WEEKDAYS".to_owned(),
        procedure: ProcedureRef {
            id: "strict".to_owned(),
            revision: 1,
        },
        ledger: LedgerState {
            feed_behind: false,
            last_bank_import: Some(date("2026-02-27")),
            max_age_days: Some(3),
            when_stale: WhenStale::Mark,
        },
        debtor: DebtorFacts {
            kind: DebtorKind::Person,
            country: "NL".to_owned(),
            language: "nl".to_owned(),
            segment: "late".to_owned(),
            insolvent_since: Some(date("2026-02-01")),
            deceased: true,
            restricted: false,
            manual_until: Some(date("2026-03-04")),
            preferred_channel: Some(Channel::Post),
            waive_fees: true,
            waive_interest: true,
        },
        contact_points: vec![
            point("mail", Channel::Email, ContactState::Unverified),
            point("post", Channel::Post, ContactState::MovedUnknown),
        ],
        items: expected_items(),
        credits: vec![Credit {
            id: "payment/P-1".to_owned(),
            currency: "EUR".to_owned(),
            minor: 700,
            item_id: None,
        }],
        pauses: vec![
            paused(
                "all",
                PauseScope::Creditor,
                suppress,
                "2026-01-05",
                Some("2026-01-06"),
            ),
            paused(
                "deb",
                PauseScope::Debtor,
                stop,
                "2026-02-03",
                Some("2026-02-03"),
            ),
            paused("item", item, stop, "2026-02-04", None),
            paused("seg", segment, suppress, "2026-02-02", None),
        ],
        recent_contacts: vec![
            contact("2025-12-02", Channel::Post),
            contact("2026-02-20", Channel::Phone),
            contact("2026-02-25", Channel::Post),
        ],
    }
}

fn expected_items() -> Vec<Item> {
    let principal = |on: &str, open| PrincipalPoint { on: date(on), open };
    let first = Item {
        id: "R-1".to_owned(),
        kind: ItemKind::Invoice,
        currency: "EUR".to_owned(),
        document_date: date("2026-02-02"),
        due_date: date("2026-02-16"),
        open: 6_000,
        disputed: 2_000,
        promised: 500,
        planned: 600,
        collection_pending: false,
        history: vec![
            principal("2026-02-02", 10_000),
            principal("2026-02-20", 6_000),
        ],
        state: sent(2, "2026-02-25", "2026-03-09"),
        taken: None,
    };
    let second = Item {
        id: "R-2".to_owned(),
        document_date: date("2026-02-06"),
        due_date: date("2026-02-20"),
        open: 9_000,
        disputed: 9_000,
        promised: 100,
        planned: 0,
        history: Vec::new(),
        state: DunningState::default(),
        ..first.clone()
    };
    vec![first, second]
}

/// A hand-made world gives the input, and the addressee, that were written down by hand.
///
/// # Errors
/// Those of the database.
pub async fn a_hand_made_world_is_frozen_exactly(db: &Db) -> Result<()> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    tell(&mut world).await?;
    let found = subject(&world, "d1").await?;
    assert_eq!(found.input, expected());
    assert_eq!(found.input.validate(), Ok(()));
    assert_eq!(found.part, mahnwerk_feed::partition("c1", "d1"));
    let point = |id: &str, channel| AddressedPoint {
        id: id.to_owned(),
        channel,
        address: format!("{id}.d1@example.org"),
        version: 1,
    };
    let expected = Addressee {
        display_name: "Beispiel d1 GmbH".to_owned(),
        language: "nl".to_owned(),
        person: true,
        contact_points: vec![point("mail", Channel::Email), point("post", Channel::Post)],
        pd_ppm: Some(90_000),
        portfolio: "north".to_owned(),
        autopilot: true,
    };
    assert_eq!(found.addressee, expected);
    Ok(())
}
