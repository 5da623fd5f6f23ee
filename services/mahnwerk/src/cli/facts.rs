//! Arguments of the commands that record facts in the registry.

use chrono::NaiveDate;
use clap::{ArgGroup, Args, Subcommand};

use super::ListArgs;
use crate::names;

/// The arguments of a list of things of a debtor.
#[derive(Args)]
pub(crate) struct DebtorListArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The debtor
    pub(crate) debtor: String,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// An amount that may be left out.
#[derive(Args)]
pub(crate) struct AmountArgs {
    /// How much, for example 120.00 [default: all that is open]
    #[arg(long)]
    pub(crate) amount: Option<String>,
    /// Currency of the amount (ISO 4217)
    #[arg(long, value_name = "CODE", default_value = "EUR")]
    pub(crate) currency: String,
}

#[derive(Args)]
#[command(group = ArgGroup::new("mark").required(true))]
pub(crate) struct DeceasedArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The debtor
    pub(crate) debtor: String,
    /// The day of death, or the day it became known (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", group = "mark")]
    pub(crate) since: Option<NaiveDate>,
    /// Lift the mark
    #[arg(long, group = "mark")]
    pub(crate) lift: bool,
}

#[derive(Args)]
pub(crate) struct BankImportArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The last day that the statements cover (YYYY-MM-DD)
    pub(crate) date: NaiveDate,
}

#[derive(Subcommand)]
pub(crate) enum DisputeCommand {
    /// Open a dispute about an invoice; the disputed part is not dunned
    Open(DisputeArgs),
    /// Close a dispute with its outcome: upheld, rejected or withdrawn
    Close {
        /// The creditor
        creditor: String,
        /// The dispute
        id: String,
        /// The outcome
        #[arg(value_parser = names::parser("mahnwerk.registry.v1.DisputeState"))]
        outcome: i32,
    },
    /// List the disputes of a debtor
    List(DebtorListArgs),
}

#[derive(Args)]
pub(crate) struct DisputeArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// A key of your own for the dispute
    pub(crate) id: String,
    /// The invoice
    pub(crate) invoice: String,
    /// Why
    #[arg(long, value_parser = names::parser("mahnwerk.registry.v1.DisputeReason"))]
    pub(crate) reason: i32,
    #[command(flatten)]
    pub(crate) amount: AmountArgs,
    /// Who looks after it
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) owner: String,
    /// More about it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) note: String,
}

#[derive(Subcommand)]
pub(crate) enum PromiseCommand {
    /// Record that a debtor promised to pay; what is promised is not dunned
    Add(PromiseArgs),
    /// Take an open promise back
    Cancel {
        /// The creditor
        creditor: String,
        /// The promise
        id: String,
    },
    /// List the promises of a debtor
    List(DebtorListArgs),
}

#[derive(Args)]
pub(crate) struct PromiseArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The debtor
    pub(crate) debtor: String,
    /// A key of your own for the promise
    pub(crate) id: String,
    /// An invoice it is about; may be repeated, payments fill them in this order
    #[arg(long = "invoice", value_name = "ID", required = true)]
    pub(crate) invoices: Vec<String>,
    /// By when (YYYY-MM-DD)
    #[arg(long, value_name = "DATE")]
    pub(crate) by: NaiveDate,
    #[command(flatten)]
    pub(crate) amount: AmountArgs,
    /// Days granted to the bank beyond the date
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub(crate) tolerance: i32,
}

#[derive(Subcommand)]
pub(crate) enum PlanCommand {
    /// Agree a plan: its dates replace the due dates of the invoices
    Add(PlanArgs),
    /// End an active plan without a verdict
    Cancel {
        /// The creditor
        creditor: String,
        /// The plan
        id: String,
    },
    /// List the plans of a debtor
    List(DebtorListArgs),
}

#[derive(Args)]
pub(crate) struct PlanArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The debtor
    pub(crate) debtor: String,
    /// A key of your own for the plan
    pub(crate) id: String,
    /// An invoice it covers; may be repeated, payments fill them in this order
    #[arg(long = "invoice", value_name = "ID", required = true)]
    pub(crate) invoices: Vec<String>,
    /// An instalment, for example 2026-02-01=100.00; may be repeated
    #[arg(long = "instalment", value_name = "DATE=AMOUNT", required = true, value_parser = instalment)]
    pub(crate) instalments: Vec<(NaiveDate, String)>,
    /// Currency of the instalments (ISO 4217)
    #[arg(long, value_name = "CODE", default_value = "EUR")]
    pub(crate) currency: String,
    /// Days an instalment may be late
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub(crate) grace: i32,
}

/// A day and an amount, which is read once its currency is known.
fn instalment(text: &str) -> Result<(NaiveDate, String), String> {
    let wrong = || "must be DATE=AMOUNT, for example 2026-02-01=100.00".to_owned();
    let (date, amount) = text.split_once('=').ok_or_else(wrong)?;
    let date = date.parse().map_err(|_| wrong())?;
    Ok((date, amount.to_owned()))
}

#[derive(Subcommand)]
pub(crate) enum ContactCommand {
    /// Record a contact, or a note about a debtor
    Record(ContactArgs),
    /// List the contacts with a debtor, newest first
    List(DebtorListArgs),
}

#[derive(Args)]
pub(crate) struct ContactArgs {
    /// The creditor
    pub(crate) creditor: String,
    /// The debtor
    pub(crate) debtor: String,
    /// A key of your own for the contact
    pub(crate) id: String,
    /// What about
    #[arg(long, value_parser = names::parser("mahnwerk.registry.v1.ContactPurpose"))]
    pub(crate) purpose: i32,
    /// How; leave out for a note
    #[arg(long, value_parser = names::parser("mahnwerk.registry.v1.Channel"))]
    pub(crate) channel: Option<i32>,
    /// The day (YYYY-MM-DD) [default: the business date]
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<NaiveDate>,
    /// What was said
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) text: String,
    /// What it belongs to
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) reference: String,
}
