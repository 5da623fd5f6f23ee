//! Connecting: pool sizes, time limits and the checks that make both engines agree.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectOptions, Database, DbErr};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{Db, Sql, column};
use crate::{
    error::{Error, Result},
    status::chain,
};

/// How to reach the database.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSettings {
    /// `sqlite://FILE?mode=rwc` or `postgres://USER:PASSWORD@HOST/DATABASE`. Secret.
    pub url: String,
    /// Connections in the pool, 2 to 500. Too few: calls queue. Too many: PostgreSQL refuses them.
    pub max_connections: u32,
    /// Longest time to wait for a connection, in milliseconds.
    pub acquire_timeout_ms: u64,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            max_connections: 16,
            acquire_timeout_ms: 2_000,
        }
    }
}

/// Shows everything but the address, which holds a password.
impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DatabaseSettings")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout_ms", &self.acquire_timeout_ms)
            .finish_non_exhaustive()
    }
}

/// Longest a statement may run; transactions are meant to stay under a second.
const STATEMENT_TIMEOUT: &str = "10s";
/// Longest to wait for a lock.
const LOCK_TIMEOUT: &str = "3s";
/// Longest a transaction may sit idle; a forgotten one would hold back every feed of the cluster.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "5s";

impl Db {
    /// Connects and checks that text compares by bytes.
    ///
    /// # Errors
    /// If the database cannot be reached, or uses another collation than C.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self> {
        let mut options = ConnectOptions::new(&settings.url);
        options
            .max_connections(settings.max_connections)
            .min_connections(1)
            .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
            .test_before_acquire(false)
            .sqlx_logging(false)
            .record_stmt_in_spans(false)
            .map_sqlx_sqlite_opts(|options| {
                use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
                options
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Normal)
                    .busy_timeout(Duration::from_secs(10))
                    .pragma("cache_size", "-16000")
            })
            .map_sqlx_postgres_opts(|options| {
                options.options([
                    ("statement_timeout", STATEMENT_TIMEOUT),
                    ("lock_timeout", LOCK_TIMEOUT),
                    (
                        "idle_in_transaction_session_timeout",
                        IDLE_IN_TRANSACTION_TIMEOUT,
                    ),
                ])
            });
        // Whoever starts a program must be told why it does not reach its database.
        let pool = Database::connect(options)
            .await
            .map_err(|error| not_connected(error, &settings.url))?;
        let writer = (pool.get_database_backend() == sea_orm::DbBackend::Sqlite)
            .then(|| Arc::new(Mutex::new(())));
        let db = Self { pool, writer };
        db.check_collation().await?;
        Ok(db)
    }

    /// Asks for the behaviour and not for the name: an ICU locale can hide behind the name C.
    async fn check_collation(&self) -> Result<()> {
        let row = self
            .query_one(
                "SELECT CAST(CASE WHEN 'B' < 'a' AND 'a-c' < 'ab' THEN 1 ELSE 0 END AS bigint) AS by_bytes",
                vec![],
            )
            .await?;
        let by_bytes: i64 = match row {
            Some(row) => column(&row, "by_bytes")?,
            None => 0,
        };
        if by_bytes == 1 {
            return Ok(());
        }
        Err(Error::internal(
            "the database compares text by a language's rules, but keys must compare by bytes: create it with \
             LC_COLLATE 'C' and TEMPLATE template0",
        ))
    }
}

/// Why there is no connection. An address that cannot be read is repeated by sea-orm as a whole, with its password.
fn not_connected(error: DbErr, url: &str) -> Error {
    let text = chain(&error);
    if !url.is_empty() && text.contains(url) {
        return Error::internal(text.replace(url, "[redacted]"));
    }
    Error::Internal(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_cannot_be_read_is_not_repeated() {
        for url in [
            "postgres://mahnwerk:hunter2@db:port/registry",
            "postgres://mahnwerk:hunter2@[db/registry",
            "other://mahnwerk:hunter2@db/registry",
        ] {
            let settings = DatabaseSettings {
                url: url.to_owned(),
                ..DatabaseSettings::default()
            };
            let Err(error) = Db::connect(&settings).await else {
                panic!("{url} is no address");
            };
            let told = format!("{} {error:?}", chain(&error));
            assert!(told.contains("[redacted]"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
