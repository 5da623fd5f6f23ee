//! The current scores, page by page.

use mahnwerk_feed::{SnapshotRow, SnapshotSource};
use mahnwerk_runtime::{
    db::Db,
    error::{Error, Result},
};
use prost::Message;

use super::{SCORE, score_state};
use crate::storage::score::{self, StoredScore};

/// The snapshots of scoring.
pub struct Snapshot;

#[async_trait::async_trait]
impl SnapshotSource for Snapshot {
    fn entities(&self) -> &'static [&'static str] {
        &[SCORE]
    }

    async fn page(
        &self,
        db: &Db,
        _entity: &'static str,
        partitions: &[i64],
        after: Option<&[String]>,
        limit: u64,
    ) -> Result<Vec<SnapshotRow>> {
        let (reached, creditor_id, debtor_id) = match after {
            None => (i64::MIN, "", ""),
            Some([part, creditor_id, debtor_id]) => (
                part.parse().map_err(|_| Error::InvalidPageToken)?,
                creditor_id.as_str(),
                debtor_id.as_str(),
            ),
            Some(_) => return Err(Error::InvalidPageToken),
        };
        // A partition at a time, so that every statement reads a stretch of the index.
        let mut parts: Vec<_> = partitions
            .iter()
            .copied()
            .filter(|part| *part >= reached)
            .collect();
        parts.sort_unstable();
        let mut rows = Vec::new();
        for part in parts {
            let room = limit.saturating_sub(rows.len() as u64);
            if room == 0 {
                break;
            }
            let after = if part == reached {
                (creditor_id, debtor_id)
            } else {
                ("", "")
            };
            rows.extend(score::page(db, part, after, room).await?);
        }
        rows.into_iter().map(snapshot_row).collect()
    }
}

fn snapshot_row(stored: StoredScore) -> Result<SnapshotRow> {
    let state = score_state(&stored.row, &stored.features()?).encode_to_vec();
    let row = stored.row;
    Ok(SnapshotRow {
        state,
        key: vec![
            row.part.to_string(),
            row.creditor_id.clone(),
            row.debtor_id.clone(),
        ],
        entity_id: row.debtor_id.clone(),
        version: row.version,
        creditor_id: row.creditor_id,
        debtor_id: row.debtor_id,
    })
}
