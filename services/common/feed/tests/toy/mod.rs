//! A pair of toy services around the feed crate: the upstream keeps numbers, the downstream keeps `rate × sum` per debtor.
//!
//! Small enough that what must come out is obvious, with everything a real service has: entities of debtors, a fact of
//! the creditor that concerns every debtor, deletion, derived rows, and a value that cannot be applied.

pub mod suite;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mahnwerk_feed::{
    Batch, Cause, Change, Consumer, ConsumerSettings, EntityType, FeedAdmin, FeedServer, Freshness,
    Locks, NewEvent, Projection, Publisher, SnapshotRow, SnapshotSource, Tailer, WriteTx,
    partition,
};
use mahnwerk_proto::common::v1::{
    Money, feed_admin_service_server::FeedAdminServiceServer,
    feed_service_server::FeedServiceServer,
};
use mahnwerk_runtime::{
    clock::{SharedClock, SystemClock},
    db::{Db, Migration, Migrations, Rows, Sql, column},
    error::{Error, Result},
    ids::SystemIds,
};
use prost::Message;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};

/// A value that the downstream cannot apply until it is cured.
pub const POISON: i64 = -666;

const MONEY: &str = "type.googleapis.com/mahnwerk.common.v1.Money";
const ENTITIES: &[EntityType] = &[
    EntityType {
        entity: "rate",
        type_url: MONEY,
    },
    EntityType {
        entity: "thing",
        type_url: MONEY,
    },
];

const UPSTREAM_SQL: &str = "
CREATE TABLE thing (creditor_id TEXT NOT NULL, debtor_id TEXT NOT NULL, thing_id TEXT NOT NULL, part BIGINT NOT NULL,
    version BIGINT NOT NULL, value BIGINT NOT NULL, PRIMARY KEY (creditor_id, debtor_id, thing_id));
CREATE INDEX thing_part ON thing (part, creditor_id, debtor_id, thing_id);
CREATE TABLE rate (creditor_id TEXT PRIMARY KEY, version BIGINT NOT NULL, value BIGINT NOT NULL);
";

const DOWNSTREAM_SQL: &str = "
CREATE TABLE p_thing (creditor_id TEXT NOT NULL, debtor_id TEXT NOT NULL, thing_id TEXT NOT NULL, part BIGINT NOT NULL,
    generation BIGINT NOT NULL, version BIGINT NOT NULL, value BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, thing_id));
CREATE TABLE p_rate (creditor_id TEXT PRIMARY KEY, generation BIGINT NOT NULL, version BIGINT NOT NULL,
    value BIGINT NOT NULL);
CREATE TABLE total (creditor_id TEXT NOT NULL, debtor_id TEXT NOT NULL, part BIGINT NOT NULL, version BIGINT NOT NULL,
    value BIGINT NOT NULL, PRIMARY KEY (creditor_id, debtor_id));
";

/// The migrations of both toys, so that either can live in any database.
#[must_use]
pub fn migrations() -> Migrations {
    Migrations(vec![
        mahnwerk_feed::MIGRATION,
        mahnwerk_runtime::idempotency::MIGRATION,
        Migration {
            name: "m20261121_000900_create_upstream",
            sql: UPSTREAM_SQL,
        },
        Migration {
            name: "m20261121_000901_create_downstream",
            sql: DOWNSTREAM_SQL,
        },
    ])
}

async fn publisher(db: Db, service: &'static str) -> Result<Publisher> {
    let clock: SharedClock = Arc::new(SystemClock);
    let ids = Arc::new(SystemIds(clock.clone()));
    Publisher::open(db, service, ENTITIES, clock, ids).await
}

/// The upstream toy.
pub struct Upstream {
    /// Its writing side.
    pub publisher: Publisher,
    /// Its reading side.
    pub tailer: Tailer,
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Upstream {
    /// Migrates, opens the feed and listens on a free port.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn start(db: &Db) -> Result<Self> {
        migrations().apply(db).await?;
        let publisher = publisher(db.clone(), "upstream").await?;
        let tailer = Tailer::open(publisher.clone()).await?;
        let stop = CancellationToken::new();
        tokio::spawn(tailer.clone().run(stop.clone()));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let incoming =
            TcpIncoming::bind(any).map_err(|error| Error::internal(error.to_string()))?;
        let address = incoming
            .local_addr()
            .map_err(|error| Error::internal(error.to_string()))?;
        let feed = FeedServer::new(tailer.clone(), Arc::new(Things), stop.clone());
        let admin = FeedAdmin::new(tailer.clone(), []);
        tokio::spawn(
            Server::builder()
                .add_service(FeedServiceServer::new(feed))
                .add_service(FeedAdminServiceServer::new(admin))
                .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned()),
        );
        Ok(Self {
            publisher,
            tailer,
            address,
            stop,
        })
    }

    /// A channel to it.
    #[must_use]
    pub fn channel(&self) -> Channel {
        channel(self.address)
    }

    /// Begins a transaction on a debtor.
    ///
    /// # Errors
    /// Those of [`WriteTx::begin`].
    pub async fn begin(&self, creditor: &str, debtor: &str) -> Result<WriteTx> {
        WriteTx::begin(
            &self.publisher,
            Locks::debtor(creditor, debtor),
            Cause::default(),
        )
        .await
    }

    /// Sets a number; `None` deletes it. Answers the consistency token.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put(
        &self,
        creditor: &str,
        debtor: &str,
        thing: &str,
        value: Option<i64>,
    ) -> Result<String> {
        let mut tx = self.begin(creditor, debtor).await?;
        put(&mut tx, creditor, debtor, thing, value).await?;
        tx.commit().await
    }

    /// Sets the rate of a creditor, which concerns all its debtors. Answers the consistency token.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_rate(&self, creditor: &str, value: i64) -> Result<String> {
        let mut tx =
            WriteTx::begin(&self.publisher, Locks::creditor(creditor), Cause::default()).await?;
        let row = tx
            .query_one(
                "INSERT INTO rate (creditor_id, version, value) VALUES ($1, 1, $2) \
                 ON CONFLICT (creditor_id) DO UPDATE SET version = rate.version + 1, value = excluded.value \
                 RETURNING version",
                vec![creditor.into(), value.into()],
            )
            .await?
            .ok_or_else(|| Error::internal("no rate"))?;
        let event = NewEvent {
            creditor_id: creditor.to_owned(),
            debtor_id: String::new(),
            entity: "rate",
            entity_id: creditor.to_owned(),
            version: column(&row, "version")?,
            action: "set",
            business_date: None,
            state: NewEvent::encode(&money("rate", value)),
        };
        tx.append(vec![event]).await?;
        tx.commit().await
    }

    /// What the downstream must come to, from the upstream's own tables.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn expected(&self) -> Result<BTreeMap<(String, String), i64>> {
        let rows = self
            .publisher
            .db()
            .query(
                "SELECT t.creditor_id, t.debtor_id, CAST(sum(t.value) AS BIGINT) * coalesce(min(r.value), 1) AS value \
                 FROM thing t LEFT JOIN rate r ON r.creditor_id = t.creditor_id GROUP BY t.creditor_id, t.debtor_id",
                vec![],
            )
            .await?;
        totals(&rows)
    }
}

/// Sets a number inside a transaction; `None` deletes it.
///
/// # Errors
/// Those of the database.
pub async fn put(
    tx: &mut WriteTx,
    creditor: &str,
    debtor: &str,
    thing: &str,
    value: Option<i64>,
) -> Result<()> {
    let stored = tx
        .query_one(
            "SELECT max(version) AS version FROM event WHERE creditor_id = $1 AND debtor_id = $2 AND entity_id = $3",
            vec![creditor.into(), debtor.into(), format!("{debtor}/{thing}").into()],
        )
        .await?;
    let version: Option<i64> = match stored {
        Some(row) => column(&row, "version")?,
        None => None,
    };
    let version = version.unwrap_or(0) + 1;
    let key = vec![creditor.into(), debtor.into(), thing.into()];
    tx.execute_sql(
        "DELETE FROM thing WHERE creditor_id = $1 AND debtor_id = $2 AND thing_id = $3",
        key.clone(),
    )
    .await?;
    if let Some(value) = value {
        let mut values = key;
        values.extend([
            partition(creditor, debtor).into(),
            version.into(),
            value.into(),
        ]);
        tx.execute_sql(
            "INSERT INTO thing (creditor_id, debtor_id, thing_id, part, version, value) VALUES ($1, $2, $3, $4, $5, $6)",
            values,
        )
        .await?;
    }
    tx.append(vec![NewEvent {
        creditor_id: creditor.to_owned(),
        debtor_id: debtor.to_owned(),
        entity: "thing",
        entity_id: format!("{debtor}/{thing}"),
        version,
        action: "put",
        business_date: None,
        state: value.and_then(|value| NewEvent::encode(&money(thing, value))),
    }])
    .await
}

fn money(name: &str, value: i64) -> Money {
    Money {
        currency_code: name.to_owned(),
        minor_units: value,
    }
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .map(|endpoint| endpoint.connect_lazy())
        .unwrap_or_else(|_| Endpoint::from_static("http://127.0.0.1:1").connect_lazy())
}

fn totals(rows: &[sea_orm::QueryResult]) -> Result<BTreeMap<(String, String), i64>> {
    rows.iter()
        .map(|row| {
            let key = (column(row, "creditor_id")?, column(row, "debtor_id")?);
            Ok((key, column(row, "value")?))
        })
        .collect()
}

struct Things;

#[async_trait::async_trait]
impl SnapshotSource for Things {
    fn entities(&self) -> &'static [&'static str] {
        &["rate", "thing"]
    }

    async fn page(
        &self,
        db: &Db,
        entity: &'static str,
        partitions: &[i64],
        after: Option<&[String]>,
        limit: u64,
    ) -> Result<Vec<SnapshotRow>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let after = |index: usize| {
            after
                .and_then(|key| key.get(index))
                .cloned()
                .unwrap_or_default()
        };
        if entity == "rate" {
            let rows = db
                .query(
                    "SELECT creditor_id, version, value FROM rate WHERE creditor_id > $1 ORDER BY creditor_id LIMIT $2",
                    vec![after(0).into(), limit.into()],
                )
                .await?;
            return rows
                .iter()
                .map(|row| {
                    let creditor: String = column(row, "creditor_id")?;
                    Ok(SnapshotRow {
                        debtor_id: String::new(),
                        entity_id: creditor.clone(),
                        version: column(row, "version")?,
                        state: money("rate", column(row, "value")?).encode_to_vec(),
                        key: vec![creditor.clone()],
                        creditor_id: creditor,
                    })
                })
                .collect();
        }
        let rows = db
            .query_rows(
                Rows::new().int("part", partitions.iter().copied()),
                vec![after(0).into(), after(1).into(), after(2).into(), limit.into()],
                |table, n| {
                    format!(
                        "SELECT t.creditor_id, t.debtor_id, t.thing_id, t.version, t.value FROM thing t \
                         WHERE t.part IN (SELECT r.part FROM {table} AS r) \
                         AND (t.creditor_id, t.debtor_id, t.thing_id) > (${n}, ${}, ${}) \
                         ORDER BY t.creditor_id, t.debtor_id, t.thing_id LIMIT ${}",
                        n + 1,
                        n + 2,
                        n + 3
                    )
                },
            )
            .await?;
        rows.iter()
            .map(|row| {
                let creditor_id: String = column(row, "creditor_id")?;
                let debtor_id: String = column(row, "debtor_id")?;
                let thing: String = column(row, "thing_id")?;
                Ok(SnapshotRow {
                    entity_id: format!("{debtor_id}/{thing}"),
                    version: column(row, "version")?,
                    state: money(&thing, column(row, "value")?).encode_to_vec(),
                    key: vec![creditor_id.clone(), debtor_id.clone(), thing],
                    creditor_id,
                    debtor_id,
                })
            })
            .collect()
    }
}

/// The downstream toy: one replica.
pub struct Downstream {
    /// Its writing side.
    pub publisher: Publisher,
    /// Waits for states.
    pub freshness: Freshness,
    /// Releases what is parked.
    pub admin: FeedAdmin,
    /// Whether the poisonous value can be applied by now.
    pub cured: Arc<AtomicBool>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Downstream {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Leases short enough for tests.
#[must_use]
pub fn impatient() -> ConsumerSettings {
    ConsumerSettings {
        lease: Duration::from_millis(1500),
        renew: Duration::from_millis(300),
    }
}

impl Downstream {
    /// A replica with projection code of `version`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn start(db: &Db, upstream: SocketAddr, version: i64) -> Result<Self> {
        migrations().apply(db).await?;
        let publisher = publisher(db.clone(), "downstream").await?;
        let tailer = Tailer::open(publisher.clone()).await?;
        let stop = CancellationToken::new();
        tokio::spawn(tailer.clone().run(stop.clone()));
        let cured = Arc::new(AtomicBool::new(false));
        let totals: Arc<dyn Projection> = Arc::new(Totals {
            version,
            cured: cured.clone(),
        });
        let (progress, watched) = watch::channel(0);
        let consumer = |progress| {
            Consumer::new(
                publisher.clone(),
                totals.clone(),
                channel(upstream),
                impatient(),
                progress,
            )
        };
        let admin = FeedAdmin::new(tailer, [Arc::new(consumer(progress.clone()))]);
        let task = tokio::spawn(consumer(progress).run(stop.clone()));
        let freshness = Freshness::new(publisher.clone(), &["upstream"], watched);
        Ok(Self {
            publisher,
            freshness,
            admin,
            cured,
            stop,
            task,
        })
    }

    /// Ends at once, like a crash: nothing is released.
    pub fn crash(self) {
        self.task.abort();
    }

    /// What it came to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn totals(&self) -> Result<BTreeMap<(String, String), i64>> {
        let rows = self
            .publisher
            .db()
            .query("SELECT creditor_id, debtor_id, value FROM total", vec![])
            .await?;
        totals(&rows)
    }
}

struct Totals {
    version: i64,
    cured: Arc<AtomicBool>,
}

impl Totals {
    /// Works out the totals of debtors: two statements and the events, however many.
    async fn recompute(&self, tx: &mut WriteTx, keys: &[(String, String)]) -> Result<()> {
        let rows = || {
            Rows::new()
                .text("creditor_id", keys.iter().map(|key| key.0.as_str()))
                .text("debtor_id", keys.iter().map(|key| key.1.as_str()))
                .int("part", keys.iter().map(|key| partition(&key.0, &key.1)))
        };
        let stored = tx
            .query_rows(rows(), vec![], |table, _| {
                format!(
                    "INSERT INTO total (creditor_id, debtor_id, part, version, value) \
                     SELECT r.creditor_id, r.debtor_id, r.part, 1, coalesce((SELECT CAST(sum(t.value) AS BIGINT) \
                     FROM p_thing t WHERE t.creditor_id = r.creditor_id AND t.debtor_id = r.debtor_id), 0) * \
                     coalesce((SELECT p.value FROM p_rate p WHERE p.creditor_id = r.creditor_id), 1) \
                     FROM {table} AS r WHERE true ON CONFLICT (creditor_id, debtor_id) \
                     DO UPDATE SET value = excluded.value, version = total.version + 1 \
                     RETURNING creditor_id, debtor_id, version, value"
                )
            })
            .await?;
        let events = stored
            .iter()
            .map(|row| {
                let debtor_id: String = column(row, "debtor_id")?;
                Ok(NewEvent {
                    creditor_id: column(row, "creditor_id")?,
                    entity: "thing",
                    entity_id: debtor_id.clone(),
                    debtor_id,
                    version: column(row, "version")?,
                    action: "totalled",
                    business_date: None,
                    state: NewEvent::encode(&money("total", column(row, "value")?)),
                })
            })
            .collect::<Result<_>>()?;
        tx.append(events).await?;
        tx.execute_rows(rows(), vec![], |table, _| {
            format!(
                "DELETE FROM total WHERE EXISTS (SELECT 1 FROM {table} AS r WHERE r.creditor_id = total.creditor_id \
                 AND r.debtor_id = total.debtor_id) AND NOT EXISTS (SELECT 1 FROM p_thing t \
                 WHERE t.creditor_id = total.creditor_id AND t.debtor_id = total.debtor_id)"
            )
        })
        .await?;
        Ok(())
    }

    fn value(&self, change: &Change) -> Result<Option<i64>> {
        let Some(state) = &change.state else {
            return Ok(None);
        };
        let money = Money::decode(state.value.as_slice())
            .map_err(|error| Error::Internal(Box::new(error)))?;
        if money.minor_units == POISON && !self.cured.load(Ordering::SeqCst) {
            return Err(Error::internal("poison"));
        }
        Ok(Some(money.minor_units))
    }
}

#[async_trait::async_trait]
impl Projection for Totals {
    fn feed(&self) -> &'static str {
        "upstream"
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn sweep_of(&self, change: &Change) -> Option<&'static str> {
        (change.entity == "rate").then_some("rate")
    }

    async fn apply(&self, tx: &mut WriteTx, batch: Batch<'_>) -> Result<()> {
        let mut keys = std::collections::BTreeSet::new();
        // One statement a change: a toy may.
        for change in batch.changes {
            let value = self.value(change)?;
            let generation = batch.generation(change);
            if change.entity == "rate" {
                tx.execute_sql(
                    "INSERT INTO p_rate (creditor_id, generation, version, value) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (creditor_id) DO UPDATE SET generation = excluded.generation, \
                     version = excluded.version, value = excluded.value WHERE excluded.generation > p_rate.generation \
                     OR (excluded.generation = p_rate.generation AND excluded.version > p_rate.version)",
                    vec![
                        change.creditor_id.as_str().into(),
                        generation.into(),
                        change.version.into(),
                        value.unwrap_or(1).into(),
                    ],
                )
                .await?;
                continue;
            }
            keys.insert((change.creditor_id.clone(), change.debtor_id.clone()));
            let thing = change.entity_id.rsplit('/').next().unwrap_or_default();
            let key = vec![
                change.creditor_id.as_str().into(),
                change.debtor_id.as_str().into(),
                thing.into(),
            ];
            let Some(value) = value else {
                let mut values = key;
                values.extend([generation.into(), change.version.into()]);
                tx.execute_sql(
                    "DELETE FROM p_thing WHERE creditor_id = $1 AND debtor_id = $2 AND thing_id = $3 \
                     AND (generation < $4 OR version < $5)",
                    values,
                )
                .await?;
                continue;
            };
            let mut values = key;
            values.extend([
                i64::from(change.partition).into(),
                generation.into(),
                change.version.into(),
                value.into(),
            ]);
            tx.execute_sql(
                "INSERT INTO p_thing (creditor_id, debtor_id, thing_id, part, generation, version, value) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (creditor_id, debtor_id, thing_id) DO UPDATE SET \
                 generation = excluded.generation, version = excluded.version, value = excluded.value \
                 WHERE excluded.generation > p_thing.generation \
                 OR (excluded.generation = p_thing.generation AND excluded.version > p_thing.version)",
                values,
            )
            .await?;
        }
        if batch.consequences {
            let keys: Vec<_> = keys.into_iter().collect();
            self.recompute(tx, &keys).await?;
        }
        Ok(())
    }

    async fn remove_stale(&self, tx: &mut WriteTx, part: i64, generation: i64) -> Result<()> {
        if part < 0 {
            tx.execute_sql(
                "DELETE FROM p_rate WHERE generation < $1",
                vec![generation.into()],
            )
            .await?;
            return Ok(());
        }
        tx.execute_sql(
            "DELETE FROM p_thing WHERE part = $1 AND generation < $2",
            vec![part.into(), generation.into()],
        )
        .await?;
        tx.execute_sql(
            "DELETE FROM total WHERE part = $1 AND NOT EXISTS (SELECT 1 FROM p_thing t \
             WHERE t.creditor_id = total.creditor_id AND t.debtor_id = total.debtor_id)",
            vec![part.into()],
        )
        .await?;
        Ok(())
    }

    async fn creditors(&self, db: &Db) -> Result<Vec<String>> {
        let rows = db
            .query("SELECT DISTINCT creditor_id FROM p_thing", vec![])
            .await?;
        rows.iter()
            .map(|row| Ok(column(row, "creditor_id")?))
            .collect()
    }

    async fn sweep_candidates(
        &self,
        db: &Db,
        _kind: &str,
        creditor_id: &str,
        parts: &[i64],
        after: &str,
        limit: u64,
    ) -> Result<Vec<(i64, String)>> {
        let first = parts.first().copied().unwrap_or(0);
        let rows = db
            .query_rows(
                Rows::new().int("part", parts.iter().copied()),
                vec![
                    creditor_id.into(),
                    first.into(),
                    after.into(),
                    i64::try_from(limit).unwrap_or(i64::MAX).into(),
                ],
                |table, n| {
                    format!(
                        "SELECT DISTINCT t.part, t.debtor_id FROM p_thing t WHERE t.creditor_id = ${n} \
                         AND t.part IN (SELECT r.part FROM {table} AS r) AND (t.part, t.debtor_id) > (${}, ${}) \
                         ORDER BY t.part, t.debtor_id LIMIT ${}",
                        n + 1,
                        n + 2,
                        n + 3
                    )
                },
            )
            .await?;
        rows.iter()
            .map(|row| Ok((column(row, "part")?, column(row, "debtor_id")?)))
            .collect()
    }

    async fn sweep(
        &self,
        tx: &mut WriteTx,
        _kind: &str,
        creditor_id: &str,
        debtors: &[String],
    ) -> Result<()> {
        let keys: Vec<_> = debtors
            .iter()
            .map(|debtor| (creditor_id.to_owned(), debtor.clone()))
            .collect();
        self.recompute(tx, &keys).await
    }
}
