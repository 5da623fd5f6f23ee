//! Retention: payloads of old events are emptied, headers stay as audit trail and timeline; stored answers go.

use std::time::Duration;

use mahnwerk_runtime::{
    clock::Micros,
    db::{Sql, column},
    error::Result,
    idempotency,
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{Locks, Publisher, WriteTx, tailer::background};

/// How late something may be forgotten.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Rows in one transaction: few enough that it stays well under a second.
const BATCH: u32 = 2_000;

/// How long payloads stay readable on the feed, in microseconds. A consumer that was away for longer takes a new
/// snapshot.
pub const RETENTION: Micros = 14 * 24 * 3_600 * 1_000_000;

/// Empties payloads of events recorded before `before`, at most `limit` in this call, and moves the oldest readable
/// position first. Answers how many were emptied.
///
/// # Errors
/// Those of the database.
pub async fn expire_events(publisher: &Publisher, before: Micros, limit: i64) -> Result<u64> {
    let tx = WriteTx::begin(publisher, Locks::none(), background("retention")).await?;
    let row = tx
        .query_one(
            "SELECT max(seq) AS seq, max(tx) AS tx FROM (SELECT seq, tx FROM event \
             WHERE recorded_at < $1 AND state IS NOT NULL ORDER BY seq LIMIT $2) AS old",
            vec![before.into(), limit.into()],
        )
        .await?;
    let (seq, last): (Option<i64>, Option<i64>) = match row {
        Some(row) => (column(&row, "seq")?, column(&row, "tx")?),
        None => (None, None),
    };
    let (Some(seq), Some(last)) = (seq, last) else {
        tx.rollback().await?;
        return Ok(0);
    };
    // Whoever reads from further back than this takes a new snapshot.
    tx.execute_sql(
        "UPDATE feed_retention SET retained_from = $1 WHERE retained_from < $1",
        vec![(last + 1).into()],
    )
    .await?;
    let emptied = tx
        .execute_sql(
            "UPDATE event SET state = NULL WHERE seq <= $1 AND recorded_at < $2 AND state IS NOT NULL",
            vec![seq.into(), before.into()],
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
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = forget(&publisher, &stop).await {
            tracing::warn!(error = %error, "retention failed; trying again");
        }
    }
}

async fn forget(publisher: &Publisher, stop: &CancellationToken) -> Result<()> {
    let now = publisher.clock().now();
    let batch = u64::from(BATCH);
    while !stop.is_cancelled()
        && expire_events(publisher, now - RETENTION, i64::from(BATCH)).await? >= batch
    {}
    let answers_before = now - idempotency::RETENTION;
    while !stop.is_cancelled()
        && idempotency::expire(publisher.db(), answers_before, BATCH).await? >= batch
    {}
    Ok(())
}
