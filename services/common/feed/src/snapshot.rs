//! Snapshots: the current state of everything on the feed, page by page.
//!
//! The position from which to read on is taken before the first page, the position at which the whole is consistent
//! after the last; rows may change in between.

use mahnwerk_proto::common::v1::{ListSnapshotRequest, ListSnapshotResponse};
use mahnwerk_runtime::{
    db::Db,
    error::{Error, Result},
    page::PageRequest,
};

use crate::{
    Change, Position, Publisher,
    key::{PARTITIONS, partition},
    tailer::horizon,
};

const METHOD: &str = "ListSnapshot";
const DEFAULT_PAGE: u32 = 1_000;
const MAX_PAGE: u32 = 2_000;

/// A row of a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotRow {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor; empty for a fact of the creditor.
    pub debtor_id: String,
    /// Key within the creditor, as in events.
    pub entity_id: String,
    /// Version.
    pub version: i64,
    /// The full state, encoded.
    pub state: Vec<u8>,
    /// Where the next page goes on: the key of this row in the order of the pages.
    pub key: Vec<String>,
}

/// Where the rows of a service's snapshots come from.
#[async_trait::async_trait]
pub trait SnapshotSource: Send + Sync + 'static {
    /// The entities of the snapshot, creditor-level ones first.
    fn entities(&self) -> &'static [&'static str];

    /// Rows of `entity` in the partitions (creditor-level entities: all), by key, after `after`, at most `limit`.
    async fn page(
        &self,
        db: &Db,
        entity: &'static str,
        partitions: &[i64],
        after: Option<&[String]>,
        limit: u64,
    ) -> Result<Vec<SnapshotRow>>;
}

/// The partitions of a request: 1 to 64 different ones.
pub(crate) fn partitions(requested: &[i32]) -> Result<Vec<i64>> {
    let mut partitions: Vec<_> = requested.iter().map(|part| i64::from(*part)).collect();
    partitions.sort_unstable();
    let count = partitions.len();
    partitions.dedup();
    let in_range = partitions.iter().all(|part| (0..PARTITIONS).contains(part));
    if partitions.is_empty() || partitions.len() != count || !in_range {
        return Err(Error::Invalid(vec![
            mahnwerk_runtime::error::Violation::new(
                "partitions",
                "must be 1 to 64 different numbers from 0 to 63",
            ),
        ]));
    }
    Ok(partitions)
}

/// Answers one page.
pub(crate) async fn list(
    publisher: &Publisher,
    source: &dyn SnapshotSource,
    request: &ListSnapshotRequest,
) -> Result<ListSnapshotResponse> {
    let partitions = partitions(&request.partitions);
    let parameters = format!("{:?}", request.partitions);
    let page = PageRequest::parse(
        request.page_size,
        &request.page_token,
        DEFAULT_PAGE,
        MAX_PAGE,
        METHOD,
        &parameters,
    );
    let (partitions, page) = match (partitions, page) {
        (Err(Error::Invalid(mut wrong)), Err(Error::Invalid(more))) => {
            wrong.extend(more);
            return Err(Error::Invalid(wrong));
        }
        (partitions, page) => (partitions?, page?),
    };
    let db = publisher.db();
    let current = publisher.incarnation();
    // The token carries incarnation, start position, entity, and the key within the entity.
    let mut token = page.after.clone().unwrap_or_default().into_iter();
    let start = if page.after.is_some() {
        if token.next().as_deref() != Some(&*current.id) {
            return Err(Error::CursorExpired);
        }
        token
            .next()
            .and_then(|tx| tx.parse().ok())
            .ok_or(Error::InvalidPageToken)?
    } else {
        // Nothing below `retained_from` is on the feed of this incarnation, however old the oldest open writer is.
        horizon(db).await?.0.max(current.retained_from)
    };
    let position = |tx| Position {
        incarnation: current.id.to_string(),
        tx,
    };
    let mut response = ListSnapshotResponse {
        start: Some(position(start)),
        ..ListSnapshotResponse::default()
    };
    let entities = source.entities();
    let first = match token.next() {
        Some(entity) => entities
            .iter()
            .position(|each| *each == entity)
            .ok_or(Error::InvalidPageToken)?,
        None => 0,
    };
    let mut after: Option<Vec<String>> =
        Some(token.collect()).filter(|key: &Vec<_>| !key.is_empty());
    for entity in entities.get(first..).unwrap_or_default() {
        let room = page.limit - response.changes.len() as u64;
        let rows = source
            .page(db, entity, &partitions, after.as_deref(), room)
            .await?;
        after = None;
        let full = rows.len() as u64 == room;
        let last = rows.last().map(|row| row.key.clone());
        response
            .changes
            .extend(rows.into_iter().map(|row| change(publisher, entity, row)));
        if full {
            let key: Vec<_> = [
                current.id.to_string(),
                start.to_string(),
                (*entity).to_owned(),
            ]
            .into_iter()
            .chain(last.unwrap_or_default())
            .collect();
            response.next_page_token =
                mahnwerk_runtime::page::next_token(METHOD, &parameters, &key);
            return Ok(response);
        }
    }
    let (_, high) = horizon(db).await?;
    response.end = Some(position(high));
    Ok(response)
}

fn change(publisher: &Publisher, entity: &str, row: SnapshotRow) -> Change {
    Change {
        partition: i32::try_from(partition(&row.creditor_id, &row.debtor_id)).unwrap_or(-1),
        creditor_id: row.creditor_id,
        debtor_id: row.debtor_id,
        entity: entity.to_owned(),
        entity_id: row.entity_id,
        version: row.version,
        state: Some(prost_types::Any {
            type_url: publisher.type_url(entity).to_owned(),
            value: row.state,
        }),
        ..Change::default()
    }
}
