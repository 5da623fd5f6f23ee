//! Fetches the keys that an issuer publishes.

use std::time::Duration;

use mahnwerk_access::{keys::MAX_KEY_SET_BYTES, table::Issuer};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::files::read_file;
use crate::error::{Error, Result};

/// Longest time for a fetch.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The key set behind an issuer's URL. It waits for the answer: call it on a thread of its own.
pub(super) fn fetch(issuer: &Issuer) -> Result<Vec<u8>> {
    let failed = |error: ureq::Error| Error::internal(format!("{}: {error}", issuer.jwks_url));
    let mut request = agent(issuer)?.get(&issuer.jwks_url);
    if !issuer.jwks_token_file.is_empty() {
        let token = read_file(&issuer.jwks_token_file)?;
        let token = String::from_utf8_lossy(&token);
        request = request.header("authorization", format!("Bearer {}", token.trim()));
    }
    let mut response = request.call().map_err(failed)?;
    let limit = u64::try_from(MAX_KEY_SET_BYTES).unwrap_or(u64::MAX);
    response
        .body_mut()
        .with_config()
        .limit(limit)
        .read_to_vec()
        .map_err(failed)
}

fn agent(issuer: &Issuer) -> Result<ureq::Agent> {
    let mut tls = TlsConfig::builder();
    if !issuer.jwks_ca_file.is_empty() {
        let pem = read_file(&issuer.jwks_ca_file)?;
        let roots: Vec<Certificate<'static>> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if roots.is_empty() {
            return Err(Error::internal(format!(
                "{}: no certificate",
                issuer.jwks_ca_file
            )));
        }
        tls = tls.root_certs(RootCerts::new_with_certs(&roots));
    }
    Ok(ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .https_only(true)
        .tls_config(tls.build())
        .build()
        .into())
}
