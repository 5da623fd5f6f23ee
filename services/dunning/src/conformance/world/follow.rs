//! What a consumer does with what is told, without a stream.

use std::collections::BTreeSet;

use mahnwerk_feed::{Batch, Cause, Change, Locks, PARTITIONS, WriteTx};
use mahnwerk_runtime::error::Result;

use super::{Feed, World};

/// Most changes of one transaction.
const BATCH: usize = 100;

impl World {
    /// Applies everything that was told since.
    ///
    /// # Errors
    /// Those of the projections and of the database.
    pub async fn flush(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        for feed in Feed::ALL {
            let of_feed = pending.iter().filter(|(from, _)| *from == feed);
            let changes: Vec<_> = of_feed.map(|(_, change)| change.clone()).collect();
            for batch in changes.chunks(BATCH) {
                self.apply(feed, batch, true).await?;
            }
        }
        Ok(())
    }

    /// Applies changes of a feed in one transaction, as a consumer does.
    ///
    /// # Errors
    /// Those of the projection and of the database.
    pub async fn apply(&self, feed: Feed, changes: &[Change], live: bool) -> Result<()> {
        let mut locks = Locks::none();
        for change in changes {
            match change.debtor_id.as_str() {
                "" => locks.add_creditor(&change.creditor_id),
                debtor_id => locks.add_debtor(&change.creditor_id, debtor_id),
            }
        }
        let mut tx = WriteTx::begin(&self.app.publisher, locks, Cause::default()).await?;
        let generations = (-1..PARTITIONS).map(|part| (part, self.generation));
        let batch = Batch {
            generations: &generations.collect(),
            consequences: live,
            changes,
        };
        feed.projection().apply(&mut tx, batch).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The rows of a snapshot of a feed, creditors first.
    #[must_use]
    pub fn snapshot(&self, feed: Feed) -> Vec<Change> {
        let of_feed = self.told.iter().filter(|((from, _, _), _)| *from == feed);
        let there = of_feed.filter(|(_, change)| change.state.is_some());
        let mut rows: Vec<_> = there.map(|(_, change)| change.clone()).collect();
        rows.sort_by_key(|change| change.partition >= 0);
        rows
    }

    /// Takes a snapshot of a feed whose service has only these rows, with versions that begin anew.
    ///
    /// # Errors
    /// Those of the projection and of the database.
    pub async fn restore(&mut self, feed: Feed, rows: Vec<Change>) -> Result<()> {
        self.generation += 1;
        self.told.retain(|(from, _, _), _| *from != feed);
        for mut change in rows {
            change.version = 1;
            let key = (feed, change.entity.clone(), change.entity_id.clone());
            self.told.insert(key, change);
        }
        for batch in self.snapshot(feed).chunks(BATCH) {
            self.apply(feed, batch, false).await?;
        }
        let projection = feed.projection();
        for part in (0..PARTITIONS).chain([-1]) {
            let locks = Locks::creditor(&self.creditor_id);
            let mut tx = WriteTx::begin(&self.app.publisher, locks, Cause::default()).await?;
            projection
                .remove_stale(&mut tx, part, self.generation)
                .await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// What a comparison with the snapshot of a feed would find: keys and versions that are kept but not stored, and
    /// stored but not kept.
    ///
    /// # Errors
    /// Those of the projection and of the database.
    pub async fn drift(&self, feed: Feed) -> Result<BTreeSet<(String, String, i64)>> {
        let projection = feed.projection();
        let kept = self.snapshot(feed).into_iter();
        let kept = kept.filter(|change| projection.keeps(change));
        let kept: BTreeSet<_> = kept
            .map(|change| (change.entity, change.entity_id, change.version))
            .collect();
        let mut stored = BTreeSet::new();
        for part in -1..PARTITIONS {
            let rows = projection.stored(self.app.publisher.db(), part).await?;
            let rows = rows.into_iter();
            stored.extend(rows.map(|row| (row.entity.to_owned(), row.entity_id, row.version)));
        }
        Ok(kept.symmetric_difference(&stored).cloned().collect())
    }
}
