//! A pair of toy services around the feed crate: the upstream keeps numbers, the downstream keeps `rate × sum` per debtor.
//!
//! Small enough that what must come out is obvious, with everything a real service has: entities of debtors, a fact of
//! the creditor that concerns every debtor, deletion, derived rows, and a value that cannot be applied.

pub mod forgetting;
pub mod poison;
pub mod suite;
mod things;
pub mod third;
mod totals;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use mahnwerk_client::Channel;
use mahnwerk_feed::{
    Cause, Consumer, ConsumerSettings, EntityType, FeedAdmin, FeedServer, Freshness, Locks,
    NewEvent, Projection, Publisher, Tailer, WriteTx, partition,
};
use mahnwerk_proto::common::v1::{
    Money, feed_admin_service_server::FeedAdminServiceServer,
    feed_service_server::FeedServiceServer,
};
use mahnwerk_runtime::{
    clock::{SharedClock, SystemClock},
    db::{Db, Migration, Migrations, Sql, column},
    error::{Error, Result},
    ids::SystemIds,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, server::TcpIncoming};

/// A value that the downstream cannot apply until it is cured.
pub const POISON: i64 = -666;

/// As in production.
const BOOKMARK: Duration = Duration::from_millis(100);

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
        let address = serve(
            FeedServer::new(
                tailer.clone(),
                Arc::new(things::Things),
                BOOKMARK,
                stop.clone(),
            ),
            FeedAdmin::new(tailer.clone(), []),
            &stop,
        )?;
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
        tx.append(vec![event])?;
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
}

fn money(name: &str, value: i64) -> Money {
    Money {
        currency_code: name.to_owned(),
        minor_units: value,
    }
}

/// Listens on a free port until `stop`.
fn serve(feed: FeedServer, admin: FeedAdmin, stop: &CancellationToken) -> Result<SocketAddr> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let incoming = TcpIncoming::bind(any).map_err(|error| Error::internal(error.to_string()))?;
    let address = incoming
        .local_addr()
        .map_err(|error| Error::internal(error.to_string()))?;
    tokio::spawn(
        Server::builder()
            .add_service(FeedServiceServer::new(feed))
            .add_service(FeedAdminServiceServer::new(admin))
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned()),
    );
    Ok(address)
}

fn channel(address: SocketAddr) -> Channel {
    let settings = mahnwerk_client::Settings::default();
    mahnwerk_client::connect(&format!("http://{address}"), &settings).unwrap()
}

fn totals(rows: &[sea_orm::QueryResult]) -> Result<BTreeMap<(String, String), i64>> {
    rows.iter()
        .map(|row| {
            let key = (column(row, "creditor_id")?, column(row, "debtor_id")?);
            Ok((key, column(row, "value")?))
        })
        .collect()
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
    /// Where its own feed is served.
    pub address: SocketAddr,
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
        compare: Duration::ZERO,
        bookmark: BOOKMARK,
    }
}

impl Downstream {
    /// A replica with projection code of `version`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn start(db: &Db, upstream: SocketAddr, version: i64) -> Result<Self> {
        Self::with(db, upstream, version, impatient()).await
    }

    /// A replica with these settings.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn with(
        db: &Db,
        upstream: SocketAddr,
        version: i64,
        settings: ConsumerSettings,
    ) -> Result<Self> {
        migrations().apply(db).await?;
        let publisher = publisher(db.clone(), "downstream").await?;
        let tailer = Tailer::open(publisher.clone()).await?;
        let stop = CancellationToken::new();
        tokio::spawn(tailer.clone().run(stop.clone()));
        let cured = Arc::new(AtomicBool::new(false));
        let totals: Arc<dyn Projection> = Arc::new(totals::Totals {
            version,
            cured: cured.clone(),
        });
        let (progress, watched) = watch::channel(0);
        let consumer = |progress| {
            Consumer::new(
                publisher.clone(),
                totals.clone(),
                channel(upstream),
                settings.clone(),
                progress,
            )
        };
        let address = serve(
            FeedServer::new(
                tailer.clone(),
                Arc::new(totals::TotalsOf),
                BOOKMARK,
                stop.clone(),
            ),
            FeedAdmin::new(tailer.clone(), []),
            &stop,
        )?;
        let admin = FeedAdmin::new(tailer, [Arc::new(consumer(progress.clone()))]);
        let worker = consumer(progress);
        let until = stop.clone();
        let task = tokio::spawn(async move { worker.run(until).await });
        let freshness = Freshness::new(publisher.clone(), &[("upstream", &[])], watched);
        Ok(Self {
            publisher,
            freshness,
            admin,
            cured,
            address,
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
