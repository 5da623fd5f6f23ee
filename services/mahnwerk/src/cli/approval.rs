//! Arguments of `approval`.

use clap::{ArgGroup, Args, Subcommand};

use super::{ListArgs, facts::AmountArgs};
use crate::names;

#[derive(Subcommand)]
pub(crate) enum ApprovalCommand {
    /// Ask another person to agree to a write-off; nothing is booked before
    Ask(AskArgs),
    /// Agree to what another asked for; it is booked at once
    Grant {
        /// The creditor
        creditor: String,
        /// The approval
        id: String,
    },
    /// Refuse what another asked for, or take back what you asked for
    Refuse {
        /// The creditor
        creditor: String,
        /// The approval
        id: String,
        /// Why
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        note: String,
    },
    /// List what was asked for, newest first
    List {
        /// The creditor
        creditor: String,
        /// Only what concerns this debtor
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        debtor: String,
        /// Only what stands so
        #[arg(long, value_parser = names::parser("mahnwerk.registry.v1.ApprovalState"))]
        state: Option<i32>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Set what needs two persons
    Policy(PolicyArgs),
}

#[derive(Args)]
pub(crate) struct AskArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The invoice
    pub(crate) invoice: String,
    /// Why, for whoever decides
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) amount: AmountArgs,
}

#[derive(Args)]
#[command(group = ArgGroup::new("limit").required(true))]
pub(crate) struct PolicyArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// How much of an invoice one person may have written off, for example 100.00; more needs two, and 0 means always two
    #[arg(long, value_name = "AMOUNT", group = "limit")]
    pub(crate) write_off_above: Option<String>,
    /// Let one person write off whatever it is
    #[arg(long, group = "limit")]
    pub(crate) lift: bool,
    /// Reporting currency of the creditor (ISO 4217)
    #[arg(long, value_name = "CODE", default_value = "EUR")]
    pub(crate) currency: String,
}
