//! What the metrics tell. However much is stored: what waits is found by the partial indexes of what waits, in their order,
//! and of what may be millions no more is counted than somebody wants to know.

use mahnwerk_proto::dunning::v1::{NoticeState, RunState, TaskKind};
use mahnwerk_runtime::{
    db::{Sql, column, now_micros},
    error::Result,
};
use sea_orm::ConnectionTrait as _;

use super::{notice, run::state_of, task};

/// The most that is counted: as many rows as may have to be fetched, all over a table, every few seconds by every replica.
const MOST: i64 = 10_000;

/// Unfinished runs of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// The state.
    pub state: RunState,
    /// How many.
    pub number: i64,
    /// Age of the oldest, in microseconds.
    pub age: i64,
}

/// Unfinished runs by state: those with which the background has something to do, and those that a person has to release.
///
/// # Errors
/// Those of the database.
pub async fn runs(on: &impl Sql) -> Result<Vec<Runs>> {
    let now = now_micros(on.on().get_database_backend());
    let of = |which: &str| {
        format!(
            "SELECT state, CAST(count(*) AS BIGINT) AS number, CAST({now} - min(created_at) AS BIGINT) AS age \
             FROM run WHERE {which} GROUP BY state"
        )
    };
    let sql = format!(
        "{} UNION ALL {}",
        of("state IN ('PROPOSING', 'PROPOSED')"),
        of("working = 1 AND state NOT IN ('PROPOSING', 'PROPOSED')")
    );
    let rows = on.query(&sql, vec![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Runs {
                state: state_of(&column::<String>(row, "state")?)?,
                number: column(row, "number")?,
                age: column(row, "age")?,
            })
        })
        .collect()
}

/// How far the oldest run is that the background works on piece by piece, by state: what is done, and what there is to do;
/// debtors while it is evaluated, then pieces.
///
/// # Errors
/// Those of the database.
pub async fn progress(on: &impl Sql) -> Result<Vec<(RunState, i64, i64)>> {
    let pieces = on.lookup(
        "run_chunk",
        "c",
        "c.creditor_id = r.creditor_id AND c.run_id = r.run_id",
    );
    let sql = format!(
        "SELECT r.state, CAST(sum(CASE WHEN r.state = 'PROPOSING' THEN c.evaluated + c.parked ELSE c.done END) AS BIGINT) \
         AS done, CAST(sum(CASE WHEN r.state = 'PROPOSING' THEN c.debtors ELSE 1 END) AS BIGINT) AS whole FROM \
         (SELECT creditor_id, run_id, state FROM \
         (SELECT creditor_id, run_id, state, row_number() OVER (PARTITION BY state ORDER BY created_at, run_id) AS place \
         FROM run WHERE working = 1 AND state IN ('PROPOSING', 'RELEASED', 'CANCELLED')) AS ranked WHERE place = 1) AS r \
         {pieces} GROUP BY r.state"
    );
    let rows = on.query(&sql, vec![]).await?;
    rows.iter()
        .map(|row| {
            let state = state_of(&column::<String>(row, "state")?)?;
            Ok((state, column(row, "done")?, column(row, "whole")?))
        })
        .collect()
}

/// Notices that wait, by state, each counted up to [`MOST`].
///
/// # Errors
/// Those of the database.
pub async fn notices(on: &impl Sql) -> Result<Vec<(NoticeState, i64)>> {
    let states = [
        (NoticeState::Proposed, "creditor_id, run_id, part"),
        (NoticeState::Released, "creditor_id, next_at"),
        (NoticeState::Sending, "lease"),
        (NoticeState::Uncertain, "creditor_id"),
    ];
    let counts = states.map(|(state, order)| {
        let name = notice::state_name(state);
        format!(
            "(SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 AS one FROM notice WHERE state = '{name}' \
             ORDER BY {order} LIMIT {MOST}) AS counted) AS \"{name}\""
        )
    });
    let sql = format!("SELECT {}", counts.join(", "));
    let Some(row) = on.query_one(&sql, vec![]).await? else {
        return Ok(Vec::new());
    };
    states
        .iter()
        .map(|(state, _)| Ok((*state, column(&row, notice::state_name(*state))?)))
        .collect()
}

/// For how many microseconds the notice has been due that has been so for longest, of creditors whose notices are being
/// sent; `None` if none is.
///
/// # Errors
/// Those of the database.
pub async fn dispatch_lag(on: &impl Sql, incarnation: &str) -> Result<Option<i64>> {
    let now = now_micros(on.on().get_database_backend());
    let sql = format!(
        "SELECT CAST({now} - min(earliest) AS BIGINT) AS lag FROM (SELECT (SELECT min(n.next_at) FROM notice AS n \
         WHERE n.creditor_id = d.creditor_id AND n.state = 'RELEASED') AS earliest FROM dispatch AS d \
         WHERE d.enabled = 1 AND d.incarnation = $1) AS due"
    );
    let row = on.query_one(&sql, vec![incarnation.into()]).await?;
    let lag: Option<i64> = row.map_or(Ok(None), |row| column(&row, "lag"))?;
    Ok(lag.filter(|lag| *lag >= 0))
}

/// Creditors whose notices would be sent if the database had not got another history since.
///
/// # Errors
/// Those of the database.
pub async fn interrupted(on: &impl Sql, incarnation: &str) -> Result<i64> {
    let sql = "SELECT CAST(count(*) AS BIGINT) AS number FROM dispatch WHERE enabled = 1 AND incarnation <> $1";
    let row = on.query_one(sql, vec![incarnation.into()]).await?;
    row.map_or(Ok(0), |row| Ok(column(&row, "number")?))
}

/// Commands that are not carried out, counted up to [`MOST`], and the age of the oldest of them in microseconds.
///
/// # Errors
/// Those of the database.
pub async fn commands(on: &impl Sql) -> Result<(i64, Option<i64>)> {
    let now = now_micros(on.on().get_database_backend());
    let sql = format!(
        "SELECT CAST(count(*) AS BIGINT) AS number, CAST({now} - min(created_at) AS BIGINT) AS age FROM \
         (SELECT created_at FROM command WHERE state = 'OPEN' ORDER BY next_at, created_at LIMIT {MOST}) AS waiting"
    );
    let Some(row) = on.query_one(&sql, vec![]).await? else {
        return Ok((0, None));
    };
    Ok((column(&row, "number")?, column(&row, "age")?))
}

/// Open tasks by kind, counted up to [`MOST`] altogether.
///
/// # Errors
/// Those of the database.
pub async fn tasks(on: &impl Sql) -> Result<Vec<(TaskKind, i64)>> {
    let sql = format!(
        "SELECT kind, CAST(count(*) AS BIGINT) AS number FROM (SELECT kind FROM task WHERE outcome = '' \
         ORDER BY creditor_id, priority DESC, created_at, task_id LIMIT {MOST}) AS waiting GROUP BY kind"
    );
    let rows = on.query(&sql, vec![]).await?;
    rows.iter()
        .map(|row| {
            let kind = task::kind_of(&column::<String>(row, "kind")?)?;
            Ok((kind, column(row, "number")?))
        })
        .collect()
}
