//! The days of the demo. It ends on a fixed date, so that no clock is read and every run is the same.

use chrono::{Datelike as _, Days, Months, NaiveDate};
use registry_core::calendar::Calendar;

/// The calendar of the demo's creditor.
pub(crate) const CALENDAR: Calendar = Calendar::Target;

/// Months at the end that show whether the scores were right.
pub(crate) const OUTCOME_MONTHS: u32 = 6;

/// The business days of the demo.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    /// All business days, in order; never empty.
    pub(crate) days: Vec<NaiveDate>,
    /// The scores of this day are compared with what happened from it on.
    pub(crate) cut: NaiveDate,
}

impl Period {
    /// So many months before 2026-01-01.
    pub(crate) fn new(months: u32) -> Self {
        let end = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or(NaiveDate::MAX);
        let start = end - Months::new(months);
        let cut = on_or_after(end - Months::new(OUTCOME_MONTHS));
        let days = start
            .iter_days()
            .take_while(|day| *day < end)
            .filter(|day| CALENDAR.is_business_day(*day))
            .collect();
        Self { days, cut }
    }

    /// The first day.
    pub(crate) fn first(&self) -> NaiveDate {
        self.days.first().copied().unwrap_or(self.cut)
    }

    /// The last day.
    pub(crate) fn last(&self) -> NaiveDate {
        self.days.last().copied().unwrap_or(self.cut)
    }

    /// Whether it is the first business day of its month.
    pub(crate) fn opens_month(&self, day: NaiveDate) -> bool {
        let before = CALENDAR.latest_business_day_on_or_before(plus(day, -1));
        before.month() != day.month()
    }

    /// Whether it is the last business day of its month.
    pub(crate) fn closes_month(&self, day: NaiveDate) -> bool {
        on_or_after(plus(day, 1)).month() != day.month()
    }

    /// The last calendar day of every month of the period.
    pub(crate) fn month_ends(&self) -> Vec<NaiveDate> {
        let mut ends = Vec::new();
        let mut day = month_end(self.first());
        while day <= month_end(self.last()) {
            ends.push(day);
            day = month_end(plus(day, 1));
        }
        ends
    }
}

/// The date so many days later, or earlier.
pub(crate) fn plus(date: NaiveDate, days: i64) -> NaiveDate {
    let distance = Days::new(days.unsigned_abs());
    let moved = if days < 0 {
        date.checked_sub_days(distance)
    } else {
        date.checked_add_days(distance)
    };
    moved.unwrap_or(date)
}

/// The date itself if it is a business day, else the next one.
pub(crate) fn on_or_after(date: NaiveDate) -> NaiveDate {
    CALENDAR.next_business_day_after(plus(date, -1))
}

/// The last calendar day of the month.
pub(crate) fn month_end(date: NaiveDate) -> NaiveDate {
    let first_of_next = date.with_day(1).unwrap_or(date) + Months::new(1);
    plus(first_of_next, -1)
}

/// Months of 30.4 days between two dates, rounded towards zero.
pub(crate) fn months_between(from: NaiveDate, to: NaiveDate) -> i64 {
    (to - from).num_days() * 10 / 304
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighteen_months_end_with_the_last_business_day_of_2025() {
        let period = Period::new(18);
        assert_eq!(period.first().to_string(), "2024-07-01");
        assert_eq!(period.last().to_string(), "2025-12-31");
        assert_eq!(period.cut.to_string(), "2025-07-01");
        assert_eq!(period.month_ends().len(), 18);
        assert!(period.days.len() > 370, "{}", period.days.len());
    }

    #[test]
    fn a_month_is_opened_by_its_first_business_day_only() {
        let period = Period::new(18);
        let openers = period
            .days
            .iter()
            .filter(|day| period.opens_month(**day))
            .count();
        assert_eq!(openers, 18);
    }
}
