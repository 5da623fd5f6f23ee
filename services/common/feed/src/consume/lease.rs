//! Leases: the live replicas share the partitions evenly, measured by the database's clock.

use mahnwerk_runtime::{
    db::{Sql, column, now_micros},
    error::Result,
};

use super::Consumer;
use crate::{WriteTx, tailer::all_partitions};

/// Everything that was recorded until now.
pub(super) const UNTIL_NOW: i64 = i64::MAX;

impl Consumer {
    /// Renews what this replica holds, of which everything is applied that was recorded up to `current_at` (0 if that is not
    /// known), gives up what is above its share, takes what is free below it. Answers the partitions held.
    pub(super) async fn renew(&self, current_at: i64) -> Result<Vec<i64>> {
        let db = self.db();
        let now = now_micros(db.backend());
        let lease = i64::try_from(self.settings.lease.as_micros()).unwrap_or(i64::MAX);
        let txn = db.begin_write().await?;
        let (feed, owner) = (self.feed(), self.owner.as_str());
        txn.execute_sql(
            &format!(
                "INSERT INTO feed_member (feed, owner, until) VALUES ($1, $2, {now} + $3) \
                 ON CONFLICT (feed, owner) DO UPDATE SET until = excluded.until"
            ),
            vec![feed.into(), owner.into(), lease.into()],
        )
        .await?;
        txn.execute_sql(
            &format!("DELETE FROM feed_member WHERE feed = $1 AND until < {now}"),
            vec![feed.into()],
        )
        .await?;
        let members: i64 = match txn
            .query_one(
                "SELECT count(*) AS n FROM feed_member WHERE feed = $1",
                vec![feed.into()],
            )
            .await?
        {
            Some(row) => column(&row, "n")?,
            None => 1,
        };
        let share = i64::try_from(all_partitions().count()).unwrap_or(0);
        let share = (share + members - 1) / members.max(1);
        // Above the share: the highest ones go first, so that everybody gives up different ones.
        txn.execute_sql(
            "UPDATE feed_lease SET until = 0, owner = '' WHERE feed = $1 AND owner = $2 AND part NOT IN \
             (SELECT part FROM feed_lease WHERE feed = $1 AND owner = $2 ORDER BY part LIMIT $3)",
            vec![feed.into(), owner.into(), share.into()],
        )
        .await?;
        txn.execute_sql(
            &format!(
                "UPDATE feed_lease SET until = {now} + $3, current_at = CASE WHEN $4 > {now} THEN {now} \
                 WHEN $4 > current_at THEN $4 ELSE current_at END WHERE feed = $1 AND owner = $2"
            ),
            vec![feed.into(), owner.into(), lease.into(), current_at.into()],
        )
        .await?;
        let lock = if db.is_postgres() {
            "FOR UPDATE SKIP LOCKED"
        } else {
            ""
        };
        // As a plain subquery it could be run more than once, and take more than its share.
        txn.execute_sql(
            &format!(
                "WITH free AS MATERIALIZED (SELECT part FROM feed_lease WHERE feed = $1 AND until < {now} ORDER BY part \
                  LIMIT (SELECT CASE WHEN count(*) < $4 THEN $4 - count(*) ELSE 0 END \
                         FROM feed_lease WHERE feed = $1 AND owner = $2) {lock}) \
                 UPDATE feed_lease SET owner = $2, until = {now} + $3 WHERE feed = $1 AND part IN (SELECT part FROM free)"
            ),
            vec![feed.into(), owner.into(), lease.into(), share.into()],
        )
        .await?;
        let rows = txn
            .query(
                "SELECT part FROM feed_lease WHERE feed = $1 AND owner = $2 ORDER BY part",
                vec![feed.into(), owner.into()],
            )
            .await?;
        txn.commit().await?;
        rows.iter().map(|row| Ok(column(row, "part")?)).collect()
    }

    /// Everything that was recorded until now is applied in a partition.
    pub(super) async fn now_current(&self, tx: &WriteTx, part: i64) -> Result<()> {
        let now = now_micros(self.db().backend());
        tx.execute_sql(
            &format!("UPDATE feed_lease SET current_at = {now} WHERE feed = $1 AND part = $2"),
            vec![self.feed().into(), part.into()],
        )
        .await?;
        Ok(())
    }

    /// Gives everything up.
    pub(super) async fn release(&self) -> Result<()> {
        let txn = self.db().begin_write().await?;
        let values = vec![self.feed().into(), self.owner.as_str().into()];
        txn.execute_sql(
            "UPDATE feed_lease SET until = 0, owner = '' WHERE feed = $1 AND owner = $2",
            values.clone(),
        )
        .await?;
        txn.execute_sql(
            "DELETE FROM feed_member WHERE feed = $1 AND owner = $2",
            values,
        )
        .await?;
        txn.commit().await
    }
}
