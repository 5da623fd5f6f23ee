//! What each service takes, on both engines: from its start until it is ready, in memory when nobody uses it and when a
//! portfolio goes through all four, and on disk.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use mahnwerk_proto::{
    dunning::v1::{ProposeRunRequest, ReleaseRunRequest, RunState},
    registry::v1::OpenBusinessDayRequest,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, interval, sleep, timeout},
};

use super::{
    Report,
    dunning::{configure, reached},
    import,
    memory::{forget_peak, resident},
    portfolio::{INVOICES_EACH, LAST_DAY, debtors},
    services::contain,
    tell,
};
use crate::{
    postgres::Cluster,
    process::{Process, Program, binary},
    suite::{Clients, Databases, DunningClients, Engine, Service, channel},
};

const CREDITOR: &str = "footprint";
/// Starts of each program; the first may read it from disk.
const STARTS: usize = 5;
/// Until what the start took has been given back, as far as it ever is.
const CALM: Duration = Duration::from_secs(10);
/// Between two questions whether a service is ready.
const LOOK: Duration = Duration::from_millis(1);
/// Longest wait for that.
const PATIENCE: Duration = Duration::from_secs(30);
const MIB: f64 = 1_048_576.0;

/// All services on one engine, each a process of its own.
struct Running {
    processes: Vec<Process>,
    databases: Databases,
}

pub async fn measure(report: &mut Report) {
    for service in Service::ALL {
        report.notes.push(size(service));
    }
    for engine in [Engine::Sqlite, Engine::Postgres] {
        tell(&format!("what services take on {engine:?}"));
        let cluster = (engine == Engine::Postgres).then(Cluster::start);
        let databases = match &cluster {
            Some(cluster) => Databases::in_cluster(cluster, Service::Dunning),
            None => Databases::new(engine, Service::Dunning),
        };
        let mut running = Running {
            processes: Vec::new(),
            databases,
        };
        let mut starts = Vec::new();
        for service in Service::ALL {
            starts.push(running.add(service).await);
        }
        sleep(CALM).await;
        let idle = running.memory();
        running.processes.iter().for_each(forget_peak);
        let items = running.run().await;
        let used = running.memory();
        for (service, place) in Service::ALL.into_iter().zip(0..) {
            let (name, (least, first)) = (service.name(), starts[place]);
            let ((calm, _), (now, peak)) = (idle[place], used[place]);
            report.notes.push(format!(
                "{name} on {engine:?}: ready {least} ms after its start, {first} ms the first time; {calm} MiB idle; \
                 with {items} items through all four {peak} MiB at its peak, {now} MiB afterwards"
            ));
        }
        running.stop().await;
    }
}

/// The size of a program, as it is built and without symbols.
fn size(service: Service) -> String {
    let program = binary(&format!("mahnwerk-{}", service.name()));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let stripped = directory.path().join("stripped");
    let strip = Command::new("strip")
        .arg("-o")
        .args([&stripped, &program])
        .status();
    assert!(strip.expect("strip, of binutils").success());
    let mib = |path: &Path| fs::metadata(path).expect("its size").len() as f64 / MIB;
    format!(
        "program of {}: {:.1} MiB, {:.1} MiB without symbols",
        service.name(),
        mib(&program),
        mib(&stripped)
    )
}

/// Asks until the service says that it is ready.
async fn wait_until_ready(ops: SocketAddr) {
    let mut looks = interval(LOOK);
    let ready = async {
        while !is_ready(ops).await {
            looks.tick().await;
        }
    };
    timeout(PATIENCE, ready).await.expect("it becomes ready");
}

async fn is_ready(ops: SocketAddr) -> bool {
    let answer = async {
        let mut stream = TcpStream::connect(ops).await?;
        let request = "GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    answer
        .await
        .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

impl Running {
    /// Migrates for a service and starts it several times, the last time to stay. Answers how many milliseconds it took
    /// until it was ready: the least, and the first time.
    async fn add(&mut self, service: Service) -> (u128, u128) {
        let mut program = Program::new(service, self.databases.url(service));
        for (upstream, process) in Service::ALL.into_iter().zip(&self.processes) {
            program = program.knowing(upstream, &process.url);
        }
        program.migrate().await;
        let mut times = Vec::new();
        loop {
            let began = Instant::now();
            let process = program.start().await;
            wait_until_ready(process.ops).await;
            times.push(began.elapsed().as_millis());
            if times.len() >= STARTS {
                self.processes.push(process);
                break;
            }
            process.terminate().await;
            process.stopped().await;
        }
        let least = times.iter().min().copied().unwrap_or_default();
        (least, times[0])
    }

    /// Now and at its peak, of each service.
    fn memory(&self) -> Vec<(u64, u64)> {
        self.processes.iter().map(resident).collect()
    }

    fn url(&self, service: Service) -> &str {
        let place = Service::ALL.iter().position(|each| *each == service);
        &self.processes[place.expect("one of all")].url
    }

    /// Imports a fifth of the portfolio, waits until everybody knows it, proposes a run and releases it. Answers how many
    /// items there are.
    async fn run(&self) -> usize {
        let [registry, scoring, dunning] =
            [Service::Registry, Service::Scoring, Service::Dunning].map(|it| channel(self.url(it)));
        let mut clients = Clients::new(&registry, &scoring);
        let count = debtors() / 5;
        clients.open_creditor(CREDITOR).await;
        import::import_debtors(&mut clients, CREDITOR, count).await;
        import::import_invoices(&mut clients, CREDITOR, count).await;
        let request = OpenBusinessDayRequest {
            request_id: "last-day".to_owned(),
            creditor_id: CREDITOR.to_owned(),
            business_date: Some(LAST_DAY),
        };
        let opened = clients.creditors.open_business_day(request).await;
        let token = opened.expect("a day").into_inner().consistency_token;
        let dunning = DunningClients::new(&dunning);
        contain(&dunning, CREDITOR, &token).await;
        configure(&dunning, CREDITOR).await;
        let mut runs = dunning.runs.clone();
        let request = ProposeRunRequest {
            request_id: "propose".to_owned(),
            creditor_id: CREDITOR.to_owned(),
            business_date: None,
        };
        let proposed = runs.propose_run(request).await.expect("a run").into_inner();
        reached(&dunning, CREDITOR, RunState::Proposed).await;
        let request = ReleaseRunRequest {
            request_id: "release".to_owned(),
            creditor_id: CREDITOR.to_owned(),
            run_id: proposed.run.expect("a run").run_id,
            etag: String::new(),
        };
        runs.release_run(request).await.expect("a release");
        reached(&dunning, CREDITOR, RunState::Dispatching).await;
        count * INVOICES_EACH
    }

    /// The last one first: nobody misses an upstream.
    async fn stop(self) {
        for process in self.processes.into_iter().rev() {
            process.terminate().await;
            process.stopped().await;
        }
    }
}
