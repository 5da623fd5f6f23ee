//! The Mahnwerk command line: all services in one process, the demo, imports and inspection.

// First, because its macro is used by the others.
#[macro_use]
mod output;

mod cli;
mod client;
mod commands;
mod demo;
mod import;
mod json;
mod names;
mod services;
mod up;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => code,
        Err(failure) => {
            eprint!("{}", client::describe(&failure));
            ExitCode::from(failure.exit_code())
        }
    }
}
