//! Measurements on PostgreSQL, each against a floor measured in the same run, in turns with it.
//!
//! Everything is a closed loop, bounded in calls and in time, over loopback. Only ratios mean anything: client, services,
//! floor servers and database share one machine.

mod credit;
mod feed;
mod floor;
mod import;
mod load;
mod portfolio;
mod rescore;
mod score;
mod statements;

use portfolio::Portfolio;

/// One line of the table.
pub(crate) struct Line {
    what: String,
    unit: &'static str,
    floor: f64,
    rate: f64,
    /// Least ratio of rate to floor, if there is one.
    budget: Option<f64>,
    /// Median and 99th percentile in microseconds of the floor and of the thing, where calls were timed.
    latency: Option<[(u64, u64); 2]>,
}

const ALL: [&str; 5] = ["import", "feed", "score", "credit", "rescore"];

/// Runs the measurements named, or all, and prints the table. With `--statements` among the names, what each statement
/// cost the database is printed as well.
///
/// # Panics
/// If something cannot be measured, or a name is unknown.
pub fn main(mut names: Vec<String>) {
    let before = names.len();
    names.retain(|name| name != "--statements");
    let statements = names.len() < before;
    let unknown: Vec<_> = names
        .iter()
        .filter(|name| !ALL.contains(&name.as_str()))
        .collect();
    assert!(
        unknown.is_empty(),
        "unknown measurements {unknown:?}; there are {ALL:?}"
    );
    let wanted = |name: &str| names.is_empty() || names.iter().any(|each| each == name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let lines = runtime.block_on(async {
        let mut lines = Vec::new();
        // The import fills the portfolio that everything else is measured on.
        let (mut portfolio, imported) = Portfolio::import(statements).await;
        lines.push(imported);
        statements::report("import");
        if wanted("feed") {
            lines.extend(feed::measure(&portfolio).await);
            statements::report("feed");
        }
        portfolio.start_scoring(&mut lines).await;
        statements::report("snapshot projected and scored");
        if wanted("score") {
            lines.extend(score::measure(&portfolio).await);
            statements::report("GetScore");
        }
        if wanted("credit") {
            lines.push(credit::measure(&portfolio).await);
            statements::report("CheckCredit");
        }
        if wanted("rescore") {
            lines.push(rescore::measure(&portfolio).await);
            statements::report("re-scoring");
        }
        portfolio.stop().await;
        lines
    });
    print(&lines);
}

fn print(lines: &[Line]) {
    println!(
        "\n{:<44} {:>12} {:>12} {:>7} {:>7}  p50/p99 µs: floor, measured",
        "what", "floor/s", "measured/s", "ratio", "budget"
    );
    for line in lines {
        let ratio = line.rate / line.floor;
        let budget = line
            .budget
            .map_or_else(|| "-".to_owned(), |budget| format!("{budget:.2}"));
        let missed = line.budget.is_some_and(|budget| ratio < budget);
        let latency = line.latency.map_or_else(String::new, |[floor, own]| {
            format!(
                "{}/{}, {}/{} (p99 ×{:.2})",
                floor.0,
                floor.1,
                own.0,
                own.1,
                own.1 as f64 / floor.1 as f64
            )
        });
        println!(
            "{:<44} {:>12.0} {:>12.0} {:>7.2} {:>7}  {latency}{}",
            format!("{} [{}]", line.what, line.unit),
            line.floor,
            line.rate,
            ratio,
            budget,
            if missed { "  MISSED" } else { "" }
        );
    }
}

/// Says what is being done, on standard error.
pub(crate) fn tell(text: &str) {
    eprintln!("bench: {text}");
}
