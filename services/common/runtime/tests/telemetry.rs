//! Traces, the log line and metrics of calls. One test, because telemetry is started once per process.

#[cfg(test)]
mod support;

use std::sync::{Arc, Mutex};

use mahnwerk_proto::common::v1::{WatchRequest, feed_service_client::FeedServiceClient};
use mahnwerk_runtime::{
    config::{CommonSettings, LogSettings},
    telemetry::{self, names},
};
use opentelemetry::trace::{SpanId, Status as SpanStatus, TraceId};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use support::{get, host, list};
use tonic::Code;
use tonic_types::StatusExt as _;
use tracing::Instrument as _;

#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Memory {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        match self.0.lock() {
            Ok(mut spans) => spans.extend(batch),
            Err(poisoned) => poisoned.into_inner().extend(batch),
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_continues_its_callers_trace_and_is_counted() {
    let spans = Memory::default();
    let guard = telemetry::install(
        "sample",
        &LogSettings::default(),
        SdkTracerProvider::builder().with_simple_exporter(spans.clone()),
    )
    .unwrap();
    let host = host(CommonSettings::default(), true).await;
    let missing = support::migrations().missing(&host.db).await.unwrap();
    assert!(missing.is_empty(), "{missing:?}");
    let mut client = host.client();

    let trace = "0af7651916cd43dd8448eb211c80319c";
    let mut request = list("");
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    request
        .metadata_mut()
        .insert("traceparent", parent.parse().unwrap());
    let seen = client.list_snapshot(request).await.unwrap().into_inner();
    assert!(seen.next_page_token.starts_with(&format!("00-{trace}-")));
    host.entered(1).await;
    let call = host.script.calls.lock().unwrap()[0].clone();
    assert_eq!(call.traceparent, seen.next_page_token);

    let failed = client.list_snapshot(list("fail")).await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal);
    let told = failed.get_details_error_info().unwrap().metadata["trace_id"].clone();
    assert_eq!(failed.message(), format!("internal error, trace id {told}"));

    // What a client sends and a consumer links to is what the span is.
    let span = tracing::info_span!(target: "mahnwerk::test", "consumer");
    telemetry::link_to(&span, &call.traceparent);
    telemetry::link_to(&span, "not a traceparent");
    let url = format!("http://{}", host.running.api);
    let channel = mahnwerk_client::connect(&url, &mahnwerk_client::Settings::default()).unwrap();
    let watch = async {
        let mut client = FeedServiceClient::new(channel);
        drop(client.watch(WatchRequest::default()).await.unwrap());
        telemetry::current_trace_id()
    };
    let sent = watch.instrument(span).await;
    host.entered(3).await;
    let watched = host.script.calls.lock().unwrap()[2].clone();
    assert!(watched.traceparent.contains(&sent), "{watched:?}");
    assert_eq!(telemetry::current_traceparent(), "");

    host.shutdown.begin();
    let ops = get(host.running.ops, "/metrics").await;
    host.running.stopped().await.unwrap();
    guard.shutdown().await;

    let spans = spans.0.lock().unwrap();
    let of_trace = |trace: &str| -> Vec<&SpanData> {
        let trace = TraceId::from_hex(trace).unwrap();
        let of_trace = |span: &&SpanData| span.span_context.trace_id() == trace;
        spans.iter().filter(of_trace).collect()
    };
    let find = |trace: &str| -> &SpanData {
        let found = of_trace(trace);
        assert_eq!(found.len(), 1, "one span per call");
        found[0]
    };
    let served = find(trace);
    assert_eq!(served.name, "mahnwerk.common.v1.FeedService/ListSnapshot");
    assert_eq!(
        served.parent_span_id,
        SpanId::from_hex("b7ad6b7169203331").unwrap()
    );
    assert!(matches!(find(&told).status, SpanStatus::Error { .. }));
    let consuming = of_trace(&sent);
    let consumer = consuming.iter().find(|span| span.name == "consumer");
    let consumer = consumer.unwrap();
    assert_eq!(consumer.links.len(), 1);
    assert_eq!(
        consumer.links[0].span_context.span_id(),
        served.span_context.span_id()
    );

    assert!(ops.contains("mahnwerk_ready{"), "{ops}");
    for code in ["OK", "INTERNAL"] {
        let line = ops.lines().find(|line| {
            line.starts_with("rpc_server_duration_seconds_count{")
                && line.contains("/mahnwerk.common.v1.FeedService/ListSnapshot")
                && line.contains(&format!("rpc_grpc_status_code=\"{code}\""))
        });
        assert!(line.is_some_and(|line| line.ends_with(" 1")), "{ops}");
    }
    assert!(
        ops.contains("rpc_server_active_requests{"),
        "{}",
        names::RPC_ACTIVE.name
    );
}
