//! Migrations of the programs as they are run: at once by many, from the version before, and by a newer program under an
//! older one.

use std::time::Duration;

use e2e::{
    postgres::{Cluster, Database},
    process::{Process, Program},
    suite::{Service, channel, connect},
};
use futures::future::join_all;
use mahnwerk_proto::common::v1::{
    ResetFeedRequest, feed_admin_service_client::FeedAdminServiceClient,
};
use mahnwerk_runtime::db::{Migration, Migrations};
use tokio::time::timeout;
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};

/// Processes that migrate one database at once.
const AT_ONCE: usize = 8;

/// Readiness is found out once a second: this is three times and some.
const SOME_CHECKS: Duration = Duration::from_millis(3_500);

/// What a later version might do while this one is still running: expand the schema.
const LATER: Migration = Migration {
    name: "m99991231_000001_expand_event",
    sql: "CREATE TABLE later (id BIGINT PRIMARY KEY); ALTER TABLE event ADD COLUMN later BIGINT;",
};

fn migrations(service: Service) -> Migrations {
    match service {
        Service::Registry => mahnwerk_registry::migrations(),
        Service::Scoring => mahnwerk_scoring::migrations(),
        Service::Segmentation => mahnwerk_segmentation::migrations(),
        Service::Dunning => mahnwerk_dunning::migrations(),
    }
}

fn names(migrations: &Migrations) -> Vec<&'static str> {
    migrations.0.iter().map(|step| step.name).collect()
}

/// A program that leaves the schema as it is, unless it is told to migrate.
fn program(service: Service, database: &Database) -> Program {
    Program::new(service, &database.url()).set("migrate_on_start", "false")
}

async fn applied_by_one_each(service: Service) {
    let database = Cluster::shared().database();
    let program = program(service, &database);
    let applied = join_all((0..AT_ONCE).map(|_| program.migrate())).await;
    let busy = applied.iter().filter(|steps| !steps.is_empty()).count();
    let steps = applied.concat();
    println!(
        "{service:?}: {} steps, applied by {busy} of {AT_ONCE} processes",
        steps.len()
    );
    assert_eq!(steps, names(&migrations(service)), "{applied:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_processes_that_migrate_at_once_one_applies_each_step() {
    for service in Service::ALL {
        applied_by_one_each(service).await;
    }
}

async fn upgraded_from_the_version_before(service: Service) {
    let database = Cluster::shared().database();
    let program = program(service, &database);
    let Migrations(all) = migrations(service);
    let (last, before) = all.split_last().expect("migrations");
    let db = connect(&database.url()).await;
    let applied = Migrations(before.to_vec()).apply(&db).await;
    assert_eq!(applied.expect("the schema before").len(), before.len());
    let log = program.fails_to_start().await;
    let advice = format!("the schema lacks {}; run `mahnwerk-", last.name);
    assert!(log.contains(&advice), "{log}");
    assert_eq!(program.migrate().await, [last.name]);
    let process = program.start().await;
    let mut health = Health::of(&process).await;
    assert_eq!(health.next().await, ServingStatus::Serving);
    process.terminate().await;
    process.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_waits_for_its_migrations_to_be_run() {
    join_all(Service::ALL.map(upgraded_from_the_version_before)).await;
}

/// What a service says of itself.
struct Health(tonic::Streaming<HealthCheckResponse>);

impl Health {
    async fn of(process: &Process) -> Self {
        let mut client = HealthClient::new(channel(&process.url));
        let told = client.watch(HealthCheckRequest::default()).await;
        Self(told.expect("a stream").into_inner())
    }

    /// The state now, or the next one.
    async fn next(&mut self) -> ServingStatus {
        let told = self.0.message().await.expect("the stream");
        told.expect("it goes on").status()
    }
}

/// Writes by a method that every service has.
async fn writes(process: &Process, request_id: &str) {
    let mut admin = FeedAdminServiceClient::new(channel(&process.url));
    let request = ResetFeedRequest {
        request_id: request_id.to_owned(),
    };
    admin.reset_feed(request).await.expect("a write");
}

async fn stays_ready_under_a_later_schema(service: Service) {
    let database = Cluster::shared().database();
    let program = program(service, &database);
    program.migrate().await;
    let process = program.start().await;
    let mut health = Health::of(&process).await;
    assert_eq!(health.next().await, ServingStatus::Serving);

    let Migrations(mut newer) = migrations(service);
    newer.push(LATER);
    let db = connect(&database.url()).await;
    let applied = Migrations(newer).apply(&db).await;
    assert_eq!(applied.expect("a later schema"), [LATER.name]);
    let changed = timeout(SOME_CHECKS, health.next()).await;
    assert!(changed.is_err(), "{service:?} became {changed:?}");
    writes(&process, "while-it-runs").await;
    process.terminate().await;
    process.stopped().await;

    // A replica of the version before that begins only now, as after a node was lost in the middle of an upgrade.
    assert_eq!(program.migrate().await, [""; 0]);
    let process = program.start().await;
    let mut health = Health::of(&process).await;
    assert_eq!(health.next().await, ServingStatus::Serving);
    let changed = timeout(SOME_CHECKS, health.next()).await;
    assert!(changed.is_err(), "{service:?} became {changed:?}");
    writes(&process, "after-a-start").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_stays_ready_when_a_newer_one_has_migrated() {
    join_all(Service::ALL.map(stays_ready_under_a_later_schema)).await;
}
