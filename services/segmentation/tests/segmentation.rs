//! The conformance suites on SQLite.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

use mahnwerk_runtime::{config::DatabaseSettings, db::Db};
use mahnwerk_segmentation::{
    conformance::{activation, chance, feed, pins, placing, reading, schemes},
    migrations,
};
use tempfile::TempDir;

async fn database(directory: &TempDir) -> Db {
    let settings = DatabaseSettings {
        url: format!(
            "sqlite://{}/segmentation.db?mode=rwc",
            directory.path().display()
        ),
        ..DatabaseSettings::default()
    };
    let db = Db::connect(&settings).await.unwrap();
    migrations().apply(&db).await.unwrap();
    db
}

macro_rules! on_sqlite {
    ($($suite:ident::$name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let directory = TempDir::new().unwrap();
                let db = database(&directory).await;
                $suite::$name(db.clone()).await.unwrap();
                db.pool().clone().close().await.unwrap();
            }
        )+
    };
}

on_sqlite! {
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
async fn memberships_follow_from_the_last_states_however_they_came() {
    for seed in 1..=8 {
        let directory = TempDir::new().unwrap();
        let db = database(&directory).await;
        chance::memberships_follow_from_the_last_states(db.clone(), seed)
            .await
            .unwrap();
        db.pool().clone().close().await.unwrap();
    }
}
