//! The cases of the receivables account and of imports.

use serde_json::json;

use super::{date, euro};
use crate::descriptors::{
    cases::{Case, good, merge},
    fixture::Fixture,
};

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

pub fn posting(method: &str, f: &Fixture) -> Option<Case> {
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

pub fn account(method: &str, f: &Fixture) -> Option<Case> {
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

pub fn import(method: &str, f: &Fixture) -> Option<Case> {
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
