//! What a client has to show, and whom it trusts.

use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, Uri};

/// After so long without a sign of life a replica is taken to be gone.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Largest file read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What a client has to show, and whom it trusts; every file may change while it is used. Empty texts: not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// File with the certificates (PEM) that vouch for the services; the public ones if empty.
    pub ca_file: String,
    /// File with the client's own certificate and what leads up to the authority (PEM), for services that demand one.
    pub certificate_file: String,
    /// File with the key of that certificate (PEM).
    pub key_file: String,
    /// File with a token that is sent with every call, as Kubernetes projects them for service accounts.
    pub token_file: String,
}

impl Settings {
    /// Whether a service at these addresses can be called so, as far as can be said without looking at files.
    ///
    /// # Errors
    /// If one is no address, or a token would be sent without TLS to another machine.
    pub fn check(&self, url: &str) -> Result<(), ConnectError> {
        Target::parse_all(url, self).map(drop)
    }
}

/// A client that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not an address of a service.
    #[error("`{0}` is not http://HOST:PORT or https://HOST:PORT")]
    Address(String),
    /// A token that anybody on the way could read.
    #[error("a token must not be sent to {0} without TLS: use https://")]
    PlaintextToken(String),
    /// A file cannot be used.
    #[error("cannot use {path}: {message}")]
    File {
        /// Which.
        path: String,
        /// Why.
        message: String,
    },
}

/// Where a service is.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
}

impl Target {
    /// Reads addresses with commas between them.
    pub(crate) fn parse_all(urls: &str, settings: &Settings) -> Result<Vec<Self>, ConnectError> {
        urls.split(',')
            .map(|url| Self::parse(url.trim(), settings))
            .collect()
    }

    fn parse(url: &str, settings: &Settings) -> Result<Self, ConnectError> {
        let wrong = || ConnectError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(wrong)?;
        // IPv6 addresses stand in brackets.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stays_here = host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        if !is_tls && !stays_here && !settings.token_file.is_empty() {
            return Err(ConnectError::PlaintextToken(host));
        }
        Ok(Self {
            uri,
            host,
            port,
            is_tls,
        })
    }
}

/// The contents of the files.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) token: Option<String>,
}

impl Files {
    pub(crate) fn read(settings: &Settings) -> Result<Self, ConnectError> {
        let certificate = read(&settings.certificate_file)?;
        let key = read(&settings.key_file)?;
        let token = read(&settings.token_file)?
            .map(|bytes| token(&settings.token_file, bytes))
            .transpose()?;
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(ConnectError::File {
                    path: format!("{}{}", settings.certificate_file, settings.key_file),
                    message: "a certificate and its key go together".to_owned(),
                });
            }
        };
        Ok(Self {
            ca: read(&settings.ca_file)?,
            identity,
            token,
        })
    }

    /// Whether connections made with `other` would differ from those made with these.
    pub(crate) fn connect_alike(&self, other: &Self) -> bool {
        self.ca == other.ca && self.identity == other.identity
    }

    pub(crate) fn tls(&self, host: &str) -> ClientTlsConfig {
        // Connecting ends with the handshake.
        let mut tls = ClientTlsConfig::new().domain_name(host).timeout(PATIENCE);
        tls = match &self.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
            None => tls.with_webpki_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        tls
    }
}

fn read(path: &str) -> Result<Option<Vec<u8>>, ConnectError> {
    if path.is_empty() {
        return Ok(None);
    }
    let wrong = |message: String| ConnectError::File {
        path: path.to_owned(),
        message,
    };
    let size = std::fs::metadata(Path::new(path))
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if size > MAX_FILE_BYTES {
        return Err(wrong(format!("has more than {MAX_FILE_BYTES} bytes")));
    }
    std::fs::read(path)
        .map(Some)
        .map_err(|error| wrong(error.to_string()))
}

fn token(path: &str, bytes: Vec<u8>) -> Result<String, ConnectError> {
    String::from_utf8(bytes)
        .ok()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(|| ConnectError::File {
            path: path.to_owned(),
            message: "does not hold a token".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token() -> Settings {
        Settings {
            token_file: "token".to_owned(),
            ..Settings::default()
        }
    }

    #[test]
    fn addresses_are_http_or_https_with_a_host() {
        let target = |url| Target::parse(url, &Settings::default());
        for url in ["", "scoring:7102", "ftp://scoring", "http://", "http:///x"] {
            assert!(
                matches!(target(url), Err(ConnectError::Address(_))),
                "{url}"
            );
        }
        let two = Target::parse_all("http://one:1, http://two:2", &Settings::default());
        assert_eq!(two.unwrap().len(), 2);
        let v6 = target("https://[::1]:7102").unwrap();
        assert_eq!((v6.host.as_str(), v6.port, v6.is_tls), ("::1", 7102, true));
        assert_eq!(target("https://scoring").unwrap().port, 443);
    }

    #[test]
    fn tokens_do_not_leave_the_machine_in_plaintext() {
        let target = |url| Target::parse(url, &with_token());
        assert!(matches!(
            target("http://scoring:7102"),
            Err(ConnectError::PlaintextToken(_))
        ));
        assert!(target("http://127.0.0.1:7102").is_ok());
        assert!(target("http://localhost:7102").is_ok());
        assert!(target("https://scoring:7102").is_ok());
    }
}
