//! Disputes: complaints about invoices.

use super::require_open;
use crate::account::{Item, ItemKey};
use crate::error::DomainError;
use crate::id;
use crate::money::Money;
use crate::named::named_enum;
use crate::violation::{Violation, Violations};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;

named_enum! {
    /// Why an invoice is disputed.
    DisputeReason {
        /// Not what was agreed, or defective.
        Quality = "quality",
        /// Too little was delivered.
        Quantity = "quantity",
        /// Not the agreed price.
        Price = "price",
        /// Not delivered, or too late.
        Delivery = "delivery",
        /// Never ordered.
        NotOrdered = "not_ordered",
        /// Paid already, says the debtor.
        AlreadyPaid = "already_paid",
        /// The invoice itself is wrong: addressee, tax, form.
        InvoiceForm = "invoice_form",
        /// Something else; the note says what.
        Other = "other",
    }
}

named_enum! {
    /// Where a dispute stands.
    DisputeState {
        /// Without an outcome.
        Open = "open",
        /// The debtor is right.
        Upheld = "upheld",
        /// The debtor is wrong.
        Rejected = "rejected",
        /// The debtor took it back.
        Withdrawn = "withdrawn",
    }
}

/// What a caller says of a dispute.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The creditor.
    pub creditor_id: String,
    /// The caller's key, unique per creditor.
    pub dispute_id: String,
    /// The invoice.
    pub invoice_id: String,
    /// The disputed part, 1 to 10^15 minor units; `None` means all that is open, whatever it is.
    pub amount: Option<Money>,
    /// Why.
    pub reason: DisputeReason,
    /// Who looks after it: a key, or empty.
    pub owner: String,
    /// 0 to 500 characters. Personal data.
    pub note: String,
}

/// Hides the note.
impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Claim")
            .field("creditor_id", &self.creditor_id)
            .field("dispute_id", &self.dispute_id)
            .field("invoice_id", &self.invoice_id)
            .field("amount", &self.amount)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// A complaint about an invoice, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// What was said when it was opened.
    pub claim: Claim,
    /// The debtor of the invoice.
    pub debtor_id: String,
    /// Where it stands.
    pub state: DisputeState,
    /// The business date on which it was opened.
    pub opened_date: NaiveDate,
    /// The business date on which it was closed; `None` while open.
    pub closed_date: Option<NaiveDate>,
    /// 1 after opening; grows with every change.
    pub version: i64,
}

impl Claim {
    /// Everything that is wrong with it, without knowledge of the invoice.
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Violations::new();
        violations.key("dispute.creditor_id", &self.creditor_id);
        violations.key("dispute.dispute_id", &self.dispute_id);
        violations.key("dispute.invoice_id", &self.invoice_id);
        if let Some(amount) = &self.amount {
            violations.amount("dispute.amount", amount, 1);
        }
        violations.require(
            self.owner.is_empty() || id::valid_key(&self.owner),
            "dispute.owner",
            "must be 0 to 64 of A-Za-z0-9._~-",
        );
        violations.text("dispute.note", &self.note, 0..=500, true);
        violations.into_vec()
    }

    /// Opens it about the invoice, `None` if there is no such invoice.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] without an invoice, [`DomainError::WrongState`] if nothing is open on it,
    /// [`DomainError::ItemsDoNotMatch`] for another currency, [`DomainError::ExceedsOpenAmount`] if less is open.
    pub fn open(
        self,
        business_date: NaiveDate,
        invoice: Option<&Item>,
    ) -> Result<Dispute, DomainError> {
        let Some(invoice) = invoice else {
            return Err(DomainError::NotFound {
                kind: "invoice",
                id: self.invoice_id,
            });
        };
        require_open(invoice)?;
        if let Some(amount) = self.amount {
            let item = ItemKey::invoice(&self.invoice_id);
            if amount.currency != invoice.currency {
                return Err(DomainError::ItemsDoNotMatch {
                    item,
                    difference: "currency",
                });
            }
            if amount.minor > invoice.open {
                return Err(DomainError::ExceedsOpenAmount {
                    item,
                    open: invoice.open,
                    wanted: amount.minor,
                });
            }
        }
        Ok(Dispute {
            debtor_id: invoice.debtor_id.clone(),
            claim: self,
            state: DisputeState::Open,
            opened_date: business_date,
            closed_date: None,
            version: 1,
        })
    }
}

impl Dispute {
    /// Closes it with an outcome; the version grows by one.
    ///
    /// # Errors
    /// [`DomainError::WrongState`] if it is closed; [`DomainError::Invalid`] if the outcome is none.
    pub fn close(
        &mut self,
        outcome: DisputeState,
        business_date: NaiveDate,
    ) -> Result<(), DomainError> {
        if outcome == DisputeState::Open {
            let mut violations = Violations::new();
            violations.add("outcome", "must be upheld, rejected or withdrawn");
            return Err(DomainError::Invalid(violations.into_vec()));
        }
        if self.state != DisputeState::Open {
            return Err(DomainError::WrongState {
                kind: "dispute",
                id: self.claim.dispute_id.clone(),
                state: self.state.name(),
            });
        }
        self.state = outcome;
        self.closed_date = Some(business_date);
        self.version += 1;
        Ok(())
    }
}
