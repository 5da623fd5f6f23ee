//! What each debtor's evaluation saw and decided, and the counts of a run.

use std::collections::BTreeMap;

use mahnwerk_proto::dunning::v1::NoticeState;
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
};

use super::RunRow;
use crate::storage::notice;

/// What an evaluation saw and decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebtorRow {
    /// The debtor.
    pub debtor_id: String,
    /// Canonical JSON.
    pub input: String,
    /// Canonical JSON.
    pub plan: String,
    /// After edits.
    pub reviewed: Option<String>,
}

/// Stores what evaluations saw and decided.
///
/// # Errors
/// Those of the database.
pub async fn insert_debtors(on: &impl Sql, run: &RunRow, debtors: &[DebtorRow]) -> Result<()> {
    let rows = Rows::new()
        .text(
            "debtor_id",
            debtors.iter().map(|row| row.debtor_id.as_str()),
        )
        .text("input", debtors.iter().map(|row| row.input.as_str()))
        .text("plan", debtors.iter().map(|row| row.plan.as_str()));
    on.execute_rows(
        rows,
        vec![run.creditor_id.as_str().into(), run.run_id.as_str().into()],
        |table, n| {
            format!(
                "INSERT INTO run_debtor (creditor_id, run_id, debtor_id, input, plan) \
                 SELECT ${n}, ${}, r.debtor_id, r.input, r.plan FROM {table} AS r",
                n + 1
            )
        },
    )
    .await?;
    Ok(())
}

/// What evaluations of some debtors saw and decided, by debtor.
///
/// # Errors
/// Those of the database.
pub async fn debtor(
    on: &impl Sql,
    creditor_id: &str,
    run_id: &str,
    debtor_ids: &[&str],
) -> Result<BTreeMap<String, DebtorRow>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().copied()),
            vec![creditor_id.into(), run_id.into()],
            |table, n| {
                let found = on.lookup(
                    "run_debtor",
                    "d",
                    &format!(
                        "d.creditor_id = ${n} AND d.run_id = ${} AND d.debtor_id = r.debtor_id",
                        n + 1
                    ),
                );
                format!("SELECT d.debtor_id, d.input, d.plan, d.reviewed FROM {table} AS r {found}")
            },
        )
        .await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let debtor_id: String = column(row, "debtor_id")?;
        let row = DebtorRow {
            debtor_id: debtor_id.clone(),
            input: column(row, "input")?,
            plan: column(row, "plan")?,
            reviewed: column(row, "reviewed")?,
        };
        found.insert(debtor_id, row);
    }
    Ok(found)
}

/// What evaluations of some debtors saw, by debtor; nothing of what they decided.
///
/// # Errors
/// Those of the database.
pub async fn inputs(
    on: &impl Sql,
    creditor_id: &str,
    run_id: &str,
    debtor_ids: &[&str],
) -> Result<BTreeMap<String, String>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().copied()),
            vec![creditor_id.into(), run_id.into()],
            |table, n| {
                let same = format!(
                    "d.creditor_id = ${n} AND d.run_id = ${} AND d.debtor_id = r.debtor_id",
                    n + 1
                );
                let found = on.lookup("run_debtor", "d", &same);
                format!("SELECT d.debtor_id, d.input FROM {table} AS r {found}")
            },
        )
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "debtor_id")?, column(row, "input")?)))
        .collect()
}

/// Stores a plan as a reviewer changed it, beside the proposed one.
///
/// # Errors
/// Those of the database.
pub async fn set_reviewed(
    on: &impl Sql,
    run: &RunRow,
    debtor_id: &str,
    reviewed: &str,
) -> Result<()> {
    on.execute_sql(
        "UPDATE run_debtor SET reviewed = $4 WHERE creditor_id = $1 AND run_id = $2 AND debtor_id = $3",
        vec![
            run.creditor_id.as_str().into(),
            run.run_id.as_str().into(),
            debtor_id.into(),
            reviewed.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Whoever read a run before this edit has not read what it is now; `editor` had a part in what it sends. Reviews run
/// side by side, so this does not go by the version that was read. It is best done last: until the transaction ends,
/// other reviews of the run wait.
///
/// # Errors
/// Those of the database.
pub async fn note_edit(on: &impl Sql, run: &RunRow, editor: Option<&str>) -> Result<()> {
    let (creditor_id, run_id) = (run.creditor_id.as_str(), run.run_id.as_str());
    if let Some(editor) = editor {
        on.execute_sql(
            "INSERT INTO run_editor (creditor_id, run_id, principal) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            vec![creditor_id.into(), run_id.into(), editor.into()],
        )
        .await?;
    }
    on.execute_sql(
        "UPDATE run SET version = version + 1 WHERE creditor_id = $1 AND run_id = $2",
        vec![creditor_id.into(), run_id.into()],
    )
    .await?;
    Ok(())
}

/// Whether somebody's edits are part of what a run sends.
///
/// # Errors
/// Those of the database.
pub async fn has_editor(on: &impl Sql, run: &RunRow, principal: &str) -> Result<bool> {
    let sql =
        "SELECT 1 AS one FROM run_editor WHERE creditor_id = $1 AND run_id = $2 AND principal = $3";
    let values = vec![
        run.creditor_id.as_str().into(),
        run.run_id.as_str().into(),
        principal.into(),
    ];
    Ok(on.query_one(sql, values).await?.is_some())
}

/// What evaluations saw, by debtor after one, at most `limit`; nothing of what they decided.
///
/// # Errors
/// Those of the database.
pub async fn inputs_after(
    on: &impl Sql,
    creditor_id: &str,
    run_id: &str,
    after: &str,
    limit: u64,
) -> Result<Vec<(String, String)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = on
        .query(
            "SELECT debtor_id, input FROM run_debtor WHERE creditor_id = $1 AND run_id = $2 AND debtor_id > $3 \
             ORDER BY debtor_id LIMIT $4",
            vec![
                creditor_id.into(),
                run_id.into(),
                after.into(),
                limit.into(),
            ],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "debtor_id")?, column(row, "input")?)))
        .collect()
}

/// The proposed plans of debtors after one, up to and including another.
///
/// # Errors
/// Those of the database.
pub async fn plans(
    on: &impl Sql,
    creditor_id: &str,
    run_id: &str,
    (after, to): (&str, &str),
) -> Result<BTreeMap<String, String>> {
    let rows = on
        .query(
            "SELECT debtor_id, plan FROM run_debtor WHERE creditor_id = $1 AND run_id = $2 AND debtor_id > $3 \
             AND debtor_id <= $4",
            vec![creditor_id.into(), run_id.into(), after.into(), to.into()],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "debtor_id")?, column(row, "plan")?)))
        .collect()
}

/// Notices of a run by state.
///
/// # Errors
/// Those of the database.
pub async fn notice_counts(
    on: &impl Sql,
    creditor_id: &str,
    run_id: &str,
) -> Result<Vec<(NoticeState, i64)>> {
    let rows = on
        .query(
            "SELECT state, CAST(count(*) AS BIGINT) AS notices FROM notice WHERE creditor_id = $1 AND run_id = $2 \
             GROUP BY state ORDER BY state",
            vec![creditor_id.into(), run_id.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let state = notice::state_of(&column::<String>(row, "state")?)?;
            Ok((state, column(row, "notices")?))
        })
        .collect()
}

/// Items of a run by reason.
///
/// # Errors
/// Those of the database.
pub async fn reason_counts(
    on: &impl Sql,
    creditor_id: &str,
    run_id: &str,
) -> Result<Vec<(String, i64)>> {
    let rows = on
        .query(
            "SELECT reason, CAST(sum(items) AS BIGINT) AS items FROM run_reason WHERE creditor_id = $1 AND run_id = $2 \
             GROUP BY reason HAVING sum(items) > 0 ORDER BY reason",
            vec![creditor_id.into(), run_id.into()],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "reason")?, column(row, "items")?)))
        .collect()
}

/// Adds to the items by reason; a review takes some away.
///
/// # Errors
/// Those of the database.
pub async fn add_reasons(
    on: &impl Sql,
    run: &RunRow,
    part: i64,
    reasons: &BTreeMap<&str, i64>,
) -> Result<()> {
    let rows = Rows::new()
        .text("reason", reasons.keys().copied())
        .int("items", reasons.values().copied());
    on.execute_rows(
        rows,
        vec![
            run.creditor_id.as_str().into(),
            run.run_id.as_str().into(),
            part.into(),
        ],
        |table, n| {
            format!(
                "INSERT INTO run_reason (creditor_id, run_id, part, reason, items) \
                 SELECT ${n}, ${}, ${}, r.reason, r.items FROM {table} AS r WHERE true \
                 ON CONFLICT (creditor_id, run_id, part, reason) DO UPDATE SET items = run_reason.items + excluded.items",
                n + 1,
                n + 2
            )
        },
    )
    .await?;
    Ok(())
}
