//! Streams: each message counts, and the token has to hold.

use std::time::Duration;

use e2e::{
    authority::{Authority, CLUSTER, LOGIN, claims, now},
    service::Service,
    suite::patiently,
    wire::{call_with, reason},
};
use mahnwerk_proto::{
    common::v1::{
        ListSnapshotRequest, WatchRequest, WatchResponse, feed_service_client::FeedServiceClient,
    },
    registry::v1::{ImportLedgerRequest, import_service_client::ImportServiceClient},
};
use serde_json::json;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming, transport::Channel};

use crate::access::scene::{CREDITOR, Scene, method, naming};

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let scene = Scene::start(Service::Registry, "").await;
    let mut claims = claims(LOGIN, "somebody");
    claims["scope"] = json!("feed.change.read");
    claims["creditors"] = json!(["*"]);
    claims["exp"] = json!(now() + 2);
    let token = scene.access.login.token(&claims);
    let stream = watch(scene.channel(Service::Registry, None), Some(&token)).await;
    assert_expired(&end_of(stream).await);
}

#[tokio::test]
async fn a_stream_ends_with_its_certificate_and_so_does_its_connection() {
    let scene = Scene::start(Service::Registry, READER).await;
    let directory = scene.access.directory();
    let names = ["spiffe://example/reader"];
    let lasts = Duration::from_secs(4);
    let identity = scene
        .access
        .authority
        .write_for(lasts, directory, "reader", &names);
    let channel = scene.channel(Service::Registry, Some(&identity));
    let stream = watch(channel.clone(), None).await;
    assert_expired(&end_of(stream).await);
    let status = FeedServiceClient::new(channel)
        .list_snapshot(snapshot())
        .await
        .unwrap_err();
    assert_expired(&status);
}

#[tokio::test]
async fn a_connection_ends_with_its_authority_and_others_stay() {
    let scene = Scene::start(Service::Registry, READER).await;
    let (ours, theirs) = (&scene.access.authority, Authority::new("theirs"));
    let identity = |authority: &Authority, file| {
        let names = ["spiffe://example/reader"];
        let identity = authority.write(scene.access.directory(), file, &names);
        scene.channel(Service::Registry, Some(&identity))
    };
    let staying = watch(identity(ours, "staying"), None).await;
    let trust = |authorities: &[&Authority]| {
        let pem: String = authorities.iter().map(|it| it.pem()).collect();
        scene.access.write("ca.pem", &pem);
    };
    trust(&[ours, &theirs]);
    let leaving = identity(&theirs, "leaving");
    patiently(async || {
        let mut feed = FeedServiceClient::new(leaving.clone());
        let page = feed.list_snapshot(snapshot()).await;
        page.map_err(|_| Status::unavailable("not trusted"))
    })
    .await;
    let leaving = watch(leaving, None).await;
    trust(&[ours]);
    let ended = end_of(leaving).await;
    assert_ne!(ended.code(), Code::Unauthenticated, "{ended:?}");
    let stays = tokio::time::timeout(Duration::from_millis(500), end_of(staying)).await;
    assert!(stays.is_err(), "{stays:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_callers_that_are_changed_or_taken_out_of_the_table_end() {
    let scene = Scene::start(Service::Registry, &[READER, CLERK].concat()).await;
    let names = ["spiffe://example/reader"];
    let directory = scene.access.directory();
    let identity = scene.access.authority.write(directory, "reader", &names);
    let token = scene.access.cluster.token(&claims(CLUSTER, "clerk"));
    let by_certificate = watch(scene.channel(Service::Registry, Some(&identity)), None).await;
    let by_token = watch(scene.channel(Service::Registry, None), Some(&token)).await;
    let by_certificate = tokio::spawn(end_of(by_certificate));
    let by_token = tokio::spawn(end_of(by_token));

    // Somebody else is added, and one of them may do less.
    let other = READER.replace("reader", "other");
    let less = CLERK.replace("\"*\"]", "\"acme\"]");
    scene
        .access
        .write_table(&[READER, &less, other.as_str()].concat());
    assert_expired(&by_token.await.unwrap());
    assert!(!by_certificate.is_finished());

    scene.access.write_table(&less);
    assert_expired(&by_certificate.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_not_read_on_when_its_caller_is_taken_out_of_the_table() {
    let scene = Scene::start(Service::Registry, IMPORTER).await;
    let token = scene.access.cluster.token(&claims(CLUSTER, "importer"));
    let (sender, messages) = tokio::sync::mpsc::channel::<ImportLedgerRequest>(1);
    let channel = scene.channel(Service::Registry, None);
    let request = with_token(ReceiverStream::new(messages), Some(&token));
    let mut answers = ImportServiceClient::new(channel)
        .import_ledger(request)
        .await
        .unwrap()
        .into_inner();
    scene.access.write_table("");
    assert_expired(&answers.message().await.unwrap_err());
    // The transport lets go of what nobody reads.
    sender.closed().await;
}

/// Known by its certificate.
const READER: &str = r#"
    [[callers]]
    name = "reader"
    certificate = "spiffe://example/reader"
    scopes = ["feed.change.read"]
    creditors = ["*"]
"#;

/// Known by its token.
const CLERK: &str = r#"
    [[callers]]
    name = "clerk"
    issuer = "cluster"
    subject = "clerk"
    scopes = ["feed.change.read"]
    creditors = ["*"]
"#;

const IMPORTER: &str = r#"
    [[callers]]
    name = "importer"
    issuer = "cluster"
    subject = "importer"
    scopes = ["registry.import.write"]
    creditors = ["acme"]
"#;

fn with_token<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
    }
    request
}

fn snapshot() -> ListSnapshotRequest {
    ListSnapshotRequest {
        partitions: vec![0],
        ..ListSnapshotRequest::default()
    }
}

/// A stream of changes that is open.
async fn watch(channel: Channel, token: Option<&str>) -> Streaming<WatchResponse> {
    let mut feed = FeedServiceClient::new(channel);
    let page = feed.list_snapshot(with_token(snapshot(), token)).await;
    let request = WatchRequest {
        consumer: "test".to_owned(),
        partitions: vec![0],
        from: page.unwrap().into_inner().start,
    };
    let opened = feed.watch(with_token(request, token)).await;
    opened.unwrap().into_inner()
}

/// With what a stream ends.
async fn end_of(mut stream: Streaming<WatchResponse>) -> Status {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended without an error"),
            Err(status) => return status,
        }
    }
}

fn assert_expired(status: &Status) {
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert_eq!(reason(status), "CREDENTIALS_EXPIRED");
}

#[tokio::test]
async fn a_stream_that_turns_to_another_creditor_is_refused_there() {
    let scene = Scene::start(Service::Registry, "").await;
    let import = method("/ImportLedger");
    let token = scene.token("registry.import.write", &[CREDITOR]);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let channel = scene.channel(Service::Registry, None);
    let ours = naming(import, CREDITOR);
    let theirs = naming(import, "another");
    let refused = async |requests: Vec<Vec<u8>>| {
        let answer = call_with(&channel, &import.path, requests, usize::MAX, &headers).await;
        let status = answer.unwrap_err();
        (status.code(), reason(&status))
    };
    let not_allowed = (Code::PermissionDenied, "CREDITOR_NOT_ALLOWED".to_owned());
    assert_eq!(refused(vec![theirs.clone()]).await, not_allowed);
    assert_eq!(refused(vec![Vec::new(), ours.clone()]).await, not_allowed);
    let both = [ours.clone(), theirs.clone()].concat();
    assert_eq!(refused(vec![both]).await, not_allowed);
    // Alone it is refused for other reasons only.
    let (code, _) = refused(vec![ours]).await;
    assert_ne!(code, Code::PermissionDenied);
}
