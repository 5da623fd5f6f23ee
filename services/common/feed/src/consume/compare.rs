//! Comparing: now and then each partition is held against the upstream's snapshot, and taken anew where it differs.
//!
//! The feed loses nothing by construction. This finds what construction cannot rule out: rows changed by hand, a defect
//! in a projection, a database that lost a page.
//!
//! Both sides move while they are read, so one look proves nothing. A difference counts if two looks, one after the
//! other, show it alike:
//! - the upstream is read first, then the own cursor must pass the end of that read, then the own rows are read: a row
//!   that is still missing or older was either changed at the upstream after all, which the second look sees, or lost;
//! - an own row that the upstream did not show may be younger than its page; if it has not changed at the second look,
//!   that look began after it came, and it should have been there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mahnwerk_proto::common::v1::ListSnapshotRequest;
use mahnwerk_runtime::{
    db::{Sql, column, now_micros},
    error::{Error, Result},
    status::chain,
};
use opentelemetry::KeyValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Consumer, bootstrap::page_request, upstream_error};
use crate::{Position, key::CREDITOR_LEVEL};

/// How often to look whether a partition is due, at most.
const CHECK: Duration = Duration::from_secs(60);

/// Longest wait for the own cursor to pass a position.
const CATCH_UP: Duration = Duration::from_secs(60);

/// A row that a projection holds, as the feed names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor; empty for facts of the creditor.
    pub debtor_id: String,
    /// The entity, for example `debtor`.
    pub entity: &'static str,
    /// Its key, as on the feed.
    pub entity_id: String,
    /// Its version.
    pub version: i64,
}

/// Creditor, entity and key.
type Key = (String, String, String);

/// Debtor and version of a row.
type Seen = (String, i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// Not there, or older than the upstream's.
    Behind,
    /// Not at the upstream, or newer than there, in this version.
    Ahead(i64),
}

type Differences = BTreeSet<(Key, Difference)>;

impl Consumer {
    /// Compares the partitions that this replica holds, one after the other, each once per period, until `stop`.
    pub(super) async fn keep_comparing(&self, stop: &CancellationToken) {
        if self.settings.compare.is_zero() {
            return stop.cancelled().await;
        }
        let mut check = tokio::time::interval(CHECK.min(self.settings.compare));
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = check.tick() => {}
            }
            let done = tokio::select! {
                () = stop.cancelled() => return,
                done = self.compare_due() => done,
            };
            if let Err(error) = done {
                // Tried again after another period: the feed itself tells of an upstream that is away.
                tracing::info!(feed = self.feed(), error = %chain(&error), "comparison not finished");
            }
        }
    }

    async fn compare_due(&self) -> Result<()> {
        while let Some(part) = self.claim_due().await? {
            let found = self.differences(part).await?;
            if found.is_empty() {
                continue;
            }
            let confirmed = self.differences(part).await?;
            let drift: Vec<_> = found.intersection(&confirmed).collect();
            if !drift.is_empty() {
                self.repair(part, &drift).await?;
            }
        }
        Ok(())
    }

    /// The partition that waits longest, if its time has come.
    async fn claim_due(&self) -> Result<Option<i64>> {
        let db = self.db();
        let now = now_micros(db.backend());
        let period = i64::try_from(self.settings.compare.as_micros()).unwrap_or(i64::MAX);
        let txn = db.begin_write().await?;
        let row = txn
            .query_one(
                &format!(
                    "UPDATE feed_cursor SET compared_at = {now} WHERE feed = $1 AND part = \
                     (SELECT c.part FROM feed_cursor c JOIN feed_lease l ON l.feed = c.feed AND l.part = c.part \
                      WHERE c.feed = $1 AND l.owner = $2 AND c.state = 'live' AND c.compared_at < {now} - $3 \
                      ORDER BY c.compared_at, c.part LIMIT 1) RETURNING part"
                ),
                vec![
                    self.feed().into(),
                    self.owner.as_str().into(),
                    period.into(),
                ],
            )
            .await?;
        txn.commit().await?;
        Ok(row.map(|row| column(&row, "part")).transpose()?)
    }

    /// One look at both sides.
    async fn differences(&self, part: i64) -> Result<Differences> {
        let (upstream, end) = self.read_upstream(part).await?;
        self.wait_until_contained(part, &end).await?;
        let parked = self.parked_in(part).await?;
        let is_parked = |creditor_id: &str, debtor_id: &str| {
            parked.contains(&(creditor_id.to_owned(), debtor_id.to_owned()))
                || parked.contains(&(creditor_id.to_owned(), String::new()))
        };
        let mut own: BTreeMap<Key, Seen> = BTreeMap::new();
        for part in [part, CREDITOR_LEVEL] {
            for row in self.projection.stored(self.db(), part).await? {
                own.insert(
                    (row.creditor_id, row.entity.to_owned(), row.entity_id),
                    (row.debtor_id, row.version),
                );
            }
        }
        let mut found = Differences::new();
        for (key, (debtor_id, version)) in &upstream {
            let stored = own.get(key).map(|(_, version)| *version);
            if stored.is_none_or(|stored| stored < *version) && !is_parked(&key.0, debtor_id) {
                found.insert((key.clone(), Difference::Behind));
            }
        }
        for (key, (debtor_id, version)) in own {
            let there = upstream.get(&key).map(|(_, version)| *version);
            if there.is_none_or(|there| there < version) && !is_parked(&key.0, &debtor_id) {
                found.insert((key, Difference::Ahead(version)));
            }
        }
        Ok(found)
    }

    /// What the upstream has in a partition and the projection should keep; a partition's keys fit into memory.
    async fn read_upstream(&self, part: i64) -> Result<(BTreeMap<Key, Seen>, Position)> {
        let mut rows = BTreeMap::new();
        let mut request = ListSnapshotRequest {
            partitions: i32::try_from(part).into_iter().collect(),
            ..ListSnapshotRequest::default()
        };
        loop {
            let page = self
                .client()
                .list_snapshot(page_request(&request))
                .await
                .map_err(|status| upstream_error(&status))?
                .into_inner();
            for change in page.changes {
                if self.projection.keeps(&change) {
                    rows.insert(
                        (change.creditor_id, change.entity, change.entity_id),
                        (change.debtor_id, change.version),
                    );
                }
            }
            if page.next_page_token.is_empty() {
                let end = page
                    .end
                    .ok_or_else(|| Error::internal("a snapshot without positions"))?;
                return Ok((rows, end));
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn wait_until_contained(&self, part: i64, end: &Position) -> Result<()> {
        let mut progress = self.progress.subscribe();
        let until = Instant::now() + CATCH_UP;
        loop {
            let cursors = self.load_cursors(&[part]).await?;
            let Some(cursor) = cursors.first() else {
                return Err(Error::Contention(None));
            };
            if cursor.state != "live" || cursor.incarnation != end.incarnation {
                return Err(Error::Contention(None));
            }
            if cursor.tx >= end.tx {
                return Ok(());
            }
            tokio::time::timeout_at(until, progress.changed())
                .await
                .map_err(|_| Error::Contention(None))?
                .map_err(|_| Error::Contention(None))?;
        }
    }

    async fn parked_in(&self, part: i64) -> Result<BTreeSet<(String, String)>> {
        let rows = self
            .db()
            .query(
                "SELECT creditor_id, debtor_id FROM feed_parked WHERE feed = $1 AND part IN ($2, $3)",
                vec![self.feed().into(), part.into(), CREDITOR_LEVEL.into()],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((column(row, "creditor_id")?, column(row, "debtor_id")?)))
            .collect()
    }

    /// Counts what was found and has the partition taken anew; reads go on from what there is until that is complete.
    async fn repair(&self, part: i64, drift: &[&(Key, Difference)]) -> Result<()> {
        let mut by_entity: BTreeMap<&str, u64> = BTreeMap::new();
        for ((_, entity, _), _) in drift {
            *by_entity.entry(entity).or_default() += 1;
        }
        for (entity, count) in by_entity {
            let [feed, consumer] = self.labels();
            let entity_label = KeyValue::new("entity", entity.to_owned());
            self.drift.add(count, &[feed, consumer, entity_label]);
            tracing::error!(
                alert = "projection_drift",
                feed = self.feed(),
                partition = part,
                entity,
                rows = count,
                "rows differ from the upstream; taking the partition anew"
            );
        }
        self.begin_again(&[part]).await?;
        self.reload.notify_one();
        Ok(())
    }
}
