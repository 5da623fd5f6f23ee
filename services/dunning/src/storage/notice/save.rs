//! Writing notices, and the steps that they hold.

use mahnwerk_runtime::{
    db::{Rows, Sql, now_micros},
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
    take_steps(on, notices).await
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
                 lease = {now} + r.hold, next_at = {now} + r.wait FROM {table} AS r \
                 WHERE notice.creditor_id = r.creditor_id AND notice.notice_id = r.notice_id \
                 AND notice.version = r.version"
            )
        })
        .await?;
    if changed != notices.len() as u64 {
        return Err(Error::Contention(None));
    }
    on.execute_rows(keys(notices), vec![], |table, _| {
        format!(
            "DELETE FROM notice_step WHERE (creditor_id, notice_id) IN \
             (SELECT r.creditor_id, r.notice_id FROM {table} AS r)"
        )
    })
    .await?;
    take_steps(on, notices).await?;
    for notice in notices {
        notice.version += 1;
    }
    Ok(())
}

fn keys(notices: &[NoticeRow]) -> Rows {
    Rows::new()
        .text(
            "creditor_id",
            notices.iter().map(|row| row.creditor_id.as_str()),
        )
        .text(
            "notice_id",
            notices.iter().map(|row| row.notice_id.as_str()),
        )
}

/// Everything that may change.
fn changing(notices: &[NoticeRow]) -> Result<Rows> {
    let json = |value: &dyn Fn(&NoticeRow) -> Result<String>| {
        notices.iter().map(value).collect::<Result<Vec<_>>>()
    };
    let each = notices.iter();
    Ok(keys(notices)
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

async fn take_steps(on: &impl Sql, notices: &[NoticeRow]) -> Result<()> {
    let steps = || {
        let holding = notices.iter().filter(|row| row.holds_steps());
        holding.flat_map(|row| row.content.items.iter().map(move |item| (row, item)))
    };
    let rows = Rows::new()
        .text(
            "creditor_id",
            steps().map(|(row, _)| row.creditor_id.as_str()),
        )
        .text("notice_id", steps().map(|(row, _)| row.notice_id.as_str()))
        .text("item_id", steps().map(|(_, item)| item.item_id.as_str()))
        .int("cycle", steps().map(|(_, item)| i64::from(item.cycle)))
        .int("level", steps().map(|(_, item)| i64::from(item.level)));
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO notice_step (creditor_id, item_id, cycle, level, notice_id) \
             SELECT r.creditor_id, r.item_id, r.cycle, r.level, r.notice_id FROM {table} AS r"
        )
    })
    .await?;
    Ok(())
}
