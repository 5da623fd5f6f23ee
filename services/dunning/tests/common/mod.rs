//! A migrated SQLite database of its own.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

use mahnwerk_dunning::migrations;
use mahnwerk_runtime::{config::DatabaseSettings, db::Db};
use tempfile::TempDir;

/// A database that is gone when it is closed.
pub struct Database {
    pub db: Db,
    _directory: TempDir,
}

impl Database {
    pub async fn create() -> Self {
        let directory = TempDir::new().unwrap();
        let settings = DatabaseSettings {
            url: format!(
                "sqlite://{}/dunning.db?mode=rwc",
                directory.path().display()
            ),
            ..DatabaseSettings::default()
        };
        let db = Db::connect(&settings).await.unwrap();
        migrations().apply(&db).await.unwrap();
        Self {
            db,
            _directory: directory,
        }
    }

    pub async fn close(self) {
        self.db.pool().clone().close().await.unwrap();
    }
}
