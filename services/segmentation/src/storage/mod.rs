//! SQL: rows to domain values and back. Functions take the pool or a transaction and decide nothing.

pub mod activation;
pub mod facts;
pub mod history;
pub mod membership;
pub mod pin;
pub mod projection;
pub mod scheme;

use chrono::{Datelike, NaiveDate};
use mahnwerk_runtime::{
    db::column,
    error::{Error, Result},
};
use sea_orm::QueryResult;
use serde::{Serialize, de::DeserializeOwned};

/// 1970-01-01 in days of the common era.
const EPOCH: i32 = 719_163;

/// Days since 1970-01-01.
#[must_use]
pub fn day_number(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce() - EPOCH)
}

/// The date of a day number.
///
/// # Errors
/// `Internal` if there is no such date.
pub fn from_day(number: i64) -> Result<NaiveDate> {
    i32::try_from(number)
        .ok()
        .and_then(|number| number.checked_add(EPOCH))
        .and_then(NaiveDate::from_num_days_from_ce_opt)
        .ok_or_else(|| Error::internal("a day number is not a date"))
}

/// The date of a day number that may be absent.
///
/// # Errors
/// As [`from_day`].
pub fn opt_day(number: Option<i64>) -> Result<Option<NaiveDate>> {
    number.map(from_day).transpose()
}

/// A value as JSON text.
///
/// # Errors
/// `Internal` if it cannot be encoded.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(Box::new(error)))
}

/// A value from a column of JSON text.
fn json<T: DeserializeOwned>(row: &QueryResult, name: &str) -> Result<T> {
    from_json(&column::<String>(row, name)?)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Internal(Box::new(error)))
}

/// A number from a column that holds small ones.
fn small(row: &QueryResult, name: &str) -> Result<i32> {
    i32::try_from(column::<i64>(row, name)?)
        .map_err(|_| Error::internal(format!("column {name} is out of range")))
}

/// A limit as a parameter.
fn limit(number: u64) -> sea_orm::Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}
