//! What a run has told: logs, spans, metrics and error messages; and the look through all of it.

use std::{collections::BTreeMap, fmt::Write as _};

use e2e::{process::Log, traces::Collector};
use serde_json::Value;
use tonic::Status;

use super::needles::Needles;

/// Most findings that a failure shows.
const SHOWN: usize = 30;
/// Bytes shown on either side of a finding.
const AROUND: usize = 60;

pub const LOGS: &str = "logs";
pub const SPANS: &str = "spans by OTLP";
pub const METRICS: &str = "metrics by OTLP";
pub const SCRAPED: &str = "metrics at /metrics";
pub const ERRORS: &str = "error messages";

/// Everything that was captured, by outlet.
#[derive(Default)]
pub struct Outlets(BTreeMap<&'static str, Vec<Vec<u8>>>);

impl Outlets {
    /// Something told.
    pub fn add(&mut self, outlet: &'static str, told: Vec<u8>) {
        self.0.entry(outlet).or_default().push(told);
    }

    /// The log of a process. Texts are taken out of their JSON, so that nothing is hidden by escapes.
    pub fn log(&mut self, log: &Log) {
        for line in log.lines() {
            let mut told = String::new();
            texts(&line, &mut told);
            self.add(LOGS, told.into_bytes());
        }
    }

    /// What a collector received.
    pub fn collector(&mut self, collector: &Collector) {
        for message in collector.trace_messages() {
            self.add(SPANS, message);
        }
        for message in collector.metric_messages() {
            self.add(METRICS, message);
        }
    }

    /// A refused call, with all that came along.
    pub fn refused(&mut self, status: &Status) {
        self.add(ERRORS, status.message().as_bytes().to_vec());
        self.add(ERRORS, status.details().to_vec());
        let headers = format!("{:?}", status.metadata());
        self.add(ERRORS, headers.into_bytes());
    }

    /// Fails unless the canary is in every outlet, and no needle in any. `canaries` is what was put into each outlet on
    /// purpose.
    pub fn judge(&self, canaries: &[(&'static str, &str)], needles: &Needles) {
        let mut report = String::new();
        for (outlet, canary) in canaries {
            let told = self.0.get(outlet).map_or(&[][..], Vec::as_slice);
            let bytes: usize = told.iter().map(Vec::len).sum();
            let heard = told.iter().filter(|it| contains(it, canary)).count();
            let _never_fails = writeln!(
                report,
                "{outlet}: {} pieces, {bytes} bytes, canary in {heard}",
                told.len()
            );
            assert!(heard > 0, "{outlet} never tells {canary}:\n{report}");
        }
        for outlet in self.0.keys() {
            let has_canary = canaries.iter().any(|(name, _)| name == outlet);
            assert!(has_canary, "nothing proves that {outlet} are captured");
        }
        println!(
            "{report}{} needles {:?}; left out as too short: {:?}, and {} lines of letters",
            needles.len(),
            needles.counts(),
            needles.left_out(),
            needles.short_lines()
        );
        let findings = self.findings(needles);
        let shown = &findings[..findings.len().min(SHOWN)];
        assert!(
            findings.is_empty(),
            "{} findings:\n{}",
            findings.len(),
            shown.join("\n")
        );
    }

    fn findings(&self, needles: &Needles) -> Vec<String> {
        let finder = needles.finder();
        let mut findings = Vec::new();
        for (outlet, told) in &self.0 {
            for piece in told {
                for (needle, origin, at) in finder.find(piece) {
                    let from = at.saturating_sub(AROUND);
                    let to = (at + needle.len() + AROUND).min(piece.len());
                    let around = String::from_utf8_lossy(&piece[from..to]);
                    findings.push(format!("{outlet}: {needle:?} ({origin}) in {around:?}"));
                }
            }
        }
        findings
    }
}

/// All texts in a JSON value, one a line.
fn texts(value: &Value, into: &mut String) {
    match value {
        Value::String(text) => {
            into.push_str(text);
            into.push('\n');
        }
        Value::Array(values) => values.iter().for_each(|each| texts(each, into)),
        Value::Object(fields) => {
            for (name, value) in fields {
                into.push_str(name);
                into.push('=');
                texts(value, into);
            }
        }
        other => {
            let _never_fails = writeln!(into, "{other}");
        }
    }
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    let needle = needle.as_bytes();
    haystack.windows(needle.len()).any(|it| it == needle)
}
