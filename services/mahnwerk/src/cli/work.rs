//! Arguments of `task`, `pause` and `manual`.

use chrono::NaiveDate;
use clap::{ArgGroup, Args, Subcommand};

use super::ListArgs;
use crate::names;

#[derive(Subcommand)]
pub(crate) enum TaskCommand {
    /// List open tasks, most urgent first
    List(TaskListArgs),
    /// Claim a task, so that nobody else works on it
    Claim {
        /// The creditor
        creditor: String,
        /// The task
        task: String,
        /// For how long
        #[arg(long, value_name = "MINUTES", default_value_t = 60)]
        minutes: i32,
    },
    /// Complete a task with what came of it
    Done {
        /// The creditor
        creditor: String,
        /// The task
        task: String,
        /// What came of it
        #[arg(value_parser = names::parser("mahnwerk.dunning.v1.TaskOutcome"))]
        outcome: i32,
        /// More about it
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        note: String,
    },
}

#[derive(Args)]
pub(crate) struct TaskListArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// Only of this kind
    #[arg(long, value_parser = names::parser("mahnwerk.dunning.v1.TaskKind"))]
    pub(crate) kind: Option<i32>,
    /// Only of this portfolio
    #[arg(long, value_name = "ID")]
    pub(crate) portfolio: Option<String>,
    /// Only about this debtor
    #[arg(long, value_name = "ID")]
    pub(crate) debtor: Option<String>,
    /// Completed ones as well
    #[arg(long)]
    pub(crate) completed: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Subcommand)]
pub(crate) enum PauseCommand {
    /// Set a pause for an item, a debtor, a treatment segment or, where none is named, the whole creditor
    Add(PauseArgs),
    /// End a pause
    End {
        /// The creditor
        creditor: String,
        /// The pause
        id: String,
        /// Its last day (YYYY-MM-DD) [default: the day before the business date]
        #[arg(long, value_name = "DATE")]
        until: Option<NaiveDate>,
    },
    /// List the pauses of a creditor, or those that concern a debtor
    List {
        /// The creditor
        creditor: String,
        /// The debtor
        #[arg(long, value_name = "ID")]
        debtor: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
}

#[derive(Args)]
pub(crate) struct PauseArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// A key of your own for the pause
    pub(crate) id: String,
    /// The debtor
    #[arg(long, value_name = "ID")]
    pub(crate) debtor: Option<String>,
    /// The invoice; its debtor is needed as well
    #[arg(long, value_name = "ID", requires = "debtor")]
    pub(crate) item: Option<String>,
    /// The treatment segment
    #[arg(long, value_name = "ID", conflicts_with = "debtor")]
    pub(crate) segment: Option<String>,
    /// Whether days past due go on counting, or the clock stops
    #[arg(long, value_parser = names::parser("mahnwerk.dunning.v1.PauseKind"))]
    pub(crate) kind: i32,
    /// First day (YYYY-MM-DD); may lie in the past
    #[arg(long, value_name = "DATE")]
    pub(crate) from: NaiveDate,
    /// Last day; without it the pause lasts until it is ended
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<NaiveDate>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Args)]
#[command(group = ArgGroup::new("how_long").required(true))]
pub(crate) struct ManualArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The debtor
    pub(crate) debtor: String,
    /// The last day (YYYY-MM-DD), at most 365 days ahead
    #[arg(long, value_name = "DATE", group = "how_long")]
    pub(crate) until: Option<NaiveDate>,
    /// Let the procedure go on
    #[arg(long, group = "how_long")]
    pub(crate) end: bool,
}
