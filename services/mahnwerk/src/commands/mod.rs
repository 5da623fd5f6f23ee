//! One module for every group of commands.

mod approval;
mod arrangement;
mod audit;
mod contact;
pub(crate) mod credit;
mod debtor;
mod doctor;
mod feed;
mod listing;
mod notice;
mod procedure;
mod run;
mod scheme;
mod scheme_file;
pub(crate) mod score;
mod segment;
pub(crate) mod watch;
mod why;
mod work;

use std::{path::Path, process::ExitCode};

use clap::CommandFactory as _;

use crate::{
    cli::{Cli, Command, DebtorCommand, Format, Global, ImportCommand},
    client::{Clients, Failure, Result},
    demo, import, up,
};

/// What every command needs.
pub(crate) struct Context {
    pub(crate) clients: Clients,
    /// What the clients show and trust.
    pub(crate) credentials: mahnwerk_client::Settings,
    pub(crate) language: String,
    pub(crate) json: bool,
}

impl Context {
    fn new(global: &Global) -> Result<Self> {
        let credentials = global.credentials.settings();
        Ok(Self {
            clients: Clients::new(&global.urls, &credentials)?,
            credentials,
            language: global.language.clone(),
            json: global.output == Format::Json,
        })
    }
}

/// Runs the command. Answers the exit code if nothing stopped it.
///
/// # Errors
/// Whatever stopped it.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode> {
    let context = Context::new(&cli.global)?;
    let done = match cli.command {
        Command::Doctor(args) => return doctor::run(&context, &cli.global.urls, &args).await,
        Command::Up(args) => up::run(&args).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Import(ImportCommand::Ledger(args)) => import::run(&context, &args).await,
        Command::Debtor(DebtorCommand::Show(args)) => debtor::show(&context, &args).await,
        Command::Debtor(DebtorCommand::Deceased(args)) => debtor::deceased(&context, args).await,
        Command::Score(args) if args.explain || args.as_of.is_some() => {
            score::explain(&context, &args).await
        }
        Command::Score(args) => score::show(&context, &args).await,
        Command::CheckCredit(args) => credit::check(&context, &args).await,
        Command::Why(args) => why::run(&context, args).await,
        Command::Segment(command) => segment::run(&context, command).await,
        Command::Scheme(command) => scheme::run(&context, command).await,
        Command::Procedure(command) => procedure::run(&context, command).await,
        Command::Run(command) => run::run(&context, command).await,
        Command::Notice(command) => notice::run(&context, command).await,
        Command::Task(command) => work::task(&context, command).await,
        Command::Pause(command) => work::pause(&context, command).await,
        Command::Manual(args) => work::manual(&context, args).await,
        Command::Dispatch(command) => work::dispatch(&context, command).await,
        Command::Dispute(command) => arrangement::dispute(&context, command).await,
        Command::Promise(command) => arrangement::promise(&context, command).await,
        Command::Plan(command) => arrangement::plan(&context, command).await,
        Command::Approval(command) => approval::run(&context, command).await,
        Command::Contact(command) => contact::run(&context, command).await,
        Command::BankImport(args) => contact::bank_import(&context, args).await,
        Command::Audit(args) => audit::run(&context, args).await,
        Command::Feed(command) => feed::run(&context, command).await,
        Command::Watch { service } => watch::run(&context, service).await,
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "mahnwerk",
                &mut std::io::stdout(),
            );
            Ok(())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Reads a text file that an argument names.
///
/// # Errors
/// If it cannot be read or is not UTF-8.
fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Failure::File {
        path: path.to_owned(),
        source,
    })
}
