//! Credentials that are wrong, and a database that fails.

use std::time::Duration;

use e2e::{
    authority::{LOGIN, Signer, claims, now},
    service::Service,
};
use mahnwerk_proto::policy::{Method, methods};
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tonic::Code;

use super::{
    calls::{EMAIL, PERSON, ask, name},
    stage::Stage,
};
use crate::descriptors::{examples::case, fixture::Fixture};

/// Longest wait for what a consumer makes of a row that is refused, and for a database that comes back.
const PATIENCE: Duration = Duration::from_secs(20);

const GET_DEBTOR: &str = "/mahnwerk.registry.v1.DebtorService/GetDebtor";

/// Tokens and headers that are not good for a call. Returns how many were refused, which are all.
pub async fn credentials(stage: &mut Stage, fixture: &Fixture) -> usize {
    let method = &methods()[GET_DEBTOR];
    let wrong_claims = [
        json!({"exp": now() - 100}),
        json!({"exp": EMAIL}),
        json!({"nbf": EMAIL}),
        json!({"iss": EMAIL}),
        json!({"aud": EMAIL}),
        json!({"sub": ["clerk", EMAIL]}),
        json!({"sub": format!("{PERSON} ").repeat(100)}),
        json!({"scope": EMAIL}),
        json!({"creditors": [EMAIL]}),
        json!({"creditors": ["somebody-else"]}),
    ];
    let mut headers: Vec<String> = Vec::new();
    for others in &wrong_claims {
        headers.push(format!("Bearer {}", stage.token(others)));
    }
    // Keys that nobody knows, one of them by a name that is known.
    for kid in ["login-1", "login-2"] {
        let token = Signer::new(kid).token(&claims(LOGIN, "clerk"));
        stage.needles.token("token of a caller", &token);
        headers.push(format!("Bearer {token}"));
    }
    // Neither token nor anything like it.
    for header in [
        "Bearer b3R0aWxpZS11bnZlcmtlbm5iYXI",
        "Basic b3R0aWxpZS11bnZlcmtlbm5iYXI=",
        EMAIL,
    ] {
        headers.push(header.to_owned());
    }
    stage.needles.words("header", "b3R0aWxpZS11bnZlcmtlbm5iYXI");
    let requests = case(GET_DEBTOR, fixture).expect("a case").messages(method);
    for header in &headers {
        let answer = ask(stage, method, &requests, header).await;
        assert!(stage.note(answer), "{header} was good enough");
    }
    headers.len()
}

/// A request whose field of text is about somebody, by path.
fn about_somebody(
    fixture: &Fixture,
    path: &str,
    message: &str,
    texts: &[(&str, &str)],
) -> (&'static Method, DynamicMessage) {
    let method = &methods()[path];
    let mut request = case(path, fixture).expect("a case").first_message(method);
    name(&mut request, "trouble");
    let Some(Value::Message(inner)) = request.get_field_by_name_mut(message) else {
        panic!("{path} has no {message}");
    };
    for (field, text) in texts {
        let descriptor = inner.descriptor().get_field_by_name(field);
        inner.set_field(
            &descriptor.unwrap_or_else(|| panic!("no {field} in {message}")),
            Value::String((*text).to_owned()),
        );
    }
    (method, request)
}

/// Rows that the database refuses, and tells in detail; and a database that is gone for a while. Returns how many calls
/// were refused.
pub async fn database(stage: &mut Stage, fixture: &Fixture, token: &str) -> usize {
    let authorization = format!("Bearer {token}");
    let never = |table: &str, column: &str| {
        format!("ALTER TABLE {table} ADD CONSTRAINT never_more CHECK ({column} IS NULL) NOT VALID")
    };
    let tables = [
        (Service::Registry, "contact_point", "address"),
        (Service::Dunning, "pause", "reason"),
        (Service::Dunning, "creditor", "display_name"),
    ];
    for (service, table, column) in tables {
        let database = stage.database(service);
        let _nothing = stage.cluster.sql(database, &never(table, column));
    }
    let contact = about_somebody(
        fixture,
        "/mahnwerk.registry.v1.DebtorService/CreateContactPoint",
        "contact_point",
        &[("contact_point_id", "never"), ("address", EMAIL)],
    );
    let pause = about_somebody(
        fixture,
        "/mahnwerk.dunning.v1.WorkService/CreatePause",
        "pause",
        &[("pause_id", "never"), ("reason", PERSON)],
    );
    let mut refused = 0;
    for (method, request) in [&contact, &pause] {
        let answer = ask(stage, method, std::slice::from_ref(request), &authorization).await;
        let code = answer.as_ref().err().map(tonic::Status::code);
        assert_eq!(code, Some(Code::Internal), "{}: {answer:?}", method.path);
        refused += usize::from(stage.note(answer));
    }
    // Here nobody is told but the log.
    let (method, request) = about_somebody(
        fixture,
        "/mahnwerk.registry.v1.CreditorService/UpdateCreditor",
        "creditor",
        &[("display_name", PERSON)],
    );
    let renamed = ask(stage, method, &[request], &authorization).await;
    assert!(renamed.is_ok(), "{renamed:?}");
    let log = stage.log(Service::Dunning);
    let heard = async {
        let is_told = |line: &serde_json::Value| {
            let error = line["error"].as_str().unwrap_or_default();
            line["message"] != "internal error" && error.contains("never_more")
        };
        while !log.lines().iter().any(is_told) {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, heard)
        .await
        .expect("the consumer tells what the database refused");

    stage.cluster.stop();
    let get = &methods()[GET_DEBTOR];
    let asked = case(GET_DEBTOR, fixture)
        .expect("a case")
        .first_message(get);
    for (method, request) in [(*get).clone(), contact.0.clone(), pause.0.clone()]
        .iter()
        .zip([&asked, &contact.1, &pause.1])
    {
        let answer = ask(stage, method, std::slice::from_ref(request), &authorization).await;
        assert!(stage.note(answer), "{} without a database", method.path);
        refused += 1;
    }
    stage.cluster.start_again();
    let back = async {
        while stage.note(ask(stage, get, std::slice::from_ref(&asked), &authorization).await) {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, back)
        .await
        .expect("the service answers again");
    refused
}
