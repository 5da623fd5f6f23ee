//! Between messages and domain values: disputes, promises, instalment plans.

use mahnwerk_proto::{common::v1 as common, registry::v1};
use mahnwerk_runtime::validate::{Checker, from_date};
use registry_core::{
    arrangement::{
        Arrangement, ArrangementState, Claim, Dispute, DisputeReason, DisputeState, NewArrangement,
        PlannedInstalment, Terms,
    },
    money::Money,
};

use super::{
    convert::{refuse_all, same_names},
    convert_account::{money, money_message, optional_money, required_date},
};

same_names!(reason_to_wire, reason_from_wire, DisputeReason, {
    Quality, Quantity, Price, Delivery, NotOrdered, AlreadyPaid, InvoiceForm, Other,
});
same_names!(dispute_state_to_wire, dispute_state_from_wire, DisputeState, {
    Open, Upheld, Rejected, Withdrawn,
});

/// Invoices and instalments looked at: one more than are allowed of the more numerous.
const MAX_LOOKED_AT: usize = 101;

/// What a caller says of a dispute; `None` only with violations.
pub fn claim(check: &mut Checker, wire: v1::Dispute) -> Option<Claim> {
    let reason = reason_from_wire(check, "dispute.reason", wire.reason);
    let claim = Claim {
        creditor_id: wire.creditor_id,
        dispute_id: wire.dispute_id,
        invoice_id: wire.invoice_id,
        amount: optional_money(check, "dispute.amount", wire.amount.as_ref()),
        reason: reason.unwrap_or(DisputeReason::Other),
        owner: wire.owner,
        note: wire.note,
    };
    refuse_all(check, claim.validate());
    reason.map(|_| claim)
}

/// The outcome of a dispute; `None` only with violations.
pub fn outcome(check: &mut Checker, wire: i32) -> Option<DisputeState> {
    let outcome = dispute_state_from_wire(check, "outcome", wire);
    if outcome == Some(DisputeState::Open) {
        check.refuse("outcome", "must be upheld, rejected or withdrawn");
        return None;
    }
    outcome
}

/// A dispute on the wire.
#[must_use]
pub fn dispute_to_wire(dispute: &Dispute) -> v1::Dispute {
    let claim = &dispute.claim;
    v1::Dispute {
        creditor_id: claim.creditor_id.clone(),
        debtor_id: dispute.debtor_id.clone(),
        dispute_id: claim.dispute_id.clone(),
        invoice_id: claim.invoice_id.clone(),
        amount: claim.amount.map(money_message),
        reason: reason_to_wire(claim.reason),
        owner: claim.owner.clone(),
        note: claim.note.clone(),
        state: dispute_state_to_wire(dispute.state),
        opened_date: Some(from_date(dispute.opened_date)),
        closed_date: dispute.closed_date.map(from_date),
        version: dispute.version,
    }
}

/// A promise to be made.
pub fn promise(check: &mut Checker, mut wire: v1::Promise) -> NewArrangement {
    wire.invoice_ids.truncate(MAX_LOOKED_AT);
    let promised_date = required_date(check, "promise.promised_date", wire.promised_date.as_ref());
    let new = NewArrangement {
        creditor_id: wire.creditor_id,
        debtor_id: wire.debtor_id,
        id: wire.promise_id,
        invoice_ids: wire.invoice_ids,
        terms: Terms::Promise {
            amount: optional_money(check, "promise.amount", wire.amount.as_ref()),
            promised_date,
        },
        tolerance_days: wire.tolerance_days,
    };
    refuse_all(check, new.validate());
    new
}

/// A plan to be agreed; `None` only with violations.
pub fn plan(check: &mut Checker, mut wire: v1::InstalmentPlan) -> Option<NewArrangement> {
    wire.invoice_ids.truncate(MAX_LOOKED_AT);
    let mut instalments = Vec::with_capacity(wire.instalments.len().min(MAX_LOOKED_AT));
    // A stand-in for a date that is missing would be in the wrong order.
    let mut dated = true;
    for (index, instalment) in wire.instalments.iter().take(MAX_LOOKED_AT).enumerate() {
        let field = format!("instalment_plan.instalments[{index}]");
        let due_date = check.date(&format!("{field}.due_date"), instalment.due_date.as_ref());
        dated &= due_date.is_some();
        let amount = money(
            check,
            &format!("{field}.amount"),
            instalment.amount.as_ref(),
        )?;
        instalments.push(PlannedInstalment {
            due_date: due_date.unwrap_or(registry_core::date::MIN),
            amount,
        });
    }
    let new = NewArrangement {
        creditor_id: wire.creditor_id,
        debtor_id: wire.debtor_id,
        id: wire.plan_id,
        invoice_ids: wire.invoice_ids,
        terms: Terms::Plan(instalments),
        tolerance_days: wire.grace_days,
    };
    let mut violations = new.validate();
    violations.retain(|each| dated || !each.field.ends_with(".due_date"));
    refuse_all(check, violations);
    Some(new)
}

/// A promise on the wire.
#[must_use]
pub fn promise_to_wire(promise: &Arrangement) -> v1::Promise {
    let state = match promise.state {
        ArrangementState::Open => v1::PromiseState::Open,
        ArrangementState::Kept => v1::PromiseState::Kept,
        ArrangementState::PartlyKept => v1::PromiseState::PartlyKept,
        ArrangementState::Broken => v1::PromiseState::Broken,
        ArrangementState::Cancelled => v1::PromiseState::Cancelled,
    };
    let promised_date = promise.instalments.first().map(|each| each.due_date);
    v1::Promise {
        creditor_id: promise.creditor_id.clone(),
        debtor_id: promise.debtor_id.clone(),
        promise_id: promise.id.clone(),
        invoice_ids: invoice_ids(promise),
        amount: Some(amount(promise, promise.amount())),
        promised_date: promised_date.map(from_date),
        tolerance_days: promise.tolerance_days,
        state: state.into(),
        paid_amount: Some(amount(promise, promise.paid)),
        covered_amounts: covered_amounts(promise),
        created_date: Some(from_date(promise.created_date)),
        closed_date: promise.closed_date.map(from_date),
        version: promise.version,
    }
}

/// A plan on the wire.
#[must_use]
pub fn plan_to_wire(plan: &Arrangement) -> v1::InstalmentPlan {
    let state = match plan.state {
        ArrangementState::Open => v1::InstalmentPlanState::Active,
        ArrangementState::Kept => v1::InstalmentPlanState::Kept,
        ArrangementState::PartlyKept | ArrangementState::Broken => v1::InstalmentPlanState::Broken,
        ArrangementState::Cancelled => v1::InstalmentPlanState::Cancelled,
    };
    let instalments = plan.instalments.iter().map(|each| v1::Instalment {
        due_date: Some(from_date(each.due_date)),
        amount: Some(amount(plan, each.amount)),
    });
    v1::InstalmentPlan {
        creditor_id: plan.creditor_id.clone(),
        debtor_id: plan.debtor_id.clone(),
        plan_id: plan.id.clone(),
        invoice_ids: invoice_ids(plan),
        instalments: instalments.collect(),
        grace_days: plan.tolerance_days,
        state: state.into(),
        paid_amount: Some(amount(plan, plan.paid)),
        covered_amounts: covered_amounts(plan),
        created_date: Some(from_date(plan.created_date)),
        closed_date: plan.closed_date.map(from_date),
        version: plan.version,
    }
}

fn invoice_ids(arrangement: &Arrangement) -> Vec<String> {
    let invoices = arrangement.invoices.iter();
    invoices.map(|each| each.invoice_id.clone()).collect()
}

fn covered_amounts(arrangement: &Arrangement) -> Vec<common::Money> {
    if arrangement.state != ArrangementState::Open {
        return Vec::new();
    }
    let invoices = arrangement.invoices.iter();
    invoices
        .map(|each| amount(arrangement, each.covered))
        .collect()
}

fn amount(arrangement: &Arrangement, minor: i64) -> common::Money {
    money_message(Money::new(arrangement.currency, minor))
}
