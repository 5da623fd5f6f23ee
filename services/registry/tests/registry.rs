//! The conformance suites on SQLite.

mod common;

use common::Service;
use mahnwerk_registry::{
    config::Settings,
    conformance::{business_day, contact, contact_point, creditor, debtor, feed, timeline},
    migrations, start,
};
use mahnwerk_runtime::{config::DatabaseSettings, db::Db, server::Shutdown};
use tempfile::TempDir;

fn database(directory: &TempDir) -> DatabaseSettings {
    DatabaseSettings {
        url: format!(
            "sqlite://{}/registry.db?mode=rwc",
            directory.path().display()
        ),
        ..DatabaseSettings::default()
    }
}

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
    creditor::a_creditor_is_created_read_and_listed,
    creditor::an_update_changes_named_fields_under_its_etag,
    creditor::a_repeated_request_has_one_effect,
    creditor::business_days_only_move_forward,
    creditor::exchange_rates_are_set_replaced_and_listed,
    debtor::a_debtor_is_created_read_and_listed,
    debtor::an_update_changes_named_fields_only,
    debtor::identical_calls_at_once_have_one_effect,
    timeline::holds_and_insolvency_are_set_and_lifted,
    timeline::the_timeline_tells_everything_newest_first,
    contact_point::a_contact_point_lives_and_is_created_again,
    contact_point::a_debtor_has_at_most_fifty_contact_points,
    contact::contacts_are_recorded_once_and_listed_newest_first,
    contact::a_report_moves_the_state_of_the_address_it_is_about,
    contact::only_persons_die,
    contact::bank_imports_only_move_forward,
    feed::stream_snapshot_and_api_agree,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named() {
    let service = Service::start().await;
    creditor::every_wrong_field_is_named(service.channel.clone())
        .await
        .unwrap();
    debtor::every_wrong_field_is_named(service.channel.clone())
        .await
        .unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_suites_run_side_by_side_on_one_service() {
    let service = Service::start().await;
    let channel = &service.channel;
    let (creditors, debtors, contacts, timelines, feed) = tokio::join!(
        creditor::suite(channel.clone()),
        debtor::suite(channel.clone()),
        contact_point::suite(channel.clone()),
        timeline::suite(channel.clone()),
        feed::stream_snapshot_and_api_agree(channel.clone()),
    );
    for result in [creditors, debtors, contacts, timelines, feed] {
        result.unwrap();
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_day_opens_once_when_it_begins() {
    let directory = TempDir::new().unwrap();
    let db = Db::connect(&database(&directory)).await.unwrap();
    migrations().apply(&db).await.unwrap();
    business_day::a_business_day_opens_once_when_it_begins(db)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_database_without_its_schema_is_refused_with_the_command_to_run() {
    let directory = TempDir::new().unwrap();
    let mut settings = Settings::default();
    settings.common.database = database(&directory);
    let error = start(settings, Shutdown::new()).await.err().unwrap();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("mahnwerk-registry migrate"), "{source}");
}
