//! One view leads from the call to what it caused elsewhere: spans of three processes, received over OTLP.

use e2e::{
    process::{Process, Program},
    schemes::membership,
    suite::{Clients, Databases, Engine, SegmentationClients, Service, channel, patiently},
    traces::{Collector, Span},
    world::{euro, invoice, payment},
};
use mahnwerk_proto::{
    registry::v1::{Allocation, CreatePaymentRequest},
    scoring::v1::GetScoreRequest,
};
use tonic::Request;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN_ID: &str = "00f067aa0ba902b7";

/// Starts `last` and all that it depends on, as processes that send their spans to `collector`.
async fn start_all(databases: &Databases, last: Service, collector: &Collector) -> Vec<Process> {
    let mut started: Vec<(Service, Process)> = Vec::new();
    for service in last.with_upstreams() {
        let mut program = Program::new(service, databases.url(service))
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
            .env("OTEL_BSP_SCHEDULE_DELAY", "100");
        for (upstream, process) in &started {
            program = program.knowing(*upstream, &process.url);
        }
        started.push((service, program.start().await));
    }
    started.into_iter().map(|(_, process)| process).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_that_a_payment_causes_is_linked_to_the_call_through_two_services() {
    let collector = Collector::start();
    let databases = Databases::new(Engine::Sqlite, Service::Segmentation);
    let processes = start_all(&databases, Service::Segmentation, &collector).await;
    let mut clients = Clients::new(&channel(&processes[0].url), &channel(&processes[1].url));
    let segmentation = SegmentationClients::new(&channel(&processes[2].url));
    clients.open_creditor("c1").await;
    clients.add_debtor("c1", "d1").await;
    clients.add_invoice(invoice("c1", "d1", "i1", 500)).await;
    let warm = clients.add_invoice(invoice("c1", "d1", "i2", 500)).await;
    // The consumers follow live from here on.
    read_score(&clients, &warm).await;
    let before = membership(&segmentation, "c1", "d1", "payer_speed", &warm).await;
    assert_eq!(before.segment_id, "no_history");

    let token = pay_traced(&mut clients).await;
    read_score(&clients, &token).await;
    let after = membership(&segmentation, "c1", "d1", "payer_speed", &token).await;

    let call = collector
        .wait_for("of the call", |span| {
            span.trace_id == TRACE_ID && span.name.ends_with("AccountService/CreatePayment")
        })
        .await;
    assert_eq!(
        call.parent_span_id, CALLER_SPAN_ID,
        "the span is a child of the caller's"
    );
    assert!(call.service.contains("registry"), "{call:?}");
    let scoring = caused(&collector, Service::Scoring, &call).await;
    // What scoring tells is the consequence of its own work on the payment; that is where segmentation's work links to.
    let placed = caused(&collector, Service::Segmentation, &scoring).await;
    println!(
        "{} {} ← {} {} ← {} {}; {} stays {}",
        call.service,
        call.name,
        scoring.service,
        scoring.name,
        placed.service,
        placed.name,
        before.segment_id,
        after.segment_id
    );
}

/// A span of `service` that links to `cause`.
async fn caused(collector: &Collector, service: Service, cause: &Span) -> Span {
    let what = format!("of {} linked to {}", service.name(), cause.name);
    collector
        .wait_for(&what, |span| {
            let to_cause =
                |link: &(String, String)| link.0 == cause.trace_id && link.1 == cause.span_id;
            span.service.contains(service.name()) && span.links.iter().any(to_cause)
        })
        .await
}

/// Pays an invoice under the trace. Returns the consistency token.
async fn pay_traced(clients: &mut Clients) -> String {
    let mut request = Request::new(CreatePaymentRequest {
        request_id: "r1".to_owned(),
        payment: Some(payment("c1", "d1", "p1", 500)),
        allocations: vec![Allocation {
            invoice_id: "i1".to_owned(),
            amount: Some(euro(500)),
            discount: None,
        }],
    });
    let traceparent = format!("00-{TRACE_ID}-{CALLER_SPAN_ID}-01");
    let traceparent = traceparent.parse().expect("a header");
    request.metadata_mut().insert("traceparent", traceparent);
    let answer = clients.accounts.create_payment(request).await;
    answer.expect("a payment").into_inner().consistency_token
}

async fn read_score(clients: &Clients, at_least: &str) {
    patiently(async || {
        clients
            .scores
            .clone()
            .get_score(GetScoreRequest {
                creditor_id: "c1".to_owned(),
                debtor_id: "d1".to_owned(),
                at_least: at_least.to_owned(),
                language: String::new(),
            })
            .await
    })
    .await;
}
