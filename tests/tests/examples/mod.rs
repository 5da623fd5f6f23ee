//! The client examples: a checkout in several languages, against services that answer, refuse, are busy, say nothing or
//! are not there.

mod programs;
mod scripted;

use std::time::Duration;

use e2e::{
    suite::{Engine, Suite, patiently},
    world::{invoice, payment},
};
use mahnwerk_proto::{
    common::v1::ErrorReason,
    scoring::v1::{
        CheckCreditResponse, CreditDecision, CreditOutcome, DecisionReason, GetScoreRequest,
        ListCreditDecisionsRequest,
    },
};
use mahnwerk_runtime::error::Error;
use programs::{Said, programs};
use scripted::Scripted;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tonic::Status;

/// Enough for any answer, on any machine.
const LONG_MS: u64 = 30_000;
/// What a checkout can wait.
const SHORT_MS: u64 = 250;
/// How much later than the deadline the fallback may come, as the README of the examples says.
const BOUND_MS: u64 = 1_000;

const ORDER: &str = "--creditor shop --debtor d1 --amount 4999";

/// Registry and scoring, with a debtor that has paid its only invoice in time; scoring knows it. And the token of the
/// payment.
async fn open_shop() -> (Suite, String) {
    let suite = Suite::start(Engine::Sqlite).await;
    let mut clients = suite.clients();
    clients.open_creditor("shop").await;
    clients.add_debtor("shop", "d1").await;
    let bought = invoice("shop", "d1", "i1", 10_000);
    clients.add_invoice(bought).await;
    let paid = payment("shop", "d1", "p1", 10_000);
    let token = clients.add_payment(paid, &[("i1", 10_000)]).await;
    let request = GetScoreRequest {
        creditor_id: "shop".to_owned(),
        debtor_id: "d1".to_owned(),
        at_least: token.clone(),
        language: String::new(),
    };
    patiently(async || suite.clients().scores.get_score(request.clone()).await).await;
    (suite, token)
}

fn scoring_of(suite: &Suite) -> &str {
    suite.urls[1].trim_start_matches("http://")
}

fn assert_decided(said: &Said, decision: &str, reasons: &[&str], source: &str) {
    let Said { code, line } = said;
    assert_eq!(*code, Some(0), "{line}");
    assert_eq!(line["decision"], decision, "{line}");
    assert_eq!(line["reasons"], json!(reasons), "{line}");
    assert_eq!(line["source"], source, "{line}");
}

fn assert_in_time(line: &Value) {
    let elapsed = line["elapsed_ms"].as_u64().expect("a time");
    assert!(elapsed <= SHORT_MS + BOUND_MS, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_granted_and_the_decision_is_stored_once() {
    let (suite, token) = open_shop().await;
    let programs = programs();
    for program in &programs {
        let id = format!("{}-1", program.language);
        let options =
            format!("{ORDER} --request-id {id} --at-least {token} --deadline-ms {LONG_MS}");
        for _ in 0..2 {
            let said = program.run(scoring_of(&suite), &options).await;
            assert_decided(&said, "APPROVE", &["WITHIN_LIMIT"], "service");
            assert_eq!(said.line["payment_term_days"], 30, "{}", said.line);
            assert_eq!(said.line["attempts"], 1, "{}", said.line);
        }
    }
    let request = ListCreditDecisionsRequest {
        creditor_id: "shop".to_owned(),
        debtor_id: "d1".to_owned(),
        ..ListCreditDecisionsRequest::default()
    };
    let stored = suite.clients().scores.list_credit_decisions(request).await;
    let stored = stored.expect("the decisions").into_inner().decisions;
    assert_eq!(stored.len(), programs.len(), "{stored:?}");
    suite.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_currency_is_refused_and_the_field_is_named() {
    let (suite, _) = open_shop().await;
    let options = format!("{ORDER} --currency QQQ --known-customer --deadline-ms {LONG_MS}");
    for program in programs() {
        let Said { code, line } = program.run(scoring_of(&suite), &options).await;
        assert_eq!(code, Some(3), "{line}");
        assert_eq!(line["decision"], "REFUSED", "{line}");
        assert_eq!(line["reasons"], json!(["INVALID_FIELDS"]), "{line}");
        let fields = line["violations"].as_array().expect("violations");
        assert_eq!(fields.len(), 1, "{line}");
        assert_eq!(fields[0]["field"], "amount.currency_code", "{line}");
        let description = fields[0]["description"].as_str().expect("a description");
        assert!(description.contains("ISO 4217"), "{line}");
    }
    suite.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_customer_buys_on_invoice_when_nobody_listens() {
    // Bound, so that nobody else gets the port, but not listening.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = socket.local_addr().expect("its address").to_string();
    for program in programs() {
        let options = format!("{ORDER} --deadline-ms {SHORT_MS}");
        let said = program
            .run(&address, &format!("{options} --known-customer"))
            .await;
        // On a slow machine the last attempt may be cut off before it is refused.
        let last = said.line["reasons"][1].as_str().unwrap_or_default();
        assert!(["UNAVAILABLE", "DEADLINE_EXCEEDED"].contains(&last));
        assert_decided(&said, "APPROVE", &["SHOP_SMALL_AMOUNT", last], "fallback");
        assert_in_time(&said.line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_else_pays_in_advance_when_the_service_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    // Connections are kept, unread: one that is closed would be an answer.
    let silence = tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok(connection) = listener.accept().await {
            connections.push(connection);
        }
    });
    let stranger = format!("{ORDER} --deadline-ms {SHORT_MS}");
    let large = format!("{stranger} --amount 10001 --known-customer");
    let yen = format!("{stranger} --currency JPY --known-customer");
    for program in programs() {
        for options in [&stranger, &large, &yen] {
            let said = program.run(&address, options).await;
            let reasons = ["SHOP_PREPAYMENT", "DEADLINE_EXCEEDED"];
            assert_decided(&said, "APPROVE_WITH_TERMS", &reasons, "fallback");
            assert_eq!(said.line["payment_term_days"], 0, "{}", said.line);
            assert_in_time(&said.line);
        }
    }
    silence.abort();
}

fn granted() -> CheckCreditResponse {
    CheckCreditResponse {
        decision: Some(CreditDecision {
            outcome: CreditOutcome::Approve.into(),
            reasons: vec![DecisionReason {
                code: "WITHIN_LIMIT".to_owned(),
                text: String::new(),
            }],
            ..CreditDecision::default()
        }),
        consistency_token: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_asks_again_with_the_same_id_and_a_fresh_token() {
    for program in programs() {
        let folder = TempDir::new().expect("a temporary directory");
        let token_file = folder.path().join("token");
        // As the services say it: after 500 ms, after 50 ms, and without the token.
        let expired = Error::precondition(ErrorReason::TokenExpired, "the token has expired");
        let answers = [
            Err(Status::from(Error::Overloaded)),
            Err(Status::from(Error::Contention(None))),
            Err(Status::from(expired)),
            Ok(granted()),
        ];
        let service = Scripted::new(answers, token_file.clone());
        let address = service.serve().to_string();
        let options = format!(
            "{ORDER} --at-least written --deadline-ms {LONG_MS} --token-file {}",
            token_file.display()
        );
        let said = program.run(&address, &options).await;
        assert_decided(&said, "APPROVE", &["WITHIN_LIMIT"], "service");
        assert_eq!(said.line["attempts"], 4, "{}", said.line);
        // Some timers end a millisecond early.
        let elapsed = said.line["elapsed_ms"].as_u64().expect("a time");
        assert!(elapsed >= 545, "{}", said.line);
        let heard = service.heard();
        let ids: Vec<_> = heard.iter().map(|h| &*h.request.request_id).collect();
        assert_eq!(said.line["request_id"], ids[0]);
        assert_eq!(ids, [ids[0]; 4], "{}", program.language);
        let tokens: Vec<_> = heard.iter().map(|h| &*h.request.at_least).collect();
        assert_eq!(tokens, ["written", "written", "written", ""]);
        let bearers: Vec<_> = heard.iter().map(|h| h.authorization.as_deref()).collect();
        let expected = [
            "Bearer token-1",
            "Bearer token-2",
            "Bearer token-3",
            "Bearer token-4",
        ];
        assert_eq!(bearers, expected.map(Some), "{}", program.language);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_does_not_wait_for_what_comes_too_late() {
    for program in programs() {
        let folder = TempDir::new().expect("a temporary directory");
        let later = Error::Unavailable {
            reason: ErrorReason::ShuttingDown,
            message: "shutting down".to_owned(),
            retry_after: Duration::from_millis(2 * LONG_MS),
        };
        let answers = [Err(Status::from(later))];
        let service = Scripted::new(answers, folder.path().join("token"));
        let address = service.serve().to_string();
        let options = format!("{ORDER} --deadline-ms {LONG_MS}");
        let said = program.run(&address, &options).await;
        let reasons = ["SHOP_PREPAYMENT", "SHUTTING_DOWN"];
        assert_decided(&said, "APPROVE_WITH_TERMS", &reasons, "fallback");
        assert_eq!(said.line["attempts"], 1, "{}", said.line);
        assert_eq!(service.heard()[0].authorization, None);
    }
}
