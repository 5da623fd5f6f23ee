//! Ready means: the schema has everything this program knows, the database answers, and every issuer of tokens was asked for
//! its keys. An issuer that gives none does not end readiness: the callers of the others are served, and it would take every
//! replica out of service at once.

use std::{sync::Arc, time::Duration};

use opentelemetry::{KeyValue, metrics::Gauge};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use super::{ServiceSpec, access::Lacks, issuers::Lacking};
use crate::{
    db::{Db, Migrations},
    error::Result,
    telemetry::{self, names},
};

/// How often the database is asked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Longest a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the database may be away before the service says that it is not ready. Shorter, and a failover of the
/// database would take every replica out of service at once; calls answer `UNAVAILABLE` meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a service is ready, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    /// It serves; these issuers gave no keys.
    ReadyWithout(Vec<String>),
    /// These issuers have not been asked for their keys to the end.
    KeysAwaited(Vec<String>),
    /// The program to run, and what it would apply.
    MigrationsMissing(String),
    DatabaseAway,
    Draining,
}

impl State {
    /// Whether calls should be sent here.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready | Self::ReadyWithout(_))
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Ready => "ready".to_owned(),
            Self::ReadyWithout(issuers) => format!(
                "ready, but nobody is let in by tokens of these issuers, whose keys could not be had: {}",
                issuers.join(", ")
            ),
            Self::KeysAwaited(issuers) => format!(
                "not ready: waiting for the keys of these issuers: {}",
                issuers.join(", ")
            ),
            Self::MigrationsMissing(text) => format!("not ready: {text}"),
            Self::DatabaseAway => "not ready: the database cannot be reached".to_owned(),
            Self::Draining => "not ready: shutting down".to_owned(),
        }
    }
}

/// Finds out again and again whether the service is ready, and tells health.
pub(super) struct Monitor {
    service: &'static str,
    db: Arc<Db>,
    migrations: Migrations,
    grpc_names: Vec<&'static str>,
    health: HealthReporter,
    lacks: Lacks,
    state: watch::Sender<State>,
    reached: Instant,
    gauge: Gauge<u64>,
}

impl Monitor {
    /// A monitor that has checked once.
    pub(super) async fn new(spec: &ServiceSpec, health: HealthReporter, lacks: Lacks) -> Self {
        let (ready, db) = (names::READY, Arc::new(spec.db.clone()));
        tell_connections(spec.name, &db);
        let monitor = Self {
            service: spec.name,
            db,
            migrations: spec.migrations.clone(),
            grpc_names: spec.grpc_names.clone(),
            health,
            lacks,
            state: watch::Sender::new(State::DatabaseAway),
            reached: Instant::now(),
            gauge: telemetry::meter()
                .u64_gauge(ready.name)
                .with_description(ready.description)
                .build(),
        };
        let found = monitor.check().await.unwrap_or(State::DatabaseAway);
        monitor.state.send_replace(found);
        monitor.announce().await;
        monitor
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Checks until told to stop; says "not serving" as its last act.
    pub(super) async fn run(mut self, draining: CancellationToken) {
        let mut ticks = tokio::time::interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = draining.cancelled() => break,
                _ = ticks.tick() => {}
                () = self.lacks.changed() => {}
            }
            let found = tokio::select! {
                () = draining.cancelled() => break,
                found = self.check() => found,
            };
            if found.is_some() {
                self.reached = Instant::now();
            }
            let before = self.state.borrow().clone();
            self.become_state(next_state(before, found, self.reached.elapsed()))
                .await;
        }
        self.become_state(State::Draining).await;
    }

    /// `None` if the database did not answer.
    async fn check(&self) -> Option<State> {
        let missing = tokio::time::timeout(CHECK_TIMEOUT, self.migrations.missing(&*self.db)).await;
        let missing: Vec<&str> = missing.map_or_else(|_| None, Result::ok)?;
        Some(if missing.is_empty() {
            with_keys(self.lacks.now())
        } else {
            State::MigrationsMissing(format!(
                "migrations are missing, run `mahnwerk-{} migrate`: {}",
                self.service,
                missing.join(", ")
            ))
        })
    }

    async fn become_state(&self, state: State) {
        let changed = self.state.send_if_modified(|current| {
            let changed = *current != state;
            *current = state;
            changed
        });
        if changed {
            self.announce().await;
        }
    }

    async fn announce(&self) {
        let state = self.state.borrow().clone();
        tracing::info!(service = self.service, state = state.text(), "readiness");
        let ready = state.is_ready();
        self.gauge.record(
            u64::from(ready),
            &[KeyValue::new(names::SERVICE, self.service)],
        );
        let status = if ready {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        // The empty name stands for the server as a whole.
        for name in std::iter::once("").chain(self.grpc_names.iter().copied()) {
            self.health.set_service_status(name, status).await;
        }
    }
}

/// Tells how many connections of the pool are in use, while `db` is held.
fn tell_connections(service: &'static str, db: &Arc<Db>) {
    let pool = KeyValue::new(names::POOL, service);
    let labels = ["used", "idle"].map(|it| [pool.clone(), KeyValue::new(names::POOL_STATE, it)]);
    telemetry::observe(&names::POOL_CONNECTIONS, db, move |db, tell| {
        let now = db.connections();
        let [used, idle] = &labels;
        tell(f64::from(now.used), used);
        tell(f64::from(now.idle), idle);
    });
    telemetry::observe(&names::POOL_MAX, db, move |db, tell| {
        tell(f64::from(db.connections().max), std::slice::from_ref(&pool));
    });
}

/// What to be if nothing else is missing.
fn with_keys(lacking: Lacking) -> State {
    match (lacking.untried.is_empty(), lacking.failed.is_empty()) {
        (true, true) => State::Ready,
        (true, false) => State::ReadyWithout(lacking.failed),
        (false, _) => State::KeysAwaited(lacking.untried),
    }
}

/// What to be after a check. A database that is away for a moment changes nothing.
fn next_state(before: State, found: Option<State>, since_reached: Duration) -> State {
    match found {
        // An issuer that came into the table later; all replicas learn of it at once.
        Some(State::KeysAwaited(_)) if before.is_ready() => before,
        Some(state) => state,
        None if since_reached >= PATIENCE => State::DatabaseAway,
        None => before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_waits_until_every_issuer_was_asked_and_not_until_it_answers() {
        let named = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let state = |untried: &[&str], failed: &[&str]| {
            with_keys(Lacking {
                untried: named(untried),
                failed: named(failed),
            })
        };
        assert_eq!(state(&[], &[]), State::Ready);
        let waiting = state(&["login"], &["cluster"]);
        assert!(!waiting.is_ready() && waiting.text().ends_with(": login"));
        let later = next_state(State::Ready, Some(waiting), Duration::ZERO);
        assert_eq!(later, State::Ready);
        let without = state(&[], &["login", "cluster"]);
        assert!(without.is_ready() && without.text().ends_with(": login, cluster"));
    }

    #[test]
    fn a_lost_database_turns_readiness_off_after_thirty_seconds_and_not_before() {
        let after = |seconds| next_state(State::Ready, None, Duration::from_secs(seconds));
        assert_eq!(after(29), State::Ready);
        assert_eq!(after(30), State::DatabaseAway);
        assert_eq!(
            next_state(State::DatabaseAway, Some(State::Ready), Duration::ZERO),
            State::Ready
        );
    }
}
