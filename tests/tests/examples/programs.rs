//! The examples, as `tests/run` has built them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tokio::process::Command;

/// An interpreter that has grpcio and grpcio-status; the stubs are beside the example.
const PYTHON: &str = "MAHNWERK_TEST_PYTHON";
/// Node; the example is compiled. Not set where there is none.
const NODE: &str = "MAHNWERK_TEST_NODE";
/// The program compiled from the Go example. Not set where there is no Go.
const GO: &str = "MAHNWERK_TEST_GO_CHECKOUT";

/// One example, and how to start it.
pub struct Program {
    /// Its language.
    pub language: &'static str,
    start: Vec<OsString>,
}

/// What one printed.
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its line.
    pub line: Value,
}

/// Those that this machine can run. Says which it cannot.
pub fn programs() -> Vec<Program> {
    let python = std::env::var_os(PYTHON).expect("MAHNWERK_TEST_PYTHON is set by tests/run");
    let python = vec![python, folder().join("python/checkout.py").into()];
    let script = folder().join("typescript/dist/src/checkout.js");
    let node = std::env::var_os(NODE).map(|node| vec![node, script.into()]);
    let go = std::env::var_os(GO).map(|program| vec![program]);
    [("Python", Some(python)), ("TypeScript", node), ("Go", go)]
        .into_iter()
        .filter_map(|(language, start)| {
            if start.is_none() {
                println!("{language}: skipped, tests/run found nothing to run it with");
            }
            start.map(|start| Program { language, start })
        })
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

impl Program {
    /// Runs it against `address` with `options`, separated by spaces.
    pub async fn run(&self, address: &str, options: &str) -> Said {
        let output = Command::new(&self.start[0])
            .args(&self.start[1..])
            .args(["--address", address])
            .args(options.split_whitespace())
            .env("PYTHONPATH", folder().join("python/gen"))
            .kill_on_drop(true)
            .output()
            .await
            .expect("the example");
        let said = String::from_utf8_lossy(&output.stdout);
        println!("{}: {}", self.language, said.trim_end());
        let line = serde_json::from_str(&said).unwrap_or_else(|error| {
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!("{}: {error}: {said}\n{errors}", self.language)
        });
        Said {
            code: output.status.code(),
            line,
        }
    }
}
