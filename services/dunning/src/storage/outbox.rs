//! Commands to the registry that are not carried out yet, and those that were.

use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column, now_micros},
    error::Result,
};

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
    let txn = db.begin_write().await?;
    let rows = txn
        .query(
            &format!(
                "UPDATE command SET next_at = {now} + $1, attempts = attempts + 1 WHERE (creditor_id, command_id) IN \
                 (SELECT creditor_id, command_id FROM command WHERE state = 'OPEN' AND next_at <= {now} \
                 ORDER BY next_at, created_at LIMIT $2 {skip}) AND state = 'OPEN' \
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

/// Ends a command that is open: `DONE` or `REFUSED`. Answers whether it was.
///
/// # Errors
/// Those of the database.
pub async fn end(on: &impl Sql, command: &Command, state: &str) -> Result<bool> {
    let ended = on
        .execute_sql(
            "UPDATE command SET state = $3 WHERE creditor_id = $1 AND command_id = $2 AND state = 'OPEN'",
            vec![
                command.creditor_id.as_str().into(),
                command.command_id.as_str().into(),
                state.into(),
            ],
        )
        .await?;
    Ok(ended == 1)
}

/// Has a command tried again after `wait` microseconds.
///
/// # Errors
/// Those of the database.
pub async fn postpone(db: &Db, command: &Command, wait: i64) -> Result<()> {
    let now = now_micros(db.backend());
    db.execute(
        &format!(
            "UPDATE command SET next_at = {now} + $3 WHERE creditor_id = $1 AND command_id = $2 AND state = 'OPEN'"
        ),
        vec![
            command.creditor_id.as_str().into(),
            command.command_id.as_str().into(),
            wait.into(),
        ],
    )
    .await?;
    Ok(())
}
