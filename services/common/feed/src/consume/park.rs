//! Poison: a change that cannot be applied parks its debtor (a fact of a creditor: the creditor). What comes later for it
//! queues up, everybody else goes on.

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use prost::Message;

use super::{Consumer, apply::Step, apply::cause, apply::locks, chain};
use crate::{Change, Locks, WriteTx, key::partition, locks::MAX_DEBTORS};

/// Creditor and debtor; an empty debtor means the creditor.
pub(crate) type Key = (String, String);

/// Changes replayed in one transaction when a debtor is released.
const REPLAY: usize = 200;

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

/// What became of a parked debtor.
pub(crate) struct Replay {
    pub applied: usize,
    pub error: Option<String>,
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

    /// Applies what is queued for a parked key, a chunk a transaction; with `discard` the first change is dropped.
    /// The key is free when the queue is empty.
    pub(crate) async fn replay(&self, key: &Key, discard: bool) -> Result<Replay> {
        let mut applied = 0;
        let mut discard = discard;
        loop {
            // The whole creditor: what is queued may concern many debtors, and nothing may join the queue meanwhile.
            let mut tx = WriteTx::begin(&self.publisher, Locks::creditor(&key.0), cause()).await?;
            let chunk = self.queued(&tx, key).await?;
            let Some(chunk) = chunk else {
                tx.rollback().await?;
                return Err(Error::NotFound {
                    resource: "parked debtor",
                    id: format!("{}/{}", key.0, key.1),
                });
            };
            let done = chunk.len() < REPLAY;
            let skip = usize::from(std::mem::take(&mut discard)).min(chunk.len());
            let changes: Vec<_> = chunk
                .iter()
                .skip(skip)
                .map(|(_, change)| change.clone())
                .collect();
            if skip > 0 {
                // Dropped for good, whatever becomes of the rest.
                let first: Vec<_> = chunk.iter().take(1).map(|(number, _)| *number).collect();
                self.dequeue(&tx, key, &first).await?;
                tx.commit().await?;
                continue;
            }
            if let Err(error) = self.replay_chunk(&mut tx, &changes).await {
                tx.rollback().await?;
                if error.is_transient() {
                    return Err(error);
                }
                return Ok(Replay {
                    applied,
                    error: Some(chain(&error)),
                });
            }
            let numbers: Vec<_> = chunk.iter().map(|(number, _)| *number).collect();
            self.dequeue(&tx, key, &numbers).await?;
            if done {
                tx.execute_sql(
                    "DELETE FROM feed_parked WHERE feed = $1 AND creditor_id = $2 AND debtor_id = $3",
                    vec![
                        self.feed().into(),
                        key.0.as_str().into(),
                        key.1.as_str().into(),
                    ],
                )
                .await?;
            }
            tx.commit().await?;
            applied += changes.len();
            if done {
                return Ok(Replay {
                    applied,
                    error: None,
                });
            }
        }
    }

    async fn replay_chunk(&self, tx: &mut WriteTx, changes: &[Change]) -> Result<()> {
        debug_assert!(
            changes.len() <= MAX_DEBTORS,
            "a chunk fits into a transaction"
        );
        let cursors = self
            .load_cursors(&crate::tailer::all_partitions().collect::<Vec<_>>())
            .await?;
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
        let values = vec![
            self.feed().into(),
            key.0.as_str().into(),
            key.1.as_str().into(),
        ];
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
                     AND debtor_id = $3 ORDER BY number LIMIT {REPLAY}"
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

    async fn dequeue(&self, tx: &WriteTx, key: &Key, numbers: &[i64]) -> Result<()> {
        let values = vec![
            self.feed().into(),
            key.0.as_str().into(),
            key.1.as_str().into(),
        ];
        tx.execute_rows(
            Rows::new().int("number", numbers.iter().copied()),
            values,
            |table, n| {
                format!(
                    "DELETE FROM feed_parked_change WHERE feed = ${n} AND creditor_id = ${} AND debtor_id = ${} \
                     AND number IN (SELECT r.number FROM {table} AS r)",
                    n + 1,
                    n + 2
                )
            },
        )
        .await?;
        Ok(())
    }
}
