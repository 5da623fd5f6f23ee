//! A running registry on a SQLite database of its own.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

use mahnwerk_registry::{config::Settings, start};
use mahnwerk_runtime::{
    config::DatabaseSettings,
    server::{Running, Shutdown},
};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// A running registry.
pub struct Service {
    pub channel: Channel,
    running: Running,
    pub shutdown: Shutdown,
    _directory: TempDir,
}

impl Service {
    pub async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let mut settings = Settings {
            migrate_on_start: true,
            ..Settings::default()
        };
        settings.common.database = DatabaseSettings {
            url: format!(
                "sqlite://{}/registry.db?mode=rwc",
                directory.path().display()
            ),
            ..DatabaseSettings::default()
        };
        settings.common.api.listen.set_port(0);
        settings.common.ops.listen.set_port(0);
        let shutdown = Shutdown::new();
        let running = start(settings, shutdown.clone()).await.unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{}", running.api)).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self {
            channel,
            running,
            shutdown,
            _directory: directory,
        }
    }

    pub async fn stop(self) {
        drop(self.channel);
        self.shutdown.begin();
        self.running.stopped().await.unwrap();
    }
}
