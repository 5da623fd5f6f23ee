//! What is wrong with a scheme: every field, never only the first.

use crate::rule::{Position, RuleError};

/// One field that is wrong, or one warning about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field: `segments[2].condition`, `default.policy.procedure_id`.
    pub field: String,
    /// Where in the text of the field, for conditions.
    pub position: Option<Position>,
    /// What is expected, lower case.
    pub description: String,
}

/// Collects violations.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    pub(crate) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation {
            field: field.into(),
            position: None,
            description: description.into(),
        });
    }

    pub(crate) fn require(&mut self, condition: bool, field: &str, description: &str) {
        if !condition {
            self.add(field, description);
        }
    }

    pub(crate) fn rule(&mut self, field: &str, errors: &[RuleError]) {
        self.0.extend(errors.iter().map(|error| Violation {
            field: field.to_owned(),
            position: Some(error.position),
            description: error.problem.to_string(),
        }));
    }

    /// Requires a key: 1 to 64 of `A-Za-z0-9._~-`.
    pub(crate) fn key(&mut self, field: &str, key: &str) {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        let fits = (1..=64).contains(&key.len()) && key.bytes().all(is_allowed);
        self.require(fits, field, "must be 1 to 64 of A-Za-z0-9._~-");
    }

    /// Requires a name for people: 1 to 100 characters, none of them a control character.
    pub(crate) fn display_name(&mut self, field: &str, name: &str) {
        // Bytes first: counting the characters of an oversized text would be wasted work.
        let fits = name.len() <= 400 && (1..=100).contains(&name.chars().count());
        let is_plain = fits && !name.chars().any(char::is_control);
        let description = "must be 1 to 100 characters, none of them a control character";
        self.require(is_plain, field, description);
    }

    pub(crate) fn range(&mut self, field: &str, number: u32, range: std::ops::RangeInclusive<u32>) {
        if !range.contains(&number) {
            let description = format!("must be {} to {}", range.start(), range.end());
            self.add(field, description);
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Violation> {
        self.0
    }
}
