//! What the metrics tell.

use mahnwerk_runtime::{
    db::{Sql, column},
    error::Result,
};
use registry_core::creditor::BusinessDayMode;

use super::named;

/// The day number of the open business day that lies furthest back, by who opens them. There are few creditors, so they
/// are all looked at.
///
/// # Errors
/// Those of the database.
pub async fn oldest_business_days(on: &impl Sql) -> Result<Vec<(BusinessDayMode, i64)>> {
    let rows = on
        .query(
            "SELECT business_day_mode, min(business_date) AS oldest FROM creditor \
             WHERE business_date IS NOT NULL GROUP BY business_day_mode",
            vec![],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let mode = named(row, "business_day_mode", BusinessDayMode::parse)?;
            Ok((mode, column(row, "oldest")?))
        })
        .collect()
}
