//! Pauses with their history, and debtors that are handled by hand.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use dunning_core::pause::PauseKind;
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use sea_orm::QueryResult;
use serde::{Deserialize, Serialize};

use super::{day_number, from_day, opt_day};

/// A pause as stored. Empty ids are those that its scope does not name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRow {
    /// Its key.
    pub pause_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The invoice.
    pub item_id: String,
    /// The treatment segment.
    pub segment_id: String,
    /// What it does.
    pub kind: PauseKind,
    /// First day.
    pub from: NaiveDate,
    /// Last day; before the first if it never took effect.
    pub until: Option<NaiveDate>,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub principal: String,
    /// From 1.
    pub version: i64,
}

const SUPPRESS: &str = "SUPPRESS";
const STOP_CLOCK: &str = "STOP_CLOCK";

const COLUMNS: &str = "p.pause_id, p.debtor_id, p.item_id, p.segment_id, p.kind, p.from_day, p.until_day, p.reason, \
                       p.principal, p.version";

fn pause_row(row: &QueryResult) -> Result<PauseRow> {
    let kind: String = column(row, "kind")?;
    Ok(PauseRow {
        pause_id: column(row, "pause_id")?,
        debtor_id: column(row, "debtor_id")?,
        item_id: column(row, "item_id")?,
        segment_id: column(row, "segment_id")?,
        kind: match kind.as_str() {
            SUPPRESS => PauseKind::Suppress,
            STOP_CLOCK => PauseKind::StopClock,
            _ => return Err(Error::internal("a stored pause of no known kind")),
        },
        from: from_day(column(row, "from_day")?)?,
        until: opt_day(column(row, "until_day")?)?,
        reason: column(row, "reason")?,
        principal: column(row, "principal")?,
        version: column(row, "version")?,
    })
}

/// Stores a new pause with its first piece of history; false if there is one of this key.
///
/// # Errors
/// Those of the database.
pub async fn insert(on: &impl Sql, creditor_id: &str, row: &PauseRow, at: i64) -> Result<bool> {
    let kind = match row.kind {
        PauseKind::Suppress => SUPPRESS,
        PauseKind::StopClock => STOP_CLOCK,
    };
    let inserted = on
        .execute_sql(
            "INSERT INTO pause (creditor_id, pause_id, debtor_id, item_id, segment_id, kind, from_day, until_day, \
             reason, principal, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
            vec![
                creditor_id.into(),
                row.pause_id.as_str().into(),
                row.debtor_id.as_str().into(),
                row.item_id.as_str().into(),
                row.segment_id.as_str().into(),
                kind.into(),
                day_number(row.from).into(),
                row.until.map(day_number).into(),
                row.reason.as_str().into(),
                row.principal.as_str().into(),
                row.version.into(),
            ],
        )
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    remember(on, creditor_id, row, &row.principal, at).await?;
    Ok(true)
}

/// Stores another end of a pause as a new version; who set it stays. `by` is who ends it.
///
/// # Errors
/// Those of the database.
pub async fn end(
    on: &impl Sql,
    creditor_id: &str,
    row: &PauseRow,
    by: &str,
    at: i64,
) -> Result<()> {
    on.execute_sql(
        "UPDATE pause SET until_day = $3, version = $4 WHERE creditor_id = $1 AND pause_id = $2",
        vec![
            creditor_id.into(),
            row.pause_id.as_str().into(),
            row.until.map(day_number).into(),
            row.version.into(),
        ],
    )
    .await?;
    remember(on, creditor_id, row, by, at).await
}

async fn remember(
    on: &impl Sql,
    creditor_id: &str,
    row: &PauseRow,
    by: &str,
    at: i64,
) -> Result<()> {
    on.execute_sql(
        "INSERT INTO pause_history (creditor_id, pause_id, version, until_day, principal, recorded_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        vec![
            creditor_id.into(),
            row.pause_id.as_str().into(),
            row.version.into(),
            row.until.map(day_number).into(),
            by.into(),
            at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Every end that a pause had, with who set it, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn history(
    on: &impl Sql,
    creditor_id: &str,
    pause_id: &str,
) -> Result<Vec<(Option<NaiveDate>, String)>> {
    let rows = on
        .query(
            "SELECT until_day, principal FROM pause_history WHERE creditor_id = $1 AND pause_id = $2 ORDER BY version",
            vec![creditor_id.into(), pause_id.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                opt_day(column(row, "until_day")?)?,
                column(row, "principal")?,
            ))
        })
        .collect()
}

/// Reads a pause.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str, pause_id: &str) -> Result<Option<PauseRow>> {
    let row = on
        .query_one(
            &format!("SELECT {COLUMNS} FROM pause p WHERE p.creditor_id = $1 AND p.pause_id = $2"),
            vec![creditor_id.into(), pause_id.into()],
        )
        .await?;
    row.as_ref().map(pause_row).transpose()
}

/// How many pauses name the debtor, or none if it is empty.
///
/// # Errors
/// Those of the database.
pub async fn count(on: &impl Sql, creditor_id: &str, debtor_id: &str) -> Result<i64> {
    let row = on
        .query_one(
            "SELECT CAST(count(*) AS BIGINT) AS n FROM pause WHERE creditor_id = $1 AND debtor_id = $2",
            vec![creditor_id.into(), debtor_id.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| Ok(column(&row, "n")?))
}

/// Pauses of a creditor, by id, after an id, at most `limit`; only those that concern a debtor in a segment, if one is
/// given.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    concerning: Option<(&str, &str)>,
    after: &str,
    limit: u64,
) -> Result<Vec<PauseRow>> {
    let mut values = vec![creditor_id.into(), after.into(), limit.cast_signed().into()];
    let filter = match concerning {
        None => "",
        Some((debtor_id, segment_id)) => {
            values.extend([sea_orm::Value::from(debtor_id), segment_id.into()]);
            "AND (p.debtor_id = $4 OR (p.debtor_id = '' AND (p.segment_id = '' OR p.segment_id = $5)))"
        }
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM pause p WHERE p.creditor_id = $1 AND p.pause_id > $2 {filter} \
         ORDER BY p.pause_id LIMIT $3"
    );
    let rows = on.query(&sql, values).await?;
    rows.iter().map(pause_row).collect()
}

/// Pauses that name one of the debtors, or none at all.
///
/// # Errors
/// Those of the database.
pub async fn of_debtors(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<Vec<PauseRow>> {
    let ids = debtor_ids.iter().map(String::as_str).chain([""]);
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", ids),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!("p.creditor_id = ${n} AND p.debtor_id = r.debtor_id");
                format!(
                    "SELECT {COLUMNS} FROM {table} AS r {}",
                    on.lookup("pause", "p", &same)
                )
            },
        )
        .await?;
    rows.iter().map(pause_row).collect()
}

/// Hands a debtor over to a person until a day, or back; answers the version.
///
/// # Errors
/// Those of the database.
pub async fn set_manual(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    until: Option<NaiveDate>,
    principal: &str,
) -> Result<i64> {
    let row = on
        .query_one(
            "INSERT INTO manual_mode (creditor_id, debtor_id, until_day, principal, version) VALUES ($1, $2, $3, $4, 1) \
             ON CONFLICT (creditor_id, debtor_id) DO UPDATE SET until_day = excluded.until_day, \
             principal = excluded.principal, version = manual_mode.version + 1 RETURNING version",
            vec![
                creditor_id.into(),
                debtor_id.into(),
                until.map(day_number).into(),
                principal.into(),
            ],
        )
        .await?;
    let row = row.ok_or_else(|| Error::internal("no version of what was stored"))?;
    Ok(column(&row, "version")?)
}

/// Until when persons handle debtors by hand.
///
/// # Errors
/// Those of the database.
pub async fn manual(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<String, NaiveDate>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!("m.creditor_id = ${n} AND m.debtor_id = r.debtor_id");
                format!(
                    "SELECT m.debtor_id, m.until_day FROM {table} AS r {} AND m.until_day IS NOT NULL",
                    on.lookup("manual_mode", "m", &same)
                )
            },
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                column(row, "debtor_id")?,
                from_day(column(row, "until_day")?)?,
            ))
        })
        .collect()
}
