//! Creditors and their exchange rates.

use crate::calendar::Calendar;
use crate::currency::Currency;
use crate::date;
use crate::error::DomainError;
use crate::money::{self, Money};
use crate::named::named_enum;
use crate::violation::{Violation, Violations, check_mask};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

named_enum! {
    /// Who opens the business days of a creditor.
    BusinessDayMode {
        /// The registry, when the day begins in the creditor's time zone.
        Automatic = "automatic",
        /// A caller.
        Manual = "manual",
    }
}

/// The legal entity on whose behalf receivables are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creditor {
    /// The caller's key.
    pub creditor_id: String,
    /// Name, 1 to 200 characters.
    pub display_name: String,
    /// IANA time zone, 1 to 64 characters; whether it exists is not known here.
    pub time_zone: String,
    /// Decides what a business day is.
    pub calendar: Calendar,
    /// Limits and exposure are expressed in it. Fixed at creation.
    pub reporting_currency: Currency,
    /// Who opens business days.
    pub business_day_mode: BusinessDayMode,
    /// The open business day; `None` before the first one.
    pub business_date: Option<NaiveDate>,
    /// The last day whose bank statements are in the books; `None` before the first import.
    pub last_bank_import: Option<NaiveDate>,
    /// How much of an invoice one person may have written off in all; more takes two. In the reporting currency, zero to
    /// 10^15; `None`: whatever it is, one person is enough.
    pub write_off_above: Option<Money>,
    /// 1 after creation; grows with every change.
    pub version: i64,
}

impl Creditor {
    /// Fields that an update may name.
    const UPDATABLE: [&str; 5] = [
        "display_name",
        "time_zone",
        "calendar",
        "business_day_mode",
        "four_eyes",
    ];

    /// Everything that is wrong with the fields a caller sets.
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Violations::new();
        violations.key("creditor.creditor_id", &self.creditor_id);
        violations.text("creditor.display_name", &self.display_name, 1..=200, false);
        violations.text("creditor.time_zone", &self.time_zone, 1..=64, false);
        if let Some(above) = &self.write_off_above {
            let field = "creditor.four_eyes.write_off_above";
            violations.amount(field, above, 0);
            violations.require(
                above.currency == self.reporting_currency,
                &format!("{field}.currency_code"),
                "must be the reporting currency",
            );
        }
        violations.into_vec()
    }

    /// Takes over the fields named in the mask. The version stays.
    ///
    /// # Errors
    /// Every unknown path and every wrong value; nothing is changed then.
    pub fn apply_update(&mut self, new: &Self, mask: &[String]) -> Result<(), Vec<Violation>> {
        check_mask(mask, &Self::UPDATABLE).into_result()?;
        let mut updated = self.clone();
        for path in mask {
            match path.as_str() {
                "display_name" => updated.display_name.clone_from(&new.display_name),
                "time_zone" => updated.time_zone.clone_from(&new.time_zone),
                "calendar" => updated.calendar = new.calendar,
                "business_day_mode" => updated.business_day_mode = new.business_day_mode,
                _ => updated.write_off_above = new.write_off_above,
            }
        }
        let violations = updated.validate();
        if !violations.is_empty() {
            return Err(violations);
        }
        *self = updated;
        Ok(())
    }

    /// Notes that bank statements up to a day are in the books; an earlier day than the one known changes nothing, and
    /// answers false. The version stays.
    ///
    /// # Errors
    /// The day is after the business date, or there is none yet.
    pub fn note_bank_import(&mut self, day: NaiveDate) -> Result<bool, DomainError> {
        let business_date = self.business_date.ok_or(DomainError::NoBusinessDay)?;
        let mut violations = Violations::new();
        violations.require(
            day <= business_date,
            "import_date",
            "must not be after the business date",
        );
        let violations = violations.into_vec();
        if !violations.is_empty() {
            return Err(DomainError::Invalid(violations));
        }
        let is_later = self.last_bank_import.is_none_or(|known| known < day);
        if is_later {
            self.last_bank_import = Some(day);
        }
        Ok(is_later)
    }

    /// The creditor with this business day open, and the version grown by one.
    ///
    /// # Errors
    /// [`DomainError::BusinessDayRefused`] unless the date is in range, after the current business date, and a business
    /// day of the calendar.
    pub fn open_business_day(&self, date: NaiveDate) -> Result<Self, DomainError> {
        let refused = |reason| Err(DomainError::BusinessDayRefused { date, reason });
        if !date::in_range(date) {
            return refused("not from 1900-01-01 to 2199-12-31");
        }
        if self.business_date.is_some_and(|current| date <= current) {
            return refused("not after the current one");
        }
        if !self.calendar.is_business_day(date) {
            return refused("not a business day of the calendar");
        }
        Ok(Self {
            business_date: Some(date),
            version: self.version + 1,
            ..self.clone()
        })
    }
}

/// An exact exchange rate: 1 major unit of `base` is `numerator / denominator` major units of `quote`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FxRate {
    /// The creditor.
    pub creditor_id: String,
    /// The currency that is priced.
    pub base: Currency,
    /// The currency of the price; another one.
    pub quote: Currency,
    /// Valid from this date until the date of the next one.
    pub date: NaiveDate,
    /// 1 to 10^15.
    pub numerator: i64,
    /// 1 to 10^15.
    pub denominator: i64,
    /// Where the rate comes from, 1 to 64 characters.
    pub source: String,
    /// 1 after creation; grows with every change.
    pub version: i64,
}

impl FxRate {
    /// Everything that is wrong with it.
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Violations::new();
        let factor = 1..=money::MAX_AMOUNT;
        violations.key("fx_rate.creditor_id", &self.creditor_id);
        violations.require(
            self.base != self.quote,
            "fx_rate.quote_currency",
            "must differ from the base currency",
        );
        violations.date("fx_rate.rate_date", self.date);
        violations.require(
            factor.contains(&self.numerator),
            "fx_rate.numerator",
            "must be 1 to 10^15",
        );
        violations.require(
            factor.contains(&self.denominator),
            "fx_rate.denominator",
            "must be 1 to 10^15",
        );
        violations.text("fx_rate.source", &self.source, 1..=64, false);
        violations.into_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn creditor() -> Creditor {
        Creditor {
            creditor_id: "acme".into(),
            display_name: "Acme".into(),
            time_zone: "Europe/Berlin".into(),
            calendar: Calendar::De,
            reporting_currency: Currency::parse("EUR").unwrap(),
            business_day_mode: BusinessDayMode::Manual,
            business_date: None,
            last_bank_import: None,
            write_off_above: None,
            version: 1,
        }
    }

    #[test]
    fn a_business_day_must_be_later_and_open() {
        let monday = creditor().open_business_day(date("2026-03-30")).unwrap();
        assert_eq!(
            (monday.business_date, monday.version),
            (Some(date("2026-03-30")), 2)
        );
        let refused = |day| {
            matches!(
                monday.open_business_day(date(day)),
                Err(DomainError::BusinessDayRefused { .. })
            )
        };
        assert!(refused("2026-03-30"), "the same day");
        assert!(refused("2026-03-27"), "an earlier day");
        assert!(refused("2026-04-03"), "good friday");
        assert!(refused("2026-04-04"), "a saturday");
        assert!(refused("2200-01-02"), "out of range");
        assert!(
            monday.open_business_day(date("2026-04-07")).is_ok(),
            "days may be left out"
        );
    }

    #[test]
    fn every_wrong_field_of_a_creditor_is_named() {
        let wrong = Creditor {
            creditor_id: "a b".into(),
            display_name: String::new(),
            time_zone: "x".repeat(65),
            ..creditor()
        };
        let fields: Vec<String> = wrong
            .validate()
            .into_iter()
            .map(|violation| violation.field)
            .collect();
        assert_eq!(
            fields,
            [
                "creditor.creditor_id",
                "creditor.display_name",
                "creditor.time_zone"
            ]
        );
    }

    #[test]
    fn an_update_changes_the_named_fields_only() {
        let new = Creditor {
            display_name: "New".into(),
            calendar: Calendar::Nl,
            ..creditor()
        };
        let mut stored = creditor();
        stored.apply_update(&new, &["calendar".into()]).unwrap();
        assert_eq!(
            (stored.calendar, stored.display_name.as_str()),
            (Calendar::Nl, "Acme")
        );
    }

    #[test]
    fn a_limit_is_in_the_reporting_currency() {
        let in_currency = |code, minor| Creditor {
            write_off_above: Some(Money::new(Currency::parse(code).unwrap(), minor)),
            ..creditor()
        };
        let mask = ["four_eyes".to_owned()];
        let mut stored = creditor();
        let violations = stored
            .apply_update(&in_currency("CHF", -1), &mask)
            .unwrap_err();
        let fields: Vec<_> = violations.into_iter().map(|it| it.field).collect();
        let field = "creditor.four_eyes.write_off_above";
        assert_eq!(
            fields,
            [
                format!("{field}.minor_units"),
                format!("{field}.currency_code")
            ]
        );
        assert_eq!(stored, creditor());
        stored.apply_update(&in_currency("EUR", 0), &mask).unwrap();
        assert_eq!(stored, in_currency("EUR", 0));
        stored.apply_update(&creditor(), &mask).unwrap();
        assert_eq!(stored, creditor(), "lifted");
    }

    #[test]
    fn an_update_names_every_unknown_path_and_changes_nothing() {
        let mut stored = creditor();
        let mask = [
            "calendar".to_owned(),
            "reporting_currency".to_owned(),
            "x y".to_owned(),
        ];
        let new = Creditor {
            calendar: Calendar::Be,
            ..creditor()
        };
        let violations = stored.apply_update(&new, &mask).unwrap_err();
        assert_eq!(violations[0].field, "update_mask[1]");
        assert!(violations[0].description.contains("`reporting_currency`"));
        assert_eq!(violations[1].field, "update_mask[2]");
        assert!(!violations[1].description.contains("x y"));
        assert_eq!(stored, creditor());
        assert_eq!(
            stored.apply_update(&new, &[]).unwrap_err()[0].field,
            "update_mask"
        );
    }

    #[test]
    fn every_wrong_field_of_a_rate_is_named() {
        let euro = Currency::parse("EUR").unwrap();
        let rate = FxRate {
            creditor_id: "acme".into(),
            base: euro,
            quote: euro,
            date: NaiveDate::MAX,
            numerator: 0,
            denominator: money::MAX_AMOUNT + 1,
            source: String::new(),
            version: 0,
        };
        let fields: Vec<String> = rate
            .validate()
            .into_iter()
            .map(|violation| violation.field)
            .collect();
        assert_eq!(
            fields,
            [
                "quote_currency",
                "rate_date",
                "numerator",
                "denominator",
                "source"
            ]
            .map(|field| format!("fx_rate.{field}"))
        );
    }
}
