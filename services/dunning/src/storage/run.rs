//! Runs, their pieces, and what each debtor's evaluation saw and decided.

mod chunk;
mod decided;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_proto::dunning::v1::RunState;
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use sea_orm::QueryResult;
use serde::{Serialize, de::DeserializeOwned};

use super::{day_number, from_day};
use crate::app::inputs::CreditorFacts;

pub use chunk::{
    Chunk, Piece, Step, advance, has_undone, lease_chunk, open_chunks, owing_by_part, reset_chunks,
};
pub use decided::{
    DebtorRow, add_reasons, debtor, has_editor, inputs, inputs_after, insert_debtors, note_edit,
    notice_counts, plans, reason_counts, set_reviewed,
};

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// The creditor.
    pub creditor_id: String,
    /// Made here; grows with time.
    pub run_id: String,
    /// The business date it is for.
    pub business_date: NaiveDate,
    /// Where it stands.
    pub state: RunState,
    /// Whether the background has something to do with it.
    pub working: bool,
    /// Whether its pieces are laid out.
    pub opened: bool,
    /// Token of the registry's state that must have come by every path first; empty for none.
    pub waits_for: String,
    /// What all its inputs go by.
    pub facts: CreditorFacts,
    /// Version of the program that proposed it, law packs included.
    pub engine: String,
    /// Who proposed it.
    pub principal: String,
    /// Who released it; empty before.
    pub released_by: String,
    /// Microseconds.
    pub created_at: i64,
    /// Grows with every change.
    pub version: i64,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Debtors to evaluate.
    pub debtors: i64,
    /// Debtors evaluated.
    pub evaluated: i64,
    /// Debtors left out.
    pub parked: i64,
    /// Whether a plan was marked as resting on a stale ledger.
    pub stale: bool,
}

/// A value as JSON.
///
/// # Errors
/// If it cannot be written so.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(Box::new(error)))
}

/// A value from JSON.
///
/// # Errors
/// If it is none of these.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Internal(Box::new(error)))
}

/// The stored name of a state.
#[must_use]
pub fn state_name(state: RunState) -> &'static str {
    state.as_str_name().trim_start_matches("RUN_STATE_")
}

pub(super) fn state_of(name: &str) -> Result<RunState> {
    RunState::from_str_name(&format!("RUN_STATE_{name}"))
        .ok_or_else(|| Error::internal("unknown state of a run"))
}

const COLUMNS: &str = "creditor_id, run_id, business_date, state, working, opened, waits_for, facts, engine, principal, \
    released_by, created_at, version";

fn run_row(row: &QueryResult) -> Result<RunRow> {
    Ok(RunRow {
        creditor_id: column(row, "creditor_id")?,
        run_id: column(row, "run_id")?,
        business_date: from_day(column(row, "business_date")?)?,
        state: state_of(&column::<String>(row, "state")?)?,
        working: column::<i64>(row, "working")? == 1,
        opened: column::<i64>(row, "opened")? == 1,
        waits_for: column(row, "waits_for")?,
        facts: from_json(&column::<String>(row, "facts")?)?,
        engine: column(row, "engine")?,
        principal: column(row, "principal")?,
        released_by: column(row, "released_by")?,
        created_at: column(row, "created_at")?,
        version: column(row, "version")?,
    })
}

/// Stores a new run.
///
/// # Errors
/// Those of the database.
pub async fn insert(on: &impl Sql, run: &RunRow) -> Result<()> {
    on.execute_sql(
        "INSERT INTO run (creditor_id, run_id, business_date, state, working, opened, waits_for, facts, engine, \
         principal, released_by, created_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        vec![
            run.creditor_id.as_str().into(),
            run.run_id.as_str().into(),
            day_number(run.business_date).into(),
            state_name(run.state).into(),
            i64::from(run.working).into(),
            i64::from(run.opened).into(),
            run.waits_for.as_str().into(),
            to_json(&run.facts)?.into(),
            run.engine.as_str().into(),
            run.principal.as_str().into(),
            run.released_by.as_str().into(),
            run.created_at.into(),
            run.version.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Moves a run on: `run` holds the new state and the version before, which becomes the next one.
///
/// # Errors
/// `Contention` if it was moved meanwhile; otherwise those of the database.
pub async fn update(on: &impl Sql, run: &mut RunRow) -> Result<()> {
    let changed = on
        .execute_sql(
            "UPDATE run SET state = $3, working = $4, opened = $5, waits_for = $7, released_by = $8, version = version + 1 \
             WHERE creditor_id = $1 AND run_id = $2 AND version = $6",
            vec![
                run.creditor_id.as_str().into(),
                run.run_id.as_str().into(),
                state_name(run.state).into(),
                i64::from(run.working).into(),
                i64::from(run.opened).into(),
                run.version.into(),
                run.waits_for.as_str().into(),
                run.released_by.as_str().into(),
            ],
        )
        .await?;
    if changed != 1 {
        return Err(Error::Contention(None));
    }
    run.version += 1;
    Ok(())
}

/// Runs whose notices are all sent, but for one that goes out once more, are being dispatched again.
///
/// # Errors
/// Those of the database.
pub async fn resume(on: &impl Sql, creditor_id: &str, run_id: &str) -> Result<()> {
    on.execute_sql(
        "UPDATE run SET state = 'DISPATCHING', working = 1, version = version + 1 \
         WHERE creditor_id = $1 AND run_id = $2 AND state = 'DONE'",
        vec![creditor_id.into(), run_id.into()],
    )
    .await?;
    Ok(())
}

/// Reads a run.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str, run_id: &str) -> Result<Option<RunRow>> {
    let sql = format!("SELECT {COLUMNS} FROM run WHERE creditor_id = $1 AND run_id = $2");
    let row = on
        .query_one(&sql, vec![creditor_id.into(), run_id.into()])
        .await?;
    row.as_ref().map(run_row).transpose()
}

/// Whether a creditor has a run that is neither released nor cancelled.
///
/// # Errors
/// Those of the database.
pub async fn has_unreleased(on: &impl Sql, creditor_id: &str) -> Result<bool> {
    let sql =
        "SELECT 1 AS one FROM run WHERE creditor_id = $1 AND state IN ('PROPOSING', 'PROPOSED')";
    Ok(on.query_one(sql, vec![creditor_id.into()]).await?.is_some())
}

/// Whether a run of the creditor was cancelled and its notices are not all taken off yet.
///
/// # Errors
/// Those of the database.
pub async fn has_unswept(on: &impl Sql, creditor_id: &str) -> Result<bool> {
    let sql =
        "SELECT 1 AS one FROM run WHERE creditor_id = $1 AND working = 1 AND state = 'CANCELLED'";
    Ok(on.query_one(sql, vec![creditor_id.into()]).await?.is_some())
}

/// Runs with which the background has something to do, after one, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn working(on: &impl Sql, after: (&str, &str), limit: u64) -> Result<Vec<RunRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM run WHERE working = 1 AND (creditor_id, run_id) > ($1, $2) \
         ORDER BY creditor_id, run_id LIMIT $3"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = on
        .query(&sql, vec![after.0.into(), after.1.into(), limit.into()])
        .await?;
    rows.iter().map(run_row).collect()
}

/// Runs of a creditor, newest first, before one; an empty `before` begins.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    before: &str,
    limit: u64,
) -> Result<Vec<RunRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM run WHERE creditor_id = $1 AND ($2 = '' OR run_id < $2) \
         ORDER BY run_id DESC LIMIT $3"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = on
        .query(&sql, vec![creditor_id.into(), before.into(), limit.into()])
        .await?;
    rows.iter().map(run_row).collect()
}

/// How far runs of a creditor are.
///
/// # Errors
/// Those of the database.
pub async fn progress(
    on: &impl Sql,
    creditor_id: &str,
    run_ids: &[&str],
) -> Result<BTreeMap<String, Progress>> {
    let rows = on
        .query_rows(
            Rows::new().text("run_id", run_ids.iter().copied()),
            vec![creditor_id.into()],
            |table, n| {
                format!(
                    "SELECT c.run_id, CAST(sum(c.debtors) AS BIGINT) AS debtors, \
                     CAST(sum(c.evaluated) AS BIGINT) AS evaluated, CAST(sum(c.parked) AS BIGINT) AS parked, \
                     CAST(max(c.stale) AS BIGINT) AS stale FROM run_chunk c WHERE c.creditor_id = ${n} \
                     AND c.run_id IN (SELECT r.run_id FROM {table} AS r) GROUP BY c.run_id"
                )
            },
        )
        .await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let progress = Progress {
            debtors: column(row, "debtors")?,
            evaluated: column(row, "evaluated")?,
            parked: column(row, "parked")?,
            stale: column::<i64>(row, "stale")? == 1,
        };
        found.insert(column(row, "run_id")?, progress);
    }
    Ok(found)
}
