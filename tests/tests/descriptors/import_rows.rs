//! Rows of an import go through the rules of the single calls: what is wrong with a row is told with it.

use e2e::wire::{Place, call, message, places};
use mahnwerk_proto::policy::{Method, methods};
use prost_reflect::{DynamicMessage, MessageDescriptor, Value as Field};
use serde_json::{Value, json};

use crate::descriptors::{Bench, fixture::Purpose};

/// Records of every type with the fields of theirs that are checked.
fn records() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let amount = json!({"currency_code": "EUR", "minor_units": 900});
    let date = json!({"year": 2024, "month": 12, "day": 2});
    let item =
        json!({"debtor_id": "d1", "item_id": "row-item", "amount": amount, "document_date": date});
    let mut invoice = item.clone();
    invoice["due_date"] = date.clone();
    let mut payment = item.clone();
    payment["value_date"] = date;
    vec![
        (
            "debtor",
            json!({
                "debtor_id": "row-debtor", "kind": "DEBTOR_KIND_ORGANISATION",
                "relationship": "RELATIONSHIP_CUSTOMER", "display_name": "Zeilenwerk", "language": "de",
                "billing_method": "BILLING_METHOD_PAPER",
            }),
            &[
                "debtor_id",
                "kind",
                "relationship",
                "display_name",
                "language",
                "country",
                "billing_method",
                "sector",
                "customer_since",
            ],
        ),
        (
            "contact_point",
            json!({
                "debtor_id": "d1", "contact_point_id": "row-contact", "channel": "CHANNEL_EMAIL",
                "address": "zeile@example.org", "state": "CONTACT_STATE_VERIFIED",
            }),
            &[
                "debtor_id",
                "contact_point_id",
                "channel",
                "address",
                "state",
            ],
        ),
        (
            "invoice",
            invoice,
            &[
                "debtor_id",
                "item_id",
                "amount",
                "document_date",
                "due_date",
                "discount_bps",
                "reference",
            ],
        ),
        (
            "credit_note",
            json!({"credit_note": item, "allocations": [{"invoice_id": "open-1", "amount": amount}]}),
            &[
                "credit_note.item_id",
                "credit_note.amount",
                "credit_note.document_date",
                "allocations[0].invoice_id",
                "allocations[0].amount",
            ],
        ),
        (
            "payment",
            json!({"payment": payment, "allocations": [{"invoice_id": "open-1", "amount": amount}]}),
            &[
                "payment.item_id",
                "payment.amount",
                "payment.value_date",
                "payment.reference",
                "allocations[0].invoice_id",
                "allocations[0].amount",
                "allocations[0].discount",
            ],
        ),
    ]
}

/// Every bad value of every checked field, each in a row of its own.
pub async fn wrong_rows(bench: &Bench) {
    let import = &methods()["/mahnwerk.registry.v1.ImportService/ImportLedger"];
    let fixture = bench.fixture(0, Purpose::of(&import.path)).await;
    let mut wrong: Vec<(Place, &'static str)> = Vec::new();
    let mut rows = Vec::new();
    for (kind, record, checked) in records() {
        let row = message(&row_type(import), json!({"row_number": 1, kind: record}));
        let prefix = format!("{kind}.");
        for place in places(&row) {
            let Some(path) = place.path.strip_prefix(&prefix) else {
                continue;
            };
            if !checked.contains(&path) {
                continue;
            }
            for (what, value) in place.bad_values() {
                let mut row = row.clone();
                place.put(&mut row, value);
                let number = i64::try_from(wrong.len()).expect("few rows") + 1;
                row.set_field_by_name("row_number", Field::I64(number));
                rows.push(Field::Message(row));
                wrong.push((place.clone().known_as(path), what));
            }
        }
    }
    assert!(wrong.len() > 60, "only {} rows", wrong.len());
    let answers = call(
        bench.channel(&import.path),
        import,
        &requests(import, &fixture.creditor, rows),
    )
    .await;
    let answers = answers.expect("rows are refused one by one");
    let refused = answers[0]
        .get_field_by_name("refused")
        .expect("a field")
        .into_owned();
    let refused = refused.as_list().expect("a list");
    let mut complaints = Vec::new();
    for (index, (place, what)) in wrong.iter().enumerate() {
        let fields = errors_of(refused, index + 1);
        if !fields.iter().any(|field| place.is_named_by(field)) {
            complaints.push(format!("{}: {what}: named {fields:?}", place.path));
        }
    }
    assert!(
        complaints.is_empty(),
        "{} rows:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    assert_eq!(refused.len(), wrong.len());
    println!("{} wrong rows refused", refused.len());
}

fn row_type(import: &Method) -> MessageDescriptor {
    let file = import.descriptor.parent_file();
    file.messages()
        .find(|each| each.name() == "ImportRow")
        .expect("the type of a row")
}

fn requests(import: &Method, creditor: &str, rows: Vec<Field>) -> Vec<DynamicMessage> {
    let input = import.descriptor.input();
    let start = message(
        &input,
        json!({"start": {"creditor_id": creditor, "import_id": "wrong-rows"}}),
    );
    let mut chunk = message(&input, json!({"chunk": {"rows": [{"row_number": 1}]}}));
    if let Some(Field::Message(inner)) = chunk.get_field_by_name_mut("chunk") {
        inner.set_field_by_name("rows", Field::List(rows));
    }
    vec![start, chunk]
}

fn errors_of(refused: &[Field], number: usize) -> Vec<String> {
    let number = Field::I64(i64::try_from(number).expect("few rows"));
    let row = refused.iter().filter_map(Field::as_message).find(|row| {
        row.get_field_by_name("row_number")
            .is_some_and(|own| *own == number)
    });
    let errors = row.and_then(|row| row.get_field_by_name("errors"));
    errors
        .iter()
        .filter_map(|errors| errors.as_list())
        .flatten()
        .filter_map(Field::as_message)
        .filter_map(|error| Some(error.get_field_by_name("field")?.as_str()?.to_owned()))
        .collect()
}
