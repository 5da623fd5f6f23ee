//! A change that scoring cannot apply: its payload has been spoilt in the registry's event table before scoring read it.
//! It parks its debtor, everybody else goes on, and an operator releases it.

use crate::feed_torture::stage::{CREDITOR, DEBTORS, Stage};
use e2e::{
    oracle,
    postgres::Cluster,
    suite::patiently,
    world::{day, euro, invoice, payment},
};
use mahnwerk_proto::{
    common::v1::{
        DiscardParkedRequest, DiscardParkedResponse, ListParkedRequest, Parked, RetryParkedRequest,
        RetryParkedResponse,
    },
    registry::v1::OpenBusinessDayRequest,
    scoring::v1::{BatchGetScoresRequest, CheckCreditRequest},
};

/// A payload before and after it was spoilt, in hexadecimal.
struct Spoilt {
    good: String,
    bad: String,
}

/// Spoils the payload of one event of the registry, which must be stopped: what it has read it does not read again. The
/// length stays, so that the payload can be mended wherever it has been queued.
fn spoil(stage: &Stage, event: &str) -> Spoilt {
    let site = &stage.registry_site;
    let select = format!("SELECT encode(state, 'hex') FROM event WHERE {event}");
    let good = site.sql(&select);
    let changed = site.number(&format!(
        "WITH spoilt AS (UPDATE event SET state = set_byte(state, 0, 255) WHERE {event} RETURNING seq) \
         SELECT count(*) FROM spoilt"
    ));
    assert_eq!(changed, 1, "{event}");
    let bad = site.sql(&select);
    assert_ne!(good, bad);
    Spoilt { good, bad }
}

/// The event that brought an item to a version.
fn version(item: &str, version: i32) -> String {
    format!("entity = 'item' AND entity_id = '{item}' AND version = {version}")
}

/// Mends the payload where it is queued. Answers how many changes were mended.
fn mend(stage: &Stage, spoilt: &Spoilt) -> i64 {
    let Spoilt { good, bad } = spoilt;
    stage.scoring_site.number(&format!(
        "WITH mended AS (UPDATE feed_parked_change SET change = overlay(change PLACING '\\x{good}'::bytea \
         FROM position('\\x{bad}'::bytea IN change)) WHERE position('\\x{bad}'::bytea IN change) > 0 RETURNING 1) \
         SELECT count(*) FROM mended"
    ))
}

/// Posts for everybody while scoring is away, spoils events, and lets scoring read them. Answers the token of the last
/// posting.
async fn poisoned(stage: &mut Stage, events: &[String]) -> (String, Vec<Spoilt>) {
    stage.scoring.stop().await;
    let token = stage.post(2 * DEBTORS).await;
    stage.registry.stop().await;
    let spoilt = events.iter().map(|event| spoil(stage, event)).collect();
    stage.registry.start_again().await;
    stage.scoring.start_again().await;
    (token, spoilt)
}

/// Everybody else is compared.
async fn others_agree(stage: &Stage, parked: &str, token: &str) {
    let request = BatchGetScoresRequest {
        creditor_id: CREDITOR.to_owned(),
        debtor_ids: (0..DEBTORS).map(|debtor| format!("d{debtor}")).collect(),
        at_least: token.to_owned(),
        language: String::new(),
    };
    let clients = stage.clients();
    let answer = patiently(async || {
        clients
            .scores
            .clone()
            .batch_get_scores(request.clone())
            .await
    })
    .await;
    assert_eq!(answer.get_ref().parked, [parked]);
    assert_eq!(answer.get_ref().scores.len(), DEBTORS - 1);
    let compared = oracle::compare_without(
        &mut stage.clients(),
        CREDITOR,
        stage.today,
        token,
        &[parked],
    )
    .await;
    println!(
        "without {parked}: compared {} debtors, {} items, {} entries",
        compared.debtors, compared.items, compared.entries
    );
    assert_eq!(compared.debtors, DEBTORS - 1);
    assert!(compared.entries > 0);
}

async fn parked(stage: &Stage) -> Vec<Parked> {
    let request = ListParkedRequest::default();
    let answer = stage.clients().scoring_admin.list_parked(request).await;
    answer.expect("what is parked").into_inner().parked
}

async fn the_parked_one(stage: &Stage) -> Parked {
    let mut parked = parked(stage).await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    parked.remove(0)
}

async fn retry(stage: &Stage, request_id: &str, debtor_id: &str) -> RetryParkedResponse {
    let request = RetryParkedRequest {
        request_id: request_id.to_owned(),
        feed: "registry".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        debtor_id: debtor_id.to_owned(),
    };
    let answer = stage.clients().scoring_admin.retry_parked(request).await;
    answer.expect("an answer").into_inner()
}

async fn discard(stage: &Stage, request_id: &str, debtor_id: &str) -> DiscardParkedResponse {
    let request = DiscardParkedRequest {
        request_id: request_id.to_owned(),
        feed: "registry".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        debtor_id: debtor_id.to_owned(),
    };
    let answer = stage.clients().scoring_admin.discard_parked(request).await;
    answer.expect("an answer").into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_debtor_is_released_once_its_change_is_mended() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let events = [version("invoice/i25", 1)];
    let (token, spoilt) = poisoned(&mut stage, &events).await;
    others_agree(&stage, "d1", &token).await;
    for at_least in [token.as_str(), ""] {
        stage.refuses("d1", at_least, "DEBTOR_PARKED").await;
    }
    let check = CheckCreditRequest {
        request_id: "order".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        debtor_id: "d1".to_owned(),
        order_id: "o1".to_owned(),
        amount: Some(euro(100)),
        ..CheckCreditRequest::default()
    };
    let decided = stage.clients().scores.check_credit(check).await;
    let refused = decided.expect_err("no decision on a parked debtor");
    assert_eq!(e2e::wire::reason(&refused), "DEBTOR_PARKED");

    // Two postings of three changes each: invoice, settled invoice, payment.
    let found = the_parked_one(&stage).await;
    assert_eq!(
        (found.debtor_id.as_str(), found.entity_id.as_str()),
        ("d1", "invoice/i25")
    );
    assert_eq!(found.queued, 6);
    assert!(!found.error.is_empty());
    let answer = retry(&stage, "too-early", "d1").await;
    assert!(!answer.released && answer.applied == 0 && !answer.error.is_empty());
    assert_eq!(the_parked_one(&stage).await.queued, 6);

    let token = stage.post(DEBTORS).await;
    others_agree(&stage, "d1", &token).await;
    assert_eq!(the_parked_one(&stage).await.queued, 9);
    assert_eq!(mend(&stage, &spoilt[0]), 1);
    let answer = retry(&stage, "mended", "d1").await;
    assert!(answer.released, "{answer:?}");
    assert_eq!(answer.applied, 9);
    assert_eq!(retry(&stage, "mended", "d1").await, answer);
    stage.agree("after the retry", &token).await;
    stage.go_on().await;
}

/// Later changes carry the whole state, so nothing is missing when one in between is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discarded_change_is_made_up_for_by_the_next_one() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let events = [version("invoice/i25", 1)];
    let (token, _) = poisoned(&mut stage, &events).await;
    others_agree(&stage, "d1", &token).await;
    let answer = discard(&stage, "drop", "d1").await;
    assert!(answer.released, "{answer:?}");
    assert_eq!(answer.applied, 5);
    stage.agree("after the discard", &token).await;
    stage.go_on().await;
}

/// Good changes of the debtor stand before the poison in the queue and between two of them: each discard drops a change
/// that cannot be applied, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discard_drops_only_what_cannot_be_applied() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let events = [version("invoice/i27", 2), version("invoice/i39", 2)];
    let (token, _) = poisoned(&mut stage, &events).await;
    others_agree(&stage, "d3", &token).await;
    let found = the_parked_one(&stage).await;
    assert_eq!(found.entity_id, "invoice/i27");
    let first = discard(&stage, "first", "d3").await;
    assert!(!first.released && !first.error.is_empty(), "{first:?}");
    // Of two postings (invoice, settled invoice, payment each) all but the first poison, up to the second.
    assert_eq!(first.applied, 3);
    let found = the_parked_one(&stage).await;
    assert_eq!((found.entity_id.as_str(), found.queued), ("invoice/i39", 2));
    stage.refuses("d3", &token, "DEBTOR_PARKED").await;
    assert_eq!(discard(&stage, "first", "d3").await, first);
    let second = discard(&stage, "second", "d3").await;
    assert!(second.released && second.applied == 1, "{second:?}");
    assert_eq!(parked(&stage).await, []);

    // Both invoices lack the payment that was dropped, until they change again.
    let stored = "SELECT count(*) FROM item WHERE debtor_id = 'd3' AND item_id IN ('i27', 'i39') AND version = 1";
    assert_eq!(stage.scoring_site.number(stored), 2);
    let mut clients = stage.clients();
    let mut token = String::new();
    for bill in ["i27", "i39"] {
        let rest = payment(CREDITOR, "d3", &format!("rest-{bill}"), 100);
        token = clients.add_payment(rest, &[(bill, 100)]).await;
    }
    stage.agree("after the next changes", &token).await;
    stage.go_on().await;
}

/// A new snapshot brings the state that the queued changes would have led to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_upstream_frees_a_parked_debtor() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let events = [version("invoice/i28", 2)];
    let (token, _) = poisoned(&mut stage, &events).await;
    others_agree(&stage, "d4", &token).await;
    stage.reset_feed().await;
    let token = stage.post(DEBTORS).await;
    stage.agree("after the reset", &token).await;
    assert_eq!(parked(&stage).await, []);
    stage.go_on().await;
}

/// A fact of a creditor parks the creditor; other creditors go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_fact_of_a_creditor_parks_the_creditor_only() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let mut clients = stage.clients();
    clients.open_creditor("beta").await;
    clients.add_debtor("beta", "x").await;
    stage.scoring.stop().await;
    for number in [3, 6] {
        let opened = clients.creditors.open_business_day(OpenBusinessDayRequest {
            request_id: format!("day-{number}"),
            creditor_id: CREDITOR.to_owned(),
            business_date: Some(day(2025, 1, number)),
        });
        opened.await.expect("a business day");
    }
    stage.today = day(2025, 1, 6);
    let last = stage.post(DEBTORS).await;
    let bill = invoice("beta", "x", "ix", 900);
    let token = clients.add_invoice(bill).await;
    stage.registry.stop().await;
    let event = "entity = 'creditor' AND creditor_id = 'acme' AND action = 'business_day_opened' AND \
        version = (SELECT max(version) - 1 FROM event WHERE entity = 'creditor' AND creditor_id = 'acme')";
    spoil(&stage, event);
    stage.registry.start_again().await;
    stage.scoring.start_again().await;
    patiently(async || stage.score_of("beta", "x", &token).await).await;
    for debtor in ["d1", "d7"] {
        stage.refuses(debtor, "", "DEBTOR_PARKED").await;
    }
    let found = the_parked_one(&stage).await;
    assert_eq!(
        (found.debtor_id.as_str(), found.entity.as_str()),
        ("", "creditor")
    );
    let answer = discard(&stage, "drop", "").await;
    assert!(answer.released, "{answer:?}");
    // Everything else of the creditor had queued up behind it.
    assert_eq!(usize::try_from(answer.applied), Ok(1 + 3 * DEBTORS));
    assert_eq!(parked(&stage).await, []);
    stage.agree("after the discard", &last).await;
    stage.go_on().await;
}
