//! The specification of the law packs, as published cases, examples and properties.

mod claims;
mod costs;
mod packs;
mod properties;
mod published;
mod refusals;
mod tables;

use chrono::NaiveDate;

use super::{Claim, Conventions, Country, DayCount, DebtorKind, LawPacks, PrincipalChange};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn packs() -> LawPacks {
    LawPacks::shipped().unwrap()
}

/// A claim that arose on the day of default, without changes of its principal.
fn claim(country: Country, debtor: DebtorKind, minor: i64, default_on: &str) -> Claim {
    Claim {
        country,
        debtor,
        arose_on: day(default_on),
        default_on: day(default_on),
        agreed_ppm: None,
        principal: vec![change(default_on, minor)],
    }
}

fn change(on: &str, minor_units: i64) -> PrincipalChange {
    PrincipalChange {
        on: day(on),
        minor_units,
    }
}

impl Claim {
    fn agreed(mut self, ppm: i64) -> Self {
        self.agreed_ppm = Some(ppm);
        self
    }

    fn changed(mut self, on: &str, minor: i64) -> Self {
        self.principal.push(change(on, minor));
        self
    }
}

impl Conventions {
    fn counting(mut self, day_count: DayCount) -> Self {
        self.day_count = day_count;
        self
    }

    /// The day of default and the last day.
    fn with_days(mut self, first_day_counts: bool, last_day_counts: bool) -> Self {
        self.first_day_counts = first_day_counts;
        self.last_day_counts = last_day_counts;
        self
    }
}
