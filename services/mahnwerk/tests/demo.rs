//! `mahnwerk demo` as its users run it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

fn demo(arguments: &[&str], page: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mahnwerk"));
    command.arg("demo").args(arguments).arg("--html").arg(page);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The text of a report without its last section, which tells of the machine.
fn told(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.split_once("\nOn this machine\n").unwrap().0.to_owned()
}

/// The same of a page.
fn shown(page: &Path) -> String {
    let html = std::fs::read_to_string(page).unwrap();
    html.rsplit_once("On this machine</h2>")
        .unwrap()
        .0
        .to_owned()
}

#[test]
fn the_same_seed_makes_the_same_report() {
    let directory = tempfile::tempdir().unwrap();
    let pages = ["one.html", "two.html"].map(|name| directory.path().join(name));
    let arguments = ["--seed", "5", "--debtors", "20", "--months", "9"];
    // Side by side, so that they disturb each other's timing.
    let running = pages
        .each_ref()
        .map(|page| demo(&arguments, page).spawn().unwrap());
    let [one, other] = running.map(|demo| demo.wait_with_output().unwrap());
    assert_eq!(told(&one), told(&other));
    assert_eq!(shown(&pages[0]), shown(&pages[1]));
    assert!(told(&one).contains("Notices by level, channel and language"));
}

#[test]
fn a_page_that_cannot_be_written_is_refused_before_the_demo_starts() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |page: &Path| {
        let output = demo(&[], page).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let error = refused(directory.path());
    assert!(error.ends_with(": is a directory\n"), "{error}");
    let error = refused(&directory.path().join("none").join("report.html"));
    assert!(
        error.ends_with(": its directory does not exist\n"),
        "{error}"
    );
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 0);
}
