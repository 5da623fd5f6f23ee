//! Cursors: how far each partition has been applied. They move only in the transaction of the effect, and only from
//! where the batch started: whoever else consumes and however often a batch arrives, the effect is there once.

use std::collections::BTreeMap;

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
};

use super::{Consumer, contained::Stated};
use crate::{
    Locks, WriteTx,
    tailer::{all_partitions, background},
};

/// The state of one partition.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    pub part: i64,
    pub incarnation: String,
    pub tx: i64,
    pub generation: i64,
    pub projection_version: i64,
    pub state: String,
}

impl Cursor {
    /// Whether the partition has to begin with a snapshot.
    pub fn needs_snapshot(&self, version: i64) -> bool {
        self.state != "live" || self.projection_version < version
    }
}

impl Consumer {
    /// Whether a newer program has written the projection.
    pub(super) async fn stored_projection_is_newer(&self) -> Result<bool> {
        self.ensure_rows().await?;
        let row = self
            .db()
            .query_one(
                "SELECT max(projection_version) AS version FROM feed_cursor WHERE feed = $1",
                vec![self.feed().into()],
            )
            .await?;
        let stored: Option<i64> = match row {
            Some(row) => column(&row, "version")?,
            None => None,
        };
        Ok(stored.unwrap_or(0) > self.projection.version())
    }

    /// Every partition has a cursor and a lease row, so that both can be locked and counted.
    async fn ensure_rows(&self) -> Result<()> {
        let known: i64 = match self
            .db()
            .query_one(
                "SELECT (SELECT count(*) FROM feed_cursor WHERE feed = $1) + \
                 (SELECT count(*) FROM feed_lease WHERE feed = $1) + \
                 (SELECT count(*) FROM feed_contained WHERE feed = $1) AS n",
                vec![self.feed().into()],
            )
            .await?
        {
            Some(row) => column(&row, "n")?,
            None => 0,
        };
        let parts: Vec<i64> = all_partitions().collect();
        let origins = self.projection.origins();
        if usize::try_from(known).unwrap_or(0) == (2 + origins.len()) * parts.len() {
            return Ok(());
        }
        let txn = self.db().begin_write().await?;
        // Before the cursors: from its first cursor on a partition waits for every path.
        for origin in origins {
            txn.execute_rows(
                Rows::new().int("part", parts.clone()),
                vec![self.feed().into(), (*origin).into()],
                |table, n| {
                    format!(
                        "INSERT INTO feed_contained (feed, part, origin, incarnation, tx, row_tx) \
                         SELECT ${n}, r.part, ${}, '', 0, 0 FROM {table} AS r WHERE true \
                         ON CONFLICT (feed, part, origin) DO NOTHING",
                        n + 1
                    )
                },
            )
            .await?;
        }
        txn.execute_rows(
            Rows::new().int("part", parts.clone()),
            vec![self.feed().into()],
            |table, n| {
                format!(
                    "INSERT INTO feed_cursor (feed, part, incarnation, tx, row_tx, generation, projection_version, \
                     state, ready) SELECT ${n}, r.part, '', 0, 0, 0, 0, 'empty', 0 FROM {table} AS r \
                     WHERE true ON CONFLICT (feed, part) DO NOTHING"
                )
            },
        )
        .await?;
        txn.execute_rows(
            Rows::new().int("part", parts),
            vec![self.feed().into()],
            |table, n| {
                format!(
                    "INSERT INTO feed_lease (feed, part, owner, until) SELECT ${n}, r.part, '', 0 \
                     FROM {table} AS r WHERE true ON CONFLICT (feed, part) DO NOTHING"
                )
            },
        )
        .await?;
        txn.commit().await
    }

    pub(super) async fn load_cursors(&self, parts: &[i64]) -> Result<Vec<Cursor>> {
        self.load_cursors_on(self.db(), parts).await
    }

    /// Inside a transaction nothing may wait for a second connection: the others may all be waiting for its locks.
    pub(super) async fn load_cursors_on(
        &self,
        on: &impl Sql,
        parts: &[i64],
    ) -> Result<Vec<Cursor>> {
        let rows = on
            .query_rows(
                Rows::new().int("part", parts.iter().copied()),
                vec![self.feed().into()],
                |table, n| {
                    format!(
                        "SELECT c.part, c.incarnation, c.tx, c.generation, c.projection_version, c.state \
                         FROM {table} AS r JOIN feed_cursor c ON c.feed = ${n} AND c.part = r.part ORDER BY c.part"
                    )
                },
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Cursor {
                    part: column(row, "part")?,
                    incarnation: column(row, "incarnation")?,
                    tx: column(row, "tx")?,
                    generation: column(row, "generation")?,
                    projection_version: column(row, "projection_version")?,
                    state: column(row, "state")?,
                })
            })
            .collect()
    }

    /// Moves cursors to `tx`, if they are still where they were. False means that somebody else moved one.
    pub(super) async fn move_cursors<'a>(
        &self,
        tx: &WriteTx,
        cursors: impl IntoIterator<Item = &'a Cursor>,
        to: i64,
    ) -> Result<bool> {
        let cursors: Vec<_> = cursors.into_iter().collect();
        let expected = cursors.len() as u64;
        let rows = Rows::new()
            .int("part", cursors.iter().map(|cursor| cursor.part))
            .int("tx", cursors.iter().map(|cursor| cursor.tx))
            .int("generation", cursors.iter().map(|cursor| cursor.generation))
            .text("state", cursors.iter().map(|cursor| cursor.state.as_str()))
            .text(
                "incarnation",
                cursors.iter().map(|cursor| cursor.incarnation.as_str()),
            );
        let moved = tx
            .execute_rows(
                rows,
                vec![self.feed().into(), to.into(), tx.id().into()],
                |table, n| {
                    format!(
                        "UPDATE feed_cursor SET tx = ${}, row_tx = ${} FROM {table} AS r \
                         WHERE feed_cursor.feed = ${n} AND feed_cursor.part = r.part AND feed_cursor.tx = r.tx \
                         AND feed_cursor.generation = r.generation AND feed_cursor.state = r.state \
                         AND feed_cursor.incarnation = r.incarnation",
                        n + 1,
                        n + 2
                    )
                },
            )
            .await?;
        Ok(moved == expected)
    }

    /// Moves all cursors that are behind to `tx`, for a position that came without changes for them, and stores what was
    /// stated up to there.
    pub(super) async fn move_all(
        &self,
        cursors: &mut BTreeMap<i64, Cursor>,
        to: i64,
        stated: &mut Stated,
    ) -> Result<bool> {
        let behind: Vec<_> = cursors
            .values()
            .filter(|each| each.tx < to)
            .cloned()
            .collect();
        if behind.is_empty() && stated.is_empty() {
            return Ok(true);
        }
        let tx = WriteTx::begin(&self.publisher, Locks::none(), background("feed")).await?;
        self.store_stated(&tx, stated).await?;
        if !self.move_cursors(&tx, &behind, to).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.commit().await?;
        stated.clear();
        for cursor in behind {
            if let Some(stored) = cursors.get_mut(&cursor.part) {
                stored.tx = to;
            }
        }
        self.progressed();
        Ok(true)
    }

    /// The upstream does not know the cursors any more.
    pub(super) async fn expire_cursors(&self, parts: &[i64]) -> Result<()> {
        tracing::warn!(feed = self.feed(), "cursor expired; taking a new snapshot");
        self.begin_again(parts).await
    }

    /// Makes partitions begin with a snapshot. What they hold stays readable until it is complete.
    pub(super) async fn begin_again(&self, parts: &[i64]) -> Result<()> {
        let tx = WriteTx::begin(&self.publisher, Locks::none(), background("feed")).await?;
        tx.execute_rows(
            Rows::new().int("part", parts.iter().copied()),
            vec![self.feed().into(), tx.id().into()],
            |table, n| {
                format!(
                    "UPDATE feed_cursor SET state = 'empty', row_tx = ${} FROM {table} AS r \
                     WHERE feed_cursor.feed = ${n} AND feed_cursor.part = r.part",
                    n + 1
                )
            },
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
