//! Notices and tasks as they stand, page by page.

use mahnwerk_feed::{SnapshotRow, SnapshotSource};
use mahnwerk_runtime::{
    db::Db,
    error::{Error, Result},
};
use prost::Message;

use super::{NOTICE, TASK};
use crate::{
    grpc::convert_notice::{notice_message, task_message},
    storage::{
        notice::{self, NoticeRow},
        task::{self, TaskRow},
    },
};

/// The snapshots of dunning.
pub struct Snapshot;

#[async_trait::async_trait]
impl SnapshotSource for Snapshot {
    fn entities(&self) -> &'static [&'static str] {
        &[NOTICE, TASK]
    }

    async fn page(
        &self,
        db: &Db,
        entity: &'static str,
        partitions: &[i64],
        after: Option<&[String]>,
        limit: u64,
    ) -> Result<Vec<SnapshotRow>> {
        let (reached, key) = match after {
            None => (i64::MIN, ("", "", "")),
            Some([part, creditor_id, debtor_id, id]) => (
                part.parse().map_err(|_| Error::InvalidPageToken)?,
                (creditor_id.as_str(), debtor_id.as_str(), id.as_str()),
            ),
            Some(_) => return Err(Error::InvalidPageToken),
        };
        // A partition at a time, so that every statement reads a stretch of the index.
        let parts = partitions.iter().copied().filter(|part| *part >= reached);
        let mut parts: Vec<_> = parts.collect();
        parts.sort_unstable();
        let mut rows = Vec::new();
        for part in parts {
            let room = limit.saturating_sub(rows.len() as u64);
            if room == 0 {
                break;
            }
            let after = if part == reached { key } else { ("", "", "") };
            if entity == TASK {
                let tasks = task::page(db, part, after, room).await?;
                rows.extend(tasks.into_iter().map(task_row));
            } else {
                let notices = notice::page(db, part, after, room).await?;
                rows.extend(notices.into_iter().map(notice_row));
            }
        }
        Ok(rows)
    }
}

fn notice_row(row: NoticeRow) -> SnapshotRow {
    SnapshotRow {
        state: notice_message(&row, None).encode_to_vec(),
        key: vec![
            row.part.to_string(),
            row.creditor_id.clone(),
            row.debtor_id.clone(),
            row.notice_id.clone(),
        ],
        version: row.version,
        entity_id: row.notice_id,
        creditor_id: row.creditor_id,
        debtor_id: row.debtor_id,
    }
}

fn task_row(row: TaskRow) -> SnapshotRow {
    SnapshotRow {
        state: task_message(&row, false).encode_to_vec(),
        key: vec![
            row.part.to_string(),
            row.creditor_id.clone(),
            row.debtor_id.clone(),
            row.task_id.clone(),
        ],
        version: row.version,
        entity_id: row.task_id,
        creditor_id: row.creditor_id,
        debtor_id: row.debtor_id,
    }
}
