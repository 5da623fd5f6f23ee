//! TLS of the API listener, with certificates that may change.

use std::{future::pending, io, sync::Arc, time::Duration};

use mahnwerk_access::certificate::first_end;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{
    connection::{ACCEPT_PAUSE, Connection},
    files::{self, Contents},
};
use crate::{
    clock::{Clock as _, SystemClock},
    config::TlsSettings,
    error::{Error, Result},
    telemetry::{self, KeyValue, names},
};

/// Longest time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// Handshakes at once, a few KiB each; who comes later waits, so that they have to be many.
const MAX_HANDSHAKES: usize = 4_096;
/// Connections that wait to be served.
const MAX_WAITING: usize = 256;

/// A connection whose handshake is done.
type Accepted = Connection<TlsStream<TcpStream>>;

/// Such connections, as they come.
pub(super) type Incoming = ReceiverStream<io::Result<Accepted>>;

/// With what hands are shaken.
struct Served {
    config: Arc<ServerConfig>,
    /// Of the certificates of clients.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Until when the certificate and those that vouch for it are good, in seconds since 1970.
    until: Option<u64>,
}

/// As it changes.
type Current = watch::Receiver<Arc<Served>>;

/// Accepts TLS connections of a service until `stop`.
///
/// # Errors
/// If the certificate, its key or the authorities of clients cannot be used.
pub(super) async fn listen(
    service: &'static str,
    listener: TcpListener,
    settings: &TlsSettings,
    stop: CancellationToken,
) -> Result<Incoming> {
    let mut paths = vec![settings.certificate_file.clone(), settings.key_file.clone()];
    if !settings.client_ca_file.is_empty() {
        paths.push(settings.client_ca_file.clone());
    }
    let is_required = settings.client_certificate_required;
    let source = files::Files::new(paths, move |contents| served(contents, is_required));
    let current = files::follow("certificates", source, Arc::default(), stop.clone()).await?;
    let current = Arc::new(current);
    tell_expiry(service, &current);
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    tokio::spawn(accept(listener, current, sender, stop));
    Ok(ReceiverStream::new(receiver))
}

/// Tells for how long the certificate in use is good, while `current` is held.
fn tell_expiry(service: &'static str, current: &Arc<Current>) {
    let label = KeyValue::new(names::SERVICE, service);
    telemetry::observe(&names::CERTIFICATE_LEFT, current, move |current, tell| {
        if let Some(until) = current.borrow().until {
            let until = i64::try_from(until).unwrap_or(i64::MAX);
            let left = until.saturating_sub(SystemClock.now() / 1_000_000);
            // In 68 years somebody will have to renew it.
            let left = i32::try_from(left).unwrap_or(i32::MAX);
            tell(f64::from(left), std::slice::from_ref(&label));
        }
    });
}

async fn accept(
    listener: TcpListener,
    current: Arc<Current>,
    accepted: mpsc::Sender<io::Result<Accepted>>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let connection = tokio::select! {
            () = stop.cancelled() => return,
            () = accepted.closed() => return,
            connection = listener.accept() => connection,
        };
        let stream = match connection {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(error = %error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = tokio::select! {
            () = stop.cancelled() => return,
            place = places.clone().acquire_owned() => place,
        };
        let Ok(place) = place else {
            return;
        };
        let (current, accepted) = (current.clone(), accepted.clone());
        tokio::spawn(async move {
            let _place = place;
            // Only costs time if it fails.
            let _ = stream.set_nodelay(true);
            let acceptor = TlsAcceptor::from(current.borrow().config.clone());
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let _ = accepted.send(Ok(watched(stream, &current))).await;
                }
                // Scanners and probes do this all day.
                Ok(Err(error)) => tracing::debug!(error = %error, "no TLS handshake"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
        });
    }
}

/// Cuts the connection when the authorities change so that its certificate would not be let in any more.
fn watched(stream: TlsStream<TcpStream>, current: &Current) -> Accepted {
    let shown = stream.get_ref().1.peer_certificates();
    let shown: Vec<_> = shown
        .unwrap_or_default()
        .iter()
        .map(|it| it.clone().into_owned())
        .collect();
    if shown.is_empty() {
        return Connection::new(stream);
    }
    // It has not seen any change since the start: one that came during the handshake is not missed.
    let (cut, mut current) = (CancellationToken::new(), current.clone());
    let is_cut = cut.clone();
    let watching = async move {
        while current.changed().await.is_ok() {
            let verifier = current.borrow_and_update().verifier.clone();
            if !verifier.is_some_and(|verifier| is_let_in(&*verifier, &shown)) {
                tracing::info!("a connection is cut: its certificate is not trusted any more");
                return;
            }
        }
        // Nothing is read any more: the service stops.
        pending().await
    };
    tokio::spawn(async move {
        cut.run_until_cancelled(watching).await;
        cut.cancel();
    });
    Connection::new(stream).until(is_cut)
}

fn is_let_in(verifier: &dyn ClientCertVerifier, shown: &[CertificateDer<'_>]) -> bool {
    let now = UnixTime::now();
    shown.split_first().is_some_and(|(own, others)| {
        let verified = verifier.verify_client_cert(own, others, now);
        verified.is_ok()
    })
}

fn served(contents: &Contents, is_required: bool) -> Result<Served> {
    let wrong = |error: &dyn std::fmt::Display| Error::internal(format!("TLS: {error}"));
    let [certificate, key, authorities @ ..] = contents.as_slice() else {
        return Err(wrong(&"neither certificate nor key"));
    };
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?;
    let mut known = None;
    let builder = match authorities.first() {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(pem)? {
                roots.add(authority).map_err(|error| wrong(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = if is_required {
                verifier
            } else {
                verifier.allow_unauthenticated()
            };
            let verifier = verifier.build().map_err(|error| wrong(&error))?;
            known = Some(verifier.clone());
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong(&error))?;
    let shown = certificates(certificate)?;
    let now = u64::try_from(SystemClock.now() / 1_000_000).unwrap_or(0);
    let until = first_end(shown.iter().map(AsRef::as_ref), now);
    let mut config = builder
        .with_single_cert(shown, key)
        .map_err(|error| wrong(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Served {
        config: Arc::new(config),
        verifier: known,
        until,
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::internal(format!("TLS: {error}")))?;
    if found.is_empty() {
        return Err(Error::internal("TLS: a file holds no certificate"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn what_expires_first_of_what_is_shown_counts() {
        let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(2040, 1, 1);
        let authority = params.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(params, authority_key);
        let until = |year| {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 1, 1);
            let own = params.signed_by(&key, &issuer).unwrap();
            let shown = format!("{}{}", own.pem(), authority.pem());
            let contents = vec![shown.into_bytes(), key.serialize_pem().into_bytes()];
            served(&contents, false).unwrap().until
        };
        let expected = |year| u64::try_from(date_time_ymd(year, 1, 1).unix_timestamp()).ok();
        assert_eq!(until(2030), expected(2030));
        assert_eq!(until(2050), expected(2040));
    }
}
