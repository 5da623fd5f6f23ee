//! From a payment to the score.

use std::ops::Range;

use e2e::{
    suite::{Clients, Engine, Service, patiently},
    world::payment,
};
use mahnwerk_proto::scoring::v1::GetScoreRequest;

use crate::freshness::{
    Ask, CENTS, CREDITOR, DEBTORS, nothing_is_stale_with_a_token, suite_with_invoices,
    tries_per_debtor,
};

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

/// Pays invoices of the debtor one by one and reads the score after each. Returns how many reads were stale.
async fn pay_and_read(clients: &Clients, debtor: usize, numbers: Range<usize>, ask: Ask) -> usize {
    let mut clients = clients.clone();
    let mut stale = 0;
    for number in numbers {
        let token = pay(&mut clients, debtor, number).await;
        let settled = settled_items(&clients, debtor, ask.at_least(&token)).await;
        assert!(
            settled <= number + 1,
            "{settled} items settled by {} payments",
            number + 1
        );
        stale += usize::from(settled < number + 1);
    }
    stale
}

/// Pays an invoice of the debtor. Returns the consistency token.
pub async fn pay(clients: &mut Clients, debtor: usize, number: usize) -> String {
    let paid = format!("i{debtor}-{number}");
    let payment = payment(
        CREDITOR,
        &format!("d{debtor}"),
        &format!("p{debtor}-{number}"),
        CENTS,
    );
    clients.add_payment(payment, &[(&paid, CENTS)]).await
}

async fn reads_with_a_token_are_never_stale(engine: Engine) {
    let invoices = 2 * tries_per_debtor();
    let (suite, token) = suite_with_invoices(engine, Service::Scoring, invoices).await;
    let clients = suite.clients();
    for debtor in 0..DEBTORS {
        assert_eq!(settled_items(&clients, debtor, &token).await, 0);
    }
    nothing_is_stale_with_a_token(
        &format!("scores on {engine:?}"),
        async |debtor, numbers, ask| pay_and_read(&clients, debtor, numbers, ask).await,
    )
    .await;
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
