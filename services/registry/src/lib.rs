//! The registry: creditors, debtors and the receivables account.
//!
//! [`app`] holds the use cases, [`storage`] the SQL, [`grpc`] the wire, [`feed`] what others are told, [`worker`] what
//! happens without being asked; the rules are in `registry_core`.

pub mod app;
pub mod config;
#[doc(hidden)]
pub mod conformance;
pub mod feed;
pub mod grpc;
pub mod storage;
pub mod worker;

use std::sync::Arc;

use mahnwerk_feed::{FeedAdmin, FeedServer, Freshness, Publisher, Tailer, keep_retention};
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

use app::App;
use config::Settings;
use grpc::Api;

/// Name of the service, of its feed and in its consistency tokens.
pub const SERVICE: &str = "registry";

/// The schema, oldest step first.
#[must_use]
pub fn migrations() -> Migrations {
    Migrations(vec![
        mahnwerk_feed::MIGRATION,
        idempotency::MIGRATION,
        Migration {
            name: "m20261121_000101_create_registry",
            sql: include_str!("storage/schema.sql"),
        },
        Migration {
            name: "m20261121_000102_create_account",
            sql: include_str!("storage/schema_account.sql"),
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
            "the schema lacks {}; run `mahnwerk-registry migrate`",
            missing.join(", ")
        )));
    }
    let clock: SharedClock = Arc::new(SystemClock);
    let ids: SharedIds = Arc::new(SystemIds(clock.clone()));
    let publisher = Publisher::open(db.clone(), SERVICE, feed::ENTITIES, clock, ids).await?;
    let tailer = Tailer::open(publisher.clone()).await?;
    let app = App {
        freshness: Freshness::own(publisher.clone()),
        publisher: publisher.clone(),
    };
    let api = Api {
        app: app.clone(),
        draining: shutdown.draining.clone(),
    };
    let limit = settings.common.api.max_message_bytes;
    let feed = FeedServer::new(
        tailer.clone(),
        Arc::new(feed::Snapshot),
        shutdown.draining.clone(),
    );
    let routes = grpc::routes(&api, limit)
        .add_service(FeedServiceServer::new(feed).max_decoding_message_size(limit))
        .add_service(
            FeedAdminServiceServer::new(FeedAdmin::new(tailer.clone(), []))
                .max_decoding_message_size(limit),
        );
    let spec = ServiceSpec {
        name: SERVICE,
        routes,
        migrations,
        db,
        grpc_names: grpc::SERVICE_NAMES.to_vec(),
    };
    let running = server::start(spec, &settings.common, shutdown.clone()).await?;
    tokio::spawn(tailer.run(shutdown.stop));
    tokio::spawn(worker::business_day::run(app, shutdown.draining.clone()));
    tokio::spawn(keep_retention(publisher, shutdown.draining));
    Ok(running)
}
