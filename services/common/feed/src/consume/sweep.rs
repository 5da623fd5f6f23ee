//! Sweeps: a creditor-level fact reaches its debtors in chunks; each chunk, its consequences and the next key are one
//! transaction.

use std::collections::BTreeMap;

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
    status::chain,
    telemetry,
};
use tracing::Instrument;

use super::{Consumer, apply::cause, park::Poison};
use crate::{Locks, WriteTx, locks::MAX_DEBTORS};

/// An unfinished sweep of one partition.
#[derive(Clone, Debug)]
struct Sweep {
    part: i64,
    creditor_id: String,
    kind: String,
    cause_tx: i64,
    latest_tx: i64,
    next_debtor: String,
    traceparent: String,
}

impl Consumer {
    /// One chunk of the oldest sweep. False if there is none.
    pub(super) async fn sweep_some(&self, owned: &[i64]) -> Result<bool> {
        let group = self.oldest_sweeps(owned).await?;
        let Some(first) = group.first().cloned() else {
            return Ok(false);
        };
        let parts: Vec<_> = group.iter().map(|sweep| sweep.part).collect();
        let debtors = self
            .projection
            .sweep_candidates(
                self.db(),
                &first.kind,
                &first.creditor_id,
                &parts,
                &first.next_debtor,
                MAX_DEBTORS as u64,
            )
            .await?;
        let span = tracing::info_span!(
            "feed.sweep",
            otel.kind = "consumer",
            feed = self.feed(),
            kind = %first.kind,
            debtors = debtors.len()
        );
        telemetry::link_to(&span, &first.traceparent);
        async {
            match self.sweep_chunk(&group, &debtors, &BTreeMap::new()).await {
                Err(error) if !error.is_transient() => {
                    let poison = self.find_sweep_poison(&first, &debtors).await?;
                    if poison.is_empty() {
                        return Err(error);
                    }
                    self.sweep_chunk(&group, &debtors, &poison).await
                }
                result => result,
            }
        }
        .instrument(span)
        .await?;
        self.progressed();
        Ok(true)
    }

    async fn sweep_chunk(
        &self,
        group: &[Sweep],
        debtors: &[(i64, String)],
        poison: &BTreeMap<String, String>,
    ) -> Result<()> {
        let Some(first) = group.first() else {
            return Ok(());
        };
        let locks = Locks::debtors(
            &first.creditor_id,
            debtors.iter().map(|(_, debtor)| debtor.as_str()),
        );
        let mut tx = WriteTx::begin(&self.publisher, locks, cause()).await?;
        for (debtor_id, error) in poison {
            let key = (first.creditor_id.clone(), debtor_id.clone());
            let poison = Poison {
                error: error.clone(),
                ..Poison::default()
            };
            self.park(&tx, &key, &poison).await?;
        }
        let healthy: Vec<_> = debtors
            .iter()
            .map(|(_, debtor)| debtor.clone())
            .filter(|debtor| !poison.contains_key(debtor))
            .collect();
        if !healthy.is_empty() {
            self.projection
                .sweep(&mut tx, &first.kind, &first.creditor_id, &healthy)
                .await?;
        }
        let finished = debtors.len() < MAX_DEBTORS;
        let (last_part, last_debtor) = match debtors.last() {
            Some((part, debtor)) if !finished => (*part, debtor.as_str()),
            _ => (i64::MAX, ""),
        };
        let done: Vec<_> = group
            .iter()
            .filter(|sweep| sweep.part < last_part)
            .collect();
        let mut unchanged = self.finish(&tx, &done).await?;
        if let Some(current) = group.iter().find(|sweep| sweep.part == last_part) {
            unchanged &= self.advance(&tx, current, last_debtor).await?;
        }
        if unchanged {
            tx.commit().await?;
        } else {
            // A newer fact joined, or another replica was here: look again.
            tx.rollback().await?;
        }
        Ok(())
    }

    async fn finish(&self, tx: &WriteTx, done: &[&Sweep]) -> Result<bool> {
        let rows = Rows::new()
            .int("part", done.iter().map(|sweep| sweep.part))
            .text(
                "creditor_id",
                done.iter().map(|sweep| sweep.creditor_id.as_str()),
            )
            .text("kind", done.iter().map(|sweep| sweep.kind.as_str()))
            .int("cause_tx", done.iter().map(|sweep| sweep.cause_tx))
            .int("latest_tx", done.iter().map(|sweep| sweep.latest_tx))
            .text(
                "next_debtor",
                done.iter().map(|sweep| sweep.next_debtor.as_str()),
            );
        let deleted = tx
            .execute_rows(rows, vec![self.feed().into()], |table, n| {
                format!(
                    "DELETE FROM feed_sweep WHERE feed = ${n} AND EXISTS (SELECT 1 FROM {table} AS r \
                     WHERE r.part = feed_sweep.part AND r.creditor_id = feed_sweep.creditor_id \
                     AND r.kind = feed_sweep.kind AND r.cause_tx = feed_sweep.cause_tx \
                     AND r.latest_tx = feed_sweep.latest_tx AND r.next_debtor = feed_sweep.next_debtor)"
                )
            })
            .await?;
        Ok(deleted == done.len() as u64)
    }

    async fn advance(&self, tx: &WriteTx, sweep: &Sweep, last_debtor: &str) -> Result<bool> {
        let updated = tx
            .execute_sql(
                "UPDATE feed_sweep SET next_debtor = $1 WHERE feed = $2 AND part = $3 AND creditor_id = $4 \
                 AND kind = $5 AND cause_tx = $6 AND latest_tx = $7 AND next_debtor = $8",
                vec![
                    last_debtor.into(),
                    self.feed().into(),
                    sweep.part.into(),
                    sweep.creditor_id.as_str().into(),
                    sweep.kind.as_str().into(),
                    sweep.cause_tx.into(),
                    sweep.latest_tx.into(),
                    sweep.next_debtor.as_str().into(),
                ],
            )
            .await?;
        Ok(updated == 1)
    }

    /// The oldest sweep with all partitions that are as far as it is: they are done together.
    async fn oldest_sweeps(&self, owned: &[i64]) -> Result<Vec<Sweep>> {
        let rows = self
            .db()
            .query_rows(
                Rows::new().int("part", owned.iter().copied()),
                vec![self.feed().into()],
                |table, n| {
                    format!(
                        "SELECT s.part, s.creditor_id, s.kind, s.cause_tx, s.latest_tx, s.next_debtor, s.traceparent \
                         FROM {table} AS r JOIN feed_sweep s ON s.feed = ${n} AND s.part = r.part \
                         ORDER BY s.cause_tx, s.creditor_id, s.kind, s.part LIMIT 64"
                    )
                },
            )
            .await?;
        let mut group: Vec<Sweep> = Vec::new();
        for row in &rows {
            let sweep = Sweep {
                part: column(row, "part")?,
                creditor_id: column(row, "creditor_id")?,
                kind: column(row, "kind")?,
                cause_tx: column(row, "cause_tx")?,
                latest_tx: column(row, "latest_tx")?,
                next_debtor: column(row, "next_debtor")?,
                traceparent: column(row, "traceparent")?,
            };
            if let Some(first) = group.first() {
                let same = first.creditor_id == sweep.creditor_id
                    && first.kind == sweep.kind
                    && first.cause_tx == sweep.cause_tx
                    && sweep.next_debtor.is_empty();
                if !same {
                    break;
                }
            }
            group.push(sweep);
        }
        Ok(group)
    }

    async fn find_sweep_poison(
        &self,
        sweep: &Sweep,
        debtors: &[(i64, String)],
    ) -> Result<BTreeMap<String, String>> {
        let mut poison = BTreeMap::new();
        for (_, debtor) in debtors {
            let locks = Locks::debtor(&sweep.creditor_id, debtor);
            let mut tx = WriteTx::begin(&self.publisher, locks, cause()).await?;
            let result = self
                .projection
                .sweep(
                    &mut tx,
                    &sweep.kind,
                    &sweep.creditor_id,
                    std::slice::from_ref(debtor),
                )
                .await;
            tx.rollback().await?;
            match result {
                Ok(()) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    poison.insert(debtor.clone(), chain(&error));
                }
            }
        }
        Ok(poison)
    }
}
