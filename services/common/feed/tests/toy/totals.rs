//! What the downstream makes of the upstream's facts.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mahnwerk_feed::{
    Batch, Change, NewEvent, Projection, SnapshotRow, SnapshotSource, StoredRow, WriteTx, partition,
};
use mahnwerk_proto::common::v1::Money;
use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column},
    error::{Error, Result},
};
use prost::Message;

use super::{POISON, money};

/// The downstream's own snapshot: totals by debtor.
pub(super) struct TotalsOf;

#[async_trait::async_trait]
impl SnapshotSource for TotalsOf {
    fn entities(&self) -> &'static [&'static str] {
        &["thing"]
    }

    async fn page(
        &self,
        db: &Db,
        _entity: &'static str,
        partitions: &[i64],
        after: Option<&[String]>,
        limit: u64,
    ) -> Result<Vec<SnapshotRow>> {
        let after = |index: usize| {
            after
                .and_then(|key| key.get(index))
                .cloned()
                .unwrap_or_default()
        };
        let rows = db
            .query_rows(
                Rows::new().int("part", partitions.iter().copied()),
                vec![
                    after(0).into(),
                    after(1).into(),
                    i64::try_from(limit).unwrap_or(i64::MAX).into(),
                ],
                |table, n| {
                    format!(
                        "SELECT t.creditor_id, t.debtor_id, t.version, t.value FROM total t \
                         WHERE t.part IN (SELECT r.part FROM {table} AS r) AND (t.creditor_id, t.debtor_id) > (${n}, ${}) \
                         ORDER BY t.creditor_id, t.debtor_id LIMIT ${}",
                        n + 1,
                        n + 2
                    )
                },
            )
            .await?;
        rows.iter()
            .map(|row| {
                let creditor_id: String = column(row, "creditor_id")?;
                let debtor_id: String = column(row, "debtor_id")?;
                Ok(SnapshotRow {
                    entity_id: debtor_id.clone(),
                    version: column(row, "version")?,
                    state: money("total", column(row, "value")?).encode_to_vec(),
                    key: vec![creditor_id.clone(), debtor_id.clone()],
                    creditor_id,
                    debtor_id,
                })
            })
            .collect()
    }
}

/// The projection: numbers and rates as they came, totals as consequences.
pub(super) struct Totals {
    pub version: i64,
    pub cured: Arc<AtomicBool>,
}

impl Totals {
    /// Works out the totals of debtors: two statements and the events, however many.
    async fn recompute(&self, tx: &mut WriteTx, keys: &[(String, String)]) -> Result<()> {
        let rows = || {
            Rows::new()
                .text("creditor_id", keys.iter().map(|key| key.0.as_str()))
                .text("debtor_id", keys.iter().map(|key| key.1.as_str()))
                .int("part", keys.iter().map(|key| partition(&key.0, &key.1)))
        };
        let stored = tx
            .query_rows(rows(), vec![], |table, _| {
                format!(
                    "INSERT INTO total (creditor_id, debtor_id, part, version, value) \
                     SELECT r.creditor_id, r.debtor_id, r.part, 1, coalesce((SELECT CAST(sum(t.value) AS BIGINT) \
                     FROM p_thing t WHERE t.creditor_id = r.creditor_id AND t.debtor_id = r.debtor_id), 0) * \
                     coalesce((SELECT p.value FROM p_rate p WHERE p.creditor_id = r.creditor_id), 1) \
                     FROM {table} AS r WHERE true ON CONFLICT (creditor_id, debtor_id) \
                     DO UPDATE SET value = excluded.value, version = total.version + 1 \
                     RETURNING creditor_id, debtor_id, version, value"
                )
            })
            .await?;
        let events = stored
            .iter()
            .map(|row| {
                let debtor_id: String = column(row, "debtor_id")?;
                Ok(NewEvent {
                    creditor_id: column(row, "creditor_id")?,
                    entity: "thing",
                    entity_id: debtor_id.clone(),
                    debtor_id,
                    version: column(row, "version")?,
                    action: "totalled",
                    business_date: None,
                    state: NewEvent::encode(&money("total", column(row, "value")?)),
                })
            })
            .collect::<Result<_>>()?;
        tx.append(events)?;
        tx.execute_rows(rows(), vec![], |table, _| {
            format!(
                "DELETE FROM total WHERE EXISTS (SELECT 1 FROM {table} AS r WHERE r.creditor_id = total.creditor_id \
                 AND r.debtor_id = total.debtor_id) AND NOT EXISTS (SELECT 1 FROM p_thing t \
                 WHERE t.creditor_id = total.creditor_id AND t.debtor_id = total.debtor_id)"
            )
        })
        .await?;
        Ok(())
    }

    fn value(&self, change: &Change) -> Result<Option<i64>> {
        let Some(state) = &change.state else {
            return Ok(None);
        };
        let money = Money::decode(state.value.as_slice())
            .map_err(|error| Error::Internal(Box::new(error)))?;
        if money.minor_units == POISON && !self.cured.load(Ordering::SeqCst) {
            return Err(Error::internal("poison"));
        }
        Ok(Some(money.minor_units))
    }
}

#[async_trait::async_trait]
impl Projection for Totals {
    fn feed(&self) -> &'static str {
        "upstream"
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn sweep_of(&self, change: &Change) -> Option<&'static str> {
        (change.entity == "rate").then_some("rate")
    }

    async fn apply(&self, tx: &mut WriteTx, batch: Batch<'_>) -> Result<()> {
        let mut keys = std::collections::BTreeSet::new();
        // One statement a change: a toy may.
        for change in batch.changes {
            let value = self.value(change)?;
            let generation = batch.generation(change);
            if change.entity == "rate" {
                tx.execute_sql(
                    "INSERT INTO p_rate (creditor_id, generation, version, value) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (creditor_id) DO UPDATE SET generation = excluded.generation, \
                     version = excluded.version, value = excluded.value WHERE excluded.generation > p_rate.generation \
                     OR (excluded.generation = p_rate.generation AND excluded.version > p_rate.version)",
                    vec![
                        change.creditor_id.as_str().into(),
                        generation.into(),
                        change.version.into(),
                        value.unwrap_or(1).into(),
                    ],
                )
                .await?;
                continue;
            }
            keys.insert((change.creditor_id.clone(), change.debtor_id.clone()));
            let thing = change.entity_id.rsplit('/').next().unwrap_or_default();
            let key = vec![
                change.creditor_id.as_str().into(),
                change.debtor_id.as_str().into(),
                thing.into(),
            ];
            let Some(value) = value else {
                let mut values = key;
                values.extend([generation.into(), change.version.into()]);
                tx.execute_sql(
                    "DELETE FROM p_thing WHERE creditor_id = $1 AND debtor_id = $2 AND thing_id = $3 \
                     AND (generation < $4 OR version < $5)",
                    values,
                )
                .await?;
                continue;
            };
            let mut values = key;
            values.extend([
                i64::from(change.partition).into(),
                generation.into(),
                change.version.into(),
                value.into(),
            ]);
            tx.execute_sql(
                "INSERT INTO p_thing (creditor_id, debtor_id, thing_id, part, generation, version, value) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (creditor_id, debtor_id, thing_id) DO UPDATE SET \
                 generation = excluded.generation, version = excluded.version, value = excluded.value \
                 WHERE excluded.generation > p_thing.generation \
                 OR (excluded.generation = p_thing.generation AND excluded.version > p_thing.version)",
                values,
            )
            .await?;
        }
        if batch.consequences {
            let keys: Vec<_> = keys.into_iter().collect();
            self.recompute(tx, &keys).await?;
        }
        Ok(())
    }

    async fn remove_stale(&self, tx: &mut WriteTx, part: i64, generation: i64) -> Result<()> {
        if part < 0 {
            tx.execute_sql(
                "DELETE FROM p_rate WHERE generation < $1",
                vec![generation.into()],
            )
            .await?;
            return Ok(());
        }
        tx.execute_sql(
            "DELETE FROM p_thing WHERE part = $1 AND generation < $2",
            vec![part.into(), generation.into()],
        )
        .await?;
        tx.execute_sql(
            "DELETE FROM total WHERE part = $1 AND NOT EXISTS (SELECT 1 FROM p_thing t \
             WHERE t.creditor_id = total.creditor_id AND t.debtor_id = total.debtor_id)",
            vec![part.into()],
        )
        .await?;
        Ok(())
    }

    fn keeps(&self, _change: &Change) -> bool {
        true
    }

    async fn stored(&self, db: &Db, part: i64) -> Result<Vec<StoredRow>> {
        let things = db
            .query(
                "SELECT creditor_id, debtor_id, thing_id, version FROM p_thing WHERE part = $1",
                vec![part.into()],
            )
            .await?;
        let rates = match part {
            -1 => {
                db.query("SELECT creditor_id, version FROM p_rate", vec![])
                    .await?
            }
            _ => Vec::new(),
        };
        let thing = |row| {
            let debtor_id: String = column(row, "debtor_id")?;
            Ok(StoredRow {
                creditor_id: column(row, "creditor_id")?,
                entity: "thing",
                entity_id: format!("{debtor_id}/{}", column::<String>(row, "thing_id")?),
                debtor_id,
                version: column(row, "version")?,
            })
        };
        let rate = |row| {
            let creditor_id: String = column(row, "creditor_id")?;
            Ok(StoredRow {
                entity_id: creditor_id.clone(),
                creditor_id,
                debtor_id: String::new(),
                entity: "rate",
                version: column(row, "version")?,
            })
        };
        things
            .iter()
            .map(thing)
            .chain(rates.iter().map(rate))
            .collect()
    }

    async fn creditors(&self, db: &Db) -> Result<Vec<String>> {
        let rows = db
            .query("SELECT DISTINCT creditor_id FROM p_thing", vec![])
            .await?;
        rows.iter()
            .map(|row| Ok(column(row, "creditor_id")?))
            .collect()
    }

    async fn sweep_candidates(
        &self,
        db: &Db,
        _kind: &str,
        creditor_id: &str,
        parts: &[i64],
        after: &str,
        limit: u64,
    ) -> Result<Vec<(i64, String)>> {
        let first = parts.first().copied().unwrap_or(0);
        let rows = db
            .query_rows(
                Rows::new().int("part", parts.iter().copied()),
                vec![
                    creditor_id.into(),
                    first.into(),
                    after.into(),
                    i64::try_from(limit).unwrap_or(i64::MAX).into(),
                ],
                |table, n| {
                    format!(
                        "SELECT DISTINCT t.part, t.debtor_id FROM p_thing t WHERE t.creditor_id = ${n} \
                         AND t.part IN (SELECT r.part FROM {table} AS r) AND (t.part, t.debtor_id) > (${}, ${}) \
                         ORDER BY t.part, t.debtor_id LIMIT ${}",
                        n + 1,
                        n + 2,
                        n + 3
                    )
                },
            )
            .await?;
        rows.iter()
            .map(|row| Ok((column(row, "part")?, column(row, "debtor_id")?)))
            .collect()
    }

    async fn sweep(
        &self,
        tx: &mut WriteTx,
        _kind: &str,
        creditor_id: &str,
        debtors: &[String],
    ) -> Result<()> {
        let keys: Vec<_> = debtors
            .iter()
            .map(|debtor| (creditor_id.to_owned(), debtor.clone()))
            .collect();
        self.recompute(tx, &keys).await
    }
}
