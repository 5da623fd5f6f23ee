//! One view leads from the call to what it caused elsewhere: spans of four processes, received over OTLP.

use e2e::{
    fleet::Fleet,
    reminders::Reminders,
    schemes::{activate, create_revision, membership, two_segments},
    suite::{Clients, Databases, Engine, Service, patiently},
    traces::{Collector, Span},
    world::{euro, invoice, payment},
};
use mahnwerk_proto::{
    dunning::v1::{NoticeState, RunState},
    registry::v1::{Allocation, CreatePaymentRequest},
    scoring::v1::GetScoreRequest,
    segmentation::v1::{Handling, Policy, ReminderFees, Scheme},
};
use mahnwerk_runtime::token::ConsistencyToken;
use tonic::{Code, Request};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN_ID: &str = "00f067aa0ba902b7";

/// A scheme of treatment that moves debtors with their first paid invoice.
fn treatment() -> Scheme {
    let mut scheme = two_segments("c1", "treatment", "debtor.settled_items > 0");
    let policy = Policy {
        payment_term_days: 30,
        reminder_fees: ReminderFees::Waived.into(),
        handling: Handling::Autopilot.into(),
        procedure_id: "standard".to_owned(),
        ..Policy::default()
    };
    for segment in &mut scheme.segments {
        segment.policy = Some(policy.clone());
    }
    let finals = [
        &mut scheme.default_segment,
        &mut scheme.unclassified_segment,
    ];
    for segment in finals {
        segment.as_mut().expect("a segment").policy = Some(policy.clone());
    }
    scheme
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notice_that_a_payment_withdrew_leads_back_to_the_payment_through_two_services() {
    let collector = Collector::start();
    let databases = Databases::new(Engine::Sqlite, Service::Dunning);
    let telemetry = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let telemetry = telemetry.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let fleet = Fleet::start(&databases, Service::Dunning, |_| 1, &telemetry).await;
    let mut clients = fleet.clients(0);
    let segmentation = fleet.segmentation(0);
    clients.open_creditor("c1").await;
    clients.add_debtor("c1", "d1").await;
    clients.add_contact_point("c1", "d1", "mail").await;
    let warm = clients.add_invoice(invoice("c1", "d1", "i1", 5_000)).await;
    membership(&segmentation, "c1", "d1", "payer_speed", &warm).await;
    let revision = create_revision(&segmentation, treatment()).await;
    activate(&segmentation, "c1", "treatment", revision).await;
    let reminders = Reminders {
        fleet: &fleet,
        creditor_id: "c1",
    };
    // A reminder waits, because dispatch is off.
    reminders.arrived(&warm).await;
    let run_id = reminders.propose("run").await;
    reminders.reach(&run_id, RunState::Proposed).await;
    reminders.release(&run_id).await;
    reminders.reach(&run_id, RunState::Dispatching).await;
    // The consumers follow live from here on.
    read_score(&clients, &warm).await;
    let before = membership(&segmentation, "c1", "d1", "treatment", &warm).await;

    let token = pay_traced(&mut clients).await;
    let after = membership(&segmentation, "c1", "d1", "treatment", &token).await;
    assert_eq!((&*before.segment_id, &*after.segment_id), ("no", "yes"));
    reminders.arrived(&token).await;
    reminders.switch_on(&token).await;
    reminders.reach(&run_id, RunState::Done).await;
    let notices = reminders.notices(&run_id).await;
    let [notice] = notices.as_slice() else {
        panic!("{} notices", notices.len());
    };
    assert_eq!(notice.state(), NoticeState::Withdrawn);
    assert_eq!(notice.reason, "PAID");

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
    // What a service tells is the consequence of its own work on what it was told: that is where the next one's links to.
    let mut chain = vec![call];
    for (service, work) in [
        (Service::Scoring, "feed.apply"),
        (Service::Segmentation, "feed.apply"),
        (Service::Dunning, "feed.apply"),
        (Service::Dunning, "dispatch.withdraw"),
    ] {
        let last = chain.last().expect("the call");
        let next = caused(&collector, service, work, last).await;
        chain.push(next);
    }
    let chain = chain.iter();
    let chain: Vec<_> = chain
        .map(|it| format!("{} {}", it.service, it.name))
        .collect();
    println!("{}: {}", notice.reason, chain.join(" ← "));
}

/// Of the calls that nobody samples only those that fail by our fault are told, in the caller's trace.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_is_told_though_nothing_is_sampled() {
    let collector = Collector::start();
    let databases = Databases::new(Engine::Sqlite, Service::Scoring);
    let telemetry = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ];
    let telemetry = telemetry.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let fleet = Fleet::start(&databases, Service::Scoring, |_| 1, &telemetry).await;
    let mut clients = fleet.clients(0);
    clients.open_creditor("c1").await;
    clients.add_debtor("c1", "d1").await;
    let token = clients.add_invoice(invoice("c1", "d1", "i1", 5_000)).await;
    read_score(&clients, &token).await;

    // A state that never comes.
    let mut never = ConsistencyToken::decode(&token).expect("a token");
    never.tx += 1_000_000;
    let mut request = Request::new(GetScoreRequest {
        creditor_id: "c1".to_owned(),
        debtor_id: "d1".to_owned(),
        at_least: never.encode(),
        language: String::new(),
    });
    let traceparent = format!("00-{TRACE_ID}-{CALLER_SPAN_ID}-00");
    let traceparent = traceparent.parse().expect("a header");
    request.metadata_mut().insert("traceparent", traceparent);
    let refused = clients.scores.get_score(request).await;
    assert_eq!(refused.expect_err("no score").code(), Code::Unavailable);

    let failed = collector
        .wait_for("of the failed call", |span| span.trace_id == TRACE_ID)
        .await;
    assert!(failed.name.ends_with("ScoringService/GetScore"));
    assert_eq!(failed.parent_span_id, CALLER_SPAN_ID);
    // What went well before it would have come before it.
    for span in collector.received() {
        let well = ["/CreateCreditor", "/CreateDebtor", "/CreateInvoice"];
        assert!(!well.iter().any(|it| span.name.ends_with(it)), "{span:?}");
    }
}

/// A span of `service` over this work that links to `cause`.
async fn caused(collector: &Collector, service: Service, work: &str, cause: &Span) -> Span {
    let what = format!("{work} of {} linked to {}", service.name(), cause.name);
    collector
        .wait_for(&what, |span| {
            let to_cause =
                |link: &(String, String)| link.0 == cause.trace_id && link.1 == cause.span_id;
            span.service.contains(service.name())
                && span.name == work
                && span.links.iter().any(to_cause)
        })
        .await
}

/// Pays an invoice under the trace. Returns the consistency token.
async fn pay_traced(clients: &mut Clients) -> String {
    let mut request = Request::new(CreatePaymentRequest {
        request_id: "r1".to_owned(),
        payment: Some(payment("c1", "d1", "p1", 5_000)),
        allocations: vec![Allocation {
            invoice_id: "i1".to_owned(),
            amount: Some(euro(5_000)),
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
