//! The services, running in the process of the test, on either engine.

use std::{net::SocketAddr, path::Path, time::Duration};

use mahnwerk_runtime::{
    config::{LogFormat, LogSettings},
    db::{DatabaseSettings, Db},
    server::{Running, Shutdown},
    telemetry,
};
use tempfile::TempDir;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

pub use crate::clients::{Clients, DunningClients, SegmentationClients};
use crate::postgres::{Cluster, Database};
pub use crate::service::Service;

/// The database engines that everything must work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary directory.
    Sqlite,
    /// A fresh database of the shared cluster.
    Postgres,
}

/// Empty databases, one per service, that vanish with this.
pub struct Databases {
    _directory: TempDir,
    _databases: Vec<Database>,
    urls: Vec<String>,
}

impl Databases {
    /// On `engine`, for `last` and all that it depends on.
    #[must_use]
    pub fn new(engine: Engine, last: Service) -> Self {
        match engine {
            Engine::Sqlite => {
                let directory = tempfile::tempdir().expect("a temporary directory");
                let url = |service: Service| sqlite_url(directory.path(), service.name());
                Self {
                    urls: last.with_upstreams().map(url).collect(),
                    _databases: Vec::new(),
                    _directory: directory,
                }
            }
            Engine::Postgres => Self::in_cluster(&Cluster::shared(), last),
        }
    }

    /// The same in a certain cluster.
    #[must_use]
    pub fn in_cluster(cluster: &Cluster, last: Service) -> Self {
        let databases: Vec<_> = last.with_upstreams().map(|_| cluster.database()).collect();
        Self {
            urls: databases.iter().map(Database::url).collect(),
            _databases: databases,
            _directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// Address of a service's database.
    ///
    /// # Panics
    /// If it was not asked for.
    #[must_use]
    pub fn url(&self, service: Service) -> &str {
        &self.urls[service.place()]
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

/// Services, running.
pub struct Suite {
    /// Their addresses, `http://…`, in the order of [`Service::ALL`].
    pub urls: Vec<String>,
    channels: Vec<Channel>,
    databases: Databases,
    shutdown: Shutdown,
    running: Vec<Running>,
}

impl Suite {
    /// Registry and scoring on fresh databases of `engine`.
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, Service::Scoring).await
    }

    /// `last` and all that it depends on, on fresh databases of `engine`.
    pub async fn start_with(engine: Engine, last: Service) -> Self {
        show_warnings();
        let databases = Databases::new(engine, last);
        let shutdown = Shutdown::new();
        let mut upstreams: Vec<(String, String)> = Vec::new();
        let mut running = Vec::new();
        for service in last.with_upstreams() {
            let mut settings = overrides(databases.url(service), 0, &[]);
            settings.extend(upstreams.iter().cloned());
            let started = service.start(&settings, shutdown.clone()).await;
            upstreams.push((service.url_setting(), format!("http://{}", started.api)));
            running.push(started);
        }
        let urls: Vec<_> = upstreams.into_iter().map(|(_, url)| url).collect();
        Self {
            channels: urls.iter().map(|url| channel(url)).collect(),
            urls,
            databases,
            shutdown,
            running,
        }
    }

    /// Services that run elsewhere on these databases, reached by these channels, in the order of [`Service::ALL`].
    #[must_use]
    pub fn elsewhere(databases: Databases, urls: Vec<String>, channels: Vec<Channel>) -> Self {
        Self {
            urls,
            channels,
            databases,
            shutdown: Shutdown::new(),
            running: Vec::new(),
        }
    }

    /// To a service.
    ///
    /// # Panics
    /// If it was not asked for.
    #[must_use]
    pub fn channel(&self, service: Service) -> &Channel {
        &self.channels[service.place()]
    }

    /// Where a service tells its metrics.
    ///
    /// # Panics
    /// If it was not asked for.
    #[must_use]
    pub fn ops(&self, service: Service) -> SocketAddr {
        self.running[service.place()].ops
    }

    /// A service's database, to look behind the API.
    pub async fn db(&self, service: Service) -> Db {
        connect(self.databases.url(service)).await
    }

    /// Stops all and waits until they have.
    pub async fn stop(self) {
        self.shutdown.begin();
        for running in self.running {
            running.stopped().await.expect("a clean stop");
        }
    }

    /// Clients of registry and scoring.
    #[must_use]
    pub fn clients(&self) -> Clients {
        Clients::new(
            self.channel(Service::Registry),
            self.channel(Service::Scoring),
        )
    }

    /// Clients of segmentation.
    #[must_use]
    pub fn segmentation(&self) -> SegmentationClients {
        SegmentationClients::new(self.channel(Service::Segmentation))
    }

    /// Clients of dunning.
    #[must_use]
    pub fn dunning(&self) -> DunningClients {
        DunningClients::new(self.channel(Service::Dunning))
    }
}

/// Lets the services of this process say on standard error what went wrong.
pub fn show_warnings() {
    // Several suites may be started in one process; the first one has done it for all.
    if let Ok(telemetry) = telemetry::init("test", &quiet()) {
        std::mem::forget(telemetry);
    }
}

/// A log that says what went wrong and nothing else.
#[must_use]
pub fn quiet() -> LogSettings {
    LogSettings {
        filter: "warn".to_owned(),
        format: LogFormat::Text,
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

/// How often, and how many times, a call is repeated that was told to come again.
const RETRY: Duration = Duration::from_millis(50);
const TRIES: u32 = 1_200;

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

pub(crate) fn is_not_now(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Aborted | Code::ResourceExhausted
    ) || crate::wire::reason(status) == "PROJECTION_NOT_READY"
}
