//! Writing notices, and the steps that they hold.

use std::collections::BTreeSet;

use mahnwerk_runtime::{
    db::{Rows, Sql, column, now_micros},
    error::{Error, Result},
};
use sea_orm::ConnectionTrait as _;

use super::{NoticeRow, state_name};
use crate::storage::{day_number, run::to_json};

/// Stores new notices and takes their steps.
///
/// # Errors
/// If a step is taken already; otherwise those of the database.
pub async fn insert(on: &impl Sql, notices: &[NoticeRow]) -> Result<()> {
    let each = notices.iter();
    let rows = changing(notices)?
        .text("run_id", each.clone().map(|row| row.run_id.as_str()))
        .text("debtor_id", each.clone().map(|row| row.debtor_id.as_str()))
        .int("part", each.clone().map(|row| row.part))
        .text(
            "procedure_id",
            each.clone().map(|row| row.procedure.id.as_str()),
        )
        .int(
            "procedure_revision",
            each.clone().map(|row| i64::from(row.procedure.revision)),
        )
        .text("language", each.map(|row| row.language.as_str()));
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO notice (creditor_id, notice_id, run_id, debtor_id, part, state, content, procedure_id, \
             procedure_revision, notice_date, language, attempt, message_id, reason, findings, before, tried, sent_at, \
             pay_by, version, lease, next_at) SELECT r.creditor_id, r.notice_id, r.run_id, r.debtor_id, r.part, r.state, \
             r.content, r.procedure_id, r.procedure_revision, r.notice_date, r.language, r.attempt, r.message_id, \
             r.reason, r.findings, r.before, r.tried, r.sent_at, r.pay_by, r.version, 0, 0 FROM {table} AS r"
        )
    })
    .await?;
    take_steps(on, steps_of(notices).iter()).await
}

/// Stores changed notices: each holds the version before, which becomes the next one.
///
/// # Errors
/// `Contention` if one was changed meanwhile: nothing may be committed then; otherwise those of the database.
pub async fn update(on: &impl Sql, notices: &mut [NoticeRow]) -> Result<()> {
    let now = now_micros(on.on().get_database_backend());
    let each = notices.iter();
    let rows = changing(notices)?
        .int("hold", each.clone().map(|row| row.hold))
        .int("wait", each.map(|row| row.wait));
    let changed = on
        .execute_rows(rows, vec![], |table, _| {
            format!(
                "UPDATE notice SET state = r.state, content = r.content, notice_date = r.notice_date, \
                 attempt = r.attempt, message_id = r.message_id, reason = r.reason, findings = r.findings, \
                 before = r.before, tried = r.tried, sent_at = r.sent_at, pay_by = r.pay_by, version = r.version + 1, \
                 lease = {now} + r.hold, next_at = {now} + r.wait FROM {table} AS r {SAME}"
            )
        })
        .await?;
    as_many(changed, notices)?;
    let (held, wanted) = (held_steps(on, notices).await?, steps_of(notices));
    on.execute_rows(step_rows(held.difference(&wanted)), vec![], |table, _| {
        format!(
            "DELETE FROM notice_step WHERE (creditor_id, item_id, cycle, level) IN \
             (SELECT r.creditor_id, r.item_id, r.cycle, r.level FROM {table} AS r)"
        )
    })
    .await?;
    take_steps(on, wanted.difference(&held)).await?;
    for notice in notices {
        notice.version += 1;
    }
    Ok(())
}

/// Stores the state of notices, and the reason for it, of which nothing else has changed, and that are to be taken up at
/// once; as [`update`] does, but for the sake of large runs nothing more.
///
/// # Errors
/// Those of [`update`].
pub async fn update_states(on: &impl Sql, notices: &mut [NoticeRow]) -> Result<()> {
    let now = now_micros(on.on().get_database_backend());
    let each = notices.iter();
    let rows = keys(each.clone())
        .text("state", each.clone().map(|row| state_name(row.state)))
        .text("reason", each.clone().map(|row| row.reason.as_str()))
        .int("version", each.map(|row| row.version));
    let changed = on
        .execute_rows(rows, vec![], |table, _| {
            format!(
                "UPDATE notice SET state = r.state, reason = r.reason, version = r.version + 1, lease = 0, \
                 next_at = {now} FROM {table} AS r {SAME}"
            )
        })
        .await?;
    as_many(changed, notices)?;
    let free = notices.iter().filter(|row| !row.holds_steps());
    on.execute_rows(keys(free), vec![], |table, _| {
        format!(
            "DELETE FROM notice_step WHERE (creditor_id, notice_id) IN \
             (SELECT r.creditor_id, r.notice_id FROM {table} AS r)"
        )
    })
    .await?;
    for notice in notices {
        notice.version += 1;
    }
    Ok(())
}

/// Has notices that wait to be sent taken up later, each after so many microseconds. Nothing else changes.
///
/// # Errors
/// Those of the database.
pub async fn put_off(on: &impl Sql, creditor_id: &str, notices: &[(String, i64)]) -> Result<()> {
    let now = now_micros(on.on().get_database_backend());
    let rows = Rows::new()
        .text("notice_id", notices.iter().map(|(id, _)| id.as_str()))
        .int("wait", notices.iter().map(|(_, wait)| *wait));
    on.execute_rows(rows, vec![creditor_id.into()], |table, n| {
        format!(
            "UPDATE notice SET lease = 0, next_at = {now} + r.wait FROM {table} AS r \
             WHERE notice.creditor_id = ${n} AND notice.notice_id = r.notice_id AND notice.state = 'RELEASED'"
        )
    })
    .await?;
    Ok(())
}

/// Has everything that waits to be sent taken up now.
///
/// # Errors
/// Those of the database.
pub async fn hurry(on: &impl Sql, creditor_id: &str) -> Result<()> {
    let now = now_micros(on.on().get_database_backend());
    let sql = format!(
        "UPDATE notice SET next_at = {now} WHERE creditor_id = $1 AND state = 'RELEASED' AND next_at > {now}"
    );
    on.execute_sql(&sql, vec![creditor_id.into()]).await?;
    Ok(())
}

/// The notice of a row, as it was read.
const SAME: &str = "WHERE notice.creditor_id = r.creditor_id AND notice.notice_id = r.notice_id \
                    AND notice.version = r.version";

fn as_many(changed: u64, notices: &[NoticeRow]) -> Result<()> {
    if changed == notices.len() as u64 {
        Ok(())
    } else {
        Err(Error::Contention(None))
    }
}

fn keys<'n>(notices: impl Iterator<Item = &'n NoticeRow> + Clone) -> Rows {
    Rows::new()
        .text(
            "creditor_id",
            notices.clone().map(|row| row.creditor_id.as_str()),
        )
        .text("notice_id", notices.map(|row| row.notice_id.as_str()))
}

/// Everything that may change.
fn changing(notices: &[NoticeRow]) -> Result<Rows> {
    let json = |value: &dyn Fn(&NoticeRow) -> Result<String>| {
        notices.iter().map(value).collect::<Result<Vec<_>>>()
    };
    let each = notices.iter();
    Ok(keys(notices.iter())
        .text("state", each.clone().map(|row| state_name(row.state)))
        .text("content", json(&|row| to_json(&row.content))?)
        .int(
            "notice_date",
            each.clone().map(|row| day_number(row.notice_date)),
        )
        .int("attempt", each.clone().map(|row| row.attempt))
        .text(
            "message_id",
            each.clone().map(|row| row.message_id.as_str()),
        )
        .text("reason", each.clone().map(|row| row.reason.as_str()))
        .text("findings", json(&|row| to_json(&row.findings))?)
        .text("before", json(&|row| to_json(&row.before))?)
        .text("tried", json(&|row| to_json(&row.tried))?)
        .opt_int("sent_at", each.clone().map(|row| row.sent_at))
        .int(
            "pay_by",
            each.clone().map(|row| day_number(row.content.pay_by)),
        )
        .int("version", each.map(|row| row.version)))
}

/// A step with the notice that holds it. Ordered as its key is, so that many go into the table quickly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    creditor_id: String,
    item_id: String,
    cycle: i64,
    level: i64,
    notice_id: String,
}

/// The steps that notices are to hold.
fn steps_of(notices: &[NoticeRow]) -> BTreeSet<Step> {
    let holding = notices.iter().filter(|row| row.holds_steps());
    let steps = holding.flat_map(|row| {
        row.content.items.iter().map(|item| Step {
            creditor_id: row.creditor_id.clone(),
            notice_id: row.notice_id.clone(),
            item_id: item.item_id.clone(),
            cycle: i64::from(item.cycle),
            level: i64::from(item.level),
        })
    });
    steps.collect()
}

/// The steps that notices hold.
async fn held_steps(on: &impl Sql, notices: &[NoticeRow]) -> Result<BTreeSet<Step>> {
    let rows = on
        .query_rows(keys(notices.iter()), vec![], |table, _| {
            let found = on.lookup(
                "notice_step",
                "s",
                "s.creditor_id = r.creditor_id AND s.notice_id = r.notice_id",
            );
            format!(
                "SELECT s.creditor_id, s.notice_id, s.item_id, s.cycle, s.level FROM {table} AS r {found}"
            )
        })
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Step {
                creditor_id: column(row, "creditor_id")?,
                notice_id: column(row, "notice_id")?,
                item_id: column(row, "item_id")?,
                cycle: column(row, "cycle")?,
                level: column(row, "level")?,
            })
        })
        .collect()
}

fn step_rows<'s>(steps: impl Iterator<Item = &'s Step> + Clone) -> Rows {
    Rows::new()
        .text("creditor_id", steps.clone().map(|it| &*it.creditor_id))
        .text("notice_id", steps.clone().map(|it| &*it.notice_id))
        .text("item_id", steps.clone().map(|it| &*it.item_id))
        .int("cycle", steps.clone().map(|it| it.cycle))
        .int("level", steps.map(|it| it.level))
}

async fn take_steps(
    on: &impl Sql,
    steps: impl Iterator<Item = &Step> + Clone + Send,
) -> Result<()> {
    on.execute_rows(step_rows(steps), vec![], |table, _| {
        format!(
            "INSERT INTO notice_step (creditor_id, item_id, cycle, level, notice_id) \
             SELECT r.creditor_id, r.item_id, r.cycle, r.level, r.notice_id FROM {table} AS r"
        )
    })
    .await?;
    Ok(())
}
