//! Activations: the latest of each scheme, and how far it is.

use mahnwerk_runtime::{
    db::{Sql, column},
    error::{Error, Result},
};
use sea_orm::QueryResult;
use serde::{Deserialize, Serialize};

use super::small;

/// Where an activation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everybody is placed without storing anything.
    Checking,
    /// The revision is active; debtors are being moved.
    Moving,
    /// Everybody is where the revision says.
    Done,
    /// Too many conditions could not be evaluated.
    Refused,
}

impl State {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Moving => "moving",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    fn of(name: &str) -> Result<Self> {
        match name {
            "checking" => Ok(Self::Checking),
            "moving" => Ok(Self::Moving),
            "done" => Ok(Self::Done),
            "refused" => Ok(Self::Refused),
            _ => Err(Error::internal("a stored activation in no known state")),
        }
    }
}

/// An activation as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivationRow {
    /// The creditor.
    pub creditor_id: String,
    /// The scheme.
    pub scheme_id: String,
    /// The revision.
    pub revision: i32,
    /// Where it stands.
    pub state: State,
    /// The last debtor visited in this state; empty at its begin.
    pub reached: String,
    /// Debtors visited in this state.
    pub visited: i64,
    /// Debtors to visit, as counted at its begin.
    pub total: i64,
    /// Debtors that moved.
    pub moved: i64,
    /// Debtors whose conditions were evaluated while checking.
    pub evaluated: i64,
    /// Those of them whose conditions could not be evaluated.
    pub errors: i64,
    /// Most of them in a million.
    pub max_error_ppm: i32,
    /// Microseconds.
    pub started_at: i64,
    /// Microseconds; `None` while it runs.
    pub ended_at: Option<i64>,
}

const COLUMNS: &str = "creditor_id, scheme_id, revision, state, reached, visited, total, moved, evaluated, errors, \
    max_error_ppm, started_at, ended_at";

fn activation_row(row: &QueryResult) -> Result<ActivationRow> {
    Ok(ActivationRow {
        creditor_id: column(row, "creditor_id")?,
        scheme_id: column(row, "scheme_id")?,
        revision: small(row, "revision")?,
        state: State::of(&column::<String>(row, "state")?)?,
        reached: column(row, "reached")?,
        visited: column(row, "visited")?,
        total: column(row, "total")?,
        moved: column(row, "moved")?,
        evaluated: column(row, "evaluated")?,
        errors: column(row, "errors")?,
        max_error_ppm: small(row, "max_error_ppm")?,
        started_at: column(row, "started_at")?,
        ended_at: column(row, "ended_at")?,
    })
}

/// The latest activation of a scheme.
///
/// # Errors
/// Those of the database.
pub async fn get(
    on: &impl Sql,
    creditor_id: &str,
    scheme_id: &str,
) -> Result<Option<ActivationRow>> {
    let row = on
        .query_one(
            &format!("SELECT {COLUMNS} FROM activation WHERE creditor_id = $1 AND scheme_id = $2"),
            vec![creditor_id.into(), scheme_id.into()],
        )
        .await?;
    row.map(|row| activation_row(&row)).transpose()
}

/// Activations that run, oldest first, at most 100.
///
/// # Errors
/// Those of the database.
pub async fn running(on: &impl Sql) -> Result<Vec<ActivationRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM activation WHERE ended_at IS NULL ORDER BY started_at LIMIT 100"
    );
    let rows = on.query(&sql, vec![]).await?;
    rows.iter().map(activation_row).collect()
}

/// Stores an activation in the place of the one before.
///
/// # Errors
/// Those of the database.
pub async fn insert(on: &impl Sql, row: &ActivationRow) -> Result<()> {
    on.execute_sql(
        "DELETE FROM activation WHERE creditor_id = $1 AND scheme_id = $2",
        vec![
            row.creditor_id.as_str().into(),
            row.scheme_id.as_str().into(),
        ],
    )
    .await?;
    on.execute_sql(
        &format!(
            "INSERT INTO activation ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        ),
        vec![
            row.creditor_id.as_str().into(),
            row.scheme_id.as_str().into(),
            i64::from(row.revision).into(),
            row.state.name().into(),
            row.reached.as_str().into(),
            row.visited.into(),
            row.total.into(),
            row.moved.into(),
            row.evaluated.into(),
            row.errors.into(),
            i64::from(row.max_error_ppm).into(),
            row.started_at.into(),
            row.ended_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Moves an activation on, if it is still where it was. False means that somebody else moved it.
///
/// # Errors
/// Those of the database.
pub async fn advance(on: &impl Sql, from: &ActivationRow, to: &ActivationRow) -> Result<bool> {
    let updated = on
        .execute_sql(
            "UPDATE activation SET state = $6, reached = $7, visited = $8, total = $9, moved = $10, evaluated = $11, \
             errors = $12, ended_at = $13 WHERE creditor_id = $1 AND scheme_id = $2 AND started_at = $3 \
             AND state = $4 AND reached = $5",
            vec![
                from.creditor_id.as_str().into(),
                from.scheme_id.as_str().into(),
                from.started_at.into(),
                from.state.name().into(),
                from.reached.as_str().into(),
                to.state.name().into(),
                to.reached.as_str().into(),
                to.visited.into(),
                to.total.into(),
                to.moved.into(),
                to.evaluated.into(),
                to.errors.into(),
                to.ended_at.into(),
            ],
        )
        .await?;
    Ok(updated == 1)
}
