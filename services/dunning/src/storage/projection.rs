//! Writing the projection: rows of other services' facts, each only if it is newer than what is stored.

use std::collections::BTreeSet;

use mahnwerk_feed::StoredRow;
use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column},
    error::Result,
};

use super::facts::{CONTACT, CreditorRow, Fact};

/// The key and age of a row.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor; empty for facts of the creditor.
    pub debtor_id: String,
    /// Entity on the feed.
    pub entity: &'static str,
    /// Key within the creditor.
    pub entity_id: String,
    /// Partition.
    pub part: i64,
    /// Generation of the snapshot it came with.
    pub generation: i64,
    /// Version within the generation.
    pub version: i64,
}

/// When a row that arrives replaces the one that is stored.
fn newer(table: &str) -> String {
    format!(
        "WHERE excluded.generation > {table}.generation \
         OR (excluded.generation = {table}.generation AND excluded.version > {table}.version)"
    )
}

fn stamped<'a>(stamps: impl Iterator<Item = &'a Stamp> + Clone) -> Rows {
    let text = |field: fn(&Stamp) -> &str| stamps.clone().map(field);
    Rows::new()
        .text("creditor_id", text(|stamp| &stamp.creditor_id))
        .text("debtor_id", text(|stamp| &stamp.debtor_id))
        .text("entity", text(|stamp| stamp.entity))
        .text("entity_id", text(|stamp| &stamp.entity_id))
        .int("part", stamps.clone().map(|stamp| stamp.part))
        .int("generation", stamps.clone().map(|stamp| stamp.generation))
        .int("version", stamps.clone().map(|stamp| stamp.version))
}

/// Stores creditors; of each at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert_creditors(on: &impl Sql, creditors: &[(Stamp, CreditorRow)]) -> Result<()> {
    let each = || creditors.iter().map(|(_, row)| row);
    let rows = stamped(creditors.iter().map(|(stamp, _)| stamp))
        .text("display_name", each().map(|row| row.display_name.as_str()))
        .text("calendar", each().map(|row| row.calendar.as_str()))
        .opt_int("business_date", each().map(|row| row.business_date))
        .opt_int("last_bank_import", each().map(|row| row.last_bank_import));
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO creditor (creditor_id, generation, version, display_name, calendar, business_date, \
             last_bank_import) SELECT r.creditor_id, r.generation, r.version, r.display_name, r.calendar, \
             r.business_date, r.last_bank_import FROM {table} AS r WHERE true ON CONFLICT (creditor_id) DO UPDATE SET \
             generation = excluded.generation, version = excluded.version, display_name = excluded.display_name, \
             calendar = excluded.calendar, business_date = excluded.business_date, \
             last_bank_import = excluded.last_bank_import {}",
            newer("creditor")
        )
    })
    .await?;
    Ok(())
}

/// Stores facts of a feed; of each key at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert_facts(on: &impl Sql, feed: &str, facts: &[(Stamp, Fact)]) -> Result<()> {
    let owed = |fact: &Fact| i64::from(matches!(fact, Fact::Invoice(_)));
    let rows = stamped(facts.iter().map(|(stamp, _)| stamp))
        .int("owed", facts.iter().map(|(_, fact)| owed(fact)))
        .opt_int(
            "expires_on",
            facts.iter().map(|(_, fact)| fact.expires_on()),
        )
        .opt_bytes("facts", facts.iter().map(|(_, fact)| Some(fact.encode())));
    on.execute_rows(rows, vec![feed.into()], |table, n| {
        format!(
            "INSERT INTO fact (creditor_id, debtor_id, entity, entity_id, feed, part, generation, version, owed, \
             expires_on, facts) SELECT r.creditor_id, r.debtor_id, r.entity, r.entity_id, ${n}, r.part, r.generation, \
             r.version, r.owed, r.expires_on, r.facts FROM {table} AS r WHERE true \
             ON CONFLICT (creditor_id, debtor_id, entity, entity_id) DO UPDATE SET generation = excluded.generation, \
             version = excluded.version, owed = excluded.owed, expires_on = excluded.expires_on, \
             facts = excluded.facts {}",
            newer("fact")
        )
    })
    .await?;
    Ok(())
}

/// Deletes creditors, unless a newer version is stored. What is theirs stays: their debtors go by changes of their own.
///
/// # Errors
/// Those of the database.
pub async fn delete_creditors(on: &impl Sql, gone: &[Stamp]) -> Result<()> {
    on.execute_rows(stamped(gone.iter()), vec![], |table, _| {
        format!(
            "DELETE FROM creditor WHERE creditor_id IN (SELECT r.creditor_id FROM {table} AS r {} AND {OLDER})",
            on.lookup("creditor", "t", "t.creditor_id = r.creditor_id")
        )
    })
    .await?;
    Ok(())
}

/// The row that is stored, `t`, is older than the stamp, `r`.
const OLDER: &str =
    "(t.generation < r.generation OR (t.generation = r.generation AND t.version < r.version))";

/// Deletes facts, unless a newer version is stored.
///
/// # Errors
/// Those of the database.
pub async fn delete_facts(on: &impl Sql, gone: &[Stamp]) -> Result<()> {
    let same = "t.creditor_id = r.creditor_id AND t.debtor_id = r.debtor_id AND t.entity = r.entity \
                AND t.entity_id = r.entity_id";
    // Found by key first: a condition on the table itself would walk through all of it.
    on.execute_rows(stamped(gone.iter()), vec![], |table, _| {
        format!(
            "DELETE FROM fact WHERE (creditor_id, debtor_id, entity, entity_id) IN \
             (SELECT t.creditor_id, t.debtor_id, t.entity, t.entity_id FROM {table} AS r {} AND {OLDER})",
            on.lookup("fact", "t", same)
        )
    })
    .await?;
    Ok(())
}

/// Deletes what else a feed told of debtors that are gone by it, unless they are there in a newer version.
///
/// # Errors
/// Those of the database.
pub async fn delete_of_debtors(on: &impl Sql, feed: &str, gone: &[Stamp]) -> Result<()> {
    let rows = stamped(gone.iter());
    on.execute_rows(rows, vec![feed.into()], |table, n| {
        let same = format!(
            "t.creditor_id = r.creditor_id AND t.debtor_id = r.debtor_id AND t.feed = ${n}"
        );
        format!(
            "DELETE FROM fact WHERE (creditor_id, debtor_id, entity, entity_id) IN \
             (SELECT t.creditor_id, t.debtor_id, t.entity, t.entity_id FROM {table} AS r {} AND NOT EXISTS \
              (SELECT 1 FROM fact d WHERE d.creditor_id = r.creditor_id AND d.debtor_id = r.debtor_id \
               AND d.entity = 'debtor'))",
            on.lookup("fact", "t", &same)
        )
    })
    .await?;
    Ok(())
}

/// Deletes contacts of debtors, by creditor and debtor, that nobody asks for on the business date of their creditor, or
/// later.
///
/// # Errors
/// Those of the database.
pub async fn expire_contacts(on: &impl Sql, debtors: &BTreeSet<(&str, &str)>) -> Result<()> {
    let rows = Rows::new()
        .text(
            "creditor_id",
            debtors.iter().map(|(creditor_id, _)| *creditor_id),
        )
        .text("debtor_id", debtors.iter().map(|(_, debtor_id)| *debtor_id));
    on.execute_rows(rows, vec![CONTACT.into()], |table, n| {
        let same = format!(
            "t.creditor_id = r.creditor_id AND t.debtor_id = r.debtor_id AND t.entity = ${n}"
        );
        format!(
            "DELETE FROM fact WHERE (creditor_id, debtor_id, entity, entity_id) IN \
             (SELECT t.creditor_id, t.debtor_id, t.entity, t.entity_id FROM {table} AS r {} AND t.expires_on < \
              (SELECT c.business_date FROM creditor c WHERE c.creditor_id = r.creditor_id))",
            on.lookup("fact", "t", &same)
        )
    })
    .await?;
    Ok(())
}

/// Deletes what a completed snapshot of a partition of a feed did not contain.
///
/// # Errors
/// Those of the database.
pub async fn remove_stale_facts(
    on: &impl Sql,
    feed: &str,
    part: i64,
    generation: i64,
) -> Result<()> {
    on.execute_sql(
        "DELETE FROM fact WHERE feed = $1 AND part = $2 AND generation < $3",
        vec![feed.into(), part.into(), generation.into()],
    )
    .await?;
    Ok(())
}

/// Deletes creditors that a completed snapshot did not contain.
///
/// # Errors
/// Those of the database.
pub async fn remove_stale_creditors(on: &impl Sql, generation: i64) -> Result<()> {
    on.execute_sql(
        "DELETE FROM creditor WHERE generation < $1",
        vec![generation.into()],
    )
    .await?;
    Ok(())
}

/// Creditors with the version they have.
///
/// # Errors
/// Those of the database.
pub async fn stored_creditors(db: &Db) -> Result<Vec<StoredRow>> {
    let rows = db
        .query("SELECT creditor_id, version FROM creditor", vec![])
        .await?;
    rows.iter()
        .map(|row| {
            let creditor_id: String = column(row, "creditor_id")?;
            Ok(StoredRow {
                debtor_id: String::new(),
                entity: "creditor",
                entity_id: creditor_id.clone(),
                version: column(row, "version")?,
                creditor_id,
            })
        })
        .collect()
}

/// Facts of a partition of a feed with the version they have, of the entities named.
///
/// # Errors
/// Those of the database.
pub async fn stored_facts(
    db: &Db,
    feed: &str,
    part: i64,
    entities: &[&'static str],
) -> Result<Vec<StoredRow>> {
    let rows = db
        .query(
            "SELECT creditor_id, debtor_id, entity, entity_id, version FROM fact WHERE feed = $1 AND part = $2",
            vec![feed.into(), part.into()],
        )
        .await?;
    let mut stored = Vec::with_capacity(rows.len());
    for row in &rows {
        let entity: String = column(row, "entity")?;
        let Some(entity) = entities.iter().find(|each| **each == entity) else {
            continue;
        };
        stored.push(StoredRow {
            creditor_id: column(row, "creditor_id")?,
            debtor_id: column(row, "debtor_id")?,
            entity,
            entity_id: column(row, "entity_id")?,
            version: column(row, "version")?,
        });
    }
    Ok(stored)
}

/// Creditors known here.
///
/// # Errors
/// Those of the database.
pub async fn creditors(db: &Db) -> Result<Vec<String>> {
    let rows = db
        .query(
            "SELECT creditor_id FROM creditor ORDER BY creditor_id",
            vec![],
        )
        .await?;
    rows.iter()
        .map(|row| Ok(column(row, "creditor_id")?))
        .collect()
}
