//! Arguments of `segment` and `scheme`.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use super::{DebtorArgs, ListArgs, ReadArgs};

#[derive(Subcommand)]
pub(crate) enum SegmentCommand {
    /// Show the segment of a debtor in every scheme
    Show(DebtorArgs),
    /// Show what every rule of a scheme says about a debtor, with the values that it read
    Why {
        #[command(flatten)]
        debtor: DebtorArgs,
        /// The scheme
        #[arg(long, value_name = "ID", default_value = "treatment")]
        scheme: String,
    },
    /// Show where a debtor has been, newest first
    History(HistoryArgs),
    /// Count the debtors in every segment
    Sizes {
        /// The creditor
        creditor: String,
        /// The scheme
        scheme: String,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// List the debtors of a scheme, or of one of its segments
    List(MemberArgs),
    /// Put a debtor into a segment, whatever the rules say
    Pin(PinArgs),
    /// Let the rules decide again
    Unpin {
        /// The creditor
        creditor: String,
        /// The debtor
        debtor: String,
        /// The scheme
        scheme: String,
    },
}

#[derive(Args)]
pub(crate) struct HistoryArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The debtor
    pub(crate) debtor: String,
    /// The scheme
    #[arg(long, value_name = "ID", default_value = "treatment")]
    pub(crate) scheme: String,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Args)]
pub(crate) struct MemberArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The scheme
    pub(crate) scheme: String,
    /// The segment; leave out for all
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) segment: String,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Args)]
pub(crate) struct PinArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The debtor
    pub(crate) debtor: String,
    /// The scheme
    pub(crate) scheme: String,
    /// The segment
    pub(crate) segment: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The last day on which it holds (YYYY-MM-DD); without it there is no end
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<NaiveDate>,
}

#[derive(Subcommand)]
pub(crate) enum SchemeCommand {
    /// List all revisions of all schemes
    List {
        /// The creditor
        creditor: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Print a revision as the TOML file that would create it
    Show(RevisionArgs),
    /// List the fields of `debtor` that conditions may read
    Fields,
    /// Create the next revision of a scheme from a TOML file; it is a draft until it is activated
    Create {
        /// The creditor
        creditor: String,
        /// The scheme, as `scheme show` prints one
        file: PathBuf,
        /// Only check; nothing is stored
        #[arg(long)]
        check: bool,
    },
    /// Show whom a revision would move; nothing is stored
    Simulate(RevisionArgs),
    /// Make a revision the active one and move everybody who belongs elsewhere
    Activate {
        /// The creditor
        creditor: String,
        /// The scheme
        scheme: String,
        /// The revision, a draft
        #[arg(long, value_name = "NUMBER")]
        revision: i32,
        /// Refuse if the rules fail for more debtors in a million
        #[arg(long, value_name = "PPM", default_value_t = 0)]
        max_error_ppm: i32,
        /// Wait until everybody is where the revision says
        #[arg(long)]
        wait: bool,
    },
}

#[derive(Args)]
pub(crate) struct RevisionArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The scheme
    pub(crate) scheme: String,
    /// The revision [default: the active one]
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) revision: i32,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}
