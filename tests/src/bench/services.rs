//! All four services, each a process of its own, on the databases that the portfolio was imported into.

use std::{path::PathBuf, time::Duration};

use mahnwerk_proto::{dunning::v1::ListRunsRequest, registry::v1::OpenBusinessDayRequest};
use mahnwerk_runtime::db::{DatabaseSettings, Db};
use tokio::time::{Instant, interval, timeout};
use tonic::{Code, Status};

use super::{
    Line, Report,
    memory::{forget_peak, resident},
    portfolio::{CREDITOR, INVOICES_EACH, LAST_DAY, Portfolio, debtors},
    tell,
};
use crate::{
    postgres::Cluster,
    process::{Process, Program},
    suite::{Clients, Databases, DunningClients, SegmentationClients, Service, channel},
    wire::reason,
};

/// Between two looks at what goes on in the background.
const LOOK: Duration = Duration::from_millis(20);
/// Longest wait for it.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The services. Killed when dropped.
pub struct Services {
    /// In the order of [`Service::ALL`].
    processes: Vec<Process>,
    databases: Databases,
    cluster: Cluster,
}

impl Services {
    /// Ends the services of the portfolio and starts all four; opens the last business day and waits until everything
    /// is known everywhere.
    pub async fn start(portfolio: Portfolio, report: &mut Report) -> Self {
        tell("first snapshots at segmentation and dunning");
        let (databases, cluster) = portfolio.stop().await;
        let mut services = Self {
            processes: Vec::new(),
            databases,
            cluster,
        };
        let began = Instant::now();
        for service in Service::ALL {
            let program = services.program(service);
            services.processes.push(program.start().await);
        }
        let token = services.open_day(CREDITOR).await;
        services.contain(CREDITOR, &token).await;
        let rows = (debtors() * (INVOICES_EACH + 2)) as f64;
        let what = "snapshots until everybody is known everywhere";
        let rate = rows / began.elapsed().as_secs_f64();
        report.lines.push(Line::alone(what, "rows", rate));
        for service in Service::ALL {
            forget_peak(services.process(service));
        }
        services
    }

    fn program(&self, service: Service) -> Program {
        let mut program = Program::new(service, self.databases.url(service));
        for upstream in service.with_upstreams().filter(|each| *each != service) {
            program = program.knowing(upstream, self.url(upstream));
        }
        if service != Service::Registry {
            program = program.set("compare_every_s", "0");
        }
        if service == Service::Dunning {
            let maildir = self.maildir().display().to_string();
            program = program.set("dispatch.maildir", &maildir);
        }
        program
    }

    /// Where e-mails end.
    pub fn maildir(&self) -> PathBuf {
        self.cluster.home().join("mail")
    }

    /// A service.
    pub fn process(&self, service: Service) -> &Process {
        let place = Service::ALL.iter().position(|each| *each == service);
        &self.processes[place.expect("one of all")]
    }

    /// Where a service listens.
    pub fn url(&self, service: Service) -> &str {
        &self.process(service).url
    }

    /// Clients of registry and scoring, on connections of their own.
    pub fn clients(&self) -> Clients {
        let [registry, scoring] =
            [Service::Registry, Service::Scoring].map(|service| channel(self.url(service)));
        Clients::new(&registry, &scoring)
    }

    /// Clients of segmentation, on a connection of their own.
    pub fn segmentation(&self) -> SegmentationClients {
        SegmentationClients::new(&channel(self.url(Service::Segmentation)))
    }

    /// Clients of dunning, on a connection of their own.
    pub fn dunning(&self) -> DunningClients {
        DunningClients::new(&channel(self.url(Service::Dunning)))
    }

    /// A connection to a service's database, on which statements may take their time.
    pub async fn db(&self, service: Service) -> Db {
        let settings = DatabaseSettings {
            url: self.databases.url(service).to_owned(),
            max_connections: 1,
            ..DatabaseSettings::default()
        };
        let db = Db::connect(&settings).await.expect("a database");
        db.execute("SET statement_timeout = 0", vec![])
            .await
            .expect("no time limit");
        db
    }

    /// Opens the last business day of a creditor. Returns the consistency token.
    pub async fn open_day(&self, creditor_id: &str) -> String {
        let opened = self
            .clients()
            .creditors
            .open_business_day(OpenBusinessDayRequest {
                request_id: format!("last-day-{creditor_id}"),
                creditor_id: creditor_id.to_owned(),
                business_date: Some(LAST_DAY),
            })
            .await;
        opened
            .expect("a business day")
            .into_inner()
            .consistency_token
    }

    /// Waits until dunning contains the write of a token, by every path and of everybody.
    pub async fn contain(&self, creditor_id: &str, token: &str) {
        contain(&self.dunning(), creditor_id, token).await;
    }

    /// Stops all, after a look at their memory.
    pub async fn stop(self, report: &mut Report) {
        for service in Service::ALL {
            let (now, peak) = resident(self.process(service));
            let name = service.name();
            report.notes.push(format!(
                "memory of {name}: {now} MiB at the end, {peak} MiB at its peak after the first snapshot"
            ));
        }
        // The last one first: nobody misses an upstream.
        for process in self.processes.into_iter().rev() {
            process.terminate().await;
            process.stopped().await;
        }
    }
}

/// Waits until dunning contains the write of a token, by every path and of everybody.
pub async fn contain(dunning: &DunningClients, creditor_id: &str, token: &str) {
    let request = ListRunsRequest {
        creditor_id: creditor_id.to_owned(),
        page_size: 1,
        page_token: String::new(),
        at_least: token.to_owned(),
    };
    until(async || {
        let asked = dunning.runs.clone().list_runs(request.clone()).await;
        match asked {
            Ok(_) => Some(()),
            Err(status) if is_not_now(&status) => None,
            Err(status) => panic!("{status}"),
        }
    })
    .await;
}

fn is_not_now(status: &Status) -> bool {
    let not_now = [Code::Unavailable, Code::Aborted, Code::ResourceExhausted];
    // A creditor may not have arrived yet.
    not_now.contains(&status.code())
        || status.code() == Code::NotFound
        || reason(status) == "PROJECTION_NOT_READY"
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// If there is none in an hour.
pub async fn until<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let mut looks = interval(LOOK);
    let answer = async {
        loop {
            looks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    timeout(PATIENCE, answer).await.expect("it ends")
}
