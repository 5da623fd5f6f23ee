//! Rolling restarts behind the balancing client: replicas go and come back one after the other, and no caller notices.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use e2e::{
    process::{Process, Program},
    suite::{Clients, Databases, Engine, Service, channel, patiently},
    world::invoice,
};
use mahnwerk_client::{Channel, Settings, connect};
use mahnwerk_proto::{
    registry::v1::{CreateInvoiceRequest, account_service_client::AccountServiceClient},
    scoring::v1::{CheckCreditRequest, scoring_service_client::ScoringServiceClient},
};
use mahnwerk_runtime::telemetry;
use tokio::sync::watch;
use tonic::{Request, Status};

/// Callers at once, of each kind.
const CALLERS: usize = 8;
/// Longest time for a call, repetitions included.
const DEADLINE: Duration = Duration::from_secs(10);
/// Calls that are answered between two restarts, so that the load is really there.
const BETWEEN: usize = 300;

struct Replica {
    program: Program,
    process: Process,
}

impl Replica {
    async fn start(program: Program) -> Self {
        let program = program.set("shutdown.drain_delay_ms", "200");
        let process = program.start().await;
        Self { program, process }
    }

    /// As a rollout does it: told to stop, waited for, started at the same address.
    async fn restart(self) -> Self {
        let url = self.process.url.clone();
        self.process.terminate().await;
        self.process.stopped().await;
        let process = self.program.start_again(&url).await;
        Self {
            process,
            program: self.program,
        }
    }
}

fn urls(replicas: &[Replica]) -> String {
    let urls: Vec<_> = replicas
        .iter()
        .map(|replica| replica.process.url.clone())
        .collect();
    urls.join(",")
}

/// Calls until told to stop. Counts what was answered, and returns what failed for good.
async fn load(
    stop: Arc<AtomicBool>,
    answered: watch::Sender<usize>,
    call: impl AsyncFn(usize) -> Result<(), Status>,
) -> Vec<Status> {
    let mut failed = Vec::new();
    let turns = AtomicUsize::new(0);
    while !stop.load(Ordering::Relaxed) {
        match call(turns.fetch_add(1, Ordering::Relaxed)).await {
            Ok(()) => answered.send_modify(|count| *count += 1),
            Err(status) => failed.push(status),
        }
    }
    failed
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

async fn post(registry: Channel, caller: usize, turn: usize) -> Result<(), Status> {
    let id = format!("i{caller}-{turn}");
    let request = CreateInvoiceRequest {
        request_id: id.clone(),
        invoice: Some(invoice("c1", &format!("d{}", caller % 4), &id, 500)),
    };
    AccountServiceClient::new(registry)
        .create_invoice(timed(request))
        .await
        .map(drop)
}

async fn check(scoring: Channel, caller: usize, turn: usize) -> Result<(), Status> {
    let request = CheckCreditRequest {
        request_id: format!("q{caller}-{turn}"),
        creditor_id: "c1".to_owned(),
        debtor_id: format!("d{}", caller % 4),
        order_id: format!("o{caller}-{turn}"),
        amount: Some(e2e::world::euro(1_000)),
        ..CheckCreditRequest::default()
    };
    ScoringServiceClient::new(scoring)
        .check_credit(timed(request))
        .await
        .map(drop)
}

/// Calls repeated so far by this process.
fn repeated() -> u64 {
    let text = telemetry::metrics_text().unwrap();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("rpc_client_repeated"));
    let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count"
    )]
    let sum = values.sum::<f64>() as u64;
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_call() {
    let guard = telemetry::init("test", &e2e::suite::quiet());
    let databases = Databases::new(Engine::Postgres, Service::Scoring);
    let mut registry = Vec::new();
    for _ in 0..2 {
        registry.push(
            Replica::start(Program::new(
                Service::Registry,
                databases.url(Service::Registry),
            ))
            .await,
        );
    }
    let mut scoring = Vec::new();
    for _ in 0..2 {
        let program = Program::new(Service::Scoring, databases.url(Service::Scoring));
        scoring.push(Replica::start(program.knowing(Service::Registry, &urls(&registry))).await);
    }
    let to_registry = connect(&urls(&registry), &Settings::default()).unwrap();
    let to_scoring = connect(&urls(&scoring), &Settings::default()).unwrap();
    let mut clients = Clients::new(
        &channel(&registry[0].process.url),
        &channel(&scoring[0].process.url),
    );
    clients.open_creditor("c1").await;
    for debtor in 0..4 {
        clients.add_debtor("c1", &format!("d{debtor}")).await;
    }
    // Scoring knows them.
    for caller in 0..4 {
        patiently(async || check(to_scoring.clone(), caller, 1_000_000).await).await;
    }

    let stop = Arc::new(AtomicBool::new(false));
    let answered = watch::Sender::new(0);
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let (stop_too, answered_too, channel) =
            (stop.clone(), answered.clone(), to_registry.clone());
        callers.push(tokio::spawn(load(
            stop_too,
            answered_too,
            async move |turn| post(channel.clone(), caller, turn).await,
        )));
        let (stop_too, answered_too, channel) =
            (stop.clone(), answered.clone(), to_scoring.clone());
        callers.push(tokio::spawn(load(
            stop_too,
            answered_too,
            async move |turn| check(channel.clone(), caller, turn).await,
        )));
    }
    let mut count = answered.subscribe();
    let mut restarts = 0;
    for replicas in [&mut registry, &mut scoring] {
        for _ in 0..replicas.len() {
            let goal = *count.borrow() + BETWEEN;
            count.wait_for(|count| *count >= goal).await.unwrap();
            let replica = replicas.remove(0);
            replicas.push(replica.restart().await);
            restarts += 1;
        }
    }
    let goal = *count.borrow() + BETWEEN;
    count.wait_for(|count| *count >= goal).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut failed = Vec::new();
    for caller in callers {
        failed.extend(caller.await.unwrap());
    }
    let answered = *answered.borrow();
    println!(
        "{restarts} restarts, {answered} calls answered, {} repeated, {} failed",
        repeated(),
        failed.len()
    );
    assert!(failed.is_empty(), "{failed:#?}");
    drop(guard);
}
