//! `mahnwerk demo`: a portfolio is made up, played through the public APIs day by day, and reported on.
//!
//! [`population`], [`behaviour`], [`life`] and [`ledger`] make up what happens, without any service; [`drive`] tells it to the
//! services; [`collect`] asks them what they know at the end; [`statistics`] and [`report`] put it into figures.
//!
//! The same seed makes the same report, because a business day ends only when what happened on it has arrived everywhere,
//! and because what the services decide on a day follows from what is known at its end.

mod behaviour;
mod calendar;
mod calls;
mod collect;
mod dice;
mod drive;
mod effect;
mod examples;
mod ledger;
mod life;
mod population;
mod remind;
mod report;
mod segments;
mod statistics;
mod traffic;

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use mahnwerk_runtime::{
    server::{Shutdown, shutdown_on_signals},
    telemetry,
};
use tokio::time::Instant;

use crate::{
    cli::DemoArgs,
    client::{Failure, Result},
    services::{Ports, Services, log},
};
use ledger::{Story, World};
use report::Report;

/// The creditor of the demo.
pub(crate) const CREDITOR: &str = "demo";

/// Runs the demo and prints its report.
///
/// # Errors
/// If a service fails or refuses, or the page cannot be written; [`Failure::Interrupted`] after Ctrl-C. Nothing is left
/// behind unless asked for.
pub(crate) async fn run(args: &DemoArgs) -> Result<()> {
    if let Some(page) = args.html.as_deref() {
        writable(page)?;
    }
    let home = Home::new(args.keep.as_deref())?;
    let telemetry = telemetry::init("mahnwerk", &log("error"))?;
    // The signals end the play; the services end after it.
    let interrupted = shutdown_on_signals()?;
    let shutdown = Shutdown::new();
    let services = Services::start(home.path(), Ports::default(), &shutdown).await?;
    let played = tokio::select! {
        played = play(args, &services) => played,
        () = interrupted.draining.cancelled() => Err(Failure::Interrupted),
    };
    shutdown.begin();
    let stopped = services.stopped().await;
    telemetry.shutdown().await;
    // Before the report: printing ends the program when nobody reads.
    drop(home);
    let report = played?;
    stopped?;
    if let Some(path) = args.html.as_deref() {
        let file = |source| Failure::File {
            path: path.to_owned(),
            source,
        };
        std::fs::write(path, report::page(&report)?).map_err(file)?;
    }
    say!("{}", report::lines(&report).trim_end());
    if let Some(path) = args.html.as_deref() {
        say!("The report as a page: {}", path.display());
    }
    if let Some(kept) = args.keep.as_deref() {
        say!(
            "The databases are kept: mahnwerk up --data {}",
            kept.display()
        );
    }
    Ok(())
}

async fn play(args: &DemoArgs, services: &Services) -> Result<Report> {
    let started = Instant::now();
    let debtors = usize::try_from(args.debtors).unwrap_or(usize::MAX);
    let world = World::new(args.seed, debtors, args.months);
    let clients = services.clients()?;
    let bar = progress_bar(world.period.days.len());
    let traffic = traffic::Counters::start(&clients).await?;
    let (story, driven) = drive::drive(world, args.seed, &clients, &bar).await?;
    bar.set_message("reading the results");
    let driving_took = started.elapsed();
    let undisturbed = Story::undisturbed(args.seed, debtors, args.months);
    let facts = collect::collect(&story, &undisturbed, &driven, &clients).await?;
    let examples = examples::choose(&story, &facts, &clients, &driven.consistency_token).await?;
    let counts = traffic.stop();
    bar.finish_and_clear();
    let figures = report::Machine {
        driving_took,
        took: started.elapsed(),
        counts,
    };
    Ok(Report::of(
        args, &story, &driven, &facts, &examples, &figures,
    ))
}

/// Refuses a page that could not be written, before there is anything to write.
fn writable(page: &Path) -> Result<()> {
    let refused = |why: &str| Failure::Input(format!("--html {}: {why}", page.display()));
    if page.is_dir() {
        return Err(refused("is a directory"));
    }
    let directory = match page.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(refused("is not the name of a file")),
    };
    if !directory.is_dir() {
        return Err(refused("its directory does not exist"));
    }
    tempfile::tempfile_in(directory)
        .map(drop)
        .map_err(|error| refused(&format!("its directory cannot be written: {error}")))
}

fn progress_bar(days: usize) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:40} {pos}/{len} business days, {elapsed}, {eta} left {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::try_from(days).unwrap_or_default()).with_style(style)
}

/// Where the databases are.
enum Home {
    /// Deleted at the end.
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Home {
    fn new(keep: Option<&Path>) -> Result<Self> {
        let Some(path) = keep else {
            let made = tempfile::Builder::new().prefix("mahnwerk-demo-").tempdir();
            let file = |source| Failure::File {
                path: std::env::temp_dir(),
                source,
            };
            return made.map(Self::Temporary).map_err(file);
        };
        let file = |source| Failure::File {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(path).map_err(file)?;
        if std::fs::read_dir(path).map_err(file)?.next().is_some() {
            return Err(Failure::Input(format!(
                "{} is not empty; --keep needs a new directory",
                path.display()
            )));
        }
        Ok(Self::Kept(path.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Kept(path) => path,
        }
    }
}
