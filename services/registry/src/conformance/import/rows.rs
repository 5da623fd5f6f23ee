//! What rows do, and why they do not.

use mahnwerk_proto::registry::v1::{
    ContactPoint, CreditNoteRow, Debtor, GetDebtorRequest, GetImportResponse, ImportRow,
    ImportRowError, ImportRowResult, ImportRowState, Item, ItemKind, ListContactPointsRequest,
    ListItemsRequest, Relationship, account_service_client::AccountServiceClient,
    debtor_service_client::DebtorServiceClient, import_row::Record,
};
use tonic::{Status, transport::Channel};

use super::{
    counts, reason, rows_of,
    stream::{Stream, contact_point, debtor_row, invoice_row, payment_row, row},
};
use crate::conformance::{
    Outcome,
    account::{Books, invoice},
    date, sample_debtor,
};

/// One of everything in one chunk, read with the token of the acknowledgement.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_chunk_may_create_a_debtor_its_invoice_and_the_payment(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-mixed").await?;
    let prospect = Debtor {
        relationship: Relationship::Prospect.into(),
        ..sample_debtor("ignored", "new")
    };
    let of_new = |item: Item| Item {
        debtor_id: "new".to_owned(),
        ..item
    };
    let credit_note = CreditNoteRow {
        credit_note: Some(of_new(Item {
            due_date: None,
            ..invoice("", "c1", 300, date(2026, 2, 1))
        })),
        allocations: vec![],
    };
    let mut stream = Stream::open(&channel, "imp-mixed", "m1").await?;
    let answer = stream
        .send(vec![
            row(10, Record::Debtor(prospect)),
            row(20, Record::ContactPoint(contact_point("new", "mail"))),
            row(
                30,
                Record::Invoice(of_new(invoice("", "i1", 1_000, date(2026, 2, 14)))),
            ),
            payment_row(40, "new", "p1", 700, &[("i1", 700)]),
            row(50, Record::CreditNote(credit_note)),
        ])
        .await?;
    assert_eq!(
        (answer.accepted, answer.refused.len(), answer.skipped),
        (5, 0, 0)
    );
    assert_eq!(answer.last_row_number, 50);
    assert!(!answer.consistency_token.is_empty());
    stream.finish().await?;
    what_was_created(&channel, &answer.consistency_token).await?;
    what_is_reported(&channel).await
}

async fn what_was_created(channel: &Channel, at_least: &str) -> Outcome {
    let get = GetDebtorRequest {
        creditor_id: "imp-mixed".to_owned(),
        debtor_id: "new".to_owned(),
        at_least: at_least.to_owned(),
    };
    let mut debtors = DebtorServiceClient::new(channel.clone());
    let debtor = debtors
        .get_debtor(get)
        .await?
        .into_inner()
        .debtor
        .unwrap_or_default();
    assert_eq!(
        (debtor.relationship(), debtor.version),
        (Relationship::Customer, 1),
        "created and invoiced at once"
    );
    let list = ListContactPointsRequest {
        creditor_id: "imp-mixed".to_owned(),
        debtor_id: "new".to_owned(),
        ..ListContactPointsRequest::default()
    };
    let listed = debtors
        .list_contact_points(list)
        .await?
        .into_inner()
        .contact_points;
    let ids: Vec<_> = listed
        .iter()
        .map(|each: &ContactPoint| each.contact_point_id.as_str())
        .collect();
    assert_eq!(ids, ["mail"]);
    let list = ListItemsRequest {
        creditor_id: "imp-mixed".to_owned(),
        ..ListItemsRequest::default()
    };
    let items = AccountServiceClient::new(channel.clone())
        .list_items(list)
        .await?
        .into_inner()
        .items;
    let open: Vec<_> = items
        .iter()
        .map(|item| {
            (
                item.kind(),
                item.version,
                item.open_amount.as_ref().map_or(0, |open| open.minor_units),
            )
        })
        .collect();
    let expected = [
        (ItemKind::CreditNote, 1, 300),
        (ItemKind::Invoice, 1, 300),
        (ItemKind::Payment, 1, 0),
    ];
    assert_eq!(
        open, expected,
        "one version, however many rows touched an item"
    );
    Ok(())
}

async fn what_is_reported(channel: &Channel) -> Outcome {
    let counted = counts(channel, "imp-mixed", "m1").await?;
    assert_eq!(
        counted,
        GetImportResponse {
            accepted: 5,
            refused: 0,
            last_row_number: 50
        }
    );
    let listed = rows_of(channel, "imp-mixed", "m1", false, 2).await?;
    let told: Vec<_> = listed
        .iter()
        .map(|row| {
            (
                row.row_number,
                row.state(),
                row.record_type.as_str(),
                row.record_id.as_str(),
            )
        })
        .collect();
    let accepted = ImportRowState::Accepted;
    let expected = [
        (10, accepted, "debtor", "new"),
        (20, accepted, "contact_point", "mail"),
        (30, accepted, "invoice", "i1"),
        (40, accepted, "payment", "p1"),
        (50, accepted, "credit_note", "c1"),
    ];
    assert_eq!(told, expected);
    Ok(())
}

/// An invoice before its debtor, and a payment before its invoice.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn rows_are_applied_in_their_order(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-order").await?;
    let mut stream = Stream::open(&channel, "imp-order", "o1").await?;
    let answer = stream
        .send(vec![
            invoice_row(1, "late", "i1", 100),
            row(2, Record::ContactPoint(contact_point("late", "mail"))),
            debtor_row(3, "late"),
            payment_row(4, "late", "p1", 100, &[("i2", 100)]),
            invoice_row(5, "late", "i2", 100),
            debtor_row(6, "late"),
        ])
        .await?;
    stream.finish().await?;
    assert_eq!(answer.accepted, 2);
    let told: Vec<_> = answer
        .refused
        .iter()
        .map(|row| (row.row_number, reason(row)))
        .collect();
    let (missing, exists) = (
        "RESOURCE_NOT_FOUND".to_owned(),
        "RESOURCE_EXISTS".to_owned(),
    );
    assert_eq!(
        told,
        [
            (1, missing.clone()),
            (2, missing.clone()),
            (4, missing),
            (6, exists)
        ]
    );
    Ok(())
}

/// Wrong in form and wrong against the books, among good ones.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn every_refused_row_says_why(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-bad").await?;
    let wrong_debtor = Debtor {
        display_name: String::new(),
        language: "xx".to_owned(),
        ..sample_debtor("", "a b")
    };
    let wrong_invoice = Item {
        debtor_id: "d1".to_owned(),
        item_id: "i9".to_owned(),
        recorded_date: Some(date(2026, 2, 30)),
        ..Item::default()
    };
    let rows = vec![
        invoice_row(1, "d1", "i1", 100),
        ImportRow {
            row_number: 2,
            record: None,
        },
        row(3, Record::Debtor(wrong_debtor)),
        row(4, Record::Invoice(wrong_invoice)),
        payment_row(5, "d1", "p1", 0, &[("i1", 0)]),
        payment_row(6, "d1", "p2", 100, &[("i1", 101)]),
        invoice_row(7, "d1", "i1", 100),
        invoice_row(8, "d2", "i1", 100),
        payment_row(9, "d1", "p3", 100, &[("i1", 100)]),
    ];
    let mut stream = Stream::open(&channel, "imp-bad", "b1").await?;
    let answer = stream.send(rows).await?;
    stream.finish().await?;
    assert_eq!((answer.accepted, answer.refused.len()), (2, 7));
    reasons_are_told(&answer.refused)?;
    let listed = rows_of(&channel, "imp-bad", "b1", true, 3).await?;
    assert_eq!(listed, answer.refused);
    let counted = counts(&channel, "imp-bad", "b1").await?;
    assert_eq!(
        counted,
        GetImportResponse {
            accepted: 2,
            refused: 7,
            last_row_number: 9
        }
    );
    Ok(())
}

fn reasons_are_told(refused: &[ImportRowResult]) -> Outcome {
    let [none, debtor, invoice, payment, exceeds, exists, elsewhere] = refused else {
        return Err(Status::internal("seven refused rows expected"));
    };
    assert_eq!(
        (none.record_type.as_str(), fields(none)),
        ("", vec!["record"])
    );
    assert_eq!(fields(debtor), ["debtor_id", "display_name", "language"]);
    assert_eq!(
        (debtor.record_type.as_str(), debtor.record_id.as_str()),
        ("debtor", ""),
        "not an id"
    );
    assert_eq!(
        fields(invoice),
        ["amount", "document_date", "due_date", "recorded_date"]
    );
    assert_eq!(invoice.record_id, "i9");
    assert_eq!(
        fields(payment),
        [
            "allocations[0].amount.minor_units",
            "payment.amount.minor_units"
        ]
    );
    assert!(
        payment
            .errors
            .iter()
            .all(|error: &ImportRowError| error.reason == "INVALID_FIELDS")
    );
    let reasons = [reason(exceeds), reason(exists), reason(elsewhere)];
    assert_eq!(
        reasons,
        ["EXCEEDS_OPEN_AMOUNT", "RESOURCE_EXISTS", "RESOURCE_EXISTS"]
    );
    Ok(())
}

/// Recorded dates before the business date, and one after it.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn history_states_when_it_became_known(channel: Channel) -> Outcome {
    let mut books = Books::open(channel.clone(), "imp-history").await?;
    let recorded = |row_number, id: &str, day| {
        let item = Item {
            debtor_id: "d1".to_owned(),
            ..invoice("", id, 100, date(2026, 2, 14))
        };
        row(
            row_number,
            Record::Invoice(Item {
                recorded_date: Some(day),
                ..item
            }),
        )
    };
    let mut stream = Stream::open(&channel, "imp-history", "h1").await?;
    let answer = stream
        .send(vec![
            recorded(1, "i1", date(2026, 1, 16)),
            recorded(2, "i2", date(2026, 3, 3)),
            invoice_row(3, "d1", "i3", 100),
        ])
        .await?;
    stream.finish().await?;
    assert_eq!(answer.accepted, 2);
    let told: Vec<_> = answer
        .refused
        .iter()
        .map(|row| (row.row_number, fields(row)))
        .collect();
    assert_eq!(
        told,
        [(2, vec!["recorded_date"])],
        "after the business date"
    );
    assert_eq!(
        books
            .owed(date(2026, 2, 1), Some(date(2026, 1, 15)))
            .await?,
        (0, 0)
    );
    assert_eq!(
        books
            .owed(date(2026, 2, 1), Some(date(2026, 1, 16)))
            .await?,
        (100, 0)
    );
    assert_eq!(
        books.owed(date(2026, 2, 1), Some(date(2026, 3, 2))).await?,
        (200, 0)
    );
    Ok(())
}

fn fields(row: &ImportRowResult) -> Vec<&str> {
    let mut fields: Vec<&str> = row
        .errors
        .iter()
        .map(|error| error.field.as_str())
        .collect();
    fields.sort_unstable();
    fields
}
