//! The cases of four eyes.

use serde_json::json;

use super::euro;
use crate::descriptors::{
    cases::{Case, good},
    fixture::Fixture,
};

pub fn approval(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let other = json!({"approval_id": "other"});
    Some(match method {
        "RequestWriteOff" => good(json!({
            "request_id": "r1", "creditor_id": c, "invoice_id": "open-1", "amount": euro(100),
            "reason": "not worth a lawsuit",
        }))
        .other(json!({"amount": euro(101)}))
        .refers(&["creditor_id", "invoice_id"]),
        "GrantApproval" => good(json!({
            "request_id": "r1", "creditor_id": c, "approval_id": f.approval,
        }))
        .other(other)
        .refers(&["creditor_id", "approval_id"]),
        "RefuseApproval" => good(json!({
            "request_id": "r1", "creditor_id": c, "approval_id": f.approval, "note": "ask again in May",
        }))
        .other(other)
        .refers(&["creditor_id", "approval_id"]),
        "GetApproval" => good(json!({"creditor_id": c, "approval_id": f.approval}))
            .refers(&["creditor_id", "approval_id"]),
        "ListApprovals" => good(json!({"creditor_id": c, "debtor_id": "d1", "page_size": 1}))
            .may_be_unspecified(&["state"]),
        _ => return None,
    })
}
