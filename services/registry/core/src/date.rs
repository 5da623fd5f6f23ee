//! The range of dates, and dates as day numbers.

use chrono::{Datelike, NaiveDate};

/// The earliest date the system knows: 1900-01-01.
pub const MIN: NaiveDate = known(1900, 1, 1);

/// The latest date the system knows: 2199-12-31.
pub const MAX: NaiveDate = known(2199, 12, 31);

/// 1970-01-01, counted from 0001-01-01 as day 1.
const EPOCH: i32 = 719_163;

/// Whether the date is between [`MIN`] and [`MAX`], both included.
pub fn in_range(date: NaiveDate) -> bool {
    (MIN..=MAX).contains(&date)
}

/// Days since 1970-01-01; negative before.
pub fn day_number(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH
}

/// The date so many days after 1970-01-01. `None` outside of [`MIN`] to [`MAX`].
pub fn from_day_number(number: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(number.checked_add(EPOCH)?).filter(|date| in_range(*date))
}

const fn known(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => NaiveDate::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Days;

    #[test]
    fn the_range_is_1900_to_2199() {
        assert_eq!(MIN.to_string(), "1900-01-01");
        assert_eq!(MAX.to_string(), "2199-12-31");
        assert!(in_range(MIN) && in_range(MAX));
        assert!(!in_range(MIN - Days::new(1)) && !in_range(MAX + Days::new(1)));
    }

    #[test]
    fn day_numbers_count_from_the_epoch_and_back() {
        assert_eq!(day_number(known(1970, 1, 1)), 0);
        assert_eq!(day_number(known(1969, 12, 31)), -1);
        assert_eq!(day_number(known(2024, 2, 29)), 19_782);
        for date in [MIN, MAX, known(2000, 2, 29), known(1970, 1, 1)] {
            assert_eq!(from_day_number(day_number(date)), Some(date));
        }
    }

    #[test]
    fn day_numbers_outside_of_the_range_have_no_date() {
        for number in [day_number(MIN) - 1, day_number(MAX) + 1, i32::MIN, i32::MAX] {
            assert_eq!(from_day_number(number), None);
        }
    }
}
