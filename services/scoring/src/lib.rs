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

use mahnwerk_feed::{ConsumerSettings, Service};
use mahnwerk_runtime::{
    db::{Migration, Migrations},
    error::Result,
    idempotency,
    server::{Running, Shutdown},
};

use app::{App, Rules};
use config::Settings;
use grpc::Api;

/// Name of the service, of its feed and in its consistency tokens.
pub const SERVICE: &str = "scoring";

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
        Migration {
            name: "m20261122_000202_create_arrangement",
            sql: include_str!("storage/schema_arrangement.sql"),
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
    app::credit::announce();
    let rules = Rules::starter()?;
    let consuming = ConsumerSettings {
        compare: Duration::from_secs(settings.compare_every_s),
        ..ConsumerSettings::default()
    };
    let registry = Arc::new(feed::Registry::new(rules.clone()));
    service.consume(registry, &settings.registry_url, &settings.peers, consuming)?;
    let app = App {
        freshness: service.freshness(),
        publisher: service.publisher().clone(),
        rules,
    };
    let routes = grpc::routes(&Api { app }, common.api.max_message_bytes);
    let snapshot = Arc::new(feed::Snapshot);
    service
        .serve(routes, grpc::SERVICE_NAMES, snapshot, common, shutdown)
        .await
}
