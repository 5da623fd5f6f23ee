//! `ImportService`.

mod stream;

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        ContactPoint, Debtor, GetBalanceRequest, GetDebtorRequest, GetImportRequest, GetImportResponse, ImportChunk,
        ImportRow, ImportRowError, ImportRowResult, ImportRowState, ImportStart, Item, ItemKind,
        ListContactPointsRequest, ListImportRowsRequest, ListItemsRequest, Relationship,
        account_service_client::AccountServiceClient, debtor_service_client::DebtorServiceClient,
        import_ledger_request::Message, import_row::Record, import_service_client::ImportServiceClient,
    },
};
use tonic::{Code, Status, transport::Channel};

use super::{
    Outcome,
    account::{Books, invoice},
    assert_refused, assert_violates, date, sample_debtor,
};
use stream::{Stream, contact_point, debtor_row, invoice_row, payment_row, row};

/// Everything about imports, one after the other.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn suite(channel: Channel) -> Outcome {
    a_chunk_may_create_a_debtor_its_invoice_and_the_payment(channel.clone()).await?;
    rows_are_applied_in_their_order(channel.clone()).await?;
    every_refused_row_says_why(channel.clone()).await?;
    rows_taken_before_are_skipped_unless_they_differ(channel.clone()).await?;
    a_broken_stream_is_resumed_without_doubling(channel.clone()).await?;
    history_states_when_it_became_known(channel.clone()).await?;
    wrong_messages_end_the_stream(channel.clone()).await?;
    five_thousand_rows_are_accounted_for(channel).await
}

async fn counts(channel: &Channel, creditor_id: &str, import_id: &str) -> Result<GetImportResponse, Status> {
    let request = GetImportRequest {
        creditor_id: creditor_id.to_owned(),
        import_id: import_id.to_owned(),
        at_least: String::new(),
    };
    Ok(ImportServiceClient::new(channel.clone()).get_import(request).await?.into_inner())
}

/// All rows of an import, page by page.
async fn rows_of(
    channel: &Channel,
    creditor_id: &str,
    import_id: &str,
    refused_only: bool,
    page_size: i32,
) -> Result<Vec<ImportRowResult>, Status> {
    let mut client = ImportServiceClient::new(channel.clone());
    let mut rows = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListImportRowsRequest {
            creditor_id: creditor_id.to_owned(),
            import_id: import_id.to_owned(),
            refused_only,
            page_size,
            page_token,
            at_least: String::new(),
        };
        let page = client.list_import_rows(request).await?.into_inner();
        rows.extend(page.rows);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(rows);
        }
    }
}

/// One of everything in one chunk, read with the token of the acknowledgement.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_chunk_may_create_a_debtor_its_invoice_and_the_payment(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-mixed").await?;
    let prospect = Debtor { relationship: Relationship::Prospect.into(), ..sample_debtor("ignored", "new") };
    let of_new = |item: Item| Item { debtor_id: "new".to_owned(), ..item };
    let credit_note = mahnwerk_proto::registry::v1::CreditNoteRow {
        credit_note: Some(of_new(Item { due_date: None, ..invoice("", "c1", 300, date(2026, 2, 1)) })),
        allocations: vec![],
    };
    let mut stream = Stream::open(&channel, "imp-mixed", "m1").await?;
    let answer = stream
        .send(vec![
            row(10, Record::Debtor(prospect)),
            row(20, Record::ContactPoint(contact_point("new", "mail"))),
            row(30, Record::Invoice(of_new(invoice("", "i1", 1_000, date(2026, 2, 14))))),
            payment_row(40, "new", "p1", 700, &[("i1", 700)]),
            row(50, Record::CreditNote(credit_note)),
        ])
        .await?;
    assert_eq!((answer.accepted, answer.refused.len(), answer.skipped), (5, 0, 0));
    assert_eq!(answer.last_row_number, 50);
    assert!(!answer.consistency_token.is_empty());
    stream.finish().await?;

    let get = GetDebtorRequest {
        creditor_id: "imp-mixed".to_owned(),
        debtor_id: "new".to_owned(),
        at_least: answer.consistency_token.clone(),
    };
    let mut debtors = DebtorServiceClient::new(channel.clone());
    let debtor = debtors.get_debtor(get).await?.into_inner().debtor.unwrap_or_default();
    assert_eq!((debtor.relationship(), debtor.version), (Relationship::Customer, 1), "created and invoiced at once");
    let list = ListContactPointsRequest {
        creditor_id: "imp-mixed".to_owned(),
        debtor_id: "new".to_owned(),
        ..ListContactPointsRequest::default()
    };
    let listed = debtors.list_contact_points(list).await?.into_inner().contact_points;
    let ids: Vec<_> = listed.iter().map(|each: &ContactPoint| each.contact_point_id.as_str()).collect();
    assert_eq!(ids, ["mail"]);
    let list = ListItemsRequest { creditor_id: "imp-mixed".to_owned(), ..ListItemsRequest::default() };
    let items = AccountServiceClient::new(channel.clone()).list_items(list).await?.into_inner().items;
    let open: Vec<_> = items
        .iter()
        .map(|item| (item.kind(), item.version, item.open_amount.as_ref().map_or(0, |open| open.minor_units)))
        .collect();
    let expected =
        [(ItemKind::CreditNote, 1, 300), (ItemKind::Invoice, 1, 300), (ItemKind::Payment, 1, 0)];
    assert_eq!(open, expected, "one version, however many rows touched an item");

    let counted = counts(&channel, "imp-mixed", "m1").await?;
    assert_eq!(counted, GetImportResponse { accepted: 5, refused: 0, last_row_number: 50 });
    let listed = rows_of(&channel, "imp-mixed", "m1", false, 2).await?;
    let told: Vec<_> = listed
        .iter()
        .map(|row| (row.row_number, row.state(), row.record_type.as_str(), row.record_id.as_str()))
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
    let told: Vec<_> = answer.refused.iter().map(|row| (row.row_number, reason(row))).collect();
    let (missing, exists) = ("RESOURCE_NOT_FOUND".to_owned(), "RESOURCE_EXISTS".to_owned());
    assert_eq!(told, [(1, missing.clone()), (2, missing.clone()), (4, missing), (6, exists)]);
    Ok(())
}

fn reason(row: &ImportRowResult) -> String {
    row.errors.first().map(|error| error.reason.clone()).unwrap_or_default()
}

fn fields(row: &ImportRowResult) -> Vec<&str> {
    let mut fields: Vec<&str> = row.errors.iter().map(|error| error.field.as_str()).collect();
    fields.sort_unstable();
    fields
}

/// Wrong in form and wrong against the books, among good ones.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn every_refused_row_says_why(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-bad").await?;
    let wrong_debtor = Debtor { display_name: String::new(), language: "xx".to_owned(), ..sample_debtor("", "a b") };
    let wrong_invoice = Item {
        debtor_id: "d1".to_owned(),
        item_id: "i9".to_owned(),
        recorded_date: Some(date(2026, 2, 30)),
        ..Item::default()
    };
    let mut stream = Stream::open(&channel, "imp-bad", "b1").await?;
    let answer = stream
        .send(vec![
            invoice_row(1, "d1", "i1", 100),
            ImportRow { row_number: 2, record: None },
            row(3, Record::Debtor(wrong_debtor)),
            row(4, Record::Invoice(wrong_invoice)),
            payment_row(5, "d1", "p1", 0, &[("i1", 0)]),
            payment_row(6, "d1", "p2", 100, &[("i1", 101)]),
            invoice_row(7, "d1", "i1", 100),
            invoice_row(8, "d2", "i1", 100),
            payment_row(9, "d1", "p3", 100, &[("i1", 100)]),
        ])
        .await?;
    stream.finish().await?;
    assert_eq!((answer.accepted, answer.refused.len()), (2, 7));
    let [none, debtor, invoice, payment, exceeds, exists, elsewhere] = answer.refused.as_slice() else {
        return Err(Status::internal("seven refused rows expected"));
    };
    assert_eq!((none.record_type.as_str(), fields(none)), ("", vec!["record"]));
    assert_eq!(fields(debtor), ["debtor_id", "display_name", "language"]);
    assert_eq!((debtor.record_type.as_str(), debtor.record_id.as_str()), ("debtor", ""), "not an id");
    assert_eq!(fields(invoice), ["amount", "document_date", "due_date", "recorded_date"]);
    assert_eq!(invoice.record_id, "i9");
    assert_eq!(fields(payment), ["allocations[0].amount.minor_units", "payment.amount.minor_units"]);
    assert!(payment.errors.iter().all(|error: &ImportRowError| error.reason == "INVALID_FIELDS"));
    let reasons = [reason(exceeds), reason(exists), reason(elsewhere)];
    assert_eq!(reasons, ["EXCEEDS_OPEN_AMOUNT", "RESOURCE_EXISTS", "RESOURCE_EXISTS"]);
    assert_eq!(rows_of(&channel, "imp-bad", "b1", true, 3).await?, answer.refused);
    let counted = counts(&channel, "imp-bad", "b1").await?;
    assert_eq!(counted, GetImportResponse { accepted: 2, refused: 7, last_row_number: 9 });
    Ok(())
}

/// The same chunk again, the same row twice in one chunk, and a row with other content.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn rows_taken_before_are_skipped_unless_they_differ(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-again").await?;
    let chunk = || {
        vec![
            invoice_row(1, "d1", "i1", 100),
            invoice_row(2, "nobody", "i2", 100),
            invoice_row(1, "d1", "i1", 100),
        ]
    };
    let mut stream = Stream::open(&channel, "imp-again", "a1").await?;
    let first = stream.send(chunk()).await?;
    assert_eq!((first.accepted, first.refused.len(), first.skipped), (1, 1, 1));
    let again = stream.send(chunk()).await?;
    assert_eq!((again.accepted, again.skipped), (0, 2));
    assert_eq!(again.refused, first.refused, "reported as it was");
    assert_eq!(again.consistency_token, "", "nothing was written");

    let other = vec![invoice_row(1, "d1", "i1", 101), invoice_row(1, "d1", "other", 1), invoice_row(3, "d1", "i3", 1)];
    let other = stream.send(other).await?;
    stream.finish().await?;
    assert_eq!((other.accepted, other.skipped), (1, 0));
    let told: Vec<_> = other.refused.iter().map(|row| (row.row_number, reason(row))).collect();
    let mismatch = "IMPORT_MISMATCH".to_owned();
    assert_eq!(told, [(1, mismatch.clone()), (1, mismatch)]);
    let counted = counts(&channel, "imp-again", "a1").await?;
    assert_eq!(counted, GetImportResponse { accepted: 2, refused: 1, last_row_number: 3 });
    let stored = rows_of(&channel, "imp-again", "a1", false, 0).await?;
    let states: Vec<_> = stored.iter().map(|row| (row.row_number, row.state())).collect();
    let (accepted, refused) = (ImportRowState::Accepted, ImportRowState::Refused);
    assert_eq!(states, [(1, accepted), (2, refused), (3, accepted)], "the stored result stays");

    let mut elsewhere = Stream::open(&channel, "imp-again", "a2").await?;
    let answer = elsewhere.send(vec![invoice_row(1, "d1", "i4", 1)]).await?;
    assert_eq!(answer.accepted, 1, "another import has row numbers of its own");
    elsewhere.finish().await
}

/// A stream is dropped in the middle; the next one begins at the first row.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_broken_stream_is_resumed_without_doubling(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-resume").await?;
    let chunk = |number: i64| {
        (number * 100 + 1..=number * 100 + 100).map(|row| invoice_row(row, "d1", &format!("i{row}"), 10)).collect()
    };
    let mut stream = Stream::open(&channel, "imp-resume", "r1").await?;
    for number in 0..2 {
        assert_eq!(stream.send(chunk(number)).await?.accepted, 100);
    }
    // The third is sent, but its acknowledgement is never read.
    stream.send_only(chunk(2)).await;
    drop(stream);

    let mut stream = Stream::open(&channel, "imp-resume", "r1").await?;
    let mut taken = [0, 0];
    for number in 0..5 {
        let answer = stream.send(chunk(number)).await?;
        taken[0] += answer.accepted;
        taken[1] += answer.skipped;
        assert_eq!((answer.refused.len(), answer.last_row_number), (0, number * 100 + 100));
    }
    stream.finish().await?;
    assert_eq!(taken.iter().sum::<i32>(), 500);
    assert!(taken[1] == 200 || taken[1] == 300, "the third chunk was taken whole or not at all: {taken:?}");
    let counted = counts(&channel, "imp-resume", "r1").await?;
    assert_eq!(counted, GetImportResponse { accepted: 500, refused: 0, last_row_number: 500 });
    let request = GetBalanceRequest {
        creditor_id: "imp-resume".to_owned(),
        debtor_id: "d1".to_owned(),
        ..GetBalanceRequest::default()
    };
    let balances = AccountServiceClient::new(channel).get_balance(request).await?.into_inner().balances;
    let owed: Vec<_> = balances
        .iter()
        .map(|balance| (balance.open_items, balance.receivable.as_ref().map_or(0, |money| money.minor_units)))
        .collect();
    assert_eq!(owed, [(500, 5_000)]);
    Ok(())
}

/// Recorded dates before the business date, and one after it.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn history_states_when_it_became_known(channel: Channel) -> Outcome {
    let mut books = Books::open(channel.clone(), "imp-history").await?;
    let recorded = |row_number, id: &str, day| {
        let item = Item { debtor_id: "d1".to_owned(), ..invoice("", id, 100, date(2026, 2, 14)) };
        row(row_number, Record::Invoice(Item { recorded_date: Some(day), ..item }))
    };
    let mut stream = Stream::open(&channel, "imp-history", "h1").await?;
    let answer = stream
        .send(vec![recorded(1, "i1", date(2026, 1, 16)), recorded(2, "i2", date(2026, 3, 3)), invoice_row(3, "d1", "i3", 100)])
        .await?;
    stream.finish().await?;
    assert_eq!(answer.accepted, 2);
    let told: Vec<_> = answer.refused.iter().map(|row| (row.row_number, fields(row))).collect();
    assert_eq!(told, [(2, vec!["recorded_date"])], "after the business date");
    assert_eq!(books.owed(date(2026, 2, 1), Some(date(2026, 1, 15))).await?, (0, 0));
    assert_eq!(books.owed(date(2026, 2, 1), Some(date(2026, 1, 16))).await?, (100, 0));
    assert_eq!(books.owed(date(2026, 2, 1), Some(date(2026, 3, 2))).await?, (200, 0));
    Ok(())
}

/// What is not an import at all.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn wrong_messages_end_the_stream(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-wrong").await?;
    let start = |creditor_id: &str, import_id: &str| {
        Message::Start(ImportStart { creditor_id: creditor_id.to_owned(), import_id: import_id.to_owned() })
    };
    let chunk = |rows: Vec<ImportRow>| Message::Chunk(ImportChunk { rows });
    let good = || start("imp-wrong", "w1");
    let too_many = (1..=1_001).map(|number| invoice_row(number, "d1", "i1", 1)).collect();
    let no_number = vec![invoice_row(0, "d1", "i1", 1), invoice_row(1, "d1", "i1", 1), invoice_row(-1, "d1", "i1", 1)];
    for (messages, fields) in [
        (vec![], &["start"][..]),
        (vec![chunk(vec![invoice_row(1, "d1", "i1", 1)])], &["start"]),
        (vec![start("", "a/b")], &["creditor_id", "import_id"]),
        (vec![good(), good()], &["chunk"]),
        (vec![good(), chunk(vec![])], &["chunk.rows"]),
        (vec![good(), chunk(too_many)], &["chunk.rows"]),
        (vec![good(), chunk(no_number)], &["chunk.rows[0].row_number", "chunk.rows[2].row_number"]),
    ] {
        assert_violates(stream::ended_with(&channel, messages).await, fields);
    }
    let unknown = stream::ended_with(&channel, vec![start("nobody", "w1")]).await;
    assert_refused(unknown, Code::NotFound, ErrorReason::ResourceNotFound);
    let missing = counts(&channel, "imp-wrong", "w1").await.map(tonic::Response::new);
    assert_refused(missing, Code::NotFound, ErrorReason::ResourceNotFound);
    Ok(())
}

/// Five full chunks: 500 debtors with four invoices each, every second invoice paid, and some rows wrong.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn five_thousand_rows_are_accounted_for(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-large").await?;
    let mut rows = Vec::new();
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    for debtor in 0..500 {
        let debtor_id = format!("c{debtor:03}");
        rows.push(debtor_row(next(), &debtor_id));
        for item in 0..4 {
            let id = format!("{debtor_id}-{item}");
            rows.push(invoice_row(next(), &debtor_id, &id, 100 + item));
            let pays = if item % 2 == 0 { 100 + item } else { 1_000 };
            rows.push(payment_row(next(), &debtor_id, &id, 1_000, &[(&id, pays)]));
        }
        rows.push(row(next(), Record::ContactPoint(contact_point(&debtor_id, "mail"))));
    }
    assert_eq!(rows.len(), 5_000);
    let mut stream = Stream::open(&channel, "imp-large", "l1").await?;
    for chunk in rows.chunks(1_000) {
        stream.send_only(chunk.to_vec()).await;
    }
    let (mut accepted, mut refused) = (0, 0);
    for chunk in 1..=5 {
        let answer = stream.answer().await?;
        assert_eq!(answer.last_row_number, chunk * 1_000, "acknowledged in order");
        accepted += answer.accepted;
        refused += answer.refused.len();
    }
    stream.finish().await?;
    assert_eq!((accepted, refused), (4_000, 1_000), "every second payment is for more than is open");
    let counted = counts(&channel, "imp-large", "l1").await?;
    assert_eq!(counted, GetImportResponse { accepted: 4_000, refused: 1_000, last_row_number: 5_000 });
    let listed = rows_of(&channel, "imp-large", "l1", false, 1_000).await?;
    let numbers: Vec<i64> = listed.iter().map(|row| row.row_number).collect();
    assert_eq!(numbers, (1..=5_000).collect::<Vec<_>>());
    let refused_rows = rows_of(&channel, "imp-large", "l1", true, 300).await?;
    assert!(refused_rows.iter().all(|row| row.record_type == "payment" && reason(row) == "EXCEEDS_OPEN_AMOUNT"));
    assert_eq!(refused_rows.len(), 1_000);
    let request = mahnwerk_proto::registry::v1::GetPortfolioBalanceRequest {
        creditor_id: "imp-large".to_owned(),
        ..Default::default()
    };
    let balances = AccountServiceClient::new(channel).get_portfolio_balance(request).await?.into_inner().balances;
    let cents = |money: &Option<mahnwerk_proto::common::v1::Money>| money.as_ref().map_or(0, |money| money.minor_units);
    let totals: Vec<_> =
        balances.iter().map(|each| (cents(&each.receivable), cents(&each.unallocated), each.open_items)).collect();
    assert_eq!(totals, [(500 * (101 + 103), 500 * (900 + 898), 1_000)]);
    Ok(())
}

/// A chunk is acknowledged, the service begins to drain, the stream ends with a status from which to resume.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn ends_when_draining(channel: Channel, drain: impl FnOnce()) -> Outcome {
    Books::open(channel.clone(), "imp-drain").await?;
    let mut stream = Stream::open(&channel, "imp-drain", "d1").await?;
    assert_eq!(stream.send(vec![invoice_row(1, "d1", "i1", 1)]).await?.accepted, 1);
    drain();
    let ended = stream.answer().await.map(tonic::Response::new);
    assert_refused(ended, Code::Unavailable, ErrorReason::ShuttingDown);
    Ok(())
}
