//! Calls of every method, with personal data where it belongs and where it does not.

use std::time::Duration;

use dunning_channel::testing::{At, Failing, Fault};
use e2e::{
    service::Service,
    wire::{call_with, message, places},
};
use mahnwerk_proto::{
    dunning::v1::{
        DunningSettings, ReleaseRunRequest, SetDispatchRequest, SetDunningSettingsRequest,
        WhenStale,
    },
    policy::{Method, methods},
};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, Value};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tonic::Status;

use super::{canary, outlets::ERRORS, refused, stage::Stage};
use crate::descriptors::{
    called_methods,
    examples::case,
    fixture::{Fixture, Purpose},
};

/// Somebody who is in no field of the API by right, and whose name is no word of the program.
pub const PERSON: &str = "Ottilie Unverkennbar";
/// The address of that person.
pub const EMAIL: &str = "ottilie@unverkennbar.example";

/// Fields that hold a program: what is wrong with one is told by quoting it, to whoever wrote it.
const PROGRAMS: [&str; 2] = ["condition", "definition"];

/// Longest wait for an answer; a stream without news is left then.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest wait for notices to leave.
const POST: Duration = Duration::from_secs(20);

/// Makes them all. Returns how many were refused.
pub async fn make(stage: &mut Stage) -> usize {
    stage.needles.words("name in a wrong field", PERSON);
    stage.needles.words("e-mail in a wrong field", EMAIL);
    let fixture = Fixture::create(&stage.suite, 0, Purpose::ALL).await;
    let token = stage.token(&json!({}));
    for service in Service::ALL {
        let status = canary::sing(stage.channel_to(service), service, Some(&token)).await;
        stage.outlets.refused(&status);
    }
    send(stage, &fixture).await;
    let mut refused = 0;
    refused += good_requests(stage, &fixture, &token).await;
    refused += wrong_fields(stage, &fixture, &token).await;
    import(stage, &fixture, &token).await;
    refused += refused::credentials(stage, &fixture).await;
    refused += refused::database(stage, &fixture, &token).await;
    refused
}

/// Calls a method with a token.
pub async fn ask(
    stage: &Stage,
    method: &Method,
    requests: &[DynamicMessage],
    authorization: &str,
) -> Result<Vec<Vec<u8>>, Status> {
    let descriptor = &method.descriptor;
    let goes_on = descriptor.is_server_streaming() && !descriptor.is_client_streaming();
    let answers = if goes_on { 1 } else { usize::MAX };
    let encoded = requests.iter().map(|each| each.encode_to_vec()).collect();
    let headers = [("authorization", authorization)];
    let channel = stage.channel(&method.path);
    let call = call_with(channel, &method.path, encoded, answers, &headers);
    timeout(PATIENCE, call).await.unwrap_or(Ok(Vec::new()))
}

/// Gives a request an id of its own, if it has one.
pub fn name(request: &mut DynamicMessage, request_id: &str) {
    let id = Value::String(request_id.to_owned());
    request.set_field_by_name("request_id", id);
}

/// Lets the notices of a run leave: one address is refused by the mail server, in words that repeat it.
async fn send(stage: &Stage, fixture: &Fixture) {
    let fault = Fault {
        at: At::Rcpt,
        how: Failing::Says("550 5.1.1 <rechnung@example.org>: no such user here"),
        times: 1,
    };
    stage.mail.fail(&[fault]);
    let dunning = stage.suite.dunning();
    let settings = DunningSettings {
        creditor_id: fixture.creditor.clone(),
        when_stale: WhenStale::Withhold.into(),
        sender: "Nordlicht Handel GmbH\nHafenstraße 1\n20457 Hamburg".to_owned(),
        payment_details: "IBAN DE02 1203 0000 0000 2020 51".to_owned(),
        email_from: "mahnung@nordlicht.example".to_owned(),
        ..DunningSettings::default()
    };
    let request = SetDunningSettingsRequest {
        request_id: "sender".to_owned(),
        settings: Some(settings),
        update_mask: ["when_stale", "sender", "payment_details", "email_from"]
            .map(str::to_owned)
            .to_vec(),
        etag: String::new(),
    };
    let mut procedures = dunning.procedures.clone();
    procedures
        .set_dunning_settings(request)
        .await
        .expect("settings");
    let request = SetDispatchRequest {
        request_id: "on".to_owned(),
        creditor_id: fixture.creditor.clone(),
        enabled: true,
        reason: String::new(),
    };
    let mut work = dunning.work.clone();
    work.set_dispatch(request).await.expect("dispatch");
    let request = ReleaseRunRequest {
        request_id: "release".to_owned(),
        creditor_id: fixture.creditor.clone(),
        run_id: fixture.run.clone(),
        etag: String::new(),
    };
    let mut runs = dunning.runs.clone();
    runs.release_run(request).await.expect("a release");
    let database = stage.database(Service::Dunning).to_owned();
    let left = async {
        let under_way = "SELECT count(*) FROM notice WHERE state IN ('RELEASED', 'SENDING')";
        while stage.mail.connections() == 0 || stage.cluster.sql(&database, under_way) != "0" {
            sleep(Duration::from_millis(200)).await;
        }
    };
    // What is put off for hours may stay.
    let is_over = timeout(POST, left).await.is_ok();
    println!(
        "notices left: {is_over}, connections {}",
        stage.mail.connections()
    );
    assert!(stage.mail.connections() > 0, "nothing was sent by e-mail");
}

/// Every method as it should be called. Some refuse all the same, for what others did before.
async fn good_requests(stage: &mut Stage, fixture: &Fixture, token: &str) -> usize {
    let mut refused = 0;
    // Whoever begins anew reads everything once more, and nobody waits for it here.
    let all = called_methods().filter(|method| !method.path.ends_with("/ResetFeed"));
    let mut all: Vec<_> = all.collect();
    // What has been granted is not refused any more, with a note that says why.
    all.sort_by_key(|method| method.path.ends_with("/GrantApproval"));
    for (number, method) in all.into_iter().enumerate() {
        let case = case(&method.path, fixture).expect("a case");
        let mut requests = case.messages(method);
        name(&mut requests[0], &format!("good-{number}"));
        let answer = ask(stage, method, &requests, &format!("Bearer {token}")).await;
        refused += usize::from(stage.note(answer));
    }
    refused
}

/// A name and an e-mail address in every field with text, one after the other. Some fields are for such.
async fn wrong_fields(stage: &mut Stage, fixture: &Fixture, token: &str) -> usize {
    let (mut number, mut refused) = (0, 0);
    for method in called_methods() {
        let case = case(&method.path, fixture).expect("a case");
        for place in places(&case.first_message(method)) {
            let is_text = place.field.kind() == Kind::String;
            if !is_text || PROGRAMS.contains(&place.field.name()) {
                continue;
            }
            number += 1;
            // The number tells in which field it was.
            let text = Value::String(format!("{PERSON} {number}, {EMAIL}"));
            let value = if place.field.is_list() {
                Value::List(vec![text])
            } else {
                text
            };
            let mut requests = case.messages(method);
            name(&mut requests[0], &format!("wrong-{number}"));
            place.put(&mut requests[0], value);
            let answer = ask(stage, method, &requests, &format!("Bearer {token}")).await;
            refused += usize::from(stage.note(answer));
        }
    }
    println!("{number} fields, {refused} refused");
    refused
}

/// An import whose rows are wrong in fields with personal data, and one that is right.
async fn import(stage: &mut Stage, fixture: &Fixture, token: &str) {
    let method = &methods()["/mahnwerk.registry.v1.ImportService/ImportLedger"];
    let wrong = format!("{PERSON}, {EMAIL}");
    let date = json!({"year": 2024, "month": 12, "day": 2});
    let person = |id: &str, country: &str| {
        json!({
            "debtor_id": id, "kind": "DEBTOR_KIND_PERSON", "relationship": "RELATIONSHIP_CUSTOMER",
            "display_name": PERSON, "language": "de", "country": country,
            "billing_method": "BILLING_METHOD_PAPER",
        })
    };
    let contact = |debtor_id: &str, id: &str, address: &str| {
        json!({
            "debtor_id": debtor_id, "contact_point_id": id, "channel": "CHANNEL_EMAIL",
            "address": address, "state": "CONTACT_STATE_VERIFIED",
        })
    };
    let invoice = json!({
        "debtor_id": "d1", "item_id": wrong, "reference": wrong.repeat(20), "document_date": date, "due_date": date,
        "amount": {"currency_code": wrong, "minor_units": 900},
    });
    let rows = json!([
        {"row_number": 1, "debtor": person(&wrong, &wrong)},
        {"row_number": 2, "debtor": person("d1", "DE")},
        {"row_number": 3, "debtor": person("imported-person", "DE")},
        {"row_number": 4, "contact_point": contact("d1", &wrong, &wrong)},
        {"row_number": 5, "contact_point": contact(&wrong, "imported-1", &wrong)},
        {"row_number": 6, "contact_point": contact("imported-person", "imported-2", EMAIL)},
        {"row_number": 7, "invoice": invoice},
    ]);
    let start = json!({"start": {"creditor_id": fixture.creditor, "import_id": "people"}});
    let input = method.descriptor.input();
    let requests = [start, json!({"chunk": {"rows": rows}})].map(|it| message(&input, it));
    let answers = ask(stage, method, &requests, &format!("Bearer {token}")).await;
    let answers = answers.expect("rows are refused one by one");
    assert!(!answers.is_empty(), "an import without an answer");
    // Nothing but reasons and descriptions is in it.
    for answer in answers {
        stage.outlets.add(ERRORS, answer);
    }
}
