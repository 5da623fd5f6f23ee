//! The suites of both services over gRPC, on PostgreSQL. On SQLite the services run them themselves.

use e2e::suite::{Engine, Suite, connect};
use mahnwerk_registry::conformance as registry;
use mahnwerk_scoring::conformance::{Channels, decisions, projection, scores};

macro_rules! of_the_registry {
    ($($suite:ident::$name:ident as $test:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            let suite = Suite::start(Engine::Postgres).await;
            registry::$suite::$name(suite.registry.clone()).await.unwrap();
            suite.stop().await;
        }
    )+};
}

of_the_registry! {
    creditor::suite as creditors,
    debtor::suite as debtors,
    contact_point::suite as contact_points,
    timeline::suite as timelines,
    account::suite as accounts,
    import::suite as imports,
    feed::stream_snapshot_and_api_agree as stream_snapshot_and_api_agree,
}

macro_rules! of_scoring {
    ($($suite:ident::$name:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let suite = Suite::start(Engine::Postgres).await;
            let channels = Channels {
                registry: suite.registry.clone(),
                scoring: suite.scoring.clone(),
            };
            $suite::$name(channels).await.unwrap();
            suite.stop().await;
        }
    )+};
}

of_scoring! {
    scores::a_score_contains_the_write_of_its_token,
    scores::a_business_day_ages_scores,
    scores::an_explanation_adds_up_and_remembers,
    scores::past_scores_are_listed_newest_first,
    scores::many_scores_are_read_at_once,
    scores::reasons_speak_the_language_asked_for,
    scores::what_cannot_be_scored_is_refused,
    scores::scorecards_are_listed_and_read,
    decisions::exposure_and_order_are_held_against_the_limit,
    decisions::insolvency_and_hold_decline,
    decisions::other_currencies_are_converted,
    decisions::a_person_is_not_declined_by_a_machine,
    decisions::a_repeated_request_is_decided_once,
    decisions::decisions_are_read_and_listed,
    decisions::wrong_orders_are_refused,
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_follow_from_the_last_states() {
    let cluster = e2e::postgres::Cluster::shared();
    for seed in 1..=4 {
        let database = cluster.database();
        let db = connect(&database.url()).await;
        mahnwerk_scoring::migrations().apply(&db).await.unwrap();
        projection::scores_follow_from_the_last_states(&db, seed)
            .await
            .unwrap();
    }
}
