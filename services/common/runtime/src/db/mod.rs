//! The database of a service: one code path for SQLite and PostgreSQL.
//!
//! Statements are SQL text with `$1`, `$2`, … placeholders, which both engines understand, because nearly all of them
//! work on sets; [`Rows`] puts many rows into one statement. Conventions that make both engines agree: dates are day
//! numbers (`INTEGER`, days since 1970-01-01), times are microseconds since 1970 (`BIGINT`), money is minor units
//! (`BIGINT`), flags are 0 or 1 (`INTEGER`), text compares by bytes (C collation, checked at start).

mod connect;
mod migrate;
mod rows;

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

pub use connect::DatabaseSettings;
pub use migrate::{Migration, Migrations};
pub use rows::Rows;

use crate::error::Result;

/// A connected database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: DatabaseConnection,
    /// SQLite has one writer. Waiting here is fair and does not count against its busy timeout.
    writer: Option<Arc<Mutex<()>>>,
}

/// The connections of a pool. How many wait for one the pool does not tell; how many gave up is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Those that somebody works with, or that are being made.
    pub used: u32,
    /// Those that nobody works with.
    pub idle: u32,
    /// The most there may be.
    pub max: u32,
}

/// A transaction that may write. Dropping it rolls back.
pub struct WriteTxn {
    txn: DatabaseTransaction,
    _writer: Option<OwnedMutexGuard<()>>,
}

impl Db {
    /// The pool, for statements outside a transaction.
    #[must_use]
    pub fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Which engine it is.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    /// Whether it is PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.backend() == DbBackend::Postgres
    }

    /// The connections as they are now.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let (all, idle, max) = if self.is_postgres() {
            let pool = self.pool.get_postgres_connection_pool();
            let max = pool.options().get_max_connections();
            (pool.size(), pool.num_idle(), max)
        } else {
            let pool = self.pool.get_sqlite_connection_pool();
            let max = pool.options().get_max_connections();
            (pool.size(), pool.num_idle(), max)
        };
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        Connections {
            used: all.saturating_sub(idle),
            idle,
            max,
        }
    }

    /// Begins a transaction that may write (READ COMMITTED on PostgreSQL, IMMEDIATE on SQLite). Nothing is sent to the
    /// database yet but the begin itself.
    ///
    /// # Errors
    /// If no connection can be had.
    pub async fn begin_write(&self) -> Result<WriteTxn> {
        let writer = match &self.writer {
            Some(writer) => Some(writer.clone().lock_owned().await),
            None => None,
        };
        let txn = if writer.is_some() {
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            };
            self.pool.begin_with_options(options).await?
        } else {
            self.pool.begin().await?
        };
        Ok(WriteTxn {
            txn,
            _writer: writer,
        })
    }

    /// Begins a transaction that reads one consistent state (REPEATABLE READ on PostgreSQL).
    ///
    /// # Errors
    /// If no connection can be had.
    pub async fn begin_read(&self) -> Result<DatabaseTransaction> {
        let isolation = self
            .is_postgres()
            .then_some(sea_orm::IsolationLevel::RepeatableRead);
        let options = TransactionOptions {
            isolation_level: isolation,
            ..TransactionOptions::default()
        };
        Ok(self.pool.begin_with_options(options).await?)
    }

    /// Runs one writing statement in a transaction of its own. Not for state that is on the feed.
    ///
    /// # Errors
    /// If the statement fails.
    pub async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64> {
        let txn = self.begin_write().await?;
        let affected = txn.execute_sql(sql, values).await?;
        txn.commit().await?;
        Ok(affected)
    }
}

impl WriteTxn {
    /// Commits.
    ///
    /// # Errors
    /// If the commit fails; then it is not known whether it happened only if the connection was lost.
    pub async fn commit(self) -> Result<()> {
        Ok(self.txn.commit().await?)
    }

    /// Rolls back.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.txn.rollback().await?)
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &DatabaseTransaction {
        &self.txn
    }
}

/// Statements on anything that can run them: the pool or a transaction.
pub trait Sql: Sync {
    /// The connection.
    fn on(&self) -> &impl ConnectionTrait;

    /// Runs a query.
    fn query(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<QueryResult>>> + Send {
        let statement =
            Statement::from_sql_and_values(self.on().get_database_backend(), sql, values);
        async move { Ok(self.on().query_all_raw(statement).await?) }
    }

    /// The join that looks up, by an index, the rows of `table` that meet `condition` for each row before it, whatever
    /// the planner believes of tables that grew since it last looked: PostgreSQL, which keeps plans of prepared
    /// statements, does not see through `OFFSET 0`, and SQLite does not reorder a cross join. More conditions may follow
    /// with `AND`.
    fn lookup(&self, table: &str, alias: &str, condition: &str) -> String {
        match self.on().get_database_backend() {
            DbBackend::Postgres => format!(
                "CROSS JOIN LATERAL (SELECT * FROM {table} AS {alias} WHERE {condition} OFFSET 0) AS {alias} \
                 WHERE true"
            ),
            _ => format!("CROSS JOIN {table} AS {alias} WHERE {condition}"),
        }
    }

    /// [`Sql::lookup`] that keeps rows for which nothing is found; other joins may follow.
    fn lookup_or_null(&self, table: &str, alias: &str, condition: &str) -> String {
        match self.on().get_database_backend() {
            DbBackend::Postgres => format!(
                "LEFT JOIN LATERAL (SELECT * FROM {table} AS {alias} WHERE {condition} OFFSET 0) AS {alias} ON true"
            ),
            _ => format!("LEFT JOIN {table} AS {alias} ON {condition}"),
        }
    }

    /// Runs a query that answers at most one row.
    fn query_one(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Option<QueryResult>>> + Send {
        let statement =
            Statement::from_sql_and_values(self.on().get_database_backend(), sql, values);
        async move { Ok(self.on().query_one_raw(statement).await?) }
    }

    /// Runs a statement and says how many rows it touched.
    fn execute_sql(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<u64>> + Send {
        let statement =
            Statement::from_sql_and_values(self.on().get_database_backend(), sql, values);
        async move { Ok(self.on().execute_raw(statement).await?.rows_affected()) }
    }

    /// Runs a statement over many rows: `sql` receives the table expression of `rows`, whose parameters come before
    /// `values` (so the first of `values` is number [`Rows::parameters`] + 1, which `sql` is given as second
    /// argument). Does nothing without rows. In `INSERT … SELECT … ON CONFLICT` the select needs a `WHERE` (`WHERE true`),
    /// or SQLite takes the `ON` for a join.
    fn execute_rows(
        &self,
        rows: Rows,
        values: Vec<Value>,
        sql: impl FnOnce(&str, usize) -> String + Send,
    ) -> impl Future<Output = Result<u64>> + Send {
        let statement = with_rows(self.on().get_database_backend(), rows, values, sql);
        async move {
            match statement {
                Some(statement) => Ok(self.on().execute_raw(statement).await?.rows_affected()),
                None => Ok(0),
            }
        }
    }

    /// Runs a query over many rows; see [`Sql::execute_rows`].
    fn query_rows(
        &self,
        rows: Rows,
        values: Vec<Value>,
        sql: impl FnOnce(&str, usize) -> String + Send,
    ) -> impl Future<Output = Result<Vec<QueryResult>>> + Send {
        let statement = with_rows(self.on().get_database_backend(), rows, values, sql);
        async move {
            match statement {
                Some(statement) => Ok(self.on().query_all_raw(statement).await?),
                None => Ok(Vec::new()),
            }
        }
    }
}

fn with_rows(
    backend: DbBackend,
    rows: Rows,
    values: Vec<Value>,
    sql: impl FnOnce(&str, usize) -> String,
) -> Option<Statement> {
    if rows.is_empty() {
        return None;
    }
    let text = sql(&rows.table(backend, 1), rows.parameters(backend) + 1);
    let mut all = rows.into_values(backend);
    all.extend(values);
    Some(Statement::from_sql_and_values(backend, text, all))
}

impl Sql for DatabaseConnection {
    fn on(&self) -> &impl ConnectionTrait {
        self
    }
}

impl Sql for DatabaseTransaction {
    fn on(&self) -> &impl ConnectionTrait {
        self
    }
}

impl Sql for WriteTxn {
    fn on(&self) -> &impl ConnectionTrait {
        &self.txn
    }
}

impl Sql for Db {
    fn on(&self) -> &impl ConnectionTrait {
        &self.pool
    }
}

/// The system time of the database in microseconds, as an SQL expression. Leases are measured by it, because replicas
/// do not share a clock.
#[must_use]
pub fn now_micros(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    } else {
        "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
    }
}

/// Reads a column, with the column's name in the error.
///
/// # Errors
/// If the column is missing or of another type.
pub fn column<T: sea_orm::TryGetable>(row: &QueryResult, name: &str) -> Result<T, DbErr> {
    row.try_get("", name)
}
