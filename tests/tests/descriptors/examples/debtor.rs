//! The cases of debtors, contact points and contacts.

use serde_json::json;

use super::date;
use crate::descriptors::{
    cases::{Case, good},
    fixture::Fixture,
};

const DEBTOR_OUTPUT: [&str; 6] = [
    "debtor.credit_hold",
    "debtor.credit_hold_reason",
    "debtor.insolvent_since",
    "debtor.deceased_since",
    "debtor.version",
    "debtor.etag",
];

const UPDATED_DEBTOR_OUTPUT: [&str; 7] = [
    "debtor.kind",
    "debtor.credit_hold",
    "debtor.credit_hold_reason",
    "debtor.insolvent_since",
    "debtor.deceased_since",
    "debtor.version",
    "debtor.etag",
];

pub fn debtor(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let debtor = |id: &str| {
        json!({
            "creditor_id": c, "debtor_id": id, "kind": "DEBTOR_KIND_PERSON",
            "relationship": "RELATIONSHIP_CUSTOMER", "display_name": "Jannis Ährenfeld", "language": "nl",
            "country": "NL", "preferred_channel": "CHANNEL_EMAIL", "billing_method": "BILLING_METHOD_PAPER",
            "customer_since": date(2020, 2, 29),
        })
    };
    let other_name = json!({"debtor": {"display_name": "Jannis Ahrenfeld"}});
    let one = json!({"creditor_id": c, "debtor_id": "d1"});
    Some(match method {
        "CreateDebtor" => good(json!({"request_id": "r1", "debtor": debtor("d-new")}))
            .other(other_name)
            .refers(&["debtor.creditor_id"])
            .names(&["debtor.debtor_id"])
            .ignores(&DEBTOR_OUTPUT)
            .may_be_unspecified(&["debtor.preferred_channel"]),
        "UpdateDebtor" => good(json!({
            "request_id": "r1", "debtor": debtor("d1"),
            "update_mask": ["relationship", "display_name", "language", "country", "preferred_channel",
                "billing_method", "sector", "customer_since"],
        }))
        .other(other_name)
        .refers(&["debtor.creditor_id", "debtor.debtor_id"])
        .ignores(&UPDATED_DEBTOR_OUTPUT)
        .may_be_unspecified(&["debtor.preferred_channel"]),
        "GetDebtor" => good(one),
        "ListDebtors" => good(json!({"creditor_id": c, "page_size": 1})),
        "SetCreditHold" => good(json!({
            "request_id": "r1", "creditor_id": c, "debtor_id": "d1", "credit_hold": true,
            "reason": "order limit under review",
        }))
        .other(json!({"reason": "other"})),
        "SetInsolvency" => good(json!({
            "request_id": "r1", "creditor_id": c, "debtor_id": "d1", "insolvent_since": date(2025, 1, 1),
        }))
        .other(json!({"insolvent_since": date(2024, 12, 31)})),
        "SetDeceased" => good(json!({
            "request_id": "r1", "creditor_id": c, "debtor_id": "person", "deceased_since": date(2025, 1, 1),
        }))
        .other(json!({"deceased_since": date(2024, 12, 31)})),
        "ListContactPoints" | "ListContacts" | "ListTimeline" => good(one),
        _ => return None,
    })
}

pub fn contact(method: &str, f: &Fixture) -> Option<Case> {
    let contact = |id: &str| {
        json!({
            "creditor_id": f.creditor, "debtor_id": "d1", "contact_point_id": id, "channel": "CHANNEL_PHONE",
            "address": "+49 30 0000000", "state": "CONTACT_STATE_VERIFIED",
        })
    };
    let other = json!({"contact_point": {"address": "+49 30 0000001"}});
    Some(match method {
        "CreateContactPoint" => good(json!({"request_id": "r1", "contact_point": contact("cp-new")}))
            .other(other)
            .refers(&["contact_point.creditor_id", "contact_point.debtor_id"])
            .names(&["contact_point.contact_point_id"])
            .ignores(&["contact_point.version"]),
        "UpdateContactPoint" => good(json!({
            "request_id": "r1", "contact_point": contact("cp-1"), "update_mask": ["address", "state"],
        }))
        .other(other)
        .refers(&[
            "contact_point.creditor_id",
            "contact_point.debtor_id",
            "contact_point.contact_point_id",
        ])
        .ignores(&["contact_point.version", "contact_point.channel"]),
        "DeleteContactPoint" => good(json!({
            "request_id": "r1", "creditor_id": f.creditor, "debtor_id": "d1", "contact_point_id": "cp-1",
        }))
        .other(json!({"contact_point_id": "cp-2"}))
        .refers(&["creditor_id", "debtor_id", "contact_point_id"]),
        // A contact point that is not there may have been deleted since the message was sent.
        "ReportContactOutcome" => good(json!({
            "request_id": "r1", "creditor_id": f.creditor, "debtor_id": "d1", "contact_point_id": "cp-1",
            "sent_to_version": 1, "outcome": "CONTACT_OUTCOME_BOUNCED",
        }))
        .other(json!({"outcome": "CONTACT_OUTCOME_MOVED"}))
        .names(&["contact_point_id"]),
        "RecordContact" => good(json!({"request_id": "r1", "contact": {
            "creditor_id": f.creditor, "debtor_id": "d1", "contact_id": "con-new", "channel": "CHANNEL_PHONE",
            "purpose": "CONTACT_PURPOSE_OTHER", "contact_date": date(2025, 1, 2), "text": "asked for a copy",
            "reference": "call 17",
        }}))
        .other(json!({"contact": {"text": "asked for two copies"}}))
        .refers(&["contact.creditor_id", "contact.debtor_id"])
        .names(&["contact.contact_id"])
        .ignores(&["contact.version"]),
        _ => return None,
    })
}
