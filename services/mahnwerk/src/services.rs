//! All services in this process, each on its own port and database file, talking to each other as they would anywhere.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use mahnwerk_runtime::{
    config::CommonSettings,
    server::{Running, Shutdown},
};

use crate::client::{Clients, Failure, Result};

/// The services, running until their [`Shutdown`].
pub(crate) struct Services {
    pub(crate) registry: Running,
    pub(crate) scoring: Running,
}

/// Ports; 0 takes a free one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ports {
    pub(crate) registry: u16,
    pub(crate) scoring: u16,
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
        let settings = mahnwerk_registry::config::Settings {
            common: common(data, "registry", ports.registry),
            migrate_on_start: true,
        };
        let registry = mahnwerk_registry::start(settings, shutdown.clone()).await?;
        let settings = mahnwerk_scoring::config::Settings {
            common: common(data, "scoring", ports.scoring),
            migrate_on_start: true,
            registry_url: url(registry.api),
            ..Default::default()
        };
        match mahnwerk_scoring::start(settings, shutdown.clone()).await {
            Ok(scoring) => Ok(Self { registry, scoring }),
            Err(error) => {
                shutdown.begin();
                registry.stopped().await?;
                Err(error.into())
            }
        }
    }

    /// Clients of these services.
    ///
    /// # Errors
    /// None that can happen with addresses that are listened on.
    pub(crate) fn clients(&self) -> Result<Clients> {
        Clients::new(&url(self.registry.api), &url(self.scoring.api))
    }

    /// Waits until all have stopped.
    ///
    /// # Errors
    /// The first service that failed.
    pub(crate) async fn stopped(self) -> Result<()> {
        let (registry, scoring) = tokio::join!(self.registry.stopped(), self.scoring.stopped());
        registry?;
        scoring?;
        Ok(())
    }
}

/// The URL of an address.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn common(data: &Path, service: &str, port: u16) -> CommonSettings {
    let mut settings = CommonSettings::default();
    settings.api.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    settings.database.url = format!("sqlite://{}?mode=rwc", database(data, service).display());
    settings
}

fn database(data: &Path, service: &str) -> PathBuf {
    data.join(format!("{service}.db"))
}
