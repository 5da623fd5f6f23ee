//! The projection of scoring: what is expected of debtors.

use mahnwerk_feed::{
    Batch, Change, Projection, StoredRow, WriteTx,
    consume::rows::{Newest, state},
};
use mahnwerk_proto::scoring::v1::{RiskClass, ScoreState};
use mahnwerk_runtime::{db::Db, error::Result};

use super::store::store;
use crate::storage::{
    facts::{Fact, SCORE, StoredScore},
    projection as stored,
};

/// The projection code's version; raise it when what is stored changes.
const VERSION: i64 = 1;

/// Name of the feed.
const FEED: &str = "scoring";

/// Dunning's projection of scoring.
pub struct Scoring;

#[async_trait::async_trait]
impl Projection for Scoring {
    fn feed(&self) -> &'static str {
        FEED
    }

    fn origins(&self) -> &'static [&'static str] {
        &["registry"]
    }

    fn version(&self) -> i64 {
        VERSION
    }

    fn sweep_of(&self, _change: &Change) -> Option<&'static str> {
        None
    }

    async fn apply(&self, tx: &mut WriteTx, batch: Batch<'_>) -> Result<()> {
        let mut facts = Newest::default();
        for change in batch.changes.iter().filter(|change| concerns(change)) {
            facts.add(change, batch.generation(change), fact(change)?);
        }
        store(facts, tx, FEED).await
    }

    async fn remove_stale(&self, tx: &mut WriteTx, part: i64, generation: i64) -> Result<()> {
        stored::remove_stale_facts(tx, FEED, part, generation).await
    }

    fn keeps(&self, change: &Change) -> bool {
        concerns(change) && !matches!(fact(change), Ok(None))
    }

    async fn stored(&self, db: &Db, part: i64) -> Result<Vec<StoredRow>> {
        stored::stored_facts(db, FEED, part, &[SCORE]).await
    }

    async fn creditors(&self, db: &Db) -> Result<Vec<String>> {
        stored::creditors(db).await
    }

    async fn sweep_candidates(
        &self,
        _db: &Db,
        _kind: &str,
        _creditor_id: &str,
        _parts: &[i64],
        _after: &str,
        _limit: u64,
    ) -> Result<Vec<(i64, String)>> {
        Ok(Vec::new())
    }

    async fn sweep(
        &self,
        _tx: &mut WriteTx,
        _kind: &str,
        _creditor_id: &str,
        _debtors: &[String],
    ) -> Result<()> {
        Ok(())
    }
}

fn concerns(change: &Change) -> bool {
    change.entity == SCORE
}

/// A score of a class; without a class nothing is expected.
fn fact(change: &Change) -> Result<Option<Fact>> {
    let score = state::<ScoreState>(change)?.and_then(|state| state.score);
    let rated =
        score.filter(|score| !matches!(score.risk_class(), RiskClass::Unspecified | RiskClass::X));
    Ok(rated.map(|score| {
        Fact::Score(StoredScore {
            pd_ppm: i64::from(score.pd_ppm),
        })
    }))
}
