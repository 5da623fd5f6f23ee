//! What other services do with the debtors of a treatment segment.

use serde::{Deserialize, Serialize};

use crate::violation::Violations;

/// Longest payment term, and longest time for a discount, in days.
pub const MAX_TERM_DAYS: u32 = 365;
/// Highest discount for early payment, in bps.
pub const MAX_DISCOUNT_BPS: u32 = 5_000;

/// Money back for paying early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyPaymentDiscount {
    /// Part of the amount, 1 to [`MAX_DISCOUNT_BPS`] bps.
    pub bps: u32,
    /// Days from the document date, 1 to the payment term.
    pub days: u32,
}

/// Whether reminders cost the debtor something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReminderFees {
    /// As the steps of the procedure say.
    ByProcedure,
    /// Never.
    Waived,
}

/// Who deals with the debtor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// Nobody in particular.
    Autopilot,
    /// A person, who reviews what leaves.
    Personal,
}

/// The policy of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Days to pay, 0 to [`MAX_TERM_DAYS`]; 0 means prepayment.
    pub payment_term_days: u32,
    /// Whether nothing is sold on credit.
    pub credit_refused: bool,
    /// Absent if none is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_payment_discount: Option<EarlyPaymentDiscount>,
    /// Whether reminders cost something.
    pub reminder_fees: ReminderFees,
    /// Who deals with the debtor.
    pub handling: Handling,
    /// Whose work list the debtor is on, a key; absent if nobody's in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portfolio: Option<String>,
    /// The procedure by which dunning reminds, a key.
    pub procedure_id: String,
}

impl Policy {
    /// Adds everything that is wrong with it; `field` is its path.
    pub(crate) fn check(&self, field: &str, violations: &mut Violations) {
        let path = |name: &str| format!("{field}.{name}");
        let term = self.payment_term_days;
        violations.range(&path("payment_term_days"), term, 0..=MAX_TERM_DAYS);
        if let Some(discount) = self.early_payment_discount {
            let discount_path = path("early_payment_discount");
            violations.range(
                &format!("{discount_path}.bps"),
                discount.bps,
                1..=MAX_DISCOUNT_BPS,
            );
            violations.require(
                (1..=term).contains(&discount.days),
                &format!("{discount_path}.days"),
                "must be 1 to the payment term",
            );
        }
        violations.require(
            !self.credit_refused || term == 0,
            &path("payment_term_days"),
            "must be 0 where credit is refused",
        );
        if let Some(portfolio) = &self.portfolio {
            violations.key(&path("portfolio"), portfolio);
        }
        violations.key(&path("procedure_id"), &self.procedure_id);
    }
}
