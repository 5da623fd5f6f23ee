//! Segmentation: schemes, memberships and their history.
//!
//! [`feed`] keeps a projection of what registry and scoring tell, [`app`] holds the use cases, [`storage`] the SQL,
//! [`grpc`] the wire, [`worker`] what goes on after the answer; the rules are in `segmentation_core`.

pub mod app;
pub mod config;
#[doc(hidden)]
pub mod conformance;
pub mod feed;
pub mod grpc;
pub mod storage;
pub mod worker;

use std::{sync::Arc, time::Duration};

use mahnwerk_feed::{ConsumerSettings, Service};
use mahnwerk_runtime::{
    db::{Migration, Migrations},
    error::Result,
    idempotency,
    server::{Running, Shutdown},
};

use app::{App, schemes::Schemes};
use config::Settings;
use grpc::Api;

/// Name of the service, of its feed and in its consistency tokens.
pub const SERVICE: &str = "segmentation";

/// The schema, oldest step first.
#[must_use]
pub fn migrations() -> Migrations {
    Migrations(vec![
        mahnwerk_feed::MIGRATION,
        idempotency::MIGRATION,
        Migration {
            name: "m20261122_000301_create_segmentation",
            sql: include_str!("storage/schema.sql"),
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
    app::place::announce();
    let schemes = Schemes::new()?;
    let consuming = ConsumerSettings {
        compare: Duration::from_secs(settings.compare_every_s),
        ..ConsumerSettings::default()
    };
    let registry = Arc::new(feed::Registry::new(schemes.clone()));
    let peers = &settings.peers;
    service.consume(registry, &settings.registry_url, peers, consuming.clone())?;
    let scoring = Arc::new(feed::Scoring::new(schemes.clone()));
    service.consume(scoring, &settings.scoring_url, peers, consuming)?;
    let app = App::new(service.freshness(), service.publisher().clone(), schemes);
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
    Ok(running.with_background(tokio::spawn(worker::run(app, draining))))
}
