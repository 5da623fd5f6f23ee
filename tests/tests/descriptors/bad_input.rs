//! Requests that must be refused: with the right status, every wrong field named, and nothing written.

use e2e::wire::{Place, call, call_raw, places, reason, violated_fields};
use mahnwerk_proto::policy::Method;
use prost_reflect::{DynamicMessage, Value};
use tonic::{Code, Status};

use crate::descriptors::{Bench, Case, called_methods, case, cases::Expected, fixture::Purpose};

/// More than a server takes.
const OVERSIZED: usize = 5 * 1024 * 1024;
/// Most fields that a status names one by one.
const MOST_NAMED: usize = 40;

/// What was expected and did not happen, over all methods: one run tells everything.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn add(
        &mut self,
        method: &Method,
        place: &str,
        what: &str,
        got: &Result<Vec<DynamicMessage>, Status>,
    ) {
        let got = match got {
            Ok(_) => "answered".to_owned(),
            Err(status) => format!(
                "{:?} {} {:?} ({})",
                status.code(),
                reason(status),
                violated_fields(status),
                status.message()
            ),
        };
        self.0
            .push(format!("{} {place}: {what}: {got}", method.path));
    }

    fn none(self) {
        assert!(
            self.0.is_empty(),
            "{} complaints:\n{}",
            self.0.len(),
            self.0.join("\n")
        );
    }
}

/// Runs `spoil` with every method and asserts that nothing was written meanwhile.
async fn with_every_method(
    bench: &Bench,
    spoil: impl AsyncFn(&'static Method, Case, &mut Complaints),
) {
    let fixture = bench.fixture(0, Purpose::ALL).await;
    let before = bench.effects().await;
    let mut complaints = Complaints::default();
    for method in called_methods() {
        let case = case(&method.path, &fixture).expect("a case");
        spoil(method, case, &mut complaints).await;
        let after = bench.effects().await;
        if after != before {
            complaints
                .0
                .push(format!("{} has written something", method.path));
            break;
        }
    }
    complaints.none();
}

/// Every example is a good one: what is refused below is refused for what was spoiled.
pub async fn good_examples(bench: &Bench) {
    let mut complaints = Complaints::default();
    let purposes = called_methods().map(|method| Purpose::of(&method.path));
    let fixtures = bench.fixtures(purposes).await;
    for (method, fixture) in called_methods().zip(&fixtures) {
        let case = case(&method.path, fixture).expect("a case");
        let got = call(bench.channel(&method.path), method, &case.messages(method)).await;
        if got.as_ref().map_or(true, Vec::is_empty) {
            complaints.add(method, "", "a good request", &got);
        }
    }
    complaints.none();
}

/// One bad field after the other.
pub async fn bad_fields(bench: &Bench) {
    with_every_method(bench, async |method, case, complaints| {
        for place in places(&case.first_message(method)) {
            for (what, value) in place.bad_values() {
                let expected = case.expected(&place.path, what);
                if expected == Expected::Anything {
                    continue;
                }
                let request = spoiled(&case, method, &place, value);
                let got = call(bench.channel(&method.path), method, &request).await;
                if !is_refused(&got, &expected, &place) {
                    complaints.add(method, &place.path, what, &got);
                }
            }
        }
    })
    .await;
}

fn spoiled(case: &Case, method: &Method, place: &Place, value: Value) -> Vec<DynamicMessage> {
    let mut request = case.messages(method);
    place.put(&mut request[0], value);
    request
}

fn is_refused(
    got: &Result<Vec<DynamicMessage>, Status>,
    expected: &Expected,
    place: &Place,
) -> bool {
    let Err(status) = got else { return false };
    let named = violated_fields(status)
        .iter()
        .any(|field| place.is_named_by(field));
    match expected {
        Expected::Named(wanted) => {
            status.code() == Code::InvalidArgument && reason(status) == *wanted && named
        }
        Expected::Status(code, wanted) => status.code() == *code && reason(status) == *wanted,
        Expected::Anything => true,
    }
}

/// All bad fields at once: every one of them is named.
pub async fn all_fields_at_once(bench: &Bench) {
    with_every_method(bench, async |method, case, complaints| {
        let mut request = case.messages(method);
        let mut wrong: Vec<Place> = Vec::new();
        for place in places(&request[0]) {
            let bad = place.bad_values().into_iter().find(|(what, _)| {
                case.expected(&place.path, what) == Expected::Named("INVALID_FIELDS")
            });
            // Of the members of a oneof the last one stays.
            let oneof = place.field.containing_oneof();
            let taken = |other: &Place| other.field.containing_oneof() == oneof;
            if oneof.is_some() && wrong.iter().any(taken) {
                continue;
            }
            // A token is looked at when the rest of the request makes sense; without a mask nobody knows what to look at.
            if let Some((_, value)) = bad
                && !["at_least", "update_mask"].contains(&place.path.as_str())
            {
                place.put(&mut request[0], value);
                wrong.push(place);
            }
        }
        if wrong.is_empty() {
            return;
        }
        assert!(
            wrong.len() <= MOST_NAMED,
            "{} has too many fields",
            method.path
        );
        let got = call(bench.channel(&method.path), method, &request).await;
        let named = got.as_ref().err().map(violated_fields).unwrap_or_default();
        for place in &wrong {
            // What is too large as a whole is not looked into.
            let is_named = |field: &String| place.is_named_by(field) || place.is_within(field);
            if !named.iter().any(is_named) {
                complaints.add(method, &place.path, "is not named among all", &got);
            }
        }
    })
    .await;
}

/// Ids that are well formed and name nothing.
pub async fn unknown_ids(bench: &Bench) {
    with_every_method(bench, async |method, case, complaints| {
        for place in places(&case.first_message(method)) {
            if !case.refers_by(&place.path) {
                continue;
            }
            let value = Value::String("nobody-knows-me".to_owned());
            let request = spoiled(&case, method, &place, value);
            let got = call(bench.channel(&method.path), method, &request).await;
            let expected = Expected::Status(Code::NotFound, "RESOURCE_NOT_FOUND");
            if !is_refused(&got, &expected, &place) {
                complaints.add(method, &place.path, "an unknown id", &got);
            }
        }
    })
    .await;
}

/// Page tokens that another list gave out.
pub async fn foreign_page_tokens(bench: &Bench) {
    let foreign = mahnwerk_runtime::page::next_token("ListOther", "", &["d1".to_owned()]);
    with_every_method(bench, async |method, case, complaints| {
        let place = places(&case.first_message(method))
            .into_iter()
            .find(|place| place.path == "page_token");
        let Some(place) = place else { return };
        for token in [foreign.as_str(), "%%%", "AAAA"] {
            let request = spoiled(&case, method, &place, Value::String(token.to_owned()));
            let got = call(bench.channel(&method.path), method, &request).await;
            if !is_refused(&got, &Expected::Named("INVALID_PAGE_TOKEN"), &place) {
                complaints.add(method, "page_token", token, &got);
            }
        }
    })
    .await;
}

/// Messages over the limit of the transport.
pub async fn oversized_messages(bench: &Bench) {
    with_every_method(bench, async |method, _, complaints| {
        let got = call_raw(
            bench.channel(&method.path),
            &method.path,
            vec![oversized()],
            1,
            None,
        )
        .await;
        let code = got.as_ref().err().map(Status::code);
        if !matches!(code, Some(Code::OutOfRange | Code::ResourceExhausted)) {
            complaints.add(method, "", "5 MB", &got.map(|_| Vec::new()));
        }
    })
    .await;
}

/// One field that no message has, of five megabytes.
fn oversized() -> Vec<u8> {
    let mut message = Vec::with_capacity(OVERSIZED + 16);
    prost::encoding::string::encode(1_000, &"x".repeat(OVERSIZED), &mut message);
    message
}
