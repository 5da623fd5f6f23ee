//! The suites of the services on PostgreSQL: over gRPC, or on a database. On SQLite the services run them themselves.

use e2e::{
    postgres::Cluster,
    suite::{Engine, Service, Suite, connect},
};
use mahnwerk_registry::conformance as registry;
use mahnwerk_runtime::db::{Db, Migrations};
use mahnwerk_scoring::conformance::{Channels, decisions, projection, scores, states};
use mahnwerk_segmentation::conformance as segmentation;

macro_rules! of_the_registry {
    ($($suite:ident::$name:ident as $test:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            let suite = Suite::start(Engine::Postgres).await;
            registry::$suite::$name(suite.channel(Service::Registry).clone()).await.unwrap();
            suite.stop().await;
        }
    )+};
}

of_the_registry! {
    creditor::suite as creditors,
    debtor::suite as debtors,
    contact_point::suite as contact_points,
    contact::suite as contacts,
    approval::without_names_nothing_is_granted as without_names_nothing_is_granted,
    arrangement::suite as arrangements,
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
                registry: suite.channel(Service::Registry).clone(),
                scoring: suite.channel(Service::Scoring).clone(),
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

/// Runs a suite on an empty, migrated database of its own, on which no service runs.
async fn on_a_database<T: std::fmt::Debug>(
    migrations: Migrations,
    suite: impl AsyncFn(Db) -> Result<(), T>,
) {
    let database = Cluster::shared().database();
    let db = connect(&database.url()).await;
    migrations.apply(&db).await.unwrap();
    suite(db.clone()).await.unwrap();
    db.pool().clone().close().await.unwrap();
}

macro_rules! of_the_registry_on_a_database {
    ($($suite:ident::$name:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let migrations = mahnwerk_registry::migrations();
            on_a_database(migrations, async |db| registry::$suite::$name(db).await).await;
        }
    )+};
}

of_the_registry_on_a_database! {
    approval::another_grants_what_one_asked_for,
    approval::pieces_of_a_write_off_count_together,
    approval::a_grant_goes_by_the_books_of_the_moment,
    approval::approvals_are_listed_newest_first,
}

macro_rules! of_scoring_on_a_database {
    ($($suite:ident::$name:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            on_a_database(mahnwerk_scoring::migrations(), async |db| $suite::$name(&db).await).await;
        }
    )+};
}

of_scoring_on_a_database! {
    states::arrangements_are_told_as_features_and_amounts,
    states::a_payment_that_leaves_the_score_tells_new_amounts,
    states::a_broken_plan_refers_and_a_death_declines,
    states::features_of_an_older_shape_are_told_anew,
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_follow_from_the_last_states() {
    for seed in 1..=4 {
        on_a_database(mahnwerk_scoring::migrations(), async |db| {
            projection::scores_follow_from_the_last_states(&db, seed).await
        })
        .await;
    }
}

macro_rules! of_segmentation {
    ($($suite:ident::$name:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let migrations = mahnwerk_segmentation::migrations();
            on_a_database(migrations, async |db| segmentation::$suite::$name(db).await).await;
        }
    )+};
}

of_segmentation! {
    schemes::a_creditor_begins_with_the_starter_schemes,
    schemes::conditions_that_cannot_hold_are_refused,
    schemes::every_wrong_field_of_a_scheme_is_named,
    schemes::revisions_count_up,
    schemes::fields_are_documented,
    placing::a_debtor_moves_with_what_is_told_of_it,
    placing::a_minimum_stay_ends_by_itself,
    placing::a_business_date_has_one_outcome,
    placing::a_score_brings_its_business_date_along,
    placing::a_business_day_ends_a_temporary_segment,
    placing::amounts_follow_the_rates,
    placing::an_error_moves_nobody,
    reading::memberships_are_listed_by_debtor,
    reading::what_cannot_be_said_is_refused,
    reading::half_the_facts_place_nobody,
    pins::a_pin_holds_until_it_expires,
    pins::a_lifted_pin_leaves_no_minimum_stay,
    pins::wrong_pins_are_refused,
    activation::a_threshold_moves_exactly_those_it_concerns,
    activation::a_revision_that_fails_for_too_many_is_refused,
    activation::an_activation_outlives_its_worker,
    activation::only_a_draft_is_activated,
    feed::the_feed_tells_what_is_stored,
    feed::another_policy_is_told,
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_follow_from_the_last_states() {
    for seed in 1..=4 {
        on_a_database(mahnwerk_segmentation::migrations(), async |db| {
            segmentation::chance::memberships_follow_from_the_last_states(db, seed).await
        })
        .await;
    }
}
