//! Two replicas of each service on PostgreSQL, killed at random while payments are posted; afterwards every open amount
//! and every score equals what follows from the lists alone.
//!
//! `MAHNWERK_TORTURE_PAYMENTS` sets the number of payments (1,000 by default, 10,000 in the long form).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use e2e::{
    oracle,
    postgres::Cluster,
    process::{Process, Program},
    suite::{Clients, Databases, channel},
    world::{self, TODAY, euro},
};
use mahnwerk_proto::registry::v1::{
    Allocation, CreateInvoiceRequest, CreatePaymentRequest, OpenBusinessDayRequest,
};
use tokio::sync::Mutex;
use tonic::{Code, Status};

const CREDITOR: &str = "acme";
const DEBTORS: usize = 40;
const WRITERS: usize = 8;
/// Between two kills.
const PAUSE: Duration = Duration::from_millis(900);

type Slot = Arc<Mutex<Option<Process>>>;

struct Fleet {
    programs: Vec<Program>,
    slots: Vec<Slot>,
    urls: Vec<String>,
}

impl Fleet {
    async fn start(databases: &Databases) -> Self {
        let mut fleet = Self {
            programs: Vec::new(),
            slots: Vec::new(),
            urls: Vec::new(),
        };
        for _ in 0..2 {
            fleet
                .add(Program::new("registry", &databases.registry))
                .await;
        }
        for replica in 0..2 {
            let registry = fleet.urls[replica].clone();
            fleet
                .add(Program::new("scoring", &databases.scoring).set("registry_url", &registry))
                .await;
        }
        fleet
    }

    async fn add(&mut self, program: Program) {
        let program = program.set("ops.listen", "127.0.0.1:0");
        let process = program.start().await;
        self.urls.push(process.url.clone());
        self.programs.push(program);
        self.slots.push(Arc::new(Mutex::new(Some(process))));
    }

    async fn kill_and_restart(&self, victim: usize) {
        let mut slot = self.slots[victim].lock().await;
        if let Some(process) = slot.take() {
            process.kill().await;
        }
        *slot = Some(self.programs[victim].start_again(&self.urls[victim]).await);
    }

    /// Clients of one registry and one scoring replica.
    fn clients(&self, replica: usize) -> Clients {
        Clients::new(
            &channel(&self.urls[replica % 2]),
            &channel(&self.urls[2 + replica % 2]),
        )
    }
}

/// A small generator of numbers that anybody can repeat.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_lose_and_double_nothing() {
    let payments: usize = std::env::var("MAHNWERK_TORTURE_PAYMENTS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1_000);
    let cluster = Cluster::start();
    let databases = Databases::in_cluster(&cluster);
    let fleet = Arc::new(Fleet::start(&databases).await);
    let mut clients = fleet.clients(0);
    clients.open_creditor(CREDITOR).await;
    for debtor in 0..DEBTORS {
        clients.add_debtor(CREDITOR, &format!("d{debtor}")).await;
    }

    let next = Arc::new(AtomicUsize::new(0));
    let retries = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn(kill_at_random(fleet.clone(), done.clone()));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (fleet, next, retries) = (fleet.clone(), next.clone(), retries.clone());
        writers.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= payments {
                    return;
                }
                let tries = post(&fleet, writer, number).await;
                retries.fetch_add(tries, Ordering::SeqCst);
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let kills = killer.await.unwrap();

    let next_day = world::day(TODAY.year, TODAY.month, TODAY.day + 1);
    let opened = clients
        .creditors
        .open_business_day(OpenBusinessDayRequest {
            request_id: "last-day".to_owned(),
            creditor_id: CREDITOR.to_owned(),
            business_date: Some(next_day),
        })
        .await
        .unwrap()
        .into_inner();
    arrive(&fleet, &opened.consistency_token).await;
    let mut compared = oracle::Compared::default();
    for replica in 0..2 {
        let mut clients = fleet.clients(replica);
        compared =
            oracle::compare(&mut clients, CREDITOR, next_day, &opened.consistency_token).await;
    }
    println!(
        "{kills} kills, {} repeated calls; compared {} debtors, {} items, {} entries",
        retries.load(Ordering::SeqCst),
        compared.debtors,
        compared.items,
        compared.entries
    );
    assert_eq!(compared.debtors, DEBTORS);
    assert_eq!(compared.items, 2 * payments);
    assert_eq!(compared.entries, payments);
    assert!(kills > 3, "only {kills} kills");
}

async fn kill_at_random(fleet: Arc<Fleet>, done: Arc<AtomicBool>) -> usize {
    let mut dice = Dice(20_261_121);
    let mut kills = 0;
    let mut pause = tokio::time::interval(PAUSE);
    while !done.load(Ordering::SeqCst) {
        pause.tick().await;
        let victim = usize::try_from(dice.below(4)).unwrap();
        fleet.kill_and_restart(victim).await;
        kills += 1;
    }
    kills
}

/// Posts an invoice and its payment, each until it is answered, whatever happens to the replicas. Answers how many calls
/// had to be repeated.
async fn post(fleet: &Fleet, writer: usize, number: usize) -> usize {
    let debtor = format!("d{}", number % DEBTORS);
    let (invoice_id, payment_id) = (format!("i{number}"), format!("p{number}"));
    let cents = 1_000 + i64::try_from(number).unwrap();
    let invoice = CreateInvoiceRequest {
        request_id: format!("ri-{number}"),
        invoice: Some(world::invoice(CREDITOR, &debtor, &invoice_id, cents)),
    };
    let payment = CreatePaymentRequest {
        request_id: format!("rp-{number}"),
        payment: Some(world::payment(CREDITOR, &debtor, &payment_id, cents)),
        allocations: vec![Allocation {
            invoice_id,
            // Every third is paid in part only.
            amount: Some(euro(if number.is_multiple_of(3) {
                cents / 2
            } else {
                cents
            })),
            discount: None,
        }],
    };
    let mut tries = 0;
    loop {
        let mut accounts = fleet.clients(writer + tries).accounts;
        match accounts.create_invoice(invoice.clone()).await {
            Ok(_) => break,
            Err(status) => tries += again(&status).await,
        }
    }
    loop {
        let mut accounts = fleet.clients(writer + tries).accounts;
        match accounts.create_payment(payment.clone()).await {
            Ok(_) => return tries,
            Err(status) => tries += again(&status).await,
        }
    }
}

/// A killed replica's calls fail in many ways, but never with a verdict.
async fn again(status: &Status) -> usize {
    let retryable = matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::Cancelled
            | Code::Internal
            | Code::Aborted
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
    );
    assert!(retryable, "a verdict: {status:?}");
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    pause.tick().await;
    pause.tick().await;
    1
}

/// Waits until scoring contains the write for everybody, on both replicas.
async fn arrive(fleet: &Fleet, token: &str) {
    for replica in 0..2 {
        let mut clients = fleet.clients(replica);
        for debtor in 0..DEBTORS {
            let mut tries = 0;
            loop {
                let request = mahnwerk_proto::scoring::v1::GetScoreRequest {
                    creditor_id: CREDITOR.to_owned(),
                    debtor_id: format!("d{debtor}"),
                    at_least: token.to_owned(),
                    language: String::new(),
                };
                match clients.scores.get_score(request).await {
                    Ok(_) => break,
                    Err(status) => {
                        tries += 1;
                        assert!(
                            tries < 30 && status.code() == Code::Unavailable,
                            "{status:?}"
                        );
                    }
                }
            }
        }
    }
}
