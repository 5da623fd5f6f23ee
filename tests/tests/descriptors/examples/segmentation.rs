//! The cases of schemes and memberships.

use serde_json::{Value, json};

use super::date;
use crate::descriptors::{
    cases::{Case, good},
    fixture::Fixture,
};

fn policy() -> Value {
    json!({
        "payment_term_days": 30, "reminder_fees": "REMINDER_FEES_WAIVED", "handling": "HANDLING_PERSONAL",
        "portfolio": "north", "procedure_id": "courteous",
    })
}

/// A revision of the scheme that says how debtors are treated: the one whose segments have most fields.
fn treatment(creditor: &str) -> Value {
    let mut policy_with_discount = policy();
    policy_with_discount["early_payment_discount"] = json!({"discount_bps": 200, "days": 10});
    json!({
        "creditor_id": creditor, "scheme_id": "treatment", "display_name": "Treatment", "minimum_stay_days": 30,
        "segments": [{
            "segment_id": "large", "display_name": "Large",
            "condition": "has(debtor.open_amount_minor) && debtor.open_amount_minor > 100000",
            "policy": policy_with_discount,
        }],
        "default_segment": {"segment_id": "standard", "display_name": "Standard", "policy": policy()},
        "unclassified_segment": {
            "segment_id": "unclassified", "display_name": "Not classified", "policy": policy(),
        },
    })
}

pub fn scheme(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let revision = json!({"creditor_id": c, "scheme_id": "payer_speed", "revision": 1});
    Some(match method {
        "CreateSchemeRevision" => {
            good(json!({"request_id": "r1", "scheme": treatment(c)}))
                .other(json!({"scheme": {"minimum_stay_days": 31}}))
                .refers(&["scheme.creditor_id"])
                .names(&[
                    "scheme.scheme_id",
                    "scheme.segments[0].segment_id",
                    "scheme.segments[0].policy.procedure_id",
                    "scheme.default_segment.segment_id",
                    "scheme.default_segment.policy.procedure_id",
                    "scheme.unclassified_segment.segment_id",
                    "scheme.unclassified_segment.policy.procedure_id",
                ])
                .ignores(&["scheme.revision", "scheme.state", "scheme.create_time"])
        }
        "GetScheme" | "SimulateScheme" => good(revision).refers(&["creditor_id", "scheme_id"]),
        "ListSchemes" => good(json!({"creditor_id": c, "page_size": 1})),
        "ActivateScheme" => good(json!({
            "request_id": "r1", "creditor_id": c, "scheme_id": "draft", "revision": 1, "max_error_ppm": 10_000,
        }))
        .other(json!({"max_error_ppm": 10_001}))
        .refers(&["creditor_id", "scheme_id"]),
        "GetActivation" => good(json!({"creditor_id": c, "scheme_id": "activated"}))
            .refers(&["creditor_id", "scheme_id"]),
        "ListFields" => good(json!({})),
        _ => return None,
    })
}

pub fn membership(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let one = json!({
        "creditor_id": c, "debtor_id": "d1", "scheme_id": "payer_speed", "at_least": f.token,
    });
    let scheme = json!({"creditor_id": c, "scheme_id": "payer_speed", "at_least": f.token});
    Some(match method {
        "GetMemberships" => {
            good(json!({"creditor_id": c, "debtor_id": "d1", "at_least": f.token}))
        }
        "ListMemberships" => good(scheme)
            .refers(&["creditor_id", "scheme_id"])
            .names(&["segment_id"]),
        "ListSegmentSizes" => good(scheme).refers(&["creditor_id", "scheme_id"]),
        "ListMembershipHistory" | "ExplainMembership" => {
            good(one).refers(&["creditor_id", "debtor_id", "scheme_id"])
        }
        "PinDebtor" => good(json!({
            "request_id": "r1", "creditor_id": c, "debtor_id": "d1", "scheme_id": "payer_speed",
            "pin": {"segment_id": "fast", "until": date(2025, 6, 30), "reason": "pays by standing order"},
        }))
        .other(json!({"pin": {"reason": "said so"}}))
        .refers(&["creditor_id", "debtor_id", "scheme_id"])
        .names(&["pin.segment_id"])
        .ignores(&["pin.principal"]),
        "UnpinDebtor" => good(json!({
            "request_id": "r1", "creditor_id": c, "debtor_id": "d1", "scheme_id": "value",
        }))
        .other(json!({"scheme_id": "risk"}))
        .refers(&["creditor_id", "debtor_id", "scheme_id"]),
        _ => return None,
    })
}
