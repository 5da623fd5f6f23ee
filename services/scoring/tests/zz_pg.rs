#![allow(missing_docs, dead_code, clippy::all, clippy::allow_attributes, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
#[path = "../../../tests/src/postgres.rs"]
mod postgres;
use mahnwerk_runtime::{config::DatabaseSettings, db::Db, server::Shutdown};
use mahnwerk_scoring::conformance::*;
use tonic::transport::Endpoint;

fn db(url: String) -> DatabaseSettings { DatabaseSettings { url, ..DatabaseSettings::default() } }

#[tokio::test(flavor = "multi_thread")]
async fn everything_on_postgres() {
    let cluster = postgres::Cluster::start();
    let (r, s) = (cluster.database(), cluster.database());
    let shutdown = Shutdown::new();
    let mut settings = mahnwerk_registry::config::Settings { migrate_on_start: true, ..Default::default() };
    settings.common.database = db(r.url());
    settings.common.api.listen.set_port(0);
    settings.common.ops.listen.set_port(0);
    let registry = mahnwerk_registry::start(settings, shutdown.clone()).await.unwrap();
    let mut settings = mahnwerk_scoring::config::Settings { migrate_on_start: true, registry_url: format!("http://{}", registry.api), ..Default::default() };
    settings.common.database = db(s.url());
    settings.common.api.listen.set_port(0);
    settings.common.ops.listen.set_port(0);
    let scoring = mahnwerk_scoring::start(settings, shutdown.clone()).await.unwrap();
    let ch = |a| Endpoint::from_shared(format!("http://{a}")).unwrap().connect_lazy();
    let c = Channels { registry: ch(registry.api), scoring: ch(scoring.api) };
    scores::a_score_contains_the_write_of_its_token(c.clone()).await.unwrap();
    let (a, b, d, e) = tokio::join!(
        scores::a_business_day_ages_scores(c.clone()),
        scores::an_explanation_adds_up_and_remembers(c.clone()),
        scores::past_scores_are_listed_newest_first(c.clone()),
        scores::many_scores_are_read_at_once(c.clone()),
    );
    a.unwrap(); b.unwrap(); d.unwrap(); e.unwrap();
    scores::reasons_speak_the_language_asked_for(c.clone()).await.unwrap();
    scores::what_cannot_be_scored_is_refused(c.clone()).await.unwrap();
    scores::scorecards_are_listed_and_read(c.clone()).await.unwrap();
    decisions::exposure_and_order_are_held_against_the_limit(c.clone()).await.unwrap();
    decisions::insolvency_and_hold_decline(c.clone()).await.unwrap();
    decisions::other_currencies_are_converted(c.clone()).await.unwrap();
    decisions::a_person_is_not_declined_by_a_machine(c.clone()).await.unwrap();
    decisions::a_repeated_request_is_decided_once(c.clone()).await.unwrap();
    decisions::decisions_are_read_and_listed(c.clone()).await.unwrap();
    decisions::wrong_orders_are_refused(c.clone()).await.unwrap();
    drop(c);
    shutdown.begin();
    registry.stopped().await.unwrap();
    scoring.stopped().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn projection_on_postgres() {
    let cluster = postgres::Cluster::start();
    for seed in 1..=24 {
        let d = cluster.database();
        let db = Db::connect(&db(d.url())).await.unwrap();
        mahnwerk_scoring::migrations().apply(&db).await.unwrap();
        projection::scores_follow_from_the_last_states(&db, seed).await.unwrap();
        db.pool().clone().close().await.unwrap();
    }
}
