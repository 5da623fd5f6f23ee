//! The cases of disputes, promises and instalment plans.

use serde_json::json;

use super::{date, euro};
use crate::descriptors::{
    cases::{Case, good},
    fixture::Fixture,
};

pub fn dispute(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    Some(match method {
        "OpenDispute" => good(json!({"request_id": "r1", "dispute": {
            "creditor_id": c, "dispute_id": "dispute-new", "invoice_id": "open-1", "amount": euro(1_000),
            "reason": "DISPUTE_REASON_PRICE", "owner": "clerk-7", "note": "other price agreed",
        }}))
        .other(json!({"dispute": {"amount": euro(1_001)}}))
        .refers(&["dispute.creditor_id", "dispute.invoice_id"])
        .names(&["dispute.dispute_id"])
        .ignores(&[
            "dispute.debtor_id",
            "dispute.state",
            "dispute.opened_date",
            "dispute.closed_date",
            "dispute.version",
        ]),
        "CloseDispute" => good(json!({
            "request_id": "r1", "creditor_id": c, "dispute_id": "dispute-1",
            "outcome": "DISPUTE_STATE_UPHELD",
        }))
        .other(json!({"outcome": "DISPUTE_STATE_REJECTED"}))
        .refers(&["creditor_id", "dispute_id"]),
        "ListDisputes" => good(json!({"creditor_id": c, "debtor_id": "d1", "page_size": 1})),
        _ => return None,
    })
}

pub fn arrangement(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let list = json!({"creditor_id": c, "debtor_id": "d1", "page_size": 1});
    Some(match method {
        "CreatePromise" => good(json!({"request_id": "r1", "promise": {
            "creditor_id": c, "debtor_id": "d1", "promise_id": "promise-new", "invoice_ids": ["open-1"],
            "amount": euro(2_000), "promised_date": date(2025, 1, 10), "tolerance_days": 3,
        }}))
        .other(json!({"promise": {"amount": euro(2_001)}}))
        .refers(&["promise.creditor_id", "promise.debtor_id"])
        .names(&["promise.promise_id"])
        .ignores(&[
            "promise.state",
            "promise.paid_amount",
            "promise.covered_amounts",
            "promise.created_date",
            "promise.closed_date",
            "promise.version",
        ]),
        "CancelPromise" => good(json!({
            "request_id": "r1", "creditor_id": c, "promise_id": "promise-1",
        }))
        .other(json!({"promise_id": "promise-2"}))
        .refers(&["creditor_id", "promise_id"]),
        "CreateInstalmentPlan" => good(json!({"request_id": "r1", "instalment_plan": {
            "creditor_id": c, "debtor_id": "d1", "plan_id": "plan-new", "invoice_ids": ["open-1"],
            "instalments": [
                {"due_date": date(2025, 1, 10), "amount": euro(4_000)},
                {"due_date": date(2025, 2, 10), "amount": euro(6_000)},
            ],
            "grace_days": 2,
        }}))
        .other(json!({"instalment_plan": {"grace_days": 3}}))
        .refers(&["instalment_plan.creditor_id", "instalment_plan.debtor_id"])
        .names(&["instalment_plan.plan_id"])
        .ignores(&[
            "instalment_plan.state",
            "instalment_plan.paid_amount",
            "instalment_plan.covered_amounts",
            "instalment_plan.created_date",
            "instalment_plan.closed_date",
            "instalment_plan.version",
        ]),
        "CancelInstalmentPlan" => good(json!({
            "request_id": "r1", "creditor_id": c, "plan_id": "plan-1",
        }))
        .other(json!({"plan_id": "plan-2"}))
        .refers(&["creditor_id", "plan_id"]),
        "ListPromises" | "ListInstalmentPlans" => good(list),
        _ => return None,
    })
}
