//! Something that is told on purpose: by whoever captures it, what else is told would be captured as well.

use e2e::{
    service::Service,
    wire::{call_with, message},
};
use mahnwerk_proto::policy::methods;
use prost::Message as _;
use serde_json::json;
use tonic::{Status, transport::Channel};

use super::outlets::{ERRORS, LOGS, METRICS, SCRAPED, SPANS};

/// What is told. It is a key, so that calls and creditors may be called so.
pub const CANARY: &str = "canary-that-sings-in-every-outlet";

/// What describes every process: metrics tell it, and nothing that a caller wrote.
const CAGE: &str = "cage-of-the-canary";

/// A trace of its own; sampled.
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A method of a service that answers nothing about a creditor nobody knows.
fn path(service: Service) -> &'static str {
    match service {
        Service::Registry => "/mahnwerk.registry.v1.CreditorService/GetCreditor",
        Service::Scoring => "/mahnwerk.scoring.v1.ScoringService/GetScore",
        Service::Segmentation => "/mahnwerk.segmentation.v1.MembershipService/GetMemberships",
        Service::Dunning => "/mahnwerk.dunning.v1.ProcedureService/GetDunningSettings",
    }
}

/// What each outlet is to tell. Nothing that a caller writes gets into a label, so at /metrics it is the method that was
/// called.
pub fn in_all() -> [(&'static str, &'static str); 5] {
    [
        (LOGS, CANARY),
        (SPANS, CANARY),
        (METRICS, CAGE),
        (SCRAPED, path(Service::Registry)),
        (ERRORS, CANARY),
    ]
}

/// Settings of telemetry: where to, often, and what describes the process.
pub fn telemetry(endpoint: &str) -> Vec<(String, String)> {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500".to_owned()),
        ("OTEL_RESOURCE_ATTRIBUTES", format!("cage={CAGE}")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

/// Asks a service for what is called like the canary, in a call and a trace that are called so as well.
pub async fn sing(channel: &Channel, service: Service, token: Option<&str>) -> Status {
    let path = path(service);
    let input = methods()[path].descriptor.input();
    let mut request = json!({"creditor_id": CANARY});
    if input.get_field_by_name("debtor_id").is_some() {
        request["debtor_id"] = json!(CANARY);
    }
    let request = message(&input, request).encode_to_vec();
    let state = format!("cage={CANARY}");
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![
        ("x-request-id", CANARY),
        ("traceparent", TRACEPARENT),
        ("tracestate", state.as_str()),
    ];
    headers.extend(bearer.iter().map(|it| ("authorization", it.as_str())));
    let answer = call_with(channel, path, vec![request], 1, &headers).await;
    answer.expect_err("nobody is called so")
}
