//! From a payment through the score to the membership, with the token of the payment alone.

use std::ops::Range;

use e2e::{
    schemes::{activate, create_revision, membership, two_segments},
    suite::{Clients, Engine, SegmentationClients, Service},
};

use crate::freshness::{
    Ask, CREDITOR, DEBTORS, nothing_is_stale_with_a_token, scores::pay, suite_with_invoices,
    tries_per_debtor,
};

/// A scheme in which every payment moves its debtor.
const ODD: &str = "odd";

/// Pays invoices of the debtor one by one and reads the membership after each. Returns how many reads were stale.
async fn pay_and_read(
    clients: &Clients,
    segmentation: &SegmentationClients,
    debtor: usize,
    numbers: Range<usize>,
    ask: Ask,
) -> usize {
    let mut clients = clients.clone();
    let mut stale = 0;
    for number in numbers {
        let token = pay(&mut clients, debtor, number).await;
        let debtor = format!("d{debtor}");
        let at_least = ask.at_least(&token);
        let found = membership(segmentation, CREDITOR, &debtor, ODD, at_least).await;
        // Before this payment it was in the other one.
        let expected = if number.is_multiple_of(2) {
            "yes"
        } else {
            "no"
        };
        stale += usize::from(found.segment_id != expected);
    }
    stale
}

async fn reads_with_a_token_are_never_stale(engine: Engine) {
    let invoices = 2 * tries_per_debtor();
    let (suite, token) = suite_with_invoices(engine, Service::Segmentation, invoices).await;
    let (clients, segmentation) = (suite.clients(), suite.segmentation());
    membership(&segmentation, CREDITOR, "d0", "treatment", &token).await;
    let odd = two_segments(CREDITOR, ODD, "debtor.settled_items % 2 == 1");
    let revision = create_revision(&segmentation, odd).await;
    activate(&segmentation, CREDITOR, ODD, revision).await;
    for debtor in 0..DEBTORS {
        let debtor = format!("d{debtor}");
        let found = membership(&segmentation, CREDITOR, &debtor, ODD, &token).await;
        assert_eq!(found.segment_id, "no");
    }
    let what = format!("memberships on {engine:?}");
    nothing_is_stale_with_a_token(&what, async |debtor, numbers, ask| {
        pay_and_read(&clients, &segmentation, debtor, numbers, ask).await
    })
    .await;
    suite.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_read_with_the_token_of_a_payment_follow_from_it_on_sqlite() {
    reads_with_a_token_are_never_stale(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_read_with_the_token_of_a_payment_follow_from_it_on_postgres() {
    reads_with_a_token_are_never_stale(Engine::Postgres).await;
}
