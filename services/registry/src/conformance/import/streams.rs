//! Streams that end, break and come back.

use mahnwerk_proto::{
    common::v1::{ErrorReason, Money},
    registry::v1::{
        GetBalanceRequest, GetImportResponse, GetPortfolioBalanceRequest, ImportChunk, ImportRow,
        ImportRowState, ImportStart, account_service_client::AccountServiceClient,
        import_ledger_request::Message, import_row::Record,
    },
};
use tonic::{Code, transport::Channel};

use super::{
    counts, reason, rows_of,
    stream::{self, Stream, contact_point, debtor_row, invoice_row, payment_row, row},
};
use crate::conformance::{Outcome, account::Books, assert_refused, assert_violates};

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
    assert_eq!(
        (first.accepted, first.refused.len(), first.skipped),
        (1, 1, 1)
    );
    let again = stream.send(chunk()).await?;
    assert_eq!((again.accepted, again.skipped), (0, 2));
    assert_eq!(again.refused, first.refused, "reported as it was");
    assert_eq!(again.consistency_token, "", "nothing was written");

    let other = vec![
        invoice_row(1, "d1", "i1", 101),
        invoice_row(1, "d1", "other", 1),
        invoice_row(3, "d1", "i3", 1),
    ];
    let other = stream.send(other).await?;
    stream.finish().await?;
    assert_eq!((other.accepted, other.skipped), (1, 0));
    let told: Vec<_> = other
        .refused
        .iter()
        .map(|row| (row.row_number, reason(row)))
        .collect();
    let mismatch = "IMPORT_MISMATCH".to_owned();
    assert_eq!(told, [(1, mismatch.clone()), (1, mismatch)]);
    let counted = counts(&channel, "imp-again", "a1").await?;
    assert_eq!(
        counted,
        GetImportResponse {
            accepted: 2,
            refused: 1,
            last_row_number: 3
        }
    );
    let stored = rows_of(&channel, "imp-again", "a1", false, 0).await?;
    let states: Vec<_> = stored
        .iter()
        .map(|row| (row.row_number, row.state()))
        .collect();
    let (accepted, refused) = (ImportRowState::Accepted, ImportRowState::Refused);
    assert_eq!(
        states,
        [(1, accepted), (2, refused), (3, accepted)],
        "the stored result stays"
    );

    let mut elsewhere = Stream::open(&channel, "imp-again", "a2").await?;
    let answer = elsewhere.send(vec![invoice_row(1, "d1", "i4", 1)]).await?;
    assert_eq!(
        answer.accepted, 1,
        "another import has row numbers of its own"
    );
    elsewhere.finish().await
}

/// A stream is dropped in the middle; the next one begins at the first row.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_broken_stream_is_resumed_without_doubling(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-resume").await?;
    let chunk = |number: i64| {
        (number * 100 + 1..=number * 100 + 100)
            .map(|row| invoice_row(row, "d1", &format!("i{row}"), 10))
            .collect()
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
        assert_eq!(
            (answer.refused.len(), answer.last_row_number),
            (0, number * 100 + 100)
        );
    }
    stream.finish().await?;
    assert_eq!(taken.iter().sum::<i32>(), 500);
    assert!(
        taken[1] == 200 || taken[1] == 300,
        "the third chunk was taken whole or not at all: {taken:?}"
    );
    let counted = counts(&channel, "imp-resume", "r1").await?;
    assert_eq!(
        counted,
        GetImportResponse {
            accepted: 500,
            refused: 0,
            last_row_number: 500
        }
    );
    let request = GetBalanceRequest {
        creditor_id: "imp-resume".to_owned(),
        debtor_id: "d1".to_owned(),
        ..GetBalanceRequest::default()
    };
    let balances = AccountServiceClient::new(channel)
        .get_balance(request)
        .await?
        .into_inner()
        .balances;
    let owed: Vec<_> = balances
        .iter()
        .map(|balance| {
            (
                balance.open_items,
                balance
                    .receivable
                    .as_ref()
                    .map_or(0, |money| money.minor_units),
            )
        })
        .collect();
    assert_eq!(owed, [(500, 5_000)]);
    Ok(())
}

/// What is not an import at all.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn wrong_messages_end_the_stream(channel: Channel) -> Outcome {
    Books::open(channel.clone(), "imp-wrong").await?;
    let start = |creditor_id: &str, import_id: &str| {
        Message::Start(ImportStart {
            creditor_id: creditor_id.to_owned(),
            import_id: import_id.to_owned(),
        })
    };
    let chunk = |rows: Vec<ImportRow>| Message::Chunk(ImportChunk { rows });
    let good = || start("imp-wrong", "w1");
    let too_many = (1..=1_001)
        .map(|number| invoice_row(number, "d1", "i1", 1))
        .collect();
    let no_number = vec![
        invoice_row(0, "d1", "i1", 1),
        invoice_row(1, "d1", "i1", 1),
        invoice_row(-1, "d1", "i1", 1),
    ];
    for (messages, fields) in [
        (vec![], &["start"][..]),
        (vec![chunk(vec![invoice_row(1, "d1", "i1", 1)])], &["start"]),
        (
            vec![start("", "a/b")],
            &["start.creditor_id", "start.import_id"],
        ),
        (vec![good(), good()], &["chunk"]),
        (vec![good(), chunk(vec![])], &["chunk.rows"]),
        (vec![good(), chunk(too_many)], &["chunk.rows"]),
        (
            vec![good(), chunk(no_number)],
            &["chunk.rows[0].row_number", "chunk.rows[2].row_number"],
        ),
    ] {
        assert_violates(stream::ended_with(&channel, messages).await, fields);
    }
    let unknown = stream::ended_with(&channel, vec![start("nobody", "w1")]).await;
    assert_refused(unknown, Code::NotFound, ErrorReason::ResourceNotFound);
    let missing = counts(&channel, "imp-wrong", "w1")
        .await
        .map(tonic::Response::new);
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
        rows.push(row(
            next(),
            Record::ContactPoint(contact_point(&debtor_id, "mail")),
        ));
    }
    assert_eq!(rows.len(), 5_000);
    let mut stream = Stream::open(&channel, "imp-large", "l1").await?;
    for chunk in rows.chunks(1_000) {
        stream.send_only(chunk.to_vec()).await;
    }
    let (mut accepted, mut refused) = (0, 0);
    for chunk in 1..=5 {
        let answer = stream.answer().await?;
        assert_eq!(
            answer.last_row_number,
            chunk * 1_000,
            "acknowledged in order"
        );
        accepted += answer.accepted;
        refused += answer.refused.len();
    }
    stream.finish().await?;
    assert_eq!(
        (accepted, refused),
        (4_000, 1_000),
        "every second payment is for more than is open"
    );
    let counted = counts(&channel, "imp-large", "l1").await?;
    assert_eq!(
        counted,
        GetImportResponse {
            accepted: 4_000,
            refused: 1_000,
            last_row_number: 5_000
        }
    );
    let listed = rows_of(&channel, "imp-large", "l1", false, 1_000).await?;
    let numbers: Vec<i64> = listed.iter().map(|row| row.row_number).collect();
    assert_eq!(numbers, (1..=5_000).collect::<Vec<_>>());
    let refused_rows = rows_of(&channel, "imp-large", "l1", true, 300).await?;
    assert!(
        refused_rows
            .iter()
            .all(|row| row.record_type == "payment" && reason(row) == "EXCEEDS_OPEN_AMOUNT")
    );
    assert_eq!(refused_rows.len(), 1_000);
    let request = GetPortfolioBalanceRequest {
        creditor_id: "imp-large".to_owned(),
        ..Default::default()
    };
    let balances = AccountServiceClient::new(channel)
        .get_portfolio_balance(request)
        .await?
        .into_inner()
        .balances;
    let cents = |money: &Option<Money>| money.as_ref().map_or(0, |money| money.minor_units);
    let totals: Vec<_> = balances
        .iter()
        .map(|each| {
            (
                cents(&each.receivable),
                cents(&each.unallocated),
                each.open_items,
            )
        })
        .collect();
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
    assert_eq!(
        stream
            .send(vec![invoice_row(1, "d1", "i1", 1)])
            .await?
            .accepted,
        1
    );
    drain();
    let ended = stream.answer().await.map(tonic::Response::new);
    assert_refused(ended, Code::Unavailable, ErrorReason::ShuttingDown);
    Ok(())
}
