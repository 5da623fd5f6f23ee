//! The database is restarted under load, as for a minor upgrade of PostgreSQL: callers are told to come again and nothing
//! else, only while it is away, and the services go on without a restart of their own.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use e2e::{
    oracle,
    postgres::Cluster,
    process::{Process, Program},
    suite::{Clients, Databases, Service, channel, patiently},
    world::{TODAY, euro, invoice},
};
use futures::future::join_all;
use mahnwerk_proto::{
    registry::v1::CreateInvoiceRequest,
    scoring::v1::{BatchGetScoresRequest, CheckCreditRequest},
};
use tokio::{
    sync::watch,
    time::{Instant, interval},
};
use tonic::{Code, Response, Status};

const CREDITOR: &str = "acme";
const DEBTORS: usize = 20;

/// What is called, each by so many callers.
const METHODS: [&str; 2] = ["CreateInvoice", "CheckCredit"];
const CALLERS: usize = 4;

/// Calls that are answered before the database stops, and after it is there again.
const CALLS: usize = 300;

/// Failed calls of each method that are waited for while the database is away: several of every caller, so that waiting
/// for a connection has run into its time limit.
const FAILURES: usize = 3 * CALLERS;

/// A call that begins later than this after the server takes connections again must not fail: connections are tried anew
/// after at most 0.4 s.
const BOUND: Duration = Duration::from_secs(2);

/// Between two tries of a call.
const PAUSE: Duration = Duration::from_millis(20);

/// What callers repeat.
const RETRYABLE: [Code; 4] = [
    Code::Unavailable,
    Code::DeadlineExceeded,
    Code::Aborted,
    Code::ResourceExhausted,
];

/// A call that was not answered.
#[derive(Debug)]
struct Failed {
    method: &'static str,
    began: Instant,
    ended: Instant,
    status: Status,
}

/// What the registry and scoring have acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    /// Amounts by invoice.
    invoices: BTreeMap<String, i64>,
    /// Decisions by order.
    decisions: BTreeMap<String, String>,
}

/// What goes on.
struct Load {
    clients: Clients,
    next: AtomicUsize,
    stop: AtomicBool,
    /// Calls answered.
    answered: watch::Sender<usize>,
    /// Calls failed, by method.
    failed: watch::Sender<BTreeMap<&'static str, usize>>,
    failures: Mutex<Vec<Failed>>,
    acknowledged: Mutex<Acknowledged>,
}

fn debtor(number: usize) -> String {
    format!("d{}", number % DEBTORS)
}

fn bill(number: usize) -> CreateInvoiceRequest {
    let cents = 1_000 + i64::try_from(number).expect("a small number");
    let invoice = invoice(CREDITOR, &debtor(number), &format!("i{number}"), cents);
    CreateInvoiceRequest {
        request_id: format!("invoice-{number}"),
        invoice: Some(invoice),
    }
}

fn order(number: usize) -> CheckCreditRequest {
    CheckCreditRequest {
        request_id: format!("order-{number}"),
        creditor_id: CREDITOR.to_owned(),
        debtor_id: debtor(number),
        order_id: format!("o{number}"),
        amount: Some(euro(100)),
        ..CheckCreditRequest::default()
    }
}

impl Load {
    fn new(clients: Clients) -> Self {
        Self {
            clients,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            answered: watch::Sender::new(0),
            failed: watch::Sender::new(BTreeMap::new()),
            failures: Mutex::default(),
            acknowledged: Mutex::default(),
        }
    }

    /// Calls until there is an answer, and notes every failure.
    async fn insist<T>(
        &self,
        method: &'static str,
        call: impl AsyncFn() -> Result<Response<T>, Status>,
    ) -> T {
        let mut pause = interval(PAUSE);
        loop {
            pause.tick().await;
            let began = Instant::now();
            match call().await {
                Ok(answer) => return answer.into_inner(),
                Err(status) => self.failures.lock().unwrap().push(Failed {
                    method,
                    began,
                    ended: Instant::now(),
                    status,
                }),
            }
            self.failed
                .send_modify(|counts| *counts.entry(method).or_default() += 1);
        }
    }

    async fn write(&self) {
        while !self.stop.load(Ordering::SeqCst) {
            let bill = bill(self.next.fetch_add(1, Ordering::SeqCst));
            self.insist("CreateInvoice", async || {
                let mut accounts = self.clients.accounts.clone();
                accounts.create_invoice(bill.clone()).await
            })
            .await;
            let invoice = bill.invoice.expect("an invoice");
            let amount = invoice.amount.expect("an amount").minor_units;
            let mut acknowledged = self.acknowledged.lock().unwrap();
            acknowledged.invoices.insert(invoice.item_id, amount);
            drop(acknowledged);
            self.answered.send_modify(|count| *count += 1);
        }
    }

    async fn decide(&self) {
        while !self.stop.load(Ordering::SeqCst) {
            let order = order(self.next.fetch_add(1, Ordering::SeqCst));
            let decided = self
                .insist("CheckCredit", async || {
                    let mut scores = self.clients.scores.clone();
                    scores.check_credit(order.clone()).await
                })
                .await;
            let decision = decided.decision.expect("a decision");
            let mut acknowledged = self.acknowledged.lock().unwrap();
            let ids = (decision.order_id, decision.decision_id);
            acknowledged.decisions.insert(ids.0, ids.1);
            drop(acknowledged);
            self.answered.send_modify(|count| *count += 1);
        }
    }

    /// Waits for so many more answers.
    async fn more_answers(&self, count: usize) {
        let mut answered = self.answered.subscribe();
        let wanted = *answered.borrow() + count;
        answered.wait_for(|now| *now >= wanted).await.expect("load");
    }
}

/// When the database was away.
struct Outage {
    stopping: Instant,
    back: Instant,
}

/// Stops the database until enough calls have failed, and starts it again.
async fn restart(cluster: &Cluster, load: &Load) -> Outage {
    let on_a_thread = |act: fn(&Cluster)| {
        let cluster = cluster.clone();
        async move {
            let done = tokio::task::spawn_blocking(move || act(&cluster)).await;
            done.expect("the database obeys");
        }
    };
    let mut failed = load.failed.subscribe();
    let stopping = Instant::now();
    on_a_thread(Cluster::stop).await;
    failed
        .wait_for(|counts| METHODS.iter().all(|it| counts.get(it) >= Some(&FAILURES)))
        .await
        .expect("load");
    on_a_thread(Cluster::start_again).await;
    Outage {
        stopping,
        back: Instant::now(),
    }
}

/// Only codes that callers repeat, and only while the database was away.
fn judge(failures: &[Failed], outage: &Outage) {
    let mut counts = BTreeMap::<_, usize>::new();
    for failed in failures {
        let code = format!("{:?}", failed.status.code());
        *counts.entry((failed.method, code)).or_default() += 1;
    }
    let last = failures.iter().map(|failed| failed.began).max();
    println!(
        "the database was away for {} ms; failed calls: {counts:?}; the last one began {} ms after its return",
        (outage.back - outage.stopping).as_millis(),
        last.map_or(0, |began| began
            .saturating_duration_since(outage.back)
            .as_millis()),
    );
    for failed in failures {
        assert!(RETRYABLE.contains(&failed.status.code()), "{failed:?}");
        assert!(
            failed.ended >= outage.stopping,
            "before the outage: {failed:?}"
        );
        assert!(
            failed.began <= outage.back + BOUND,
            "after the outage: {failed:?}"
        );
    }
}

/// Everything that was acknowledged is there, once, and repeated calls are answered as they were.
async fn nothing_is_lost(load: &Load, acknowledged: &Acknowledged) {
    let mut clients = load.clients.clone();
    let items = oracle::all_items(&mut clients, CREDITOR).await;
    let stored: BTreeMap<_, _> = items
        .into_iter()
        .map(|item| (item.item_id, item.amount.expect("an amount").minor_units))
        .collect();
    assert_eq!(stored, acknowledged.invoices);
    for number in 0..load.next.load(Ordering::SeqCst) {
        let order = order(number);
        if let Some(first) = acknowledged.decisions.get(&order.order_id) {
            let again = clients.scores.check_credit(order).await;
            let decision = again.expect("an answer").into_inner().decision;
            assert_eq!(&decision.expect("a decision").decision_id, first);
        } else {
            let again = clients.accounts.create_invoice(bill(number)).await;
            again.expect("the answer of the first call");
        }
    }
    let items = oracle::all_items(&mut clients, CREDITOR).await;
    assert_eq!(items.len(), stored.len(), "a repeated call posted again");
}

/// Scoring has caught up without help.
async fn scores_follow(clients: &mut Clients, token: &str) {
    patiently(async || {
        let request = BatchGetScoresRequest {
            creditor_id: CREDITOR.to_owned(),
            debtor_ids: (0..DEBTORS).map(debtor).collect(),
            at_least: token.to_owned(),
            language: String::new(),
        };
        clients.scores.clone().batch_get_scores(request).await
    })
    .await;
    let compared = oracle::compare(clients, CREDITOR, TODAY, token).await;
    println!(
        "compared {} debtors, {} items",
        compared.debtors, compared.items
    );
    assert_eq!(compared.debtors, DEBTORS);
}

/// Registry and scoring on databases of one cluster, with debtors that scoring knows.
async fn prepare(databases: &Databases) -> ([Process; 2], Clients) {
    let registry = Program::new(Service::Registry, databases.url(Service::Registry));
    let registry = registry.start().await;
    let scoring = Program::new(Service::Scoring, databases.url(Service::Scoring));
    let scoring = scoring.knowing(Service::Registry, &registry.url);
    let scoring = scoring.start().await;
    let mut clients = Clients::new(&channel(&registry.url), &channel(&scoring.url));
    clients.open_creditor(CREDITOR).await;
    let mut token = String::new();
    for number in 0..DEBTORS {
        token = clients.add_debtor(CREDITOR, &debtor(number)).await;
    }
    scores_follow(&mut clients, &token).await;
    ([registry, scoring], clients)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_database_is_away_for_callers_only_as_long_as_it_is() {
    let cluster = Cluster::start();
    let databases = Databases::in_cluster(&cluster, Service::Scoring);
    let (_processes, clients) = prepare(&databases).await;
    let load = Load::new(clients);
    let (outage, ..) = tokio::join!(
        async {
            load.more_answers(CALLS).await;
            let outage = restart(&cluster, &load).await;
            load.more_answers(CALLS).await;
            load.stop.store(true, Ordering::SeqCst);
            outage
        },
        join_all((0..CALLERS).map(|_| load.write())),
        join_all((0..CALLERS).map(|_| load.decide())),
    );
    judge(&load.failures.lock().unwrap(), &outage);
    let acknowledged = std::mem::take(&mut *load.acknowledged.lock().unwrap());
    println!(
        "{} invoices and {} decisions acknowledged",
        acknowledged.invoices.len(),
        acknowledged.decisions.len()
    );
    nothing_is_lost(&load, &acknowledged).await;
    let mut clients = load.clients.clone();
    let last = invoice(CREDITOR, "d0", "last", 500);
    let token = clients.add_invoice(last).await;
    scores_follow(&mut clients, &token).await;
}
