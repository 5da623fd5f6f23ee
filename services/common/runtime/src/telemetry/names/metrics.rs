//! The metrics, in one list from which instruments, dashboards and tests take their names.
//!
//! No label names a creditor, a debtor or anything else of which there may be any number.

use super::{
    ACTION, CODE, CONSUMER, ENTITY, FEED, KIND, METHOD, MODE, OUTCOME, POOL, POOL_STATE, SERVICE,
    SOURCE, STATE, VERSION,
};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Grows and shrinks with what happens in this process; the sum over replicas says something.
    UpDown,
    /// As it is now. Of what is read from a database all replicas tell the same: take the maximum.
    Gauge,
    /// A distribution.
    Histogram,
}

/// When a metric is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As soon as a service that has it is up and reaches its database.
    Always,
    /// From when it happens for the first time in a process, or while there is something to tell of.
    OnceItHappens,
}

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Unit, as in UCUM; what is counted stands in braces.
    pub unit: &'static str,
    /// Its labels, all of them bounded.
    pub labels: &'static [&'static str],
    /// When it is there.
    pub shown: Shown,
    /// What it tells.
    pub description: &'static str,
}

impl Metric {
    /// Its name at `/metrics`, as the exporter makes it: dots become underscores, units and `total` are appended. A
    /// histogram appends `_bucket`, `_count` and `_sum` to it.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let name = self.name.replace('.', "_");
        let unit = match self.unit {
            "s" => "_seconds",
            "1" => "_ratio",
            _ => "",
        };
        let total = match self.kind {
            Kind::Counter => "_total",
            Kind::UpDown | Kind::Gauge | Kind::Histogram => "",
        };
        format!("{name}{unit}{total}")
    }
}

/// Makes a constant of each line, and [`ALL`] of all of them.
macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal, $unit:literal, [$($label:ident),*], $shown:ident: $description:literal;)+) => {
        $(
            #[doc = $description]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: $unit,
                labels: &[$($label),*],
                shown: Shown::$shown,
                description: $description,
            };
        )+

        /// All metrics.
        pub const ALL: &[Metric] = &[$($constant),+];
    };
}

// Kind, name, unit, labels, when it is there, what it tells. The test of the charts reads these lines as well.
metrics! {
    // Every service.
    BUILD = Gauge "mahnwerk.build.info", "", [VERSION], Always: "1, with the version of the program";
    READY = Gauge "mahnwerk.ready", "", [SERVICE], Always: "1 while the service is ready";
    RPC_DURATION = Histogram "rpc.server.duration", "s", [METHOD, CODE], Always: "Duration of calls served";
    RPC_ACTIVE = UpDown "rpc.server.active_requests", "", [METHOD], Always: "Calls being worked on";
    RPC_LIMITED = Counter "rpc.server.limited", "{call}", [METHOD], OnceItHappens: "Calls refused because their caller had used up its own limits";
    CERTIFICATE_LEFT = Gauge "api.certificate.left", "s", [SERVICE], OnceItHappens: "Time until the first of the certificates shown to callers expires";
    RPC_CLIENT_DURATION = Histogram "rpc.client.duration", "s", [METHOD, CODE], OnceItHappens: "Duration of calls made, repetitions included";
    RPC_CLIENT_REPEATED = Counter "rpc.client.repeated", "{call}", [METHOD, CODE], OnceItHappens: "Calls repeated after an error";
    POOL_CONNECTIONS = Gauge "db.client.connection.count", "{connection}", [POOL, POOL_STATE], Always: "Connections to the database";
    POOL_MAX = Gauge "db.client.connection.max", "{connection}", [POOL], Always: "Most connections to the database that the settings allow";
    POOL_TIMEOUTS = Counter "db.client.connection.timeouts", "{timeout}", [], Always: "Waits for a connection to the database that were given up";

    // Feeds.
    FEED_LAG = Gauge "feed.consumer.lag", "s", [FEED, CONSUMER], Always: "Age of the oldest change that is not applied, or of the interruption";
    FEED_BATCH = Gauge "feed.consumer.batch", "{change}", [FEED, CONSUMER], Always: "Changes received and not yet applied";
    FEED_DRIFT = Counter "feed.consumer.drift", "{row}", [FEED, CONSUMER, ENTITY], OnceItHappens: "Rows found to differ from the upstream and taken anew";
    FEED_PARKED = Gauge "feed.consumer.parked", "{debtor}", [FEED, CONSUMER], Always: "Debtors, and whole creditors, with a change that cannot be applied";
    FEED_WRITER = Gauge "feed.writer.oldest", "s", [SERVICE], Always: "Age of the oldest open writer of the database cluster, which holds every feed back";

    // Registry.
    BUSINESS_DAY_AGE = Gauge "registry.business_day.age", "s", [MODE], OnceItHappens: "Time since the open business day of the creditor furthest behind began (UTC), by who opens business days";

    // Scoring.
    SCORES = Counter "scoring.scores.computed", "{score}", [], Always: "Scores computed, changed or not";
    DECISIONS = Counter "scoring.credit.decisions", "{decision}", [OUTCOME], Always: "Credit decisions";

    // Segmentation.
    MOVES = Counter "segmentation.moves", "{move}", [ACTION, SOURCE], Always: "Debtors placed in a segment for the first time, or moved to another, by what decided";

    // Dunning.
    RUNS = Gauge "dunning.runs.unfinished", "{run}", [STATE], Always: "Runs that wait for the background or for a person";
    RUN_AGE = Gauge "dunning.runs.oldest", "s", [STATE], Always: "Time since the oldest unfinished run was proposed; 0 without one";
    RUN_PROGRESS = Gauge "dunning.runs.progress", "1", [STATE], OnceItHappens: "Share of what is to be done in a state that the oldest run in it has done";
    NOTICES = Counter "dunning.notices.entered", "{notice}", [STATE], Always: "Notices that came into a state";
    NOTICES_WAITING = Gauge "dunning.notices.waiting", "{notice}", [STATE], Always: "Notices that wait in a state, counted up to 10,000";
    DISPATCH_LAG = Gauge "dunning.dispatch.lag", "s", [], Always: "For how long the notice has been due that should have left first; 0 if none is due";
    DISPATCH_INTERRUPTED = Gauge "dunning.dispatch.interrupted", "{creditor}", [], Always: "Creditors of whom nothing is sent because the database was restored or failed over since somebody resumed it";
    DISPATCH_OUTCOMES = Counter "dunning.dispatch.outcomes", "{message}", [OUTCOME], Always: "Messages handed over to the mail server, by what came of it";
    OUTBOX_COMMANDS = Gauge "dunning.outbox.commands", "{command}", [], Always: "Commands that the registry has not carried out yet, counted up to 10,000";
    OUTBOX_AGE = Gauge "dunning.outbox.age", "s", [], Always: "Time since the oldest of these commands was given; 0 without one";
    TASKS = Gauge "dunning.tasks.open", "{task}", [KIND], Always: "Open tasks, counted up to 10,000 altogether";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_differ_and_have_units_that_are_understood() {
        let mut names = BTreeSet::new();
        for metric in ALL {
            let unit = metric.unit;
            let counted = unit.starts_with('{') && unit.ends_with('}');
            assert!(matches!(unit, "" | "s" | "1") || counted, "{metric:?}");
            assert!(names.insert(metric.prometheus()), "{metric:?}");
            let labels: BTreeSet<_> = metric.labels.iter().collect();
            assert_eq!(labels.len(), metric.labels.len(), "{metric:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_exporter() {
        assert_eq!(RPC_DURATION.prometheus(), "rpc_server_duration_seconds");
        assert_eq!(FEED_DRIFT.prometheus(), "feed_consumer_drift_total");
        assert_eq!(RUN_PROGRESS.prometheus(), "dunning_runs_progress_ratio");
        assert_eq!(POOL_MAX.prometheus(), "db_client_connection_max");
    }
}
