//! `mahnwerk demo` on a small portfolio, with everything logged.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use e2e::{
    process::{Log, binary},
    service::Service,
    suite::{channel, connect},
    traces::Collector,
};
use tempfile::TempDir;
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use super::{
    canary,
    needles::Needles,
    outlets::{Outlets, SCRAPED},
};
use crate::metrics::scrape;

/// Longest time for the demo.
const PATIENCE: Duration = Duration::from_secs(240);
/// Between two looks at its metrics.
const LOOK: Duration = Duration::from_millis(500);

/// Plays it; tells what it told and what it must not tell.
pub async fn play() -> (Outlets, Needles) {
    let collector = Collector::start();
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(binary("mahnwerk"));
    command
        .args(["demo", "--debtors", "20", "--months", "9", "--keep"])
        .arg(directory.path())
        .env("RUST_LOG", "trace")
        .envs(canary::telemetry(&collector.endpoint))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("the program runs");
    let log = Log::follow(&mut child);
    let mut outlets = Outlets::default();
    for service in Service::ALL {
        let api = address(&log, service, "api").await;
        let channel = channel(&format!("http://{api}"));
        let status = canary::sing(&channel, service, None).await;
        outlets.refused(&status);
    }
    // One process, one list of metrics.
    let ops = address(&log, Service::Registry, "ops").await;
    let mut told = String::new();
    let ended = async {
        loop {
            tokio::select! {
                ended = child.wait() => return ended,
                () = sleep(LOOK) => {}
            }
            // It may end meanwhile.
            if let Ok(text) = scrape(ops).await
                && !text.is_empty()
            {
                told = text;
            }
        }
    };
    let ended = timeout(PATIENCE, ended).await.expect("the demo ends");
    assert!(ended.expect("its exit code").success(), "the demo fails");
    log.ended().await;
    is_at_trace(&log);
    outlets.add(SCRAPED, told.into_bytes());
    outlets.log(&log);
    outlets.collector(&collector);
    (outlets, needles(&directory).await)
}

/// An address in the line by which a service says that it listens.
async fn address(log: &Log, service: Service, key: &str) -> SocketAddr {
    let name = format!("service=\"{}\"", service.name());
    let line = log
        .wait_for("listening", |line| {
            line.as_str()
                .is_some_and(|it| it.contains(": listening ") && it.contains(&name))
        })
        .await;
    let line = line.as_str().expect("a text");
    let after = line.split_once(&format!(" {key}=\""));
    let address = after.and_then(|(_, rest)| rest.split('"').next());
    address
        .and_then(|it| it.parse().ok())
        .unwrap_or_else(|| panic!("no {key} in {line}"))
}

/// Asserts that the log says what only the least of levels says, and that no library says more than it may.
fn is_at_trace(log: &Log) {
    let mut sang = false;
    for line in log.lines() {
        let line = line.as_str().unwrap_or_default();
        let mut words = line.split_whitespace().skip(1);
        let (level, target) = (words.next(), words.next().unwrap_or_default());
        let is_loud = matches!(level, Some("DEBUG" | "TRACE"));
        assert!(
            !is_loud || target.starts_with("mahnwerk"),
            "a library says {line}"
        );
        sang |= is_loud && line.contains("call started") && line.contains(canary::CANARY);
    }
    assert!(sang, "the demo does not log everything");
}

async fn needles(directory: &TempDir) -> Needles {
    let mut needles = Needles::default();
    needles.templates();
    for service in Service::ALL {
        let file = directory.path().join(format!("{}.db", service.name()));
        let db = connect(&format!("sqlite://{}?mode=rwc", file.display())).await;
        needles.read(service, &db).await;
    }
    needles
}
