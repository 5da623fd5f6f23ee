//! Snapshot, then live: the new state replaces the projection, and sweeps away what it did not contain.

use std::{collections::BTreeMap, time::Duration};

use mahnwerk_proto::common::v1::{ListSnapshotRequest, WatchRequest};
use mahnwerk_runtime::{
    db::{Rows, Sql, column, now_micros},
    error::{Error, Result},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Consumer, apply::Step, apply::batch_length, contained::Stated, upstream_error};
use crate::{
    Change, Locks, Position, WriteTx,
    key::CREDITOR_LEVEL,
    tailer::{all_partitions, background},
};

/// The kind of sweep that follows a snapshot: every debtor.
pub const SNAPSHOT_SWEEP: &str = "snapshot";

/// Longest wait for a page.
const PAGE_PATIENCE: Duration = Duration::from_secs(30);

/// Rows asked for at once.
const PAGE: i32 = 1_000;

impl Consumer {
    /// Takes a snapshot of partitions and goes on until it is consistent.
    pub(super) async fn take_snapshot(
        &self,
        parts: &[i64],
        stop: &CancellationToken,
    ) -> Result<()> {
        let generation = self.begin_snapshot(parts).await?;
        tracing::info!(
            feed = self.feed(),
            partitions = parts.len(),
            generation,
            "taking a snapshot"
        );
        let (start, end) = self.copy_pages(parts, generation, stop).await?;
        self.catch_up(parts, &start, &end, stop).await?;
        self.complete_snapshot(parts, generation).await?;
        self.progressed();
        tracing::info!(
            feed = self.feed(),
            partitions = parts.len(),
            generation,
            "snapshot complete"
        );
        Ok(())
    }

    async fn begin_snapshot(&self, parts: &[i64]) -> Result<i64> {
        let tx = WriteTx::begin(&self.publisher, Locks::none(), background("feed")).await?;
        let row = tx
            .query_one(
                "SELECT coalesce(max(generation), 0) + 1 AS generation FROM feed_cursor WHERE feed = $1",
                vec![self.feed().into()],
            )
            .await?;
        let generation: i64 = match row {
            Some(row) => column(&row, "generation")?,
            None => 1,
        };
        let rows = || Rows::new().int("part", parts.iter().copied());
        tx.execute_rows(
            rows(),
            vec![
                self.feed().into(),
                generation.into(),
                self.projection.version().into(),
                tx.id().into(),
            ],
            |table, n| {
                format!(
                    "UPDATE feed_cursor SET state = 'snapshot', generation = ${}, projection_version = ${}, \
                     row_tx = ${} FROM {table} AS r WHERE feed_cursor.feed = ${n} AND feed_cursor.part = r.part",
                    n + 1,
                    n + 2,
                    n + 3
                )
            },
        )
        .await?;
        self.forget_parked(&tx, parts).await?;
        self.forget_stated(&tx, parts).await?;
        tx.commit().await?;
        Ok(generation)
    }

    /// The snapshot brings the state that queued changes of its partitions, and of creditors, would have led to. A parked
    /// creditor is freed only by a snapshot of everything: what is queued behind it for other partitions, and what
    /// follows from its facts there, comes with no snapshot of these.
    async fn forget_parked(&self, tx: &WriteTx, parts: &[i64]) -> Result<()> {
        let rows = || Rows::new().int("part", parts.iter().copied().chain([CREDITOR_LEVEL]));
        let feed = || vec![self.feed().into()];
        tx.execute_rows(rows(), feed(), |table, n| {
            format!(
                "DELETE FROM feed_parked_change WHERE feed = ${n} AND part IN (SELECT r.part FROM {table} AS r)"
            )
        })
        .await?;
        let everything = parts.len() == all_partitions().count();
        let freed = if everything { "" } else { " AND part >= 0" };
        tx.execute_rows(rows(), feed(), |table, n| {
            format!(
                "DELETE FROM feed_parked WHERE feed = ${n} AND part IN (SELECT r.part FROM {table} AS r){freed}"
            )
        })
        .await?;
        Ok(())
    }

    async fn copy_pages(
        &self,
        parts: &[i64],
        generation: i64,
        stop: &CancellationToken,
    ) -> Result<(Position, Position)> {
        let mut request = ListSnapshotRequest {
            partitions: wire(parts),
            page_size: PAGE,
            page_token: String::new(),
        };
        let mut renewed = Instant::now();
        loop {
            let page = self
                .client()
                .list_snapshot(page_request(&request))
                .await
                .map_err(|status| upstream_error(&status))?
                .into_inner();
            self.apply_page(parts, generation, page.changes).await?;
            if page.next_page_token.is_empty() {
                return page
                    .start
                    .zip(page.end)
                    .ok_or_else(|| Error::internal("a snapshot without positions"));
            }
            request.page_token = page.next_page_token;
            if renewed.elapsed() >= self.settings.renew {
                self.keep_leases(parts, stop).await?;
                renewed = Instant::now();
            }
        }
    }

    async fn apply_page(&self, parts: &[i64], generation: i64, changes: Vec<Change>) -> Result<()> {
        if !self.snapshot_is_ours(parts, generation).await? {
            return Err(Error::Contention(None));
        }
        let step = Step {
            cursors: None,
            stated: &Stated::default(),
            generations: parts.iter().map(|part| (*part, generation)).collect(),
            incarnation: "",
            consequences: false,
        };
        // Rows of a snapshot have no transaction; numbered, they may be split anywhere.
        let mut numbered = changes;
        for (number, change) in numbered.iter_mut().enumerate() {
            change.tx = i64::try_from(number).unwrap_or(i64::MAX);
        }
        let mut rest = numbered.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_length(rest));
            rest = after;
            self.apply_step(&step, batch).await?;
        }
        Ok(())
    }

    /// Whether no other replica has begun a snapshot of the same partitions since.
    async fn snapshot_is_ours(&self, parts: &[i64], generation: i64) -> Result<bool> {
        let cursors = self.load_cursors(parts).await?;
        Ok(cursors.len() == parts.len()
            && cursors
                .iter()
                .all(|cursor| cursor.generation == generation && cursor.state == "snapshot"))
    }

    async fn keep_leases(&self, parts: &[i64], stop: &CancellationToken) -> Result<()> {
        let owned = self.renew(0).await?;
        if stop.is_cancelled() || parts.iter().any(|part| !owned.contains(part)) {
            return Err(Error::Contention(None));
        }
        Ok(())
    }

    /// Applies what happened since the snapshot began, until it is consistent.
    async fn catch_up(
        &self,
        parts: &[i64],
        start: &Position,
        end: &Position,
        stop: &CancellationToken,
    ) -> Result<()> {
        let tx = WriteTx::begin(&self.publisher, Locks::none(), background("feed")).await?;
        tx.execute_rows(
            Rows::new().int("part", parts.iter().copied()),
            vec![
                self.feed().into(),
                start.incarnation.as_str().into(),
                start.tx.into(),
                tx.id().into(),
            ],
            |table, n| {
                format!(
                    "UPDATE feed_cursor SET incarnation = ${}, tx = ${}, row_tx = ${} FROM {table} AS r \
                     WHERE feed_cursor.feed = ${n} AND feed_cursor.part = r.part AND feed_cursor.state = 'snapshot'",
                    n + 1,
                    n + 2,
                    n + 3
                )
            },
        )
        .await?;
        tx.commit().await?;
        let mut cursors: BTreeMap<_, _> = self
            .load_cursors(parts)
            .await?
            .into_iter()
            .map(|cursor| (cursor.part, cursor))
            .collect();
        let mut stream = self
            .client()
            .watch(WatchRequest {
                consumer: self.publisher.service().to_owned(),
                partitions: wire(parts),
                from: Some(start.clone()),
            })
            .await
            .map_err(|status| upstream_error(&status))?
            .into_inner();
        let mut received = Vec::new();
        let mut renewed = Instant::now();
        let mut at = start.tx;
        while at < end.tx {
            let message = stream
                .message()
                .await
                .map_err(|status| upstream_error(&status))?
                .ok_or(Error::Contention(None))?;
            received.extend(message.changes);
            if let Some(position) = message.position {
                at = position.tx;
                let changes = std::mem::take(&mut received);
                let nothing = &mut Stated::default();
                let moved = self
                    .apply_all(&mut cursors, changes, at, nothing, false)
                    .await?
                    && self.move_all(&mut cursors, at, nothing).await?;
                if !moved {
                    return Err(Error::Contention(None));
                }
            }
            if renewed.elapsed() >= self.settings.renew {
                self.keep_leases(parts, stop).await?;
                renewed = Instant::now();
            }
        }
        Ok(())
    }

    /// Removes what the snapshot did not contain, makes every debtor's consequences due, and declares the partitions
    /// ready. Positions are stated again when those sweeps are done.
    async fn complete_snapshot(&self, parts: &[i64], generation: i64) -> Result<()> {
        let creditors = self.projection.creditors(self.db()).await?;
        for part in parts {
            let mut tx =
                WriteTx::begin(&self.publisher, all_of(&creditors), background("feed")).await?;
            self.projection
                .remove_stale(&mut tx, *part, generation)
                .await?;
            for creditor_id in &creditors {
                self.insert_sweeps(&tx, SNAPSHOT_SWEEP, creditor_id, 0, "", &[*part])
                    .await?;
            }
            let completed = tx
                .execute_sql(
                    &format!(
                        "UPDATE feed_cursor SET state = 'live', ready = 1, row_tx = $1, compared_at = {} WHERE feed = $2 \
                         AND part = $3 AND generation = $4 AND state = 'snapshot'",
                        now_micros(self.db().backend())
                    ),
                    vec![
                        tx.id().into(),
                        self.feed().into(),
                        (*part).into(),
                        generation.into(),
                    ],
                )
                .await?;
            if completed != 1 {
                tx.rollback().await?;
                return Err(Error::Contention(None));
            }
            self.now_current(&tx, *part).await?;
            tx.commit().await?;
        }
        self.remove_stale_creditors(&creditors).await
    }

    /// Facts of creditors are shared by all partitions: they are stale when no partition's generation has them.
    async fn remove_stale_creditors(&self, creditors: &[String]) -> Result<()> {
        let mut tx = WriteTx::begin(&self.publisher, all_of(creditors), background("feed")).await?;
        let row = tx
            .query_one(
                "SELECT min(generation) AS generation FROM feed_cursor WHERE feed = $1",
                vec![self.feed().into()],
            )
            .await?;
        let generation: Option<i64> = match row {
            Some(row) => column(&row, "generation")?,
            None => None,
        };
        self.projection
            .remove_stale(&mut tx, CREDITOR_LEVEL, generation.unwrap_or(0))
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// An upstream that accepts a call and never answers must not hold a consumer up for good.
pub(super) fn page_request(request: &ListSnapshotRequest) -> tonic::Request<ListSnapshotRequest> {
    let mut page = tonic::Request::new(request.clone());
    page.set_timeout(PAGE_PATIENCE);
    page
}

fn all_of(creditors: &[String]) -> Locks {
    let mut locks = Locks::none();
    for creditor_id in creditors {
        locks.add_creditor(creditor_id);
    }
    locks
}

fn wire(parts: &[i64]) -> Vec<i32> {
    parts
        .iter()
        .filter_map(|part| i32::try_from(*part).ok())
        .collect()
}
