//! What no statute settles: how days are counted and where amounts are rounded.

use std::fmt;

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

/// How days and the year are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayCount {
    /// Calendar days over 366 for days in leap years and 365 for others.
    ActualActual,
    /// Calendar days over 365.
    #[serde(rename = "actual_365")]
    Actual365,
    /// Calendar days over 360.
    #[serde(rename = "actual_360")]
    Actual360,
    /// Months of 30 days over 360; a 31st counts as the 30th (30E/360).
    #[serde(rename = "thirty_360")]
    Thirty360,
}

impl DayCount {
    /// Days of the year that a day belongs to: 360, 365 or 366.
    pub(super) fn year_basis(self, date: NaiveDate) -> i64 {
        match self {
            Self::ActualActual if date.leap_year() => 366,
            Self::ActualActual | Self::Actual365 => 365,
            Self::Actual360 | Self::Thirty360 => 360,
        }
    }

    /// Days from `first` to `last`, both included. Counted by the position of each date, so that the days of two
    /// neighbouring stretches always add up to those of the whole.
    pub(super) fn days(self, first: NaiveDate, last: NaiveDate) -> i64 {
        self.position(last) - self.position(day_before(first))
    }

    fn position(self, date: NaiveDate) -> i64 {
        match self {
            Self::Thirty360 => {
                i64::from(date.year()) * 360
                    + i64::from(date.month0()) * 30
                    + i64::from(date.day().min(30))
            }
            Self::ActualActual | Self::Actual365 | Self::Actual360 => {
                i64::from(date.num_days_from_ce())
            }
        }
    }
}

/// Where amounts become whole minor units, always half up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Each line by itself.
    Line,
    /// The total once, and with compounding each year that is capitalised once; lines are rounded so that they add up.
    Total,
}

/// How a pack counts days and rounds. The packs' own are in [`super::LawPacks::conventions`]; a caller may use others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conventions {
    /// Days and year.
    pub day_count: DayCount,
    /// Whether the day of default bears interest itself.
    pub first_day_counts: bool,
    /// Whether the last day does: a payment reduces the principal from the day after on, and the day asked about counts.
    pub last_day_counts: bool,
    /// Where to round.
    pub rounding: Rounding,
}

impl fmt::Display for Conventions {
    /// `act/365, first day no, last day yes, total rounded`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day_count = match self.day_count {
            DayCount::ActualActual => "act/act",
            DayCount::Actual365 => "act/365",
            DayCount::Actual360 => "act/360",
            DayCount::Thirty360 => "30/360",
        };
        let answer = |counts| if counts { "yes" } else { "no" };
        let rounded = match self.rounding {
            Rounding::Line => "each line",
            Rounding::Total => "total",
        };
        write!(
            formatter,
            "{day_count}, first day {}, last day {}, {rounded} rounded",
            answer(self.first_day_counts),
            answer(self.last_day_counts)
        )
    }
}

/// The day before; dates of claims are bounded, so there always is one.
pub(super) fn day_before(date: NaiveDate) -> NaiveDate {
    date.pred_opt().unwrap_or(NaiveDate::MIN)
}

/// The day after; dates of claims are bounded, so there always is one.
pub(super) fn day_after(date: NaiveDate) -> NaiveDate {
    date.succ_opt().unwrap_or(NaiveDate::MAX)
}
