//! The audit trail says whose call it was that did something, wherever in the suite that is.

use std::time::Duration;

use e2e::{
    authority::{LOGIN, claims},
    service::Service,
    suite::{patiently, show_warnings},
    world::{TODAY, creditor, debtor, invoice, payment},
};
use mahnwerk_client::{Channel, Settings, connect};
use mahnwerk_proto::{
    common::v1::{
        AuditEntry, AuditPayload, ListAuditEntriesRequest, audit_service_client::AuditServiceClient,
    },
    dunning::v1::{
        GetDispatchRequest, GetRunRequest, ProposeRunRequest, ReleaseRunRequest, RunState,
        run_service_client::RunServiceClient, work_service_client::WorkServiceClient,
    },
    registry::v1::{
        CreateCreditorRequest, CreateDebtorRequest, CreateInvoiceRequest, CreatePaymentRequest,
        OpenBusinessDayRequest, account_service_client::AccountServiceClient,
        creditor_service_client::CreditorServiceClient, debtor_service_client::DebtorServiceClient,
    },
};
use serde_json::json;
use tonic::Request;

use crate::access::scene::{CREDITOR, Scene};

const PAYMENT_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const RELEASE_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A channel on which somebody shows a token with these scopes.
fn channel(scene: &Scene, service: Service, who: &str, scopes: &str) -> Channel {
    let mut claims = claims(LOGIN, who);
    claims["scope"] = json!(scopes);
    claims["creditors"] = json!([CREDITOR]);
    let file = format!("{who}.token");
    scene
        .access
        .write(&file, &scene.access.login.token(&claims));
    let settings = Settings {
        ca_file: scene.access.path("ca.pem"),
        token_file: scene.access.path(&file),
        ..Settings::default()
    };
    connect(&scene.url(service), &settings).unwrap()
}

/// A call under a trace.
fn traced<T>(message: T, trace_id: &str) -> Request<T> {
    let mut request = Request::new(message);
    let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
    let traceparent = traceparent.parse().unwrap();
    request.metadata_mut().insert("traceparent", traceparent);
    request
}

/// Posts a payment, after all that it needs. Returns the consistency token.
async fn post_a_payment(scene: &Scene) -> String {
    let clerk = channel(scene, Service::Registry, "clerk", "registry.*.write");
    let mut creditors = CreditorServiceClient::new(clerk.clone());
    let request = CreateCreditorRequest {
        request_id: "creditor".to_owned(),
        creditor: Some(creditor(CREDITOR)),
    };
    creditors.create_creditor(request).await.unwrap();
    let request = OpenBusinessDayRequest {
        request_id: "day".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        business_date: Some(TODAY),
    };
    creditors.open_business_day(request).await.unwrap();
    let request = CreateDebtorRequest {
        request_id: "debtor".to_owned(),
        debtor: Some(debtor(CREDITOR, "d1")),
    };
    let mut debtors = DebtorServiceClient::new(clerk.clone());
    debtors.create_debtor(request).await.unwrap();
    let mut accounts = AccountServiceClient::new(clerk);
    let request = CreateInvoiceRequest {
        request_id: "invoice".to_owned(),
        invoice: Some(invoice(CREDITOR, "d1", "i1", 10_000)),
    };
    accounts.create_invoice(request).await.unwrap();
    let request = CreatePaymentRequest {
        request_id: "payment".to_owned(),
        payment: Some(payment(CREDITOR, "d1", "p1", 4_000)),
        allocations: Vec::new(),
    };
    let posted = accounts.create_payment(traced(request, PAYMENT_TRACE));
    posted.await.unwrap().into_inner().consistency_token
}

/// Proposes a run and releases it. Returns its id.
async fn release_a_run(scene: &Scene, at_least: &str) -> String {
    let scopes = "dunning.*.read dunning.run.write dunning.run.release";
    let head = channel(scene, Service::Dunning, "head", scopes);
    let work = WorkServiceClient::new(head.clone());
    patiently(async || {
        let request = GetDispatchRequest {
            creditor_id: CREDITOR.to_owned(),
            at_least: at_least.to_owned(),
        };
        work.clone().get_dispatch(request).await
    })
    .await;
    let mut runs = RunServiceClient::new(head);
    let request = ProposeRunRequest {
        request_id: "propose".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        business_date: None,
    };
    let proposed = runs.propose_run(request).await.unwrap().into_inner();
    let run_id = proposed.run.unwrap().run_id;
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    let mut state = RunState::Unspecified;
    for _ in 0..600 {
        looks.tick().await;
        let request = GetRunRequest {
            creditor_id: CREDITOR.to_owned(),
            run_id: run_id.clone(),
            at_least: String::new(),
        };
        let found = runs.get_run(request).await.unwrap().into_inner();
        state = found.run.unwrap().state();
        if state == RunState::Proposed {
            break;
        }
    }
    assert_eq!(state, RunState::Proposed);
    let request = ReleaseRunRequest {
        request_id: "release".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        run_id: run_id.clone(),
        etag: String::new(),
    };
    runs.release_run(traced(request, RELEASE_TRACE))
        .await
        .unwrap();
    run_id
}

/// The only entry that is asked for.
async fn only(scene: &Scene, service: Service, request: ListAuditEntriesRequest) -> AuditEntry {
    let auditor = channel(scene, service, "auditor", "audit.entry.read");
    let answer = AuditServiceClient::new(auditor)
        .list_audit_entries(request)
        .await;
    let mut entries = answer.unwrap().into_inner().entries;
    assert_eq!(entries.len(), 1, "{entries:#?}");
    entries.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_says_who_posted_a_payment_and_who_released_a_run() {
    // Traces need telemetry.
    show_warnings();
    let scene = Scene::start(Service::Dunning, "").await;
    let token = post_a_payment(&scene).await;
    let run_id = release_a_run(&scene, &token).await;
    let about = || ListAuditEntriesRequest {
        creditor_id: CREDITOR.to_owned(),
        ..ListAuditEntriesRequest::default()
    };

    let of_payment = ListAuditEntriesRequest {
        debtor_id: "d1".to_owned(),
        entity: "item".to_owned(),
        entity_id: "payment/p1".to_owned(),
        ..about()
    };
    let posted = only(&scene, Service::Registry, of_payment).await;
    assert_eq!(posted.action, "created");
    assert_eq!(
        [&*posted.principal, &*posted.request_id, &*posted.trace_id],
        ["login:clerk", "payment", PAYMENT_TRACE]
    );
    assert_eq!(posted.business_date, Some(TODAY));
    assert_eq!(posted.payload(), AuditPayload::Kept);

    let by_request = ListAuditEntriesRequest {
        cause_request_id: "release".to_owned(),
        ..about()
    };
    let by_trace = ListAuditEntriesRequest {
        trace_id: RELEASE_TRACE.to_owned(),
        ..about()
    };
    let by_caller = ListAuditEntriesRequest {
        principal: "login:head".to_owned(),
        entity: "run".to_owned(),
        entity_id: run_id.clone(),
        start_time: posted.record_time,
        ..about()
    };
    let released = only(&scene, Service::Dunning, by_request).await;
    assert_eq!(
        [&*released.entity, &*released.entity_id, &*released.action],
        ["run", &*run_id, "released"]
    );
    assert_eq!(
        [
            &*released.principal,
            &*released.request_id,
            &*released.trace_id
        ],
        ["login:head", "release", RELEASE_TRACE]
    );
    assert_eq!(released.payload(), AuditPayload::None);
    assert_eq!(only(&scene, Service::Dunning, by_trace).await, released);
    let auditor = channel(&scene, Service::Dunning, "auditor", "audit.entry.read");
    let by_head = AuditServiceClient::new(auditor)
        .list_audit_entries(by_caller)
        .await;
    let by_head = by_head.unwrap().into_inner().entries;
    let actions: Vec<&str> = by_head.iter().map(|entry| &*entry.action).collect();
    println!("the head of dunning: {actions:?}");
    assert_eq!(by_head.last(), Some(&released));
    assert_eq!(by_head.len(), 2, "proposed and released");
}
