//! Driven by the descriptors: what holds for every method is tried with every method. A method without a case fails.

mod bad_input;
pub mod cases;
mod effects;
pub mod examples;
pub mod fixture;
mod import_rows;
mod repeats;

use e2e::suite::{Engine, Service, Suite};
use futures::{StreamExt as _, stream};
use mahnwerk_proto::policy::{Method, methods};
use mahnwerk_runtime::db::Db;
use tonic::transport::Channel;

use crate::descriptors::{
    cases::Case,
    effects::Effects,
    examples::case,
    fixture::{Fixture, Purpose},
};

/// The last service whose methods are called; those before it run as well.
const LAST: Service = Service::Dunning;

/// Fixtures made at once.
const AT_ONCE: usize = 4;

/// The service that answers `path`.
pub fn service_of(path: &str) -> Service {
    // The registry publishes, scoring consumes: each feed service is tried where it has something to do.
    if path.contains("FeedAdminService") {
        return Service::Scoring;
    }
    let of = |service: &Service| path.starts_with(&format!("/mahnwerk.{}.", service.name()));
    Service::ALL
        .into_iter()
        .find(of)
        .unwrap_or(Service::Registry)
}

/// The methods that are called. After the last of them everybody downstream has to begin anew.
pub fn called_methods() -> impl Iterator<Item = &'static Method> {
    let resets = |method: &&Method| method.path.ends_with("/ResetFeed");
    let called = || {
        let all = methods().values();
        all.filter(|method| service_of(&method.path) <= LAST)
    };
    called()
        .filter(move |method| !resets(method))
        .chain(called().filter(resets))
}

/// A running suite and what is in it.
struct Bench {
    suite: Suite,
    /// Of the services in their order.
    dbs: Vec<Db>,
}

impl Bench {
    async fn start(engine: Engine) -> Self {
        let suite = Suite::start_with(engine, LAST).await;
        let mut dbs = Vec::new();
        for service in LAST.with_upstreams() {
            dbs.push(suite.db(service).await);
        }
        Self { suite, dbs }
    }

    /// The channel of the service that answers `path`.
    fn channel(&self, path: &str) -> &Channel {
        self.suite.channel(service_of(path))
    }

    async fn fixture(&self, number: usize, purpose: Purpose) -> Fixture {
        Fixture::create(&self.suite, number, purpose).await
    }

    /// One for each purpose, in their order. Most of the time each of them waits for the background, so they are made
    /// together.
    async fn fixtures(&self, purposes: impl Iterator<Item = Purpose>) -> Vec<Fixture> {
        let each = purposes.enumerate();
        let each = each.map(|(number, purpose)| self.fixture(number, purpose));
        stream::iter(each).buffered(AT_ONCE).collect().await
    }

    async fn effects(&self) -> Effects {
        Effects::count(&self.dbs).await
    }
}

#[test]
fn every_method_has_a_case_and_every_case_a_method() {
    let fixture = Fixture::imagined();
    let without: Vec<_> = methods()
        .keys()
        .filter(|path| case(path, &fixture).is_none())
        .collect();
    assert!(without.is_empty(), "methods without a case: {without:#?}");
}

#[test]
fn every_id_in_a_request_is_known_to_name_something_or_to_be_new() {
    let fixture = Fixture::imagined();
    for method in methods().values() {
        let case = case(&method.path, &fixture).expect("a case");
        for request in case.messages(method) {
            for place in e2e::wire::places(&request) {
                if !place.field.name().ends_with("_id") || place.path == "request_id" {
                    continue;
                }
                assert!(
                    case.knows_id(&place.path),
                    "{}: {} is neither in `refers` nor in `names` nor ignored",
                    method.path,
                    place.path
                );
            }
        }
    }
}

/// Tests of both engines.
macro_rules! on_both_engines {
    ($($sqlite:ident, $postgres:ident: $test:path;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $sqlite() {
            let bench = Bench::start(Engine::Sqlite).await;
            $test(&bench).await;
            bench.suite.stop().await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn $postgres() {
            let bench = Bench::start(Engine::Postgres).await;
            $test(&bench).await;
            bench.suite.stop().await;
        }
    )*};
}

on_both_engines! {
    a_write_called_again_has_one_effect_on_sqlite, a_write_called_again_has_one_effect_on_postgres:
        repeats::one_after_the_other;
    two_hundred_identical_calls_have_one_effect_on_sqlite, two_hundred_identical_calls_have_one_effect_on_postgres:
        repeats::all_at_once;
    good_examples_are_answered_on_sqlite, good_examples_are_answered_on_postgres: bad_input::good_examples;
    bad_fields_are_named_and_write_nothing_on_sqlite, bad_fields_are_named_and_write_nothing_on_postgres:
        bad_input::bad_fields;
    all_bad_fields_are_named_at_once_on_sqlite, all_bad_fields_are_named_at_once_on_postgres:
        bad_input::all_fields_at_once;
    unknown_ids_are_not_found_on_sqlite, unknown_ids_are_not_found_on_postgres: bad_input::unknown_ids;
    page_tokens_of_other_lists_are_refused_on_sqlite, page_tokens_of_other_lists_are_refused_on_postgres:
        bad_input::foreign_page_tokens;
    messages_over_the_limit_are_refused_on_sqlite, messages_over_the_limit_are_refused_on_postgres:
        bad_input::oversized_messages;
    wrong_import_rows_are_refused_with_their_fields_on_sqlite,
    wrong_import_rows_are_refused_with_their_fields_on_postgres: import_rows::wrong_rows;
}
