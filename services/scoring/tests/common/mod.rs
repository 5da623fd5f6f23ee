//! A running registry and a running scoring service on SQLite databases of their own.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

use std::net::SocketAddr;

use mahnwerk_runtime::{
    config::{CommonSettings, DatabaseSettings},
    server::{Running, Shutdown},
};
use mahnwerk_scoring::conformance::Channels;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// Both services, running.
pub struct Services {
    pub channels: Channels,
    running: [Running; 2],
    shutdown: Shutdown,
    _directory: TempDir,
}

impl Services {
    pub async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let shutdown = Shutdown::new();
        let mut settings = mahnwerk_registry::config::Settings {
            migrate_on_start: true,
            ..Default::default()
        };
        listen_anywhere(&mut settings.common, &directory, "registry");
        let registry = mahnwerk_registry::start(settings, shutdown.clone())
            .await
            .unwrap();
        let mut settings = mahnwerk_scoring::config::Settings {
            migrate_on_start: true,
            registry_url: url(registry.api),
            ..Default::default()
        };
        listen_anywhere(&mut settings.common, &directory, "scoring");
        let scoring = mahnwerk_scoring::start(settings, shutdown.clone())
            .await
            .unwrap();
        let channels = Channels {
            registry: channel(registry.api),
            scoring: channel(scoring.api),
        };
        Self {
            channels,
            running: [registry, scoring],
            shutdown,
            _directory: directory,
        }
    }

    pub async fn stop(self) {
        drop(self.channels);
        self.shutdown.begin();
        for running in self.running {
            running.stopped().await.unwrap();
        }
    }
}

fn listen_anywhere(settings: &mut CommonSettings, directory: &TempDir, name: &str) {
    settings.database = database(directory, name);
    settings.api.listen.set_port(0);
    settings.ops.listen.set_port(0);
}

fn database(directory: &TempDir, name: &str) -> DatabaseSettings {
    DatabaseSettings {
        url: format!("sqlite://{}/{name}.db?mode=rwc", directory.path().display()),
        ..DatabaseSettings::default()
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(url(address)).unwrap().connect_lazy()
}
