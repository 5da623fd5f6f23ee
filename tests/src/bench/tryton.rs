//! The dunning of Tryton on the same portfolio, by `tests/tryton.py`.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{portfolio::debtors, tell};
use crate::postgres::Cluster;

/// An interpreter that has Tryton; `tests/bench` installs it.
const PYTHON: &str = "MAHNWERK_BENCH_TRYTON";

/// What Tryton took.
pub struct Measured {
    /// Items dunned.
    pub dunned: u64,
    /// Seconds for the proposal.
    pub generate: f64,
    /// Seconds for the release.
    pub process: f64,
}

pub fn measure() -> Measured {
    tell("Tryton: setting up takes minutes");
    let python = std::env::var(PYTHON).expect("MAHNWERK_BENCH_TRYTON is set by tests/bench");
    let cluster = Cluster::start();
    // Without -O an assertion makes loops quadratic.
    let output = Command::new(python)
        .arg("-O")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tryton.py"))
        .arg(cluster.url("postgres"))
        .arg(debtors().to_string())
        .stderr(Stdio::inherit())
        .output()
        .expect("an interpreter");
    assert!(output.status.success(), "Tryton could not be measured");
    let told = String::from_utf8_lossy(&output.stdout);
    let step = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        let (seconds, dunned) = line
            .and_then(|line| line.trim().split_once(' '))
            .unwrap_or_else(|| panic!("Tryton told nothing of {name}: {told}"));
        let seconds: f64 = seconds.parse().expect("seconds");
        let dunned: u64 = dunned.parse().expect("a number");
        (seconds, dunned)
    };
    let ((generate, dunned), (process, _)) = (step("generate"), step("process"));
    tell(&format!(
        "Tryton: {dunned} items, generate {generate:.1} s, process {process:.1} s"
    ));
    Measured {
        dunned,
        generate,
        process,
    }
}
