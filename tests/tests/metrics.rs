//! Metrics are told under the names of the one list, and dashboards and rules look at no others.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use e2e::{
    schemes::membership,
    suite::{Engine, Service, Suite, patiently},
    world::{euro, invoice},
};
use mahnwerk_proto::scoring::v1::CheckCreditRequest;
use mahnwerk_runtime::telemetry::names::{self, Kind, Metric, Shown};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

/// Longest wait for figures that are read now and then.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of Prometheus itself.
const BUILT_IN: [&str; 2] = ["up", "ALERTS"];

/// The names of the series of a metric.
fn series(metric: &Metric) -> Vec<String> {
    let name = metric.prometheus();
    match metric.kind {
        Kind::Histogram => ["bucket", "count", "sum"]
            .map(|part| format!("{name}_{part}"))
            .to_vec(),
        Kind::Counter | Kind::UpDown | Kind::Gauge => vec![name],
    }
}

/// Names in front of a selector, `name{…}`; those with a colon are recorded by rules.
fn selected(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let braces = text.match_indices('{');
    // Two braces are a placeholder.
    let single = braces.filter(|(at, _)| !text[at + 1..].starts_with('{'));
    let names = single.map(|(at, _)| {
        let before = &text[..at];
        &before[before.trim_end_matches(is_name).len()..]
    });
    names
        .filter(|name| !name.is_empty() && !name.contains(':'))
        .collect()
}

#[test]
fn dashboards_and_rules_look_at_listed_metrics_only() {
    let listed: BTreeSet<String> = names::ALL.iter().flat_map(series).collect();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/mahnwerk/files");
    let mut looked_at = BTreeSet::new();
    for folder in ["dashboards", "rules"] {
        for file in std::fs::read_dir(files.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for name in selected(&text) {
                let known = listed.contains(name) || BUILT_IN.contains(&name);
                assert!(known, "{name} in {}", path.display());
                looked_at.insert(name.to_owned());
            }
        }
    }
    // What nobody looks at would not be missed.
    for metric in names::ALL {
        let seen = series(metric).iter().any(|name| looked_at.contains(name));
        assert!(seen, "{} is on no dashboard and in no rule", metric.name);
    }
}

#[test]
fn the_client_measures_under_the_listed_names() {
    let named = [
        mahnwerk_client::RPC_CLIENT_DURATION,
        mahnwerk_client::RPC_CLIENT_REPEATED,
    ];
    let listed = [names::RPC_CLIENT_DURATION, names::RPC_CLIENT_REPEATED];
    assert_eq!(named, listed.map(|metric| metric.name));
}

/// What the ops listener answers at `/metrics`.
///
/// # Errors
/// If it cannot be reached.
pub async fn scrape(ops: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(ops).await?;
    let request = "GET /metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(
        head.is_empty() || head.starts_with("HTTP/1.1 200"),
        "{head}"
    );
    Ok(body.to_owned())
}

/// The lines of a series, each as its labels and its value.
fn lines<'t>(text: &'t str, name: &str) -> Vec<(&'t str, f64)> {
    let of_series = text.lines().filter_map(|line| line.strip_prefix(name));
    let split = of_series.filter_map(|rest| match rest.strip_prefix('{') {
        Some(rest) => rest.split_once("} "),
        None => rest.strip_prefix(' ').map(|value| ("", value)),
    });
    split
        .map(|(labels, value)| (labels, value.parse().unwrap()))
        .collect()
}

/// The sum over the lines of a series whose labels contain all of these.
fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = lines(text, name).into_iter();
    let these = lines.filter(|(all, _)| labels.iter().all(|label| all.contains(label)));
    these.map(|(_, value)| value).sum()
}

/// What is wrong with how a metric is told.
fn complaints(text: &str, metric: &Metric) -> Vec<String> {
    let mut complaints = Vec::new();
    let shown = series(metric)
        .iter()
        .all(|name| !lines(text, name).is_empty());
    if !shown && metric.shown == Shown::Always {
        complaints.push(format!("{} is not there", metric.prometheus()));
    }
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::UpDown | Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let declared = format!("# TYPE {} {kind}", metric.prometheus());
    if shown && !text.lines().any(|line| line == declared) {
        complaints.push(format!("{} is no {kind}", metric.prometheus()));
    }
    let listed: BTreeSet<String> = metric
        .labels
        .iter()
        .map(|it| it.replace('.', "_"))
        .collect();
    for name in series(metric) {
        for (labels, _) in lines(text, &name) {
            let names = labels.split("\",").filter_map(|it| it.split_once('='));
            let unknown = names.map(|(label, _)| label).find(|label| {
                !listed.contains(*label) && *label != "le" && !label.starts_with("otel_scope_")
            });
            if let Some(label) = unknown {
                complaints.push(format!("{name} has the label {label}"));
            }
        }
    }
    complaints
}

#[tokio::test(flavor = "multi_thread")]
async fn running_services_tell_every_listed_metric_and_no_other() {
    let suite = Suite::start_with(Engine::Sqlite, Service::Dunning).await;
    let ops = suite.ops(Service::Registry);
    let mut clients = suite.clients();
    clients.open_creditor("c1").await;
    clients.add_debtor("c1", "d1").await;
    let token = clients.add_invoice(invoice("c1", "d1", "i1", 5_000)).await;
    membership(&suite.segmentation(), "c1", "d1", "payer_speed", &token).await;
    // Asked twice, decided once.
    for _ in 0..2 {
        let check = CheckCreditRequest {
            request_id: "order".to_owned(),
            creditor_id: "c1".to_owned(),
            debtor_id: "d1".to_owned(),
            order_id: "o1".to_owned(),
            amount: Some(euro(100)),
            at_least: token.clone(),
            ..CheckCreditRequest::default()
        };
        patiently(async || clients.scores.clone().check_credit(check.clone()).await).await;
    }
    let db = suite.db(Service::Scoring).await;
    db.execute(
        "INSERT INTO feed_parked (feed, creditor_id, debtor_id, part, error, entity, entity_id, parked_at) \
         VALUES ('registry', 'c2', 'd2', 0, '', '', '', 0)",
        vec![],
    )
    .await
    .unwrap();

    // In one process all services answer the same.
    let began = Instant::now();
    let parked = ["feed=\"registry\"", "consumer=\"scoring\""];
    let text = loop {
        let text = scrape(ops).await.unwrap();
        let missing: Vec<_> = names::ALL
            .iter()
            .flat_map(|metric| complaints(&text, metric))
            .collect();
        let seen = sum(&text, "feed_consumer_parked", &parked);
        if missing.is_empty() && (seen - 1.0).abs() < 0.5 {
            break text;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{missing:#?} {seen} parked\n{text}"
        );
        sleep(Duration::from_millis(500)).await;
    };

    let listed: BTreeSet<_> = names::ALL.iter().map(Metric::prometheus).collect();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let told: BTreeMap<_, _> = types.filter_map(|line| line.split_once(' ')).collect();
    let unlisted: Vec<_> = told
        .keys()
        .filter(|name| !listed.contains(**name))
        .collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");

    let number = |name, labels: &[&str]| sum(&text, name, labels);
    let about = |value: f64, expected: f64| (value - expected).abs() < 0.5;
    assert!(about(number("scoring_credit_decisions_total", &[]), 1.0));
    assert!(number("scoring_scores_computed_total", &[]) >= 1.0);
    assert!(number("segmentation_moves_total", &["action=\"placed\""]) >= 1.0);
    assert!(number("registry_business_day_age_seconds", &[]) > 0.0);
    for service in Service::ALL {
        let pool = format!("pool_name=\"{}\"", service.name());
        assert!(number("db_client_connection_max", &[&pool]) >= 2.0);
        assert!(number("db_client_connection_count", &[&pool]) >= 1.0);
    }
    suite.stop().await;
    let after = mahnwerk_runtime::telemetry::metrics_text().unwrap();
    for name in ["feed_consumer_parked", "dunning_runs_unfinished"] {
        assert!(
            lines(&after, name).is_empty(),
            "{name} outlives its service"
        );
    }
}
