//! The service as it runs: it consumes the feeds of two others, carries activations on and goes on after a pause.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

mod upstream;

use std::time::Duration;

use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::{BillingMethod, Creditor, Debtor, DebtorKind, Relationship},
    scoring::v1::{AccountTotals, Features, RiskClass, Score, ScoreState, ScorecardKind},
    segmentation::v1::{
        ActivateSchemeRequest, ActivationState, CreateSchemeRevisionRequest, GetActivationRequest,
        GetMembershipsRequest, GetSchemeRequest, ListMembershipHistoryRequest,
        membership_service_client::MembershipServiceClient,
        scheme_service_client::SchemeServiceClient,
    },
};
use mahnwerk_runtime::server::{Running, Shutdown};
use mahnwerk_segmentation::config::Settings;
use tempfile::TempDir;
use tonic::{
    Code, Response, Status,
    transport::{Channel, Endpoint},
};

use upstream::Upstream;

/// So many that chunks and pages have an end.
const DEBTORS: usize = 300;

struct Service {
    members: MembershipServiceClient<Channel>,
    schemes: SchemeServiceClient<Channel>,
    running: Running,
    shutdown: Shutdown,
}

impl Service {
    async fn start(directory: &TempDir, registry: &Upstream, scoring: &Upstream) -> Self {
        let mut settings = Settings {
            migrate_on_start: true,
            registry_url: registry.url.clone(),
            scoring_url: scoring.url.clone(),
            ..Settings::default()
        };
        upstream::listen_anywhere(&mut settings.common, directory, "segmentation");
        let shutdown = Shutdown::new();
        let running = mahnwerk_segmentation::start(settings, shutdown.clone())
            .await
            .unwrap();
        let channel = Endpoint::from_shared(format!("http://{}", running.api))
            .unwrap()
            .connect_lazy();
        Self {
            members: MembershipServiceClient::new(channel.clone()),
            schemes: SchemeServiceClient::new(channel),
            running,
            shutdown,
        }
    }

    async fn stop(self) {
        let Self {
            running, shutdown, ..
        } = self;
        shutdown.begin();
        shutdown.stop.cancel();
        running.stopped().await.unwrap();
    }

    /// The segment of a debtor, once a write is contained.
    async fn segment(&self, debtor_id: &str, scheme_id: &str, at_least: &str) -> String {
        let request = GetMembershipsRequest {
            creditor_id: "acme".to_owned(),
            debtor_id: debtor_id.to_owned(),
            at_least: at_least.to_owned(),
        };
        let found =
            patiently(async || self.members.clone().get_memberships(request.clone()).await).await;
        let memberships = found.unwrap().into_inner().memberships;
        let found = memberships.into_iter().find(|it| it.scheme_id == scheme_id);
        found.unwrap().segment_id
    }
}

/// Calls until the answer is not "not now" any more.
async fn patiently<T>(
    call: impl AsyncFn() -> Result<Response<T>, Status>,
) -> Result<Response<T>, Status> {
    let mut pause = tokio::time::interval(Duration::from_millis(25));
    for _ in 0..1_000 {
        pause.tick().await;
        match call().await {
            Err(status)
                if matches!(status.code(), Code::Unavailable | Code::FailedPrecondition) => {}
            answer => return answer,
        }
    }
    call().await
}

fn creditor(day: i32) -> Creditor {
    Creditor {
        creditor_id: "acme".to_owned(),
        reporting_currency: "EUR".to_owned(),
        business_date: Some(Date {
            year: 2026,
            month: 3,
            day,
        }),
        ..Creditor::default()
    }
}

fn debtor(debtor_id: &str) -> Debtor {
    Debtor {
        creditor_id: "acme".to_owned(),
        debtor_id: debtor_id.to_owned(),
        kind: DebtorKind::Organisation.into(),
        relationship: Relationship::Customer.into(),
        language: "de".to_owned(),
        billing_method: BillingMethod::EmailPdf.into(),
        ..Debtor::default()
    }
}

fn score(class: RiskClass, turnover: i64) -> ScoreState {
    ScoreState {
        score: Some(Score {
            score: 600,
            pd_ppm: 12_000,
            risk_class: class.into(),
            scorecard_kind: ScorecardKind::Organisation.into(),
            scorecard_revision: 1,
            ..Score::default()
        }),
        features: Some(Features {
            avg_days_to_pay_12m_days: Some(25),
            months_since_first_item: Some(24),
            months_since_last_item: Some(0),
            ..Features::default()
        }),
        accounts: vec![AccountTotals {
            currency_code: "EUR".to_owned(),
            turnover_12m_minor: turnover,
            ..AccountTotals::default()
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_follow_two_feeds_through_snapshot_and_pause() {
    let directory = TempDir::new().unwrap();
    let registry = Upstream::start(&directory, "registry").await;
    let scoring = Upstream::start(&directory, "scoring").await;
    scoring.has_seen_all_of(&registry, "registry").await;
    registry.put("creditor", "", "acme", &creditor(2)).await;
    let mut token = String::new();
    for number in 0..DEBTORS {
        let id = format!("d{number}");
        registry.put("debtor", &id, &id, &debtor(&id)).await;
        token = scoring
            .put("score", &id, &id, &score(RiskClass::B, 5_000_000))
            .await;
    }
    let service = Service::start(&directory, &registry, &scoring).await;
    assert_eq!(
        service.segment("d7", "treatment", &token).await,
        "good_payer"
    );
    let request = ListMembershipHistoryRequest {
        creditor_id: "acme".to_owned(),
        debtor_id: "d7".to_owned(),
        scheme_id: "treatment".to_owned(),
        ..ListMembershipHistoryRequest::default()
    };
    let mut members = service.members.clone();
    let history = members.list_membership_history(request).await.unwrap();
    let periods = history.into_inner().periods;
    assert_eq!(
        periods.len(),
        1,
        "half the facts have placed it: {periods:?}"
    );

    let token = scoring
        .put("score", "d7", "d7", &score(RiskClass::E, 5_000_000))
        .await;
    assert_eq!(service.segment("d7", "risk", &token).await, "high");
    let token = registry.put("creditor", "", "acme", &creditor(3)).await;
    assert_eq!(service.segment("d8", "risk", &token).await, "low");
    service.stop().await;

    let token = scoring
        .put("score", "d8", "d8", &score(RiskClass::C, 5_000_000))
        .await;
    let service = Service::start(&directory, &registry, &scoring).await;
    assert_eq!(service.segment("d8", "risk", &token).await, "medium");
    service.stop().await;
    registry.stop().await;
    scoring.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_is_carried_on_by_the_running_service() {
    let directory = TempDir::new().unwrap();
    let registry = Upstream::start(&directory, "registry").await;
    let scoring = Upstream::start(&directory, "scoring").await;
    scoring.has_seen_all_of(&registry, "registry").await;
    registry.put("creditor", "", "acme", &creditor(2)).await;
    let mut token = String::new();
    for number in 0..DEBTORS {
        let id = format!("d{number}");
        let turnover = i64::try_from(number).unwrap() * 10_000;
        registry.put("debtor", &id, &id, &debtor(&id)).await;
        token = scoring
            .put("score", &id, &id, &score(RiskClass::B, turnover))
            .await;
    }
    let service = Service::start(&directory, &registry, &scoring).await;
    assert_eq!(service.segment("d200", "value", &token).await, "b");
    let mut schemes = service.schemes.clone();
    let request = GetSchemeRequest {
        creditor_id: "acme".to_owned(),
        scheme_id: "value".to_owned(),
        revision: 0,
        at_least: token,
    };
    let found = patiently(async || service.schemes.clone().get_scheme(request.clone()).await);
    let mut scheme = found.await.unwrap().into_inner().scheme.unwrap();
    scheme.minimum_stay_days = 0;
    let segment = scheme.segments.iter_mut().find(|it| it.segment_id == "b");
    segment.unwrap().condition = "debtor.turnover_12m_minor >= 2500000".to_owned();
    let created = schemes.create_scheme_revision(CreateSchemeRevisionRequest {
        request_id: "r1".to_owned(),
        scheme: Some(scheme),
        validate_only: false,
    });
    let revision = created.await.unwrap().into_inner().scheme.unwrap().revision;
    let begun = schemes.activate_scheme(ActivateSchemeRequest {
        request_id: "r2".to_owned(),
        creditor_id: "acme".to_owned(),
        scheme_id: "value".to_owned(),
        revision,
        max_error_ppm: 0,
    });
    let token = begun.await.unwrap().into_inner().consistency_token;
    let request = GetActivationRequest {
        creditor_id: "acme".to_owned(),
        scheme_id: "value".to_owned(),
        at_least: token.clone(),
    };
    let done = patiently(async || {
        let found = service
            .schemes
            .clone()
            .get_activation(request.clone())
            .await?;
        match found.get_ref().activation.as_ref().map(|it| it.state()) {
            Some(ActivationState::Done) => Ok(found),
            _ => Err(Status::unavailable("it runs")),
        }
    });
    let done = done.await.unwrap().into_inner().activation.unwrap();
    // Those from 1,000,000 to below 2,500,000.
    assert_eq!((done.moved, done.total), (150, 300));
    assert_eq!(service.segment("d249", "value", &token).await, "c");
    assert_eq!(service.segment("d250", "value", &token).await, "b");
    service.stop().await;
    registry.stop().await;
    scoring.stop().await;
}
