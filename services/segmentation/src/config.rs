//! Settings of segmentation.

use std::net::{Ipv4Addr, SocketAddr};

use mahnwerk_runtime::{
    config::{self, ApiSettings, CommonSettings, OpsSettings},
    error::Violation,
};
use serde::{Deserialize, Serialize};

/// Port of the gRPC API unless configured otherwise.
pub const API_PORT: u16 = 7103;

/// Port of probes and metrics unless configured otherwise.
pub const OPS_PORT: u16 = 9103;

/// What segmentation needs to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What every service needs to be told.
    #[serde(flatten)]
    pub common: CommonSettings,
    /// Where the registry is, `http(s)://HOST:PORT`. Without it memberships grow old and nothing is wrong otherwise.
    pub registry_url: String,
    /// Where scoring is, `http(s)://HOST:PORT`; as with the registry.
    pub scoring_url: String,
    /// How the other services are called: whom to trust, and what to show.
    pub peers: mahnwerk_client::Settings,
    /// How often, in seconds, what is known of registry and scoring is compared with their own state, and mended where it
    /// differs. 0: never.
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
            scoring_url: "http://127.0.0.1:7102".to_owned(),
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
        for (field, url) in [
            ("registry_url", &self.registry_url),
            ("scoring_url", &self.scoring_url),
        ] {
            if let Err(error) = self.peers.check(url) {
                violations.push(Violation::new(field, error.to_string()));
            }
        }
        violations
    }
}
