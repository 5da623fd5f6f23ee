//! Rolling restarts behind the balancing client: replicas go and come back one after the other, and no caller notices.

use std::{
    collections::BTreeMap,
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
    dunning::v1::{GetDispatchRequest, work_service_client::WorkServiceClient},
    registry::v1::{CreateInvoiceRequest, account_service_client::AccountServiceClient},
    scoring::v1::{CheckCreditRequest, scoring_service_client::ScoringServiceClient},
    segmentation::v1::{GetMembershipsRequest, membership_service_client::MembershipServiceClient},
};
use mahnwerk_runtime::telemetry;
use tokio::sync::watch;
use tonic::{Request, Status};

/// Callers at once, of each service.
const CALLERS: usize = 4;
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

/// Two replicas of every service; each finds all replicas of those before it.
async fn start(databases: &Databases) -> BTreeMap<Service, Vec<Replica>> {
    let mut suite = BTreeMap::<_, Vec<Replica>>::new();
    for service in Service::ALL {
        let mut replicas = Vec::new();
        for _ in 0..2 {
            let program = Program::new(service, databases.url(service));
            let program = suite.iter().fold(program, |program, (upstream, found)| {
                program.knowing(*upstream, &urls(found))
            });
            replicas.push(Replica::start(program).await);
        }
        suite.insert(service, replicas);
    }
    suite
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

async fn check(scoring: Channel, at_least: &str, caller: usize, turn: usize) -> Result<(), Status> {
    let request = CheckCreditRequest {
        request_id: format!("q{caller}-{turn}"),
        creditor_id: "c1".to_owned(),
        debtor_id: format!("d{}", caller % 4),
        order_id: format!("o{caller}-{turn}"),
        amount: Some(e2e::world::euro(1_000)),
        at_least: at_least.to_owned(),
        ..CheckCreditRequest::default()
    };
    ScoringServiceClient::new(scoring)
        .check_credit(timed(request))
        .await
        .map(drop)
}

async fn place(segmentation: Channel, at_least: &str, caller: usize) -> Result<(), Status> {
    let request = GetMembershipsRequest {
        creditor_id: "c1".to_owned(),
        debtor_id: format!("d{}", caller % 4),
        at_least: at_least.to_owned(),
    };
    MembershipServiceClient::new(segmentation)
        .get_memberships(timed(request))
        .await
        .map(drop)
}

async fn dispatch(dunning: Channel, at_least: &str) -> Result<(), Status> {
    let request = GetDispatchRequest {
        creditor_id: "c1".to_owned(),
        at_least: at_least.to_owned(),
    };
    WorkServiceClient::new(dunning)
        .get_dispatch(timed(request))
        .await
        .map(drop)
}

/// One call of a service, which knows what `at_least` stands for.
async fn ask(
    (service, to): (Service, Channel),
    at_least: &str,
    caller: usize,
    turn: usize,
) -> Result<(), Status> {
    match service {
        Service::Registry => post(to, caller, turn).await,
        Service::Scoring => check(to, at_least, caller, turn).await,
        Service::Segmentation => place(to, at_least, caller).await,
        Service::Dunning => dispatch(to, at_least).await,
    }
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
    let databases = Databases::new(Engine::Postgres, Service::Dunning);
    let mut suite = start(&databases).await;
    let channels: Vec<_> = suite
        .iter()
        .map(|(service, replicas)| {
            let channel = connect(&urls(replicas), &Settings::default());
            (*service, channel.unwrap())
        })
        .collect();
    let [registry, scoring] =
        [Service::Registry, Service::Scoring].map(|it| channel(&suite[&it][0].process.url));
    let mut clients = Clients::new(&registry, &scoring);
    clients.open_creditor("c1").await;
    let mut token = String::new();
    for debtor in 0..4 {
        token = clients.add_debtor("c1", &format!("d{debtor}")).await;
    }
    // All know them.
    for to in &channels {
        for caller in 0..4 {
            patiently(async || ask(to.clone(), &token, caller, 1_000_000).await).await;
        }
    }

    let stop = Arc::new(AtomicBool::new(false));
    let answered = watch::Sender::new(0);
    let mut callers = Vec::new();
    for to in &channels {
        for caller in 0..CALLERS {
            let to = to.clone();
            let call = async move |turn| ask(to.clone(), "", caller, turn).await;
            callers.push(tokio::spawn(load(stop.clone(), answered.clone(), call)));
        }
    }
    let mut count = answered.subscribe();
    let mut restarts = 0;
    for replicas in suite.values_mut() {
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
