//! Dunning: procedures, runs, notices, tasks and dispatch.
//!
//! [`feed`] keeps a projection of what registry, scoring and segmentation know, [`app`] holds the use cases, [`worker`]
//! what goes on in the background, [`storage`] the SQL, [`grpc`] the wire; the rules are in `dunning_core`.

pub mod app;
pub mod config;
#[doc(hidden)]
pub mod conformance;
pub mod feed;
pub mod grpc;
pub mod storage;
pub mod worker;

use std::{sync::Arc, time::Duration};

use dunning_core::law::LawPacks;
use mahnwerk_feed::{ConsumerSettings, Service, service::connect};
use mahnwerk_runtime::{
    db::{Migration, Migrations},
    error::{Error, Result},
    idempotency,
    server::{Running, Shutdown},
};

use app::{App, dispatch::Dispatcher};
use config::Settings;
use grpc::Api;

/// Name of the service, of its feed and in its consistency tokens.
pub const SERVICE: &str = "dunning";

/// The schema, oldest step first.
#[must_use]
pub fn migrations() -> Migrations {
    Migrations(vec![
        mahnwerk_feed::MIGRATION,
        idempotency::MIGRATION,
        Migration {
            name: "m20261122_000401_create_facts",
            sql: include_str!("storage/schema_facts.sql"),
        },
        Migration {
            name: "m20261122_000402_create_runs",
            sql: include_str!("storage/schema_runs.sql"),
        },
        Migration {
            name: "m20261122_000403_index_ended_commands",
            sql: include_str!("storage/schema_outbox.sql"),
        },
        Migration {
            name: "m20261122_000404_add_four_eyes",
            sql: include_str!("storage/schema_four_eyes.sql"),
        },
        Migration {
            name: "m20261122_000405_create_run_editors",
            sql: include_str!("storage/schema_editors.sql"),
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
    worker::measure::announce();
    let law = law_packs()?;
    let consuming = || ConsumerSettings {
        compare: Duration::from_secs(settings.compare_every_s),
        ..ConsumerSettings::default()
    };
    service.consume(
        Arc::new(feed::Registry),
        &settings.registry_url,
        &settings.peers,
        consuming(),
    )?;
    service.consume(
        Arc::new(feed::Scoring),
        &settings.scoring_url,
        &settings.peers,
        consuming(),
    )?;
    service.consume(
        Arc::new(feed::Segmentation),
        &settings.segmentation_url,
        &settings.peers,
        consuming(),
    )?;
    let email = worker::way_out(&settings.dispatch).await?;
    let app = App {
        freshness: service.freshness(),
        publisher: service.publisher().clone(),
        law,
        emails: email.is_some(),
        wake: Arc::default(),
    };
    let remote = worker::outbox::Remote::new(connect(&settings.registry_url, &settings.peers)?);
    let work = worker::Work {
        dispatcher: Dispatcher {
            app: app.clone(),
            email,
            lease: i64::try_from(settings.dispatch.lease_s).unwrap_or(0) * 1_000_000,
        },
        registry: Arc::new(remote),
        app: app.clone(),
    };
    let routes = grpc::routes(&Api { app }, common.api.max_message_bytes);
    let snapshot = Arc::new(feed::Snapshot);
    let stop = shutdown.stop.clone();
    let running = service
        .serve(routes, grpc::SERVICE_NAMES, snapshot, common, shutdown)
        .await?;
    Ok(work.spawn(running, &stop))
}

/// The shipped law packs; entries that our sources do not confirm are reported to the log.
fn law_packs() -> Result<Arc<LawPacks>> {
    let law = LawPacks::shipped().map_err(|error| Error::Internal(Box::new(error)))?;
    for entry in law.unconfirmed() {
        tracing::warn!(
            country = %entry.country,
            entry = entry.entry,
            "a law pack entry is not confirmed: {}",
            entry.reason
        );
    }
    Ok(Arc::new(law))
}
