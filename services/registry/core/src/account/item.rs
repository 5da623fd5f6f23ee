//! Items: invoices, credit notes and payments.

use crate::currency::Currency;
use crate::named::named_enum;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;

named_enum! {
    /// What an item is.
    ItemKind {
        /// The debtor owes the amount.
        Invoice = "invoice",
        /// The creditor owes the amount.
        CreditNote = "credit_note",
        /// The debtor has paid the amount.
        Payment = "payment",
    }
}

/// The key of an item, unique per creditor: an invoice and a payment may carry the same number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemKey {
    /// What it is.
    pub kind: ItemKind,
    /// The caller's key.
    pub id: String,
}

impl ItemKey {
    /// The key of an item of this kind.
    pub fn new(kind: ItemKind, id: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
        }
    }

    /// The key of an invoice.
    pub fn invoice(id: impl Into<String>) -> Self {
        Self::new(ItemKind::Invoice, id)
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.name(), self.id)
    }
}

/// An item of a receivables account. Amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The debtor.
    pub debtor_id: String,
    /// Kind and id.
    pub key: ItemKey,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// 0 (invoices) or 1 to 10^15.
    pub amount: i64,
    /// Invoice: still owed. Payment or credit note: not allocated yet. 0 to `amount`; the sum for the far future.
    pub open: i64,
    /// Date on the document.
    pub document_date: NaiveDate,
    /// Invoices: the net due date, which may be before the document date.
    pub due_date: Option<NaiveDate>,
    /// The day it counts from. Payments: the day the money was credited; otherwise the document date.
    pub value_date: NaiveDate,
    /// Invoices: last day on which the discount may be taken.
    pub discount_date: Option<NaiveDate>,
    /// Invoices: the discount in hundredths of a percent, 0 to 10,000; 0 without a discount date.
    pub discount_bps: i32,
    /// Free text, 0 to 140 characters.
    pub reference: String,
    /// The creditor's business date when it was posted, or earlier if imported as history.
    pub recorded_date: NaiveDate,
    /// Whether it was reversed.
    pub reversed: bool,
    /// 1 after creation; grows with every change.
    pub version: i64,
}
