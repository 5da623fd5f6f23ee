//! Pins: the latest of each debtor and scheme.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
};
use serde::{Deserialize, Serialize};

use super::{day_number, opt_day};

/// A pin as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinRow {
    /// The segment.
    pub segment_id: String,
    /// The last day on which it holds; `None` for no end.
    pub until: Option<NaiveDate>,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub principal: String,
}

/// Pins of debtors, by debtor and scheme.
///
/// # Errors
/// Those of the database.
pub async fn of_debtors(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<(String, String), PinRow>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!("p.creditor_id = ${n} AND p.debtor_id = r.debtor_id");
                format!(
                    "SELECT p.debtor_id, p.scheme_id, p.segment_id, p.until, p.reason, p.principal \
                     FROM {table} AS r {}",
                    on.lookup("pin", "p", &same)
                )
            },
        )
        .await?;
    rows.iter()
        .map(|row| {
            let key = (column(row, "debtor_id")?, column(row, "scheme_id")?);
            let pin = PinRow {
                segment_id: column(row, "segment_id")?,
                until: opt_day(column(row, "until")?)?,
                reason: column(row, "reason")?,
                principal: column(row, "principal")?,
            };
            Ok((key, pin))
        })
        .collect()
}

/// Stores a pin in the place of the one before.
///
/// # Errors
/// Those of the database.
pub async fn save(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    scheme_id: &str,
    pin: &PinRow,
) -> Result<()> {
    on.execute_sql(
        "INSERT INTO pin (creditor_id, debtor_id, scheme_id, segment_id, until, reason, principal) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (creditor_id, debtor_id, scheme_id) DO UPDATE SET \
         segment_id = excluded.segment_id, until = excluded.until, reason = excluded.reason, \
         principal = excluded.principal",
        vec![
            creditor_id.into(),
            debtor_id.into(),
            scheme_id.into(),
            pin.segment_id.as_str().into(),
            pin.until.map(day_number).into(),
            pin.reason.as_str().into(),
            pin.principal.as_str().into(),
        ],
    )
    .await?;
    Ok(())
}

/// Removes a pin; false if there was none.
///
/// # Errors
/// Those of the database.
pub async fn remove(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    scheme_id: &str,
) -> Result<bool> {
    let removed = on
        .execute_sql(
            "DELETE FROM pin WHERE creditor_id = $1 AND debtor_id = $2 AND scheme_id = $3",
            vec![creditor_id.into(), debtor_id.into(), scheme_id.into()],
        )
        .await?;
    Ok(removed > 0)
}
