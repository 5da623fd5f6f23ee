//! Settings of a mail server.

use std::fmt;
use std::path::PathBuf;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How a mail server is reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    /// Name or address; certificates are checked against it. Empty: there is no mail server.
    pub host: String,
    /// 1 to 65,535; by custom 587 for `starttls`, 465 for `tls`, 25 for `none`.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// PEM file with certificates that are trusted beside the usual roots.
    pub ca_file: Option<PathBuf>,
    /// Who logs in; nobody without it.
    pub user: Option<String>,
    /// Needs a user, and TLS unless the server is on this machine.
    pub password: Option<String>,
    /// Seconds to wait for a connection, and for each answer; 1 to 600.
    pub timeout_seconds: u64,
    /// Most connections at the same time, which is also the most messages that a crash can make uncertain; 1 to 64.
    pub connections: u16,
    /// What we call ourselves; `localhost` without it.
    pub hello_name: Option<String>,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            tls: Tls::Starttls,
            ca_file: None,
            user: None,
            password: None,
            timeout_seconds: 60,
            connections: 8,
            hello_name: None,
        }
    }
}

/// How a connection is protected. There is no "if the server can": who is in between could say that it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all.
    None,
    /// It must turn to TLS before anything is said.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SmtpError {
    /// A value is out of its range.
    #[error("{field} {rule}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// The certificates cannot be used: the file cannot be read, or holds none.
    #[error("certificates cannot be used: {0}")]
    Certificates(String),
}

/// Everything but the password.
impl fmt::Debug for SmtpConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SmtpConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("ca_file", &self.ca_file)
            .field("user", &self.user)
            .field("timeout_seconds", &self.timeout_seconds)
            .field("connections", &self.connections)
            .field("hello_name", &self.hello_name)
            .finish_non_exhaustive()
    }
}

impl SmtpConfig {
    /// Whether there is a mail server.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.host.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), SmtpError> {
        let invalid = |field, rule| Err(SmtpError::Invalid { field, rule });
        let is_name = |name: &str| {
            let bad = |sign: char| sign.is_control() || sign.is_whitespace();
            !name.is_empty() && !name.contains(bad)
        };
        if !is_name(&self.host) {
            return invalid("host", "must be a name or address");
        }
        if self.port == 0 {
            return invalid("port", "must be 1 to 65535");
        }
        if !(1..=600).contains(&self.timeout_seconds) {
            return invalid("timeout_seconds", "must be 1 to 600");
        }
        if !(1..=64).contains(&self.connections) {
            return invalid("connections", "must be 1 to 64");
        }
        if self
            .hello_name
            .as_deref()
            .is_some_and(|name| !is_name(name))
        {
            return invalid("hello_name", "must be a name");
        }
        if self.password.is_some() != self.user.is_some() {
            return invalid("password", "and user need each other");
        }
        let local = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if self.user.is_some() && self.tls == Tls::None && !local {
            return invalid("tls", "must be starttls or tls if a password is sent");
        }
        Ok(())
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        let (user, password) = (self.user.clone()?, self.password.clone()?);
        Some(Credentials::new(user, password))
    }

    /// `None` without TLS.
    pub(super) fn tls_parameters(&self) -> Result<Option<TlsParameters>, SmtpError> {
        if self.tls == Tls::None {
            return Ok(None);
        }
        let mut builder = TlsParametersBuilder::new(self.host.clone())
            .certificate_store(CertificateStore::WebpkiRoots);
        if let Some(file) = &self.ca_file {
            let unusable = |reason: String| SmtpError::Certificates(format!("ca_file: {reason}"));
            let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
            if !pem
                .windows(27)
                .any(|part| part == b"-----BEGIN CERTIFICATE-----")
            {
                return Err(unusable("no certificate in it".to_owned()));
            }
            let certificate =
                Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
            builder = builder.add_root_certificate(certificate);
        }
        let built = builder.build();
        built
            .map(Some)
            .map_err(|error| SmtpError::Certificates(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> SmtpConfig {
        SmtpConfig {
            host: "localhost".to_owned(),
            ..SmtpConfig::default()
        }
    }

    fn refused(change: fn(&mut SmtpConfig)) -> String {
        let mut config = local();
        change(&mut config);
        crate::Smtp::new(&config)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn unusable_settings_are_named() {
        assert_eq!(refused(|_| {}), "");
        assert_eq!(
            refused(|it| it.host.clear()),
            "host must be a name or address"
        );
        assert_eq!(
            refused(|it| it.host = "a b".into()),
            "host must be a name or address"
        );
        assert_eq!(refused(|it| it.port = 0), "port must be 1 to 65535");
        assert_eq!(
            refused(|it| it.timeout_seconds = 0),
            "timeout_seconds must be 1 to 600"
        );
        assert_eq!(
            refused(|it| it.connections = 65),
            "connections must be 1 to 64"
        );
        assert_eq!(
            refused(|it| it.hello_name = Some("x\r\n".into())),
            "hello_name must be a name"
        );
        assert_eq!(
            refused(|it| it.user = Some("u".into())),
            "password and user need each other"
        );
    }

    #[test]
    fn a_password_never_crosses_the_network_in_the_clear_and_is_never_printed() {
        let open = |it: &mut SmtpConfig| {
            (it.user, it.password) = (Some("u".into()), Some("s3cret".into()));
            it.tls = Tls::None;
        };
        let mut config = local();
        open(&mut config);
        assert!(crate::Smtp::new(&config).is_ok(), "on this machine");
        assert!(!format!("{config:?}").contains("s3cret"));
        config.host = "mail.example.com".into();
        let error = crate::Smtp::new(&config)
            .err()
            .map(|error| error.to_string());
        assert_eq!(
            error.unwrap(),
            "tls must be starttls or tls if a password is sent"
        );
        config.tls = Tls::Tls;
        assert!(crate::Smtp::new(&config).is_ok());
    }

    #[test]
    fn a_file_without_certificates_is_an_error_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        let mut config = SmtpConfig {
            ca_file: Some(file.clone()),
            ..local()
        };
        let unusable = |config: &SmtpConfig| {
            matches!(
                crate::Smtp::new(config).err(),
                Some(SmtpError::Certificates(_))
            )
        };
        assert!(unusable(&config), "no file");
        std::fs::write(&file, "nothing").unwrap();
        assert!(unusable(&config), "no certificate");
        std::fs::write(
            &file,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        assert!(unusable(&config), "no real certificate");
        config.tls = Tls::None;
        assert!(crate::Smtp::new(&config).is_ok(), "not asked");
    }
}
