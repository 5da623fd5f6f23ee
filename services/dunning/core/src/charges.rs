//! Interest, flat sums and costs of collection as evaluation asks for them. [`crate::law`] answers; tests put simpler
//! laws in its place.

mod statutory;

use chrono::NaiveDate;
use thiserror::Error;

use crate::input::{DebtorFacts, PrincipalPoint};

/// The claim on which something is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Who owes it.
    pub debtor: &'a DebtorFacts,
    /// The item.
    pub item_id: &'a str,
    /// ISO 4217 code.
    pub currency: &'a str,
    /// Date of the document, which decides the law where it changed.
    pub document_date: NaiveDate,
    /// Last day to pay; default begins after it.
    pub due_date: NaiveDate,
    /// The dunned principal by date, rising: what is disputed, promised or set off is left out throughout.
    pub principal: Vec<PrincipalPoint>,
}

/// One charge on a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Minor units of the claim's currency, above zero.
    pub minor: i64,
    /// Where it comes from: statute and figures, for the reader of the notice. At most 300 characters.
    pub basis: String,
}

/// Why nothing can be charged, and so nothing be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChargeError {
    /// No rate is known for a period; never extrapolated.
    #[error("no rate of {country} is published for {period}")]
    RateNotPublished {
        /// ISO 3166-1 alpha-2 code.
        country: String,
        /// The half-year: `2027-H1`.
        period: String,
    },
    /// No law pack covers the debtor's country, or none has a rule for a claim like this.
    #[error("no law pack for country {country}")]
    NoPack {
        /// ISO 3166-1 alpha-2 code; empty if the debtor's is unknown.
        country: String,
    },
    /// The law wants the costs of collection named, and gives none for the claims: in another currency than its own, or
    /// on charges alone.
    #[error("the law of {country} gives no costs of collecting these claims in {currency}")]
    NoCollectionCosts {
        /// ISO 3166-1 alpha-2 code.
        country: String,
        /// ISO 4217 code.
        currency: String,
    },
    /// An amount is beyond the numbers there are.
    #[error("amount out of range")]
    OutOfRange,
}

impl ChargeError {
    /// Stable code with what decides, for a finding: `RATE_NOT_PUBLISHED DE 2027-H1`.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::RateNotPublished { country, period } => {
                format!("RATE_NOT_PUBLISHED {country} {period}")
            }
            Self::NoPack { country } => format!("NO_PACK {country}"),
            Self::NoCollectionCosts { country, currency } => {
                format!("NO_COLLECTION_COSTS {country} {currency}")
            }
            Self::OutOfRange => "OUT_OF_RANGE".to_owned(),
        }
    }
}

/// What may be charged on a claim. Must be a pure function, or replay breaks.
pub trait Charges {
    /// Default interest from the due date until and including `until`, one charge per rate period.
    ///
    /// # Errors
    ///
    /// See [`ChargeError`].
    fn interest(&self, claim: &Claim<'_>, until: NaiveDate) -> Result<Vec<Charge>, ChargeError>;

    /// The flat sum that the law grants once per claim; `None` where it grants none.
    ///
    /// # Errors
    ///
    /// See [`ChargeError`].
    fn flat_sum(&self, claim: &Claim<'_>, on: NaiveDate) -> Result<Option<Charge>, ChargeError>;

    /// What collecting claims out of court may cost a debtor who lets the period of a notice pass, in minor units of their
    /// currency, above zero: by the sum of the claims, of which the first was due on `due_date`.
    ///
    /// # Errors
    ///
    /// See [`ChargeError`]; also where the law grants nothing.
    fn collection_costs(
        &self,
        debtor: &DebtorFacts,
        currency: &str,
        due_date: NaiveDate,
        principal: i64,
    ) -> Result<i64, ChargeError>;
}
