//! The portfolio that is measured: made by the import, which is itself a measurement.

use mahnwerk_runtime::server::{Running, Shutdown};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::{Line, import, statements, tell};
use crate::{
    postgres::Cluster,
    suite::{Clients, Databases, Service, channel, connect, overrides, patiently},
};

/// Debtors, and invoices of each.
pub const DEBTORS: usize = 10_000;
pub const INVOICES_EACH: usize = 10;
/// The one creditor.
pub const CREDITOR: &str = "bench";

/// Both services on a cluster of their own.
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
    format!("d{:05}", number % DEBTORS)
}

impl Portfolio {
    /// Starts the registry alone and imports the portfolio; `counted`: on a server that counts its statements.
    pub async fn import(counted: bool) -> (Self, Line) {
        let cluster = statements::cluster(counted);
        let databases = Databases::in_cluster(&cluster, Service::Scoring);
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
    pub async fn start_scoring(&mut self, lines: &mut Vec<Line>) {
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
        let rows = (DEBTORS * (INVOICES_EACH + 1)) as f64;
        let seconds = began.elapsed().as_secs_f64();
        tell(&format!(
            "{rows} rows projected and everybody scored in {seconds:.1} s"
        ));
        lines.push(Line {
            what: "snapshot projected and scored (no floor)".to_owned(),
            unit: "rows",
            floor: rows / seconds,
            rate: rows / seconds,
            budget: None,
            latency: None,
        });
    }

    /// Waits until scoring contains the write of a token in every partition.
    pub async fn wait_until_scored(&self, token: &str) {
        let clients = self.clients();
        let mut waiting: std::collections::BTreeMap<i64, String> =
            std::collections::BTreeMap::new();
        for debtor in (0..DEBTORS).map(debtor_id) {
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

    /// Stops both.
    pub async fn stop(self) {
        self.shutdown.begin();
        for running in self.running {
            running.stopped().await.expect("a clean stop");
        }
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
