//! Imports: their counts, and what became of every row.

use std::collections::HashMap;

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use sea_orm::{QueryResult, Value};

use super::named;
use crate::app::import::{ImportCounts, RowError, RowOutcome, RowState};

/// A row that was taken, with its digest.
#[derive(Clone, Debug)]
pub struct TakenRow {
    /// The digest of its content.
    pub digest: String,
    /// What became of it.
    pub outcome: RowOutcome,
}

const COLUMNS: &str = "i.row_number, i.state, i.record_type, i.record_id, i.errors";

fn read(row: &QueryResult) -> Result<RowOutcome> {
    let errors: Option<String> = column(row, "errors")?;
    let errors: Option<Vec<RowError>> = errors
        .map(|errors| serde_json::from_str(&errors))
        .transpose()
        .map_err(|error| Error::Internal(Box::new(error)))?;
    Ok(RowOutcome {
        row_number: column(row, "row_number")?,
        state: named(row, "state", RowState::parse)?,
        errors: errors.unwrap_or_default(),
        record_type: column(row, "record_type")?,
        record_id: column(row, "record_id")?,
    })
}

/// The rows among these that were taken before, by row number.
///
/// # Errors
/// Those of the database.
pub async fn taken(
    on: &impl Sql,
    creditor_id: &str,
    import_id: &str,
    row_numbers: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, TakenRow>> {
    let rows = on
        .query_rows(
            Rows::new().int("row_number", row_numbers),
            vec![creditor_id.into(), import_id.into()],
            |table, next| {
                let same = format!(
                    "i.creditor_id = ${next} AND i.import_id = ${} AND i.row_number = r.row_number",
                    next + 1
                );
                format!(
                    "SELECT i.digest, {COLUMNS} FROM {table} AS r {}",
                    on.lookup("import_row", "i", &same)
                )
            },
        )
        .await?;
    rows.iter()
        .map(|row| {
            let outcome = read(row)?;
            Ok((
                outcome.row_number,
                TakenRow {
                    digest: column(row, "digest")?,
                    outcome,
                },
            ))
        })
        .collect()
}

/// Notes what became of rows, and counts them.
///
/// # Errors
/// `Contention` if another stream took one of the rows in the meantime; otherwise those of the database.
pub async fn record(
    on: &impl Sql,
    creditor_id: &str,
    import_id: &str,
    rows: &[TakenRow],
) -> Result<()> {
    let errors = rows
        .iter()
        .map(|row| match row.outcome.errors.as_slice() {
            [] => Ok(None),
            errors => serde_json::to_string(errors).map(Some),
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::Internal(Box::new(error)))?;
    let values = || -> Vec<Value> { vec![creditor_id.into(), import_id.into()] };
    let table = Rows::new()
        .int("row_number", rows.iter().map(|row| row.outcome.row_number))
        .text("state", rows.iter().map(|row| row.outcome.state.name()))
        .text(
            "record_type",
            rows.iter().map(|row| row.outcome.record_type.as_str()),
        )
        .text(
            "record_id",
            rows.iter().map(|row| row.outcome.record_id.as_str()),
        )
        .text("digest", rows.iter().map(|row| row.digest.as_str()))
        .opt_text("errors", errors);
    let inserted = on
        .execute_rows(table, values(), |table, next| {
            format!(
                "INSERT INTO import_row (creditor_id, import_id, row_number, state, record_type, record_id, digest, \
                 errors) SELECT ${next}, ${}, r.row_number, r.state, r.record_type, r.record_id, r.digest, r.errors \
                 FROM {table} AS r WHERE true ON CONFLICT DO NOTHING",
                next + 1
            )
        })
        .await?;
    if inserted != rows.len() as u64 {
        return Err(Error::Contention(None));
    }
    let refused = rows
        .iter()
        .filter(|row| row.outcome.state == RowState::Refused)
        .count();
    let count = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    let last = rows
        .iter()
        .map(|row| row.outcome.row_number)
        .max()
        .unwrap_or(0);
    let mut values = values();
    values.extend([count(rows.len() - refused), count(refused), last.into()]);
    // Last, because it makes concurrent streams of one import wait for each other until the commit.
    on.execute_sql(
        "INSERT INTO import (creditor_id, import_id, accepted, refused, last_row_number) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (creditor_id, import_id) DO UPDATE SET accepted = import.accepted + excluded.accepted, \
         refused = import.refused + excluded.refused, \
         last_row_number = CASE WHEN import.last_row_number > excluded.last_row_number \
         THEN import.last_row_number ELSE excluded.last_row_number END",
        values,
    )
    .await?;
    Ok(())
}

/// The counts of an import.
///
/// # Errors
/// Those of the database.
pub async fn counts(
    on: &impl Sql,
    creditor_id: &str,
    import_id: &str,
) -> Result<Option<ImportCounts>> {
    let row = on
        .query_one(
            "SELECT accepted, refused, last_row_number FROM import WHERE creditor_id = $1 AND import_id = $2",
            vec![creditor_id.into(), import_id.into()],
        )
        .await?;
    row.map(|row| {
        Ok(ImportCounts {
            accepted: column(&row, "accepted")?,
            refused: column(&row, "refused")?,
            last_row_number: column(&row, "last_row_number")?,
        })
    })
    .transpose()
}

/// A page of what became of the rows, by row number.
///
/// # Errors
/// Those of the database.
pub async fn list_rows(
    on: &impl Sql,
    creditor_id: &str,
    import_id: &str,
    refused_only: bool,
    after: i64,
    limit: u64,
) -> Result<Vec<RowOutcome>> {
    let filter = if refused_only {
        " AND i.state = 'refused'"
    } else {
        ""
    };
    let rows = on
        .query(
            &format!(
                "SELECT {COLUMNS} FROM import_row AS i WHERE i.creditor_id = $1 AND i.import_id = $2 \
                 AND i.row_number > $3{filter} ORDER BY i.row_number LIMIT $4"
            ),
            vec![
                creditor_id.into(),
                import_id.into(),
                after.into(),
                i64::try_from(limit).unwrap_or(i64::MAX).into(),
            ],
        )
        .await?;
    rows.iter().map(read).collect()
}
