//! Read your writes: a score read with the token of a payment never shows the state before it.

use e2e::{
    suite::{Clients, Engine, Suite, patiently},
    world::{invoice, payment},
};
use futures::future::join_all;
use mahnwerk_proto::{
    registry::v1::{
        ImportChunk, ImportLedgerRequest, ImportRow, ImportStart, import_ledger_request::Message,
        import_row::Record,
    },
    scoring::v1::GetScoreRequest,
};

/// How many payments are tried; `tests/run` sets it.
const TRIES: &str = "MAHNWERK_TEST_TRIES";
const CREDITOR: &str = "c1";
/// Debtors that pay at the same time.
const DEBTORS: usize = 8;
/// Rows of one import chunk.
const CHUNK: usize = 1_000;
const CENTS: i64 = 1_000;

fn tries_per_debtor() -> usize {
    let tries: usize =
        std::env::var(TRIES).map_or(200, |text| text.parse().expect("a number of tries"));
    tries.div_ceil(DEBTORS)
}

/// A suite with debtors that have an unpaid invoice for every try, and a second one for the tries without a token.
async fn suite_with_invoices(engine: Engine, per_debtor: usize) -> Suite {
    let suite = Suite::start(engine).await;
    let mut clients = suite.clients();
    clients.open_creditor(CREDITOR).await;
    for debtor in 0..DEBTORS {
        clients.add_debtor(CREDITOR, &format!("d{debtor}")).await;
    }
    let rows: Vec<ImportRow> = (0..DEBTORS * per_debtor)
        .map(|number| {
            let (debtor, item) = (number % DEBTORS, number / DEBTORS);
            let record = invoice(
                "",
                &format!("d{debtor}"),
                &format!("i{debtor}-{item}"),
                CENTS,
            );
            ImportRow {
                row_number: i64::try_from(number).expect("few rows") + 1,
                record: Some(Record::Invoice(record)),
            }
        })
        .collect();
    let start = ImportStart {
        creditor_id: CREDITOR.to_owned(),
        import_id: "invoices".to_owned(),
    };
    let chunks = rows.chunks(CHUNK).map(|rows| {
        Message::Chunk(ImportChunk {
            rows: rows.to_vec(),
        })
    });
    let messages: Vec<_> = std::iter::once(Message::Start(start))
        .chain(chunks)
        .map(|message| ImportLedgerRequest {
            message: Some(message),
        })
        .collect();
    let mut answers = clients
        .imports
        .import_ledger(tokio_stream::iter(messages))
        .await
        .expect("an import")
        .into_inner();
    let mut token = String::new();
    while let Some(answer) = answers.message().await.expect("an answer") {
        assert!(answer.refused.is_empty(), "{:?}", answer.refused.first());
        token = answer.consistency_token;
    }
    for debtor in 0..DEBTORS {
        assert_eq!(settled_items(&clients, debtor, &token).await, 0);
    }
    suite
}

async fn settled_items(clients: &Clients, debtor: usize, at_least: &str) -> usize {
    let score = patiently(async || {
        clients
            .scores
            .clone()
            .get_score(GetScoreRequest {
                creditor_id: CREDITOR.to_owned(),
                debtor_id: format!("d{debtor}"),
                at_least: at_least.to_owned(),
                language: String::new(),
            })
            .await
    })
    .await;
    let score = score.into_inner().score.expect("a score");
    usize::try_from(score.settled_items).expect("a count")
}

/// Pays the debtor's invoices `from..to` one by one and reads the score after each. Returns how many reads were stale.
async fn pay_and_read(
    clients: &Clients,
    debtor: usize,
    from: usize,
    to: usize,
    with_token: bool,
) -> usize {
    let mut clients = clients.clone();
    let mut stale = 0;
    for number in from..to {
        let paid = format!("i{debtor}-{number}");
        let payment = payment(
            CREDITOR,
            &format!("d{debtor}"),
            &format!("p{debtor}-{number}"),
            CENTS,
        );
        let token = clients.add_payment(payment, &[(&paid, CENTS)]).await;
        let at_least = if with_token { token.as_str() } else { "" };
        let settled = settled_items(&clients, debtor, at_least).await;
        assert!(
            settled <= number + 1,
            "{settled} items settled by {} payments",
            number + 1
        );
        stale += usize::from(settled < number + 1);
    }
    stale
}

async fn all_debtors(clients: &Clients, from: usize, to: usize, with_token: bool) -> usize {
    let payers = (0..DEBTORS).map(|debtor| pay_and_read(clients, debtor, from, to, with_token));
    join_all(payers).await.into_iter().sum()
}

async fn reads_with_a_token_are_never_stale(engine: Engine) {
    let tries = tries_per_debtor();
    let suite = suite_with_invoices(engine, 2 * tries).await;
    let clients = suite.clients();
    let stale_with = all_debtors(&clients, 0, tries, true).await;
    let stale_without = all_debtors(&clients, tries, 2 * tries, false).await;
    println!(
        "{engine:?}: {} reads with the payment's token, {stale_with} stale; as many without, {stale_without} stale",
        tries * DEBTORS
    );
    assert_eq!(stale_with, 0);
    assert!(
        stale_without > 0,
        "nothing was stale without a token either: this test proves nothing"
    );
    suite.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_read_with_the_token_of_a_payment_contain_it_on_sqlite() {
    reads_with_a_token_are_never_stale(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_read_with_the_token_of_a_payment_contain_it_on_postgres() {
    reads_with_a_token_are_never_stale(Engine::Postgres).await;
}
