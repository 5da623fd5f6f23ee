//! Scoring debtors again: a chunk at a time, one statement per table whatever its size.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_feed::{NewEvent, WriteTx, partition};
use mahnwerk_runtime::{error::Result, telemetry::names};
use scoring_core::{
    facts::{DebtorFacts, ItemFacts},
    features::Features,
    score::{Scored, score},
    scorecard::{Scorecard, ScorecardKind},
};

use super::Rules;
use crate::{
    feed::{SCORE, score_state},
    storage::{
        day_number, facts, from_day,
        score::{self as stored, NewScore, Reason, ScoreRow, StoredScore, encode_features},
    },
};

/// Reasons kept with a score.
pub const REASONS: usize = 4;

/// Scores debtors of a creditor as of its business date, and tells the feed of those whose score or features differ.
/// Scores of debtors that are not known any more are removed. The debtors must be locked. Before the first business day
/// nothing has a score: there is no date as of which to compute one.
///
/// # Errors
/// Those of the database.
pub async fn rescore(
    tx: &mut WriteTx,
    rules: &Rules,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<()> {
    let creditor = facts::creditor(tx, creditor_id).await?;
    let day = creditor.and_then(|creditor| creditor.business_date);
    let debtors = facts::debtors(tx, creditor_id, debtor_ids).await?;
    let before = stored::get_many(tx, creditor_id, debtor_ids).await?;
    let gone = before
        .values()
        .map(|score| &score.row)
        .filter(|score| day.is_none() || !debtors.contains_key(&score.debtor_id));
    let mut events: Vec<_> = gone.map(|score| removed(score, day)).collect();
    let gone: Vec<_> = events.iter().map(|event| event.debtor_id.clone()).collect();
    stored::remove(tx, creditor_id, &gone).await?;
    if let Some(day) = day {
        let subjects = Subjects {
            rules,
            creditor_id,
            day,
            debtors: &debtors,
            before: &before,
        };
        let scores = subjects.score(tx).await?;
        stored::save(tx, &scores).await?;
        tx.count(names::SCORES, scores.len(), vec![]);
        let changed = scores.iter().filter(|score| score.changed);
        events.extend(changed.map(|score| scored(&score.row, &score.features)));
    }
    tx.append(events)
}

/// Who is scored, as of when.
struct Subjects<'a> {
    rules: &'a Rules,
    creditor_id: &'a str,
    day: i64,
    debtors: &'a BTreeMap<String, DebtorFacts>,
    before: &'a BTreeMap<String, StoredScore>,
}

impl Subjects<'_> {
    async fn score(&self, tx: &WriteTx) -> Result<Vec<NewScore>> {
        let ids: Vec<_> = self.debtors.keys().cloned().collect();
        let items = facts::items(tx, self.creditor_id, &ids).await?;
        let is_unscored = |debtor_id: &&String| !self.before.contains_key(*debtor_id);
        let unscored: Vec<_> = ids.iter().filter(is_unscored).cloned().collect();
        let last_versions = stored::last_versions(tx, self.creditor_id, &unscored).await?;
        let as_of = from_day(self.day)?;
        self.debtors
            .iter()
            .map(|(debtor_id, debtor)| {
                let items = items.get(debtor_id).map_or(&[][..], Vec::as_slice);
                let version = last_versions.get(debtor_id).copied().unwrap_or(0);
                let scored_at = tx.recorded_at();
                self.score_one(debtor_id, debtor, items, as_of, version, scored_at)
            })
            .collect()
    }

    fn score_one(
        &self,
        debtor_id: &str,
        debtor: &DebtorFacts,
        items: &[ItemFacts],
        as_of: NaiveDate,
        last_version: i64,
        scored_at: i64,
    ) -> Result<NewScore> {
        let features = Features::compute(debtor, items, as_of);
        let card = card_for(self.rules, debtor, &features)?;
        let scored = score(card, &features);
        let encoded_features = encode_features(&features)?;
        let before = self.before.get(debtor_id);
        let previous = before.map(|before| &before.row);
        let mut row = ScoreRow {
            creditor_id: self.creditor_id.to_owned(),
            debtor_id: debtor_id.to_owned(),
            part: partition(self.creditor_id, debtor_id),
            version: previous.map_or(last_version, |previous| previous.version),
            score: scored.score,
            pd_ppm: scored.pd_ppm,
            class: scored.class.as_str().to_owned(),
            kind: kind_name(card.kind).to_owned(),
            revision: card.revision,
            observation_date: self.day,
            settled_items: features.settled_items,
            reasons: reasons(&scored),
            scored_at,
        };
        let changed = before.is_none_or(|before| {
            row.differs_from(&before.row) || encoded_features != before.features
        });
        row.version += i64::from(changed);
        Ok(NewScore {
            historic: previous.is_none_or(|previous| row.grades_differently(previous)),
            stale_on: day_number(Features::unchanged_until(debtor, items, as_of)),
            row,
            features,
            encoded_features,
            changed,
        })
    }
}

fn scored(row: &ScoreRow, features: &Features) -> NewEvent {
    let state = NewEvent::encode(&score_state(row, features));
    event(
        row,
        row.version,
        "scored",
        Some(row.observation_date),
        state,
    )
}

fn removed(row: &ScoreRow, day: Option<i64>) -> NewEvent {
    event(row, row.version + 1, "removed", day, None)
}

fn event(
    row: &ScoreRow,
    version: i64,
    action: &'static str,
    business_date: Option<i64>,
    state: Option<Vec<u8>>,
) -> NewEvent {
    NewEvent {
        creditor_id: row.creditor_id.clone(),
        debtor_id: row.debtor_id.clone(),
        entity: SCORE,
        entity_id: row.debtor_id.clone(),
        version,
        action,
        business_date,
        state,
    }
}

/// The card that fits a debtor.
///
/// # Errors
/// If there is none.
pub fn card_for<'a>(
    rules: &'a Rules,
    debtor: &DebtorFacts,
    features: &Features,
) -> Result<&'a Scorecard> {
    rules.active(ScorecardKind::for_debtor(debtor, features))
}

/// What cost most, as stored.
#[must_use]
pub fn reasons(scored: &Scored<'_>) -> Vec<Reason> {
    scored
        .reasons(REASONS)
        .into_iter()
        .map(|contribution| Reason {
            characteristic: contribution.characteristic.to_owned(),
            bin: contribution.bin_label.to_owned(),
            value: contribution.value,
            points_lost: contribution.points_lost(),
        })
        .collect()
}

/// The stored name of a kind.
#[must_use]
pub fn kind_name(kind: ScorecardKind) -> &'static str {
    match kind {
        ScorecardKind::Organisation => "organisation",
        ScorecardKind::Person => "person",
        ScorecardKind::Prospect => "prospect",
    }
}
