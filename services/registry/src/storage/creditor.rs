//! Creditors.

use mahnwerk_runtime::{
    db::{Sql, column},
    error::Result,
};
use registry_core::{
    calendar::Calendar,
    creditor::{BusinessDayMode, Creditor},
    currency::Currency,
    money::Money,
};
use sea_orm::QueryResult;

use super::{day_number, named, opt_day};

const COLUMNS: &str = "creditor_id, display_name, time_zone, calendar, reporting_currency, business_day_mode, \
    business_date, last_bank_import, write_off_above, version";

/// A creditor.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str) -> Result<Option<Creditor>> {
    let sql = format!("SELECT {COLUMNS} FROM creditor WHERE creditor_id = $1");
    let row = on.query_one(&sql, vec![creditor_id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// At most `limit` creditors by id, after `after`.
///
/// # Errors
/// Those of the database.
pub async fn list(on: &impl Sql, after: &str, limit: u64) -> Result<Vec<Creditor>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM creditor WHERE creditor_id > $1 ORDER BY creditor_id LIMIT $2"
    );
    let rows = on
        .query(&sql, vec![after.into(), limit.cast_signed().into()])
        .await?;
    rows.iter().map(read).collect()
}

/// Stores a creditor, new or changed. Its lock must be held.
///
/// # Errors
/// Those of the database.
pub async fn save(on: &impl Sql, creditor: &Creditor) -> Result<()> {
    on.execute_sql(
        "INSERT INTO creditor (creditor_id, display_name, time_zone, calendar, reporting_currency, \
         business_day_mode, business_date, last_bank_import, write_off_above, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (creditor_id) DO UPDATE SET display_name = excluded.display_name, \
         time_zone = excluded.time_zone, calendar = excluded.calendar, \
         business_day_mode = excluded.business_day_mode, business_date = excluded.business_date, \
         last_bank_import = excluded.last_bank_import, write_off_above = excluded.write_off_above, \
         version = excluded.version",
        vec![
            creditor.creditor_id.as_str().into(),
            creditor.display_name.as_str().into(),
            creditor.time_zone.as_str().into(),
            creditor.calendar.name().into(),
            creditor.reporting_currency.code().into(),
            creditor.business_day_mode.name().into(),
            creditor.business_date.map(day_number).into(),
            creditor.last_bank_import.map(day_number).into(),
            creditor.write_off_above.map(|above| above.minor).into(),
            creditor.version.into(),
        ],
    )
    .await?;
    Ok(())
}

fn read(row: &QueryResult) -> Result<Creditor> {
    let reporting_currency = named(row, "reporting_currency", Currency::parse)?;
    let above: Option<i64> = column(row, "write_off_above")?;
    Ok(Creditor {
        creditor_id: column(row, "creditor_id")?,
        display_name: column(row, "display_name")?,
        time_zone: column(row, "time_zone")?,
        calendar: named(row, "calendar", Calendar::parse)?,
        reporting_currency,
        business_day_mode: named(row, "business_day_mode", BusinessDayMode::parse)?,
        business_date: opt_day(row, "business_date")?,
        last_bank_import: opt_day(row, "last_bank_import")?,
        write_off_above: above.map(|minor| Money::new(reporting_currency, minor)),
        version: column(row, "version")?,
    })
}
