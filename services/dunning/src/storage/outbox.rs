//! Commands to the registry that are not carried out yet, and those that were.

use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column, now_micros},
    error::Result,
};
use sea_orm::ConnectionTrait as _;

use super::run::{from_json, to_json};
use crate::app::outbox::{Command, Order};

/// Stores commands; one that is stored already stays as it is.
///
/// # Errors
/// Those of the database.
pub async fn put(on: &impl Sql, commands: &[Command], now: i64) -> Result<()> {
    let payloads = commands
        .iter()
        .map(|command| to_json(&command.order))
        .collect::<Result<Vec<_>>>()?;
    let each = commands.iter();
    let rows = Rows::new()
        .text(
            "creditor_id",
            each.clone().map(|row| row.creditor_id.as_str()),
        )
        .text(
            "command_id",
            each.clone().map(|row| row.command_id.as_str()),
        )
        .text("debtor_id", each.map(|row| row.debtor_id.as_str()))
        .text("payload", payloads);
    on.execute_rows(rows, vec![now.into()], |table, n| {
        format!(
            "INSERT INTO command (creditor_id, command_id, debtor_id, payload, state, attempts, next_at, created_at) \
             SELECT r.creditor_id, r.command_id, r.debtor_id, r.payload, 'OPEN', 0, 0, ${n} FROM {table} AS r \
             WHERE true ON CONFLICT (creditor_id, command_id) DO NOTHING"
        )
    })
    .await?;
    Ok(())
}

/// Takes commands that are due, at most `limit`, for `lease` microseconds.
///
/// # Errors
/// Those of the database.
pub async fn lease_due(db: &Db, limit: u64, lease: i64) -> Result<Vec<Command>> {
    let now = now_micros(db.backend());
    let skip = if db.is_postgres() {
        "FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let due = format!("state = 'OPEN' AND next_at <= {now}");
    // Whoever only looks keeps nobody from writing.
    let any = format!("SELECT 1 AS one FROM command WHERE {due} LIMIT 1");
    if db.query_one(&any, vec![]).await?.is_none() {
        return Ok(Vec::new());
    }
    let txn = db.begin_write().await?;
    // As a plain subquery it could be run more than once, and take more than it may.
    let rows = txn
        .query(
            &format!(
                "WITH due AS MATERIALIZED (SELECT creditor_id AS creditor, command_id AS id FROM command WHERE {due} \
                 ORDER BY next_at, created_at LIMIT $2 {skip}) UPDATE command SET next_at = {now} + $1, \
                 attempts = attempts + 1 FROM due WHERE creditor_id = due.creditor AND command_id = due.id \
                 RETURNING creditor_id, command_id, debtor_id, payload, attempts"
            ),
            vec![
                lease.into(),
                i64::try_from(limit).unwrap_or(i64::MAX).into(),
            ],
        )
        .await?;
    txn.commit().await?;
    rows.iter()
        .map(|row| {
            Ok(Command {
                creditor_id: column(row, "creditor_id")?,
                command_id: column(row, "command_id")?,
                debtor_id: column(row, "debtor_id")?,
                order: from_json::<Order>(&column::<String>(row, "payload")?)?,
                attempts: column(row, "attempts")?,
            })
        })
        .collect()
}

/// Ends commands that are open: `DONE` or `REFUSED`. From then on `next_at` is when that was. Answers how many were open.
///
/// # Errors
/// Those of the database.
pub async fn end(on: &impl Sql, commands: &[Command], state: &str) -> Result<u64> {
    let now = now_micros(on.on().get_database_backend());
    let each = commands.iter();
    let rows = Rows::new()
        .text("creditor_id", each.clone().map(|row| &*row.creditor_id))
        .text("command_id", each.map(|row| &*row.command_id));
    on.execute_rows(rows, vec![state.into()], |table, n| {
        format!(
            "UPDATE command SET state = ${n}, next_at = {now} WHERE (creditor_id, command_id) IN \
             (SELECT r.creditor_id, r.command_id FROM {table} AS r) AND state = 'OPEN'"
        )
    })
    .await
}

/// Has commands tried again, each after so many microseconds.
///
/// # Errors
/// Those of the database.
pub async fn postpone(on: &impl Sql, commands: &[(&Command, i64)]) -> Result<()> {
    let now = now_micros(on.on().get_database_backend());
    let each = commands.iter();
    let rows = Rows::new()
        .text(
            "creditor_id",
            each.clone().map(|(row, _)| &*row.creditor_id),
        )
        .text("command_id", each.clone().map(|(row, _)| &*row.command_id))
        .int("wait", each.map(|(_, wait)| *wait));
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "UPDATE command SET next_at = {now} + r.wait FROM {table} AS r WHERE command.creditor_id = r.creditor_id \
             AND command.command_id = r.command_id AND command.state = 'OPEN'"
        )
    })
    .await?;
    Ok(())
}

/// Deletes at most `limit` commands that ended more than `age` microseconds ago, and says how many; to be called until it
/// says fewer.
///
/// # Errors
/// Those of the database.
pub async fn forget_ended(db: &Db, age: i64, limit: u64) -> Result<u64> {
    let now = now_micros(db.backend());
    db.execute(
        &format!(
            "DELETE FROM command WHERE (creditor_id, command_id) IN (SELECT creditor_id, command_id FROM command \
             WHERE state <> 'OPEN' AND next_at < {now} - $1 ORDER BY next_at LIMIT $2)"
        ),
        vec![
            age.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ],
    )
    .await
}
