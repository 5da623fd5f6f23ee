//! The projection on SQLite.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

use mahnwerk_runtime::{config::DatabaseSettings, db::Db};
use mahnwerk_scoring::{
    conformance::{projection, states},
    migrations,
};
use tempfile::TempDir;

async fn database(directory: &TempDir) -> Db {
    let settings = DatabaseSettings {
        url: format!(
            "sqlite://{}/scoring.db?mode=rwc",
            directory.path().display()
        ),
        ..DatabaseSettings::default()
    };
    let db = Db::connect(&settings).await.unwrap();
    migrations().apply(&db).await.unwrap();
    db
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_follow_from_the_last_states_however_they_came() {
    for seed in 1..=24 {
        let directory = TempDir::new().unwrap();
        let db = database(&directory).await;
        projection::scores_follow_from_the_last_states(&db, seed)
            .await
            .unwrap();
        db.pool().clone().close().await.unwrap();
    }
}

macro_rules! on_a_database {
    ($($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let directory = TempDir::new().unwrap();
                let db = database(&directory).await;
                states::$name(&db).await.unwrap();
                db.pool().clone().close().await.unwrap();
            }
        )+
    };
}

on_a_database! {
    arrangements_are_told_as_features_and_amounts,
    a_payment_that_leaves_the_score_tells_new_amounts,
    a_broken_plan_refers_and_a_death_declines,
    features_of_an_older_shape_are_told_anew,
}
