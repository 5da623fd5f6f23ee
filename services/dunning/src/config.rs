//! Settings of dunning.

use std::net::{Ipv4Addr, SocketAddr};

use dunning_channel::{GuardConfig, Smtp, SmtpConfig};
use mahnwerk_runtime::{
    config::{self, ApiSettings, CommonSettings, OpsSettings},
    error::Violation,
};
use serde::{Deserialize, Serialize};

/// Port of the gRPC API unless configured otherwise.
pub const API_PORT: u16 = 7104;

/// Port of probes and metrics unless configured otherwise.
pub const OPS_PORT: u16 = 9104;

/// What dunning needs to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What every service needs to be told.
    #[serde(flatten)]
    pub common: CommonSettings,
    /// Where the registry is, `http(s)://HOST:PORT`: facts come from there, and commands go there.
    pub registry_url: String,
    /// Where scoring is, `http(s)://HOST:PORT`. Priorities of tasks come from there.
    pub scoring_url: String,
    /// Where segmentation is, `http(s)://HOST:PORT`. The treatment of debtors comes from there.
    pub segmentation_url: String,
    /// How the other services are called: whom to trust, and what to show.
    pub peers: mahnwerk_client::Settings,
    /// How often, in seconds, what is known of the other services is compared with their own state, and mended where it
    /// differs. 0: never.
    pub compare_every_s: u64,
    /// How notices leave.
    pub dispatch: DispatchSettings,
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
            segmentation_url: "http://127.0.0.1:7103".to_owned(),
            peers: mahnwerk_client::Settings::default(),
            compare_every_s: 24 * 60 * 60,
            dispatch: DispatchSettings::default(),
            migrate_on_start: false,
        }
    }
}

/// How notices leave. Without a mail server and a maildir e-mails wait; either way nothing leaves before a creditor's
/// dispatch is switched on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DispatchSettings {
    /// The mail server, if its host is set.
    pub smtp: SmtpConfig,
    /// A directory that gets the e-mails instead, for development; empty for none.
    pub maildir: String,
    /// Who gets e-mails.
    pub guard: GuardConfig,
    /// After how many seconds without an outcome an e-mail on its way is uncertain, 30 to 3,600. Too few: a slow mail
    /// server makes work for people.
    pub lease_s: u64,
}

impl Default for DispatchSettings {
    fn default() -> Self {
        Self {
            smtp: SmtpConfig::default(),
            maildir: String::new(),
            guard: GuardConfig::default(),
            lease_s: 360,
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
            ("segmentation_url", &self.segmentation_url),
        ] {
            if let Err(error) = self.peers.check(url) {
                violations.push(Violation::new(field, error.to_string()));
            }
        }
        let dispatch = &self.dispatch;
        if !(30..=3_600).contains(&dispatch.lease_s) {
            violations.push(Violation::new("dispatch.lease_s", "must be 30 to 3600"));
        }
        if dispatch.smtp.is_set() && !dispatch.maildir.is_empty() {
            let rule = "must be empty with a mail server";
            violations.push(Violation::new("dispatch.maildir", rule));
        }
        // Whoever set something of it wants one.
        if dispatch.smtp != SmtpConfig::default()
            && let Err(error) = Smtp::new(&dispatch.smtp)
        {
            violations.push(Violation::new("dispatch.smtp", error.to_string()));
        }
        violations
    }
}

#[cfg(test)]
mod tests {
    use mahnwerk_runtime::config::{ConfigError, load};

    use super::*;

    fn loaded(
        environment: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Settings, ConfigError> {
        let owned = |pairs: &[(&str, &str)], prefix: &str| {
            let pairs = pairs.iter();
            pairs
                .map(|(key, value)| (format!("{prefix}{key}"), (*value).to_owned()))
                .collect::<Vec<_>>()
        };
        let environment = owned(environment, "DUNNING__DISPATCH__SMTP__");
        let mut flags = owned(flags, "dispatch.smtp.");
        flags.push(("database.url".to_owned(), "sqlite::memory:".to_owned()));
        load("dunning", None, environment, &flags)
    }

    #[test]
    fn what_is_secret_of_the_mail_server_may_come_from_elsewhere() {
        let secret = [("USER", "dunning"), ("PASSWORD", "123456")];
        let flags = [
            ("host", "mail.example.com"),
            ("port", "465"),
            ("tls", "tls"),
        ];
        let smtp = loaded(&secret, &flags).unwrap().dispatch.smtp;
        assert_eq!((smtp.host.as_str(), smtp.port), ("mail.example.com", 465));
        assert_eq!(smtp.user.as_deref(), Some("dunning"));
        assert_eq!(smtp.password.as_deref(), Some("123456"));
    }

    #[test]
    fn whoever_sets_anything_of_a_mail_server_names_it() {
        assert!(!loaded(&[], &[]).unwrap().dispatch.smtp.is_set());
        let refused = loaded(&[("PORT", "25")], &[]).unwrap_err();
        let [problem] = refused.0.as_slice() else {
            panic!("{refused}");
        };
        assert_eq!(
            problem.to_string(),
            "dispatch.smtp: host must be a name or address"
        );
        let unknown = loaded(&[("HOSTS", "mail.example.com")], &[]).unwrap_err();
        assert!(
            unknown.to_string().contains("dispatch.smtp.hosts"),
            "{unknown}"
        );
    }
}
