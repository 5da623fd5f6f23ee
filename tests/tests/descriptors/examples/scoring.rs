//! The cases of scoring.

use serde_json::json;

use super::{date, euro};
use crate::descriptors::{
    cases::{Case, good, merge},
    fixture::Fixture,
};

pub fn scoring(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let one = json!({"creditor_id": c, "debtor_id": "d1", "at_least": f.token});
    Some(match method {
        "GetScore" | "ListScores" | "ListCreditDecisions" => good(one),
        "BatchGetScores" => {
            good(json!({"creditor_id": c, "debtor_ids": ["d1"], "at_least": f.token}))
        }
        "ExplainScore" => {
            let mut request = one;
            merge(&mut request, json!({"as_of": date(2025, 1, 2)}));
            good(request)
        }
        "CheckCredit" => {
            let mut request = one;
            merge(
                &mut request,
                json!({"request_id": "r1", "order_id": "order-1", "amount": euro(50_000)}),
            );
            good(request)
                .other(json!({"amount": euro(50_001)}))
                .names(&["order_id"])
        }
        "GetCreditDecision" => good(json!({"creditor_id": c, "decision_id": f.decision}))
            .refers(&["creditor_id", "decision_id"]),
        _ => return None,
    })
}

pub fn scorecard(method: &str, f: &Fixture) -> Option<Case> {
    Some(match method {
        "ListScorecards" => good(json!({"creditor_id": f.creditor})).refers(&["creditor_id"]),
        "GetScorecard" => good(json!({
            "creditor_id": f.creditor, "kind": "SCORECARD_KIND_PERSON", "revision": 1,
        })),
        _ => return None,
    })
}
