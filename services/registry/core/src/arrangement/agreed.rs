//! Agreed promises and plans, and the judgement of them.

use crate::currency::Currency;
use crate::error::DomainError;
use crate::named::named_enum;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

named_enum! {
    /// What was agreed.
    ArrangementKind {
        /// An amount by a day.
        Promise = "promise",
        /// A schedule in place of due dates.
        Plan = "instalment_plan",
    }
}

named_enum! {
    /// Where a promise or plan stands.
    ArrangementState {
        /// No instalment is late beyond its tolerance, and not everything has come.
        Open = "open",
        /// Everything came in time.
        Kept = "kept",
        /// A promise whose day passed when a part had come.
        PartlyKept = "partly_kept",
        /// A promise whose day passed when nothing had come, or a plan of which an instalment was late.
        Broken = "broken",
        /// Ended without a verdict.
        Cancelled = "cancelled",
    }
}

/// An invoice of a promise or plan. Minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredInvoice {
    /// The invoice.
    pub invoice_id: String,
    /// What was open on it when the arrangement was made.
    pub open_then: i64,
    /// The part that is still to come by the arrangement: at most what is open; 0 unless the arrangement is open.
    pub covered: i64,
}

/// A part of a plan, or the whole of a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instalment {
    /// The day agreed.
    pub due_date: NaiveDate,
    /// How much, in minor units, at least 1.
    pub amount: i64,
    /// The last business day on which it is not late, by the calendar at the time of the agreement: what was agreed does
    /// not move when the creditor changes the calendar.
    pub last_day: NaiveDate,
}

/// A promise to pay or an instalment plan. Amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrangement {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// What was agreed.
    pub kind: ArrangementKind,
    /// The caller's key, unique per creditor and kind.
    pub id: String,
    /// The currency of all its invoices.
    pub currency: Currency,
    /// What it covers, 1 to 100, in the order in which money fills it.
    pub invoices: Vec<CoveredInvoice>,
    /// By rising due date; one for a promise, 1 to 60 for a plan.
    pub instalments: Vec<Instalment>,
    /// Calendar days that an instalment may be late, 0 to 30.
    pub tolerance_days: i32,
    /// Where it stands.
    pub state: ArrangementState,
    /// How much has come, 0 to [`Arrangement::amount`].
    pub paid: i64,
    /// The business date on which it was made.
    pub created_date: NaiveDate,
    /// The business date on which it ended; `None` while open.
    pub closed_date: Option<NaiveDate>,
    /// 1 after creation; grows with every change.
    pub version: i64,
}

impl Arrangement {
    /// All of it.
    #[must_use]
    pub fn amount(&self) -> i64 {
        self.instalments.iter().map(|each| each.amount).sum()
    }

    /// The last day of the first instalment for which not enough has come: it breaks on the first business day after it.
    /// `None` once it is closed.
    #[must_use]
    pub fn next_due(&self) -> Option<NaiveDate> {
        if self.state != ArrangementState::Open {
            return None;
        }
        let mut due = 0;
        self.instalments
            .iter()
            .find(|each| {
                due += each.amount;
                due > self.paid
            })
            .map(|each| each.last_day)
    }

    /// Takes in what is open now, by invoice id, on a business date. What the day has decided already stands, so money
    /// that comes too late does not mend it. Says what has happened, if anything; the version grows by one then.
    pub fn count(
        &mut self,
        open: impl Fn(&str) -> i64,
        business_date: NaiveDate,
    ) -> Option<&'static str> {
        if let Some(verdict) = self.pass(business_date) {
            return Some(verdict);
        }
        if self.state != ArrangementState::Open {
            return None;
        }
        let before = (self.paid, self.invoices.clone());
        self.fill(open);
        let verdict = self.judge(business_date);
        if verdict.is_none() && before == (self.paid, self.invoices.clone()) {
            return None;
        }
        self.version += 1;
        Some(verdict.map_or("counted", ArrangementState::name))
    }

    /// Decides what a business date decides, and says what; the version grows by one then.
    pub fn pass(&mut self, business_date: NaiveDate) -> Option<&'static str> {
        let verdict = self.judge(business_date)?;
        self.version += 1;
        Some(verdict.name())
    }

    /// Ends it without a verdict; the version grows by one.
    ///
    /// # Errors
    /// [`DomainError::WrongState`] if it is closed, or is to be closed on this business date.
    pub fn cancel(&mut self, business_date: NaiveDate) -> Result<(), DomainError> {
        self.judge(business_date);
        if self.state != ArrangementState::Open {
            return Err(DomainError::WrongState {
                kind: self.kind.name(),
                id: self.id.clone(),
                state: self.state.name(),
            });
        }
        self.close(ArrangementState::Cancelled, business_date);
        self.version += 1;
        Ok(())
    }

    /// Sets what has come and what is left of it on each invoice, in their order.
    pub(super) fn fill(&mut self, open: impl Fn(&str) -> i64) {
        let open: Vec<i64> = self
            .invoices
            .iter()
            .map(|each| open(&each.invoice_id))
            .collect();
        let then: i64 = self.invoices.iter().map(|each| each.open_then).sum();
        let gone = then - open.iter().sum::<i64>();
        self.paid = gone.clamp(0, self.amount());
        let mut left = self.amount() - self.paid;
        for (invoice, open) in self.invoices.iter_mut().zip(open) {
            invoice.covered = open.min(left);
            left -= invoice.covered;
        }
    }

    fn judge(&mut self, business_date: NaiveDate) -> Option<ArrangementState> {
        if self.state != ArrangementState::Open {
            return None;
        }
        let verdict = match self.next_due() {
            None => ArrangementState::Kept,
            Some(last_day) if business_date <= last_day => return None,
            Some(_) if self.kind == ArrangementKind::Promise && self.paid > 0 => {
                ArrangementState::PartlyKept
            }
            Some(_) => ArrangementState::Broken,
        };
        self.close(verdict, business_date);
        Some(verdict)
    }

    fn close(&mut self, state: ArrangementState, business_date: NaiveDate) {
        self.state = state;
        self.closed_date = Some(business_date);
        for invoice in &mut self.invoices {
            invoice.covered = 0;
        }
    }
}
