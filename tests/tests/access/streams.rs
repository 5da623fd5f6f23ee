//! Streams: each message counts, and the token has to hold.

use e2e::{
    authority::{LOGIN, claims, now},
    service::Service,
    wire::{call_with, reason},
};
use mahnwerk_proto::common::v1::{ListSnapshotRequest, ListSnapshotResponse, WatchRequest};
use prost::Message as _;
use serde_json::json;
use tonic::Code;

use crate::access::scene::{CREDITOR, Scene, method, naming};

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let scene = Scene::start(Service::Registry, "").await;
    let mut claims = claims(LOGIN, "somebody");
    claims["scope"] = json!("feed.change.read");
    claims["creditors"] = json!(["*"]);
    claims["exp"] = json!(now() + 2);
    let bearer = format!("Bearer {}", scene.access.login.token(&claims));
    let channel = scene.channel(Service::Registry, None);
    let headers = [("authorization", bearer.as_str())];
    let ask = ListSnapshotRequest {
        partitions: vec![0],
        ..ListSnapshotRequest::default()
    };
    let path = &method("/ListSnapshot").path;
    let pages = call_with(&channel, path, vec![ask.encode_to_vec()], 1, &headers).await;
    let page = ListSnapshotResponse::decode(pages.unwrap()[0].as_slice()).unwrap();
    let watch = WatchRequest {
        consumer: "test".to_owned(),
        partitions: vec![0],
        from: page.start,
    };
    let path = &method("/Watch").path;
    // Until it ends.
    let ended = call_with(
        &channel,
        path,
        vec![watch.encode_to_vec()],
        usize::MAX,
        &headers,
    )
    .await;
    let status = ended.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert_eq!(reason(&status), "CREDENTIALS_EXPIRED");
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
