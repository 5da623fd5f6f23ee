//! The case of every method.

use serde_json::{Value, json};
use tonic::Code;

use crate::{
    cases::{Case, good, merge},
    fixture::Fixture,
};

/// The case of the method at `path`.
pub fn case(path: &str, f: &Fixture) -> Option<Case> {
    let (service, method) = path.strip_prefix("/mahnwerk.")?.split_once('/')?;
    match service {
        "common.v1.FeedService" => feed(method, f),
        "common.v1.FeedAdminService" => feed_admin(method, f),
        "registry.v1.CreditorService" => creditor(method, f),
        "registry.v1.DebtorService" => debtor(method, f).or_else(|| contact(method, f)),
        "registry.v1.AccountService" => posting(method, f).or_else(|| account(method, f)),
        "registry.v1.ImportService" => import(method, f),
        "scoring.v1.ScoringService" => scoring(method, f),
        "scoring.v1.ScorecardService" => scorecard(method, f),
        _ => None,
    }
}

fn date(year: i32, month: i32, day: i32) -> Value {
    json!({"year": year, "month": month, "day": day})
}

fn euro(cents: i64) -> Value {
    json!({"currency_code": "EUR", "minor_units": cents})
}

fn feed(method: &str, f: &Fixture) -> Option<Case> {
    Some(match method {
        "Watch" => good(json!({
            "consumer": "test", "partitions": [0, 63],
            "from": {"incarnation": f.incarnation, "tx": f.tx},
        }))
        .otherwise(&[
            ("from.incarnation", Code::OutOfRange, "CURSOR_EXPIRED"),
            ("from.tx", Code::OutOfRange, "CURSOR_EXPIRED"),
        ]),
        "ListSnapshot" => good(json!({"partitions": [0, 63], "page_size": 1})),
        _ => return None,
    })
}

fn feed_admin(method: &str, f: &Fixture) -> Option<Case> {
    let parked = json!({
        "request_id": "r1", "feed": "registry", "creditor_id": f.creditor, "debtor_id": "parked",
    });
    Some(match method {
        "GetFeedStatus" => good(json!({})),
        "ListParked" => good(json!({"page_size": 1})),
        "RetryParked" | "DiscardParked" => good(parked).other(json!({"debtor_id": "other"})),
        "ResetFeed" => good(json!({"request_id": format!("reset-{}", f.creditor)})),
        _ => return None,
    })
}

fn creditor(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let creditor = json!({
        "creditor_id": c, "display_name": "Südwind Technik AG", "time_zone": "Europe/Vienna",
        "calendar": "TARGET", "reporting_currency": "EUR", "business_day_mode": "BUSINESS_DAY_MODE_MANUAL",
    });
    let other_name = json!({"creditor": {"display_name": "Westwind"}});
    Some(match method {
        "CreateCreditor" => {
            let mut new = creditor;
            new["creditor_id"] = json!(format!("{c}-new"));
            good(json!({"request_id": format!("create-{c}-new"), "creditor": new}))
                .other(other_name)
                .refers(&[])
                .names(&["creditor.creditor_id"])
                .ignores(&["creditor.business_date", "creditor.version", "creditor.etag"])
        }
        "UpdateCreditor" => good(json!({
            "request_id": "r1", "creditor": creditor,
            "update_mask": ["display_name", "time_zone", "calendar", "business_day_mode"],
        }))
        .other(other_name)
        .refers(&["creditor.creditor_id"])
        .ignores(&[
            "creditor.reporting_currency",
            "creditor.business_date",
            "creditor.version",
            "creditor.etag",
        ]),
        "GetCreditor" => good(json!({"creditor_id": c})),
        "ListCreditors" => good(json!({"page_size": 1})),
        "OpenBusinessDay" => good(json!({
            "request_id": "r1", "creditor_id": c, "business_date": date(2025, 1, 3),
        }))
        .other(json!({"business_date": date(2025, 1, 6)})),
        "SetFxRate" => good(json!({"request_id": "r1", "fx_rate": {
            "creditor_id": c, "base_currency": "CHF", "quote_currency": "EUR", "rate_date": date(2025, 1, 2),
            "numerator": 106, "denominator": 100, "source": "ECB",
        }}))
        .other(json!({"fx_rate": {"numerator": 107}}))
        .refers(&["fx_rate.creditor_id"])
        .ignores(&["fx_rate.version"]),
        "ListFxRates" => good(json!({"creditor_id": c})),
        _ => return None,
    })
}

const DEBTOR_OUTPUT: [&str; 5] = [
    "debtor.credit_hold",
    "debtor.credit_hold_reason",
    "debtor.insolvent_since",
    "debtor.version",
    "debtor.etag",
];

const UPDATED_DEBTOR_OUTPUT: [&str; 6] = [
    "debtor.kind",
    "debtor.credit_hold",
    "debtor.credit_hold_reason",
    "debtor.insolvent_since",
    "debtor.version",
    "debtor.etag",
];

fn debtor(method: &str, f: &Fixture) -> Option<Case> {
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
        "ListContactPoints" | "ListTimeline" => good(one),
        _ => return None,
    })
}

fn contact(method: &str, f: &Fixture) -> Option<Case> {
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
        _ => return None,
    })
}

const INVOICE_IGNORED: [&str; 7] = [
    "invoice.kind",
    "invoice.open_amount",
    "invoice.value_date",
    "invoice.recorded_date",
    "invoice.reversed",
    "invoice.entries",
    "invoice.version",
];

const CREDIT_NOTE_IGNORED: [&str; 9] = [
    "credit_note.kind",
    "credit_note.open_amount",
    "credit_note.due_date",
    "credit_note.value_date",
    "credit_note.discount_date",
    "credit_note.discount_bps",
    "credit_note.recorded_date",
    "credit_note.entries",
    "credit_note.version",
];

const PAYMENT_IGNORED: [&str; 8] = [
    "payment.kind",
    "payment.open_amount",
    "payment.due_date",
    "payment.discount_date",
    "payment.discount_bps",
    "payment.recorded_date",
    "payment.entries",
    "payment.version",
];

fn posting(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let item = |id: &str, cents| {
        json!({
            "creditor_id": c, "debtor_id": "d1", "item_id": id, "amount": euro(cents),
            "document_date": date(2024, 12, 2), "reference": "PO 4711",
        })
    };
    let settles = json!([{"invoice_id": "open-1", "amount": euro(300)}]);
    Some(match method {
        "CreateInvoice" => {
            let mut invoice = item("i-new", 12_345);
            merge(&mut invoice, json!({
                "due_date": date(2025, 1, 1), "discount_date": date(2024, 12, 12), "discount_bps": 200,
            }));
            good(json!({"request_id": "r1", "invoice": invoice}))
                .other(json!({"invoice": {"amount": euro(12_346)}}))
                .refers(&["invoice.creditor_id", "invoice.debtor_id"])
                .names(&["invoice.item_id"])
                .ignores(&INVOICE_IGNORED)
        }
        "CreateCreditNote" => good(json!({
            "request_id": "r1", "credit_note": item("cn-new", 300), "allocations": settles,
        }))
        .other(json!({"credit_note": {"amount": euro(301)}}))
        .refers(&["credit_note.creditor_id", "credit_note.debtor_id", "allocations[0].invoice_id"])
        .names(&["credit_note.item_id"])
        .ignores(&CREDIT_NOTE_IGNORED),
        "CreatePayment" => {
            let mut payment = item("p-new", 500);
            merge(&mut payment, json!({"value_date": date(2024, 12, 3)}));
            good(json!({"request_id": "r1", "payment": payment, "allocations": settles}))
                .other(json!({"payment": {"amount": euro(501)}}))
                .refers(&["payment.creditor_id", "payment.debtor_id", "allocations[0].invoice_id"])
                .names(&["payment.item_id"])
                .ignores(&PAYMENT_IGNORED)
        }
        "AllocateCredit" => good(json!({
            "request_id": "r1", "creditor_id": c, "credit_kind": "ITEM_KIND_PAYMENT", "credit_id": "pay-2",
            "allocations": settles,
        }))
        .other(json!({"allocations": [{"invoice_id": "open-1", "amount": euro(301)}]}))
        .refers(&["creditor_id", "credit_id", "allocations[0].invoice_id"]),
        "ReverseItem" => good(json!({
            "request_id": "r1", "creditor_id": c, "kind": "ITEM_KIND_PAYMENT", "item_id": "pay-1",
            "value_date": date(2025, 1, 2),
        }))
        .other(json!({"value_date": date(2025, 1, 1)}))
        .refers(&["creditor_id", "item_id"]),
        "ReverseEntry" => good(json!({
            "request_id": "r1", "creditor_id": c, "invoice_id": "settled-1", "entry_id": f.entry,
            "value_date": date(2025, 1, 2),
        }))
        .other(json!({"value_date": date(2025, 1, 1)}))
        .refers(&["creditor_id", "invoice_id", "entry_id"]),
        "WriteOffInvoice" => good(json!({
            "request_id": "r1", "creditor_id": c, "invoice_id": "open-1", "amount": euro(100),
        }))
        .other(json!({"amount": euro(101)}))
        .refers(&["creditor_id", "invoice_id"]),
        _ => return None,
    })
}

fn account(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let dates = json!({"as_of": date(2025, 1, 2), "known_at": date(2025, 1, 2)});
    Some(match method {
        "GetItem" => {
            good(json!({"creditor_id": c, "kind": "ITEM_KIND_INVOICE", "item_id": "open-1"}))
                .refers(&["creditor_id", "item_id"])
        }
        "ListItems" => good(json!({"creditor_id": c, "debtor_id": "d1", "page_size": 1}))
            .may_be_unspecified(&["kind"]),
        "GetBalance" => {
            let mut request = json!({"creditor_id": c, "debtor_id": "d1"});
            merge(&mut request, dates);
            good(request)
        }
        "GetPortfolioBalance" => {
            let mut request = json!({"creditor_id": c});
            merge(&mut request, dates);
            good(request)
        }
        _ => return None,
    })
}

fn import(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    Some(match method {
        "ImportLedger" => {
            // As it was taken before, so that it is skipped now.
            let row = json!({"row_number": 1, "invoice": {
                "debtor_id": "d1", "item_id": "imported-1", "amount": euro(700),
                "document_date": date(2024, 11, 4), "due_date": date(2024, 12, 4),
            }});
            good(json!({"start": {"creditor_id": c, "import_id": "imp-1"}}))
                .then(json!({"chunk": {"rows": [row]}}))
                .refers(&["start.creditor_id"])
                .names(&[
                    "start.import_id",
                    "chunk.rows[0].invoice.debtor_id",
                    "chunk.rows[0].invoice.item_id",
                ])
                .ignores(&["chunk.rows[0].invoice.creditor_id"])
        }
        "GetImport" => good(json!({"creditor_id": c, "import_id": "imp-1"}))
            .refers(&["creditor_id", "import_id"]),
        "ListImportRows" => good(json!({"creditor_id": c, "import_id": "imp-1", "page_size": 1}))
            .refers(&["creditor_id", "import_id"]),
        _ => return None,
    })
}

fn scoring(method: &str, f: &Fixture) -> Option<Case> {
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

fn scorecard(method: &str, f: &Fixture) -> Option<Case> {
    Some(match method {
        "ListScorecards" => good(json!({"creditor_id": f.creditor})).refers(&["creditor_id"]),
        "GetScorecard" => good(json!({
            "creditor_id": f.creditor, "kind": "SCORECARD_KIND_PERSON", "revision": 1,
        })),
        _ => return None,
    })
}
