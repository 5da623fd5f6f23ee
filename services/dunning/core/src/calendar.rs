//! Business days, as the service states them for a creditor.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

use crate::violation::{Violation, Violations};

/// Longest way to the next business day, in days. A calendar with a longer closure is refused.
const LONGEST_CLOSURE: u64 = 30;

/// Most holidays of a calendar: three hundred years of thirty.
const MAX_HOLIDAYS: usize = 10_000;

/// Which days are business days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusinessCalendar {
    /// Key of the calendar, as inputs name it.
    pub id: String,
    /// Days of the week on which nobody works; at most six.
    pub weekend: BTreeSet<DayOfWeek>,
    /// Further days on which nobody works.
    pub holidays: BTreeSet<NaiveDate>,
}

/// A day of the week. chrono's own type has no order, and so no set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayOfWeek {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl DayOfWeek {
    /// The day of the week of a date.
    #[must_use]
    pub fn of(date: NaiveDate) -> Self {
        match date.weekday() {
            Weekday::Mon => Self::Monday,
            Weekday::Tue => Self::Tuesday,
            Weekday::Wed => Self::Wednesday,
            Weekday::Thu => Self::Thursday,
            Weekday::Fri => Self::Friday,
            Weekday::Sat => Self::Saturday,
            Weekday::Sun => Self::Sunday,
        }
    }
}

impl BusinessCalendar {
    /// A calendar with Saturday and Sunday as weekend.
    pub fn weekdays(id: impl Into<String>, holidays: impl IntoIterator<Item = NaiveDate>) -> Self {
        Self {
            id: id.into(),
            weekend: [DayOfWeek::Saturday, DayOfWeek::Sunday].into(),
            holidays: holidays.into_iter().collect(),
        }
    }

    /// Checks that a business day is always near.
    ///
    /// # Errors
    ///
    /// Every violation.
    pub fn validate(&self) -> Result<(), Vec<Violation>> {
        let mut violations = Violations::default();
        violations.key("id", &self.id);
        violations.require(
            self.weekend.len() <= 6,
            "weekend",
            "must leave a day to work",
        );
        let bounded = self.holidays.len() <= MAX_HOLIDAYS;
        violations.require(bounded, "holidays", "must be at most 10000");
        let reachable = self.weekend.len() > 6
            || !bounded
            || self.holidays.iter().all(|day| {
                (0..=LONGEST_CLOSURE)
                    .filter_map(|days| day.checked_add_days(Days::new(days)))
                    .any(|candidate| self.is_business_day(candidate))
            });
        violations.require(
            reachable,
            "holidays",
            "must leave a business day in 30 days",
        );
        violations.into_result()
    }

    /// Whether somebody works on the date.
    #[must_use]
    pub fn is_business_day(&self, date: NaiveDate) -> bool {
        !self.weekend.contains(&DayOfWeek::of(date)) && !self.holidays.contains(&date)
    }

    /// The date itself if it is a business day, else the next one.
    #[must_use]
    pub fn on_or_after(&self, date: NaiveDate) -> NaiveDate {
        (0..=LONGEST_CLOSURE)
            .filter_map(|days| date.checked_add_days(Days::new(days)))
            .find(|candidate| self.is_business_day(*candidate))
            .unwrap_or(date)
    }

    /// The first business day after the date.
    #[must_use]
    pub fn next_after(&self, date: NaiveDate) -> NaiveDate {
        self.on_or_after(plus_days(date, 1))
    }

    /// The date until which a notice of `date` is to be paid: so many calendar days later, moved forward, never back,
    /// to a business day.
    #[must_use]
    pub fn pay_by(&self, date: NaiveDate, days: u16) -> NaiveDate {
        self.on_or_after(plus_days(date, i64::from(days)))
    }
}

/// The date so many days later; the last date there is where that is beyond all dates.
#[must_use]
pub(crate) fn plus_days(date: NaiveDate, days: i64) -> NaiveDate {
    u64::try_from(days)
        .ok()
        .and_then(|days| date.checked_add_days(Days::new(days)))
        .unwrap_or(if days > 0 { NaiveDate::MAX } else { date })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_pay_by_date_moves_forward_over_weekend_and_holidays() {
        let calendar = BusinessCalendar::weekdays("de", [day("2026-04-03"), day("2026-04-06")]);
        // 2026-04-03 is Good Friday, 2026-04-06 Easter Monday.
        assert_eq!(calendar.pay_by(day("2026-03-20"), 14), day("2026-04-07"));
        assert_eq!(calendar.pay_by(day("2026-03-19"), 14), day("2026-04-02"));
        assert_eq!(calendar.next_after(day("2026-04-02")), day("2026-04-07"));
    }

    #[test]
    fn a_calendar_without_business_days_is_refused_with_every_reason() {
        let all: BTreeSet<_> = (0..7)
            .map(|days| DayOfWeek::of(plus_days(day("2026-01-05"), days)))
            .collect();
        let calendar = BusinessCalendar {
            id: String::new(),
            weekend: all,
            holidays: BTreeSet::new(),
        };
        let fields: Vec<_> = calendar.validate().unwrap_err();
        let fields: Vec<_> = fields.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["id", "weekend"]);
        let closed = (0..40).map(|days| plus_days(day("2026-01-01"), days));
        assert!(BusinessCalendar::weekdays("x", closed).validate().is_err());
    }
}
