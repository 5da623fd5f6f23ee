//! Keys, certificates, the table and limits change while services run.

use std::time::Duration;

use e2e::{
    authority::{Authority, LOGIN, Signer, claims, now},
    service::Service,
    suite::patiently,
    wire::reason,
};
use mahnwerk_access::certificate::not_after;
use serde_json::{Value, json};
use tonic::{
    Code, Status,
    transport::{Certificate, ClientTlsConfig, Endpoint},
};
use tonic_types::StatusExt as _;

use crate::access::scene::{CREDITOR, Scene, call, method, naming};

fn everything() -> Value {
    let mut claims = claims(LOGIN, "somebody");
    claims["scope"] = json!("*");
    claims["creditors"] = json!(["*"]);
    claims
}

/// Calls `GetCreditor`: `Ok` if it was let in, "come again" if it was refused for who called.
pub async fn let_in(scene: &Scene, token: &str) -> Result<(), Status> {
    let get = method("/GetCreditor");
    let channel = scene.channel(Service::Registry, None);
    match call(&channel, get, naming(get, CREDITOR), Some(token)).await {
        Err(status) if status.code() == Code::NotFound => Ok(()),
        Err(status) => Err(Status::unavailable(format!("{status:?}"))),
        Ok(()) => Ok(()),
    }
}

#[tokio::test]
async fn new_keys_are_taken_and_old_ones_end() {
    let scene = Scene::start(Service::Registry, "").await;
    let old = scene.access.login.token(&everything());
    let_in(&scene, &old).await.unwrap();
    let next = Signer::new("login-2");
    let new = next.token(&everything());
    let_in(&scene, &new).await.unwrap_err();
    // What is no key set changes nothing.
    scene.access.write("login.jwks", "{");
    let_in(&scene, &old).await.unwrap();
    scene
        .access
        .publish("login", &[scene.access.login.jwk(), next.jwk()]);
    patiently(async || let_in(&scene, &new).await).await;
    let_in(&scene, &old).await.unwrap();
    scene.access.publish("login", &[next.jwk()]);
    // Also those that were found to be good before.
    patiently(async || match let_in(&scene, &old).await {
        Err(_) => Ok(()),
        Ok(()) => Err(Status::unavailable("still")),
    })
    .await;
    let_in(&scene, &new).await.unwrap();
}

#[tokio::test]
async fn the_table_of_callers_is_read_again() {
    let scene = Scene::start(Service::Registry, "").await;
    let token = scene
        .access
        .cluster
        .token(&claims(e2e::authority::CLUSTER, "shop"));
    let_in(&scene, &token).await.unwrap_err();
    scene.access.write_table(
        r#"
        [[callers]]
        name = "shop"
        issuer = "cluster"
        subject = "shop"
        scopes = ["registry.creditor.read"]
        creditors = ["acme"]
        "#,
    );
    patiently(async || let_in(&scene, &token).await).await;
    // A table that cannot be read leaves the one that was.
    scene.access.write("access.toml", "[[callers]]");
    scene.access.publish("login", &[Signer::new("other").jwk()]);
    let gone = scene.access.login.token(&everything());
    patiently(async || match let_in(&scene, &gone).await {
        Err(_) => Ok(()),
        Ok(()) => Err(Status::unavailable("still")),
    })
    .await;
    let_in(&scene, &token).await.unwrap();
}

#[tokio::test]
async fn certificates_are_read_again() {
    let scene = Scene::start(Service::Registry, "").await;
    let next = Authority::new("next");
    let connect = async || {
        let trust = Certificate::from_pem(next.pem());
        Endpoint::from_shared(scene.url(Service::Registry))
            .unwrap()
            .tls_config(ClientTlsConfig::new().ca_certificate(trust))
            .unwrap()
            .connect()
            .await
            .map_err(|_| Status::unavailable("not trusted"))
    };
    assert!(connect().await.is_err());
    next.write(scene.access.directory(), "server", &["127.0.0.1"]);
    patiently(async || connect().await).await;
}

#[tokio::test]
async fn until_when_certificates_are_good_can_be_seen_from_outside() {
    let scene = Scene::start(Service::Registry, "").await;
    let url = scene.url(Service::Registry);
    let trusts = |file: &str| mahnwerk_client::Settings {
        ca_file: scene.access.path(file),
        ..mahnwerk_client::Settings::default()
    };
    let shown = async |file: &str| {
        let mut shown = mahnwerk_client::certificates(&url, &trusts(file))
            .await
            .unwrap();
        assert_eq!(shown.len(), 1, "one replica");
        shown
            .remove(0)
            .certificates
            .map_err(|error| Status::unavailable(error.to_string()))
    };
    assert!(shown("ca.pem").await.is_ok());
    std::fs::write(scene.access.path("next.pem"), Authority::new("next").pem()).unwrap();
    let unknown = shown("next.pem").await.unwrap_err();
    assert!(unknown.message().contains("UnknownIssuer"), "{unknown:?}");
    let renew = |left| {
        let directory = scene.access.directory();
        scene
            .access
            .authority
            .write_for(left, directory, "server", &["127.0.0.1"]);
    };
    let left = Duration::from_secs(3 * 86_400);
    renew(left);
    patiently(async || {
        let shown = shown("ca.pem").await?;
        let end = shown.iter().filter_map(|it| not_after(it)).min().unwrap();
        let found = end.cast_signed() - now();
        match (found - left.as_secs().cast_signed()).abs() < 60 {
            true => Ok(()),
            false => Err(Status::unavailable("still the first one")),
        }
    })
    .await;
    renew(Duration::ZERO);
    patiently(async || match shown("ca.pem").await {
        Err(error) if error.message().contains("expired") => Ok(()),
        other => Err(Status::unavailable(format!("{other:?}"))),
    })
    .await;
}

#[tokio::test]
async fn a_caller_has_limits_of_its_own() {
    let callers = r#"
        [[callers]]
        name = "eager"
        issuer = "cluster"
        subject = "eager"
        scopes = ["*"]
        creditors = ["*"]
        limits = { requests_per_second = 2 }
    "#;
    let scene = Scene::start(Service::Registry, callers).await;
    let eager = scene
        .access
        .cluster
        .token(&claims(e2e::authority::CLUSTER, "eager"));
    let get = method("/GetCreditor");
    let channel = scene.channel(Service::Registry, None);
    let mut refused = Vec::new();
    for _ in 0..20 {
        let answer = call(&channel, get, naming(get, CREDITOR), Some(&eager)).await;
        refused.extend(
            answer
                .err()
                .filter(|status| status.code() == Code::ResourceExhausted),
        );
    }
    // A machine so slow that twenty calls take nine seconds would see none.
    let status = refused.first().expect("a refusal");
    assert_eq!(reason(status), "CALLER_LIMITED");
    let delay = status
        .get_details_retry_info()
        .unwrap()
        .retry_delay
        .unwrap();
    assert!(!delay.is_zero() && delay.as_millis() <= 500, "{delay:?}");
    let_in(&scene, &scene.access.login.token(&everything()))
        .await
        .unwrap();
}
