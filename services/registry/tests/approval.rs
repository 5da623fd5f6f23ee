//! The suites of four eyes on SQLite.

mod common;

use common::Service;
use mahnwerk_registry::{conformance::approval, migrations};
use mahnwerk_runtime::{config::DatabaseSettings, db::Db};
use tempfile::TempDir;

macro_rules! on_a_database {
    ($($suite:ident::$name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
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
                $suite::$name(db).await.unwrap();
            }
        )+
    };
}

on_a_database! {
    approval::another_grants_what_one_asked_for,
    approval::pieces_of_a_write_off_count_together,
    approval::a_grant_goes_by_the_books_of_the_moment,
    approval::approvals_are_listed_newest_first,
}

#[tokio::test(flavor = "multi_thread")]
async fn without_names_nothing_is_granted() {
    let service = Service::start().await;
    approval::without_names_nothing_is_granted(service.channel.clone())
        .await
        .unwrap();
    service.stop().await;
}
