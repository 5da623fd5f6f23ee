//! The projection of segmentation: how debtors are treated.

use mahnwerk_feed::{
    Batch, Change, Projection, StoredRow, WriteTx,
    consume::rows::{Newest, state},
};
use mahnwerk_proto::segmentation::v1::{Handling, Membership, ReminderFees};
use mahnwerk_runtime::{db::Db, error::Result};

use super::store::store;
use crate::storage::{
    facts::{Fact, MEMBERSHIP, StoredMembership},
    projection as stored,
};

/// The projection code's version; raise it when what is stored changes.
const VERSION: i64 = 1;

/// Name of the feed.
const FEED: &str = "segmentation";

/// Dunning's projection of segmentation.
pub struct Segmentation;

#[async_trait::async_trait]
impl Projection for Segmentation {
    fn feed(&self) -> &'static str {
        FEED
    }

    fn origins(&self) -> &'static [&'static str] {
        &["registry", "scoring"]
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
        stored::stored_facts(db, FEED, part, &[MEMBERSHIP]).await
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

/// The end of the key of a membership in the scheme whose segments have policies; before it stands the debtor.
const TREATMENT: &str = "/treatment";

/// Only the treatment of a debtor says anything to dunning.
fn concerns(change: &Change) -> bool {
    change.entity == MEMBERSHIP && change.entity_id.ends_with(TREATMENT)
}

/// The treatment of a debtor. One without a policy is none.
fn fact(change: &Change) -> Result<Option<Fact>> {
    let Some(membership) = state::<Membership>(change)? else {
        return Ok(None);
    };
    Ok(membership.policy.map(|policy| {
        Fact::Membership(StoredMembership {
            segment_id: membership.segment_id,
            waive_fees: policy.reminder_fees() == ReminderFees::Waived,
            autopilot: policy.handling() == Handling::Autopilot,
            procedure_id: policy.procedure_id,
            portfolio: policy.portfolio,
        })
    }))
}
