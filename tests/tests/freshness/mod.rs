//! Read your writes: what is read with the token of a write, however many services away, never shows the state before it.

mod dunning;
mod memberships;
mod scores;

use e2e::{
    suite::{Engine, Service, Suite},
    world::invoice,
};
use futures::future::join_all;
use mahnwerk_proto::registry::v1::import_row::Record;

/// How many payments are tried; `tests/run` sets it.
const TRIES: &str = "MAHNWERK_TEST_TRIES";
const CREDITOR: &str = "c1";
/// Debtors that pay at the same time.
const DEBTORS: usize = 8;
const CENTS: i64 = 1_000;

fn tries_per_debtor() -> usize {
    let tries: usize =
        std::env::var(TRIES).map_or(200, |text| text.parse().expect("a number of tries"));
    tries.div_ceil(DEBTORS)
}

/// `last` and all that it depends on, with debtors that have so many unpaid invoices each. Returns the token of the last.
async fn suite_with_invoices(engine: Engine, last: Service, per_debtor: usize) -> (Suite, String) {
    let suite = Suite::start_with(engine, last).await;
    let mut clients = suite.clients();
    clients.open_creditor(CREDITOR).await;
    for debtor in 0..DEBTORS {
        clients.add_debtor(CREDITOR, &format!("d{debtor}")).await;
    }
    let records = (0..DEBTORS * per_debtor).map(|number| {
        let (debtor, item) = (number % DEBTORS, number / DEBTORS);
        let (debtor_id, item_id) = (format!("d{debtor}"), format!("i{debtor}-{item}"));
        Record::Invoice(invoice("", &debtor_id, &item_id, CENTS))
    });
    let token = clients.import(CREDITOR, "invoices", records).await;
    (suite, token)
}

/// Asks with the token of a write, or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    WithToken,
    WithoutToken,
}

impl Ask {
    fn at_least(self, token: &str) -> &str {
        match self {
            Self::WithToken => token,
            Self::WithoutToken => "",
        }
    }
}

/// Lets all debtors write and read at the same time, first with tokens, then as often without; `write_and_read` is told
/// the debtor and the numbers of its writes, and answers how many of its reads were stale.
async fn nothing_is_stale_with_a_token(
    what: &str,
    write_and_read: impl AsyncFn(usize, std::ops::Range<usize>, Ask) -> usize,
) {
    let tries = tries_per_debtor();
    let all = async |numbers: std::ops::Range<usize>, ask| {
        let debtors = (0..DEBTORS).map(|debtor| write_and_read(debtor, numbers.clone(), ask));
        join_all(debtors).await.into_iter().sum::<usize>()
    };
    let stale_with = all(0..tries, Ask::WithToken).await;
    let stale_without = all(tries..2 * tries, Ask::WithoutToken).await;
    println!(
        "{what}: {} reads with the write's token, {stale_with} stale; as many without, {stale_without} stale",
        tries * DEBTORS
    );
    assert_eq!(stale_with, 0);
    assert!(
        stale_without > 0,
        "nothing was stale without a token either: this test proves nothing"
    );
}
