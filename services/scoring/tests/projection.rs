//! The projection on SQLite.

mod common;

use common::empty_database;
use mahnwerk_scoring::conformance::projection;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn scores_follow_from_the_last_states_however_they_came() {
    for seed in 1..=24 {
        let directory = TempDir::new().unwrap();
        let db = empty_database(&directory).await;
        projection::scores_follow_from_the_last_states(&db, seed)
            .await
            .unwrap();
        db.pool().clone().close().await.unwrap();
    }
}
