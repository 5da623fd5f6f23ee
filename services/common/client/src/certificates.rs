//! What services show of themselves to whoever connects.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::settings::{ConnectError, Files, PATIENCE, Settings, Target};

/// What a replica shows.
#[derive(Debug)]
pub struct Shown {
    /// Where it is.
    pub replica: SocketAddr,
    /// Its certificates (DER), its own first; or why they are not believed, for example because one has expired.
    pub certificates: io::Result<Vec<Vec<u8>>>,
}

/// The certificates of the replicas at `https://HOST:PORT`, or at several such addresses with commas between them, by one
/// handshake with each, within five seconds. Nothing of replicas that cannot be reached, which calls tell, and of addresses
/// without TLS.
///
/// # Errors
/// If an address or a file cannot be used.
pub async fn certificates(urls: &str, settings: &Settings) -> Result<Vec<Shown>, ConnectError> {
    let targets = Target::parse_all(urls, settings)?;
    let connector = TlsConnector::from(Arc::new(config(&Files::read(settings)?, settings)?));
    let mut handshakes = JoinSet::new();
    for target in targets.into_iter().filter(|target| target.is_tls) {
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| ConnectError::Address(target.uri.to_string()))?;
        let found = timeout(PATIENCE, lookup_host((target.host.as_str(), target.port)));
        for replica in found.await.into_iter().flatten().flatten() {
            let (connector, name) = (connector.clone(), name.clone());
            handshakes.spawn(async move {
                timeout(PATIENCE, shown(&connector, name, replica))
                    .await
                    .ok()
                    .flatten()
            });
        }
    }
    let mut all: Vec<_> = handshakes.join_all().await.into_iter().flatten().collect();
    all.sort_by_key(|shown| shown.replica);
    Ok(all)
}

/// `None` if nobody is there.
async fn shown(
    connector: &TlsConnector,
    name: ServerName<'static>,
    replica: SocketAddr,
) -> Option<Shown> {
    let stream = TcpStream::connect(replica).await.ok()?;
    let shaken = connector.connect(name, stream).await;
    let certificates = match shaken {
        Ok(stream) => {
            let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
            Ok(shown.iter().map(|it| it.to_vec()).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(error),
        // It went away.
        Err(_) => return None,
    };
    Some(Shown {
        replica,
        certificates,
    })
}

/// As the channel's connections are made, which do not tell what they were shown: of the authorities those count that can
/// be read.
fn config(files: &Files, settings: &Settings) -> Result<ClientConfig, ConnectError> {
    let wrong = |path: &str, error: &dyn std::fmt::Display| ConnectError::File {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(ca) => {
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(ca).flatten());
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&settings.ca_file, &error))?
        .with_root_certificates(roots);
    let mut config = match &files.identity {
        Some((certificate, key)) => {
            let own = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>();
            let own = own.map_err(|error| wrong(&settings.certificate_file, &error))?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|error| wrong(&settings.key_file, &error))?;
            let known = builder.with_client_auth_cert(own, key);
            known.map_err(|error| wrong(&settings.key_file, &error))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
