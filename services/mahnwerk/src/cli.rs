//! The arguments: here those of the program and of the first commands, in the modules those of further groups.

pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod doctor;
pub(crate) mod dunning;
pub(crate) mod facts;
pub(crate) mod segments;
pub(crate) mod work;

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};

use approval::ApprovalCommand;
use audit::AuditArgs;
use doctor::DoctorArgs;
use dunning::{DispatchCommand, NoticeCommand, ProcedureCommand, RunCommand};
use facts::{
    BankImportArgs, ContactCommand, DeceasedArgs, DisputeCommand, PlanCommand, PromiseCommand,
};
use segments::{SchemeCommand, SegmentCommand};
use work::{ManualArgs, PauseCommand, TaskCommand};

/// Heading of what every command takes, in its help.
const EVERYWHERE: &str = "Options of every command";

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    something unexpected failed
  2    wrong arguments
  3    refused by the service: wrong fields, or the state does not allow it
  4    not found
  5    the service cannot be reached, is not ready or too slow: try again
  6    import: some rows were refused (the others are posted)
  7    doctor: something needs attention
  130  interrupted

Errors go to standard error: the status code, the stable reason, and every wrong field.";

/// Receivables, scores, segments and reminders: everything in one program
#[derive(Parser)]
#[command(name = "mahnwerk", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    #[command(flatten)]
    pub(crate) urls: Urls,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// Tables for people, or JSON with stable field names for programs
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_enum,
        default_value_t = Format::Table
    )]
    pub(crate) output: Format,
    /// Language of reasons: en, de or nl
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "MAHNWERK_LANGUAGE",
        value_name = "CODE",
        default_value = "en"
    )]
    pub(crate) language: String,
}

/// Where the services are.
#[derive(Args, Clone)]
pub(crate) struct Urls {
    /// Address of the registry
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "MAHNWERK_REGISTRY",
        value_name = "URL",
        default_value = "http://127.0.0.1:7101"
    )]
    pub(crate) registry: String,
    /// Address of scoring
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "MAHNWERK_SCORING",
        value_name = "URL",
        default_value = "http://127.0.0.1:7102"
    )]
    pub(crate) scoring: String,
    /// Address of segmentation
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "MAHNWERK_SEGMENTATION",
        value_name = "URL",
        default_value = "http://127.0.0.1:7103"
    )]
    pub(crate) segmentation: String,
    /// Address of dunning
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "MAHNWERK_DUNNING",
        value_name = "URL",
        default_value = "http://127.0.0.1:7104"
    )]
    pub(crate) dunning: String,
}

/// Whom to trust, and what to show.
#[derive(Args, Clone)]
pub(crate) struct Credentials {
    /// File with the certificates (PEM) that vouch for the services; the public ones without it
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "MAHNWERK_CA_FILE", value_name = "FILE")]
    ca_file: Option<String>,
    /// File with a certificate to show (PEM)
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "MAHNWERK_CERTIFICATE_FILE", value_name = "FILE")]
    certificate_file: Option<String>,
    /// File with the key of that certificate (PEM)
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "MAHNWERK_KEY_FILE", value_name = "FILE")]
    key_file: Option<String>,
    /// File with a token to show
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "MAHNWERK_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<String>,
}

impl Credentials {
    pub(crate) fn settings(&self) -> mahnwerk_client::Settings {
        let text = |file: &Option<String>| file.clone().unwrap_or_default();
        mahnwerk_client::Settings {
            ca_file: text(&self.ca_file),
            certificate_file: text(&self.certificate_file),
            key_file: text(&self.key_file),
            token_file: text(&self.token_file),
        }
    }
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run all services in this process, on loopback, with SQLite files
    Up(UpArgs),
    /// Make up a portfolio, play it through the services day by day, and report what came of it
    Demo(DemoArgs),
    /// Import data
    #[command(subcommand)]
    Import(ImportCommand),
    /// Look at a debtor, or record its death
    #[command(subcommand)]
    Debtor(DebtorCommand),
    /// Show the score of a debtor
    Score(ScoreArgs),
    /// Ask whether an order may be delivered on invoice; the decision is stored
    CheckCredit(CheckCreditArgs),
    /// Say why a debtor is reminded, of what and when, or why nothing happens
    Why(DebtorArgs),
    /// Look at the segments of debtors, and put debtors into segments by hand
    #[command(subcommand)]
    Segment(SegmentCommand),
    /// Write the rules that put debtors into segments, try them and make them active
    #[command(subcommand)]
    Scheme(SchemeCommand),
    /// Write the ladders by which debtors are reminded, and what holds for all of them
    #[command(subcommand)]
    Procedure(ProcedureCommand),
    /// Propose, review and release what is to be sent
    #[command(subcommand)]
    Run(RunCommand),
    /// Look at notices, and report what became of them
    #[command(subcommand)]
    Notice(NoticeCommand),
    /// Work off what only people can do
    #[command(subcommand)]
    Task(TaskCommand),
    /// Keep notices back for some time
    #[command(subcommand)]
    Pause(PauseCommand),
    /// Hand a debtor over to a person: nothing is sent meanwhile
    Manual(ManualArgs),
    /// Switch the sending of notices on and off
    #[command(subcommand)]
    Dispatch(DispatchCommand),
    /// Record what a debtor does not agree with
    #[command(subcommand)]
    Dispute(DisputeCommand),
    /// Record promises to pay
    #[command(subcommand)]
    Promise(PromiseCommand),
    /// Agree instalments
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Have another person agree to what one may not do alone
    #[command(subcommand)]
    Approval(ApprovalCommand),
    /// Record who was in touch with whom
    #[command(subcommand)]
    Contact(ContactCommand),
    /// Record that the bank statements up to a day have been imported
    BankImport(BankImportArgs),
    /// Say whether the suite is well, and if not, what to do next
    Doctor(DoctorArgs),
    /// Say who did what, when, by which request and trace: of one service, or of all of them by time
    Audit(AuditArgs),
    /// Look after the change feeds
    #[command(subcommand)]
    Feed(FeedCommand),
    /// Print changes as they come, until interrupted
    Watch {
        /// Whose changes
        #[arg(long, value_enum, default_value_t = Service::Registry)]
        service: Service,
    },
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub(crate) struct UpArgs {
    /// Where the databases are kept; made if missing
    #[arg(long, value_name = "DIR", default_value = "mahnwerk-data")]
    pub(crate) data: PathBuf,
    /// Port of the registry; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 7101)]
    pub(crate) registry_port: u16,
    /// Port of scoring; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 7102)]
    pub(crate) scoring_port: u16,
    /// Port of segmentation; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 7103)]
    pub(crate) segmentation_port: u16,
    /// Port of dunning; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 7104)]
    pub(crate) dunning_port: u16,
}

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// The same seed makes the same report, but for the times at its end
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many debtors, 20 to 5,000
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(20..=5_000))]
    pub(crate) debtors: u32,
    /// How many months before 2026-01-01, 9 to 60
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(9..=60))]
    pub(crate) months: u32,
    /// Keep the databases here (a new or empty directory) instead of leaving nothing behind
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Write the report as a page with charts as well, in the place of a file that is there
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum ImportCommand {
    /// Import an accounts-receivable table: invoices with their debtors and, where stated, their payment
    Ledger(ImportLedgerArgs),
}

#[derive(Args)]
pub(crate) struct ImportLedgerArgs {
    /// The creditor
    #[arg(long, value_name = "ID")]
    pub(crate) creditor: String,
    /// What the columns mean (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: PathBuf,
    /// Names the import; a repeated import with the same id posts nothing twice [default: from the contents of both files]
    #[arg(long, value_name = "ID")]
    pub(crate) import_id: Option<String>,
    /// Create the creditor, as the mapping describes it, if it does not exist
    #[arg(long)]
    pub(crate) create: bool,
    /// The table (CSV with a header)
    #[arg(value_name = "FILE")]
    pub(crate) table: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum DebtorCommand {
    /// Show who the debtor is, what is open, and what happened last
    Show(DebtorArgs),
    /// Mark a natural person as deceased, or lift the mark
    Deceased(DeceasedArgs),
}

#[derive(Args)]
pub(crate) struct DebtorArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The debtor
    pub(crate) debtor: String,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// What is read, and how much of it.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// So many rows at most
    #[arg(long, value_name = "ROWS", default_value_t = 1_000)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// How fresh what is read must be.
#[derive(Args)]
pub(crate) struct ReadArgs {
    /// Wait for the state that this consistency token names, as a write or an import answered it
    #[arg(
        long,
        value_name = "TOKEN",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) at_least: String,
}

#[derive(Args)]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    pub(crate) debtor: DebtorArgs,
    /// Show all features and the points they bring
    #[arg(long)]
    pub(crate) explain: bool,
    /// As it would have been on a date, from what was known then (YYYY-MM-DD)
    #[arg(long, value_name = "DATE")]
    pub(crate) as_of: Option<NaiveDate>,
}

#[derive(Args)]
pub(crate) struct CheckCreditArgs {
    #[command(flatten)]
    pub(crate) debtor: DebtorArgs,
    /// Amount of the order, for example 120.00
    #[arg(long)]
    pub(crate) amount: String,
    /// Currency of the order (ISO 4217)
    #[arg(long, value_name = "CODE", default_value = "EUR")]
    pub(crate) currency: String,
    /// The order
    #[arg(long, value_name = "ID")]
    pub(crate) order: String,
}

/// A service of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Registry,
    Scoring,
    Segmentation,
    Dunning,
}

#[derive(Args)]
pub(crate) struct ServiceArgs {
    /// Which service
    #[arg(long, value_enum)]
    pub(crate) service: Service,
}

#[derive(Subcommand)]
pub(crate) enum FeedCommand {
    /// Show the feed a service publishes and the feeds it consumes
    Status(ServiceArgs),
    /// Debtors whose changes could not be applied
    #[command(subcommand)]
    Parked(ParkedCommand),
    /// Make all consumers take a new snapshot; required after a restore from files
    Reset(ServiceArgs),
}

#[derive(Subcommand)]
pub(crate) enum ParkedCommand {
    /// List them, oldest first
    List(ServiceArgs),
    /// Apply the queued changes again
    Retry(ParkedArgs),
    /// Drop the change that failed and apply those behind it
    Discard(ParkedArgs),
}

#[derive(Args)]
pub(crate) struct ParkedArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The feed, as shown by `list`
    #[arg(long, default_value = "registry")]
    pub(crate) feed: String,
    /// The creditor
    #[arg(long, value_name = "ID")]
    pub(crate) creditor: String,
    /// The debtor; leave out for a parked creditor
    #[arg(long, value_name = "ID", default_value = "")]
    pub(crate) debtor: String,
}

#[cfg(test)]
mod tests;
