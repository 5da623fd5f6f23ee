//! Entries: what settles items, and what undoes that.

use super::item::ItemKey;
use crate::named::named_enum;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

named_enum! {
    /// What settled a part of an item.
    EntryKind {
        /// A part of a payment or credit note.
        Allocation = "allocation",
        /// Early-payment discount granted with a payment.
        Discount = "discount",
        /// The claim was given up.
        WriteOff = "write_off",
        /// The item itself was reversed.
        Cancellation = "cancellation",
    }
}

/// A posting that settled, or stopped settling, a part of an item. Minor units of the item's currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Made by the registry.
    pub entry_id: String,
    /// The debtor of the items.
    pub debtor_id: String,
    /// What it is.
    pub kind: EntryKind,
    /// Positive settles, negative undoes; zero only when an invoice over nothing is cancelled.
    pub amount: i64,
    /// The invoice; `None` when a payment or credit note is cancelled.
    pub debit: Option<ItemKey>,
    /// The payment or credit note: of an allocation, of the discount granted with it, or that is cancelled.
    pub credit: Option<ItemKey>,
    /// The day it counts from.
    pub value_date: NaiveDate,
    /// The business date when it was posted, or earlier if imported as history; never before that of an earlier entry
    /// of the same items.
    pub recorded_date: NaiveDate,
    /// The entry it undoes.
    pub reverses: Option<String>,
    /// Greater than that of every earlier entry of the same items, from 1.
    pub number: i64,
}

impl Entry {
    /// Whether the amount is taken from the credit: a discount names the payment it was granted with, but does not use
    /// it up.
    pub fn consumes_credit(&self) -> bool {
        self.credit.is_some()
            && matches!(self.kind, EntryKind::Allocation | EntryKind::Cancellation)
    }

    /// How much of this item the entry uses up; negative if it gives back, 0 if it has nothing to do with it.
    pub fn uses(&self, item: &ItemKey) -> i64 {
        let as_debit = self.debit.as_ref() == Some(item);
        let as_credit = self.consumes_credit() && self.credit.as_ref() == Some(item);
        if as_debit || as_credit {
            self.amount
        } else {
            0
        }
    }

    /// Whether it settles something and can be undone: neither a cancellation nor itself an undoing.
    pub fn settles(&self) -> bool {
        self.kind != EntryKind::Cancellation && self.reverses.is_none()
    }

    /// The items it names.
    pub fn items(&self) -> impl Iterator<Item = &ItemKey> {
        self.debit.iter().chain(&self.credit)
    }
}
