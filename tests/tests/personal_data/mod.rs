//! Nobody learns of a debtor, or of a secret, from what the services tell of themselves.
//!
//! Everything is logged, and logs, spans, metrics and error messages are captured; then they are searched for pieces of
//! everything personal and secret that the run has stored or was shown. A canary, told on purpose by every outlet, proves
//! that what is not found would have been.

mod calls;
mod canary;
mod columns;
mod demo;
mod needles;
mod outlets;
mod refused;
mod stage;

use std::collections::BTreeMap;

use columns::PERSONAL;
use needles::{Needles, origin};
use stage::Stage;

/// Most values that may be left out because they are too short: more, and the search would be of little worth.
const FEW: usize = 20;

/// Fails unless there are so many needles of each of these origins, and few were left out.
fn enough(needles: &Needles, wanted: &BTreeMap<String, usize>) {
    let counts = needles.counts();
    let missing: Vec<_> = wanted
        .iter()
        .filter(|(origin, least)| counts.get(*origin).unwrap_or(&0) < *least)
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not in {counts:?}");
    let left_out = needles.left_out();
    assert!(left_out.len() <= FEW, "left out: {left_out:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_logs_everything_tells_nothing_personal() {
    let (outlets, needles) = demo::play().await;
    let wanted = [
        ("registry debtor.display_name", 10),
        ("registry contact_point.address", 30),
        ("dunning notice_text.text", 50),
        ("template", 50),
    ];
    let wanted = wanted.map(|(origin, least)| (origin.to_owned(), least));
    enough(&needles, &BTreeMap::from(wanted));
    outlets.judge(&canary::in_all(), &needles);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_log_everything_tell_nothing_personal_and_no_secret() {
    let mut stage = Stage::start().await;
    let refused = calls::make(&mut stage).await;
    let (outlets, needles) = stage.end().await;
    // Every kind of personal data was there to be told.
    let mut wanted: BTreeMap<_, _> = PERSONAL.iter().map(|it| (origin(it), 1)).collect();
    let secrets = [
        "password",
        "wrong password",
        "token of a service",
        "token of a caller",
    ];
    wanted.extend(secrets.map(|it| (it.to_owned(), 1)));
    enough(&needles, &wanted);
    println!("{refused} calls refused");
    assert!(refused > 150, "only {refused} calls were refused");
    outlets.judge(&canary::in_all(), &needles);
}
