//! Settings of the registry.

use std::net::{Ipv4Addr, SocketAddr};

use mahnwerk_runtime::config::{self, ApiSettings, CommonSettings, OpsSettings};
use serde::{Deserialize, Serialize};

/// Port of the gRPC API unless configured otherwise.
pub const API_PORT: u16 = 7101;

/// Port of probes and metrics unless configured otherwise.
pub const OPS_PORT: u16 = 9101;

/// What the registry needs to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What every service needs to be told.
    #[serde(flatten)]
    pub common: CommonSettings,
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
            migrate_on_start: false,
        }
    }
}

impl config::Settings for Settings {
    fn common(&self) -> &CommonSettings {
        &self.common
    }
}
