//! Rows of another service's facts, each stored only if it is newer than what is there.
//!
//! Tables of a projection have the columns `creditor_id`, `generation` and `version`, those about debtors `debtor_id` and
//! `part` as well. Names of tables and columns are the program's own: nothing of a request becomes part of a statement.

use std::collections::BTreeMap;

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use prost::Message;
use sea_orm::QueryResult;

use super::StoredRow;
use crate::Change;

/// The key and age of a row.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor; empty for facts of the creditor.
    pub debtor_id: String,
    /// Kind of entity on the feed.
    pub entity: String,
    /// Its key within creditor and kind.
    pub entity_id: String,
    /// Partition.
    pub part: i64,
    /// Generation of the snapshot it came with.
    pub generation: i64,
    /// Version within the generation.
    pub version: i64,
}

impl Stamp {
    /// That of a change that came with `generation`.
    #[must_use]
    pub fn of(change: &Change, generation: i64) -> Self {
        Self {
            creditor_id: change.creditor_id.clone(),
            debtor_id: change.debtor_id.clone(),
            entity: change.entity.clone(),
            entity_id: change.entity_id.clone(),
            part: i64::from(change.partition),
            generation,
            version: change.version,
        }
    }
}

/// The state of a change; `None` if the entity was deleted.
///
/// # Errors
/// If the state is not that of an `M`.
pub fn state<M: Message + Default>(change: &Change) -> Result<Option<M>> {
    let decoded = change
        .state
        .as_ref()
        .map(|state| M::decode(state.value.as_slice()));
    decoded
        .transpose()
        .map_err(|error| Error::Internal(Box::new(error)))
}

/// The newest state of each entity in a batch; `None` if it was deleted. One statement may touch a row only once.
pub struct Newest<R>(BTreeMap<Key, (Stamp, Option<R>)>);

/// Creditor, kind of entity, and key within both.
type Key = (String, String, String);

impl<R> Default for Newest<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R> Newest<R> {
    /// Adds what became of an entity, unless something newer is there.
    pub fn add(&mut self, change: &Change, generation: i64, row: Option<R>) {
        let stamp = Stamp::of(change, generation);
        let key = (
            stamp.creditor_id.clone(),
            stamp.entity.clone(),
            stamp.entity_id.clone(),
        );
        let before = self.0.get(&key);
        if before.is_none_or(|(before, _)| before.version < stamp.version) {
            self.0.insert(key, (stamp, row));
        }
    }

    /// What is there, and what is gone.
    #[must_use]
    pub fn split(self) -> (Vec<(Stamp, R)>, Vec<Stamp>) {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for (stamp, row) in self.0.into_values() {
            match row {
                Some(row) => there.push((stamp, row)),
                None => gone.push(stamp),
            }
        }
        (there, gone)
    }
}

/// Rows about creditors: creditor and age, to which the other columns are added.
#[must_use]
pub fn of_creditors<'a>(stamps: impl Iterator<Item = &'a Stamp> + Clone) -> Rows {
    let creditors = stamps.clone().map(|stamp| stamp.creditor_id.as_str());
    Rows::new()
        .text("creditor_id", creditors)
        .int("generation", stamps.clone().map(|stamp| stamp.generation))
        .int("version", stamps.map(|stamp| stamp.version))
}

/// Rows about debtors: creditor, debtor, partition and age, to which the other columns are added.
#[must_use]
pub fn of_debtors<'a>(stamps: impl Iterator<Item = &'a Stamp> + Clone) -> Rows {
    let debtors = stamps.clone().map(|stamp| stamp.debtor_id.as_str());
    of_creditors(stamps.clone())
        .text("debtor_id", debtors)
        .int("part", stamps.map(|stamp| stamp.part))
}

/// Rows about debtors in a table for several kinds of entities: those of [`of_debtors`], kind and key.
#[must_use]
pub fn of_entities<'a>(stamps: impl Iterator<Item = &'a Stamp> + Clone) -> Rows {
    let entities = stamps.clone().map(|stamp| stamp.entity.as_str());
    of_debtors(stamps.clone())
        .text("entity", entities)
        .text("entity_id", stamps.map(|stamp| stamp.entity_id.as_str()))
}

/// Stores rows in a table, each unless a newer one is there; of each `key` at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert(on: &impl Sql, target: &str, key: &[&str], rows: Rows) -> Result<()> {
    let columns: Vec<&str> = rows.names().collect();
    let changed = columns.iter().filter(|name| !key.contains(name));
    let changes: Vec<_> = changed
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO {target} ({}) SELECT {} FROM {table} AS r WHERE true ON CONFLICT ({}) DO UPDATE SET {} \
             WHERE excluded.generation > {target}.generation \
             OR (excluded.generation = {target}.generation AND excluded.version > {target}.version)",
            listed("", &columns),
            listed("r.", &columns),
            listed("", key),
            changes.join(", "),
        )
    })
    .await?;
    Ok(())
}

/// Deletes rows of a table by `key`, each unless a newer one is there.
///
/// # Errors
/// Those of the database.
pub async fn delete(on: &impl Sql, target: &str, key: &[&str], rows: Rows) -> Result<()> {
    let same: Vec<_> = key
        .iter()
        .map(|name| format!("t.{name} = r.{name}"))
        .collect();
    // Found by key first: a condition on the table itself would walk through all of it.
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "DELETE FROM {target} WHERE ({}) IN (SELECT {} FROM {table} AS r {} \
             AND (t.generation < r.generation OR (t.generation = r.generation AND t.version < r.version)))",
            listed("", key),
            listed("t.", key),
            on.lookup(target, "t", &same.join(" AND "))
        )
    })
    .await?;
    Ok(())
}

fn listed(before: &str, columns: &[&str]) -> String {
    let named: Vec<_> = columns
        .iter()
        .map(|name| format!("{before}{name}"))
        .collect();
    named.join(", ")
}

/// Deletes what a completed snapshot did not contain: of tables about debtors in a partition, of tables about creditors
/// (`part` -1) everywhere.
///
/// # Errors
/// Those of the database.
pub async fn remove_stale(
    on: &impl Sql,
    targets: &[&str],
    part: i64,
    generation: i64,
) -> Result<()> {
    for target in targets {
        if part < 0 {
            let sql = format!("DELETE FROM {target} WHERE generation < $1");
            on.execute_sql(&sql, vec![generation.into()]).await?;
        } else {
            let sql = format!("DELETE FROM {target} WHERE part = $1 AND generation < $2");
            on.execute_sql(&sql, vec![part.into(), generation.into()])
                .await?;
        }
    }
    Ok(())
}

/// A row with the columns `creditor_id`, `debtor_id`, `entity_id` and `version`, for the comparison with its publisher.
///
/// # Errors
/// If a column is missing.
pub fn stored_row(row: &QueryResult, entity: &'static str) -> Result<StoredRow> {
    Ok(StoredRow {
        creditor_id: column(row, "creditor_id")?,
        debtor_id: column(row, "debtor_id")?,
        entity,
        entity_id: column(row, "entity_id")?,
        version: column(row, "version")?,
    })
}
