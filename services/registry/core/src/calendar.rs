//! Business days.
//!
//! Saturdays and Sundays are never business days. Holidays are computed by the rules in force in 2026, for all years;
//! exceptions are noted. Only holidays of the whole country count, never those of a region.
//!
//! | Calendar | Fixed | By Easter Sunday |
//! |---|---|---|
//! | `WEEKDAYS` | – | – |
//! | `TARGET` (closing days of T2, ECB) | 1 Jan, 1 May, 25 and 26 Dec | −2, +1 |
//! | `DE` | 1 Jan, 1 May, 3 Oct, 25 and 26 Dec; 31 Oct in 2017 only | −2, +1, +39, +50 |
//! | `AT` | 1 and 6 Jan, 1 May, 15 Aug, 26 Oct, 1 Nov, 8, 25 and 26 Dec | +1, +39, +50, +60 |
//! | `NL` | 1 Jan, King's Day, 5 May in years divisible by five, 25 and 26 Dec | −2, +1, +39, +50 |
//! | `BE` | 1 Jan, 1 May, 21 Jul, 15 Aug, 1 and 11 Nov, 25 Dec | +1, +39, +50 |
//!
//! Offsets: −2 Good Friday, +1 Easter Monday, +39 Ascension, +50 Whit Monday, +60 Corpus Christi.
//!
//! Netherlands: King's Day is 27 April, or the 26th when that is a Sunday (since 2014; before that Queen's Day on 30
//! April, or the 29th). Liberation Day is a day off for most employees in lustrum years only, so it counts in those.
//! Good Friday is no statutory day off but is treated as a holiday by the act on time limits (Algemene termijnenwet,
//! article 3) and by banks, so it counts.

use crate::named::named_enum;
use chrono::{Datelike, NaiveDate, Weekday};

named_enum! {
    /// A holiday calendar.
    Calendar {
        /// Monday to Friday, no holidays.
        Weekdays = "WEEKDAYS",
        /// The closing days of the euro payment system.
        Target = "TARGET",
        /// Germany, holidays of all states.
        De = "DE",
        /// Austria.
        At = "AT",
        /// Netherlands.
        Nl = "NL",
        /// Belgium.
        Be = "BE",
    }
}

impl Calendar {
    /// Whether the date is neither Saturday, Sunday nor a holiday.
    pub fn is_business_day(self, date: NaiveDate) -> bool {
        !matches!(date.weekday(), Weekday::Sat | Weekday::Sun) && !self.is_holiday(date)
    }

    /// The date itself if it is a business day, else the latest one before it.
    pub fn latest_business_day_on_or_before(self, date: NaiveDate) -> NaiveDate {
        let mut day = date;
        while !self.is_business_day(day) {
            let Some(earlier) = day.pred_opt() else { break };
            day = earlier;
        }
        day
    }

    /// The first business day after the date.
    pub fn next_business_day_after(self, date: NaiveDate) -> NaiveDate {
        let mut day = date;
        while let Some(later) = day.succ_opt() {
            day = later;
            if self.is_business_day(day) {
                break;
            }
        }
        day
    }

    fn is_holiday(self, date: NaiveDate) -> bool {
        let easter_days: &[i64] = match self {
            Self::Weekdays => &[],
            Self::Target => &[-2, 1],
            Self::De | Self::Nl => &[-2, 1, 39, 50],
            Self::At => &[1, 39, 50, 60],
            Self::Be => &[1, 39, 50],
        };
        self.is_fixed_holiday(date)
            || days_after_easter(date).is_some_and(|days| easter_days.contains(&days))
    }

    fn is_fixed_holiday(self, date: NaiveDate) -> bool {
        let day = (date.month(), date.day());
        match self {
            Self::Weekdays => false,
            Self::Target => matches!(day, (1, 1) | (5, 1) | (12, 25 | 26)),
            Self::De => {
                matches!(day, (1, 1) | (5, 1) | (10, 3) | (12, 25 | 26))
                    || (date.year() == 2017 && day == (10, 31))
            }
            Self::At => matches!(
                day,
                (1, 1 | 6) | (5, 1) | (8, 15) | (10, 26) | (11, 1) | (12, 8 | 25 | 26)
            ),
            Self::Nl => {
                matches!(day, (1, 1) | (12, 25 | 26))
                    || (date.year() % 5 == 0 && day == (5, 5))
                    || is_dutch_royal_birthday(date)
            }
            Self::Be => matches!(
                day,
                (1, 1) | (5, 1) | (7, 21) | (8, 15) | (11, 1 | 11) | (12, 25)
            ),
        }
    }
}

fn is_dutch_royal_birthday(date: NaiveDate) -> bool {
    let birthday = if date.year() >= 2014 { 27 } else { 30 };
    let moved_from_sunday = date.day() + 1 == birthday && date.weekday() == Weekday::Sat;
    date.month() == 4 && (date.day() == birthday || moved_from_sunday)
}

/// Days from the Easter Sunday of the same year to the date. `None` only outside of chrono's range.
///
/// Source: the anonymous Gregorian computus (Meeus, Astronomical Algorithms, 2nd edition, chapter 8).
fn days_after_easter(date: NaiveDate) -> Option<i64> {
    let year = date.year();
    let golden = year.rem_euclid(19);
    let (century, in_century) = (year.div_euclid(100), year.rem_euclid(100));
    let moon_correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - moon_correction + 15).rem_euclid(30);
    let weekday =
        (32 + 2 * (century % 4) + 2 * (in_century / 4) - epact - in_century % 4).rem_euclid(7);
    let late = (golden + 11 * epact + 22 * weekday) / 451;
    let march_based = epact + weekday - 7 * late + 114;
    let month = u32::try_from(march_based / 31).ok()?;
    let day = u32::try_from(march_based % 31 + 1).ok()?;
    let easter = NaiveDate::from_ymd_opt(year, month, day)?;
    Some((date - easter).num_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn assert_closed(calendar: Calendar, days: &[&str]) {
        for day in days {
            assert!(
                !calendar.is_business_day(date(day)),
                "{} is open on {day}",
                calendar.name()
            );
        }
    }

    fn assert_open(calendar: Calendar, days: &[&str]) {
        for day in days {
            assert!(
                calendar.is_business_day(date(day)),
                "{} is closed on {day}",
                calendar.name()
            );
        }
    }

    #[test]
    fn easter_falls_on_the_published_dates() {
        for day in [
            "1943-04-25",
            "1954-04-18",
            "2000-04-23",
            "2008-03-23",
            "2024-03-31",
            "2025-04-20",
            "2038-04-25",
        ] {
            assert_eq!(days_after_easter(date(day)), Some(0), "{day}");
        }
    }

    #[test]
    fn weekdays_know_no_holidays() {
        let closed = [
            "2026-01-03",
            "2026-01-04",
            "2026-12-26",
            "2026-12-27",
            "2026-05-02",
            "2026-05-03",
            "2028-02-26",
        ];
        let open = [
            "2026-01-01",
            "2026-04-03",
            "2026-04-06",
            "2026-05-01",
            "2026-12-25",
            "2026-12-24",
            "2026-12-31",
            "2028-02-29",
        ];
        assert_closed(Calendar::Weekdays, &closed);
        assert_open(Calendar::Weekdays, &open);
    }

    #[test]
    fn target_closes_on_six_days_a_year() {
        let closed = [
            "2026-01-01",
            "2026-04-03",
            "2026-04-06",
            "2026-05-01",
            "2026-12-25",
            "2024-12-26",
            "2024-03-29",
            "2024-04-01",
        ];
        let open = [
            "2026-05-14",
            "2026-05-25",
            "2026-01-02",
            "2026-12-24",
            "2026-12-28",
            "2024-10-03",
            "2026-06-04",
            "2026-11-11",
        ];
        assert_closed(Calendar::Target, &closed);
        assert_open(Calendar::Target, &open);
    }

    #[test]
    fn germany_closes_on_the_holidays_of_all_states() {
        let closed = [
            "2026-01-01",
            "2026-04-03",
            "2026-04-06",
            "2026-05-01",
            "2026-05-14",
            "2026-05-25",
            "2025-10-03",
            "2026-12-25",
            "2025-12-26",
            "2017-10-31",
        ];
        let open = [
            "2026-01-06",
            "2026-06-04",
            "2024-10-31",
            "2024-11-01",
            "2026-12-24",
            "2026-12-31",
            "2024-03-08",
        ];
        assert_closed(Calendar::De, &closed);
        assert_open(Calendar::De, &open);
    }

    #[test]
    fn austria_closes_on_corpus_christi_but_not_on_good_friday() {
        let closed = [
            "2026-01-01",
            "2026-01-06",
            "2026-04-06",
            "2026-05-01",
            "2026-05-14",
            "2026-05-25",
            "2026-06-04",
            "2025-08-15",
            "2026-10-26",
            "2024-11-01",
            "2026-12-08",
            "2026-12-25",
            "2025-12-26",
        ];
        assert_closed(Calendar::At, &closed);
        assert_open(
            Calendar::At,
            &[
                "2026-04-03",
                "2025-10-03",
                "2026-12-24",
                "2026-11-02",
                "2026-07-21",
            ],
        );
    }

    #[test]
    fn the_netherlands_close_on_kings_day_and_every_fifth_liberation_day() {
        let closed = [
            "2026-01-01",
            "2026-04-03",
            "2026-04-06",
            "2026-04-27",
            "2027-04-27",
            "2013-04-30",
            "2012-04-30",
            "2025-05-05",
            "2020-05-05",
            "2026-05-14",
            "2026-05-25",
            "2026-12-25",
            "2025-12-26",
        ];
        let open = [
            "2026-05-01",
            "2026-05-05",
            "2025-04-28",
            "2014-04-28",
            "2014-04-30",
            "2013-04-29",
            "2026-06-04",
        ];
        assert_closed(Calendar::Nl, &closed);
        assert_open(Calendar::Nl, &open);
    }

    #[test]
    fn belgium_closes_on_its_national_days_but_not_on_boxing_day() {
        let closed = [
            "2026-01-01",
            "2026-04-06",
            "2026-05-01",
            "2026-05-14",
            "2026-05-25",
            "2026-07-21",
            "2025-08-15",
            "2024-11-01",
            "2026-11-11",
            "2026-12-25",
        ];
        let open = [
            "2026-04-03",
            "2025-12-26",
            "2026-06-04",
            "2026-11-02",
            "2026-10-26",
            "2026-05-05",
        ];
        assert_closed(Calendar::Be, &closed);
        assert_open(Calendar::Be, &open);
    }

    #[test]
    fn the_neighbouring_business_days_skip_weekends_and_holidays() {
        let easter_monday = date("2026-04-06");
        assert_eq!(
            Calendar::De.latest_business_day_on_or_before(easter_monday),
            date("2026-04-02")
        );
        assert_eq!(
            Calendar::De.next_business_day_after(date("2026-04-02")),
            date("2026-04-07")
        );
        assert_eq!(
            Calendar::Weekdays.latest_business_day_on_or_before(easter_monday),
            easter_monday
        );
        assert_eq!(
            Calendar::Weekdays.next_business_day_after(easter_monday),
            date("2026-04-07")
        );
    }

    #[test]
    fn names_are_parsed_back() {
        for calendar in Calendar::ALL {
            assert_eq!(Calendar::parse(calendar.name()), Some(*calendar));
        }
        assert_eq!(Calendar::parse("de"), None);
    }
}
