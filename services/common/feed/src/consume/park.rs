//! Poison: a change that cannot be applied parks its debtor (a fact of a creditor: the creditor). What comes later for it
//! queues up, everybody else goes on.

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
    status::chain,
    telemetry::names,
};
use prost::Message;

use super::{
    Consumer, apply::Step, apply::cause, apply::locks, bootstrap::SNAPSHOT_SWEEP, contained::Stated,
};
use crate::{Change, Locks, WriteTx, key::partition};

/// Creditor and debtor; an empty debtor means the creditor.
pub(crate) type Key = (String, String);

/// Most queued changes with which a key can be released: they are applied in one transaction.
const REPLAY: usize = 1_000;

/// Why a key is parked: the change that cannot be applied, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Poison {
    pub error: String,
    pub entity: String,
    pub entity_id: String,
}

impl Poison {
    fn new(change: Option<&Change>, error: String) -> Self {
        let (entity, entity_id) = change.map_or_else(Default::default, |change| {
            (change.entity.clone(), change.entity_id.clone())
        });
        Self {
            error,
            entity,
            entity_id,
        }
    }
}

/// What dropping the first change of a queue that cannot be applied comes to.
pub(crate) struct Discard {
    /// Number of the change to be dropped; `None` if a sweep parked the debtor and nothing is queued.
    dropped: Option<i64>,
    /// Number of the next one that cannot be applied; those before it can. `None` if nothing stands in the way then.
    stuck: Option<(i64, Poison)>,
}

impl Discard {
    /// Why the key stays parked; empty if it does not.
    pub fn error(&self) -> String {
        let stuck = self.stuck.as_ref();
        stuck.map_or_else(String::new, |(_, poison)| poison.error.clone())
    }

    /// Whether the key is free afterwards.
    pub fn releases(&self) -> bool {
        self.stuck.is_none()
    }
}

/// What is parked of a batch.
pub(crate) struct ParkedSet {
    keys: BTreeSet<Key>,
    /// Whether the debtors of a parked creditor wait with it. Rows of a snapshot do not: they are a state, nothing
    /// follows from them yet, and the queue would hold the whole portfolio.
    with_debtors: bool,
}

impl ParkedSet {
    /// What a change has to queue behind; `None` if it can be applied.
    pub fn key(&self, change: &Change) -> Option<Key> {
        let creditor = (change.creditor_id.clone(), String::new());
        if self.with_debtors && self.keys.contains(&creditor) {
            return Some(creditor);
        }
        let key = (change.creditor_id.clone(), change.debtor_id.clone());
        self.keys.contains(&key).then_some(key)
    }
}

impl Consumer {
    /// The keys of a failed batch whose changes cannot be applied even alone, with the reason.
    pub(super) async fn find_poison(
        &self,
        step: &Step<'_>,
        changes: &[Change],
    ) -> Result<BTreeMap<Key, Poison>> {
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
            let failing = self.first_failing(Some(step), &locks(&own), &own).await?;
            if let Some((index, error)) = failing {
                poison.insert(key, Poison::new(own.get(index), error));
            }
        }
        Ok(poison)
    }

    /// The first change that cannot be applied after those before it, with the reason. Tried in transactions that leave
    /// nothing behind; without a `step`, as queued changes are applied.
    async fn first_failing(
        &self,
        step: Option<&Step<'_>>,
        locks: &Locks,
        changes: &[Change],
    ) -> Result<Option<(usize, String)>> {
        let Some(mut error) = self.attempt(step, locks, changes).await? else {
            return Ok(None);
        };
        // So many can be applied; so many cannot.
        let (mut good, mut bad) = (0, changes.len());
        while bad - good > 1 {
            let middle = good.midpoint(bad);
            match self
                .attempt(step, locks, changes.split_at(middle).0)
                .await?
            {
                None => good = middle,
                Some(reason) => (bad, error) = (middle, reason),
            }
        }
        Ok(Some((good, error)))
    }

    /// Why changes cannot be applied; `None` if they can.
    async fn attempt(
        &self,
        step: Option<&Step<'_>>,
        locks: &Locks,
        changes: &[Change],
    ) -> Result<Option<String>> {
        let mut tx = WriteTx::begin(&self.publisher, locks.clone(), cause()).await?;
        let result = match step {
            Some(step) => self.project(&mut tx, step, changes).await,
            None => self.replay_queue(&mut tx, changes).await,
        };
        let result = match result {
            Ok(()) => tx.write_events(None).await,
            error => error,
        };
        tx.rollback().await?;
        match result {
            Ok(()) => Ok(None),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => Ok(Some(chain(&error))),
        }
    }

    /// Parks a key. Its changes are queued by the caller, who finds it parked.
    pub(super) async fn park(&self, tx: &WriteTx, key: &Key, poison: &Poison) -> Result<()> {
        tracing::error!(
            alert = names::ALERT_PARKED,
            feed = self.feed(),
            creditor = %key.0,
            debtor = %key.1,
            entity = poison.entity,
            error = poison.error,
            "a change cannot be applied; its debtor is parked"
        );
        tx.execute_sql(
            "INSERT INTO feed_parked (feed, creditor_id, debtor_id, part, error, entity, entity_id, parked_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (feed, creditor_id, debtor_id) DO NOTHING",
            vec![
                self.feed().into(),
                key.0.as_str().into(),
                key.1.as_str().into(),
                partition(&key.0, &key.1).into(),
                poison.error.as_str().into(),
                poison.entity.as_str().into(),
                poison.entity_id.as_str().into(),
                tx.recorded_at().into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// What of a batch is parked. One query, and usually no row.
    pub(super) async fn parked_among(
        &self,
        tx: &WriteTx,
        changes: &[Change],
        with_debtors: bool,
    ) -> Result<ParkedSet> {
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
        let keys = rows
            .iter()
            .map(|row| Ok((column(row, "creditor_id")?, column(row, "debtor_id")?)))
            .collect::<Result<_>>()?;
        Ok(ParkedSet { keys, with_debtors })
    }

    /// Queues changes behind what they are parked with.
    pub(super) async fn enqueue(
        &self,
        tx: &WriteTx,
        changes: &[Change],
        parked: &ParkedSet,
    ) -> Result<()> {
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
            .int(
                "part",
                changes.iter().map(|change| i64::from(change.partition)),
            )
            .opt_bytes(
                "change",
                changes.iter().map(|change| Some(change.encode_to_vec())),
            );
        tx.execute_rows(rows, vec![self.feed().into(), base.into()], |table, n| {
            format!(
                "INSERT INTO feed_parked_change (feed, creditor_id, debtor_id, number, part, change) \
                 SELECT ${n}, r.creditor_id, r.debtor_id, ${} + r.number, r.part, r.change FROM {table} AS r",
                n + 1
            )
        })
        .await?;
        Ok(())
    }

    /// Applies what is queued for a parked key, and frees it, inside a transaction that holds the whole creditor: what
    /// is queued may concern many debtors, and nothing may join the queue meanwhile. Answers how many changes were
    /// applied.
    pub(crate) async fn replay(&self, tx: &mut WriteTx, key: &Key) -> Result<usize> {
        let queue = self.require_queue(tx, key).await?;
        let changes: Vec<_> = queue.into_iter().map(|(_, change)| change).collect();
        self.replay_queue(tx, &changes).await?;
        if !key.1.is_empty() {
            // A debtor may be parked by a sweep, which went on without it.
            let debtor = [key.1.clone()];
            let sweep = self.projection.sweep(tx, SNAPSHOT_SWEEP, &key.0, &debtor);
            sweep.await?;
        }
        self.free(tx, key).await?;
        Ok(changes.len())
    }

    /// Finds the first queued change that cannot be applied, and how far one comes without it. If all can be applied by
    /// now it is the first one of all, which the operator does not want.
    pub(crate) async fn plan_discard(&self, key: &Key) -> Result<Discard> {
        let mut queue = self.require_queue(self.db(), key).await?;
        let locks = Locks::creditor(&key.0);
        let changes_of = |queue: &[(i64, Change)]| -> Vec<_> {
            queue.iter().map(|(_, change)| change.clone()).collect()
        };
        let failing = self
            .first_failing(None, &locks, &changes_of(&queue))
            .await?
            .map_or(0, |(index, _)| index);
        if queue.is_empty() {
            return Ok(Discard {
                dropped: None,
                stuck: None,
            });
        }
        let (dropped, _) = queue.remove(failing.min(queue.len() - 1));
        let next = self
            .first_failing(None, &locks, &changes_of(&queue))
            .await?;
        let stuck = next.and_then(|(index, error)| {
            let (number, change) = queue.get(index)?;
            Some((*number, Poison::new(Some(change), error)))
        });
        Ok(Discard {
            dropped: Some(dropped),
            stuck,
        })
    }

    /// Drops the change that cannot be applied and applies the others, up to the next one that cannot, inside a
    /// transaction that holds the whole creditor. Answers how many changes were applied.
    pub(crate) async fn discard(
        &self,
        tx: &mut WriteTx,
        key: &Key,
        discard: &Discard,
    ) -> Result<usize> {
        let queue = self.require_queue(tx, key).await?;
        let dropped = |number: i64| discard.dropped == Some(number);
        if discard.dropped.is_some() && !queue.iter().any(|(number, _)| dropped(*number)) {
            // Somebody else was here.
            return Err(Error::Contention(None));
        }
        let end = discard.stuck.as_ref().map_or(i64::MAX, |stuck| stuck.0);
        let changes: Vec<_> = queue
            .into_iter()
            .filter(|(number, _)| *number < end && !dropped(*number))
            .map(|(_, change)| change)
            .collect();
        self.replay_queue(tx, &changes).await?;
        match &discard.stuck {
            Some((number, poison)) => self.park_at(tx, key, *number, poison).await?,
            None => self.free(tx, key).await?,
        }
        Ok(changes.len())
    }

    /// What stands before a number in the queue is done; that one cannot be applied.
    async fn park_at(&self, tx: &WriteTx, key: &Key, number: i64, poison: &Poison) -> Result<()> {
        let mut values = self.key_values(key);
        values.push(number.into());
        tx.execute_sql(
            "DELETE FROM feed_parked_change WHERE feed = $1 AND creditor_id = $2 AND debtor_id = $3 AND number < $4",
            values,
        )
        .await?;
        let mut values = self.key_values(key);
        values.extend([&poison.error, &poison.entity, &poison.entity_id].map(|text| text.into()));
        tx.execute_sql(
            "UPDATE feed_parked SET error = $4, entity = $5, entity_id = $6 \
             WHERE feed = $1 AND creditor_id = $2 AND debtor_id = $3",
            values,
        )
        .await?;
        Ok(())
    }

    async fn free(&self, tx: &WriteTx, key: &Key) -> Result<()> {
        for table in ["feed_parked_change", "feed_parked"] {
            tx.execute_sql(
                &format!(
                    "DELETE FROM {table} WHERE feed = $1 AND creditor_id = $2 AND debtor_id = $3"
                ),
                self.key_values(key),
            )
            .await?;
        }
        Ok(())
    }

    fn key_values(&self, key: &Key) -> Vec<sea_orm::Value> {
        vec![
            self.feed().into(),
            key.0.as_str().into(),
            key.1.as_str().into(),
        ]
    }

    /// The queue of a parked key, in order, with the number of each change.
    async fn require_queue(&self, on: &impl Sql, key: &Key) -> Result<Vec<(i64, Change)>> {
        let queue = self.queued(on, key).await?.ok_or_else(|| Error::NotFound {
            resource: "parked debtor",
            id: format!("{}/{}", key.0, key.1),
        })?;
        if queue.len() > REPLAY {
            return Err(Error::Precondition {
                reason: ErrorReason::LimitReached,
                message: "too many changes are queued; take a new snapshot by resetting the upstream feed"
                    .to_owned(),
                metadata: vec![("limit", REPLAY.to_string())],
            });
        }
        Ok(queue)
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
            stated: &Stated::default(),
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
    async fn queued(&self, on: &impl Sql, key: &Key) -> Result<Option<Vec<(i64, Change)>>> {
        let values = self.key_values(key);
        let parked = on
            .query_one(
                "SELECT part FROM feed_parked WHERE feed = $1 AND creditor_id = $2 AND debtor_id = $3",
                values.clone(),
            )
            .await?;
        if parked.is_none() {
            return Ok(None);
        }
        let rows = on
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
