//! Keys that an issuer publishes over https, shown to who brings a token, as the API server of Kubernetes does it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use e2e::{
    authority::{AUDIENCE, Authority, Signer, claims},
    service::Service,
    suite::patiently,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tonic::Status;

use crate::access::{changes::let_in, scene::Scene};

/// The claim `iss` of its tokens.
const REMOTE: &str = "https://remote.example";

/// A web server with one page.
struct Publisher {
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
    address: std::net::SocketAddr,
}

impl Publisher {
    async fn start(config: ServerConfig, key: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let publisher = Self {
            keys: Arc::new(Mutex::new(vec![key])),
            asked: Arc::default(),
            address: listener.local_addr().unwrap(),
        };
        let (keys, asked) = (publisher.keys.clone(), publisher.asked.clone());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                asked.fetch_add(1, Ordering::Relaxed);
                let request = String::from_utf8(request).unwrap().to_lowercase();
                let is_known = request.contains("authorization: bearer reader\r\n");
                let body = json!({"keys": *keys.lock().unwrap()}).to_string();
                let status = if is_known {
                    "200 OK"
                } else {
                    "401 Unauthorized"
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                // The client may have closed first.
                let _ = stream.shutdown().await;
            }
        });
        publisher
    }
}

#[tokio::test]
async fn keys_are_fetched_and_missing_ones_at_a_limited_rate() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new("keys");
    let identity = authority.write(home.path(), "keys", &["127.0.0.1"]);
    let pem = |path| std::fs::read(path).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(&pem(identity.certificate)).unwrap()],
            PrivateKeyDer::from_pem_slice(&pem(identity.key)).unwrap(),
        )
        .unwrap();
    let first = Signer::new("remote-1");
    let publisher = Publisher::start(config, first.jwk()).await;
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ca, reader) = (file("ca.pem", &authority.pem()), file("reader", "reader\n"));
    let address = publisher.address;
    let table = format!(
        r#"
        [[callers]]
        name = "far"
        issuer = "remote"
        subject = "far"
        scopes = ["registry.creditor.read"]
        creditors = ["*"]

        [[issuers]]
        name = "remote"
        issuer = "{REMOTE}"
        audiences = ["{AUDIENCE}"]
        jwks_url = "https://{address}/keys"
        jwks_ca_file = "{ca}"
        jwks_token_file = "{reader}"
        "#
    );
    let scene = Scene::start(Service::Registry, &table).await;
    let_in(&scene, &first.token(&claims(REMOTE, "far")))
        .await
        .unwrap();
    assert_eq!(publisher.asked.load(Ordering::Relaxed), 1);

    let next = Signer::new("remote-2");
    publisher.keys.lock().unwrap().push(next.jwk());
    let tries = AtomicUsize::new(0);
    let token = next.token(&claims(REMOTE, "far"));
    patiently(async || {
        tries.fetch_add(1, Ordering::Relaxed);
        let_in(&scene, &token)
            .await
            .map_err(|_| Status::unavailable("not yet"))
    })
    .await;
    let asked = publisher.asked.load(Ordering::Relaxed);
    println!("{} tries, keys fetched {asked} times", tries.into_inner());
    assert_eq!(asked, 2);
}
