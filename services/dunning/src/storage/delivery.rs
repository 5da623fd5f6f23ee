//! Sending: the switch of a creditor, and the tries of a notice.

use std::collections::BTreeMap;

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
};
use serde::{Deserialize, Serialize};

/// Whether notices of a creditor are being sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switch {
    /// Whether they are, in the history named by `incarnation`.
    pub enabled: bool,
    /// Why it was stopped.
    pub reason: String,
    /// The history of the database in which it was set.
    pub incarnation: String,
    /// 0 before it was ever set.
    pub version: i64,
}

/// The switch of a creditor; off unless it was set.
///
/// # Errors
/// Those of the database.
pub async fn switch(on: &impl Sql, creditor_id: &str) -> Result<Switch> {
    let row = on
        .query_one(
            "SELECT enabled, reason, incarnation, version FROM dispatch WHERE creditor_id = $1",
            vec![creditor_id.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(Switch::default());
    };
    Ok(Switch {
        enabled: column::<i64>(&row, "enabled")? == 1,
        reason: column(&row, "reason")?,
        incarnation: column(&row, "incarnation")?,
        version: column(&row, "version")?,
    })
}

/// Sets the switch of a creditor. The creditor must be locked.
///
/// # Errors
/// Those of the database.
pub async fn set_switch(on: &impl Sql, creditor_id: &str, switch: &Switch) -> Result<()> {
    on.execute_sql(
        "INSERT INTO dispatch (creditor_id, enabled, reason, incarnation, version) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (creditor_id) DO UPDATE SET enabled = excluded.enabled, reason = excluded.reason, \
         incarnation = excluded.incarnation, version = excluded.version",
        vec![
            creditor_id.into(),
            i64::from(switch.enabled).into(),
            switch.reason.as_str().into(),
            switch.incarnation.as_str().into(),
            switch.version.into(),
        ],
    )
    .await?;
    Ok(())
}

/// What of a creditor waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Notices to be sent.
    pub notices: i64,
    /// Notices of which nobody knows whether they were sent.
    pub uncertain: i64,
    /// Commands to the registry.
    pub commands: i64,
}

/// What of a creditor waits.
///
/// # Errors
/// Those of the database.
pub async fn waiting(on: &impl Sql, creditor_id: &str) -> Result<Waiting> {
    let row = on
        .query_one(
            "SELECT (SELECT CAST(count(*) AS BIGINT) FROM notice WHERE creditor_id = $1 AND state = 'RELEASED') \
             AS notices, (SELECT CAST(count(*) AS BIGINT) FROM notice WHERE creditor_id = $1 AND state = 'UNCERTAIN') \
             AS uncertain, (SELECT CAST(count(*) AS BIGINT) FROM command WHERE creditor_id = $1 AND state = 'OPEN') \
             AS commands",
            vec![creditor_id.into()],
        )
        .await?;
    row.map_or_else(
        || Ok(Waiting::default()),
        |row| {
            Ok(Waiting {
                notices: column(&row, "notices")?,
                uncertain: column(&row, "uncertain")?,
                commands: column(&row, "commands")?,
            })
        },
    )
}

/// A try to send a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The notice.
    pub notice_id: String,
    /// From 1.
    pub attempt: i64,
    /// Over which channel.
    pub channel: String,
    /// To which contact point.
    pub contact_point_id: String,
    /// Its version then.
    pub contact_version: i64,
    /// Of an e-mail; empty otherwise.
    pub message_id: String,
    /// What became of it; empty while nobody knows.
    pub outcome: String,
    /// Why so, without personal data; or empty.
    pub reason: String,
    /// Microseconds.
    pub begun_at: i64,
    /// Microseconds.
    pub ended_at: Option<i64>,
}

/// Stores tries, or what became of them.
///
/// # Errors
/// Those of the database.
pub async fn put_attempts(on: &impl Sql, creditor_id: &str, attempts: &[Attempt]) -> Result<()> {
    let each = attempts.iter();
    let rows = Rows::new()
        .text("notice_id", each.clone().map(|row| row.notice_id.as_str()))
        .int("attempt", each.clone().map(|row| row.attempt))
        .text("channel", each.clone().map(|row| row.channel.as_str()))
        .text(
            "contact_point_id",
            each.clone().map(|row| row.contact_point_id.as_str()),
        )
        .int(
            "contact_version",
            each.clone().map(|row| row.contact_version),
        )
        .text(
            "message_id",
            each.clone().map(|row| row.message_id.as_str()),
        )
        .text("outcome", each.clone().map(|row| row.outcome.as_str()))
        .text("reason", each.clone().map(|row| row.reason.as_str()))
        .int("begun_at", each.clone().map(|row| row.begun_at))
        .opt_int("ended_at", each.map(|row| row.ended_at));
    on.execute_rows(rows, vec![creditor_id.into()], |table, n| {
        format!(
            "INSERT INTO attempt (creditor_id, notice_id, attempt, channel, contact_point_id, contact_version, \
             message_id, outcome, reason, begun_at, ended_at) SELECT ${n}, r.notice_id, r.attempt, r.channel, \
             r.contact_point_id, r.contact_version, r.message_id, r.outcome, r.reason, r.begun_at, r.ended_at \
             FROM {table} AS r WHERE true ON CONFLICT (creditor_id, notice_id, attempt) DO UPDATE SET \
             outcome = excluded.outcome, reason = excluded.reason, ended_at = excluded.ended_at"
        )
    })
    .await?;
    Ok(())
}

/// The last try of each notice, by notice.
///
/// # Errors
/// Those of the database.
pub async fn last_attempts(
    on: &impl Sql,
    creditor_id: &str,
    notice_ids: &[&str],
) -> Result<BTreeMap<String, Attempt>> {
    let rows = on
        .query_rows(
            Rows::new().text("notice_id", notice_ids.iter().copied()),
            vec![creditor_id.into()],
            |table, n| {
                let found = on.lookup(
                    "attempt",
                    "a",
                    &format!("a.creditor_id = ${n} AND a.notice_id = r.notice_id"),
                );
                format!(
                    "SELECT a.notice_id, a.attempt, a.channel, a.contact_point_id, a.contact_version, a.message_id, \
                     a.outcome, a.reason, a.begun_at, a.ended_at FROM {table} AS r {found} ORDER BY a.attempt"
                )
            },
        )
        .await?;
    let mut last = BTreeMap::new();
    for row in &rows {
        let attempt = Attempt {
            notice_id: column(row, "notice_id")?,
            attempt: column(row, "attempt")?,
            channel: column(row, "channel")?,
            contact_point_id: column(row, "contact_point_id")?,
            contact_version: column(row, "contact_version")?,
            message_id: column(row, "message_id")?,
            outcome: column(row, "outcome")?,
            reason: column(row, "reason")?,
            begun_at: column(row, "begun_at")?,
            ended_at: column(row, "ended_at")?,
        };
        last.insert(attempt.notice_id.clone(), attempt);
    }
    Ok(last)
}
