//! Writing: the state change, its events and its consistency token, in one transaction.

use std::sync::{Arc, PoisonError, RwLock};

use mahnwerk_runtime::{
    clock::SharedClock,
    context::Call,
    db::{Db, Sql, WriteTxn, column},
    error::{Error, Result},
    idempotency::{self, RequestKey},
    ids::SharedIds,
    telemetry::{self, KeyValue, names::Metric},
    token::ConsistencyToken,
};
use sea_orm::Value;
use tokio::sync::Notify;

use crate::{
    event::{NewEvent, event_rows},
    incarnation::Incarnation,
    locks::{Locks, MAX_DEBTORS},
};

/// Most events of one transaction.
pub const MAX_EVENTS: usize = 2_000;

/// Every writer holds it shared; whoever gives the history a new identity takes it exclusively. "mahnfeed" in ASCII.
pub(crate) const HISTORY_LOCK: i64 = 0x6d61_686e_6665_6564;

/// The wire type of an entity on the feed.
#[derive(Clone, Copy, Debug)]
pub struct EntityType {
    /// Name of the entity, for example `debtor`.
    pub entity: &'static str,
    /// Type of its state, for example `type.googleapis.com/mahnwerk.registry.v1.Debtor`.
    pub type_url: &'static str,
}

/// The writing side of a service's feed. Cheap to clone.
#[derive(Clone)]
pub struct Publisher(Arc<Inner>);

struct Inner {
    db: Db,
    service: &'static str,
    entities: &'static [EntityType],
    clock: SharedClock,
    ids: SharedIds,
    incarnation: RwLock<Incarnation>,
    committed: Notify,
}

/// Who or what causes a write.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    /// The caller, or the name of the background work.
    pub principal: String,
    /// The request id; empty if there is none.
    pub request_id: String,
    /// W3C trace context; empty if there is none.
    pub traceparent: String,
}

impl From<&Call> for Cause {
    fn from(call: &Call) -> Self {
        Self {
            principal: call.principal.clone(),
            request_id: call.request_id.clone(),
            traceparent: call.traceparent.clone(),
        }
    }
}

impl Publisher {
    /// Opens the feed of a database for writing, and gives its history a new identity if the database was restored,
    /// failed over or is new.
    ///
    /// # Errors
    /// If the database cannot be reached or the schema is missing.
    pub async fn open(
        db: Db,
        service: &'static str,
        entities: &'static [EntityType],
        clock: SharedClock,
        ids: SharedIds,
    ) -> Result<Self> {
        let incarnation = Incarnation::check(&db, &ids).await?;
        Ok(Self(Arc::new(Inner {
            db,
            service,
            entities,
            clock,
            ids,
            incarnation: RwLock::new(incarnation),
            committed: Notify::new(),
        })))
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.0.service
    }

    /// The clock of the process.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    /// The id source of the process.
    #[must_use]
    pub fn ids(&self) -> &SharedIds {
        &self.0.ids
    }

    /// Wakes when a transaction of this process committed.
    pub(crate) fn committed(&self) -> &Notify {
        &self.0.committed
    }

    pub(crate) fn type_url(&self, entity: &str) -> &'static str {
        self.0
            .entities
            .iter()
            .find(|each| each.entity == entity)
            .map_or("", |each| each.type_url)
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.0
            .incarnation
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The identity of the database's history, as it stands in consistency tokens.
    #[must_use]
    pub fn incarnation_id(&self) -> String {
        self.incarnation().id.to_string()
    }

    /// Checks the identity of the database again.
    pub(crate) async fn check_incarnation(&self) -> Result<()> {
        let checked = Incarnation::check(&self.0.db, &self.0.ids).await?;
        self.adopt(checked);
        Ok(())
    }

    /// Gives the history a new identity, once per request.
    pub(crate) async fn reset(&self, key: &RequestKey) -> Result<String> {
        let now = self.0.clock.now();
        let id = Incarnation::renew(&self.0.db, &self.0.ids, key, now).await?;
        self.check_incarnation().await?;
        Ok(id)
    }

    fn adopt(&self, incarnation: Incarnation) {
        *self
            .0
            .incarnation
            .write()
            .unwrap_or_else(PoisonError::into_inner) = incarnation;
    }
}

/// A statement that stores a row of state, and is run with the events that tell of it, for the sake of its round trip.
#[derive(Debug)]
pub struct Insert {
    /// The statement, whose parameters are numbered from the one given.
    pub sql: fn(usize) -> String,
    /// Its parameters.
    pub values: Vec<Value>,
}

/// A transaction that may write state and events.
pub struct WriteTx {
    pub(crate) publisher: Publisher,
    pub(crate) txn: WriteTxn,
    locks: Locks,
    cause: Cause,
    tx: i64,
    incarnation: String,
    recorded_at: i64,
    /// Not written yet.
    events: Vec<NewEvent>,
    /// Not run yet.
    inserts: Vec<Insert>,
    /// Not counted yet.
    counts: Vec<(Metric, u64, Vec<KeyValue>)>,
}

impl WriteTx {
    /// Begins: takes all locks, then the transaction id. Nothing before may write.
    ///
    /// # Errors
    /// `Contention` if a lock cannot be had in time; `Internal` if there are too many keys.
    pub async fn begin(publisher: &Publisher, locks: Locks, cause: Cause) -> Result<Self> {
        let (tx, _) = Self::begin_asking(publisher, locks, cause, None).await?;
        Ok(tx)
    }

    /// [`WriteTx::begin`] that also answers what is stored under a request key, as
    /// [`idempotency::stored_expression`] finds it once the locks are held.
    pub(crate) async fn begin_asking(
        publisher: &Publisher,
        locks: Locks,
        cause: Cause,
        key: Option<&RequestKey>,
    ) -> Result<(Self, Option<String>)> {
        if locks.debtor_count() > MAX_DEBTORS {
            return Err(Error::internal(format!(
                "{} debtors in one transaction",
                locks.debtor_count()
            )));
        }
        let db = publisher.db();
        let (answered, values) = match key {
            Some(key) => (idempotency::stored_expression(1), key.values()),
            None => ("CAST(NULL AS TEXT)".to_owned(), vec![]),
        };
        let also = format!(
            "(SELECT incarnation FROM feed_incarnation) AS incarnation, {answered} AS answered"
        );
        let txn = db.begin_write().await?;
        let row = if db.is_postgres() {
            let (keys, modes) = locks.keys();
            txn.execute_sql(
                "SELECT pg_advisory_xact_lock_shared($1)::text UNION ALL \
                 SELECT CASE WHEN mode = 1 THEN pg_advisory_xact_lock(key)::text \
                 ELSE pg_advisory_xact_lock_shared(key)::text END \
                 FROM unnest($2::bigint[], $3::bigint[]) AS u(key, mode)",
                vec![HISTORY_LOCK.into(), keys.into(), modes.into()],
            )
            .await?;
            txn.query_one(
                &format!(
                    "SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NULL \
                     THEN pg_current_xact_id()::text::bigint END AS tx, {also}"
                ),
                values,
            )
            .await?
        } else {
            let sql = format!("UPDATE feed_counter SET tx = tx + 1 RETURNING tx, {also}");
            txn.query_one(&sql, values).await?
        };
        let row = row.ok_or_else(|| Error::internal("no transaction id"))?;
        let tx = column::<Option<i64>>(&row, "tx")?
            .ok_or_else(|| Error::internal("transaction id assigned before the locks were held"))?;
        let incarnation = column::<Option<String>>(&row, "incarnation")?
            .ok_or_else(|| Error::internal("the feed has no incarnation"))?;
        let answered = column(&row, "answered")?;
        let begun = Self {
            recorded_at: publisher.clock().now(),
            publisher: publisher.clone(),
            txn,
            locks,
            cause,
            tx,
            incarnation,
            events: Vec::new(),
            inserts: Vec::new(),
            counts: Vec::new(),
        };
        Ok((begun, answered))
    }

    /// The transaction id.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.tx
    }

    /// System time at the beginning of the transaction, for everything that it records.
    #[must_use]
    pub fn recorded_at(&self) -> i64 {
        self.recorded_at
    }

    /// A new identifier.
    #[must_use]
    pub fn new_id(&self) -> String {
        self.publisher.ids().next().to_string()
    }

    /// Adds trace context of what caused the work, where the transaction itself has none.
    pub fn set_traceparent(&mut self, traceparent: &str) {
        traceparent.clone_into(&mut self.cause.traceparent);
    }

    /// Appends events, in order. They are written when the transaction ends.
    ///
    /// # Errors
    /// `Internal` if an event concerns something that is not locked, or there are too many.
    pub fn append(&mut self, events: Vec<NewEvent>) -> Result<()> {
        if self.events.len() + events.len() > MAX_EVENTS {
            return Err(Error::internal(format!(
                "{} events in one transaction",
                self.events.len() + events.len()
            )));
        }
        if let Some(event) = events
            .iter()
            .find(|event| !self.locks.covers(&event.creditor_id, &event.debtor_id))
        {
            return Err(Error::internal(format!(
                "event of {} written without its lock",
                event.entity
            )));
        }
        self.events.extend(events);
        Ok(())
    }

    /// Stores a row when the transaction ends.
    pub fn insert(&mut self, insert: Insert) {
        self.inserts.push(insert);
    }

    /// Counts for a metric when this is committed; what is rolled back never happened.
    pub fn count(&mut self, metric: Metric, number: usize, labels: Vec<KeyValue>) {
        if number > 0 {
            self.counts.push((metric, number as u64, labels));
        }
    }

    /// Writes the events and the row that they tell of, and stores the answer of the request they belong to; in one
    /// statement where the engine can.
    ///
    /// # Errors
    /// `Contention` if the request was answered meanwhile; otherwise if the database fails.
    pub(crate) async fn write_events(&mut self, answer: Option<Vec<Value>>) -> Result<()> {
        let rows = event_rows(std::mem::take(&mut self.events));
        let count = rows.len() as u64;
        let together = count > 0 && self.publisher.db().is_postgres();
        let inserts = std::mem::take(&mut self.inserts);
        let (inserts, alone) = if together {
            (inserts, vec![])
        } else {
            (vec![], inserts)
        };
        for Insert { sql, values } in alone {
            self.txn.execute_sql(&sql(1), values).await?;
        }
        let mut values = match answer {
            Some(answer) if !together => {
                let sql = idempotency::store_statement(1);
                if self.txn.execute_sql(&sql, answer).await? != 1 {
                    return Err(Error::Contention(None));
                }
                vec![]
            }
            answer => answer.unwrap_or_default(),
        };
        let answering = values.len();
        values.extend([
            Value::from(self.tx),
            self.cause.principal.clone().into(),
            self.cause.request_id.clone().into(),
            self.cause.traceparent.clone().into(),
            self.recorded_at.into(),
        ]);
        let mut places = Vec::new();
        for Insert { sql, values: row } in inserts {
            places.push((values.len(), sql));
            values.extend(row);
        }
        let insert = |table: &str, next: usize| {
            let mut with = Vec::new();
            let mut only_if = "";
            if answering > 0 {
                let answer = idempotency::store_statement(next);
                with.push(format!("answered AS ({answer} RETURNING 1)"));
                only_if = " WHERE EXISTS (SELECT 1 FROM answered)";
            }
            for (place, sql) in &places {
                with.push(format!("stored_{place} AS ({})", sql(next + place)));
            }
            let with = match with.as_slice() {
                [] => String::new(),
                all => format!("WITH {} ", all.join(", ")),
            };
            let n = next + answering;
            format!(
                "{with}INSERT INTO event (tx, part, creditor_id, debtor_id, entity, entity_id, version, action, \
                 principal, request_id, traceparent, recorded_at, business_date, deleted, state) \
                 SELECT ${n}, r.part, r.creditor_id, r.debtor_id, r.entity, r.entity_id, r.version, r.action, \
                 ${}, ${}, ${}, ${}, r.business_date, r.deleted, r.state FROM {table} AS r{only_if}",
                n + 1,
                n + 2,
                n + 3,
                n + 4
            )
        };
        let written = self.txn.execute_rows(rows, values, insert).await?;
        match written {
            _ if written == count => Ok(()),
            0 if answering > 0 => Err(Error::Contention(None)),
            _ => Err(Error::internal("not every event was written")),
        }
    }

    /// Writes the events and commits, and wakes the tailer.
    ///
    /// # Errors
    /// If the events cannot be written or the commit fails.
    pub async fn commit(mut self) -> Result<String> {
        self.write_events(None).await?;
        self.commit_written().await
    }

    /// Commits when the events are written.
    pub(crate) async fn commit_written(self) -> Result<String> {
        let token = self.token();
        self.txn.commit().await?;
        self.publisher.committed().notify_waiters();
        for (metric, number, labels) in &self.counts {
            telemetry::count(metric, *number, labels);
        }
        Ok(token)
    }

    /// Rolls back.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn rollback(self) -> Result<()> {
        self.txn.rollback().await
    }

    pub(crate) fn token(&self) -> String {
        ConsistencyToken {
            service: self.publisher.service().to_owned(),
            incarnation: self.incarnation.clone(),
            tx: self.tx,
        }
        .encode()
    }
}

impl Sql for WriteTx {
    fn on(&self) -> &impl sea_orm::ConnectionTrait {
        self.txn.on()
    }
}
