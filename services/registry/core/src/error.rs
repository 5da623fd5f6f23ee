//! Why something is refused.

use crate::account::ItemKey;
use crate::violation::Violation;
use chrono::NaiveDate;
use thiserror::Error;

/// A refusal. Messages hold ids, dates and amounts, never names or addresses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DomainError {
    /// At least one field is wrong; all of them are named.
    #[error("{} invalid field(s)", .0.len())]
    Invalid(Vec<Violation>),

    /// There is no such thing.
    #[error("{kind} {id} not found")]
    NotFound {
        /// What was looked for: `debtor`, `invoice`, `credit_note`, `payment`, `entry`, …
        kind: &'static str,
        /// Its key.
        id: String,
    },

    /// The key is taken, be it by another debtor.
    #[error("{kind} {id} exists already")]
    Exists {
        /// What exists.
        kind: &'static str,
        /// Its key.
        id: String,
    },

    /// The creditor has no open business day yet.
    #[error("the creditor has no open business day")]
    NoBusinessDay,

    /// The business day cannot be opened.
    #[error("business day {date} refused: {reason}")]
    BusinessDayRefused {
        /// The day asked for.
        date: NaiveDate,
        /// Why.
        reason: &'static str,
    },

    /// More would be settled than is open. Amounts in minor units of the item's currency.
    #[error("{item}: {wanted} wanted, {open} open")]
    ExceedsOpenAmount {
        /// The invoice, or the payment or credit note that does not suffice.
        item: ItemKey,
        /// What is open or unallocated.
        open: i64,
        /// What would be used.
        wanted: i64,
    },

    /// The items are of different debtors or currencies.
    #[error("{item}: other {difference}")]
    ItemsDoNotMatch {
        /// The item that does not match the posting.
        item: ItemKey,
        /// What differs: `debtor` or `currency`.
        difference: &'static str,
    },

    /// The posting was reversed already.
    #[error("{kind} {id} is reversed already")]
    AlreadyReversed {
        /// `invoice`, `credit_note`, `payment` or `entry`.
        kind: &'static str,
        /// Its key.
        id: String,
    },

    /// The invoice is settled in part or wholly; that must be reversed first.
    #[error("{item} has allocations")]
    HasAllocations {
        /// The invoice.
        item: ItemKey,
    },

    /// An open dispute, promise or plan covers the invoice.
    #[error("{kind} {id} covers it already")]
    AlreadyCovered {
        /// `dispute`, `promise` or `instalment_plan`.
        kind: &'static str,
        /// Its key.
        id: String,
    },

    /// The state of something does not allow it.
    #[error("{kind} {id} is {state}")]
    WrongState {
        /// What it is.
        kind: &'static str,
        /// Its key.
        id: String,
        /// The state it is in.
        state: &'static str,
    },

    /// A limit is reached.
    #[error("limit of {limit} {what} reached")]
    LimitReached {
        /// The limit.
        limit: i64,
        /// Of what.
        what: &'static str,
    },

    /// It takes two, and this would be one alone.
    #[error("{what}")]
    FourEyesRequired {
        /// What another person must do.
        what: &'static str,
        /// The method that leads on.
        method: &'static str,
        /// Who may not call it; empty if anybody may.
        principal: String,
    },

    /// The etag sent is not the current one.
    #[error("the etag is not the current one")]
    EtagMismatch,
}

impl From<Vec<Violation>> for DomainError {
    fn from(violations: Vec<Violation>) -> Self {
        Self::Invalid(violations)
    }
}
