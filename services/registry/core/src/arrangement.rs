//! What stands between an open invoice and a reminder: disputes, promises to pay and instalment plans.
//!
//! A promise is a plan of one instalment, with a finer verdict; both are an [`Arrangement`]. What has come for one is what
//! the open amounts of its invoices have gone down by since it was made, whoever or whatever brought them down: payments,
//! credit notes, discounts, write-offs and reversals alike.

mod agreed;
mod dispute;
mod terms;
#[cfg(test)]
mod tests;

pub use agreed::{Arrangement, ArrangementKind, ArrangementState, CoveredInvoice, Instalment};
pub use dispute::{Claim, Dispute, DisputeReason, DisputeState};
pub use terms::{NewArrangement, PlannedInstalment, Terms};

use crate::account::Item;
use crate::error::DomainError;

/// Refuses an invoice on which nothing is open.
fn require_open(invoice: &Item) -> Result<(), DomainError> {
    if invoice.open > 0 {
        return Ok(());
    }
    Err(DomainError::WrongState {
        kind: invoice.key.kind.name(),
        id: invoice.key.id.clone(),
        state: if invoice.reversed {
            "reversed"
        } else {
            "settled"
        },
    })
}
