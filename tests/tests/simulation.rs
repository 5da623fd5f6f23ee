//! What a simulation says of real scores: nobody moves under the active revision, and under another threshold exactly those
//! whom the scores between the two thresholds name.

use std::collections::{BTreeMap, BTreeSet};

use e2e::{
    portfolio,
    schemes::{activate, create_revision, two_segments},
    suite::{Engine, Service, Suite, patiently},
};
use mahnwerk_proto::{
    scoring::v1::BatchGetScoresRequest,
    segmentation::v1::{ListMembershipsRequest, SimulateSchemeRequest, SimulationResult},
};

const CREDITOR: &str = "c1";
const DEBTORS: usize = 300;
const SCHEME: &str = "risky";

/// Probabilities of default by debtor, as scoring answers them.
async fn scores(suite: &Suite, at_least: &str) -> BTreeMap<String, i32> {
    let found = patiently(async || {
        suite
            .clients()
            .scores
            .batch_get_scores(BatchGetScoresRequest {
                creditor_id: CREDITOR.to_owned(),
                debtor_ids: (0..DEBTORS).map(portfolio::debtor_id).collect(),
                at_least: at_least.to_owned(),
                language: String::new(),
            })
            .await
    })
    .await;
    let scores = found.into_inner().scores.into_iter();
    scores.map(|it| (it.debtor_id, it.pd_ppm)).collect()
}

/// Segment and version of everybody's membership.
async fn memberships(suite: &Suite, at_least: &str) -> BTreeMap<String, (String, i64)> {
    let found = patiently(async || {
        let mut memberships = suite.segmentation().memberships;
        memberships
            .list_memberships(ListMembershipsRequest {
                creditor_id: CREDITOR.to_owned(),
                scheme_id: SCHEME.to_owned(),
                page_size: 1_000,
                at_least: at_least.to_owned(),
                ..ListMembershipsRequest::default()
            })
            .await
    })
    .await;
    let all = found.into_inner().memberships.into_iter();
    all.map(|it| (it.debtor_id, (it.segment_id, it.version)))
        .collect()
}

async fn simulate(suite: &Suite, revision: i32, at_least: &str) -> SimulationResult {
    let answers = patiently(async || {
        let mut schemes = suite.segmentation().schemes;
        schemes
            .simulate_scheme(SimulateSchemeRequest {
                creditor_id: CREDITOR.to_owned(),
                scheme_id: SCHEME.to_owned(),
                revision,
                at_least: at_least.to_owned(),
            })
            .await
    })
    .await;
    let mut answers = answers.into_inner();
    let mut result = None;
    while let Some(answer) = answers.message().await.expect("an answer") {
        result = answer.result;
    }
    result.expect("a result at the end")
}

/// Creates the revision that calls everybody with at least this probability of default risky.
async fn revision(suite: &Suite, least_pd_ppm: i32) -> i32 {
    let condition = format!("has(debtor.pd_ppm) && debtor.pd_ppm >= {least_pd_ppm}");
    let scheme = two_segments(CREDITOR, SCHEME, &condition);
    create_revision(&suite.segmentation(), scheme).await
}

async fn exactly_those_whom_the_scores_name_move(engine: Engine) {
    let suite = Suite::start_with(engine, Service::Segmentation).await;
    let mut clients = suite.clients();
    clients.open_creditor(CREDITOR).await;
    let records = portfolio::records(0..DEBTORS);
    let token = clients.import(CREDITOR, "portfolio", records).await;
    let scores = scores(&suite, &token).await;
    assert_eq!(scores.len(), DEBTORS);
    let different: BTreeSet<i32> = scores.values().copied().collect();
    let different: Vec<i32> = different.into_iter().collect();
    assert!(different.len() >= 4, "too few scores: {different:?}");
    let low = different[different.len() / 3];
    let high = different[different.len() * 2 / 3];
    let named: BTreeSet<&String> = scores
        .iter()
        .filter(|(_, pd)| (low..high).contains(pd))
        .map(|(debtor_id, _)| debtor_id)
        .collect();

    let first = revision(&suite, low).await;
    activate(&suite.segmentation(), CREDITOR, SCHEME, first).await;
    let before = memberships(&suite, &token).await;
    let same = simulate(&suite, 0, &token).await;
    assert_eq!((same.moved, same.errors), (0, 0));
    assert_eq!(same.evaluated, DEBTORS as i64);

    let second = revision(&suite, high).await;
    let result = simulate(&suite, second, &token).await;
    assert_eq!(result.moved, named.len() as i64);
    let moves = result.movements.iter();
    let mut moves = moves.filter(|it| it.from_segment_id != it.to_segment_id);
    let only = moves.next().expect("a movement");
    let way = (only.from_segment_id.as_str(), only.to_segment_id.as_str());
    assert_eq!((way, only.debtors), (("yes", "no"), named.len() as i64));
    assert!(moves.next().is_none(), "{:?}", result.movements);
    let examples = only.examples.iter();
    assert!(examples.clone().all(|it| named.contains(&it.debtor_id)));
    assert_eq!(memberships(&suite, &token).await, before);

    activate(&suite.segmentation(), CREDITOR, SCHEME, second).await;
    let after = memberships(&suite, &token).await;
    let moved: BTreeSet<&String> = before
        .iter()
        .filter(|(debtor_id, was)| after[*debtor_id].0 != was.0)
        .map(|(debtor_id, _)| debtor_id)
        .collect();
    assert_eq!(moved, named);
    let touched = before.iter().filter(|(id, was)| after[*id] != **was);
    assert_eq!(touched.count(), named.len(), "others are not touched");
    println!(
        "{} scores of {DEBTORS} debtors on {engine:?}; from {low} to {high} ppm {} debtors move",
        different.len(),
        named.len()
    );
    suite.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_threshold_moves_exactly_those_whom_the_scores_name_on_sqlite() {
    exactly_those_whom_the_scores_name_move(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_threshold_moves_exactly_those_whom_the_scores_name_on_postgres() {
    exactly_those_whom_the_scores_name_move(Engine::Postgres).await;
}
