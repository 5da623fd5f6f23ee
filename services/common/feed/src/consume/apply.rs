//! Applying: a batch, its consequences and the new cursor are one transaction.

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
    telemetry,
};
use tracing::Instrument;

use super::{
    Batch, Consumer,
    contained::Stated,
    cursor::Cursor,
    park::{Key, Poison},
};
use crate::{
    Cause, Change, Locks, WriteTx, key::CREDITOR_LEVEL, locks::MAX_DEBTORS, tailer::background,
};

/// Changes applied in one transaction; consequences are at most as many events as debtors.
pub(super) const MAX_CHANGES: usize = 1_000;

/// Causes that a batch's span links to.
const MAX_LINKS: usize = 32;

/// What moves with a batch.
pub(super) struct Step<'a> {
    /// Cursors to move and where to; none for a page of a snapshot.
    pub cursors: Option<(&'a [Cursor], i64)>,
    /// What the upstream states to contain up to where the cursors move.
    pub stated: &'a Stated,
    /// Generations by partition.
    pub generations: BTreeMap<i64, i64>,
    /// The incarnation the changes belong to.
    pub incarnation: &'a str,
    /// Whether consequences are worked out.
    pub consequences: bool,
}

impl Consumer {
    /// Applies changes that are complete up to `until`, in as many transactions as needed. The last of them stores what was
    /// stated about the partitions that it concerns; if it is to be `whole`, about all, and moves every cursor to there.
    /// False means that somebody else moved a cursor.
    pub(super) async fn apply_all(
        &self,
        cursors: &mut BTreeMap<i64, Cursor>,
        changes: Vec<Change>,
        until: i64,
        stated: &mut Stated,
        whole: bool,
    ) -> Result<bool> {
        let mut rest = changes.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_length(rest));
            let to = after.first().map_or(until, |change| change.tx);
            rest = after;
            let stated = after.is_empty().then_some(&mut *stated);
            if !self.apply_batch(cursors, batch, to, stated, whole).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn apply_batch(
        &self,
        cursors: &mut BTreeMap<i64, Cursor>,
        batch: &[Change],
        to: i64,
        mut stated: Option<&mut Stated>,
        whole: bool,
    ) -> Result<bool> {
        // A stream begins at the cursor that is furthest behind; the others have some of it already.
        let new: Vec<_> = batch
            .iter()
            .filter(|change| {
                change.partition < 0
                    || cursors
                        .get(&i64::from(change.partition))
                        .is_some_and(|cursor| cursor.tx <= change.tx)
            })
            .cloned()
            .collect();
        let everywhere = whole && stated.is_some() || new.iter().any(|change| change.partition < 0);
        let concerned: BTreeSet<_> = new
            .iter()
            .map(|change| i64::from(change.partition))
            .collect();
        let touched: Vec<_> = cursors
            .values()
            .filter(|cursor| cursor.tx < to && (everywhere || concerned.contains(&cursor.part)))
            .cloned()
            .collect();
        let now = match &stated {
            Some(stated) if everywhere => (*stated).clone(),
            Some(stated) => stated.about(|part| concerned.contains(&part)),
            None => Stated::default(),
        };
        if touched.is_empty() && now.is_empty() {
            return Ok(true);
        }
        let incarnation = touched
            .first()
            .map(|cursor| cursor.incarnation.clone())
            .unwrap_or_default();
        let step = Step {
            cursors: Some((&touched, to)),
            stated: &now,
            generations: cursors
                .values()
                .map(|cursor| (cursor.part, cursor.generation))
                .collect(),
            incarnation: &incarnation,
            consequences: true,
        };
        if !self.apply_step(&step, &new).await? {
            return Ok(false);
        }
        for cursor in touched {
            if let Some(stored) = cursors.get_mut(&cursor.part) {
                stored.tx = to;
            }
        }
        if let Some(stated) = &mut stated {
            stated.forget(&now);
        }
        self.progressed();
        Ok(true)
    }

    /// Applies changes in one transaction; those that cannot be applied are parked.
    pub(super) async fn apply_step(&self, step: &Step<'_>, changes: &[Change]) -> Result<bool> {
        let span = tracing::info_span!(
            "feed.apply",
            otel.kind = "consumer",
            feed = self.feed(),
            changes = changes.len()
        );
        let causes: BTreeSet<_> = changes
            .iter()
            .map(|change| change.traceparent.as_str())
            .filter(|traceparent| !traceparent.is_empty())
            .collect();
        for traceparent in causes.into_iter().take(MAX_LINKS) {
            telemetry::link_to(&span, traceparent);
        }
        async {
            match self.transact(step, changes, &BTreeMap::new()).await {
                Err(error) if !error.is_transient() => {
                    let poison = self.find_poison(step, changes).await?;
                    if poison.is_empty() {
                        return Err(error);
                    }
                    self.transact(step, changes, &poison).await
                }
                result => result,
            }
        }
        .instrument(span)
        .await
    }

    /// One transaction: cursor, parking, projection, sweeps.
    async fn transact(
        &self,
        step: &Step<'_>,
        changes: &[Change],
        poison: &BTreeMap<Key, Poison>,
    ) -> Result<bool> {
        let mut tx = WriteTx::begin(&self.publisher, locks(changes), cause()).await?;
        if let Some((cursors, to)) = step.cursors
            && !self.move_cursors(&tx, cursors, to).await?
        {
            tx.rollback().await?;
            return Ok(false);
        }
        for (key, poison) in poison {
            self.park(&tx, key, poison).await?;
        }
        let parked = self.parked_among(&tx, changes, step.consequences).await?;
        let (queued, applied): (Vec<_>, Vec<_>) = changes
            .iter()
            .cloned()
            .partition(|change| parked.key(change).is_some());
        self.enqueue(&tx, &queued, &parked).await?;
        self.project(&mut tx, step, &applied).await?;
        self.store_stated(&tx, step.stated).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Applies changes and starts the sweeps they cause, inside a transaction.
    pub(super) async fn project(
        &self,
        tx: &mut WriteTx,
        step: &Step<'_>,
        changes: &[Change],
    ) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut generations = step.generations.clone();
        if changes.iter().any(|change| change.partition < 0) {
            let generation = self.creditor_generation(tx, step.incarnation).await?;
            let own = generations.values().copied().max().unwrap_or(0);
            generations.insert(CREDITOR_LEVEL, generation.max(own));
        }
        let batch = Batch {
            generations: &generations,
            consequences: step.consequences,
            changes,
        };
        self.projection.apply(tx, batch).await?;
        let parts: Vec<_> = match step.cursors {
            Some((cursors, _)) => cursors
                .iter()
                .map(|cursor| (cursor.part, cursor.tx))
                .collect(),
            None => return Ok(()),
        };
        for change in changes {
            if let Some(kind) = self.projection.sweep_of(change) {
                let parts: Vec<_> = parts
                    .iter()
                    .filter(|(_, at)| *at <= change.tx)
                    .map(|(part, _)| *part)
                    .collect();
                self.start_sweep(tx, kind, change, &parts).await?;
            }
        }
        Ok(())
    }

    /// Facts of creditors are shared by all partitions: they carry the highest generation of their incarnation.
    async fn creditor_generation(&self, tx: &WriteTx, incarnation: &str) -> Result<i64> {
        let row = tx
            .query_one(
                "SELECT max(generation) AS generation FROM feed_cursor WHERE feed = $1 AND incarnation = $2",
                vec![self.feed().into(), incarnation.into()],
            )
            .await?;
        let generation: Option<i64> = match row {
            Some(row) => column(&row, "generation")?,
            None => None,
        };
        Ok(generation.unwrap_or(0))
    }

    async fn start_sweep(
        &self,
        tx: &WriteTx,
        kind: &str,
        change: &Change,
        parts: &[i64],
    ) -> Result<()> {
        self.insert_sweeps(
            tx,
            kind,
            &change.creditor_id,
            change.tx,
            &change.traceparent,
            parts,
        )
        .await
    }

    /// Starts a sweep in partitions; one that has not begun there takes the new cause in, and one of the same cause that
    /// has begun begins again: after every snapshot the cause is 0, and a restored upstream repeats its numbers.
    pub(super) async fn insert_sweeps(
        &self,
        tx: &WriteTx,
        kind: &str,
        creditor_id: &str,
        cause_tx: i64,
        traceparent: &str,
        parts: &[i64],
    ) -> Result<()> {
        let values: Vec<sea_orm::Value> = vec![
            self.feed().into(),
            creditor_id.into(),
            kind.into(),
            cause_tx.into(),
        ];
        let rows = || Rows::new().int("part", parts.iter().copied());
        tx.execute_rows(rows(), values.clone(), |table, n| {
            format!(
                "UPDATE feed_sweep SET latest_tx = ${} FROM {table} AS r WHERE feed_sweep.feed = ${n} \
                 AND feed_sweep.creditor_id = ${} AND feed_sweep.kind = ${} AND feed_sweep.part = r.part \
                 AND feed_sweep.next_debtor = ''",
                n + 3,
                n + 1,
                n + 2
            )
        })
        .await?;
        let mut values = values;
        values.push(traceparent.into());
        tx.execute_rows(rows(), values, |table, n| {
            format!(
                "INSERT INTO feed_sweep (feed, part, creditor_id, kind, cause_tx, latest_tx, next_debtor, traceparent) \
                 SELECT ${n}, r.part, ${c}, ${k}, ${t}, ${t}, '', ${} FROM {table} AS r WHERE NOT EXISTS \
                 (SELECT 1 FROM feed_sweep s WHERE s.feed = ${n} AND s.part = r.part AND s.creditor_id = ${c} \
                  AND s.kind = ${k} AND s.next_debtor = '') \
                 ON CONFLICT (feed, part, creditor_id, kind, cause_tx) \
                 DO UPDATE SET latest_tx = excluded.latest_tx, next_debtor = ''",
                n + 4,
                c = n + 1,
                k = n + 2,
                t = n + 3,
            )
        })
        .await?;
        Ok(())
    }
}

/// What a batch touches.
pub(super) fn locks(changes: &[Change]) -> Locks {
    let mut locks = Locks::none();
    for change in changes {
        if change.debtor_id.is_empty() {
            locks.add_creditor(&change.creditor_id);
        } else {
            locks.add_debtor(&change.creditor_id, &change.debtor_id);
        }
    }
    locks
}

/// The cause of what a consumer writes: the span it works in.
pub(super) fn cause() -> Cause {
    Cause {
        traceparent: telemetry::current_traceparent(),
        ..background("feed")
    }
}

/// How many changes fit into one transaction, never splitting one of theirs.
pub(super) fn batch_length(changes: &[Change]) -> usize {
    let mut debtors = BTreeSet::new();
    let mut whole = 0;
    for (index, change) in changes.iter().enumerate() {
        if index > 0 && changes.get(index - 1).map(|before| before.tx) != Some(change.tx) {
            whole = index;
        }
        debtors.insert((&change.creditor_id, &change.debtor_id));
        if (debtors.len() > MAX_DEBTORS || index >= MAX_CHANGES) && whole > 0 {
            return whole;
        }
    }
    changes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(tx: i64, debtor: usize) -> Change {
        Change {
            tx,
            creditor_id: "c".to_owned(),
            debtor_id: format!("d{debtor}"),
            ..Change::default()
        }
    }

    #[test]
    fn a_transaction_is_never_split_over_two_batches() {
        let changes: Vec<_> = (0..3_000)
            .map(|number| change(i64::try_from(number / 100).unwrap(), number % 300))
            .collect();
        let mut rest = changes.as_slice();
        let mut batches = 0;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_length(rest));
            assert!(!batch.is_empty());
            assert_ne!(
                batch.last().map(|change| change.tx),
                after.first().map(|change| change.tx)
            );
            let debtors: BTreeSet<_> = batch.iter().map(|change| &change.debtor_id).collect();
            assert!(debtors.len() <= MAX_DEBTORS);
            rest = after;
            batches += 1;
        }
        assert!(batches > 3, "{batches}");
    }
}
