//! Commands to the registry: stored with what causes them, carried out afterwards, at least once under one id.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use dunning_core::input::Channel;
use futures::future::join_all;
use mahnwerk_feed::{Locks, WriteTx, partition};
use mahnwerk_proto::dunning::v1::TaskKind;
use mahnwerk_runtime::error::Result;
use serde::{Deserialize, Serialize};

use super::{
    App, inputs,
    propose::derived_id,
    run::{internal, task_event},
};
use crate::storage::{
    outbox,
    task::{self, TaskRow},
};

/// Commands carried out at once.
const AT_ONCE: u64 = 32;

/// For how long commands that have ended are kept, in microseconds: 30 days, as long as the registry knows their ids. What
/// they did is on record there, and that one was refused is a task here.
const KEPT: i64 = 30 * 24 * 3_600 * 1_000_000;

/// The first wait after a command could not be carried out, and the longest, in microseconds.
const FIRST_WAIT: i64 = 1_000_000;
const LONGEST_WAIT: i64 = 600_000_000;

/// What the registry is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Record that the debtor was reminded.
    RecordContact {
        /// Key of the contact.
        contact_id: String,
        /// Over which channel.
        channel: Channel,
        /// The business date.
        on: NaiveDate,
        /// The notice.
        notice_id: String,
    },
    /// Mark a contact point by what became of a message to it.
    ReportContactOutcome {
        /// The contact point.
        contact_point_id: String,
        /// Its version when the message was sent.
        version: i64,
        /// What became of it.
        outcome: Outcome,
    },
    /// Sell no more on credit.
    SetCreditHold {
        /// The notice that says so.
        notice_id: String,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It arrived.
    Delivered,
    /// It came back.
    Bounced,
    /// It came back because the addressee has moved.
    Moved,
}

/// A command to the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The creditor.
    pub creditor_id: String,
    /// The request id, at most 64 characters.
    pub command_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// What is to be done.
    pub order: Order,
    /// Tries so far, this one included.
    pub attempts: i64,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may be later.
    Later,
    /// Never; a stable reason.
    Refused(String),
}

/// Carries commands out.
#[async_trait::async_trait]
pub trait Registry: Send + Sync {
    /// Carries one out.
    async fn carry_out(&self, command: &Command) -> Result<(), Failure>;
}

impl App {
    /// Carries out commands that are due, those of one debtor one after another, for `lease` microseconds if nobody tells
    /// what became of them; answers how many were taken.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn carry_out(&self, registry: &dyn Registry, lease: i64) -> Result<usize> {
        let db = self.publisher.db();
        let commands = outbox::lease_due(db, AT_ONCE, lease).await?;
        if commands.is_empty() {
            return Ok(0);
        }
        let mut by_debtor: BTreeMap<(&str, &str), Vec<&Command>> = BTreeMap::new();
        for command in &commands {
            let debtor = (&*command.creditor_id, &*command.debtor_id);
            by_debtor.entry(debtor).or_default().push(command);
        }
        let of_debtor = async |commands: Vec<&Command>| {
            let mut outcomes = Vec::with_capacity(commands.len());
            for command in commands {
                outcomes.push((command.clone(), registry.carry_out(command).await));
            }
            outcomes
        };
        let outcomes = join_all(by_debtor.into_values().map(of_debtor)).await;
        let (done, failed): (Vec<_>, Vec<_>) = outcomes
            .into_iter()
            .flatten()
            .partition(|(_, outcome)| outcome.is_ok());
        let done: Vec<Command> = done.into_iter().map(|(command, _)| command).collect();
        let txn = db.begin_write().await?;
        outbox::end(&txn, &done, "DONE").await?;
        let later = failed.iter().filter(|(_, it)| *it == Err(Failure::Later));
        let later: Vec<_> = later.map(|(it, _)| (it, wait(it.attempts))).collect();
        outbox::postpone(&txn, &later).await?;
        txn.commit().await?;
        for (command, outcome) in &failed {
            if let Err(Failure::Refused(reason)) = outcome {
                self.refused(command, reason).await?;
            }
        }
        Ok(commands.len())
    }

    /// Forgets at most `limit` commands that ended 30 days ago; answers how many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget_commands(&self, limit: u64) -> Result<u64> {
        outbox::forget_ended(self.publisher.db(), KEPT, limit).await
    }

    async fn refused(&self, command: &Command, reason: &str) -> Result<()> {
        let locks = Locks::debtor(&command.creditor_id, &command.debtor_id);
        let mut tx = WriteTx::begin(&self.publisher, locks, internal("outbox")).await?;
        let facts = inputs::creditor(&tx, &command.creditor_id).await?;
        let today = facts.and_then(|facts| facts.business_date);
        if outbox::end(&tx, std::slice::from_ref(command), "REFUSED").await? == 0 {
            return tx.rollback().await;
        }
        tracing::warn!(command = command.command_id, reason, "command refused");
        let slot = format!(
            "{}:{}",
            task::kind_name(TaskKind::RefusedCommand),
            command.command_id
        );
        let row = TaskRow {
            creditor_id: command.creditor_id.clone(),
            task_id: derived_id(&[&slot]),
            slot,
            kind: TaskKind::RefusedCommand,
            debtor_id: command.debtor_id.clone(),
            part: partition(&command.creditor_id, &command.debtor_id),
            notice_id: String::new(),
            portfolio: String::new(),
            due_date: today.unwrap_or_default(),
            priority: 0,
            item_ids: Vec::new(),
            reference: format!("{} {reason}", command.command_id),
            claimed_by: String::new(),
            claimed_until: None,
            outcome: None,
            note: String::new(),
            created_at: tx.recorded_at(),
            version: 1,
        };
        let tasks = task::put(&tx, &[row]).await?;
        tx.append(tasks.iter().map(|it| task_event(it, "stated")).collect())?;
        tx.commit().await?;
        Ok(())
    }
}

/// How long to wait after so many tries, in microseconds.
fn wait(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(1, 20) - 1).unwrap_or(0);
    FIRST_WAIT
        .saturating_mul(1_i64 << doublings)
        .min(LONGEST_WAIT)
}
