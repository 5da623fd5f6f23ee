//! A new revision of a scheme that moves everybody, against reading the facts and writing the memberships with two SQL
//! statements.

use mahnwerk_proto::segmentation::v1::{
    ActivateSchemeRequest, ActivationState, CreateSchemeRevisionRequest, GetActivationRequest,
};
use mahnwerk_runtime::db::Sql as _;
use tokio::time::Instant;

use super::{
    Line,
    portfolio::{CREDITOR, debtors},
    services::{Services, until},
    tell,
};
use crate::{schemes::two_segments, suite::Service};

/// Beside the starter schemes, which place everybody as well.
const SCHEME: &str = "bench";

pub async fn measure(services: &Services) -> Line {
    tell("re-segmenting the whole portfolio");
    let overdue = "has(debtor.overdue_amount_minor) && debtor.overdue_amount_minor > 0";
    activate(services, "first", overdue).await;
    let began = Instant::now();
    let moved = activate(services, "second", &format!("!({overdue})")).await;
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(moved, debtors() as i64, "everybody moves");
    Line {
        what: "re-segmentation, against two SQL statements".to_owned(),
        unit: "debtors",
        floor: Some(debtors() as f64 / floor_seconds(services).await),
        rate: debtors() as f64 / seconds,
        budget: Some(0.2),
        latency: None,
    }
}

/// Creates the next revision and activates it. Answers how many debtors moved.
async fn activate(services: &Services, name: &str, condition: &str) -> i64 {
    let schemes = services.segmentation().schemes;
    let created = schemes
        .clone()
        .create_scheme_revision(CreateSchemeRevisionRequest {
            request_id: format!("create-{name}"),
            scheme: Some(two_segments(CREDITOR, SCHEME, condition)),
            validate_only: false,
        })
        .await
        .expect("a revision");
    let revision = created.into_inner().scheme.expect("a scheme").revision;
    schemes
        .clone()
        .activate_scheme(ActivateSchemeRequest {
            request_id: format!("activate-{name}"),
            creditor_id: CREDITOR.to_owned(),
            scheme_id: SCHEME.to_owned(),
            revision,
            max_error_ppm: 0,
        })
        .await
        .expect("an activation");
    let request = GetActivationRequest {
        creditor_id: CREDITOR.to_owned(),
        scheme_id: SCHEME.to_owned(),
        at_least: String::new(),
    };
    until(async || {
        let found = schemes.clone().get_activation(request.clone()).await;
        let found = found.expect("an activation").into_inner().activation;
        let activation = found.expect("an activation");
        match activation.state() {
            ActivationState::Done => Some(activation.moved),
            ActivationState::Refused => panic!("the activation is refused: {activation:?}"),
            _ => None,
        }
    })
    .await
}

async fn floor_seconds(services: &Services) -> f64 {
    let db = services.db(Service::Segmentation).await;
    db.execute(
        "CREATE TABLE floor_membership (LIKE membership INCLUDING ALL)",
        vec![],
    )
    .await
    .expect("a table");
    let began = Instant::now();
    let facts = db
        .query(
            "SELECT d.*, s.currency, s.state, p.due_on FROM debtor d JOIN score s USING (creditor_id, debtor_id) \
             JOIN placement p USING (creditor_id, debtor_id) WHERE creditor_id = $1 ORDER BY debtor_id",
            vec![CREDITOR.into()],
        )
        .await;
    assert_eq!(facts.expect("the facts").len(), debtors());
    let written = db
        .execute(
            "INSERT INTO floor_membership SELECT * FROM membership WHERE creditor_id = $1 AND scheme_id = $2",
            vec![CREDITOR.into(), SCHEME.into()],
        )
        .await;
    assert_eq!(written.expect("the memberships"), debtors() as u64);
    began.elapsed().as_secs_f64()
}
