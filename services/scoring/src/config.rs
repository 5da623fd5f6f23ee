//! Settings of scoring.

use std::net::{Ipv4Addr, SocketAddr};

use mahnwerk_runtime::{
    config::{self, ApiSettings, CommonSettings, OpsSettings},
    error::Violation,
};
use serde::{Deserialize, Serialize};

/// Port of the gRPC API unless configured otherwise.
pub const API_PORT: u16 = 7102;

/// Port of probes and metrics unless configured otherwise.
pub const OPS_PORT: u16 = 9102;

/// What scoring needs to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What every service needs to be told.
    #[serde(flatten)]
    pub common: CommonSettings,
    /// Where the registry is, `http(s)://HOST:PORT`. Without it scores grow old and nothing is wrong otherwise.
    pub registry_url: String,
    /// How the other services are called: whom to trust, and what to show.
    pub peers: mahnwerk_client::Settings,
    /// How often, in seconds, what is known of the registry is compared with the registry's own state, and mended where
    /// it differs. 0: never.
    pub compare_every_s: u64,
    /// Whether `serve` changes the schema. Convenient with one process; with several, run `migrate` before them.
    pub migrate_on_start: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            common: CommonSettings {
                api: ApiSettings {
                    listen: loopback(API_PORT),
                    ..ApiSettings::default()
                },
                ops: OpsSettings {
                    listen: loopback(OPS_PORT),
                },
                ..CommonSettings::default()
            },
            registry_url: "http://127.0.0.1:7101".to_owned(),
            peers: mahnwerk_client::Settings::default(),
            compare_every_s: 24 * 60 * 60,
            migrate_on_start: false,
        }
    }
}

impl config::Settings for Settings {
    fn common(&self) -> &CommonSettings {
        &self.common
    }

    fn validate(&self) -> Vec<Violation> {
        let mut violations = self.common.validate();
        if let Err(error) = self.peers.check(&self.registry_url) {
            violations.push(Violation::new("registry_url", error.to_string()));
        }
        violations
    }
}
