//! What services show of themselves to whoever connects.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::settings::{ConnectError, Files, PATIENCE, Settings, Target};

/// What a replica shows.
#[derive(Debug)]
pub struct Shown {
    /// Where it is.
    pub replica: SocketAddr,
    /// Its certificates (DER), its own first; or why it is not connected, for example because one has expired.
    pub certificates: io::Result<Vec<Vec<u8>>>,
}

/// The certificates of all replicas at `https://HOST:PORT`, or at several such addresses with commas between them, by one
/// handshake with each. Nothing for addresses without TLS, or whose name is not known.
///
/// # Errors
/// If an address or a file cannot be used.
pub async fn certificates(urls: &str, settings: &Settings) -> Result<Vec<Shown>, ConnectError> {
    let targets = Target::parse_all(urls, settings)?;
    let files = Files::read(settings)?;
    let mut all = Vec::new();
    for target in targets.iter().filter(|target| target.is_tls) {
        let connector = TlsConnector::from(Arc::new(config(&files, settings)?));
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| ConnectError::Address(target.uri.to_string()))?;
        let Ok(replicas) = lookup_host((target.host.as_str(), target.port)).await else {
            continue;
        };
        for replica in replicas {
            let shaken = handshake(&connector, name.clone(), replica);
            let certificates = match tokio::time::timeout(PATIENCE, shaken).await {
                Ok(found) => found,
                Err(late) => Err(late.into()),
            };
            all.push(Shown {
                replica,
                certificates,
            });
        }
    }
    Ok(all)
}

async fn handshake(
    connector: &TlsConnector,
    name: ServerName<'static>,
    replica: SocketAddr,
) -> io::Result<Vec<Vec<u8>>> {
    let stream = connector
        .connect(name, TcpStream::connect(replica).await?)
        .await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(shown.iter().map(|it| it.to_vec()).collect())
}

/// As the channel's own connections are made, which do not tell what they were shown.
fn config(files: &Files, settings: &Settings) -> Result<ClientConfig, ConnectError> {
    let wrong = |path: &str, error: &dyn std::fmt::Display| ConnectError::File {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(ca) => {
            for authority in CertificateDer::pem_slice_iter(ca) {
                let authority = authority.map_err(|error| wrong(&settings.ca_file, &error))?;
                let added = roots.add(authority);
                added.map_err(|error| wrong(&settings.ca_file, &error))?;
            }
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
