//! Exchange rates.

use chrono::NaiveDate;
use mahnwerk_runtime::{
    db::{Sql, column},
    error::Result,
};
use registry_core::{creditor::FxRate, currency::Currency};
use sea_orm::QueryResult;

use super::{day, day_number, named};

const COLUMNS: &str = "creditor_id, base_currency, quote_currency, rate_date, numerator, denominator, source, version";

/// The rate of a pair for exactly this date.
///
/// # Errors
/// Those of the database.
pub async fn get(
    on: &impl Sql,
    creditor_id: &str,
    base: Currency,
    quote: Currency,
    date: NaiveDate,
) -> Result<Option<FxRate>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM fx_rate \
         WHERE creditor_id = $1 AND base_currency = $2 AND quote_currency = $3 AND rate_date = $4"
    );
    let key = vec![
        creditor_id.into(),
        base.code().into(),
        quote.code().into(),
        day_number(date).into(),
    ];
    let row = on.query_one(&sql, key).await?;
    row.as_ref().map(read).transpose()
}

/// Where a list of rates goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FxRateKey {
    /// The creditor.
    pub creditor_id: String,
    /// Code of the base currency.
    pub base: String,
    /// Code of the quote currency.
    pub quote: String,
    /// Day number of the date.
    pub day: i64,
}

impl FxRateKey {
    /// The key of a rate.
    #[must_use]
    pub fn of(rate: &FxRate) -> Self {
        Self {
            creditor_id: rate.creditor_id.clone(),
            base: rate.base.code().to_owned(),
            quote: rate.quote.code().to_owned(),
            day: day_number(rate.date),
        }
    }

    /// Before all rates of a creditor.
    #[must_use]
    pub fn before(creditor_id: &str) -> Self {
        Self {
            creditor_id: creditor_id.to_owned(),
            base: String::new(),
            quote: String::new(),
            day: i64::MIN,
        }
    }
}

/// At most `limit` rates of one creditor, by pair and date, after `after`.
///
/// # Errors
/// Those of the database.
pub async fn list(on: &impl Sql, after: &FxRateKey, limit: u64) -> Result<Vec<FxRate>> {
    select(on, "creditor_id = $1 AND", after, limit).await
}

/// At most `limit` rates of all creditors, by creditor, pair and date, after `after`.
///
/// # Errors
/// Those of the database.
pub async fn list_all(on: &impl Sql, after: &FxRateKey, limit: u64) -> Result<Vec<FxRate>> {
    select(on, "", after, limit).await
}

async fn select(
    on: &impl Sql,
    filter: &'static str,
    after: &FxRateKey,
    limit: u64,
) -> Result<Vec<FxRate>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM fx_rate \
         WHERE {filter} (creditor_id, base_currency, quote_currency, rate_date) > ($1, $2, $3, $4) \
         ORDER BY creditor_id, base_currency, quote_currency, rate_date LIMIT $5"
    );
    let values = vec![
        after.creditor_id.as_str().into(),
        after.base.as_str().into(),
        after.quote.as_str().into(),
        after.day.into(),
        limit.cast_signed().into(),
    ];
    on.query(&sql, values).await?.iter().map(read).collect()
}

/// Stores a rate, new or changed. The lock of its creditor must be held.
///
/// # Errors
/// Those of the database.
pub async fn save(on: &impl Sql, rate: &FxRate) -> Result<()> {
    let sql = format!(
        "INSERT INTO fx_rate ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (creditor_id, base_currency, quote_currency, rate_date) DO UPDATE SET \
         numerator = excluded.numerator, denominator = excluded.denominator, source = excluded.source, \
         version = excluded.version"
    );
    let values = vec![
        rate.creditor_id.as_str().into(),
        rate.base.code().into(),
        rate.quote.code().into(),
        day_number(rate.date).into(),
        rate.numerator.into(),
        rate.denominator.into(),
        rate.source.as_str().into(),
        rate.version.into(),
    ];
    on.execute_sql(&sql, values).await?;
    Ok(())
}

fn read(row: &QueryResult) -> Result<FxRate> {
    Ok(FxRate {
        creditor_id: column(row, "creditor_id")?,
        base: named(row, "base_currency", Currency::parse)?,
        quote: named(row, "quote_currency", Currency::parse)?,
        date: day(row, "rate_date")?,
        numerator: column(row, "numerator")?,
        denominator: column(row, "denominator")?,
        source: column(row, "source")?,
        version: column(row, "version")?,
    })
}
