//! Revisions of procedures.

use std::collections::BTreeMap;

use dunning_core::input::ProcedureRef;
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use sea_orm::QueryResult;

/// The definitions that every creditor begins with, by procedure.
const STARTERS: [(&str, &str); 4] = [
    ("courteous", include_str!("../../core/data/courteous.toml")),
    (
        "new_customer",
        include_str!("../../core/data/new_customer.toml"),
    ),
    ("standard", include_str!("../../core/data/standard.toml")),
    ("strict", include_str!("../../core/data/strict.toml")),
];

/// A revision as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionRow {
    /// The procedure.
    pub procedure_id: String,
    /// From 1.
    pub revision: u32,
    /// TOML.
    pub definition: String,
}

/// Gives creditors that have no procedure the starters as revisions 1, at a time in microseconds.
///
/// # Errors
/// Those of the database.
pub async fn insert_starters(on: &impl Sql, creditor_ids: &[String], at: i64) -> Result<()> {
    let each = || {
        creditor_ids
            .iter()
            .flat_map(|id| STARTERS.map(|it| (id, it)))
    };
    let rows = Rows::new()
        .text("creditor_id", each().map(|(id, _)| id.as_str()))
        .text(
            "procedure_id",
            each().map(|(_, (procedure_id, _))| procedure_id),
        )
        .text("definition", each().map(|(_, (_, definition))| definition));
    on.execute_rows(rows, vec![at.into()], |table, n| {
        format!(
            "INSERT INTO procedure_revision (creditor_id, procedure_id, revision, definition, principal, created_at) \
             SELECT r.creditor_id, r.procedure_id, 1, r.definition, 'mahnwerk', ${n} FROM {table} AS r \
             WHERE NOT EXISTS (SELECT 1 FROM procedure_revision p WHERE p.creditor_id = r.creditor_id) \
             ON CONFLICT DO NOTHING"
        )
    })
    .await?;
    Ok(())
}

/// Stores a revision.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    on: &impl Sql,
    creditor_id: &str,
    row: &RevisionRow,
    principal: &str,
    at: i64,
) -> Result<()> {
    on.execute_sql(
        "INSERT INTO procedure_revision (creditor_id, procedure_id, revision, definition, principal, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        vec![
            creditor_id.into(),
            row.procedure_id.as_str().into(),
            i64::from(row.revision).into(),
            row.definition.as_str().into(),
            principal.into(),
            at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// The latest revision of every procedure of a creditor.
///
/// # Errors
/// Those of the database.
pub async fn latest(on: &impl Sql, creditor_id: &str) -> Result<BTreeMap<String, u32>> {
    let rows = on
        .query(
            "SELECT procedure_id, max(revision) AS revision FROM procedure_revision WHERE creditor_id = $1 \
             GROUP BY procedure_id",
            vec![creditor_id.into()],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "procedure_id")?, revision(row)?)))
        .collect()
}

/// Revisions of a creditor, those that there are.
///
/// # Errors
/// Those of the database.
pub async fn get_many(
    on: &impl Sql,
    creditor_id: &str,
    wanted: &[ProcedureRef],
) -> Result<Vec<RevisionRow>> {
    let rows = Rows::new()
        .text("procedure_id", wanted.iter().map(|it| it.id.as_str()))
        .int("revision", wanted.iter().map(|it| i64::from(it.revision)));
    let rows = on
        .query_rows(rows, vec![creditor_id.into()], |table, n| {
            let same = format!(
                "p.creditor_id = ${n} AND p.procedure_id = r.procedure_id AND p.revision = r.revision"
            );
            format!(
                "SELECT p.procedure_id, p.revision, p.definition FROM {table} AS r {}",
                on.lookup("procedure_revision", "p", &same)
            )
        })
        .await?;
    rows.iter().map(revision_row).collect()
}

/// A revision, the latest for 0.
///
/// # Errors
/// Those of the database.
pub async fn get(
    on: &impl Sql,
    creditor_id: &str,
    procedure_id: &str,
    revision: u32,
) -> Result<Option<RevisionRow>> {
    let row = on
        .query_one(
            "SELECT procedure_id, revision, definition FROM procedure_revision \
             WHERE creditor_id = $1 AND procedure_id = $2 AND ($3 = 0 OR revision = $3) \
             ORDER BY revision DESC LIMIT 1",
            vec![
                creditor_id.into(),
                procedure_id.into(),
                i64::from(revision).into(),
            ],
        )
        .await?;
    row.as_ref().map(revision_row).transpose()
}

/// The latest revisions of procedures, by id, after an id, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    after: &str,
    limit: u64,
) -> Result<Vec<RevisionRow>> {
    let rows = on
        .query(
            "SELECT p.procedure_id, p.revision, p.definition FROM (SELECT procedure_id, max(revision) AS revision \
              FROM procedure_revision WHERE creditor_id = $1 AND procedure_id > $2 GROUP BY procedure_id \
              ORDER BY procedure_id LIMIT $3) AS l JOIN procedure_revision AS p ON p.creditor_id = $1 \
             AND p.procedure_id = l.procedure_id AND p.revision = l.revision ORDER BY p.procedure_id",
            vec![
                creditor_id.into(),
                after.into(),
                limit.cast_signed().into(),
            ],
        )
        .await?;
    rows.iter().map(revision_row).collect()
}

fn revision(row: &QueryResult) -> Result<u32> {
    let revision: i64 = column(row, "revision")?;
    u32::try_from(revision).map_err(|error| Error::Internal(Box::new(error)))
}

fn revision_row(row: &QueryResult) -> Result<RevisionRow> {
    Ok(RevisionRow {
        procedure_id: column(row, "procedure_id")?,
        revision: revision(row)?,
        definition: column(row, "definition")?,
    })
}
