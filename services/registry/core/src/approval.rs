//! Four eyes: what one asks for and another grants.

use crate::account::{Entry, EntryKind, Posting};
use crate::date;
use crate::error::DomainError;
use crate::money::Money;
use crate::named::named_enum;
use crate::violation::{Violation, Violations};
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Calendar days from a request to the last business date on which it can be granted.
const VALID_DAYS: u64 = 14;

named_enum! {
    /// Where an approval stands.
    ApprovalState {
        /// Nobody has decided.
        Pending = "pending",
        /// Another agreed, and it is done.
        Granted = "granted",
        /// Somebody said no.
        Refused = "refused",
        /// Nobody decided in time.
        Expired = "expired",
    }
}

/// Who does something, and when.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// Who.
    pub principal: &'a str,
    /// System time, in microseconds.
    pub at: i64,
    /// The business date.
    pub business_date: NaiveDate,
}

/// A write-off that is asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewWriteOff {
    /// The creditor.
    pub creditor_id: String,
    /// The invoice.
    pub invoice_id: String,
    /// 1 to 10^15 minor units; all that is open if absent.
    pub amount: Option<Money>,
    /// Why: 1 to 500 characters. Personal data.
    pub reason: String,
}

/// Hides the reason.
impl fmt::Debug for NewWriteOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewWriteOff")
            .field("creditor_id", &self.creditor_id)
            .field("invoice_id", &self.invoice_id)
            .field("amount", &self.amount)
            .finish_non_exhaustive()
    }
}

/// What one asked for and another may grant.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The creditor.
    pub creditor_id: String,
    /// Made by the registry.
    pub approval_id: String,
    /// The debtor of the invoice.
    pub debtor_id: String,
    /// The invoice.
    pub invoice_id: String,
    /// How much of it is to be written off.
    pub amount: Money,
    /// Why. Personal data.
    pub reason: String,
    /// Where it was left; see [`Approval::state_on`].
    pub state: ApprovalState,
    /// Who asked.
    pub requested_by: String,
    /// System time, in microseconds.
    pub requested_at: i64,
    /// The business date then.
    pub requested_date: NaiveDate,
    /// The last business date on which it can be granted.
    pub expire_date: NaiveDate,
    /// Who granted or refused it; empty if nobody did.
    pub decided_by: String,
    /// System time, in microseconds; `None` if nobody did.
    pub decided_at: Option<i64>,
    /// Why it was refused. Personal data.
    pub note: String,
    /// 1 after the request; grows with every change.
    pub version: i64,
}

/// Hides reason and note.
impl fmt::Debug for Approval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Approval")
            .field("creditor_id", &self.creditor_id)
            .field("approval_id", &self.approval_id)
            .field("invoice_id", &self.invoice_id)
            .field("amount", &self.amount)
            .field("state", &self.state)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Whether it takes two to have so much of an invoice written off in all. `above` is what one may do alone; `None` is
/// everything. Currencies are never compared: in another one it takes two.
pub fn needs_two(above: Option<Money>, written_off: Money) -> bool {
    above.is_some_and(|above| {
        above.currency != written_off.currency || written_off.minor > above.minor
    })
}

/// What is written off of an invoice by its entries, in minor units; what was undone does not count.
pub fn written_off(entries: &[Entry]) -> i64 {
    let given_up = entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::WriteOff);
    given_up.map(|entry| entry.amount).sum()
}

impl NewWriteOff {
    /// Everything that is wrong with it, without knowledge of the invoice.
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Violations::new();
        violations.key("creditor_id", &self.creditor_id);
        violations.key("invoice_id", &self.invoice_id);
        if let Some(amount) = &self.amount {
            violations.amount("amount", amount, 1);
        }
        violations.text("reason", &self.reason, 1..=500, true);
        violations.into_vec()
    }

    /// What would be posted by one alone.
    pub fn posting(&self) -> Posting {
        Posting::WriteOff {
            invoice_id: self.invoice_id.clone(),
            amount: self.amount,
        }
    }

    /// The request for it, of so much of an invoice of this debtor: what it asks for is fixed with it.
    pub fn ask(
        self,
        approval_id: String,
        debtor_id: String,
        amount: Money,
        deed: &Deed<'_>,
    ) -> Approval {
        let expire_date = deed.business_date.checked_add_days(Days::new(VALID_DAYS));
        Approval {
            creditor_id: self.creditor_id,
            approval_id,
            debtor_id,
            invoice_id: self.invoice_id,
            amount,
            reason: self.reason,
            state: ApprovalState::Pending,
            requested_by: deed.principal.to_owned(),
            requested_at: deed.at,
            requested_date: deed.business_date,
            expire_date: expire_date.map_or(date::MAX, |date| date.min(date::MAX)),
            decided_by: String::new(),
            decided_at: None,
            note: String::new(),
            version: 1,
        }
    }
}

impl Approval {
    /// Where it stands on a business date: nothing needs to happen for it to expire.
    pub fn state_on(&self, business_date: NaiveDate) -> ApprovalState {
        match self.state {
            ApprovalState::Pending if business_date > self.expire_date => ApprovalState::Expired,
            state => state,
        }
    }

    /// It as it stands on a business date.
    #[must_use]
    pub fn as_of(self, business_date: NaiveDate) -> Self {
        Self {
            state: self.state_on(business_date),
            ..self
        }
    }

    /// What is to be posted.
    pub fn posting(&self) -> Posting {
        Posting::WriteOff {
            invoice_id: self.invoice_id.clone(),
            amount: Some(self.amount),
        }
    }

    /// Another agrees; what it asks for must be posted with it. The version grows by one.
    ///
    /// # Errors
    /// [`DomainError::WrongState`] unless it is pending, [`DomainError::FourEyesRequired`] for whoever asked.
    pub fn grant(&mut self, deed: &Deed<'_>) -> Result<(), DomainError> {
        self.require_pending(deed.business_date)?;
        if self.requested_by == deed.principal {
            return Err(DomainError::FourEyesRequired {
                what: "whoever asked for an approval may not grant it: another person must",
                method: "GrantApproval",
                principal: self.requested_by.clone(),
            });
        }
        self.decide(ApprovalState::Granted, deed);
        Ok(())
    }

    /// Somebody says no, or whoever asked takes it back. The version grows by one.
    ///
    /// # Errors
    /// [`DomainError::WrongState`] unless it is pending.
    pub fn refuse(&mut self, deed: &Deed<'_>, note: String) -> Result<(), DomainError> {
        self.require_pending(deed.business_date)?;
        self.decide(ApprovalState::Refused, deed);
        self.note = note;
        Ok(())
    }

    /// Notes that nobody decided in time, to make room for another. The version grows by one.
    pub fn expire(&mut self) {
        self.state = ApprovalState::Expired;
        self.version += 1;
    }

    fn require_pending(&self, business_date: NaiveDate) -> Result<(), DomainError> {
        let state = self.state_on(business_date);
        if state == ApprovalState::Pending {
            return Ok(());
        }
        Err(DomainError::WrongState {
            kind: "approval",
            id: self.approval_id.clone(),
            state: state.name(),
        })
    }

    fn decide(&mut self, state: ApprovalState, deed: &Deed<'_>) {
        self.state = state;
        self.decided_by = deed.principal.to_owned();
        self.decided_at = Some(deed.at);
        self.version += 1;
    }
}

#[cfg(test)]
mod tests;
