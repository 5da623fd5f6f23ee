//! What the registry knows about a debtor and its invoices, as far as scoring uses it.
//!
//! Every fact carries two dates: when it holds (document or value date) and when it became known (recorded date).
//! As of a date only facts count for which both are on or before that date.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// Why a part of an item is no longer open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementKind {
    /// Money from the debtor.
    Payment,
    /// A credit note set against the item.
    CreditNote,
    /// Discount for early payment.
    Discount,
    /// Given up by the creditor: the debtor did not pay this.
    WriteOff,
    /// The item itself was cancelled.
    Cancellation,
}

/// One posting that settles a part of an item, or undoes one that did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Minor units of the item's currency; negative where an earlier settlement of the same kind is undone.
    pub amount: i64,
    /// The day from which it counts.
    pub value_date: NaiveDate,
    /// The business date on which it became known.
    pub recorded_date: NaiveDate,
    /// What it is.
    pub kind: SettlementKind,
}

/// One invoice or charge with everything that settled it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemFacts {
    /// Unique within the debtor.
    pub item_id: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Minor units; items of zero or less take no part in scoring.
    pub amount: i64,
    /// Date of the document.
    pub document_date: NaiveDate,
    /// Date until which it is to be paid.
    pub due_date: NaiveDate,
    /// The business date on which it became known.
    pub recorded_date: NaiveDate,
    /// In any order.
    pub settlements: Vec<Settlement>,
}

/// What kind of person a debtor is in law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DebtorKind {
    /// A company, public body or association.
    Organisation,
    /// A natural person.
    Person,
}

/// A complaint about an item, or a part of it. It counts from the day it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeFacts {
    /// The item.
    pub item_id: String,
    /// The disputed part in minor units of the item's currency; `None` for whatever is open.
    pub amount: Option<i64>,
    /// The business date on which it was opened.
    pub opened_date: NaiveDate,
    /// The business date on which it was closed; `None` while open.
    pub closed_date: Option<NaiveDate>,
    /// Whether the debtor was found to be right. Known from the day it was closed.
    pub upheld: bool,
}

/// What a debtor agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrangementKind {
    /// An amount by a day.
    Promise,
    /// A schedule in place of due dates.
    InstalmentPlan,
}

/// An arrangement that the debtor broke. A promise that was kept in part is not broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenFacts {
    /// What was broken.
    pub kind: ArrangementKind,
    /// The business date on which it was found broken.
    pub on: NaiveDate,
}

/// What stands, or stood, between the debtor's items and a reminder; in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrangements {
    /// All disputes, whatever came of them.
    pub disputes: Vec<DisputeFacts>,
    /// Promises and plans that were broken; the others say nothing here.
    pub broken: Vec<BrokenFacts>,
}

/// What is known about the debtor itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebtorFacts {
    /// Organisation or person.
    pub kind: DebtorKind,
    /// Marked as not yet a customer. Informative: which scorecard applies follows from the items.
    pub prospect: bool,
    /// First day as a customer, where the creditor states it.
    pub customer_since: Option<NaiveDate>,
    /// Day from which insolvency proceedings are known.
    pub insolvent_since: Option<NaiveDate>,
    /// Day from which the debtor, a natural person, is known to be dead.
    #[serde(default)]
    pub deceased_since: Option<NaiveDate>,
    /// Whether the creditor has stopped deliveries on invoice.
    pub credit_hold: bool,
    /// Disputes and broken arrangements.
    #[serde(default)]
    pub arrangements: Arrangements,
}
