//! Why a pack or a claim is refused.

use chrono::NaiveDate;
use thiserror::Error;

use super::claim::DebtorKind;
use super::half_year::HalfYear;
use super::pack::Country;

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field: `principal[2].on`, `tables.base_rate.rows[7].half_year`.
    pub field: String,
    /// What is expected, lower case, without the value that was given.
    pub description: &'static str,
}

/// Collects violations.
#[derive(Default)]
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    /// Adds one.
    pub(super) fn add(&mut self, field: impl Into<String>, description: &'static str) {
        self.0.push(Violation {
            field: field.into(),
            description,
        });
    }

    /// Adds one unless the condition holds.
    pub(super) fn require(&mut self, condition: bool, field: &str, description: &'static str) {
        if !condition {
            self.add(field, description);
        }
    }

    /// `Ok` if there are none, all of them otherwise.
    pub(super) fn into_result(self) -> Result<(), Vec<Violation>> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.0)
        }
    }
}

/// Why the packs are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackError {
    /// The text of the pack at this position, counted from 0, is not a pack.
    #[error("law pack {position} is not readable: {reason}")]
    Unreadable {
        /// Position among the texts given.
        position: usize,
        /// What the parser says; without the text.
        reason: String,
    },

    /// At least one figure of a pack cannot be right; all of them are named.
    #[error("law pack {country} is invalid: {}", listed(.violations))]
    Invalid {
        /// Whose pack.
        country: Country,
        /// What is wrong, at least one.
        violations: Vec<Violation>,
    },

    /// Two packs for one country.
    #[error("law pack {0} is given twice")]
    Twice(Country),
}

/// Why there is no answer for a claim.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LawError {
    /// At least one field of the claim is wrong; all of them are named.
    #[error("invalid claim: {}", listed(.0))]
    Invalid(Vec<Violation>),

    /// No pack was loaded for the country.
    #[error("no law pack for {0}")]
    NoPack(Country),

    /// The pack knows no interest rule for claims as old as this one.
    #[error(
        "law pack {country} has no interest rule for a {debtor} claim that arose on {arose_on}"
    )]
    NoRule {
        /// Whose law.
        country: Country,
        /// Whom the rule should be for.
        debtor: DebtorKind,
        /// When the claim arose.
        arose_on: NaiveDate,
    },

    /// The law grants no interest of its own, it only limits what the parties agree, and nothing is agreed.
    #[error("law of {country}: interest on a {debtor} claim only by agreement")]
    OnlyByAgreement {
        /// Whose law.
        country: Country,
        /// Whom the rule is for.
        debtor: DebtorKind,
    },

    /// The pack holds no rate for a half-year that is needed: not published when it was made, or before its table.
    #[error("law pack {country} has no {table} for {half_year}")]
    RateNotPublished {
        /// Whose law.
        country: Country,
        /// The table without the figure, by its name in the pack.
        table: String,
        /// The first half-year without a rate.
        half_year: HalfYear,
    },

    /// An amount does not fit its type.
    #[error("an amount of interest is too large")]
    Overflow,
}

/// At most so many violations are written out in a message; the error holds them all.
const LISTED: usize = 10;

/// `field description, field description, …, and 3 more`
fn listed(violations: &[Violation]) -> String {
    let mut texts: Vec<String> = violations
        .iter()
        .take(LISTED)
        .map(|violation| format!("{} {}", violation.field, violation.description))
        .collect();
    if let Some(more) = violations.len().checked_sub(LISTED).filter(|it| *it > 0) {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}
