//! The timeline: the headers of a debtor's events, which outlive their payloads.

use chrono::NaiveDate;
use mahnwerk_runtime::{
    clock::Micros,
    db::{Sql, column},
    error::Result,
};

use super::opt_day;

/// One recorded change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Order of recording.
    pub seq: i64,
    /// When it was recorded.
    pub recorded_at: Micros,
    /// The creditor's business date then.
    pub business_date: Option<NaiveDate>,
    /// What kind of thing changed.
    pub entity: String,
    /// Its key.
    pub entity_id: String,
    /// What was done.
    pub action: String,
    /// Version of the entity after the change.
    pub version: i64,
    /// Who did it.
    pub principal: String,
    /// The request id of the cause; empty without one.
    pub request_id: String,
}

/// At most `limit` changes of a debtor before `before`, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    before: i64,
    limit: u64,
) -> Result<Vec<TimelineEntry>> {
    let rows = on
        .query(
            "SELECT seq, recorded_at, business_date, entity, entity_id, action, version, principal, request_id \
             FROM event WHERE creditor_id = $1 AND debtor_id = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4",
            vec![
                creditor_id.into(),
                debtor_id.into(),
                before.into(),
                limit.cast_signed().into(),
            ],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(TimelineEntry {
                seq: column(row, "seq")?,
                recorded_at: column(row, "recorded_at")?,
                business_date: opt_day(row, "business_date")?,
                entity: column(row, "entity")?,
                entity_id: column(row, "entity_id")?,
                action: column(row, "action")?,
                version: column(row, "version")?,
                principal: column(row, "principal")?,
                request_id: column(row, "request_id")?,
            })
        })
        .collect()
}
