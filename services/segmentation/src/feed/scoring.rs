//! The projection of scoring: what it tells of each debtor; memberships as consequences.

use mahnwerk_feed::{
    Batch, Change, Projection, StoredRow, WriteTx,
    consume::rows::{Newest, state},
};
use mahnwerk_proto::scoring::v1::ScoreState;
use mahnwerk_runtime::{db::Db, error::Result};
use prost::Message;

use super::{
    concerned::Concerned,
    convert::{observed_on, score_part},
};
use crate::{
    app::{place::place, schemes::Schemes},
    storage::projection::{self as stored, ScoreRow, Visit},
};

/// The only entity that is kept.
const SCORE: &str = "score";

/// The projection code's version; raise it when what is stored changes.
const VERSION: i64 = 1;

/// Segmentation's projection of scoring.
pub struct Scoring {
    schemes: Schemes,
}

impl Scoring {
    /// With these schemes.
    #[must_use]
    pub fn new(schemes: Schemes) -> Self {
        Self { schemes }
    }
}

#[async_trait::async_trait]
impl Projection for Scoring {
    fn feed(&self) -> &'static str {
        "scoring"
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
        let mut scores = Newest::default();
        let mut concerned = Concerned::default();
        for change in batch.changes.iter().filter(|each| each.entity == SCORE) {
            let row = state(change)?.map(score_row).transpose()?;
            scores.add(change, batch.generation(change), row);
            concerned.add(change);
        }
        let (there, gone) = scores.split();
        stored::upsert_scores(tx, there).await?;
        stored::delete_scores(tx, &gone).await?;
        if batch.consequences {
            concerned.place(tx, &self.schemes).await?;
        }
        Ok(())
    }

    async fn remove_stale(&self, tx: &mut WriteTx, part: i64, generation: i64) -> Result<()> {
        stored::remove_stale_scores(tx, part, generation).await
    }

    fn keeps(&self, change: &Change) -> bool {
        change.entity == SCORE
    }

    async fn stored(&self, db: &Db, part: i64) -> Result<Vec<StoredRow>> {
        stored::stored_scores(db, part).await
    }

    async fn creditors(&self, db: &Db) -> Result<Vec<String>> {
        // A score of a creditor that the registry has not told of yet waits for it.
        stored::creditors(db).await
    }

    async fn sweep_candidates(
        &self,
        db: &Db,
        _kind: &str,
        creditor_id: &str,
        parts: &[i64],
        after: &str,
        limit: u64,
    ) -> Result<Vec<(i64, String)>> {
        stored::debtors_in(db, creditor_id, parts, after, Visit::All, limit).await
    }

    async fn sweep(
        &self,
        tx: &mut WriteTx,
        _kind: &str,
        creditor_id: &str,
        debtors: &[String],
    ) -> Result<()> {
        place(tx, &self.schemes, creditor_id, debtors, None).await?;
        Ok(())
    }
}

fn score_row(mut state: ScoreState) -> Result<ScoreRow> {
    // What cannot be understood is refused here, where it parks the debtor, not at every placing.
    score_part(&state)?;
    observed_on(&state)?;
    let currency = match state.accounts.as_slice() {
        [] => "",
        [one] => one.currency_code.as_str(),
        _ => "*",
    };
    let currency = currency.to_owned();
    if let Some(score) = &mut state.score {
        score.reasons.clear();
    }
    Ok(ScoreRow {
        currency,
        state: state.encode_to_vec(),
    })
}
