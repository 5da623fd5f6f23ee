//! Writes that are called again: one after the other, with other content, and two hundred at once.

use std::time::Duration;

use e2e::wire::{call, reason};
use futures::future::join_all;
use mahnwerk_proto::{common::v1::Idempotency, policy::Method};
use mahnwerk_runtime::db::{Sql as _, column};
use prost_reflect::{DynamicMessage, Value};
use tonic::{Code, Status, transport::Channel};

use crate::descriptors::{Bench, Case, called_methods, case, fixture::Purpose, service_of};

/// Calls at once.
const TWINS: usize = 200;
/// How often, and how many times, a call is repeated that was told to come again.
const RETRY: Duration = Duration::from_millis(200);
const TRIES: usize = 50;

fn writes() -> impl Iterator<Item = &'static Method> {
    called_methods().filter(|method| {
        method.policy.as_ref().map(|policy| policy.idempotency) == Some(Idempotency::RequestId)
    })
}

/// The same call twice, then the same request id with other content.
pub async fn one_after_the_other(bench: &Bench) {
    let purposes = writes().map(|method| Purpose::of(&method.path));
    let fixtures = bench.fixtures(purposes).await;
    for (method, fixture) in writes().zip(&fixtures) {
        let path = &method.path;
        let case = case(path, fixture).expect("a case");
        let request = case.messages(method);
        let channel = bench.channel(path);
        let before = bench.effects().await;
        let first = call(channel, method, &request).await;
        let first = first.unwrap_or_else(|status| panic!("{path}: {status}"));
        let after = bench.effects().await;
        assert_ne!(before, after, "{path} has no effect");

        let second = call(channel, method, &request).await.expect("a replay");
        assert_eq!(first, second, "{path} answers a repeated call otherwise");
        assert_eq!(after, bench.effects().await, "{path} has two effects");

        let Some(other) = case.other_message(method) else {
            assert_eq!(
                method.descriptor.input().fields().len(),
                1,
                "{path} takes more than a request id and needs other content to be tried with"
            );
            continue;
        };
        let refused = call(channel, method, &[other]).await.expect_err(path);
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::AlreadyExists, "REQUEST_ID_REUSED"),
            "{path}: {refused}"
        );
        assert_eq!(
            after,
            bench.effects().await,
            "{path} has an effect though refused"
        );
    }
}

/// Two hundred identical calls, compared with one. What is wrong is told for all methods.
pub async fn all_at_once(bench: &Bench) {
    let mut complaints = Vec::new();
    let purposes = writes().map(|method| Purpose::of(&method.path));
    let fixtures = bench
        .fixtures(purposes.flat_map(|purpose| [purpose; 2]))
        .await;
    for (method, fixtures) in writes().zip(fixtures.chunks(2)) {
        let path = &method.path;
        let channel = bench.channel(path);
        let single = case(path, &fixtures[0]).expect("a case");
        let before = bench.effects().await;
        answer(channel, method, &single).await.expect(path);
        let effects_of_one = bench.effects().await.since(&before);

        let case = case(path, &fixtures[1]).expect("a case");
        let before = bench.effects().await;
        let answers = join_all((0..TWINS).map(|_| answer(channel, method, &case))).await;
        let effects = bench.effects().await.since(&before);
        if effects != effects_of_one {
            complaints.push(format!(
                "{path}: one call adds {effects_of_one:?}, {TWINS} add {effects:?}"
            ));
        }
        let different = answers
            .iter()
            .filter(|answer| !is_same(answer, &answers[0]))
            .count();
        if different > 0 || answers[0].is_err() {
            let refused = answers.iter().find_map(|answer| answer.as_ref().err());
            complaints.push(format!(
                "{path}: {different} answers differ from the first; refused: {refused:?}"
            ));
        }
        let incarnation = answers[0]
            .as_ref()
            .ok()
            .and_then(|answer| answer.get_field_by_name("incarnation"));
        if let Some(incarnation) = incarnation
            && *incarnation != current_incarnation(bench, path).await
        {
            complaints.push(format!(
                "{path}: answers an incarnation that is not the current one"
            ));
        }
    }
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

fn is_same(one: &Result<DynamicMessage, Status>, other: &Result<DynamicMessage, Status>) -> bool {
    matches!((one, other), (Ok(one), Ok(other)) if one == other)
}

/// One call, repeated as long as it is told to come again.
async fn answer(channel: &Channel, method: &Method, case: &Case) -> Result<DynamicMessage, Status> {
    let mut last = Status::unknown("never called");
    let mut pause = tokio::time::interval(RETRY);
    for _ in 0..TRIES {
        pause.tick().await;
        match call(channel, method, &case.messages(method)).await {
            Ok(mut answers) => return Ok(answers.remove(0)),
            Err(status) if is_transient(status.code()) => last = status,
            Err(status) => return Err(status),
        }
    }
    Err(last)
}

fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::Aborted | Code::Unavailable | Code::ResourceExhausted
    )
}

async fn current_incarnation(bench: &Bench, path: &str) -> Value {
    let row = bench.dbs[service_of(path) as usize]
        .query_one("SELECT incarnation FROM feed_incarnation", vec![])
        .await
        .expect("a query")
        .expect("a row");
    Value::String(column(&row, "incarnation").expect("text"))
}
