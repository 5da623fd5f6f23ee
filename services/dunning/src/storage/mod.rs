//! SQL: rows to domain values and back. Functions take the pool or a transaction and decide nothing.

pub mod delivery;
pub mod facts;
pub mod measure;
pub mod notice;
pub mod outbox;
pub mod pause;
pub mod procedure;
pub mod projection;
pub mod run;
pub mod settings;
pub mod state;
pub mod task;

use chrono::{Datelike, NaiveDate};
use mahnwerk_runtime::error::{Error, Result};

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
