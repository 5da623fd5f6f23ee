//! What is wrong with a request: every field, never only the first.

use crate::money::{MAX_AMOUNT, Money};
use crate::{date, id};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Path of the field, as in the protos: `payment.amount.minor_units`, `allocations[2].invoice_id`.
    pub field: String,
    /// What is expected, lower case, without the value that was sent.
    pub description: String,
}

/// Collects violations.
#[derive(Clone, Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation {
            field: field.into(),
            description: description.into(),
        });
    }

    /// Adds one unless the condition holds.
    pub fn require(&mut self, condition: bool, field: &str, description: &str) {
        if !condition {
            self.add(field, description);
        }
    }

    /// Requires a key as of [`id::valid_key`].
    pub fn key(&mut self, field: &str, key: &str) {
        self.require(
            id::valid_key(key),
            field,
            "must be 1 to 64 of A-Za-z0-9._~-",
        );
    }

    /// Requires a text of so many characters, without control characters other than, if `lines`, line feeds.
    pub fn text(
        &mut self,
        field: &str,
        text: &str,
        length: std::ops::RangeInclusive<usize>,
        lines: bool,
    ) {
        // Bytes first: counting the characters of an oversized text would be wasted work.
        let fits =
            text.len() <= length.end().saturating_mul(4) && length.contains(&text.chars().count());
        if !fits {
            self.add(
                field,
                format!("must be {} to {} characters", length.start(), length.end()),
            );
        } else if text
            .chars()
            .any(|character| character.is_control() && !(lines && character == '\n'))
        {
            self.add(field, "must not contain control characters");
        }
    }

    /// Requires a date from 1900-01-01 to 2199-12-31.
    pub fn date(&mut self, field: &str, date: NaiveDate) {
        self.require(
            date::in_range(date),
            field,
            "must be from 1900-01-01 to 2199-12-31",
        );
    }

    /// Requires an amount from `least` to 10^15 minor units; `field` is the path of the money message.
    pub fn amount(&mut self, field: &str, amount: &Money, least: i64) {
        if !(least..=MAX_AMOUNT).contains(&amount.minor) {
            self.add(
                format!("{field}.minor_units"),
                format!("must be {least} to 10^15"),
            );
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order found.
    pub fn into_vec(self) -> Vec<Violation> {
        self.0
    }

    /// `Ok` if there are none, all of them otherwise.
    pub fn into_result(self) -> Result<(), Vec<Violation>> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.0)
        }
    }
}

/// Checks an update mask: it names at least one field, and only those that can be updated.
pub(crate) fn check_mask(mask: &[String], updatable: &[&str]) -> Violations {
    let mut violations = Violations::new();
    violations.require(
        !mask.is_empty(),
        "update_mask",
        "must name at least one field",
    );
    for (index, path) in mask.iter().enumerate() {
        if !updatable.contains(&path.as_str()) {
            // A path in no key's form is not repeated: it may be long, or anything at all.
            let shown = if id::valid_key(path) {
                format!("`{path}`")
            } else {
                "the path".to_owned()
            };
            violations.add(
                format!("update_mask[{index}]"),
                format!("{shown} is not one of {}", updatable.join(", ")),
            );
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_kept_in_order() {
        let mut violations = Violations::new();
        violations.key("id", "a b");
        violations.text("name", "", 1..=200, false);
        violations.date("date", NaiveDate::MIN);
        let fields: Vec<String> = violations
            .into_vec()
            .into_iter()
            .map(|violation| violation.field)
            .collect();
        assert_eq!(fields, ["id", "name", "date"]);
    }

    #[test]
    fn texts_are_counted_in_characters_and_hold_no_control_characters() {
        let problems = |text: &str, lines| {
            let mut violations = Violations::new();
            violations.text("t", text, 1..=3, lines);
            violations.into_vec().len()
        };
        assert_eq!(problems("äöü", false), 0);
        assert_eq!(problems("äöüß", false), 1);
        assert_eq!(problems(&"x".repeat(100_000), false), 1);
        assert_eq!(problems("a\nb", false), 1);
        assert_eq!(problems("a\nb", true), 0);
        assert_eq!(problems("a\0b", true), 1);
    }
}
