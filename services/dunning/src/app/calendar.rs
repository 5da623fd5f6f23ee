//! Business calendars by the names that creditors have them by.

use std::{collections::BTreeMap, sync::LazyLock};

use chrono::{Datelike, NaiveDate, Weekday};
use dunning_core::calendar::BusinessCalendar;
use mahnwerk_runtime::error::{Error, Result};
use registry_core::calendar::Calendar;

/// The years whose holidays are known; in others only weekends are.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2099;

static CALENDARS: LazyLock<BTreeMap<&str, BusinessCalendar>> = LazyLock::new(|| {
    Calendar::ALL
        .iter()
        .map(|calendar| (calendar.name(), listed(*calendar)))
        .collect()
});

/// The calendar of a name.
///
/// # Errors
/// `Internal` if it is not known here.
pub fn business_calendar(name: &str) -> Result<&'static BusinessCalendar> {
    CALENDARS
        .get(name)
        .ok_or_else(|| Error::internal("a business calendar that is not known here"))
}

fn listed(calendar: Calendar) -> BusinessCalendar {
    let first = NaiveDate::from_ymd_opt(*YEARS.start(), 1, 1);
    let days = first.into_iter().flat_map(|first| first.iter_days());
    let holidays = days
        .take_while(|day| YEARS.contains(&day.year()))
        .filter(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun))
        .filter(|day| !calendar.is_business_day(*day));
    BusinessCalendar::weekdays(calendar.name(), holidays)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_calendar_of_the_registry_is_listed_with_its_holidays() {
        for calendar in Calendar::ALL {
            let listed = business_calendar(calendar.name()).unwrap();
            assert!(listed.validate().is_ok(), "{}", calendar.name());
            let year = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().iter_days();
            for day in year.take(365) {
                assert_eq!(
                    listed.is_business_day(day),
                    calendar.is_business_day(day),
                    "{} {day}",
                    calendar.name()
                );
            }
        }
        assert!(business_calendar("MOON").is_err());
    }
}
