//! The conformance suites of the crates, on PostgreSQL. On SQLite the crates run them themselves.

use e2e::{postgres::Cluster, suite::connect};
use mahnwerk_runtime::{
    conformance::{idempotency_suite, migrate_suite, rows_suite, transaction_suite},
    db::Db,
};

/// Runs a suite on a database of its own.
async fn on_postgres(suite: impl AsyncFn(&Db) -> mahnwerk_runtime::error::Result<()>) {
    let database = Cluster::shared().database();
    let db = connect(&database.url()).await;
    suite(&db).await.expect("the suite");
    db.pool().clone().close().await.expect("the pool closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_survive_set_based_statements_on_postgres() {
    on_postgres(async |db| rows_suite(db).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_do_what_they_say_on_postgres() {
    on_postgres(async |db| transaction_suite(db).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_calls_find_their_answers_on_postgres() {
    on_postgres(async |db| idempotency_suite(db).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_applied_once_by_four_processes_on_postgres() {
    let database = Cluster::shared().database();
    let url = database.url();
    let dbs = [
        connect(&url).await,
        connect(&url).await,
        connect(&url).await,
        connect(&url).await,
    ];
    migrate_suite(dbs).await.expect("the suite");
}
