//! All services in this process, each on its own port and database file, talking to each other as they would anywhere.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use mahnwerk_dunning::config::DispatchSettings;
use mahnwerk_runtime::{
    config::{CommonSettings, LogFormat, LogSettings},
    server::{Running, Shutdown},
};

use crate::{
    cli::{Service, Urls},
    client::{Clients, Failure, Result},
};

/// Where e-mails go, below the data: this process is for looking at things, not for writing to people.
const MAIL: &str = "mail";

/// How often positions are told. A read with a token waits for up to three in a row; but every one that is told has the
/// next service write its own, and told at every change they would keep the processor busy with little else.
const BOOKMARK_MS: u64 = 20;

/// The services, running until their [`Shutdown`], in the order in which they were started.
#[derive(Default)]
pub(crate) struct Services {
    running: Vec<(Service, Running)>,
}

/// Ports; 0 takes a free one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ports {
    pub(crate) registry: u16,
    pub(crate) scoring: u16,
    pub(crate) segmentation: u16,
    pub(crate) dunning: u16,
}

impl Services {
    /// Starts all services with their databases in a directory.
    ///
    /// # Errors
    /// If the directory cannot be used or a service does not start; then none is left running.
    pub(crate) async fn start(data: &Path, ports: Ports, shutdown: &Shutdown) -> Result<Self> {
        std::fs::create_dir_all(data).map_err(|source| Failure::File {
            path: data.to_owned(),
            source,
        })?;
        let mut services = Self::default();
        match services.start_all(data, ports, shutdown).await {
            Ok(()) => Ok(services),
            Err(failure) => {
                shutdown.begin();
                services.stopped().await?;
                Err(failure)
            }
        }
    }

    /// Each is told where those are whose feeds it consumes, so they come first.
    async fn start_all(&mut self, data: &Path, ports: Ports, shutdown: &Shutdown) -> Result<()> {
        let settings = mahnwerk_registry::config::Settings {
            common: common(data, "registry", ports.registry),
            migrate_on_start: true,
        };
        let running = mahnwerk_registry::start(settings, shutdown.clone()).await?;
        self.running.push((Service::Registry, running));
        let settings = mahnwerk_scoring::config::Settings {
            common: common(data, "scoring", ports.scoring),
            migrate_on_start: true,
            registry_url: self.url(Service::Registry),
            ..Default::default()
        };
        let running = mahnwerk_scoring::start(settings, shutdown.clone()).await?;
        self.running.push((Service::Scoring, running));
        let settings = mahnwerk_segmentation::config::Settings {
            common: common(data, "segmentation", ports.segmentation),
            migrate_on_start: true,
            registry_url: self.url(Service::Registry),
            scoring_url: self.url(Service::Scoring),
            ..Default::default()
        };
        let running = mahnwerk_segmentation::start(settings, shutdown.clone()).await?;
        self.running.push((Service::Segmentation, running));
        let settings = mahnwerk_dunning::config::Settings {
            common: common(data, "dunning", ports.dunning),
            migrate_on_start: true,
            registry_url: self.url(Service::Registry),
            scoring_url: self.url(Service::Scoring),
            segmentation_url: self.url(Service::Segmentation),
            dispatch: DispatchSettings {
                maildir: data.join(MAIL).display().to_string(),
                ..DispatchSettings::default()
            },
            ..Default::default()
        };
        let running = mahnwerk_dunning::start(settings, shutdown.clone()).await?;
        self.running.push((Service::Dunning, running));
        Ok(())
    }

    /// The services with their addresses, in the order in which they were started.
    pub(crate) fn running(&self) -> &[(Service, Running)] {
        &self.running
    }

    /// Where a service is; empty if it is not running.
    fn url(&self, wanted: Service) -> String {
        self.running
            .iter()
            .find(|(service, _)| *service == wanted)
            .map_or_else(String::new, |(_, running)| url(running.api))
    }

    /// Clients of these services.
    ///
    /// # Errors
    /// None that can happen with addresses that are listened on.
    pub(crate) fn clients(&self) -> Result<Clients> {
        let urls = Urls {
            registry: self.url(Service::Registry),
            scoring: self.url(Service::Scoring),
            segmentation: self.url(Service::Segmentation),
            dunning: self.url(Service::Dunning),
        };
        Clients::new(&urls, &mahnwerk_client::Settings::default())
    }

    /// Waits until all have stopped.
    ///
    /// # Errors
    /// The first service that failed.
    pub(crate) async fn stopped(self) -> Result<()> {
        let ends = self
            .running
            .into_iter()
            .map(|(_, running)| running.stopped());
        for ended in futures::future::join_all(ends).await {
            ended?;
        }
        Ok(())
    }
}

/// The URL of an address.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The log of this process, for people: what `RUST_LOG` says, or else `filter`.
pub(crate) fn log(filter: &str) -> LogSettings {
    let wanted = std::env::var("RUST_LOG").ok();
    LogSettings {
        filter: wanted
            .filter(|it| !it.is_empty())
            .unwrap_or_else(|| filter.to_owned()),
        format: LogFormat::Text,
    }
}

fn common(data: &Path, service: &str, port: u16) -> CommonSettings {
    let mut settings = CommonSettings::default();
    settings.api.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    settings.api.reflection = true;
    settings.feed.bookmark_ms = BOOKMARK_MS;
    settings.database.url = format!("sqlite://{}?mode=rwc", database(data, service).display());
    settings
}

fn database(data: &Path, service: &str) -> PathBuf {
    data.join(format!("{service}.db"))
}
