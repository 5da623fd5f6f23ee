//! Retention: payloads of old events are emptied, headers stay as audit trail and timeline; stored answers go.

use std::{sync::Arc, time::Duration};

use mahnwerk_runtime::{
    clock::Micros,
    db::{Sql, column},
    error::Result,
    idempotency,
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{Locks, Publisher, WriteTx, audit::SLACK, tailer::background};

/// How late something may be forgotten.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Rows in one transaction: few enough that it stays well under a second.
const BATCH: u32 = 2_000;

/// How long payloads stay readable on the feed, in microseconds. A consumer that was away for longer takes a new
/// snapshot.
pub const RETENTION: Micros = 14 * 24 * 3_600 * 1_000_000;

/// What a step of [`expire_events`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Events emptied.
    pub emptied: u64,
    /// Up to this sequence number everything that was due is empty.
    pub until: i64,
    /// Up to this one nothing will ever be due any more; `None` if the step found no further one.
    pub settled: Option<i64>,
    /// Whether there may be more behind it.
    pub more: bool,
}

/// Empties payloads of events recorded before `before` among the `limit` events behind sequence number `after`, and moves
/// the oldest readable position first. A younger one among older ones, as clocks and transactions overlap, is passed over
/// for now.
///
/// A step looks at so many events whether they are empty or not: headers stay, so that whoever looked for the first that
/// is not empty would read all that ever happened, and some day for longer than a statement may run.
///
/// # Errors
/// Those of the database.
pub async fn expire_events(
    publisher: &Publisher,
    before: Micros,
    after: i64,
    limit: i64,
) -> Result<Expired> {
    let row = publisher
        .db()
        .query_one(
            "SELECT count(*) AS seen, max(CASE WHEN recorded_at < $1 THEN seq END) AS due, \
             max(CASE WHEN recorded_at < $4 THEN seq END) AS settled FROM \
             (SELECT seq, recorded_at FROM event WHERE seq > $2 ORDER BY seq LIMIT $3) AS next",
            vec![
                before.into(),
                after.into(),
                limit.into(),
                before.saturating_sub(SLACK).into(),
            ],
        )
        .await?;
    let (seen, due, settled): (i64, Option<i64>, Option<i64>) = match row {
        Some(row) => (
            column(&row, "seen")?,
            column(&row, "due")?,
            column(&row, "settled")?,
        ),
        None => (0, None, None),
    };
    let Some(until) = due else {
        return Ok(Expired {
            emptied: 0,
            until: after,
            settled,
            more: false,
        });
    };
    Ok(Expired {
        emptied: empty(publisher, before, after, until).await?,
        until,
        settled,
        more: seen >= limit,
    })
}

/// Empties the events behind `after` up to `until` that are due and not empty yet. Answers how many were.
async fn empty(publisher: &Publisher, before: Micros, after: i64, until: i64) -> Result<u64> {
    const THESE: &str = "seq > $1 AND seq <= $2 AND recorded_at < $3 AND state IS NOT NULL";
    let these = || vec![after.into(), until.into(), before.into()];
    let any = format!("SELECT 1 AS one FROM event WHERE {THESE} LIMIT 1");
    // Whoever only looks keeps nobody from writing.
    if publisher.db().query_one(&any, these()).await?.is_none() {
        return Ok(0);
    }
    let tx = WriteTx::begin(publisher, Locks::none(), background("retention")).await?;
    // Transactions of an earlier history say nothing about this one: after a restore they may be far ahead of it.
    let last = format!(
        "SELECT max(tx) AS tx FROM event WHERE {THESE} AND seq > (SELECT floor_seq FROM feed_retention)"
    );
    let last: Option<i64> = match tx.query_one(&last, these()).await? {
        Some(row) => column(&row, "tx")?,
        None => None,
    };
    if let Some(last) = last {
        // Whoever reads from further back than this takes a new snapshot.
        tx.execute_sql(
            "UPDATE feed_retention SET retained_from = $1 WHERE retained_from < $1",
            vec![(last + 1).into()],
        )
        .await?;
    }
    let emptied = tx
        .execute_sql(
            &format!("UPDATE event SET state = NULL WHERE {THESE}"),
            these(),
        )
        .await?;
    tx.commit().await?;
    publisher.check_incarnation().await?;
    Ok(emptied)
}

/// Forgets what is due, at once and then every hour, until `stop`.
pub async fn keep_retention(publisher: Publisher, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut retention = Retention::new(publisher);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = retention.forget(&stop).await {
            tracing::warn!(error = %error, "retention failed; trying again");
        }
    }
}

/// What is forgotten when.
pub struct Retention {
    publisher: Publisher,
    /// Up to here nothing is left to empty, now or later. A process that begins looks at all events once, and does so again when another
    /// state of the database has come in the place of this one.
    settled: i64,
    incarnation: Arc<str>,
}

impl Retention {
    /// Of the events and the answers in the publisher's database.
    #[must_use]
    pub fn new(publisher: Publisher) -> Self {
        Self {
            incarnation: publisher.incarnation().id,
            publisher,
            settled: 0,
        }
    }

    /// Forgets what is due now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget(&mut self, stop: &CancellationToken) -> Result<()> {
        let now = self.publisher.clock().now();
        let answers_before = now - idempotency::RETENTION;
        let db = self.publisher.db();
        while !stop.is_cancelled()
            && idempotency::expire(db, answers_before, BATCH).await? >= u64::from(BATCH)
        {}
        let incarnation = self.publisher.incarnation().id;
        if incarnation != self.incarnation {
            (self.incarnation, self.settled) = (incarnation, 0);
        }
        let (mut after, limit) = (self.settled, i64::from(BATCH));
        while !stop.is_cancelled() {
            let step = expire_events(&self.publisher, now - RETENTION, after, limit).await?;
            self.settled = step.settled.unwrap_or(self.settled);
            after = step.until;
            if !step.more {
                break;
            }
        }
        Ok(())
    }
}
