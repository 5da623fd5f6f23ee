//! TLS of the API listener, with certificates that may change.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::files::{self, Contents};
use crate::{
    config::TlsSettings,
    error::{Error, Result},
};

/// Longest time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// Handshakes at once, a few KiB each; who comes later waits, so that they have to be many.
const MAX_HANDSHAKES: usize = 4_096;
/// Connections that wait to be served.
const MAX_WAITING: usize = 256;
/// Pause after a connection could not be accepted, for example because there are no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections whose handshake is done.
pub(super) type Incoming = ReceiverStream<io::Result<TlsStream<TcpStream>>>;

/// Accepts TLS connections until `stop`.
///
/// # Errors
/// If the certificate, its key or the authorities of clients cannot be used.
pub(super) fn listen(
    listener: TcpListener,
    settings: &TlsSettings,
    stop: CancellationToken,
) -> Result<Incoming> {
    let mut paths = vec![settings.certificate_file.clone(), settings.key_file.clone()];
    if !settings.client_ca_file.is_empty() {
        paths.push(settings.client_ca_file.clone());
    }
    let is_required = settings.client_certificate_required;
    let config = files::follow("certificates", paths, stop.clone(), move |contents| {
        config(contents, is_required)
    })?;
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    tokio::spawn(accept(listener, config, sender, stop));
    Ok(ReceiverStream::new(receiver))
}

async fn accept(
    listener: TcpListener,
    config: watch::Receiver<Arc<ServerConfig>>,
    accepted: mpsc::Sender<io::Result<TlsStream<TcpStream>>>,
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
        let acceptor = TlsAcceptor::from(config.borrow().clone());
        let accepted = accepted.clone();
        tokio::spawn(async move {
            let _place = place;
            // Only costs time if it fails.
            let _ = stream.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let _ = accepted.send(Ok(stream)).await;
                }
                // Scanners and probes do this all day.
                Ok(Err(error)) => tracing::debug!(error = %error, "no TLS handshake"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
        });
    }
}

fn config(contents: &Contents, is_required: bool) -> Result<ServerConfig> {
    let wrong = |error: &dyn std::fmt::Display| Error::internal(format!("TLS: {error}"));
    let [certificate, key, authorities @ ..] = contents.as_slice() else {
        return Err(wrong(&"neither certificate nor key"));
    };
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?;
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
            builder.with_client_cert_verifier(verifier.build().map_err(|error| wrong(&error))?)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong(&error))?;
    let mut config = builder
        .with_single_cert(certificates(certificate)?, key)
        .map_err(|error| wrong(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
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
