//! Writing the projection: rows of other services' facts, each only if it is newer than what is stored.

use std::collections::BTreeSet;

use mahnwerk_feed::{
    StoredRow,
    consume::rows::{self, Stamp, of_creditors, of_debtors, of_entities, stored_row},
};
use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column},
    error::Result,
};

use super::facts::{CONTACT, CreditorRow, Fact};

const FACT_KEY: [&str; 4] = ["creditor_id", "debtor_id", "entity", "entity_id"];

/// Stores creditors; of each at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert_creditors(on: &impl Sql, creditors: &[(Stamp, CreditorRow)]) -> Result<()> {
    let each = || creditors.iter().map(|(_, row)| row);
    let rows = of_creditors(creditors.iter().map(|(stamp, _)| stamp))
        .text("display_name", each().map(|row| row.display_name.as_str()))
        .text("calendar", each().map(|row| row.calendar.as_str()))
        .opt_int("business_date", each().map(|row| row.business_date))
        .opt_int("last_bank_import", each().map(|row| row.last_bank_import));
    rows::upsert(on, "creditor", &["creditor_id"], rows).await
}

/// Stores facts of a feed; of each key at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert_facts(on: &impl Sql, feed: &str, facts: &[(Stamp, Fact)]) -> Result<()> {
    let owed = |fact: &Fact| i64::from(matches!(fact, Fact::Invoice(_)));
    let each = || facts.iter().map(|(_, fact)| fact);
    let rows = of_entities(facts.iter().map(|(stamp, _)| stamp))
        .text("feed", each().map(|_| feed))
        .int("owed", each().map(owed))
        .opt_int("expires_on", each().map(Fact::expires_on))
        .opt_bytes("facts", each().map(|fact| Some(fact.encode())));
    rows::upsert(on, "fact", &FACT_KEY, rows).await
}

/// Deletes creditors, unless a newer version is stored. What is theirs stays: their debtors go by changes of their own.
///
/// # Errors
/// Those of the database.
pub async fn delete_creditors(on: &impl Sql, gone: &[Stamp]) -> Result<()> {
    rows::delete(on, "creditor", &["creditor_id"], of_creditors(gone.iter())).await
}

/// Deletes facts, unless a newer version is stored.
///
/// # Errors
/// Those of the database.
pub async fn delete_facts(on: &impl Sql, gone: &[Stamp]) -> Result<()> {
    rows::delete(on, "fact", &FACT_KEY, of_entities(gone.iter())).await
}

/// Deletes what else a feed told of debtors that are gone by it, unless they are there in a newer version.
///
/// # Errors
/// Those of the database.
pub async fn delete_of_debtors(on: &impl Sql, feed: &str, gone: &[Stamp]) -> Result<()> {
    let rows = of_debtors(gone.iter());
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
    rows::remove_stale(on, &["creditor"], -1, generation).await
}

/// Creditors with the version they have.
///
/// # Errors
/// Those of the database.
pub async fn stored_creditors(db: &Db) -> Result<Vec<StoredRow>> {
    let sql =
        "SELECT creditor_id, '' AS debtor_id, creditor_id AS entity_id, version FROM creditor";
    let rows = db.query(sql, vec![]).await?;
    rows.iter().map(|row| stored_row(row, "creditor")).collect()
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
        if let Some(entity) = entities.iter().find(|each| **each == entity) {
            stored.push(stored_row(row, entity)?);
        }
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
