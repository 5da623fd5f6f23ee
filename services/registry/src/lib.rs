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

use mahnwerk_feed::Service;
use mahnwerk_runtime::{
    db::{Migration, Migrations},
    error::Result,
    idempotency,
    server::{Running, Shutdown},
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
        Migration {
            name: "m20261122_000103_create_arrangement",
            sql: include_str!("storage/schema_arrangement.sql"),
        },
        Migration {
            name: "m20261122_000104_create_approval",
            sql: include_str!("storage/schema_approval.sql"),
        },
    ])
}

/// Starts the service; it runs until `shutdown`. The schema is changed only if the settings say so.
///
/// # Errors
/// If the database cannot be reached, its schema is not up to date, or an address cannot be listened on.
pub async fn start(settings: Settings, shutdown: Shutdown) -> Result<Running> {
    let common = &settings.common;
    let migrate = settings.migrate_on_start;
    let mut service = Service::open(SERVICE, common, migrate, migrations(), feed::ENTITIES).await?;
    service.measure(Arc::new(worker::measure::Measures));
    let app = App {
        freshness: service.freshness(),
        publisher: service.publisher().clone(),
    };
    let api = Api {
        app: app.clone(),
        draining: shutdown.draining.clone(),
    };
    let routes = grpc::routes(&api, common.api.max_message_bytes);
    let draining = shutdown.draining.clone();
    let snapshot = Arc::new(feed::Snapshot);
    let running = service
        .serve(routes, grpc::SERVICE_NAMES, snapshot, common, shutdown)
        .await?;
    tokio::spawn(worker::business_day::run(app, draining));
    Ok(running)
}
