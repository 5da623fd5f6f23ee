//! The current memberships, page by page.

use mahnwerk_feed::{SnapshotRow, SnapshotSource};
use mahnwerk_runtime::{
    db::Db,
    error::{Error, Result},
};
use prost::Message;

use super::{MEMBERSHIP, membership_message};
use crate::storage::membership::{self, MembershipRow};

/// The snapshots of segmentation.
pub struct Snapshot;

#[async_trait::async_trait]
impl SnapshotSource for Snapshot {
    fn entities(&self) -> &'static [&'static str] {
        &[MEMBERSHIP]
    }

    async fn page(
        &self,
        db: &Db,
        _entity: &'static str,
        partitions: &[i64],
        after: Option<&[String]>,
        limit: u64,
    ) -> Result<Vec<SnapshotRow>> {
        let (reached, key) = match after {
            None => (i64::MIN, ("", "", "")),
            Some([part, creditor_id, debtor_id, scheme_id]) => (
                part.parse().map_err(|_| Error::InvalidPageToken)?,
                (creditor_id.as_str(), debtor_id.as_str(), scheme_id.as_str()),
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
            let after = if part == reached { key } else { ("", "", "") };
            rows.extend(membership::in_partition(db, part, after, room).await?);
        }
        Ok(rows.into_iter().map(snapshot_row).collect())
    }
}

fn snapshot_row(row: MembershipRow) -> SnapshotRow {
    SnapshotRow {
        state: membership_message(&row).encode_to_vec(),
        key: vec![
            row.part.to_string(),
            row.creditor_id.clone(),
            row.debtor_id.clone(),
            row.scheme_id.clone(),
        ],
        entity_id: format!("{}/{}", row.debtor_id, row.scheme_id),
        version: row.version,
        creditor_id: row.creditor_id,
        debtor_id: row.debtor_id,
    }
}
