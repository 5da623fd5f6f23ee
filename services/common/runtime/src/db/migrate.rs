//! Migrations: the truth about the schema, run under an advisory lock.

use std::collections::BTreeSet;

use sea_orm_migration::{MigratorTraitSelf, prelude::*};

use super::{Db, Sql, column};
use crate::error::{Error, Result};

/// One step of the schema, as SQL in the dialect both engines share, with three words replaced: `@serial@` (a key that
/// counts up), `@blob@` (bytes) and `@fill@` (storage parameters of tables that are updated all the time).
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// `mYYYYMMDD_NNNNNN_verb_object`.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// The migrations of a service, oldest first.
#[derive(Clone, Debug)]
pub struct Migrations(pub Vec<Migration>);

struct Step(Migration);

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.0.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let postgres = manager.get_database_backend() == sea_orm::DbBackend::Postgres;
        let sql = self
            .0
            .sql
            .replace(
                "@serial@",
                if postgres {
                    "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
                } else {
                    "INTEGER PRIMARY KEY AUTOINCREMENT"
                },
            )
            .replace("@blob@", if postgres { "BYTEA" } else { "BLOB" })
            .replace("@fill@", if postgres { "WITH (fillfactor = 70)" } else { "" });
        manager
            .get_connection()
            .execute_unprepared(&sql)
            .await
            .map(|_| ())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "migrations only go forward; restore a backup to go back".to_owned(),
        ))
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

struct Runner(Vec<Migration>);

impl MigratorTraitSelf for Runner {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        self.0
            .iter()
            .map(|step| Box::new(Step(*step)) as Box<dyn MigrationTrait>)
            .collect()
    }
}

/// Any number that no other user of the database takes: "mahnwerk" in ASCII.
const LOCK: i64 = 0x6d61_686e_7765_726b;

impl Migrations {
    /// Applies what is missing, all of it in one transaction. Any number of processes may do so at once: one works, the
    /// others wait.
    ///
    /// # Errors
    /// If a step fails; then none is applied.
    pub async fn apply(&self, db: &Db) -> Result<()> {
        if self.missing(db).await?.is_empty() {
            return Ok(());
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
        Runner(self.0.clone())
            .up(txn.connection(), None)
            .await
            .map_err(|error| Error::Internal(Box::new(error)))?;
        txn.commit().await
    }

    /// The migrations this program knows that are not applied yet. Unknown later ones are fine: they are what an old
    /// replica sees during an upgrade.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn missing(&self, db: &Db) -> Result<Vec<&'static str>> {
        let exists = if db.is_postgres() {
            "SELECT count(*) AS n FROM information_schema.tables \
             WHERE table_name = 'seaql_migrations' AND table_schema = current_schema()"
        } else {
            "SELECT count(*) AS n FROM sqlite_master WHERE name = 'seaql_migrations'"
        };
        let found: i64 = match db.query_one(exists, vec![]).await? {
            Some(row) => column(&row, "n")?,
            None => 0,
        };
        let mut applied = BTreeSet::new();
        if found > 0 {
            for row in db
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
