//! Where debtors have been.

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
};
use segmentation_core::assign::Source;

use super::{
    json, limit,
    membership::{MembershipRow, Placed, source_name, source_of},
    to_json,
};

/// A stay in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// The version of the membership with which it began.
    pub version: i64,
    /// The segment.
    pub segment_id: String,
    /// Day number on which the debtor entered.
    pub valid_from: i64,
    /// Day number on which it left; `None` if it is there.
    pub valid_to: Option<i64>,
    /// How it came there.
    pub source: Source,
    /// The placing that put it there.
    pub placed: Placed,
}

/// Ends the stays of debtors that moved, and begins the new ones, each on a day number.
///
/// # Errors
/// Those of the database.
pub async fn save(on: &impl Sql, moved: &[(&MembershipRow, i64)]) -> Result<()> {
    let each = || moved.iter().map(|(row, _)| *row);
    let keys = || {
        Rows::new()
            .text("creditor_id", each().map(|row| row.creditor_id.as_str()))
            .text("debtor_id", each().map(|row| row.debtor_id.as_str()))
            .text("scheme_id", each().map(|row| row.scheme_id.as_str()))
            .int("valid_from", moved.iter().map(|(_, day)| *day))
    };
    on.execute_rows(keys(), vec![], |table, _| {
        format!(
            "UPDATE membership_history SET valid_to = r.valid_from FROM {table} AS r \
             WHERE membership_history.creditor_id = r.creditor_id AND membership_history.debtor_id = r.debtor_id \
             AND membership_history.scheme_id = r.scheme_id AND membership_history.valid_to IS NULL"
        )
    })
    .await?;
    let placed = each().map(|row| to_json(&row.record.stay.placed));
    let rows = keys()
        .int("version", each().map(|row| row.version))
        .text("segment_id", each().map(|row| row.at().segment_id.as_str()))
        .text("source", each().map(|row| source_name(row.at().source)))
        .text("placed", placed.collect::<Result<Vec<_>>>()?);
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO membership_history (creditor_id, debtor_id, scheme_id, version, segment_id, valid_from, \
             source, placed) SELECT r.creditor_id, r.debtor_id, r.scheme_id, r.version, r.segment_id, r.valid_from, \
             r.source, r.placed FROM {table} AS r"
        )
    })
    .await?;
    Ok(())
}

/// The stays of a debtor in a scheme, newest first, before a version.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    scheme_id: &str,
    before: i64,
    most: u64,
) -> Result<Vec<Period>> {
    let rows = on
        .query(
            "SELECT version, segment_id, valid_from, valid_to, source, placed FROM membership_history \
             WHERE creditor_id = $1 AND debtor_id = $2 AND scheme_id = $3 AND version < $4 \
             ORDER BY version DESC LIMIT $5",
            vec![
                creditor_id.into(),
                debtor_id.into(),
                scheme_id.into(),
                before.into(),
                limit(most),
            ],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Period {
                version: column(row, "version")?,
                segment_id: column(row, "segment_id")?,
                valid_from: column(row, "valid_from")?,
                valid_to: column(row, "valid_to")?,
                source: source_of(&column::<String>(row, "source")?)?,
                placed: json(row, "placed")?,
            })
        })
        .collect()
}
