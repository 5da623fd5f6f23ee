//! The conformance suites on SQLite.

mod common;

use common::Services;
use mahnwerk_scoring::conformance::{decisions, scores};

macro_rules! over_grpc {
    ($($suite:ident::$name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let services = Services::start().await;
                $suite::$name(services.channels.clone()).await.unwrap();
                services.stop().await;
            }
        )+
    };
}

over_grpc! {
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
