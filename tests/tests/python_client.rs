//! A client in another language, with stubs made from the same protos by another compiler.

use std::path::Path;

use e2e::suite::{Engine, Suite};
use tokio::process::Command;

/// An interpreter that has grpcio and grpcio-tools; `tests/run` installs it.
const PYTHON: &str = "MAHNWERK_TEST_PYTHON";

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_posts_a_payment_and_reads_the_score() {
    let python = std::env::var(PYTHON).expect("MAHNWERK_TEST_PYTHON is set by tests/run");
    let suite = Suite::start(Engine::Sqlite).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python)
        .arg(folder.join("python_client.py"))
        .arg(folder.join("../proto"))
        .args(&suite.urls)
        .output()
        .await
        .expect("an interpreter");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{said}");
    suite.stop().await;
}
