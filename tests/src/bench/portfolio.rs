//! The portfolio that is measured: made by the import, which is itself a measurement.

use std::sync::OnceLock;

use chrono::{Datelike as _, Days, NaiveDate};
use mahnwerk_proto::common::v1::Date;
use mahnwerk_runtime::server::{Running, Shutdown};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::{Line, Report, import, statements, tell};
use crate::{
    postgres::Cluster,
    suite::{Clients, Databases, Service, channel, connect, overrides, patiently},
    world::day,
};

/// Invoices of each debtor.
pub const INVOICES_EACH: usize = 10;
/// The creditor that most is measured on.
pub const CREDITOR: &str = "bench";
/// The last business date, on which segmentation and dunning are measured; a Monday.
pub const LAST_DAY: Date = day(2025, 3, 10);

static SMALL: OnceLock<()> = OnceLock::new();

/// Makes the portfolio a tenth as large.
pub fn make_small() {
    SMALL.get_or_init(|| ());
}

/// How many debtors there are.
pub fn debtors() -> usize {
    if SMALL.get().is_some() { 1_000 } else { 10_000 }
}

/// When the invoice of a number is due: from 20 days after the last business date to 159 days before it, spread over
/// the invoices of each of so many debtors. `tests/tryton.py` has the same.
pub fn due_date(number: usize, debtors: usize) -> Date {
    let last = NaiveDate::from_ymd_opt(2025, 3, 10).expect("a date");
    let overdue = (number / debtors * 18 + number) % 180;
    let due = last + Days::new(20) - Days::new(overdue as u64);
    day(due.year(), due.month() as i32, due.day() as i32)
}

/// Registry and scoring in this process, on a cluster of their own.
pub struct Portfolio {
    pub cluster: Cluster,
    pub databases: Databases,
    pub registry: String,
    pub scoring: String,
    /// The token of the last import.
    pub token: String,
    shutdown: Shutdown,
    running: Vec<Running>,
}

/// The id of a debtor.
pub fn debtor_id(number: usize) -> String {
    format!("d{:05}", number % debtors())
}

impl Portfolio {
    /// Starts the registry alone and imports the portfolio; `counted`: on a server that counts its statements.
    pub async fn import(counted: bool) -> (Self, Line) {
        let cluster = statements::cluster(counted);
        let databases = Databases::in_cluster(&cluster, Service::Dunning);
        let shutdown = Shutdown::new();
        let settings = overrides(databases.url(Service::Registry), 0, &[]);
        let registry = Service::Registry.start(&settings, shutdown.clone()).await;
        let mut portfolio = Self {
            registry: format!("http://{}", registry.api),
            scoring: String::new(),
            token: String::new(),
            cluster,
            databases,
            shutdown,
            running: vec![registry],
        };
        let line = import::measure(&mut portfolio).await;
        (portfolio, line)
    }

    /// Starts scoring and waits until it has scored everybody.
    pub async fn start_scoring(&mut self, report: &mut Report) {
        tell("first snapshot at scoring");
        let settings = overrides(
            self.databases.url(Service::Scoring),
            0,
            &[("registry_url", &self.registry)],
        );
        let began = Instant::now();
        let scoring = Service::Scoring
            .start(&settings, self.shutdown.clone())
            .await;
        self.scoring = format!("http://{}", scoring.api);
        self.running.push(scoring);
        self.wait_until_scored(&self.token).await;
        let rows = (debtors() * (INVOICES_EACH + 1)) as f64;
        let seconds = began.elapsed().as_secs_f64();
        tell(&format!(
            "{rows} rows projected and everybody scored in {seconds:.1} s"
        ));
        let what = "snapshot projected and scored";
        report.lines.push(Line::alone(what, "rows", rows / seconds));
    }

    /// Waits until scoring contains the write of a token in every partition.
    pub async fn wait_until_scored(&self, token: &str) {
        let clients = self.clients();
        let mut waiting: std::collections::BTreeMap<i64, String> =
            std::collections::BTreeMap::new();
        for debtor in (0..debtors()).map(debtor_id) {
            waiting
                .entry(mahnwerk_feed::partition(CREDITOR, &debtor))
                .or_insert(debtor);
        }
        for debtor in waiting.values() {
            patiently(async || {
                clients
                    .scores
                    .clone()
                    .get_score(score_request(debtor, token))
                    .await
            })
            .await;
        }
    }

    /// Clients on connections of their own.
    pub fn clients(&self) -> Clients {
        Clients::new(&channel(&self.registry), &self.scoring_channel())
    }

    fn scoring_channel(&self) -> Channel {
        let url = if self.scoring.is_empty() {
            &self.registry
        } else {
            &self.scoring
        };
        channel(url)
    }

    /// Stops both and leaves their databases.
    pub async fn stop(self) -> (Databases, Cluster) {
        self.shutdown.begin();
        for running in self.running {
            running.stopped().await.expect("a clean stop");
        }
        (self.databases, self.cluster)
    }

    /// Connections to scoring's database.
    pub async fn scoring_db(&self) -> mahnwerk_runtime::db::Db {
        connect(self.databases.url(Service::Scoring)).await
    }
}

/// Asks for a score.
pub fn score_request(debtor: &str, at_least: &str) -> mahnwerk_proto::scoring::v1::GetScoreRequest {
    mahnwerk_proto::scoring::v1::GetScoreRequest {
        creditor_id: CREDITOR.to_owned(),
        debtor_id: debtor.to_owned(),
        at_least: at_least.to_owned(),
        language: String::new(),
    }
}
