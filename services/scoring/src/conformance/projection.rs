//! The projection: whatever the registry tells, in whatever portions, scores follow from the last states.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mahnwerk_feed::{
    Batch, Cause, Change, Locks, PARTITIONS, Projection, Publisher, WriteTx, partition,
};
use mahnwerk_proto::scoring::v1::ScoreState;
use mahnwerk_runtime::{
    clock::{ManualClock, SharedClock},
    db::{Db, Sql, column},
    error::{Error, Result},
    ids::{SharedIds, SystemIds},
};
use prost::Message;
use scoring_core::{features::Features, fx::FxRate, score::score};

use super::{
    arrangements::in_order,
    facts::{Dice, Fact, Key, World},
};
use crate::{
    SERVICE,
    app::{
        Rules,
        rescore::{card_for, kind_name, reasons},
    },
    feed::{ENTITIES, Registry, score_state},
    storage::{
        day_number, facts,
        score::{self as stored, ScoreRow, StoredScore},
    },
};

/// So many changes between two looks at the scores.
const STEPS: u64 = 40;

/// Debtors of a sweep visited at once; few, so that sweeps have many pages.
const SWEEP_PAGE: u64 = 3;

/// Random changes, duplicates, old versions, snapshots and restored backups: every score equals the one computed by
/// `scoring_core` from the last states, and whoever reads the feed of scoring knows the same. The database must be
/// migrated and empty; no service may run on it.
///
/// # Errors
/// Those of the database.
pub async fn scores_follow_from_the_last_states(db: &Db, seed: u64) -> Result<()> {
    let mut dice = Dice(seed);
    let mut world = World::default();
    let mut follower = Follower::open(db).await?;
    let mut told = Vec::new();
    for round in 0..5 {
        for _ in 0..STEPS {
            told.extend(world.step(&mut dice));
            if dice.one_in(3) {
                let news = disturbed(&mut dice, &world, std::mem::take(&mut told));
                follower.follow(&mut dice, &news).await?;
            }
            if dice.one_in(12) {
                follower.sweep_one().await?;
            }
        }
        let news = std::mem::take(&mut told);
        match dice.below(3) {
            0 => follower.follow(&mut dice, &news).await?,
            1 => follower.take_snapshot(&mut dice, &mut world, &news).await?,
            _ => {
                world.restore(&mut dice);
                follower.take_snapshot(&mut dice, &mut world, &[]).await?;
            }
        }
        while follower.sweep_one().await? {}
        follower.assert_equals(&world, seed, round).await?;
    }
    Ok(())
}

/// Some changes come twice, and some again after newer ones.
fn disturbed(dice: &mut Dice, world: &World, news: Vec<Change>) -> Vec<Change> {
    let mut disturbed = Vec::new();
    for change in news {
        if dice.one_in(5) {
            disturbed.push(change.clone());
        }
        disturbed.push(change);
    }
    disturbed.extend(world.recollection(dice));
    disturbed
}

/// Does what a consumer does, without a stream.
pub(super) struct Follower {
    pub publisher: Publisher,
    pub projection: Registry,
    pub rules: Rules,
    /// By partition; creditor-level facts under -1.
    generations: BTreeMap<i64, i64>,
    /// Partitions by kind and creditor.
    sweeps: BTreeMap<(&'static str, String), BTreeSet<i64>>,
}

impl Follower {
    pub async fn open(db: &Db) -> Result<Self> {
        let clock: SharedClock = Arc::new(ManualClock::at(1_700_000_000_000_000));
        let ids: SharedIds = Arc::new(SystemIds(clock.clone()));
        let publisher = Publisher::open(db.clone(), SERVICE, ENTITIES, clock, ids).await?;
        let rules = Rules::starter()?;
        Ok(Self {
            publisher,
            projection: Registry::new(rules.clone()),
            rules,
            generations: (-1..PARTITIONS).map(|part| (part, 1)).collect(),
            sweeps: BTreeMap::new(),
        })
    }

    pub async fn begin(&self, locks: Locks) -> Result<WriteTx> {
        WriteTx::begin(&self.publisher, locks, Cause::default()).await
    }

    /// Applies live changes, in transactions that end anywhere.
    pub async fn follow(&mut self, dice: &mut Dice, changes: &[Change]) -> Result<()> {
        self.apply(dice, changes, true).await?;
        for change in changes {
            if let Some(kind) = self.projection.sweep_of(change) {
                let parts = (0..PARTITIONS).collect();
                self.sweeps
                    .insert((kind, change.creditor_id.clone()), parts);
            }
        }
        Ok(())
    }

    async fn apply(&self, dice: &mut Dice, changes: &[Change], consequences: bool) -> Result<()> {
        let mut rest = changes;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(1 + dice.index(rest.len()));
            rest = after;
            let mut locks = Locks::none();
            for change in batch {
                match change.debtor_id.as_str() {
                    "" => locks.add_creditor(&change.creditor_id),
                    debtor_id => locks.add_debtor(&change.creditor_id, debtor_id),
                }
            }
            let mut tx = self.begin(locks).await?;
            let batch = Batch {
                generations: &self.generations,
                consequences,
                changes: batch,
            };
            self.projection.apply(&mut tx, batch).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// A snapshot that is read while the registry goes on; `missed` was told to nobody and is in it.
    async fn take_snapshot(
        &mut self,
        dice: &mut Dice,
        world: &mut World,
        missed: &[Change],
    ) -> Result<()> {
        // What was missed shows that partitions may be anywhere before.
        let every = missed.is_empty() || dice.one_in(2);
        let parts: Vec<i64> = (0..PARTITIONS)
            .filter(|part| every || part % 2 == 0)
            .collect();
        let next = self.generations.values().max().copied().unwrap_or(0) + 1;
        for part in parts.iter().chain([&-1]) {
            self.generations.insert(*part, next);
        }
        let mut pages = Vec::new();
        let mut log = missed.to_vec();
        let keys: Vec<Key> = world.states.keys().cloned().collect();
        for (number, key) in keys.iter().enumerate() {
            if number == keys.len() / 2 {
                (0..STEPS / 4).for_each(|_| log.extend(world.step(dice)));
            }
            let row = world.change(key);
            let part = i64::from(row.partition);
            if row.state.is_some() && (part < 0 || parts.contains(&part)) {
                pages.push(row);
            }
        }
        self.apply(dice, &pages, false).await?;
        self.follow(dice, &log).await?;
        self.complete(&parts, next).await
    }

    async fn complete(&mut self, parts: &[i64], generation: i64) -> Result<()> {
        let creditors = self.projection.creditors(self.publisher.db()).await?;
        let everybody = || {
            let mut locks = Locks::none();
            creditors
                .iter()
                .for_each(|creditor_id| locks.add_creditor(creditor_id));
            locks
        };
        for part in parts {
            let mut tx = self.begin(everybody()).await?;
            self.projection
                .remove_stale(&mut tx, *part, generation)
                .await?;
            tx.commit().await?;
        }
        for creditor_id in &creditors {
            let sweep = self
                .sweeps
                .entry(("snapshot", creditor_id.clone()))
                .or_default();
            sweep.extend(parts);
        }
        let oldest = self.generations.values().min().copied().unwrap_or(0);
        let mut tx = self.begin(everybody()).await?;
        self.projection.remove_stale(&mut tx, -1, oldest).await?;
        tx.commit().await?;
        Ok(())
    }

    /// One sweep, page by page. False if none is due.
    pub async fn sweep_one(&mut self) -> Result<bool> {
        let Some(((kind, creditor_id), parts)) = self.sweeps.pop_first() else {
            return Ok(false);
        };
        let db = self.publisher.db();
        let mut parts: Vec<i64> = parts.into_iter().collect();
        let mut after = String::new();
        loop {
            let page = self
                .projection
                .sweep_candidates(db, kind, &creditor_id, &parts, &after, SWEEP_PAGE)
                .await?;
            let debtors: Vec<_> = page
                .iter()
                .map(|(_, debtor_id)| debtor_id.clone())
                .collect();
            let locks = Locks::debtors(&creditor_id, debtors.iter().map(String::as_str));
            let mut tx = self.begin(locks).await?;
            self.projection
                .sweep(&mut tx, kind, &creditor_id, &debtors)
                .await?;
            tx.commit().await?;
            match page.last() {
                Some((part, debtor_id)) if page.len() as u64 == SWEEP_PAGE => {
                    parts.retain(|each| each >= part);
                    after.clone_from(debtor_id);
                }
                _ => return Ok(true),
            }
        }
    }

    async fn assert_equals(&self, world: &World, seed: u64, round: i32) -> Result<()> {
        let at = format!("seed {seed}, round {round}");
        let db = self.publisher.db();
        let stored = all_scores(db).await?;
        let mut expected = BTreeSet::new();
        for creditor_id in world.creditors() {
            let debtors = world.debtors(&creditor_id);
            let ids: Vec<_> = debtors.keys().cloned().collect();
            let mut known = facts::debtors(db, &creditor_id, &ids).await?;
            for facts in known.values_mut() {
                facts.arrangements = in_order(std::mem::take(&mut facts.arrangements));
            }
            assert_eq!(known, debtors, "{at}");
            let day = world.day(&creditor_id);
            let creditor = facts::creditor(db, &creditor_id).await?;
            let stored_day = creditor.and_then(|creditor| creditor.business_date);
            assert_eq!(stored_day, day.map(day_number), "{at}");
            for (debtor_id, debtor) in day.map(|_| debtors).unwrap_or_default() {
                let key = (creditor_id.clone(), debtor_id);
                let score = stored.get(&key).ok_or_else(|| missing(&at, &key))?;
                let (row, features) = (&score.row, score.features()?);
                let items = world.items(&key.0, &key.1);
                let today = day.unwrap_or_default();
                let computed = Features::compute(&debtor, &items, today);
                assert_eq!(features, computed, "{at}: {key:?}");
                assert_eq!(row, &self.scored(row, &debtor, &computed)?, "{at}: {key:?}");
                expected.insert(key);
            }
        }
        let scored: BTreeSet<_> = stored.keys().cloned().collect();
        assert_eq!(scored, expected, "{at}");
        assert_eq!(all_rates(db).await?, expected_rates(world), "{at}");
        self.assert_keeps(world, &at).await?;
        assert_feed_tells(db, &stored, &at).await
    }

    /// Asserts that what is kept is named with its version, and nothing else.
    async fn assert_keeps(&self, world: &World, at: &str) -> Result<()> {
        let mut stored = Vec::new();
        for part in -1..PARTITIONS {
            stored.extend(self.projection.stored(self.publisher.db(), part).await?);
        }
        let mut stored: Vec<_> = stored
            .into_iter()
            .map(|row| {
                (
                    row.creditor_id,
                    row.entity.to_owned(),
                    row.entity_id,
                    row.version,
                )
            })
            .collect();
        stored.sort();
        let changes = world.states.keys().map(|key| world.change(key));
        let mut told: Vec<_> = changes
            .filter(|change| self.projection.keeps(change))
            .map(|it| (it.creditor_id, it.entity, it.entity_id, it.version))
            .collect();
        told.sort();
        assert_eq!(stored, told, "{at}");
        Ok(())
    }

    /// A stored row as it should be.
    fn scored(
        &self,
        row: &ScoreRow,
        debtor: &scoring_core::facts::DebtorFacts,
        features: &Features,
    ) -> Result<ScoreRow> {
        let card = card_for(&self.rules, debtor, features)?;
        let scored = score(card, features);
        Ok(ScoreRow {
            score: scored.score,
            pd_ppm: scored.pd_ppm,
            class: scored.class.as_str().to_owned(),
            kind: kind_name(card.kind).to_owned(),
            revision: card.revision,
            settled_items: features.settled_items,
            reasons: reasons(&scored),
            part: partition(&row.creditor_id, &row.debtor_id),
            ..row.clone()
        })
    }
}

fn missing(at: &str, key: &(String, String)) -> Error {
    Error::internal(format!("{at}: no score of {key:?}"))
}

async fn all_scores(db: &Db) -> Result<BTreeMap<(String, String), StoredScore>> {
    let mut all = BTreeMap::new();
    for part in 0..PARTITIONS {
        for score in stored::page(db, part, ("", ""), 1_000).await? {
            let key = (score.row.creditor_id.clone(), score.row.debtor_id.clone());
            all.insert(key, score);
        }
    }
    Ok(all)
}

/// Creditor, day number, numerator, denominator.
type Rate = (String, i64, i64, i64);

async fn all_rates(db: &Db) -> Result<BTreeSet<Rate>> {
    let sql = "SELECT creditor_id, rate_date, numerator, denominator FROM fx_rate \
               WHERE base = 'USD' AND quote = 'EUR'";
    let rows = db.query(sql, vec![]).await?;
    let rate = |row| {
        Ok((
            column(row, "creditor_id")?,
            column(row, "rate_date")?,
            column(row, "numerator")?,
            column(row, "denominator")?,
        ))
    };
    rows.iter().map(rate).collect()
}

fn expected_rates(world: &World) -> BTreeSet<Rate> {
    let rates = world
        .states
        .iter()
        .filter_map(|((creditor_id, _), fact)| match fact {
            Fact::Rate(FxRate {
                date,
                numerator,
                denominator,
                ..
            }) => Some((
                creditor_id.clone(),
                day_number(*date),
                *numerator,
                *denominator,
            )),
            _ => None,
        });
    rates.collect()
}

/// Version and state of an event.
type Told = (i64, Option<Vec<u8>>);

/// Asserts that the last events of all scores state what is stored, and that versions grow.
async fn assert_feed_tells(
    db: &Db,
    stored: &BTreeMap<(String, String), StoredScore>,
    at: &str,
) -> Result<()> {
    let sql = "SELECT creditor_id, debtor_id, version, state FROM event WHERE entity = 'score' ORDER BY seq";
    let mut told: BTreeMap<(String, String), Told> = BTreeMap::new();
    for row in &db.query(sql, vec![]).await? {
        let key = (column(row, "creditor_id")?, column(row, "debtor_id")?);
        let version: i64 = column(row, "version")?;
        let state = column(row, "state")?;
        let before = told.insert(key.clone(), (version, state));
        assert!(
            before.is_none_or(|(before, _)| before < version),
            "{at}: {key:?}"
        );
    }
    let told: BTreeMap<_, _> = told
        .into_iter()
        .filter_map(|(key, (_, state))| Some((key, state?)))
        .collect();
    assert!(told.keys().eq(stored.keys()), "{at}: {:?}", told.keys());
    for (key, state) in told {
        let told = ScoreState::decode(state.as_slice())
            .map_err(|error| Error::Internal(Box::new(error)))?;
        let score = stored.get(&key).ok_or_else(|| missing(at, &key))?;
        let current = score_state(&score.row, &score.features()?);
        assert_eq!(without_age(told), without_age(current), "{at}: {key:?}");
    }
    Ok(())
}

/// What is told: that time passes without a change is no event.
fn without_age(mut state: ScoreState) -> ScoreState {
    if let Some(score) = &mut state.score {
        score.observation_date = None;
        score.score_time = None;
    }
    state
}
