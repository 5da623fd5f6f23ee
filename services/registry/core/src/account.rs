//! The receivables account: items, the entries that settle them, and the ledger that posts both.
//!
//! Nothing is ever changed or deleted; every figure is a sum. What is open on an item as of a date `d`, as known at a
//! date `k`, is its amount (if its value date is `d` or earlier and its recorded date `k` or earlier) less the amounts
//! of its entries with a value date up to `d` and a recorded date up to `k`.
//!
//! The ledger keeps three rules for every item, after every posting:
//! 1. What is open is never negative, as of any date. Hence the value date of an allocation is not simply that of the
//!    payment: it is the first date from which the amount is available on both sides for good.
//! 2. Recorded dates never fall from one entry of an item to the next, nor below that of the item. Hence what was known
//!    at a date is what the first so many postings said, and rule 1 holds for it too.
//! 3. An entry is undone by an entry of the opposite amount that counts from the same day or later.

mod draft;
mod entry;
mod item;
mod ledger;
mod posting;
#[cfg(test)]
mod tests;

pub use entry::{Entry, EntryKind};
pub use item::{Item, ItemKey, ItemKind};
pub use ledger::{Changes, Ledger};
pub use posting::{Allocation, NewCredit, NewInvoice, Posting, PostingRequest};
