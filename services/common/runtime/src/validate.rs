//! Checks of request fields that report every violation at once.

use chrono::{Datelike, NaiveDate};
use mahnwerk_proto::{common::v1::Date, is_key};

use crate::error::{Error, Result, Violation};

/// The years that dates may lie in; see `mahnwerk.common.v1.Date`.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2199;

/// Collects what is wrong with a request.
#[derive(Debug, Default)]
pub struct Checker {
    violations: Vec<Violation>,
}

impl Checker {
    /// Nothing wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a violation.
    pub fn refuse(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.violations.push(Violation::new(field, description));
    }

    /// A key: 1 to 64 of `A-Za-z0-9._~-`.
    pub fn key(&mut self, field: &str, value: &str) {
        if !is_key(value) {
            self.refuse(
                field,
                "must be 1 to 64 of A-Z, a-z, 0-9, '.', '_', '~', '-'",
            );
        }
    }

    /// A key that may be empty.
    pub fn optional_key(&mut self, field: &str, value: &str) {
        if !value.is_empty() {
            self.key(field, value);
        }
    }

    /// The caller's request id: a key.
    pub fn request_id(&mut self, value: &str) {
        self.key("request_id", value);
    }

    /// A text of `min` to `max` characters, without control characters other than line feed and tab. With `min` of 1
    /// or more it must not be blank.
    pub fn text(&mut self, field: &str, value: &str, min: usize, max: usize) {
        // A character has at most four bytes: a text that is far too long is not counted.
        if value.len() > max.saturating_mul(4) || value.chars().count() > max {
            self.refuse(field, format!("must have at most {max} characters"));
            return;
        }
        if value.chars().count() < min {
            self.refuse(field, format!("must have at least {min} characters"));
        } else if min > 0 && value.trim().is_empty() {
            self.refuse(field, "must not be blank");
        }
        if value
            .chars()
            .any(|each| each.is_control() && !matches!(each, '\n' | '\t'))
        {
            self.refuse(field, "must not contain control characters");
        }
    }

    /// A date that must be given, from 1900-01-01 to 2199-12-31.
    pub fn date(&mut self, field: &str, value: Option<&Date>) -> Option<NaiveDate> {
        if value.is_none() {
            self.refuse(field, "must be given");
        }
        self.optional_date(field, value)
    }

    /// A date that may be absent, from 1900-01-01 to 2199-12-31.
    pub fn optional_date(&mut self, field: &str, value: Option<&Date>) -> Option<NaiveDate> {
        let given = value?;
        let date = to_date(given);
        if date.is_none() {
            self.refuse(field, "must be a date from 1900-01-01 to 2199-12-31");
        }
        date
    }

    /// A value of an enum, neither unspecified nor unknown.
    pub fn enum_value<T: TryFrom<i32>>(&mut self, field: &str, value: i32) -> Option<T> {
        if value == 0 {
            self.refuse(field, "must be given");
            return None;
        }
        let known = T::try_from(value).ok();
        if known.is_none() {
            self.refuse(field, "is not a known value");
        }
        known
    }

    /// Ends the check.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that was wrong.
    pub fn finish(self) -> Result<()> {
        if self.violations.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self.violations))
        }
    }
}

/// The calendar date of a message; `None` if there is no such day, or outside 1900 to 2199.
#[must_use]
pub fn to_date(date: &Date) -> Option<NaiveDate> {
    let (month, day) = (
        u32::try_from(date.month).ok()?,
        u32::try_from(date.day).ok()?,
    );
    YEARS
        .contains(&date.year)
        .then(|| NaiveDate::from_ymd_opt(date.year, month, day))
        .flatten()
}

/// The message of a calendar date.
#[must_use]
pub fn from_date(date: NaiveDate) -> Date {
    // Months and days are at most 31, so they always fit.
    Date {
        year: date.year(),
        month: i32::try_from(date.month()).unwrap_or_default(),
        day: i32::try_from(date.day()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use mahnwerk_proto::common::v1::Idempotency;

    use super::*;

    fn fields(checker: Checker) -> Vec<String> {
        match checker.finish() {
            Err(Error::Invalid(violations)) => {
                violations.into_iter().map(|each| each.field).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let mut check = Checker::new();
        for (field, key) in [("a", ""), ("b", "ä"), ("c", "a b"), ("d", "a/b")] {
            check.key(field, key);
        }
        check.key("e", &"k".repeat(65));
        check.text("f", "", 1, 10);
        check.text("g", &"x".repeat(100_000), 0, 10);
        check.text("h", "a\u{0}b", 0, 10);
        check.text("i", "  ", 1, 10);
        check.date("j", None);
        assert_eq!(
            fields(check),
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
        );
    }

    #[test]
    fn good_values_pass() {
        let mut check = Checker::new();
        check.key("a", &"k".repeat(64));
        check.key("a", "A-1.b_c~d");
        check.optional_key("a", "");
        check.text("a", "Müller\n\tGmbH", 1, 12);
        assert_eq!(
            check.date(
                "a",
                Some(&Date {
                    year: 2024,
                    month: 2,
                    day: 29
                })
            ),
            NaiveDate::from_ymd_opt(2024, 2, 29)
        );
        assert_eq!(check.optional_date("a", None), None);
        assert_eq!(
            check.enum_value::<Idempotency>("a", Idempotency::Read as i32),
            Some(Idempotency::Read)
        );
        assert!(check.finish().is_ok());
    }

    #[test]
    fn dates_that_do_not_exist_or_are_out_of_range_are_refused() {
        for (year, month, day) in [
            (0, 1, 1),
            (10_000, 1, 1),
            (1899, 12, 31),
            (2200, 1, 1),
            (2023, 2, 29),
            (2023, 13, 1),
            (2023, 0, 1),
            (2023, 1, -1),
            (i32::MIN, i32::MIN, i32::MIN),
        ] {
            assert_eq!(to_date(&Date { year, month, day }), None);
        }
    }

    #[test]
    fn unspecified_and_unknown_enum_values_are_refused() {
        let mut check = Checker::new();
        assert_eq!(check.enum_value::<Idempotency>("a", 0), None);
        assert_eq!(check.enum_value::<Idempotency>("b", 99), None);
        assert_eq!(fields(check), ["a", "b"]);
    }
}
