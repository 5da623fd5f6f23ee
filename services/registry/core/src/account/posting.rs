//! Postings as requested, and whether they are well formed.

use super::item::{ItemKey, ItemKind};
use crate::money::Money;
use crate::violation::{Violation, Violations};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Most allocations of one posting.
pub(crate) const MAX_ALLOCATIONS: usize = 500;

/// An invoice to be posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewInvoice {
    /// The debtor.
    pub debtor_id: String,
    /// The invoice number.
    pub item_id: String,
    /// 0 to 10^15 minor units.
    pub amount: Money,
    /// Date on the document.
    pub document_date: NaiveDate,
    /// Net due date; may be before the document date.
    pub due_date: NaiveDate,
    /// Last day on which the discount may be taken.
    pub discount_date: Option<NaiveDate>,
    /// Hundredths of a percent: 1 to 10,000 with a discount date, 0 without.
    pub discount_bps: i32,
    /// Free text, 0 to 140 characters.
    pub reference: String,
}

/// A payment or credit note to be posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCredit {
    /// The debtor.
    pub debtor_id: String,
    /// The payment reference or credit note number.
    pub item_id: String,
    /// 1 to 10^15 minor units.
    pub amount: Money,
    /// Date on the document.
    pub document_date: NaiveDate,
    /// Payments: the day the money was credited. Credit notes count from the document date, whatever is here.
    pub value_date: NaiveDate,
    /// Free text, 0 to 140 characters.
    pub reference: String,
    /// What it settles now, at most 500, each invoice once.
    pub allocations: Vec<Allocation>,
}

/// A part of a payment or credit note for one invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// The invoice.
    pub invoice_id: String,
    /// How much the credit settles, 1 to 10^15 minor units.
    pub amount: Money,
    /// Early-payment discount on top, 0 to 10^15 minor units; with payments only.
    pub discount: Option<Money>,
}

/// What is to be posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Posting {
    /// A new invoice.
    Invoice(NewInvoice),
    /// A new credit note with its allocations.
    CreditNote(NewCredit),
    /// A new payment with its allocations.
    Payment(NewCredit),
    /// Allocates what is unallocated of a payment or credit note.
    Allocate {
        /// The payment or credit note.
        credit: ItemKey,
        /// 1 to 500, each invoice once.
        allocations: Vec<Allocation>,
    },
    /// Reverses an item: an invoice without allocations, or a payment or credit note with all it settles.
    ReverseItem {
        /// The item.
        key: ItemKey,
        /// The day the reversal counts from, not before the item's own; the posting's date if absent. Moved to the
        /// first later date at which nothing becomes negative.
        value_date: Option<NaiveDate>,
    },
    /// Undoes one allocation, discount or write-off.
    ReverseEntry {
        /// The invoice.
        invoice_id: String,
        /// The entry.
        entry_id: String,
        /// The day the reversal counts from, not before the entry's own; the posting's date if absent.
        value_date: Option<NaiveDate>,
    },
    /// Gives up a claim, wholly or in part.
    WriteOff {
        /// The invoice.
        invoice_id: String,
        /// 1 to 10^15 minor units; all that is open if absent.
        amount: Option<Money>,
    },
}

/// A posting and when it became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostingRequest {
    /// What is to be posted.
    pub posting: Posting,
    /// History imports: the day it became known, not after the business date. `None` means the business date.
    pub recorded_date: Option<NaiveDate>,
}

impl Posting {
    /// Everything that is wrong with the form, without knowledge of any item. Fields are named as in the request
    /// messages of the account service.
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Violations::new();
        match self {
            Self::Invoice(invoice) => validate_invoice(invoice, &mut violations),
            Self::CreditNote(credit) => validate_credit("credit_note", credit, &mut violations),
            Self::Payment(credit) => validate_credit("payment", credit, &mut violations),
            Self::Allocate {
                credit,
                allocations,
            } => {
                violations.require(
                    credit.kind != ItemKind::Invoice,
                    "credit_kind",
                    "must be a payment or credit note",
                );
                violations.key("credit_id", &credit.id);
                violations.require(!allocations.is_empty(), "allocations", "must not be empty");
                validate_allocations(credit.kind, allocations, &mut violations);
            }
            Self::ReverseItem { key, value_date } => {
                violations.key("item_id", &key.id);
                validate_value_date(*value_date, &mut violations);
            }
            Self::ReverseEntry {
                invoice_id,
                entry_id,
                value_date,
            } => {
                violations.key("invoice_id", invoice_id);
                violations.key("entry_id", entry_id);
                validate_value_date(*value_date, &mut violations);
            }
            Self::WriteOff { invoice_id, amount } => {
                violations.key("invoice_id", invoice_id);
                if let Some(amount) = amount {
                    violations.amount("amount", amount, 1);
                }
            }
        }
        violations.into_vec()
    }

    /// The items it names, its own first. A ledger needs those that exist, with all their entries.
    pub fn references(&self) -> Vec<ItemKey> {
        let (own, allocations): (ItemKey, &[Allocation]) = match self {
            Self::Invoice(invoice) => (ItemKey::invoice(&invoice.item_id), &[]),
            Self::CreditNote(credit) => (
                ItemKey::new(ItemKind::CreditNote, &credit.item_id),
                &credit.allocations,
            ),
            Self::Payment(credit) => (
                ItemKey::new(ItemKind::Payment, &credit.item_id),
                &credit.allocations,
            ),
            Self::Allocate {
                credit,
                allocations,
            } => (credit.clone(), allocations),
            Self::ReverseItem { key, .. } => (key.clone(), &[]),
            Self::ReverseEntry { invoice_id, .. } | Self::WriteOff { invoice_id, .. } => {
                (ItemKey::invoice(invoice_id), &[])
            }
        };
        let invoices = allocations
            .iter()
            .map(|allocation| ItemKey::invoice(&allocation.invoice_id));
        std::iter::once(own).chain(invoices).collect()
    }

    /// Whether the ledger also needs the items on the other side of the entries of [`Self::references`], with all their
    /// entries: the invoices of a credit to be reversed, the payments and credit notes of an entry to be undone.
    pub fn needs_counterparts(&self) -> bool {
        match self {
            Self::ReverseItem { key, .. } => key.kind != ItemKind::Invoice,
            Self::ReverseEntry { .. } => true,
            _ => false,
        }
    }
}

fn validate_invoice(invoice: &NewInvoice, violations: &mut Violations) {
    violations.key("invoice.debtor_id", &invoice.debtor_id);
    violations.key("invoice.item_id", &invoice.item_id);
    violations.amount("invoice.amount", &invoice.amount, 0);
    violations.date("invoice.document_date", invoice.document_date);
    violations.date("invoice.due_date", invoice.due_date);
    if let Some(date) = invoice.discount_date {
        violations.date("invoice.discount_date", date);
        violations.require(
            (1..=10_000).contains(&invoice.discount_bps),
            "invoice.discount_bps",
            "must be 1 to 10,000 with a discount date",
        );
    } else {
        violations.require(
            invoice.discount_bps == 0,
            "invoice.discount_bps",
            "must be 0 without a discount date",
        );
    }
    violations.text("invoice.reference", &invoice.reference, 0..=140, true);
}

fn validate_credit(field: &str, credit: &NewCredit, violations: &mut Violations) {
    violations.key(&format!("{field}.debtor_id"), &credit.debtor_id);
    violations.key(&format!("{field}.item_id"), &credit.item_id);
    violations.amount(&format!("{field}.amount"), &credit.amount, 1);
    violations.date(&format!("{field}.document_date"), credit.document_date);
    let kind = if field == "payment" {
        ItemKind::Payment
    } else {
        ItemKind::CreditNote
    };
    if kind == ItemKind::Payment {
        violations.date(&format!("{field}.value_date"), credit.value_date);
    }
    violations.text(
        &format!("{field}.reference"),
        &credit.reference,
        0..=140,
        true,
    );
    validate_allocations(kind, &credit.allocations, violations);
}

fn validate_allocations(kind: ItemKind, allocations: &[Allocation], violations: &mut Violations) {
    if allocations.len() > MAX_ALLOCATIONS {
        violations.add("allocations", "must be at most 500");
        return;
    }
    let mut seen = HashSet::new();
    for (index, allocation) in allocations.iter().enumerate() {
        let field = format!("allocations[{index}]");
        violations.key(&format!("{field}.invoice_id"), &allocation.invoice_id);
        if !seen.insert(&allocation.invoice_id) {
            violations.add(format!("{field}.invoice_id"), "must name each invoice once");
        }
        violations.amount(&format!("{field}.amount"), &allocation.amount, 1);
        if let Some(discount) = &allocation.discount {
            violations.amount(&format!("{field}.discount"), discount, 0);
            if kind == ItemKind::CreditNote {
                violations.add(
                    format!("{field}.discount"),
                    "must be absent with a credit note",
                );
            }
        }
    }
}

fn validate_value_date(value_date: Option<NaiveDate>, violations: &mut Violations) {
    if let Some(date) = value_date {
        violations.date("value_date", date);
    }
}

#[cfg(test)]
mod tests;
