//! An import whose stream breaks in the middle goes on without doubling anything.

use e2e::{
    suite::{Clients, Engine, Suite},
    world::invoice,
};
use mahnwerk_proto::registry::v1::{
    GetImportRequest, GetPortfolioBalanceRequest, ImportChunk, ImportLedgerRequest, ImportRow,
    ImportStart, import_ledger_request::Message, import_row::Record,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const ROWS: i64 = 10_000;
const CHUNK: i64 = 500;
/// The stream breaks once this row is acknowledged, with more rows on their way.
const BREAK: i64 = 5_000;

fn start() -> ImportLedgerRequest {
    let start = ImportStart {
        creditor_id: "c1".to_owned(),
        import_id: "ledger".to_owned(),
    };
    ImportLedgerRequest {
        message: Some(Message::Start(start)),
    }
}

fn chunk(first: i64) -> ImportLedgerRequest {
    let row = |number: i64| ImportRow {
        row_number: number,
        record: Some(Record::Invoice(invoice(
            "",
            &format!("d{}", number % 50),
            &format!("i{number}"),
            number,
        ))),
    };
    let rows = (first..first + CHUNK).map(row).collect();
    ImportLedgerRequest {
        message: Some(Message::Chunk(ImportChunk { rows })),
    }
}

/// Sends everything but reads only up to the breaking row, then drops the stream with both directions open.
async fn broken_import(clients: &mut Clients) {
    let (sender, requests) = mpsc::channel(64);
    sender.send(start()).await.expect("the stream is open");
    for first in (1..=ROWS).step_by(CHUNK as usize) {
        sender.send(chunk(first)).await.expect("the stream is open");
    }
    let mut answers = clients
        .imports
        .import_ledger(ReceiverStream::new(requests))
        .await
        .expect("an import")
        .into_inner();
    while let Some(answer) = answers.message().await.expect("an answer") {
        if answer.last_row_number >= BREAK {
            break;
        }
    }
}

async fn resumed_import(clients: &mut Clients) -> (i64, i64) {
    let mut messages = vec![start()];
    messages.extend((1..=ROWS).step_by(CHUNK as usize).map(chunk));
    let mut answers = clients
        .imports
        .import_ledger(tokio_stream::iter(messages))
        .await
        .expect("an import")
        .into_inner();
    let (mut accepted, mut skipped) = (0, 0);
    while let Some(answer) = answers.message().await.expect("an answer") {
        assert!(answer.refused.is_empty(), "{:?}", answer.refused.first());
        accepted += i64::from(answer.accepted);
        skipped += i64::from(answer.skipped);
    }
    (accepted, skipped)
}

async fn nothing_is_doubled(engine: Engine) {
    let suite = Suite::start(engine).await;
    let mut clients = suite.clients();
    clients.open_creditor("c1").await;
    for debtor in 0..50 {
        clients.add_debtor("c1", &format!("d{debtor}")).await;
    }
    broken_import(&mut clients).await;
    let (accepted, skipped) = resumed_import(&mut clients).await;
    println!(
        "{engine:?}: {skipped} rows had been taken when the stream broke, {accepted} followed"
    );
    assert_eq!(accepted + skipped, ROWS);
    assert!(
        skipped >= BREAK && accepted > 0,
        "the stream did not break in the middle"
    );

    let import = GetImportRequest {
        creditor_id: "c1".to_owned(),
        import_id: "ledger".to_owned(),
        at_least: String::new(),
    };
    let import = clients
        .imports
        .get_import(import)
        .await
        .expect("the import")
        .into_inner();
    assert_eq!(
        (import.accepted, import.refused, import.last_row_number),
        (ROWS, 0, ROWS)
    );
    let balance = GetPortfolioBalanceRequest {
        creditor_id: "c1".to_owned(),
        ..GetPortfolioBalanceRequest::default()
    };
    let balances = clients
        .accounts
        .get_portfolio_balance(balance)
        .await
        .expect("a balance");
    let [balance] = &balances.into_inner().balances[..] else {
        panic!("one currency");
    };
    assert_eq!(balance.open_items, ROWS);
    let receivable = balance.receivable.as_ref().expect("an amount").minor_units;
    assert_eq!(receivable, ROWS * (ROWS + 1) / 2);
    suite.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_broken_at_row_5000_resumes_without_doubling_on_sqlite() {
    nothing_is_doubled(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_broken_at_row_5000_resumes_without_doubling_on_postgres() {
    nothing_is_doubled(Engine::Postgres).await;
}
