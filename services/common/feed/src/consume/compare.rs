//! Comparing: now and then each partition is held against the upstream's snapshot, and taken anew where it differs.
//!
//! The feed loses nothing by construction. This finds what construction cannot rule out: rows that are missing, left over
//! or of another version, after a manual intervention, a defect of a projection or of a disk. What rows hold besides
//! their version is not compared. A change that was discarded is found as well: mend its entity at the upstream.
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
    telemetry::{self, KeyValue, names},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Consumer, bootstrap::page_request, upstream_error};
use crate::{Position, key::CREDITOR_LEVEL, tailer::all_partitions};

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

/// Creditor, debtor (empty for a fact of the creditor), entity and key.
type Key = (String, String, String, String);

/// How long after a failure a partition is tried again.
const RETRY: Duration = Duration::from_secs(10 * 60);

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
                tracing::info!(feed = self.feed(), error = %chain(&error), "comparison not finished");
            }
        }
    }

    async fn compare_due(&self) -> Result<()> {
        while let Some(part) = self.claim_due().await? {
            if let Err(error) = self.compare_partition(part).await {
                let now = now_micros(self.db().backend());
                let retry = self.settings.compare.saturating_sub(RETRY).as_micros();
                self.db()
                    .execute(
                        &format!(
                            "UPDATE feed_cursor SET compared_at = {now} - $3 WHERE feed = $1 AND part = $2"
                        ),
                        vec![
                            self.feed().into(),
                            part.into(),
                            i64::try_from(retry).unwrap_or(i64::MAX).into(),
                        ],
                    )
                    .await?;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn compare_partition(&self, part: i64) -> Result<()> {
        let found = self.differences(part).await?;
        if found.is_empty() {
            return Ok(());
        }
        let confirmed = self.differences(part).await?;
        let drift: Vec<_> = found.intersection(&confirmed).collect();
        if drift.is_empty() {
            return Ok(());
        }
        self.repair(part, &drift).await
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
        let mut own: BTreeMap<Key, i64> = BTreeMap::new();
        let level = carries_creditors(part).then_some(CREDITOR_LEVEL);
        for part in std::iter::once(part).chain(level) {
            for row in self.projection.stored(self.db(), part).await? {
                let key = (
                    row.creditor_id,
                    row.debtor_id,
                    row.entity.to_owned(),
                    row.entity_id,
                );
                own.insert(key, row.version);
            }
        }
        let mut found = Differences::new();
        for (key, version) in &upstream {
            let stored = own.get(key);
            if stored.is_none_or(|stored| stored < version) && !is_parked(&key.0, &key.1) {
                found.insert((key.clone(), Difference::Behind));
            }
        }
        for (key, version) in own {
            let there = upstream.get(&key);
            if there.is_none_or(|there| *there < version) && !is_parked(&key.0, &key.1) {
                found.insert((key, Difference::Ahead(version)));
            }
        }
        Ok(found)
    }

    /// What the upstream has in a partition and the projection should keep; a partition's keys fit into memory.
    async fn read_upstream(&self, part: i64) -> Result<(BTreeMap<Key, i64>, Position)> {
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
                let wanted = change.partition >= 0 || carries_creditors(part);
                if wanted && self.projection.keeps(&change) {
                    let key = (
                        change.creditor_id,
                        change.debtor_id,
                        change.entity,
                        change.entity_id,
                    );
                    rows.insert(key, change.version);
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
        for ((_, _, entity, _), _) in drift {
            *by_entity.entry(entity).or_default() += 1;
        }
        for (entity, count) in by_entity {
            let [feed, consumer] = self.labels();
            let entity_label = KeyValue::new(names::ENTITY, entity.to_owned());
            telemetry::count(&names::FEED_DRIFT, count, &[feed, consumer, entity_label]);
            tracing::error!(
                alert = names::ALERT_DRIFT,
                feed = self.feed(),
                partition = part,
                entity,
                rows = count,
                "rows differ from the upstream; taking the partition anew"
            );
        }
        // A left-over fact of a creditor is removed when no partition's generation has it.
        if drift
            .iter()
            .any(|((_, debtor_id, _, _), _)| debtor_id.is_empty())
        {
            let all: Vec<_> = all_partitions().collect();
            self.begin_again(&all).await?;
        } else {
            self.begin_again(&[part]).await?;
        }
        self.reload.notify_one();
        Ok(())
    }
}

/// Facts of creditors come with every partition; it is enough to compare them with one.
fn carries_creditors(part: i64) -> bool {
    part == 0
}
