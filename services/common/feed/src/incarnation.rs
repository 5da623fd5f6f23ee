//! The identity of a database's history.
//!
//! Transaction ids do not survive dump and restore, failover or point-in-time recovery. Whatever compares them must
//! first compare the incarnation they belong to.

use std::sync::Arc;

use mahnwerk_runtime::{
    clock::Micros,
    db::{Db, Sql, WriteTxn, column},
    error::{Error, Result},
    idempotency::{self, RequestKey},
    ids::SharedIds,
};

use crate::write::HISTORY_LOCK;

/// The incarnation, and from where its feed can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incarnation {
    /// A UUID.
    pub id: Arc<str>,
    /// Transactions below are no longer on the feed.
    pub retained_from: i64,
    /// Events up to this sequence number are not on the feed: they belong to an earlier incarnation.
    pub floor_seq: i64,
}

/// Where a database lives. On PostgreSQL the cluster, the database and the timeline of its write-ahead log.
#[derive(PartialEq, Eq)]
struct Home {
    system_identifier: String,
    database_oid: i64,
    timeline: String,
}

const HOME: &str = "SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier, \
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database_oid, \
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline";

const STORED: &str = "SELECT i.incarnation, i.tx, i.system_identifier, i.database_oid, i.timeline, \
    r.retained_from, r.floor_seq FROM feed_incarnation i CROSS JOIN feed_retention r";

impl Home {
    async fn read(on: &impl Sql, postgres: bool) -> Result<Self> {
        if !postgres {
            return Ok(Self {
                system_identifier: String::new(),
                database_oid: 0,
                timeline: String::new(),
            });
        }
        let row = on
            .query_one(HOME, vec![])
            .await?
            .ok_or_else(|| Error::internal("the database does not say who it is"))?;
        Ok(Self {
            system_identifier: column(&row, "system_identifier")?,
            database_oid: column(&row, "database_oid")?,
            timeline: column(&row, "timeline")?,
        })
    }
}

impl Incarnation {
    /// The current incarnation; a new one if the database is not what it was when the current one was written.
    pub async fn check(db: &Db, ids: &SharedIds) -> Result<Self> {
        if let Some(current) = Self::stored(db, db.is_postgres()).await? {
            return Ok(current);
        }
        let txn = db.begin_write().await?;
        let tx = Self::lock_out_writers(db, &txn).await?;
        // Another replica may have been faster.
        if let Some(current) = Self::stored(&txn, db.is_postgres()).await? {
            txn.rollback().await?;
            return Ok(current);
        }
        let changed = Self::change(db, ids, &txn, tx).await?;
        txn.commit().await?;
        Ok(changed)
    }

    /// A new incarnation in any case, but only one for a request. Answers its id.
    pub async fn renew(db: &Db, ids: &SharedIds, key: &RequestKey, now: Micros) -> Result<String> {
        let txn = db.begin_write().await?;
        let tx = Self::lock_out_writers(db, &txn).await?;
        let digest = idempotency::digest(&())?;
        if let Some(id) = idempotency::stored(&txn, key, &digest).await? {
            txn.rollback().await?;
            return Ok(id);
        }
        let id = Self::change(db, ids, &txn, tx).await?.id.to_string();
        idempotency::store(&txn, key, &digest, &id, now).await?;
        txn.commit().await?;
        Ok(id)
    }

    /// What is stored, if it still holds.
    async fn stored(on: &impl Sql, postgres: bool) -> Result<Option<Self>> {
        let home = Home::read(on, postgres).await?;
        // A row that was loaded from a dump was written by another transaction than the one it names.
        let sql = if postgres {
            format!("{STORED} WHERE i.xmin::text::bigint = i.tx % 4294967296")
        } else {
            STORED.to_owned()
        };
        let Some(row) = on.query_one(&sql, vec![]).await? else {
            return Ok(None);
        };
        let stored_home = Home {
            system_identifier: column(&row, "system_identifier")?,
            database_oid: column(&row, "database_oid")?,
            timeline: column(&row, "timeline")?,
        };
        if stored_home != home {
            return Ok(None);
        }
        Ok(Some(Self {
            id: column::<String>(&row, "incarnation")?.into(),
            retained_from: column(&row, "retained_from")?,
            floor_seq: column(&row, "floor_seq")?,
        }))
    }

    /// Begins a new incarnation while no writer is open.
    async fn change(db: &Db, ids: &SharedIds, txn: &WriteTxn, tx: i64) -> Result<Self> {
        let home = Home::read(txn, db.is_postgres()).await?;
        let id = ids.next().to_string();
        txn.execute_sql("DELETE FROM feed_incarnation", vec![])
            .await?;
        txn.execute_sql("DELETE FROM feed_retention", vec![])
            .await?;
        txn.execute_sql(
            "INSERT INTO feed_incarnation (one, incarnation, tx, system_identifier, database_oid, timeline) \
             VALUES (1, $1, $2, $3, $4, $5)",
            vec![
                id.clone().into(),
                tx.into(),
                home.system_identifier.into(),
                home.database_oid.into(),
                home.timeline.into(),
            ],
        )
        .await?;
        let row = txn
            .query_one(
                "INSERT INTO feed_retention (one, retained_from, floor_seq) \
                 SELECT 1, $1, coalesce(max(seq), 0) FROM event WHERE true RETURNING floor_seq",
                vec![tx.into()],
            )
            .await?
            .ok_or_else(|| Error::internal("the retention row was not written"))?;
        let floor_seq = column(&row, "floor_seq")?;
        tracing::warn!(incarnation = %id, "the feed has a new incarnation; consumers take new snapshots");
        Ok(Self {
            id: id.into(),
            retained_from: tx,
            floor_seq,
        })
    }

    async fn lock_out_writers(db: &Db, txn: &WriteTxn) -> Result<i64> {
        let row = if db.is_postgres() {
            txn.execute_sql(
                "SELECT pg_advisory_xact_lock($1)",
                vec![HISTORY_LOCK.into()],
            )
            .await?;
            txn.query_one("SELECT pg_current_xact_id()::text::bigint AS tx", vec![])
                .await?
        } else {
            txn.query_one("UPDATE feed_counter SET tx = tx + 1 RETURNING tx", vec![])
                .await?
        };
        let row = row.ok_or_else(|| Error::internal("no transaction id"))?;
        Ok(column(&row, "tx")?)
    }
}
