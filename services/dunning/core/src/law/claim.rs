//! A claim as the law sees it.

use std::fmt;

use chrono::NaiveDate;
use serde::Deserialize;

use super::error::{LawError, Violation, Violations};
use super::pack::Country;

/// The earliest date of a claim: 1999-01-01.
pub const MIN_DATE: NaiveDate = known(1999, 1, 1);

/// The latest date of a claim: 2100-12-31.
pub const MAX_DATE: NaiveDate = known(2100, 12, 31);

/// The largest principal, and the largest change of it, in minor units.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000_000;

/// The most changes of a principal.
pub const MAX_CHANGES: usize = 5_000;

/// The highest agreed rate: 100 % a year, in parts per million.
pub const MAX_AGREED_PPM: i64 = 1_000_000;

/// Which rules apply to the debtor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DebtorKind {
    /// A business or a public body that owes the consideration of a commercial transaction.
    Business,
    /// A consumer, and anyone whose debt is no such consideration, for example damages.
    Consumer,
}

impl DebtorKind {
    pub(super) const ALL: [Self; 2] = [Self::Business, Self::Consumer];
}

impl fmt::Display for DebtorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Business => "business",
            Self::Consumer => "consumer",
        })
    }
}

/// The principal rises or falls on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrincipalChange {
    /// Value date, [`MIN_DATE`] to [`MAX_DATE`].
    pub on: NaiveDate,
    /// By how much, in minor units, up to [`MAX_AMOUNT`] either way: above zero for the invoice and for what is
    /// reopened, below zero for part payments, credit notes and write-downs.
    pub minor_units: i64,
}

/// One money claim: an invoice, or an instalment of its own due date. All amounts are minor units of one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose law governs it; not always that of the debtor's address.
    pub country: Country,
    /// Which rules apply.
    pub debtor: DebtorKind,
    /// When the obligation arose: usually the day of the contract. For continuing obligations under German law from
    /// before 2014-07-29, the day of the consideration if it was rendered after 2016-06-30 (Art. 229 § 34 EGBGB).
    pub arose_on: NaiveDate,
    /// The day whose end leaves the debtor in default: the last day for payment, or the day the reminder arrived where
    /// only a reminder brings default. Interest runs from the day after, unless the conventions count this day.
    pub default_on: NaiveDate,
    /// The rate agreed for default, in parts per million a year, 0 to [`MAX_AGREED_PPM`]. What it does to the
    /// statutory rate is a matter of the pack.
    pub agreed_ppm: Option<i64>,
    /// How the principal came about, in any order; from the day of default on its sum is never below zero.
    pub principal: Vec<PrincipalChange>,
}

/// The principal from a day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Balance {
    pub(super) from: NaiveDate,
    pub(super) minor: i64,
}

impl Claim {
    /// What is left at the end of the day of default, then the principal at the end of each later day on which it
    /// changed, ascending. Never empty.
    ///
    /// # Errors
    ///
    /// [`LawError::Invalid`] with every field of the claim, and `until`, that is out of bounds.
    pub(super) fn balances(&self, until: NaiveDate) -> Result<Vec<Balance>, LawError> {
        self.check_fields(until).map_err(LawError::Invalid)?;
        let balances = self.running_sums();
        let mut violations = Violations::default();
        violations.require(
            balances
                .iter()
                .all(|balance| (0..=MAX_AMOUNT).contains(&balance.minor)),
            "principal",
            "must add up to 0 to 10^15 on the day of default and every later day",
        );
        violations.into_result().map_err(LawError::Invalid)?;
        Ok(balances)
    }

    fn check_fields(&self, until: NaiveDate) -> Result<(), Vec<Violation>> {
        let mut violations = Violations::default();
        for (field, date) in [
            ("arose_on", self.arose_on),
            ("default_on", self.default_on),
            ("until", until),
        ] {
            violations.require(in_range(date), field, DATE_RANGE);
        }
        violations.require(
            self.agreed_ppm
                .is_none_or(|ppm| (0..=MAX_AGREED_PPM).contains(&ppm)),
            "agreed_ppm",
            "must be 0 to 1000000",
        );
        violations.require(
            self.principal.len() <= MAX_CHANGES,
            "principal",
            "must have at most 5000 changes",
        );
        // The field is spelled out only for what is wrong: a claim has thousands of changes, and runs have many claims.
        for (index, change) in self.principal.iter().take(MAX_CHANGES).enumerate() {
            if !in_range(change.on) {
                violations.add(format!("principal[{index}].on"), DATE_RANGE);
            }
            if !(-MAX_AMOUNT..=MAX_AMOUNT).contains(&change.minor_units) {
                let field = format!("principal[{index}].minor_units");
                violations.add(field, "must be -10^15 to 10^15");
            }
        }
        violations.into_result()
    }

    /// Fits as the changes are bounded: 5,000 times 10^15 is below the largest `i64`.
    fn running_sums(&self) -> Vec<Balance> {
        let mut changes = self.principal.clone();
        changes.sort_unstable_by_key(|change| change.on);
        let mut balances = vec![Balance {
            from: self.default_on,
            minor: 0,
        }];
        let mut minor = 0_i64;
        for change in changes {
            minor = minor.saturating_add(change.minor_units);
            let from = change.on.max(self.default_on);
            match balances.last_mut() {
                Some(last) if last.from == from => last.minor = minor,
                _ => balances.push(Balance { from, minor }),
            }
        }
        balances
    }
}

const DATE_RANGE: &str = "must be from 1999-01-01 to 2100-12-31";

fn in_range(date: NaiveDate) -> bool {
    (MIN_DATE..=MAX_DATE).contains(&date)
}

const fn known(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => NaiveDate::MIN,
    }
}
