//! Settings: what every service has in common, and how they are read.

mod load;
mod redact;

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use crate::db::DatabaseSettings;
use crate::error::Violation;
pub use load::{ConfigError, Problem, load, process_environment};
pub use redact::redacted;

/// Exit code of a program whose configuration is wrong (`EX_USAGE`).
pub const EXIT_BAD_CONFIG: u8 = 64;

/// The settings of a service. Every struct in it has `#[serde(default)]`; the common ones are fields with the names
/// `api`, `ops`, `database`, `log` and `shutdown`, best by `#[serde(flatten)]` of [`CommonSettings`].
pub trait Settings: Serialize + DeserializeOwned + Default + Send + 'static {
    /// The settings every service has.
    fn common(&self) -> &CommonSettings;

    /// Everything that is wrong with the values, the common ones included.
    fn validate(&self) -> Vec<Violation> {
        self.common().validate()
    }
}

/// What every service needs to be told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CommonSettings {
    /// The gRPC listener.
    pub api: ApiSettings,
    /// The listener for probes and metrics.
    pub ops: OpsSettings,
    /// The database.
    pub database: DatabaseSettings,
    /// The log.
    pub log: LogSettings,
    /// The change feeds.
    pub feed: FeedSettings,
    /// How to stop.
    pub shutdown: ShutdownSettings,
}

impl Settings for CommonSettings {
    fn common(&self) -> &CommonSettings {
        self
    }

    fn validate(&self) -> Vec<Violation> {
        Self::validate(self)
    }
}

/// The gRPC listener.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiSettings {
    /// Address. Port 0 takes a free one. Beyond loopback it needs `api.tls` and `api.access_file`.
    pub listen: SocketAddr,
    /// TLS.
    pub tls: TlsSettings,
    /// File that names issuers of tokens and callers (TOML; see `mahnwerk_access::table`), read again when it changes.
    /// Empty: everybody who can connect may call everything.
    pub access_file: String,
    /// **For development only.** Listens beyond loopback although there is no TLS or no table of callers.
    pub unprotected: bool,
    /// After how many seconds a connection is told to end and be made anew, 0 to 86,400, so that calls spread over new
    /// replicas behind balancers that count connections; what runs on it goes on. 0: never.
    pub max_connection_age_s: u64,
    /// Largest message received, in bytes, 64 KiB to 64 MiB.
    pub max_message_bytes: usize,
    /// Unary calls worked on at once, and as many streams, 1 to 100,000; what is above is refused with
    /// `RESOURCE_EXHAUSTED`. Too few: refusals under load. Too many: everything gets slow before anything is refused.
    pub max_concurrent_requests: usize,
    /// Longest time for a unary call, in seconds, 1 to 86,400; a caller that asks for more gets this. Longer: callers that
    /// send slowly, or not at all, keep places of [`Self::max_concurrent_requests`] for longer.
    pub max_deadline_s: u64,
    /// Whether the server describes itself (gRPC reflection).
    pub reflection: bool,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: TlsSettings::default(),
            access_file: String::new(),
            unprotected: false,
            max_connection_age_s: 300,
            max_message_bytes: crate::server::MAX_MESSAGE_BYTES,
            max_concurrent_requests: 1_024,
            max_deadline_s: 600,
            reflection: false,
        }
    }
}

/// TLS of the gRPC listener. The files are read again when they change; empty: not set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsSettings {
    /// File with the certificate and what leads up to the authority (PEM). Empty: no TLS.
    pub certificate_file: String,
    /// File with its key (PEM).
    pub key_file: String,
    /// File with the certificates (PEM) of the authorities whose clients are believed. Empty: clients are not asked.
    pub client_ca_file: String,
    /// Whether clients without a certificate are turned away, even with a token.
    pub client_certificate_required: bool,
}

impl TlsSettings {
    /// Whether there is TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.certificate_file.is_empty()
    }

    fn validate(&self, wrong: &mut Vec<Violation>) {
        if self.certificate_file.is_empty() != self.key_file.is_empty() {
            let rule = "a certificate and its key go together";
            wrong.push(Violation::new("api.tls.key_file", rule));
        }
        if !self.client_ca_file.is_empty() && !self.is_on() {
            let rule = "needs `api.tls.certificate_file`";
            wrong.push(Violation::new("api.tls.client_ca_file", rule));
        }
        if self.client_certificate_required && self.client_ca_file.is_empty() {
            let rule = "needs `api.tls.client_ca_file`";
            wrong.push(Violation::new("api.tls.client_certificate_required", rule));
        }
    }
}

impl ApiSettings {
    /// Why the listener would not be safe, if so: callers beyond this machine need TLS and a table of callers, and tokens
    /// must not travel where others can read them.
    #[must_use]
    pub fn danger(&self) -> Option<Violation> {
        if self.listen.ip().is_loopback() || self.unprotected {
            return None;
        }
        let mut missing = Vec::new();
        if !self.tls.is_on() {
            missing.push("`api.tls.certificate_file` and `api.tls.key_file`");
        }
        if self.access_file.is_empty() {
            missing.push("`api.access_file`");
        }
        (!missing.is_empty()).then(|| {
            Violation::new(
                "api.listen",
                format!(
                    "{} is not a loopback address, and others than this machine's users could call: set {}, or use \
                     127.0.0.1 or [::1]; `api.unprotected` is for development only",
                    self.listen,
                    missing.join(" and ")
                ),
            )
        })
    }
}

/// The plaintext listener for probes and metrics.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct OpsSettings {
    /// Address; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for OpsSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// The log, which goes to standard error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSettings {
    /// What is logged, for example `info` or `info,mahnwerk_feed=debug`. Libraries never say more than info.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Json,
        }
    }
}

/// The change feeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedSettings {
    /// How late, in milliseconds, a position that moved without changes is told and stored, 1 to 1,000. Shorter: reads
    /// with a consistency token wait less, and positions are written more often.
    pub bookmark_ms: u64,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self { bookmark_ms: 100 }
    }
}

/// How to stop.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ShutdownSettings {
    /// From "not ready" to "accepts no connection", in milliseconds, at most 60,000: as long as load balancers need
    /// to notice. Too short: callers meet a closed port.
    pub drain_delay_ms: u64,
    /// Longest time after that, in milliseconds, at most 600,000, for calls to end, and for what the background has begun, but
    /// at least two seconds for the latter. Too short for dunning: messages handed over to the mail server become uncertain.
    pub grace_ms: u64,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self {
            drain_delay_ms: 0,
            grace_ms: 20_000,
        }
    }
}

impl CommonSettings {
    /// Everything that is wrong with the values.
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        let mut wrong = Vec::new();
        wrong.extend(self.api.danger());
        self.api.tls.validate(&mut wrong);
        let mut within = |key: &str, value: u64, range: std::ops::RangeInclusive<u64>| {
            if !range.contains(&value) {
                let (low, high) = range.into_inner();
                wrong.push(Violation::new(key, format!("must be {low} to {high}")));
            }
        };
        let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        within(
            "api.max_message_bytes",
            size(self.api.max_message_bytes),
            65_536..=67_108_864,
        );
        within(
            "api.max_concurrent_requests",
            size(self.api.max_concurrent_requests),
            1..=100_000,
        );
        within("api.max_deadline_s", self.api.max_deadline_s, 1..=86_400);
        within(
            "api.max_connection_age_s",
            self.api.max_connection_age_s,
            0..=86_400,
        );
        within(
            "database.max_connections",
            u64::from(self.database.max_connections),
            2..=500,
        );
        within(
            "database.acquire_timeout_ms",
            self.database.acquire_timeout_ms,
            10..=60_000,
        );
        within(
            "shutdown.drain_delay_ms",
            self.shutdown.drain_delay_ms,
            0..=60_000,
        );
        within("shutdown.grace_ms", self.shutdown.grace_ms, 0..=600_000);
        within("feed.bookmark_ms", self.feed.bookmark_ms, 1..=1_000);
        if !["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|scheme| self.database.url.starts_with(scheme))
        {
            wrong.push(Violation::new(
                "database.url",
                "must be sqlite://FILE?mode=rwc or postgres://USER:PASSWORD@HOST/DATABASE",
            ));
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.filter) {
            wrong.push(Violation::new("log.filter", error.to_string()));
        }
        wrong
    }
}

#[cfg(test)]
mod tests;
