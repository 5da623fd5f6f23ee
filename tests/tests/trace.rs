//! One view leads from the call to what it caused elsewhere: spans of two processes, received over OTLP.

use e2e::{
    process::Program,
    suite::{Clients, Databases, Engine, channel, patiently},
    traces::Collector,
    world::{invoice, payment},
};
use mahnwerk_proto::{registry::v1::CreatePaymentRequest, scoring::v1::GetScoreRequest};
use tonic::Request;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN_ID: &str = "00f067aa0ba902b7";

fn traced(program: Program, collector: &Collector) -> Program {
    program
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_that_a_payment_causes_in_scoring_is_linked_to_the_call() {
    let collector = Collector::start();
    let databases = Databases::new(Engine::Sqlite);
    let registry = traced(Program::new("registry", &databases.registry), &collector);
    let registry = registry.start().await;
    let scoring = Program::new("scoring", &databases.scoring).set("registry_url", &registry.url);
    let scoring = traced(scoring, &collector).start().await;
    let mut clients = Clients::new(&channel(&registry.url), &channel(&scoring.url));
    clients.open_creditor("c1").await;
    clients.add_debtor("c1", "d1").await;
    clients.add_invoice(invoice("c1", "d1", "i1", 500)).await;
    let warm = clients.add_invoice(invoice("c1", "d1", "i2", 500)).await;
    // The consumer follows live from here on.
    read_score(&clients, &warm).await;

    let mut request = Request::new(CreatePaymentRequest {
        request_id: "r1".to_owned(),
        payment: Some(payment("c1", "d1", "p1", 500)),
        allocations: Vec::new(),
    });
    let traceparent = format!("00-{TRACE_ID}-{CALLER_SPAN_ID}-01");
    let traceparent = traceparent.parse().expect("a header");
    request.metadata_mut().insert("traceparent", traceparent);
    let answer = clients
        .accounts
        .create_payment(request)
        .await
        .expect("a payment");
    read_score(&clients, &answer.into_inner().consistency_token).await;

    let call = collector
        .wait_for("of the call", |span| {
            span.trace_id == TRACE_ID && span.name.ends_with("AccountService/CreatePayment")
        })
        .await;
    assert_eq!(
        call.parent_span_id, CALLER_SPAN_ID,
        "the span is a child of the caller's"
    );
    let work = collector
        .wait_for("linked to the call", |span| {
            let to_call = |link: &(String, String)| link.0 == TRACE_ID && link.1 == call.span_id;
            span.links.iter().any(to_call)
        })
        .await;
    assert!(call.service.contains("registry"), "{call:?}");
    assert!(work.service.contains("scoring"), "{work:?}");
    println!(
        "{} {} is linked to {} {}",
        work.service, work.name, call.service, call.name
    );
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
