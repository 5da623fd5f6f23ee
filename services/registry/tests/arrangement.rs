//! The suites of disputes, promises and instalment plans on SQLite.

mod common;

use common::Service;
use mahnwerk_registry::{conformance::arrangement, migrations};
use mahnwerk_runtime::{config::DatabaseSettings, db::Db};
use tempfile::TempDir;

macro_rules! over_grpc {
    ($($suite:ident::$name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let service = Service::start().await;
                $suite::$name(service.channel.clone()).await.unwrap();
                service.stop().await;
            }
        )+
    };
}

over_grpc! {
    arrangement::a_dispute_is_opened_closed_and_listed,
    arrangement::an_invoice_has_one_open_dispute_at_a_time,
    arrangement::every_posting_is_counted,
    arrangement::a_return_takes_back_what_had_come_unless_the_promise_is_closed,
    arrangement::the_day_after_decides_what_a_promise_was_worth,
    arrangement::a_plan_is_kept_with_its_last_cent,
    arrangement::a_plan_breaks_with_a_late_instalment_and_frees_its_invoices,
    arrangement::an_invoice_is_covered_once_at_a_time,
    arrangement::only_open_arrangements_are_cancelled,
    arrangement::what_does_not_fit_the_books_is_refused,
    arrangement::every_wrong_field_of_an_arrangement_is_named,
    arrangement::stream_snapshot_and_lists_agree,
    arrangement::a_day_settles_hundreds_of_debtors_before_it_answers,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_left_behind_is_settled() {
    let directory = TempDir::new().unwrap();
    let settings = DatabaseSettings {
        url: format!(
            "sqlite://{}/registry.db?mode=rwc",
            directory.path().display()
        ),
        ..DatabaseSettings::default()
    };
    let db = Db::connect(&settings).await.unwrap();
    migrations().apply(&db).await.unwrap();
    arrangement::what_a_process_left_behind_is_settled(db)
        .await
        .unwrap();
}
