//! `mahnwerk doctor` as its users run it, beside `mahnwerk up`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; a failure is a failed test"
)]

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::{
        BusinessDayMode, CreateCreditorRequest, Creditor, OpenBusinessDayRequest,
        creditor_service_client::CreditorServiceClient,
    },
};
use serde_json::Value;

const SERVICES: [&str; 4] = ["registry", "scoring", "segmentation", "dunning"];

/// All services in a process that ends with this.
struct Suite {
    process: Child,
    /// It ends when nobody could read what it says.
    _said: Lines<BufReader<ChildStdout>>,
    /// Where they are, in order.
    urls: Vec<String>,
}

impl Drop for Suite {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _ended = self.process.wait();
    }
}

impl Suite {
    fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mahnwerk"));
        command.arg("up").arg("--data").arg(data);
        for service in SERVICES {
            command.args([&format!("--{service}-port"), "0"]);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let urls = SERVICES.map(|service| {
            let line = lines.next().unwrap().unwrap();
            let mut words = line.split_whitespace();
            assert_eq!(words.next(), Some(service), "{line}");
            words.next().unwrap().to_owned()
        });
        Self {
            process,
            _said: lines,
            urls: urls.to_vec(),
        }
    }

    /// Runs the command, which waits for the feeds as long as it takes.
    fn doctor(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mahnwerk"));
        command.args(["doctor", "--patience", "60"]);
        for (service, url) in SERVICES.iter().zip(&self.urls) {
            command.env(format!("MAHNWERK_{}", service.to_uppercase()), url);
        }
        command.args(arguments).output().unwrap()
    }

    /// The document that it prints for programs, with its exit code.
    fn document(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let output = self.doctor(&[arguments, &["--output", "json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let document =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (document, output.status.code())
    }

    /// A creditor on a business day that somebody has opened.
    async fn open_creditor(&self, creditor_id: &str, business_date: Date) {
        let client = CreditorServiceClient::connect(self.urls[0].clone());
        let mut client = client.await.unwrap();
        let creditor = Creditor {
            creditor_id: creditor_id.to_owned(),
            display_name: "Nordlicht Handel GmbH".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            calendar: "WEEKDAYS".to_owned(),
            reporting_currency: "EUR".to_owned(),
            business_day_mode: BusinessDayMode::Manual.into(),
            ..Creditor::default()
        };
        let request = CreateCreditorRequest {
            request_id: "create".to_owned(),
            creditor: Some(creditor),
        };
        client.create_creditor(request).await.unwrap();
        let request = OpenBusinessDayRequest {
            request_id: "open".to_owned(),
            creditor_id: creditor_id.to_owned(),
            business_date: Some(business_date),
        };
        client.open_business_day(request).await.unwrap();
    }
}

/// The findings of a document that are about something.
fn about<'a>(document: &'a Value, about: &str) -> Vec<&'a Value> {
    let findings = document["findings"].as_array().unwrap().iter();
    findings.filter(|it| it["about"] == about).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_is_well_until_something_needs_attention() {
    let directory = tempfile::tempdir().unwrap();
    let suite = Suite::start(directory.path());
    let output = suite.doctor(&["--today", "2026-08-03"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.ends_with("all is well\n"), "{text}");

    let friday = Date {
        year: 2026,
        month: 7,
        day: 31,
    };
    suite.open_creditor("acme", friday).await;
    let (document, code) = suite.document(&["--today", "2026-08-03"]);
    assert_eq!((&document["well"], code), (&Value::Bool(true), Some(0)));
    let services = document["services"].as_array().unwrap();
    assert_eq!(services.len(), 4);
    for (service, url) in services.iter().zip(&suite.urls) {
        assert_eq!(service["health"], "serving");
        assert_eq!(service["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(service["url"], *url);
        // Both read the clock of this machine, whatever the call took.
        let ahead = service["clock_ms"].as_i64().unwrap().abs();
        assert!(ahead <= service["clock_error_ms"].as_i64().unwrap());
    }
    let feeds = document["feeds"].as_array().unwrap();
    assert_eq!(feeds.len(), 6);
    for feed in feeds {
        assert_eq!((&feed["ready"], &feed["unowned"]), (&64.into(), &0.into()));
        assert!(feed["lag_ms"].is_i64(), "{feed}");
    }
    let creditor = &document["creditors"][0];
    assert_eq!(creditor["business_date"], "2026-07-31");
    assert_eq!(creditor["dispatch"]["enabled"], false);
    let found = about(&document, "creditor acme");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["severity"], "note");

    let (document, code) = suite.document(&["--today", "2926-12-31"]);
    assert_eq!((&document["well"], code), (&Value::Bool(false), Some(7)));
    assert_eq!(about(&document, "creditor acme").len(), 2);
    assert_eq!(about(&document, "law of NL").len(), 2);

    let output = suite.doctor(&["--today", "2026-08-03", "--dunning", "http://127.0.0.1:1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7), "{text}");
    let finding = "ERROR dunning: cannot be reached at http://127.0.0.1:1";
    assert!(text.contains(finding), "{text}");
    assert!(text.contains("start it, or say with --dunning where it is"));
}
