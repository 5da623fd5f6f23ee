//! The storage helpers on SQLite.

use mahnwerk_runtime::{
    conformance,
    db::{DatabaseSettings, Db},
    error::Error,
};
use tempfile::TempDir;

async fn connect(directory: &TempDir) -> Result<Db, Error> {
    Db::connect(&DatabaseSettings {
        url: format!("sqlite://{}/test.db?mode=rwc", directory.path().display()),
        ..DatabaseSettings::default()
    })
    .await
}

#[tokio::test]
async fn many_rows_in_one_statement_arrive_unchanged() {
    let directory = TempDir::new().unwrap();
    let db = connect(&directory).await.unwrap();
    conformance::rows_suite(&db).await.unwrap();
}

#[tokio::test]
async fn transactions_do_what_they_say() {
    let directory = TempDir::new().unwrap();
    let db = connect(&directory).await.unwrap();
    conformance::transaction_suite(&db).await.unwrap();
}

#[tokio::test]
async fn repeated_requests_find_their_answers() {
    let directory = TempDir::new().unwrap();
    let db = connect(&directory).await.unwrap();
    conformance::idempotency_suite(&db).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_applied_once_by_four_tasks_of_one_process() {
    let directory = TempDir::new().unwrap();
    let db = connect(&directory).await.unwrap();
    let dbs = [db.clone(), db.clone(), db.clone(), db];
    conformance::migrate_suite(dbs).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_applied_once_by_four_processes() {
    let directory = TempDir::new().unwrap();
    let dbs = [
        connect(&directory).await.unwrap(),
        connect(&directory).await.unwrap(),
        connect(&directory).await.unwrap(),
        connect(&directory).await.unwrap(),
    ];
    conformance::migrate_suite(dbs).await.unwrap();
}

#[tokio::test]
async fn settings_are_shown_without_the_address() {
    let settings = DatabaseSettings {
        url: "postgres://user:hunter2@host/db".to_owned(),
        ..DatabaseSettings::default()
    };
    assert!(!format!("{settings:?}").contains("hunter2"));
}
