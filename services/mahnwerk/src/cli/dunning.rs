//! Arguments of `procedure`, `run`, `notice` and `dispatch`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::{ListArgs, ReadArgs};
use crate::names;

#[derive(Subcommand)]
pub(crate) enum ProcedureCommand {
    /// List the latest revision of every procedure
    List {
        /// The creditor
        creditor: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Print a revision as the TOML file that would create it
    Show {
        /// The creditor
        creditor: String,
        /// The procedure
        procedure: String,
        /// The revision [default: the latest]
        #[arg(
            long,
            value_name = "NUMBER",
            default_value_t = 0,
            hide_default_value = true
        )]
        revision: i32,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Create the next revision of a procedure; runs proposed from now on follow it
    Create {
        /// The creditor
        creditor: String,
        /// The procedure
        procedure: String,
        /// Its steps (TOML), as `procedure show` prints them
        file: PathBuf,
        /// Only check; nothing is stored
        #[arg(long)]
        check: bool,
    },
    /// Show what holds for all runs of a creditor, or change what is named
    Settings(SettingsArgs),
}

#[derive(Args)]
pub(crate) struct SettingsArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// Most days since the last bank import, or `none` for no limit
    #[arg(long, value_name = "DAYS", value_parser = days_or_none)]
    pub(crate) max_bank_import_age: Option<Limit>,
    /// What to do when the last bank import is longer ago
    #[arg(long, value_name = "WHAT", value_parser = names::parser("mahnwerk.dunning.v1.WhenStale"))]
    pub(crate) when_stale: Option<i32>,
    /// Name and address at the head of notices
    #[arg(long, value_name = "TEXT")]
    pub(crate) sender: Option<String>,
    /// Where to pay, as printed on notices
    #[arg(long, value_name = "TEXT")]
    pub(crate) payment_details: Option<String>,
    /// The address that e-mails come from; empty: none are sent
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email_from: Option<String>,
    /// Whether another must release a run than who proposed or edited it
    #[arg(long, value_name = "true|false")]
    pub(crate) four_eyes_release: Option<bool>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// A limit that may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<i32>);

fn days_or_none(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit(None)),
        text => text
            .parse()
            .map(|days| Limit(Some(days)))
            .map_err(|_| "must be a number of days or `none`".to_owned()),
    }
}

#[derive(Subcommand)]
pub(crate) enum RunCommand {
    /// Propose a run for the business date
    Propose {
        /// The creditor
        creditor: String,
        /// Wait until every debtor is evaluated
        #[arg(long)]
        wait: bool,
    },
    /// List the runs, newest first
    List {
        /// The creditor
        creditor: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show how a run stands, why items are dunned or not, and its notices
    Show {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Edit a notice of a proposed run
    Review(ReviewArgs),
    /// Release a proposed run: its notices are sent
    Release {
        #[command(flatten)]
        run: RunArgs,
        /// Release it only if it is still as `run show` told it, with this etag; four eyes demand it
        #[arg(long, default_value = "", hide_default_value = true)]
        etag: String,
        /// Wait until nothing is left to be sent, or dispatch is switched off
        #[arg(long)]
        wait: bool,
    },
    /// Cancel a run that is not released
    Cancel(RunArgs),
    /// Evaluate the stored inputs of a run again and compare
    Replay(RunArgs),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The run
    pub(crate) run: String,
}

#[derive(Args)]
#[command(group = ArgGroup::new("edit").required(true))]
pub(crate) struct ReviewArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The notice
    pub(crate) notice: String,
    /// Take an item off; the next run proposes it again
    #[arg(long, value_name = "ID", group = "edit")]
    pub(crate) exclude_item: Option<String>,
    /// Take the whole notice off the run
    #[arg(long, group = "edit")]
    pub(crate) exclude: bool,
    /// The next lower level, never one that was sent
    #[arg(long, group = "edit")]
    pub(crate) lower: bool,
    /// The next higher level, at most one above the proposal
    #[arg(long, group = "edit")]
    pub(crate) raise: bool,
    /// Another channel, which must work
    #[arg(long, group = "edit", value_parser = names::parser("mahnwerk.dunning.v1.NoticeChannel"))]
    pub(crate) channel: Option<i32>,
    /// A comment for the audit trail
    #[arg(long, value_name = "TEXT", group = "edit")]
    pub(crate) comment: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum NoticeCommand {
    /// Show a notice: what it claims line by line, and how it stands
    Show {
        /// The creditor
        creditor: String,
        /// The notice
        notice: String,
        /// Show subject and text as well
        #[arg(long)]
        text: bool,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// List the notices of a run, of a debtor, or of both
    List(NoticeListArgs),
    /// Render a proposed notice as it would be sent
    Preview {
        /// The creditor
        creditor: String,
        /// The notice
        notice: String,
        /// In another language than the debtor's: en, de or nl
        #[arg(
            long = "in",
            value_name = "CODE",
            default_value = "",
            hide_default_value = true
        )]
        language: String,
        /// HTML instead of text
        #[arg(long)]
        html: bool,
    },
    /// Report what became of a sent notice
    Report {
        /// The creditor
        creditor: String,
        /// The notice
        notice: String,
        /// What became of it
        #[arg(value_parser = names::parser("mahnwerk.dunning.v1.DeliveryOutcome"))]
        outcome: i32,
    },
}

#[derive(Args)]
#[command(group = ArgGroup::new("of").required(true).multiple(true))]
pub(crate) struct NoticeListArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The run
    #[arg(long, value_name = "ID", group = "of")]
    pub(crate) run: Option<String>,
    /// The debtor
    #[arg(long, value_name = "ID", group = "of")]
    pub(crate) debtor: Option<String>,
    /// Only those that stand so
    #[arg(long, value_parser = names::parser("mahnwerk.dunning.v1.NoticeState"))]
    pub(crate) state: Option<i32>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Subcommand)]
pub(crate) enum DispatchCommand {
    /// Show whether notices are being sent, and how many wait
    Show {
        /// The creditor
        creditor: String,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Stop sending; what is released waits
    Pause {
        /// The creditor
        creditor: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Send what is released
    Resume {
        /// The creditor
        creditor: String,
    },
}
