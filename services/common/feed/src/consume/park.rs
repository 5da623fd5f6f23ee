//! Poison: a change that cannot be applied parks its debtor (a fact of a creditor: the creditor). What comes later for it
//! queues up, everybody else goes on.

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
    status::chain,
};
use prost::Message;

use super::{Consumer, apply::Step, apply::cause, apply::locks};
use crate::{Change, WriteTx, key::partition};

/// Creditor and debtor; an empty debtor means the creditor.
pub(crate) type Key = (String, String);

/// Most queued changes with which a key can be released: they are applied in one transaction.
const REPLAY: usize = 1_000;

/// What is parked of a batch.
#[derive(Default)]
pub(crate) struct ParkedSet(BTreeSet<Key>);

impl ParkedSet {
    pub fn contains(&self, change: &Change) -> bool {
        self.key(change).is_some()
    }

    fn key(&self, change: &Change) -> Option<Key> {
        let creditor = (change.creditor_id.clone(), String::new());
        if self.0.contains(&creditor) {
            return Some(creditor);
        }
        let key = (change.creditor_id.clone(), change.debtor_id.clone());
        self.0.contains(&key).then_some(key)
    }
}

impl Consumer {
    /// The keys of a failed batch whose changes cannot be applied even alone, with the reason.
    pub(super) async fn find_poison(
        &self,
        step: &Step<'_>,
        changes: &[Change],
    ) -> Result<BTreeMap<Key, String>> {
        let keys: BTreeSet<Key> = changes
            .iter()
            .map(|change| (change.creditor_id.clone(), change.debtor_id.clone()))
            .collect();
        let mut poison = BTreeMap::new();
        for key in keys {
            let own: Vec<_> = changes
                .iter()
                .filter(|change| change.creditor_id == key.0 && change.debtor_id == key.1)
                .cloned()
                .collect();
            let mut tx = WriteTx::begin(&self.publisher, locks(&own), cause()).await?;
            let result = self.project(&mut tx, step, &own).await;
            tx.rollback().await?;
            match result {
                Ok(()) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    poison.insert(key, chain(&error));
                }
            }
        }
        Ok(poison)
    }

    /// Parks a key. Its changes are queued by the caller, who finds it parked.
    pub(super) async fn park(
        &self,
        tx: &WriteTx,
        key: &Key,
        error: &str,
        changes: &[Change],
    ) -> Result<()> {
        let first = changes
            .iter()
            .find(|change| change.creditor_id == key.0 && change.debtor_id == key.1);
        let (entity, entity_id) = first.map_or(("", ""), |change| {
            (change.entity.as_str(), change.entity_id.as_str())
        });
        tracing::error!(
            alert = "debtor_parked",
            feed = self.feed(),
            creditor = %key.0,
            debtor = %key.1,
            entity,
            error,
            "a change cannot be applied; its debtor is parked"
        );
        tx.execute_sql(
            "INSERT INTO feed_parked (feed, creditor_id, debtor_id, part, error, entity, entity_id, parked_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (feed, creditor_id, debtor_id) DO UPDATE SET error = excluded.error",
            vec![
                self.feed().into(),
                key.0.as_str().into(),
                key.1.as_str().into(),
                partition(&key.0, &key.1).into(),
                error.into(),
                entity.into(),
                entity_id.into(),
                tx.recorded_at().into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// What of a batch is parked. One query, and usually no row.
    pub(super) async fn parked_among(&self, tx: &WriteTx, changes: &[Change]) -> Result<ParkedSet> {
        let creditors: BTreeSet<_> = changes.iter().map(|change| &change.creditor_id).collect();
        let rows = tx
            .query_rows(
                Rows::new().text("creditor_id", creditors),
                vec![self.feed().into()],
                |table, n| {
                    format!(
                        "SELECT p.creditor_id, p.debtor_id FROM {table} AS r JOIN feed_parked p \
                         ON p.feed = ${n} AND p.creditor_id = r.creditor_id"
                    )
                },
            )
            .await?;
        rows.iter()
            .map(|row| Ok((column(row, "creditor_id")?, column(row, "debtor_id")?)))
            .collect::<Result<_>>()
            .map(ParkedSet)
    }

    /// Queues changes behind what they are parked with.
    pub(super) async fn enqueue(&self, tx: &WriteTx, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let parked = self.parked_among(tx, changes).await?;
        let keys: Vec<_> = changes
            .iter()
            .map(|change| parked.key(change).unwrap_or_default())
            .collect();
        let base = tx.id().wrapping_mul(1_000_000);
        let rows = Rows::new()
            .text("creditor_id", keys.iter().map(|key| key.0.as_str()))
            .text("debtor_id", keys.iter().map(|key| key.1.as_str()))
            .int(
                "number",
                (0..changes.len()).filter_map(|n| i64::try_from(n).ok()),
            )
            .opt_bytes(
                "change",
                changes.iter().map(|change| Some(change.encode_to_vec())),
            );
        tx.execute_rows(rows, vec![self.feed().into(), base.into()], |table, n| {
            format!(
                "INSERT INTO feed_parked_change (feed, creditor_id, debtor_id, number, change) \
                 SELECT ${n}, r.creditor_id, r.debtor_id, ${} + r.number, r.change FROM {table} AS r",
                n + 1
            )
        })
        .await?;
        Ok(())
    }

    /// Applies what is queued for a parked key, and frees it, inside a transaction that holds the whole creditor: what
    /// is queued may concern many debtors, and nothing may join the queue meanwhile. With `discard` the first change is
    /// dropped. Answers how many changes were applied.
    pub(crate) async fn replay(&self, tx: &mut WriteTx, key: &Key, discard: bool) -> Result<usize> {
        let queue = self.require_queue(tx, key).await?;
        if queue.len() > REPLAY {
            return Err(Error::Precondition {
                reason: ErrorReason::LimitReached,
                message: "too many changes are queued; take a new snapshot by resetting the upstream feed"
                    .to_owned(),
                metadata: vec![("limit", REPLAY.to_string())],
            });
        }
        let changes: Vec<_> = queue
            .into_iter()
            .skip(usize::from(discard))
            .map(|(_, change)| change)
            .collect();
        self.replay_queue(tx, &changes).await?;
        for table in ["feed_parked_change", "feed_parked"] {
            tx.execute_sql(
                &format!(
                    "DELETE FROM {table} WHERE feed = $1 AND creditor_id = $2 AND debtor_id = $3"
                ),
                self.key_values(key),
            )
            .await?;
        }
        Ok(changes.len())
    }

    /// Drops the change at which a key is parked, and nothing else.
    pub(crate) async fn drop_first(&self, tx: &WriteTx, key: &Key, error: &str) -> Result<()> {
        self.require_queue(tx, key).await?;
        tx.execute_sql(
            "DELETE FROM feed_parked_change WHERE feed = $1 AND creditor_id = $2 AND debtor_id = $3 AND number = \
             (SELECT min(f.number) FROM feed_parked_change f WHERE f.feed = $1 AND f.creditor_id = $2 \
              AND f.debtor_id = $3)",
            self.key_values(key),
        )
        .await?;
        let mut values = self.key_values(key);
        values.push(error.into());
        tx.execute_sql(
            "UPDATE feed_parked SET error = $4 WHERE feed = $1 AND creditor_id = $2 AND debtor_id = $3",
            values,
        )
        .await?;
        Ok(())
    }

    fn key_values(&self, key: &Key) -> Vec<sea_orm::Value> {
        vec![
            self.feed().into(),
            key.0.as_str().into(),
            key.1.as_str().into(),
        ]
    }

    async fn require_queue(&self, tx: &WriteTx, key: &Key) -> Result<Vec<(i64, Change)>> {
        self.queued(tx, key).await?.ok_or_else(|| Error::NotFound {
            resource: "parked debtor",
            id: format!("{}/{}", key.0, key.1),
        })
    }

    async fn replay_queue(&self, tx: &mut WriteTx, changes: &[Change]) -> Result<()> {
        let parts: Vec<_> = crate::tailer::all_partitions().collect();
        let cursors = self.load_cursors_on(tx, &parts).await?;
        // The cursors have passed these changes already: sweeps have to start everywhere.
        let everywhere: Vec<_> = cursors
            .iter()
            .cloned()
            .map(|mut cursor| {
                cursor.tx = 0;
                cursor
            })
            .collect();
        let incarnation = cursors
            .iter()
            .map(|cursor| cursor.incarnation.clone())
            .max()
            .unwrap_or_default();
        let step = Step {
            cursors: Some((&everywhere, 0)),
            generations: cursors
                .iter()
                .map(|cursor| (cursor.part, cursor.generation))
                .collect(),
            incarnation: &incarnation,
            consequences: true,
        };
        self.project(tx, &step, changes).await
    }

    /// The next queued changes; `None` if the key is not parked.
    async fn queued(&self, tx: &WriteTx, key: &Key) -> Result<Option<Vec<(i64, Change)>>> {
        let values = self.key_values(key);
        let parked = tx
            .query_one(
                "SELECT part FROM feed_parked WHERE feed = $1 AND creditor_id = $2 AND debtor_id = $3",
                values.clone(),
            )
            .await?;
        if parked.is_none() {
            return Ok(None);
        }
        let rows = tx
            .query(
                &format!(
                    "SELECT number, change FROM feed_parked_change WHERE feed = $1 AND creditor_id = $2 \
                     AND debtor_id = $3 ORDER BY number LIMIT {}",
                    REPLAY + 1
                ),
                values,
            )
            .await?;
        rows.iter()
            .map(|row| {
                let bytes: Vec<u8> = column(row, "change")?;
                let change = Change::decode(bytes.as_slice())
                    .map_err(|error| Error::Internal(Box::new(error)))?;
                Ok((column(row, "number")?, change))
            })
            .collect::<Result<_>>()
            .map(Some)
    }
}
