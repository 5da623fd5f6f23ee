//! The command line of a service's own program: `serve`, `migrate`, `check-config`.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{
    config::{self, EXIT_BAD_CONFIG, Settings},
    db::{Db, Migrations},
    error::{Error, Result},
    server::{Shutdown, shutdown_on_signals},
    status::chain,
    telemetry,
};

#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    sources: Sources,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop
    Serve,
    /// Bring the schema of the database up to date
    Migrate,
    /// Print the effective configuration, secrets hidden
    CheckConfig,
}

#[derive(Args)]
struct Sources {
    /// Configuration file (TOML)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A single setting, for example database.url=sqlite://registry.db?mode=rwc; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    overrides: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn parse(
    name: &str,
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Cli, clap::Error> {
    let matches = Cli::command()
        .display_name(format!("mahnwerk-{name}"))
        .try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// The `main` of the service `name` (for example `registry`), whose program is called `mahnwerk-registry`. `serve`
/// runs the service until the given [`Shutdown`]; logs, traces and metrics have been started before.
///
/// The exit code is 0, 64 for a wrong command line or configuration (nothing has been opened then), or 1.
pub fn service_main<S, F, R>(name: &'static str, migrations: Migrations, serve: F) -> ExitCode
where
    S: Settings,
    F: FnOnce(S, Shutdown) -> R,
    R: Future<Output = Result<()>>,
{
    let Cli { command, sources } = match parse(name, std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(EXIT_BAD_CONFIG)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let settings: S = match config::load(
        name,
        sources.config.as_deref(),
        config::process_environment(),
        &sources.overrides,
    ) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("the configuration is wrong:\n{error}");
            return ExitCode::from(EXIT_BAD_CONFIG);
        }
    };
    let result = match command {
        Command::CheckConfig => {
            print!("{}", config::redacted(&settings));
            Ok(())
        }
        Command::Migrate => block_on(migrate(&settings, &migrations)),
        Command::Serve => block_on(serve_observed(name, settings, serve)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mahnwerk-{name}: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(Box::new(error)))?
        .block_on(work)
}

async fn migrate<S: Settings>(settings: &S, migrations: &Migrations) -> Result<()> {
    let db = Db::connect(&settings.common().database).await?;
    for name in migrations.apply(&db).await? {
        println!("applied {name}");
    }
    println!("the schema is up to date");
    Ok(())
}

async fn serve_observed<S, F, R>(name: &'static str, settings: S, serve: F) -> Result<()>
where
    S: Settings,
    F: FnOnce(S, Shutdown) -> R,
    R: Future<Output = Result<()>>,
{
    let telemetry = telemetry::init(name, &settings.common().log)?;
    let shutdown = shutdown_on_signals()?;
    let result = serve(settings, shutdown).await;
    if let Err(error) = &result {
        tracing::error!(error = chain(error), "service failed");
    }
    telemetry.shutdown().await;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_may_stand_before_or_after_the_command() {
        for arguments in [
            ["x", "--set", "a.b=c=d", "serve", "--config", "f.toml"],
            ["x", "serve", "--config", "f.toml", "--set", "a.b=c=d"],
        ] {
            let cli = parse("sample", arguments).unwrap();
            assert!(matches!(cli.command, Command::Serve));
            assert_eq!(cli.sources.config, Some(PathBuf::from("f.toml")));
            assert_eq!(
                cli.sources.overrides,
                [("a.b".to_owned(), "c=d".to_owned())]
            );
        }
        assert!(parse("sample", ["x", "serve", "--set", "novalue"]).is_err());
        assert!(parse("sample", ["x"]).is_err());
    }
}
