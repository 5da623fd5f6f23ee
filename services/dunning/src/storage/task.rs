//! Tasks: work for people.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use mahnwerk_feed::partition;
use mahnwerk_proto::dunning::v1::{TaskKind, TaskOutcome};
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use sea_orm::QueryResult;
use serde::{Deserialize, Serialize};

use super::{
    day_number, from_day,
    run::{from_json, to_json},
};

/// A task as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRow {
    /// The creditor.
    pub creditor_id: String,
    /// Derived from what it is there for.
    pub task_id: String,
    /// What it is there for: open tasks of one slot are one task.
    pub slot: String,
    /// What is to be done.
    #[serde(with = "named")]
    pub kind: TaskKind,
    /// About whom.
    pub debtor_id: String,
    /// Partition of the debtor.
    pub part: i64,
    /// The notice it belongs to, or empty.
    pub notice_id: String,
    /// Whose work list it is on, or empty.
    pub portfolio: String,
    /// The day from which it is to be done.
    pub due_date: NaiveDate,
    /// Larger is more urgent.
    pub priority: i64,
    /// The invoices it is about.
    pub item_ids: Vec<String>,
    /// What decided, or empty.
    pub reference: String,
    /// Who has claimed it, or empty.
    pub claimed_by: String,
    /// Until when, microseconds.
    pub claimed_until: Option<i64>,
    /// `None` while it is open.
    #[serde(with = "named_outcome")]
    pub outcome: Option<TaskOutcome>,
    /// Of whoever completed it. Personal data.
    pub note: String,
    /// Microseconds.
    pub created_at: i64,
    /// Grows with every change.
    pub version: i64,
}

/// Which tasks to list; empty and unspecified fields are for all.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// The creditor.
    pub creditor_id: &'a str,
    /// The kind.
    pub kind: TaskKind,
    /// The portfolio.
    pub portfolio: &'a str,
    /// The debtor.
    pub debtor_id: &'a str,
    /// Completed ones as well.
    pub completed: bool,
}

/// Where a page of tasks begins: after priority, creation and id.
pub type After<'a> = (i64, i64, &'a str);

/// The stored name of a kind.
#[must_use]
pub fn kind_name(kind: TaskKind) -> &'static str {
    kind.as_str_name().trim_start_matches("TASK_KIND_")
}

fn outcome_name(outcome: Option<TaskOutcome>) -> &'static str {
    outcome.map_or("", |outcome| {
        outcome.as_str_name().trim_start_matches("TASK_OUTCOME_")
    })
}

pub(super) fn kind_of(name: &str) -> Result<TaskKind> {
    TaskKind::from_str_name(&format!("TASK_KIND_{name}"))
        .ok_or_else(|| Error::internal("unknown kind of a task"))
}

fn outcome_of(name: &str) -> Result<Option<TaskOutcome>> {
    if name.is_empty() {
        return Ok(None);
    }
    let outcome = TaskOutcome::from_str_name(&format!("TASK_OUTCOME_{name}"));
    outcome
        .map(Some)
        .ok_or_else(|| Error::internal("unknown outcome of a task"))
}

const COLUMNS: &str = "t.creditor_id, t.task_id, t.slot, t.kind, t.debtor_id, t.part, t.notice_id, t.portfolio, \
    t.due_date, t.priority, t.item_ids, t.reference, t.claimed_by, t.claimed_until, t.outcome, t.note, t.created_at, \
    t.version";

fn task_row(row: &QueryResult) -> Result<TaskRow> {
    Ok(TaskRow {
        creditor_id: column(row, "creditor_id")?,
        task_id: column(row, "task_id")?,
        slot: column(row, "slot")?,
        kind: kind_of(&column::<String>(row, "kind")?)?,
        debtor_id: column(row, "debtor_id")?,
        part: column(row, "part")?,
        notice_id: column(row, "notice_id")?,
        portfolio: column(row, "portfolio")?,
        due_date: from_day(column(row, "due_date")?)?,
        priority: column(row, "priority")?,
        item_ids: from_json(&column::<String>(row, "item_ids")?)?,
        reference: column(row, "reference")?,
        claimed_by: column(row, "claimed_by")?,
        claimed_until: column(row, "claimed_until")?,
        outcome: outcome_of(&column::<String>(row, "outcome")?)?,
        note: column(row, "note")?,
        created_at: column(row, "created_at")?,
        version: column(row, "version")?,
    })
}

fn task_rows(rows: &[QueryResult]) -> Result<Vec<TaskRow>> {
    rows.iter().map(task_row).collect()
}

fn cap(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Stores tasks whose slot is free, and brings the open ones of the others up to date where they differ. Answers those
/// stored or changed, as they are then. Each slot at most once.
///
/// # Errors
/// Those of the database.
pub async fn put(on: &impl Sql, tasks: &[TaskRow]) -> Result<Vec<TaskRow>> {
    let item_ids = tasks
        .iter()
        .map(|row| to_json(&row.item_ids))
        .collect::<Result<Vec<_>>>()?;
    let each = tasks.iter();
    let rows = Rows::new()
        .text(
            "creditor_id",
            each.clone().map(|row| row.creditor_id.as_str()),
        )
        .text("task_id", each.clone().map(|row| row.task_id.as_str()))
        .text("slot", each.clone().map(|row| row.slot.as_str()))
        .text("kind", each.clone().map(|row| kind_name(row.kind)))
        .text("debtor_id", each.clone().map(|row| row.debtor_id.as_str()))
        .int("part", each.clone().map(|row| row.part))
        .text("notice_id", each.clone().map(|row| row.notice_id.as_str()))
        .text("portfolio", each.clone().map(|row| row.portfolio.as_str()))
        .int("due_date", each.clone().map(|row| day_number(row.due_date)))
        .int("priority", each.clone().map(|row| row.priority))
        .text("item_ids", item_ids)
        .text("reference", each.clone().map(|row| row.reference.as_str()))
        .int("created_at", each.map(|row| row.created_at));
    let rows = on
        .query_rows(rows, vec![], |table, _| {
            format!(
                "INSERT INTO task AS t (creditor_id, task_id, slot, kind, debtor_id, part, notice_id, portfolio, \
                 due_date, priority, item_ids, reference, claimed_by, claimed_until, outcome, note, created_at, version) \
                 SELECT r.creditor_id, r.task_id, r.slot, r.kind, r.debtor_id, r.part, r.notice_id, r.portfolio, \
                 r.due_date, r.priority, r.item_ids, r.reference, '', NULL, '', '', r.created_at, 1 FROM {table} AS r \
                 WHERE true ON CONFLICT (creditor_id, slot) WHERE outcome = '' DO UPDATE SET \
                 priority = excluded.priority, item_ids = excluded.item_ids, portfolio = excluded.portfolio, \
                 reference = excluded.reference, version = t.version + 1 \
                 WHERE t.priority <> excluded.priority OR t.item_ids <> excluded.item_ids \
                 OR t.portfolio <> excluded.portfolio OR t.reference <> excluded.reference \
                 RETURNING creditor_id, task_id, slot, kind, debtor_id, part, notice_id, portfolio, due_date, priority, \
                 item_ids, reference, claimed_by, claimed_until, outcome, note, created_at, version"
            )
        })
        .await?;
    task_rows(&rows)
}

/// Those of the tasks that were ever stored.
///
/// # Errors
/// Those of the database.
pub async fn there<'t>(
    on: &impl Sql,
    creditor_id: &str,
    task_ids: impl Iterator<Item = &'t str>,
) -> Result<BTreeSet<String>> {
    let rows = on
        .query_rows(
            Rows::new().text("task_id", task_ids),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!("t.creditor_id = ${n} AND t.task_id = r.task_id");
                format!(
                    "SELECT t.task_id FROM {table} AS r {}",
                    on.lookup("task", "t", &same)
                )
            },
        )
        .await?;
    rows.iter().map(|row| Ok(column(row, "task_id")?)).collect()
}

/// Stores claim, outcome and note of a task: it holds the version before, which becomes the next one.
///
/// # Errors
/// `Contention` if it was changed meanwhile; otherwise those of the database.
pub async fn update(on: &impl Sql, task: &mut TaskRow) -> Result<()> {
    let changed = on
        .execute_sql(
            "UPDATE task SET claimed_by = $3, claimed_until = $4, outcome = $5, note = $6, version = version + 1 \
             WHERE creditor_id = $1 AND task_id = $2 AND version = $7",
            vec![
                task.creditor_id.as_str().into(),
                task.task_id.as_str().into(),
                task.claimed_by.as_str().into(),
                task.claimed_until.into(),
                outcome_name(task.outcome).into(),
                task.note.as_str().into(),
                task.version.into(),
            ],
        )
        .await?;
    if changed != 1 {
        return Err(Error::Contention(None));
    }
    task.version += 1;
    Ok(())
}

/// Reads a task.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str, task_id: &str) -> Result<Option<TaskRow>> {
    let sql =
        format!("SELECT {COLUMNS} FROM task AS t WHERE t.creditor_id = $1 AND t.task_id = $2");
    let row = on
        .query_one(&sql, vec![creditor_id.into(), task_id.into()])
        .await?;
    row.as_ref().map(task_row).transpose()
}

/// The open task of a slot.
///
/// # Errors
/// Those of the database.
pub async fn open(on: &impl Sql, creditor_id: &str, slot: &str) -> Result<Option<TaskRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM task AS t WHERE t.creditor_id = $1 AND t.slot = $2 AND t.outcome = ''"
    );
    let row = on
        .query_one(&sql, vec![creditor_id.into(), slot.into()])
        .await?;
    row.as_ref().map(task_row).transpose()
}

/// Lists tasks by priority, then age, after one, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    filter: Filter<'_>,
    after: Option<After<'_>>,
    limit: u64,
) -> Result<Vec<TaskRow>> {
    let open = if filter.completed {
        ""
    } else {
        " AND t.outcome = ''"
    };
    let of_debtor = if filter.debtor_id.is_empty() {
        "$4 = '' AND $9 < 0"
    } else {
        "t.part = $9 AND t.debtor_id = $4"
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM task AS t WHERE t.creditor_id = $1{open} AND ($2 = '' OR t.kind = $2) \
         AND ($3 = '' OR t.portfolio = $3) AND {of_debtor} AND t.priority <= $5 \
         AND (t.priority < $5 OR (t.created_at, t.task_id) > ($6, $7)) \
         ORDER BY t.priority DESC, t.created_at, t.task_id LIMIT $8"
    );
    let kind = match filter.kind {
        TaskKind::Unspecified => "",
        kind => kind_name(kind),
    };
    let (priority, created_at, task_id) = after.unwrap_or((i64::MAX, -1, ""));
    let values = vec![
        filter.creditor_id.into(),
        kind.into(),
        filter.portfolio.into(),
        filter.debtor_id.into(),
        priority.into(),
        created_at.into(),
        task_id.into(),
        cap(limit).into(),
        partition(filter.creditor_id, filter.debtor_id).into(),
    ];
    task_rows(&on.query(&sql, values).await?)
}

/// Tasks of a partition for the snapshot of the feed, by creditor, debtor and id.
///
/// # Errors
/// Those of the database.
pub async fn page(
    on: &impl Sql,
    part: i64,
    after: (&str, &str, &str),
    limit: u64,
) -> Result<Vec<TaskRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM task AS t WHERE t.part = $1 \
         AND (t.creditor_id, t.debtor_id, t.task_id) > ($2, $3, $4) \
         ORDER BY t.creditor_id, t.debtor_id, t.task_id LIMIT $5"
    );
    let values = vec![
        part.into(),
        after.0.into(),
        after.1.into(),
        after.2.into(),
        cap(limit).into(),
    ];
    task_rows(&on.query(&sql, values).await?)
}

/// Kinds as text, in stored answers.
mod named {
    use mahnwerk_proto::dunning::v1::TaskKind;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(kind: &TaskKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(super::kind_name(*kind))
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<TaskKind, D::Error> {
        super::kind_of(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Outcomes as text, in stored answers.
mod named_outcome {
    use mahnwerk_proto::dunning::v1::TaskOutcome;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(
        outcome: &Option<TaskOutcome>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(super::outcome_name(*outcome))
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<TaskOutcome>, D::Error> {
        super::outcome_of(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
