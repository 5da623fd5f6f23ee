//! Migrations: the truth about the schema, applied under an advisory lock.
//!
//! The table of what was applied is that of sea-orm's migrator, which is not used itself: it refuses to work on a
//! database that a newer program has migrated further.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait as _, DbBackend};

use super::{Db, Sql, column};
use crate::error::Result;

/// One step of the schema, as SQL in the dialect both engines share, with three words replaced: `@serial@` (a key that
/// counts up), `@blob@` (bytes) and `@fill@` (storage parameters of tables that are updated all the time).
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// `mYYYYMMDD_NNNNNN_verb_object`.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

impl Migration {
    fn sql_for(&self, backend: DbBackend) -> String {
        let [serial, blob, fill] = if backend == DbBackend::Postgres {
            [
                "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                "BYTEA",
                "WITH (fillfactor = 70)",
            ]
        } else {
            ["INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", ""]
        };
        self.sql
            .replace("@serial@", serial)
            .replace("@blob@", blob)
            .replace("@fill@", fill)
    }
}

/// The migrations of a service, oldest first.
#[derive(Clone, Debug)]
pub struct Migrations(pub Vec<Migration>);

/// Any number that no other user of the database takes: "mahnwerk" in ASCII.
const LOCK: i64 = 0x6d61_686e_7765_726b;

impl Migrations {
    /// Applies what is missing, all of it in one transaction. Any number of processes may do so at once: one works, the
    /// others wait. Answers what this call applied.
    ///
    /// # Errors
    /// If a step fails; then none is applied.
    pub async fn apply(&self, db: &Db) -> Result<Vec<&'static str>> {
        if self.missing(db).await?.is_empty() {
            return Ok(Vec::new());
        }
        let txn = db.begin_write().await?;
        if db.is_postgres() {
            txn.query(
                "SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true), \
                 set_config('idle_in_transaction_session_timeout', '0', true)",
                vec![],
            )
            .await?;
            txn.query("SELECT pg_advisory_xact_lock($1)", vec![LOCK.into()])
                .await?;
        }
        txn.execute_sql(
            "CREATE TABLE IF NOT EXISTS seaql_migrations \
             (version TEXT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)",
            vec![],
        )
        .await?;
        let missing = self.missing(&txn).await?;
        for step in self.0.iter().filter(|step| missing.contains(&step.name)) {
            txn.connection()
                .execute_unprepared(&step.sql_for(db.backend()))
                .await?;
            let applied = format!(
                "INSERT INTO seaql_migrations (version, applied_at) VALUES ($1, {} / 1000000)",
                super::now_micros(db.backend())
            );
            txn.execute_sql(&applied, vec![step.name.into()]).await?;
            tracing::info!(migration = step.name, "migration applied");
        }
        txn.commit().await?;
        Ok(missing)
    }

    /// The migrations this program knows that are not applied yet. Unknown later ones are fine: they are what an old
    /// replica sees during an upgrade.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn missing(&self, on: &impl Sql) -> Result<Vec<&'static str>> {
        let exists = if on.on().get_database_backend() == DbBackend::Postgres {
            "SELECT count(*) AS n FROM information_schema.tables \
             WHERE table_name = 'seaql_migrations' AND table_schema = current_schema()"
        } else {
            "SELECT count(*) AS n FROM sqlite_master WHERE name = 'seaql_migrations'"
        };
        let found: i64 = match on.query_one(exists, vec![]).await? {
            Some(row) => column(&row, "n")?,
            None => 0,
        };
        let mut applied = BTreeSet::new();
        if found > 0 {
            for row in on
                .query("SELECT version FROM seaql_migrations", vec![])
                .await?
            {
                applied.insert(column::<String>(&row, "version")?);
            }
        }
        Ok(self
            .0
            .iter()
            .map(|step| step.name)
            .filter(|name| !applied.contains(*name))
            .collect())
    }
}
