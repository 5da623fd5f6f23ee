//! Reading scores.

use chrono::NaiveDate;
use mahnwerk_runtime::{db::Sql, error::Result};
use scoring_core::{features::Features, score::score};
use tokio::time::Instant;

use super::{
    App, known, no_business_day, not_found, not_ready,
    rescore::{card_for, kind_name, reasons},
    unscored,
};
use crate::storage::{
    day_number, facts, from_day,
    score::{self as stored, Current, ScoreRow},
};

/// A read of one debtor: which, and what it must contain.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// The creditor.
    pub creditor_id: &'a str,
    /// The debtor.
    pub debtor_id: &'a str,
    /// A consistency token, or empty.
    pub at_least: &'a str,
    /// When the answer must have been given.
    pub deadline: Option<Instant>,
}

/// Scores of many debtors.
#[derive(Debug, Default)]
pub struct Many {
    /// By debtor id.
    pub scores: Vec<ScoreRow>,
    /// Not known here.
    pub not_found: Vec<String>,
    /// Parked.
    pub parked: Vec<String>,
}

/// A score with everything that led to it.
pub struct Explained {
    /// The score.
    pub row: ScoreRow,
    /// The features.
    pub features: Features,
    /// Score without points.
    pub base_score: i32,
    /// Bin, points and best points of the characteristics used, by code.
    pub points: Vec<(String, String, i32, i32)>,
}

impl App {
    /// The current score of a debtor: one statement, unless there is none and the caller must be told why.
    ///
    /// # Errors
    /// `NotFound`, `DEBTOR_PARKED`, `PROJECTION_NOT_READY`, `NO_BUSINESS_DAY`, or those of the freshness wait.
    pub async fn score(&self, of: Of<'_>) -> Result<ScoreRow> {
        self.wait(of).await?;
        let db = self.publisher.db();
        match stored::current(db, of.creditor_id, of.debtor_id).await? {
            Some((_, true)) => Err(mahnwerk_feed::freshness::parked()),
            Some((row, false)) => Ok(row),
            None => {
                let found = find(db, of).await?;
                // It may have been scored in between.
                found.score.ok_or_else(|| unscored(&found.creditor))
            }
        }
    }

    async fn wait(&self, of: Of<'_>) -> Result<()> {
        self.freshness
            .debtor(of.at_least, of.creditor_id, of.debtor_id, of.deadline)
            .await
    }

    /// Current scores of many debtors: one statement.
    ///
    /// # Errors
    /// `NotFound` if the creditor is unknown, `PROJECTION_NOT_READY`, `NO_BUSINESS_DAY`, or those of the freshness wait.
    pub async fn scores(
        &self,
        creditor_id: &str,
        debtor_ids: &[String],
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Many> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        let mut many = Many::default();
        for found in stored::find_many(db, creditor_id, debtor_ids).await? {
            match (found.score, found.creditor) {
                _ if found.parked => many.parked.push(found.debtor_id),
                (Some(score), _) => many.scores.push(score),
                _ if !found.ready => return Err(not_ready()),
                (None, None) => return Err(not_found("creditor", creditor_id)),
                (None, Some(creditor)) if found.known => return Err(unscored(&creditor)),
                (None, Some(_)) => many.not_found.push(found.debtor_id),
            }
        }
        Ok(many)
    }

    /// Refuses if a creditor is not known here.
    ///
    /// # Errors
    /// `NotFound`, or `PROJECTION_NOT_READY` if it may yet come.
    pub async fn require_creditor(&self, creditor_id: &str) -> Result<()> {
        let db = self.publisher.db();
        if facts::creditor(db, creditor_id).await?.is_some() {
            return Ok(());
        }
        if !stored::all_ready(db).await? {
            return Err(not_ready());
        }
        Err(not_found("creditor", creditor_id))
    }

    /// Scores a debtor has had, newest first, at most `limit`, before a version.
    ///
    /// # Errors
    /// Those of [`App::score`].
    pub async fn score_history(
        &self,
        of: Of<'_>,
        before: i64,
        limit: u64,
    ) -> Result<Vec<ScoreRow>> {
        self.wait(of).await?;
        let db = self.publisher.db();
        find(db, of).await?;
        stored::history(db, of.creditor_id, of.debtor_id, before, limit).await
    }

    /// Features and score as of a date, or of the business date, from the facts known then.
    ///
    /// # Errors
    /// Those of [`App::score`].
    pub async fn explain(&self, of: Of<'_>, as_of: Option<NaiveDate>) -> Result<Explained> {
        self.wait(of).await?;
        // One state for everything that is explained together.
        let db = &self.publisher.db().begin_read().await?;
        let mut current = find(db, of).await?;
        let as_of = match as_of {
            Some(date) => date,
            None => from_day(current.creditor.business_date.ok_or_else(no_business_day)?)?,
        };
        let ids = [of.debtor_id.to_owned()];
        let mut arrangements = facts::arrangements(db, of.creditor_id, &ids).await?;
        current.debtor.arrangements = arrangements.remove(of.debtor_id).unwrap_or_default();
        let items = facts::items(db, of.creditor_id, &ids).await?;
        let items = items.get(of.debtor_id).map_or(&[][..], Vec::as_slice);
        let features = Features::compute(&current.debtor, items, as_of);
        let card = card_for(&self.rules, &current.debtor, &features)?;
        let scored = score(card, &features);
        let row = ScoreRow {
            creditor_id: of.creditor_id.to_owned(),
            debtor_id: of.debtor_id.to_owned(),
            part: mahnwerk_feed::partition(of.creditor_id, of.debtor_id),
            version: current.score.map_or(0, |score| score.version),
            score: scored.score,
            pd_ppm: scored.pd_ppm,
            class: scored.class.as_str().to_owned(),
            kind: kind_name(card.kind).to_owned(),
            revision: card.revision,
            observation_date: day_number(as_of),
            settled_items: features.settled_items,
            reasons: reasons(&scored),
            scored_at: self.publisher.clock().now(),
        };
        let points = scored
            .contributions
            .iter()
            .map(|each| {
                (
                    each.characteristic.to_owned(),
                    each.bin_label.to_owned(),
                    each.points,
                    each.best_points,
                )
            })
            .collect();
        Ok(Explained {
            row,
            features,
            base_score: card.base_score,
            points,
        })
    }
}

async fn find(on: &impl Sql, of: Of<'_>) -> Result<Current> {
    let found = stored::find(on, of.creditor_id, of.debtor_id).await?;
    known(found, of.creditor_id, of.debtor_id)
}
