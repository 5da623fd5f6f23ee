//! Registry and scoring, running in the process of the test, on either engine.

use std::{path::Path, time::Duration};

use mahnwerk_proto::{
    common::v1::{
        feed_admin_service_client::FeedAdminServiceClient, feed_service_client::FeedServiceClient,
    },
    registry::v1::{
        account_service_client::AccountServiceClient,
        creditor_service_client::CreditorServiceClient, debtor_service_client::DebtorServiceClient,
        import_service_client::ImportServiceClient,
    },
    scoring::v1::scoring_service_client::ScoringServiceClient,
};
use mahnwerk_runtime::{
    config::{self, LogFormat, LogSettings},
    db::{DatabaseSettings, Db},
    server::{Running, Shutdown},
    telemetry,
};
use tempfile::TempDir;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::postgres::{Cluster, Database};

/// The database engines that everything must work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary directory.
    Sqlite,
    /// A fresh database of the shared cluster.
    Postgres,
}

/// Two empty databases that vanish with this.
pub struct Databases {
    _directory: TempDir,
    _databases: Vec<Database>,
    /// Address of the registry's.
    pub registry: String,
    /// Address of scoring's.
    pub scoring: String,
}

impl Databases {
    /// On `engine`.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let directory = tempfile::tempdir().expect("a temporary directory");
                let url = |name: &str| sqlite_url(directory.path(), name);
                Self {
                    registry: url("registry"),
                    scoring: url("scoring"),
                    _databases: Vec::new(),
                    _directory: directory,
                }
            }
            Engine::Postgres => Self::in_cluster(&Cluster::shared()),
        }
    }

    /// In a certain cluster.
    #[must_use]
    pub fn in_cluster(cluster: &Cluster) -> Self {
        let (registry, scoring) = (cluster.database(), cluster.database());
        Self {
            registry: registry.url(),
            scoring: scoring.url(),
            _databases: vec![registry, scoring],
            _directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }
}

fn sqlite_url(directory: &Path, name: &str) -> String {
    format!("sqlite://{}/{name}.db?mode=rwc", directory.display())
}

/// Settings as `--set` takes them.
#[must_use]
pub fn overrides(database: &str, port: u16, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = [
        ("database.url", database.to_owned()),
        ("api.listen", format!("127.0.0.1:{port}")),
        ("ops.listen", "127.0.0.1:0".to_owned()),
        ("migrate_on_start", "true".to_owned()),
    ];
    own.into_iter()
        .chain(more.iter().map(|(key, value)| (*key, (*value).to_owned())))
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Both services, running.
pub struct Suite {
    /// To the registry.
    pub registry: Channel,
    /// To scoring.
    pub scoring: Channel,
    /// Addresses of both, `http://…`.
    pub urls: (String, String),
    databases: Databases,
    shutdown: Shutdown,
    running: Vec<Running>,
}

impl Suite {
    /// On fresh databases of `engine`.
    pub async fn start(engine: Engine) -> Self {
        Self::start_on(Databases::new(engine)).await
    }

    /// On given databases.
    pub async fn start_on(databases: Databases) -> Self {
        show_warnings();
        let shutdown = Shutdown::new();
        let settings = overrides(&databases.registry, 0, &[]);
        let settings = config::load("registry", None, [], &settings).expect("registry settings");
        let registry = mahnwerk_registry::start(settings, shutdown.clone())
            .await
            .expect("the registry starts");
        let registry_url = format!("http://{}", registry.api);

        let settings = overrides(&databases.scoring, 0, &[("registry_url", &registry_url)]);
        let settings = config::load("scoring", None, [], &settings).expect("scoring settings");
        let scoring = mahnwerk_scoring::start(settings, shutdown.clone())
            .await
            .expect("scoring starts");
        let scoring_url = format!("http://{}", scoring.api);
        Self {
            registry: channel(&registry_url),
            scoring: channel(&scoring_url),
            urls: (registry_url, scoring_url),
            databases,
            shutdown,
            running: vec![registry, scoring],
        }
    }

    /// The registry's database, to look behind the API.
    pub async fn registry_db(&self) -> Db {
        connect(&self.databases.registry).await
    }

    /// Scoring's database, to look behind the API.
    pub async fn scoring_db(&self) -> Db {
        connect(&self.databases.scoring).await
    }

    /// Stops both and waits until they have.
    pub async fn stop(self) {
        self.shutdown.begin();
        for running in self.running {
            running.stopped().await.expect("a clean stop");
        }
    }

    /// Clients for everything.
    #[must_use]
    pub fn clients(&self) -> Clients {
        Clients::new(&self.registry, &self.scoring)
    }
}

/// Lets the services of this process say on standard error what went wrong.
fn show_warnings() {
    let settings = LogSettings {
        filter: "warn".to_owned(),
        format: LogFormat::Text,
    };
    // Several suites may be started in one process; the first one has done it for all.
    if let Ok(telemetry) = telemetry::init("test", &settings) {
        std::mem::forget(telemetry);
    }
}

/// A small pool on a database that a service is using.
pub async fn connect(url: &str) -> Db {
    let settings = DatabaseSettings {
        url: url.to_owned(),
        max_connections: 2,
        ..DatabaseSettings::default()
    };
    Db::connect(&settings)
        .await
        .expect("the service's database")
}

/// Longest wait for an answer: a server that closes can leave a call without one.
const PATIENCE: Duration = Duration::from_secs(60);

/// A channel that connects when it is used first.
#[must_use]
pub fn channel(url: &str) -> Channel {
    Endpoint::from_shared(url.to_owned())
        .expect("an address")
        .tcp_nodelay(true)
        .timeout(PATIENCE)
        .connect_lazy()
}

/// Clients of every service. Cheap to clone.
#[derive(Clone)]
pub struct Clients {
    /// Creditors.
    pub creditors: CreditorServiceClient<Channel>,
    /// Debtors.
    pub debtors: DebtorServiceClient<Channel>,
    /// The account.
    pub accounts: AccountServiceClient<Channel>,
    /// Imports.
    pub imports: ImportServiceClient<Channel>,
    /// The registry's feed.
    pub feed: FeedServiceClient<Channel>,
    /// The operator's side of the registry's feed.
    pub registry_admin: FeedAdminServiceClient<Channel>,
    /// Scoring's feed.
    pub scoring_feed: FeedServiceClient<Channel>,
    /// The feeds scoring consumes.
    pub scoring_admin: FeedAdminServiceClient<Channel>,
    /// Scores.
    pub scores: ScoringServiceClient<Channel>,
}

impl Clients {
    /// On these channels.
    #[must_use]
    pub fn new(registry: &Channel, scoring: &Channel) -> Self {
        Self {
            creditors: CreditorServiceClient::new(registry.clone()),
            debtors: DebtorServiceClient::new(registry.clone()),
            accounts: AccountServiceClient::new(registry.clone()),
            imports: ImportServiceClient::new(registry.clone()),
            feed: FeedServiceClient::new(registry.clone()),
            registry_admin: FeedAdminServiceClient::new(registry.clone()),
            scoring_feed: FeedServiceClient::new(scoring.clone()),
            scoring_admin: FeedAdminServiceClient::new(scoring.clone()),
            scores: ScoringServiceClient::new(scoring.clone()),
        }
    }
}

/// How often, and how many times, a call is repeated that was told to come again.
const RETRY: Duration = Duration::from_millis(50);
const TRIES: u32 = 400;

/// Calls until the answer is not "not now" any more: a fresh suite takes its first snapshot, readers wait for tokens.
pub async fn patiently<T>(call: impl AsyncFn() -> Result<T, Status>) -> T {
    let mut pause = tokio::time::interval(RETRY);
    let mut last = None;
    for _ in 0..TRIES {
        pause.tick().await;
        match call().await {
            Ok(answer) => return answer,
            Err(status) if is_not_now(&status) => last = Some(status),
            Err(status) => panic!("{status}"),
        }
    }
    panic!("still not: {last:?}");
}

fn is_not_now(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Aborted | Code::ResourceExhausted
    ) || crate::wire::reason(status) == "PROJECTION_NOT_READY"
}
