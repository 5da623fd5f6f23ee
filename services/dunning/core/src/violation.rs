//! What is wrong with a procedure or an input: every field, never only the first.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Path of the field: `steps[2].pay_by_days`.
    pub field: String,
    /// What is expected, lower case, without the value that was sent.
    pub description: String,
}

/// Collects violations.
#[derive(Clone, Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Adds one unless the condition holds.
    pub fn require(&mut self, condition: bool, field: impl Into<String>, description: &str) {
        if !condition {
            self.0.push(Violation {
                field: field.into(),
                description: description.to_owned(),
            });
        }
    }

    /// Requires a key: 1 to 64 of `A-Za-z0-9._~-`.
    pub fn key(&mut self, field: impl Into<String>, key: &str) {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        let valid = (1..=64).contains(&key.len()) && key.bytes().all(allowed);
        self.require(valid, field, "must be 1 to 64 of A-Za-z0-9._~-");
    }

    /// Requires the form of an ISO 4217 code. Which codes exist is the registry's knowledge.
    pub fn currency(&mut self, field: impl Into<String>, code: &str) {
        let valid = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        self.require(valid, field, "must be three upper-case letters");
    }

    /// Requires an amount from `least` to [`MAX_AMOUNT`].
    pub fn amount(&mut self, field: impl Into<String>, minor: i64, least: i64) {
        let valid = (least..=MAX_AMOUNT).contains(&minor);
        self.require(
            valid,
            field,
            "must be a whole amount in minor units up to 10^15",
        );
    }

    /// Requires a date from 1900-01-01 to 2199-12-31.
    pub fn date(&mut self, field: impl Into<String>, date: NaiveDate) {
        use chrono::Datelike;
        let valid = (1900..=2199).contains(&date.year());
        self.require(valid, field, "must be from 1900-01-01 to 2199-12-31");
    }

    /// `Ok` if there are none, all of them otherwise, in the order found.
    ///
    /// # Errors
    ///
    /// All violations.
    pub fn into_result(self) -> Result<(), Vec<Violation>> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.0)
        }
    }
}

/// The largest amount of an item, credit, fee or minimum, in minor units: that of the registry.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000_000;
