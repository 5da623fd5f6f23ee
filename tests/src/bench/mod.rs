//! Measurements on PostgreSQL, each against a floor measured in the same run, in turns with it where both are short.
//!
//! Everything but the latency is a closed loop, bounded in calls and in time, over loopback. Only ratios mean anything:
//! client, services, floor servers and database share one machine.

mod credit;
mod dunning;
mod feed;
mod floor;
mod footprint;
mod guarded;
mod import;
mod latency;
mod letters;
mod load;
mod mail;
mod memory;
mod million;
mod portfolio;
mod report;
mod rescore;
mod score;
mod segment;
mod services;
mod statements;
mod tryton;

use portfolio::Portfolio;
use report::{Line, Report};
use services::Services;

/// What is measured unless something is named.
const ALL: [&str; 10] = [
    "import", "feed", "score", "credit", "guarded", "rescore", "segment", "latency", "dunning",
    "mail",
];
/// What is measured only when it is named: a million items take minutes, Tryton has to be installed, and what services take
/// has no floor.
const MORE: [&str; 3] = ["dunning-1m", "tryton", "footprint"];

/// What was asked for.
struct Wanted {
    names: Vec<String>,
    statements: bool,
}

impl Wanted {
    fn parse(mut names: Vec<String>) -> Self {
        let mut taken = |flag: &str| {
            let before = names.len();
            names.retain(|name| name != flag);
            names.len() < before
        };
        let statements = taken("--statements");
        if taken("--small") {
            portfolio::make_small();
        }
        let known = |name: &String| ALL.iter().chain(&MORE).any(|each| each == name);
        let unknown: Vec<_> = names.iter().filter(|name| !known(name)).collect();
        assert!(
            unknown.is_empty(),
            "unknown measurements {unknown:?}; there are {ALL:?}, and by name only {MORE:?}"
        );
        Self { names, statements }
    }

    fn has(&self, name: &str) -> bool {
        let named = self.names.iter().any(|each| each == name);
        named || (self.names.is_empty() && ALL.contains(&name))
    }

    /// Whether nothing else is.
    fn has_only(&self, name: &str) -> bool {
        self.has(name) && self.names.len() == 1
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }
}

/// Runs the measurements named, or all, and prints what they gave. With `--statements` among the names, what each
/// statement cost the database is printed as well; with `--small` everything is a tenth as large, to see that it works.
///
/// # Panics
/// If something cannot be measured, or a name is unknown.
pub fn main(names: Vec<String>) {
    let wanted = Wanted::parse(names);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut report = Report::default();
    runtime.block_on(measure(&wanted, &mut report));
    report.print();
}

async fn measure(wanted: &Wanted, report: &mut Report) {
    // First, because they want the machine for themselves.
    if wanted.has("footprint") {
        footprint::measure(report).await;
    }
    if wanted.has_only("footprint") {
        return;
    }
    let tryton = wanted.has("tryton").then(tryton::measure);
    // The import fills the portfolio that everything else is measured on.
    let (mut portfolio, imported) = Portfolio::import(wanted.statements).await;
    report.lines.push(imported);
    statements::report("import");
    if wanted.has("feed") {
        report.lines.extend(feed::measure(&portfolio).await);
        statements::report("feed");
    }
    portfolio.start_scoring(report).await;
    statements::report("snapshot projected and scored");
    if wanted.has("score") {
        report.lines.extend(score::measure(&portfolio).await);
        statements::report("GetScore");
    }
    if wanted.has("credit") {
        report.lines.push(credit::measure(&portfolio).await);
        statements::report("CheckCredit");
    }
    if wanted.has("guarded") {
        report.lines.extend(guarded::measure(&portfolio).await);
        statements::report("with TLS, tokens and tracing");
    }
    if wanted.has("rescore") {
        report.lines.push(rescore::measure(&portfolio).await);
        statements::report("re-scoring");
    }
    let on_all = [
        "segment",
        "latency",
        "dunning",
        "dunning-1m",
        "mail",
        "tryton",
    ];
    if wanted.has_any(&on_all) {
        let services = Services::start(portfolio, report).await;
        statements::report("snapshots of segmentation and dunning");
        measure_all(wanted, &services, tryton, report).await;
        services.stop(report).await;
    } else {
        portfolio.stop().await;
    }
}

/// What needs all four services.
async fn measure_all(
    wanted: &Wanted,
    services: &Services,
    tryton: Option<tryton::Measured>,
    report: &mut Report,
) {
    if wanted.has("segment") {
        report.lines.push(segment::measure(services).await);
        statements::report("re-segmentation");
    }
    if wanted.has("latency") {
        latency::measure(services, report).await;
        statements::report("latency");
    }
    if wanted.has_any(&["dunning", "dunning-1m", "mail", "tryton"]) {
        dunning::measure(services, wanted.has("dunning-1m"), tryton, report).await;
    }
    if wanted.has("mail") {
        report.lines.push(letters::measure());
        report.lines.push(mail::measure(services).await);
        statements::report("e-mails");
    }
}

/// Says what is being done, on standard error.
pub(crate) fn tell(text: &str) {
    eprintln!("bench: {text}");
}
