//! One module for every group of commands.

pub(crate) mod credit;
mod debtor;
mod feed;
pub(crate) mod score;
pub(crate) mod watch;

use clap::CommandFactory as _;

use crate::{
    cli::{Cli, Command, DebtorCommand, FeedCommand, Format, Global, ImportCommand, ParkedCommand},
    client::{Clients, Result},
    demo, import, up,
};

/// What every command needs.
pub(crate) struct Context {
    pub(crate) clients: Clients,
    pub(crate) language: String,
    pub(crate) json: bool,
}

impl Context {
    fn new(global: &Global) -> Result<Self> {
        Ok(Self {
            clients: Clients::new(&global.registry, &global.scoring)?,
            language: global.language.clone(),
            json: global.output == Format::Json,
        })
    }
}

/// Runs the command.
///
/// # Errors
/// Whatever stopped it.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    let context = Context::new(&cli.global)?;
    match cli.command {
        Command::Up(args) => up::run(&args).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Import(ImportCommand::Ledger(args)) => import::run(&context, &args).await,
        Command::Debtor(DebtorCommand::Show(args)) => debtor::show(&context, &args).await,
        Command::Score(args) if args.explain || args.as_of.is_some() => {
            score::explain(&context, &args).await
        }
        Command::Score(args) => score::show(&context, &args).await,
        Command::CheckCredit(args) => credit::check(&context, &args).await,
        Command::Feed(FeedCommand::Status(args)) => feed::status(&context, args.service).await,
        Command::Feed(FeedCommand::Reset(args)) => feed::reset(&context, args.service).await,
        Command::Feed(FeedCommand::Parked(ParkedCommand::List(args))) => {
            feed::list_parked(&context, args.service).await
        }
        Command::Feed(FeedCommand::Parked(ParkedCommand::Retry(args))) => {
            feed::retry_parked(&context, args).await
        }
        Command::Feed(FeedCommand::Parked(ParkedCommand::Discard(args))) => {
            feed::discard_parked(&context, args).await
        }
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
    }
}
