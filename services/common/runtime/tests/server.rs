//! A server in this process: what calls pass on their way in, readiness, and the way out.

#[cfg(test)]
mod support;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body::Frame;
use http_body_util::StreamBody;
use mahnwerk_proto::common::v1::WatchRequest;
use mahnwerk_runtime::{config::CommonSettings, db::Sql as _};
use tokio_stream::StreamExt as _;
use tonic::{Code, body::Body};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;
use tower::{Service as _, ServiceExt as _};

use support::{SERVICE, get, host, list};

type Data = <Body as http_body::Body>::Data;

fn settings() -> CommonSettings {
    let mut settings = CommonSettings::default();
    settings.api.reflection = true;
    settings
}

fn reason(status: &tonic::Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline_and_has_none_by_default() {
    let host = host(settings(), true).await;
    let mut client = host.client();
    let mut request = tonic::Request::new(WatchRequest::default());
    request
        .metadata_mut()
        .insert("grpc-timeout", "1500m".parse().unwrap());
    let mut stream = client.watch(request).await.unwrap().into_inner();
    assert!(stream.next().await.unwrap().is_ok());
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(reason(&status), "DEADLINE");
    assert!(stream.next().await.is_none());

    client.watch(WatchRequest::default()).await.unwrap();
    client.list_snapshot(list("")).await.unwrap();
    let calls = host.script.calls.lock().unwrap().clone();
    assert!(calls[0].deadline.is_some());
    assert_eq!(calls[1].deadline, None);
    assert!(calls[2].time_left().unwrap() > Duration::from_secs(25));
}

#[tokio::test]
async fn a_unary_call_has_no_more_time_than_the_settings_allow() {
    let mut settings = settings();
    settings.api.max_deadline_s = 1;
    let host = host(settings, true).await;
    let mut request = list("forever");
    request
        .metadata_mut()
        .insert("grpc-timeout", "99999999H".parse().unwrap());
    let status = host.client().list_snapshot(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(reason(&status), "DEADLINE");
    let left = host.script.calls.lock().unwrap()[0].time_left();
    assert_eq!(left, Some(Duration::ZERO));
}

#[tokio::test]
async fn a_request_that_never_arrives_gives_its_place_back() {
    let mut settings = settings();
    settings.api.max_deadline_s = 1;
    settings.api.max_concurrent_requests = 1;
    let host = host(settings, true).await;
    // A unary call, and a stream whose request is one message. Twice: the first one must have given its place back.
    for method in ["ListSnapshot", "Watch", "ListSnapshot", "Watch"] {
        let silence = tokio_stream::pending::<Result<Frame<Data>, tonic::Status>>();
        let request =
            http::Request::post(format!("http://{}/{SERVICE}/{method}", host.running.api))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(Body::new(StreamBody::new(silence)))
                .unwrap();
        let mut channel = host.channel();
        let response = channel.ready().await.unwrap().call(request).await.unwrap();
        let status = tonic::Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{method} {status:?}");
        assert_eq!(reason(&status), "DEADLINE");
    }
    assert!(host.script.calls.lock().unwrap().is_empty());
    let opened = host.client().watch(WatchRequest::default()).await;
    opened.unwrap();
}

#[tokio::test]
async fn who_asks_for_health_is_limited_and_open_watches_take_no_place_of_checks() {
    let host = host(settings(), true).await;
    let mut health = HealthClient::new(host.channel());
    let mut watches = Vec::new();
    let refused = loop {
        match health.watch(HealthCheckRequest::default()).await {
            Ok(watch) => watches.push(watch),
            Err(status) => break status,
        }
    };
    assert_eq!(watches.len(), 1_024);
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refused), "OVERLOADED");
    health.check(HealthCheckRequest::default()).await.unwrap();
    drop(watches);
    // The server hears of it in its own time.
    while let Err(status) = health.watch(HealthCheckRequest::default()).await {
        assert_eq!(status.code(), Code::ResourceExhausted);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_method_that_no_descriptor_declares_is_denied() {
    let host = host(settings(), true).await;
    for path in [
        "/mahnwerk.common.v1.FeedService/Nope",
        "/nobody.v1.Service/Get",
        "/",
    ] {
        let mut channel = host.channel();
        let request = http::Request::post(format!("http://{}{path}", host.running.api))
            .header("content-type", "application/grpc")
            .body(Body::empty())
            .unwrap();
        let response = channel.ready().await.unwrap().call(request).await.unwrap();
        let status = tonic::Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::PermissionDenied, "{path}");
        assert_eq!(reason(&status), "SCOPE_MISSING");
    }
}

#[tokio::test]
async fn calls_beyond_the_limit_are_shed_and_streams_do_not_take_their_places() {
    let mut settings = settings();
    settings.api.max_concurrent_requests = 2;
    let host = host(settings, true).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let stream = host.client().watch(WatchRequest::default()).await.unwrap();
        streams.push(stream);
    }
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut client = host.client();
            tokio::spawn(async move { client.list_snapshot(list("wait")).await })
        })
        .collect();
    host.entered(4).await;

    let status = host.client().list_snapshot(list("")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "OVERLOADED");
    let delay = status.get_details_retry_info().unwrap().retry_delay;
    assert!(delay.is_some_and(|delay| !delay.is_zero()));
    let shed = host.client().watch(WatchRequest::default()).await;
    assert_eq!(shed.unwrap_err().code(), Code::ResourceExhausted);

    host.script.gate.send_replace(true);
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    host.client().list_snapshot(list("")).await.unwrap();
}

#[tokio::test]
async fn a_call_keeps_the_name_its_caller_gave_it_or_gets_one() {
    let host = host(settings(), true).await;
    let mut client = host.client();
    let mut request = list("");
    request
        .metadata_mut()
        .insert("x-request-id", "mine-1".parse().unwrap());
    let response = client.list_snapshot(request).await.unwrap();
    assert_eq!(response.metadata().get("x-request-id").unwrap(), "mine-1");

    let mut request = list("");
    request
        .metadata_mut()
        .insert("x-request-id", "not a key".parse().unwrap());
    let response = client.list_snapshot(request).await.unwrap();
    let made = response.metadata().get("x-request-id").unwrap();
    assert_eq!(made.len(), 36);
    let calls = host.script.calls.lock().unwrap().clone();
    assert_eq!(calls[0].request_id, "mine-1");
    assert_eq!(calls[0].principal, "local");
    assert_eq!(calls[1].request_id, made.to_str().unwrap());
}

#[tokio::test]
async fn a_handler_that_panics_harms_no_other_call() {
    let host = host(settings(), true).await;
    let mut client = host.client();
    assert!(client.list_snapshot(list("panic")).await.is_err());
    client.list_snapshot(list("")).await.unwrap();
}

#[tokio::test]
async fn without_its_migrations_a_service_is_not_ready_and_says_what_to_run() {
    let host = host(settings(), false).await;
    let ready = get(host.running.ops, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains("run `mahnwerk-sample migrate`"), "{ready}");
    assert!(
        get(host.running.ops, "/healthz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let status = host.client().list_snapshot(list("")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("migrate"), "{status:?}");

    let mut health = HealthClient::new(host.channel());
    for service in ["", SERVICE] {
        let check = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut states = health.watch(check).await.unwrap().into_inner();
        let first = states.next().await.unwrap().unwrap().status();
        assert_eq!(first, ServingStatus::NotServing);
        if service.is_empty() {
            support::migrations().apply(&host.db).await.unwrap();
            let second = states.next().await.unwrap().unwrap().status();
            assert_eq!(second, ServingStatus::Serving);
            host.db
                .execute("DELETE FROM seaql_migrations", vec![])
                .await
                .unwrap();
            let third = states.next().await.unwrap().unwrap().status();
            assert_eq!(third, ServingStatus::NotServing);
        }
    }
    assert!(host.db.query("SELECT 1", vec![]).await.is_ok());
}

#[tokio::test]
async fn the_server_describes_itself_unless_told_not_to() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let ask = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let open = host(settings(), true).await;
    let mut answers = ServerReflectionClient::new(open.channel())
        .server_reflection_info(tokio_stream::once(ask.clone()))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("{answer:?}");
    };
    let names: BTreeSet<_> = list.service.into_iter().map(|each| each.name).collect();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["grpc.health.v1.Health", SERVICE]
    );

    let mut settings = settings();
    settings.api.reflection = false;
    let closed = host(settings, true).await;
    let refused = ServerReflectionClient::new(closed.channel())
        .server_reflection_info(tokio_stream::once(ask))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn an_api_listener_off_loopback_does_not_start() {
    let mut settings = settings();
    settings.api.listen = "0.0.0.0:0".parse().unwrap();
    let db = host(CommonSettings::default(), true).await.db;
    let spec = mahnwerk_runtime::server::ServiceSpec {
        name: "sample",
        routes: tonic::service::Routes::default(),
        migrations: support::migrations(),
        db,
        grpc_names: vec![],
    };
    let shutdown = mahnwerk_runtime::server::Shutdown::new();
    let started = mahnwerk_runtime::server::start(spec, &settings, shutdown).await;
    assert!(started.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_calls_in_flight_are_all_answered_when_the_server_drains() {
    const CALLS: usize = 300;
    let host = host(settings(), true).await;
    let clients = [host.client(), host.client(), host.client()];
    let calls: Vec<_> = (0..CALLS)
        .map(|number| {
            let mut client = clients[number % clients.len()].clone();
            tokio::spawn(async move { client.list_snapshot(list("wait")).await })
        })
        .collect();
    let mut stream = host
        .client()
        .watch(WatchRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(stream.next().await.unwrap().is_ok());
    host.entered(CALLS + 1).await;

    host.shutdown.begin();
    let ended = stream.next().await.unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    host.shutdown.stop.cancelled().await;
    host.script.gate.send_replace(true);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let mut late = host.client();
    host.running.stopped().await.unwrap();
    let refused = late.list_snapshot(list("")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_began_is_answered_when_the_server_drains_under_load() {
    let host = host(settings(), true).await;
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    let callers: Vec<_> = (0..200)
        .map(|caller| {
            let mut client = host.client();
            let answered = answered.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    let id = format!("{caller}-{number}");
                    let mut request = list("yield");
                    // A call that meets the closing connection may never be sent, nor refused by the client's library;
                    // only its timeout ends it.
                    request.set_timeout(Duration::from_secs(5));
                    request
                        .metadata_mut()
                        .insert("x-request-id", id.parse().unwrap());
                    if client.list_snapshot(request).await.is_err() {
                        return;
                    }
                    answered.lock().unwrap().insert(id);
                }
            })
        })
        .collect();
    host.entered(2_000).await;
    host.shutdown.begin();
    let script = host.script.clone();
    host.running.stopped().await.unwrap();
    for caller in callers {
        caller.await.unwrap();
    }
    let began = script.calls.lock().unwrap().clone();
    let answered = answered.lock().unwrap();
    let lost: Vec<_> = began
        .iter()
        .map(|call| &call.request_id)
        .filter(|id| !answered.contains(*id))
        .collect();
    assert!(began.len() >= 2_000, "only {} calls began", began.len());
    assert!(lost.is_empty(), "{} of {} lost", lost.len(), began.len());
}

#[tokio::test]
async fn during_the_drain_delay_health_says_no_and_calls_are_still_answered() {
    let mut settings = settings();
    settings.shutdown.drain_delay_ms = 60_000;
    let host = host(settings, true).await;
    let mut health = HealthClient::new(host.channel());
    let mut states = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    let before = states.next().await.unwrap().unwrap().status();
    assert_eq!(before, ServingStatus::Serving);
    host.shutdown.begin();
    let after = states.next().await.unwrap().unwrap().status();
    assert_eq!(after, ServingStatus::NotServing);
    host.client().list_snapshot(list("")).await.unwrap();
    let ready = get(host.running.ops, "/readyz").await;
    assert!(ready.contains("shutting down"), "{ready}");
    drop((states, health));
    // As a second signal does.
    host.shutdown.stop.cancel();
    host.running.stopped().await.unwrap();
}

#[tokio::test]
async fn calls_that_outlive_the_grace_are_cut_off() {
    let mut settings = settings();
    settings.shutdown.grace_ms = 50;
    let host = host(settings, true).await;
    let mut client = host.client();
    let call = tokio::spawn(async move { client.list_snapshot(list("forever")).await });
    host.entered(1).await;
    host.shutdown.begin();
    host.running.stopped().await.unwrap();
    call.abort();
}
