//! Credit policies as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::score::RiskClass;

/// What a policy does with orders of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassAction {
    /// Approve within the limit.
    Approve,
    /// Let a person decide.
    Refer,
    /// Decline.
    Decline,
}

/// What a policy does with an order that is not covered even by half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverLimitAction {
    /// Let a person decide.
    Refer,
    /// Decline.
    Decline,
}

/// What applies to one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassPolicy {
    /// What to do with an order.
    pub action: ClassAction,
    /// Limit for a debtor without turnover, in minor units of the creditor's reporting currency, at least zero.
    pub base_limit: i64,
    /// The limit is at least this part of the debtor's turnover of 12 months, in thousandths, 0 to 10,000.
    pub turnover_permille: i64,
    /// Payment term of an approval, 0 to 365 days; 0 means prepayment.
    pub payment_term_days: i32,
    /// What to do with an order that is not covered even by half.
    pub over_limit: OverLimitAction,
}

/// One revision of a credit policy. Revisions never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditPolicy {
    /// From 1.
    pub revision: i32,
    /// Days after the decision on which an approval may still be used, 0 to 365.
    pub validity_days: i32,
    /// Whether a person must confirm each decline of a natural person.
    pub person_review: bool,
    /// One for each class from A to E.
    pub classes: BTreeMap<RiskClass, ClassPolicy>,
}

/// Why a credit policy is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CreditPolicyError {
    /// The text is not a credit policy.
    #[error("credit policy is not readable: {0}")]
    Unreadable(String),
    /// A class is missing, or X is not.
    #[error("credit policy must cover exactly the classes A to E")]
    Classes,
    /// A number is out of its range.
    #[error("`{0}` is out of range")]
    OutOfRange(&'static str),
}

impl CreditPolicy {
    /// Reads and validates a credit policy.
    ///
    /// # Errors
    ///
    /// See [`CreditPolicyError`].
    pub fn from_toml(text: &str) -> Result<Self, CreditPolicyError> {
        let policy: Self = toml::from_str(text)
            .map_err(|error| CreditPolicyError::Unreadable(error.message().to_owned()))?;
        policy.validate()?;
        Ok(policy)
    }

    /// Checks everything that deciding relies on.
    ///
    /// # Errors
    ///
    /// The first fault found.
    pub fn validate(&self) -> Result<(), CreditPolicyError> {
        let days = 0..=365;
        if self.revision < 1 {
            return Err(CreditPolicyError::OutOfRange("revision"));
        }
        if !days.contains(&self.validity_days) {
            return Err(CreditPolicyError::OutOfRange("validity_days"));
        }
        if !self.classes.keys().eq(&[
            RiskClass::A,
            RiskClass::B,
            RiskClass::C,
            RiskClass::D,
            RiskClass::E,
        ]) {
            return Err(CreditPolicyError::Classes);
        }
        for class in self.classes.values() {
            if class.base_limit < 0 {
                return Err(CreditPolicyError::OutOfRange("base_limit"));
            }
            if !(0..=10_000).contains(&class.turnover_permille) {
                return Err(CreditPolicyError::OutOfRange("turnover_permille"));
            }
            if !days.contains(&class.payment_term_days) {
                return Err(CreditPolicyError::OutOfRange("payment_term_days"));
            }
        }
        Ok(())
    }
}

/// The credit policy that applies where a creditor has none of its own.
///
/// # Errors
///
/// None in a build that passed its tests: the policy is part of the program.
pub fn starter_policy() -> Result<CreditPolicy, CreditPolicyError> {
    CreditPolicy::from_toml(include_str!("../../data/credit_policy.toml"))
}
