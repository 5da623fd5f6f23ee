//! Half-years, the periods for which base and reference rates are published.

use std::fmt;

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

/// A calendar half-year: January to June or July to December. Written `2026-H2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HalfYear {
    year: i32,
    half: i32,
}

impl HalfYear {
    /// The half-year of a date.
    #[must_use]
    pub fn of(date: NaiveDate) -> Self {
        Self {
            year: date.year(),
            half: if date.month() <= 6 { 1 } else { 2 },
        }
    }

    /// The half-year written so: four digits, `-H`, `1` or `2`. `None` otherwise.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, half) = text.split_once("-H")?;
        let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
        let half = match half {
            "1" => 1,
            "2" => 2,
            _ => return None,
        };
        let year = year.parse().ok().filter(|_| is_year)?;
        Some(Self { year, half })
    }

    /// Its last day.
    pub(super) fn last_day(self) -> NaiveDate {
        let (month, day) = if self.half == 1 { (6, 30) } else { (12, 31) };
        // Dates of claims are bounded, so every half-year asked for is far from the end of the calendar.
        NaiveDate::from_ymd_opt(self.year, month, day).unwrap_or(NaiveDate::MAX)
    }

    /// How many half-years after the other one it is; negative before.
    pub(super) fn distance(self, other: Self) -> i32 {
        (self.year - other.year) * 2 + self.half - other.half
    }
}

impl TryFrom<String> for HalfYear {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a half-year is written like 2026-H2")
    }
}

impl fmt::Display for HalfYear {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-H{}", self.year, self.half)
    }
}

impl fmt::Debug for HalfYear {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
