//! What has become known of debtors whose notices wait to be sent: the spans that a withdrawal links to.

use std::collections::BTreeSet;

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
};

/// Room for sixteen trace contexts in a notice; what becomes known beyond is not linked to.
const MOST: usize = 16 * 56;

/// Adds a trace context to the released notices of debtors, which must be locked: creditor, debtor and partition.
///
/// # Errors
/// Those of the database.
pub async fn add_cause(
    on: &impl Sql,
    debtors: &BTreeSet<(&str, &str, i64)>,
    traceparent: &str,
) -> Result<()> {
    let each = || debtors.iter();
    let rows = Rows::new()
        .text("creditor_id", each().map(|(creditor_id, ..)| *creditor_id))
        .text("debtor_id", each().map(|(_, debtor_id, _)| *debtor_id))
        .int("part", each().map(|(.., part)| *part));
    on.execute_rows(rows, vec![traceparent.into()], |table, n| {
        let waiting = "w.part = r.part AND w.creditor_id = r.creditor_id AND w.debtor_id = r.debtor_id \
                       AND w.state = 'RELEASED'";
        format!(
            "UPDATE notice SET causes = causes || ${n} || ' ' WHERE (creditor_id, notice_id) IN \
             (SELECT w.creditor_id, w.notice_id FROM {table} AS r {}) AND length(causes) < {MOST}",
            on.lookup("notice", "w", waiting)
        )
    })
    .await?;
    Ok(())
}

/// The trace contexts of notices of a creditor, each once.
///
/// # Errors
/// Those of the database.
pub async fn causes(
    on: &impl Sql,
    creditor_id: &str,
    notice_ids: &[&str],
) -> Result<BTreeSet<String>> {
    let rows = on
        .query_rows(
            Rows::new().text("notice_id", notice_ids.iter().copied()),
            vec![creditor_id.into()],
            |table, n| {
                let found = on.lookup(
                    "notice",
                    "n",
                    &format!("n.creditor_id = ${n} AND n.notice_id = r.notice_id"),
                );
                format!("SELECT n.causes FROM {table} AS r {found}")
            },
        )
        .await?;
    let mut all = BTreeSet::new();
    for row in &rows {
        let causes: String = column(row, "causes")?;
        all.extend(causes.split_whitespace().map(str::to_owned));
    }
    Ok(all)
}
