//! What a consumed feed states to contain of the feeds that it is derived from.
//!
//! A service may learn of the same fact twice: from the feed where it was written, and from a feed that draws its
//! conclusions. A token of the first has arrived only when both have passed it, so what the second states is stored here,
//! after the changes it belongs to.

use std::collections::BTreeMap;

use mahnwerk_proto::common::v1::ContainedPosition;
use mahnwerk_runtime::{
    db::{Rows, Sql},
    error::Result,
};

use super::Consumer;
use crate::{Position, WriteTx};

/// Statements received and not stored yet, by partition and origin.
#[derive(Clone, Default)]
pub(super) struct Stated(BTreeMap<(i64, String), Position>);

impl Stated {
    /// Takes in what belongs to one of the origins.
    pub fn add(&mut self, origins: &[&str], contained: Vec<ContainedPosition>) {
        for each in contained {
            if let Some(position) = each.position
                && origins.contains(&each.feed.as_str())
            {
                self.0
                    .insert((i64::from(each.partition), each.feed), position);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those about some partitions.
    pub fn about(&self, is_meant: impl Fn(i64) -> bool) -> Self {
        let meant = self.0.iter().filter(|((part, _), _)| is_meant(*part));
        Self(meant.map(|(key, at)| (key.clone(), at.clone())).collect())
    }

    /// These are stored.
    pub fn forget(&mut self, stored: &Self) {
        self.0.retain(|key, _| !stored.0.contains_key(key));
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Consumer {
    /// Everything that was stated belongs to changes applied in earlier transactions, or in this one.
    pub(super) async fn store_stated(&self, tx: &WriteTx, stated: &Stated) -> Result<()> {
        if stated.is_empty() {
            return Ok(());
        }
        let keys = || stated.0.keys();
        let rows = Rows::new()
            .int("part", keys().map(|(part, _)| *part))
            .text("origin", keys().map(|(_, origin)| origin.as_str()))
            .int("tx", stated.0.values().map(|position| position.tx))
            .text(
                "incarnation",
                stated
                    .0
                    .values()
                    .map(|position| position.incarnation.as_str()),
            );
        tx.execute_rows(
            rows,
            vec![self.feed().into(), tx.id().into()],
            |table, n| {
                format!(
                    "UPDATE feed_contained SET incarnation = r.incarnation, tx = r.tx, row_tx = ${} FROM {table} AS r \
                     WHERE feed_contained.feed = ${n} AND feed_contained.part = r.part \
                     AND feed_contained.origin = r.origin",
                    n + 1
                )
            },
        )
        .await?;
        Ok(())
    }

    /// What was stated of a state that a snapshot replaces says nothing of the new one.
    pub(super) async fn forget_stated(&self, tx: &WriteTx, parts: &[i64]) -> Result<()> {
        if self.projection.origins().is_empty() {
            return Ok(());
        }
        tx.execute_rows(
            Rows::new().int("part", parts.iter().copied()),
            vec![self.feed().into(), tx.id().into()],
            |table, n| {
                format!(
                    "UPDATE feed_contained SET incarnation = '', tx = 0, row_tx = ${} FROM {table} AS r \
                     WHERE feed_contained.feed = ${n} AND feed_contained.part = r.part",
                    n + 1
                )
            },
        )
        .await?;
        Ok(())
    }
}
