//! Scoring: payment behaviour, scores and credit decisions.
//!
//! [`feed`] keeps a projection of the registry's facts, [`app`] holds the use cases, [`storage`] the SQL, [`grpc`] the
//! wire; the rules are in `scoring_core`.

pub mod app;
pub mod config;
#[doc(hidden)]
pub mod conformance;
pub mod feed;
pub mod grpc;
pub mod storage;

use std::{sync::Arc, time::Duration};

use mahnwerk_feed::{
    Consumer, ConsumerSettings, FeedAdmin, FeedServer, Freshness, Projection, Publisher, Tailer,
    keep_retention,
};
use mahnwerk_proto::common::v1::{
    feed_admin_service_server::FeedAdminServiceServer, feed_service_server::FeedServiceServer,
};
use mahnwerk_runtime::{
    clock::{SharedClock, SystemClock},
    db::{Db, Migration, Migrations},
    error::{Error, Result},
    idempotency,
    ids::{SharedIds, SystemIds},
    server::{self, Running, ServiceSpec, Shutdown},
};
use tokio::sync::watch;
use tonic::transport::Endpoint;

use app::{App, Rules};
use config::Settings;
use grpc::Api;

/// Name of the service, of its feed and in its consistency tokens.
pub const SERVICE: &str = "scoring";

/// After so long without a sign of life the registry is taken to be gone, and connected to again.
const PATIENCE: Duration = Duration::from_secs(5);

/// The schema, oldest step first.
#[must_use]
pub fn migrations() -> Migrations {
    Migrations(vec![
        mahnwerk_feed::MIGRATION,
        idempotency::MIGRATION,
        Migration {
            name: "m20261121_000201_create_scoring",
            sql: include_str!("storage/schema.sql"),
        },
    ])
}

/// Starts the service; it runs until `shutdown`. The schema is changed only if the settings say so.
///
/// # Errors
/// If the database cannot be reached, its schema is not up to date, or an address cannot be listened on.
pub async fn start(settings: Settings, shutdown: Shutdown) -> Result<Running> {
    let db = Db::connect(&settings.common.database).await?;
    let migrations = migrations();
    if settings.migrate_on_start {
        migrations.apply(&db).await?;
    }
    let missing = migrations.missing(&db).await?;
    if !missing.is_empty() {
        return Err(Error::internal(format!(
            "the schema lacks {}; run `mahnwerk-scoring migrate`",
            missing.join(", ")
        )));
    }
    let clock: SharedClock = Arc::new(SystemClock);
    let ids: SharedIds = Arc::new(SystemIds(clock.clone()));
    let publisher = Publisher::open(db.clone(), SERVICE, feed::ENTITIES, clock, ids).await?;
    let tailer = Tailer::open(publisher.clone()).await?;
    let rules = Rules::starter()?;
    let registry = Endpoint::from_shared(settings.registry_url.clone())
        .map_err(|error| Error::Internal(Box::new(error)))?
        .tcp_nodelay(true)
        .connect_timeout(PATIENCE)
        .http2_keep_alive_interval(PATIENCE)
        .keep_alive_timeout(PATIENCE)
        .keep_alive_while_idle(true)
        .connect_lazy();
    let (progress, watched) = watch::channel(0);
    let projection: Arc<dyn Projection> = Arc::new(feed::Registry::new(rules.clone()));
    let consumer = Arc::new(Consumer::new(
        publisher.clone(),
        projection,
        registry,
        ConsumerSettings {
            compare: Duration::from_secs(settings.compare_every_s),
            ..ConsumerSettings::default()
        },
        progress,
    ));
    let app = App {
        freshness: Freshness::new(publisher.clone(), &["registry"], watched),
        publisher: publisher.clone(),
        rules,
    };
    let limit = settings.common.api.max_message_bytes;
    let feed_server = FeedServer::new(
        tailer.clone(),
        Arc::new(feed::Snapshot),
        shutdown.draining.clone(),
    );
    let admin = FeedAdmin::new(tailer.clone(), [consumer.clone()]);
    let routes = grpc::routes(&Api { app }, limit)
        .add_service(FeedServiceServer::new(feed_server).max_decoding_message_size(limit))
        .add_service(FeedAdminServiceServer::new(admin).max_decoding_message_size(limit));
    let spec = ServiceSpec {
        name: SERVICE,
        routes,
        migrations,
        db,
        grpc_names: grpc::SERVICE_NAMES.to_vec(),
    };
    let running = server::start(spec, &settings.common, shutdown.clone()).await?;
    tokio::spawn(tailer.run(shutdown.stop.clone()));
    let consuming = tokio::spawn(async move { consumer.run(shutdown.stop).await });
    tokio::spawn(keep_retention(publisher, shutdown.draining));
    // It gives its partitions up for others to take.
    Ok(running.with_background(consuming))
}
