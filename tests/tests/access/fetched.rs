//! Keys that an issuer publishes over https, shown to who brings a token, as the API server of Kubernetes does it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use e2e::{
    authority::{AUDIENCE, Authority, Signer, claims},
    service::Service,
    suite::patiently,
    wire::reason,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tonic::{Code, Status};

use crate::access::{
    changes::let_in,
    scene::{CREDITOR, Scene, call, method, naming},
};

/// The claim `iss` of its tokens.
const REMOTE: &str = "https://remote.example";

/// A web server with one page.
struct Publisher {
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
    address: SocketAddr,
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

/// A publisher, and what to write into the table about it.
struct Far {
    publisher: Publisher,
    first: Signer,
    table: String,
    _home: TempDir,
}

async fn far() -> Far {
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
    Far {
        publisher,
        first,
        table,
        _home: home,
    }
}

/// An issuer with its keys at an address.
fn issuer(name: &str, address: SocketAddr) -> String {
    format!(
        r#"
        [[issuers]]
        name = "{name}"
        issuer = "https://{name}.example"
        audiences = ["{AUDIENCE}"]
        jwks_url = "https://{address}/keys"
        scopes_claim = "scope"
        creditors_claim = "creditors"
        "#
    )
}

/// What the registry says of its readiness.
async fn readiness(scene: &Scene) -> String {
    let mut stream = TcpStream::connect(scene.running[0].ops).await.unwrap();
    let request = "GET /readyz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_keeps_nobody_else_waiting() {
    // Connections are made, and nothing is ever said on them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let far = far().await;
    let table = [
        issuer("silent", address),
        issuer("mute", address),
        far.table.clone(),
    ]
    .concat();
    let scene = Scene::start(Service::Registry, &table).await;
    let token = far.first.token(&claims(REMOTE, "far"));
    patiently(async || let_in(&scene, &token).await).await;
    // Given up after ten seconds: until then, nobody knows.
    let seen = readiness(&scene).await;
    assert!(seen.starts_with("HTTP/1.1 503"), "{seen}");
    assert!(
        seen.contains("waiting for the keys of these issuers: silent, mute"),
        "{seen}"
    );
    let token = Signer::new("any").token(&claims("https://silent.example", "somebody"));
    let get = method("/GetCreditor");
    let channel = scene.channel(Service::Registry, None);
    let refused = call(&channel, get, naming(get, CREDITOR), Some(&token)).await;
    let status = refused.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(reason(&status), "KEYS_MISSING");
}

#[tokio::test]
async fn a_service_without_the_keys_of_an_issuer_is_ready_and_says_so() {
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let scene = Scene::start(Service::Registry, &issuer("gone", address)).await;
    let seen = patiently(async || {
        let seen = readiness(&scene).await;
        if seen.starts_with("HTTP/1.1 200") {
            Ok(seen)
        } else {
            Err(Status::unavailable(seen))
        }
    })
    .await;
    assert!(seen.contains("could not be had: gone"), "{seen}");
}

#[tokio::test]
async fn keys_are_fetched_and_missing_ones_at_a_limited_rate() {
    let far = far().await;
    let Far {
        publisher, first, ..
    } = &far;
    let scene = Scene::start(Service::Registry, &far.table).await;
    let token = first.token(&claims(REMOTE, "far"));
    patiently(async || let_in(&scene, &token).await).await;
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
