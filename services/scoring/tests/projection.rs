//! The projection on SQLite.

use mahnwerk_runtime::{config::DatabaseSettings, db::Db};
use mahnwerk_scoring::{conformance::projection, migrations};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn scores_follow_from_the_last_states_however_they_came() {
    for seed in 1..=24 {
        let directory = TempDir::new().unwrap();
        let settings = DatabaseSettings {
            url: format!(
                "sqlite://{}/scoring.db?mode=rwc",
                directory.path().display()
            ),
            ..DatabaseSettings::default()
        };
        let db = Db::connect(&settings).await.unwrap();
        migrations().apply(&db).await.unwrap();
        projection::scores_follow_from_the_last_states(&db, seed)
            .await
            .unwrap();
        db.pool().clone().close().await.unwrap();
    }
}
