//! Random stories: whatever happens, what is stored is what the last states leave.

use std::collections::BTreeSet;

use chrono::Days;
use mahnwerk_proto::{
    registry::v1::{Channel, DisputeState, InstalmentPlanState},
    scoring::v1::RiskClass,
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::Result,
};

use crate::{
    conformance::world::{Feed, World, date, euro},
    storage::facts,
};

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Random changes, duplicates, old versions, snapshots and restored backups: what is stored is what the last states
/// leave, nothing more and nothing less.
///
/// # Errors
/// Those of the database.
pub async fn what_is_stored_follows_from_the_last_states(db: &Db, seed: u64) -> Result<()> {
    let mut dice = Dice(seed);
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    for round in 0..12 {
        for _ in 0..1 + dice.below(30) {
            step(&mut world, &mut dice);
        }
        world.flush().await?;
        if dice.below(3) == 0 {
            // Again, as after a crash before the cursor moved.
            let news = world.snapshot(Feed::Registry);
            world.apply(Feed::Registry, &news, true).await?;
        }
        if dice.below(4) == 0 {
            for feed in Feed::ALL {
                let mut rows = world.snapshot(feed);
                // A backup has whole debtors or none, and its creditor.
                let lost = format!("d{}", dice.below(4));
                rows.retain(|row| row.debtor_id != lost);
                world.restore(feed, rows).await?;
            }
        }
        for feed in Feed::ALL {
            let drift = world.drift(feed).await?;
            assert_eq!(
                drift,
                BTreeSet::new(),
                "seed {seed}, round {round}, {feed:?}"
            );
        }
        assert_owing(db, &world).await?;
    }
    Ok(())
}

fn step(world: &mut World, dice: &mut Dice) {
    let debtor_id = &format!("d{}", dice.below(4));
    let item_id = &format!("{debtor_id}-R{}", dice.below(3));
    let minor = i64::try_from(1 + dice.below(4)).unwrap_or(1) * 1_000;
    match dice.below(10) {
        0 => world.open_day(world.today + Days::new(1 + dice.below(40))),
        1 => world.debtor(debtor_id, |_| {}),
        2 => world.contact_point(debtor_id, "mail", Channel::Email, |_| {}),
        3 => {
            let entity_id = format!("{debtor_id}/mail");
            world.tell(
                Feed::Registry,
                facts::CONTACT_POINT,
                debtor_id,
                &entity_id,
                None,
            );
        }
        4 | 5 => world.invoice(debtor_id, item_id, minor, world.today, |item| {
            if dice.below(2) == 0 {
                item.open_amount = Some(euro(0));
            }
        }),
        6 => {
            let states = [DisputeState::Open, DisputeState::Upheld];
            let state = if dice.below(2) == 0 {
                states[0]
            } else {
                states[1]
            };
            world.dispute(debtor_id, item_id, None, state);
        }
        7 => {
            let state = match dice.below(3) {
                0 => InstalmentPlanState::Active,
                1 => InstalmentPlanState::Broken,
                _ => InstalmentPlanState::Kept,
            };
            world.plan(
                debtor_id,
                &format!("{debtor_id}-T"),
                &[(item_id, minor)],
                state,
            );
        }
        8 => {
            let class = if dice.below(3) == 0 {
                RiskClass::X
            } else {
                RiskClass::B
            };
            world.score(debtor_id, class, 10_000);
        }
        _ => world.treat(debtor_id, "late", "standard", |_| {}),
    }
}

/// The debtors with something open are those of the open invoices.
async fn assert_owing(db: &Db, world: &World) -> Result<()> {
    let owing = facts::owing(
        db,
        &world.creditor_id,
        mahnwerk_feed::PARTITIONS - 1,
        (0, ""),
        100,
    )
    .await?;
    let owing: BTreeSet<_> = owing.into_iter().map(|it| it.debtor_id).collect();
    let rows = db
        .query(
            "SELECT debtor_id, entity_id FROM fact WHERE entity = 'item'",
            vec![],
        )
        .await?;
    let mut expected = BTreeSet::new();
    for row in &rows {
        let entity_id: String = column(row, "entity_id")?;
        if entity_id.starts_with(facts::INVOICE) {
            expected.insert(column(row, "debtor_id")?);
        }
    }
    assert_eq!(owing, expected);
    Ok(())
}
