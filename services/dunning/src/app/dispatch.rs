//! Dispatch: each notice is checked against the current state, its intent stored, then sent, then the outcome stored.
//!
//! What keeps a notice from leaving twice: only the transaction that finds it released makes it `SENDING`, with its debtor
//! locked; only who made it so sends it, once; and whatever is found `SENDING` after its time is never sent again.

mod check;
mod switch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::NaiveDate;
use dunning_channel::{Channel, Message, Refusal, SendError};
use futures::future::join_all;
use mahnwerk_feed::{Locks, WriteTx};
use mahnwerk_proto::dunning::v1::NoticeState;
use mahnwerk_runtime::{
    error::Result,
    status::chain,
    telemetry::{self, KeyValue, names},
};
use tokio::time::Instant;

use super::{
    App,
    deliver::{Effects, States, Way, items_of},
    inputs::{self, Addressee, Configuration},
    release::by_debtor,
    run::internal,
};
use crate::storage::{
    delivery::{self, Attempt},
    notice::{self, NoticeRow},
    settings, state,
};

pub use switch::SwitchView;

/// Notices taken up at once where there is no way out of e-mails; otherwise as many as it can have on their way, which is
/// then the most of which nobody knows anything after a crash.
const AT_ONCE: u64 = 8;

/// The first wait after a notice could not be sent, and the longest, in microseconds.
const FIRST_WAIT: i64 = 30_000_000;
const LONGEST_WAIT: i64 = 3_600_000_000;

/// How soon the storing of outcomes is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// Notices of which nobody knows any more that are looked at in one go.
const EXPIRED_AT_ONCE: u64 = 64;

/// What may come of a message, for the metrics.
pub(crate) const OUTCOMES: [&str; 6] = [
    "sent",
    "deferred",
    "bounced",
    "refused",
    "held_back",
    UNKNOWN,
];

/// Of these nobody knows whether they arrived.
const UNKNOWN: &str = "uncertain";

/// Sends notices. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    /// The use cases.
    pub app: App,
    /// The way out of e-mails, if there is one.
    pub email: Option<Arc<dyn Channel>>,
    /// After how many microseconds without an outcome a notice is uncertain; longer than a message may take.
    pub lease: i64,
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Notices taken up.
    pub taken: usize,
    /// Messages handed over to the channel, whatever came of it.
    pub tried: usize,
    /// Those of them that did not leave and may later.
    pub postponed: usize,
}

/// A message whose intent is stored.
#[derive(Clone, Debug)]
pub struct Outgoing {
    notice_id: String,
    debtor_id: String,
    addressee: Addressee,
    attempt: Attempt,
    message: Message,
}

impl Outgoing {
    /// What is to be sent.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }
}

impl Dispatcher {
    /// Sends the next notices of a creditor.
    ///
    /// # Errors
    /// Those of the database; what is `SENDING` then is found by [`Dispatcher::expire`].
    pub async fn round(&self, creditor_id: &str) -> Result<Round> {
        let db = self.app.publisher.db();
        let at_once = self
            .email
            .as_ref()
            .map_or(AT_ONCE, |it| it.at_once().into());
        let taken = notice::lease_due(db, creditor_id, at_once, self.lease).await?;
        if taken.is_empty() {
            return Ok(Round::default());
        }
        let outgoing = self.intend(creditor_id, &taken).await?;
        let outcomes = join_all(outgoing.iter().map(|it| self.send(&it.message))).await;
        let postponed = outcomes
            .iter()
            .filter(|it| matches!(it, Err(SendError::NotSent(_))));
        let round = Round {
            taken: taken.len(),
            tried: outgoing.len(),
            postponed: postponed.count(),
        };
        self.conclude_surely(creditor_id, &outgoing, &outcomes)
            .await?;
        Ok(round)
    }

    /// Stores what came of messages, and tries again while the leases hold: what is known must not become uncertain
    /// because a lock was held or the database went away for a moment.
    async fn conclude_surely(
        &self,
        creditor_id: &str,
        outgoing: &[Outgoing],
        outcomes: &[Result<(), SendError>],
    ) -> Result<()> {
        let until = Instant::now() + Duration::from_micros(self.lease.unsigned_abs() / 6);
        loop {
            match self.conclude(creditor_id, outgoing, outcomes).await {
                Err(error) if error.is_transient() && Instant::now() < until => {
                    tracing::warn!(error = %chain(&error), "outcomes not stored; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
                result => return result,
            }
        }
    }

    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let Some(email) = &self.email else {
            return Err(SendError::NotSent("no way out".to_owned()));
        };
        // Some of the lease is left for the outcome.
        let longest = Duration::from_micros(self.lease.unsigned_abs() / 6 * 5);
        match tokio::time::timeout(longest, email.send(message)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(SendError::Uncertain("no answer in time".to_owned())),
        }
    }

    /// Checks notices that were taken up and stores what is to become of them; answers those that must be sent now, each
    /// by the caller and once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn intend(
        &self,
        creditor_id: &str,
        taken: &[(String, String)],
    ) -> Result<Vec<Outgoing>> {
        let app = &self.app;
        let debtors: BTreeSet<&str> = taken.iter().map(|(_, debtor_id)| &**debtor_id).collect();
        let locks = Locks::debtors(creditor_id, debtors.iter().copied());
        let mut tx = WriteTx::begin(&app.publisher, locks, internal("dispatch")).await?;
        let ids: Vec<&str> = taken.iter().map(|(notice_id, _)| &**notice_id).collect();
        let mut rows = notice::get_many(&tx, creditor_id, &ids).await?;
        rows.retain(|row| row.state == NoticeState::Released);
        let facts = inputs::creditor(&tx, creditor_id).await?;
        let facts = facts.and_then(|facts| facts.business_date.map(|today| (facts, today)));
        let switch = delivery::switch(&tx, creditor_id).await?;
        let (Some((facts, today)), true) = (facts, app.is_sending(&switch)) else {
            tx.rollback().await?;
            return Ok(Vec::new());
        };
        let debtor_ids: Vec<String> = debtors.into_iter().map(str::to_owned).collect();
        let procedures = rows.iter().map(|row| row.procedure.clone()).collect();
        let subjects = inputs::load(&tx, &facts, &debtor_ids).await?;
        let mut checking = check::Checking {
            facts: &facts,
            today,
            at: tx.recorded_at(),
            rules: Configuration::named(&tx, &app.law, &facts, procedures).await?,
            subjects: by_debtor(subjects),
            states: state::states(&tx, creditor_id, &items_of(&rows)).await?,
            texts: notice::texts(&tx, creditor_id, &ids).await?,
            settings: settings::get(&tx, creditor_id).await?,
            email: self.email.is_some(),
            lease: self.lease,
            put_off: Vec::new(),
            rendered: Vec::new(),
            effects: Effects::default(),
        };
        let mut outgoing = Vec::new();
        for row in &mut rows {
            outgoing.extend(checking.check(row)?);
        }
        let check::Checking {
            put_off,
            rendered,
            effects,
            ..
        } = checking;
        // Told of to nobody: it may happen again and again to a whole run.
        notice::put_off(&tx, creditor_id, &put_off).await?;
        rows.retain(|row| put_off.iter().all(|(id, _)| *id != row.notice_id));
        link_withdrawals(&mut tx, creditor_id, &rows).await?;
        notice::set_texts(&tx, creditor_id, &rendered).await?;
        effects
            .store(&mut tx, creditor_id, &mut rows, action)
            .await?;
        tx.commit().await?;
        Ok(outgoing)
    }

    /// Stores what came of messages.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn conclude(
        &self,
        creditor_id: &str,
        outgoing: &[Outgoing],
        outcomes: &[Result<(), SendError>],
    ) -> Result<()> {
        if outgoing.is_empty() {
            return Ok(());
        }
        let publisher = &self.app.publisher;
        let locks = Locks::debtors(creditor_id, outgoing.iter().map(|it| &*it.debtor_id));
        let mut tx = WriteTx::begin(publisher, locks, internal("dispatch")).await?;
        let ids: Vec<&str> = outgoing.iter().map(|it| it.notice_id.as_str()).collect();
        let rows = notice::get_many(&tx, creditor_id, &ids).await?;
        let states = state::states(&tx, creditor_id, &items_of(&rows)).await?;
        let mut by_id: BTreeMap<String, NoticeRow> = rows
            .into_iter()
            .map(|row| (row.notice_id.clone(), row))
            .collect();
        let mut changed = Vec::new();
        let mut effects = Effects::default();
        let at = tx.recorded_at();
        for (it, outcome) in outgoing.iter().zip(outcomes) {
            let row = by_id.remove(&it.notice_id);
            let ours = |row: &NoticeRow| {
                row.state == NoticeState::Sending && row.attempt == it.attempt.attempt
            };
            let Some(mut row) = row.filter(ours) else {
                tracing::warn!(notice = it.notice_id, "outcome of a notice came too late");
                continue;
            };
            let attempt = Attempt {
                ended_at: Some(at),
                ..it.attempt.clone()
            };
            count_outcome(&mut tx, outcome_name(outcome), 1);
            let addressee = Some(&it.addressee);
            ended(
                &mut effects,
                &mut row,
                attempt,
                outcome.clone(),
                (&states, addressee),
            );
            changed.push(row);
        }
        effects
            .store(&mut tx, creditor_id, &mut changed, action)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives up notices of whose sending nobody tells any more: they count as sent, are never sent again, and a person is
    /// asked. Answers how many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn expire(&self) -> Result<usize> {
        let db = self.app.publisher.db();
        let mut by_creditor: BTreeMap<String, Vec<NoticeRow>> = BTreeMap::new();
        for row in notice::expired(db, EXPIRED_AT_ONCE).await? {
            by_creditor
                .entry(row.creditor_id.clone())
                .or_default()
                .push(row);
        }
        let mut given_up = 0;
        for (creditor_id, rows) in by_creditor {
            given_up += self.give_up(&creditor_id, rows).await?;
        }
        Ok(given_up)
    }

    async fn give_up(&self, creditor_id: &str, seen: Vec<NoticeRow>) -> Result<usize> {
        let debtors: BTreeSet<&str> = seen.iter().map(|row| row.debtor_id.as_str()).collect();
        let debtor_ids: Vec<String> = debtors.iter().map(|it| (*it).to_owned()).collect();
        let locks = Locks::debtors(creditor_id, debtors);
        let publisher = &self.app.publisher;
        let mut tx = WriteTx::begin(publisher, locks, internal("dispatch")).await?;
        let versions: BTreeMap<&str, i64> = seen
            .iter()
            .map(|row| (row.notice_id.as_str(), row.version))
            .collect();
        let ids: Vec<&str> = versions.keys().copied().collect();
        let mut rows = notice::get_many(&tx, creditor_id, &ids).await?;
        // Whoever sent it may have told just now.
        rows.retain(|row| versions.get(row.notice_id.as_str()) == Some(&row.version));
        let states: States = state::states(&tx, creditor_id, &items_of(&rows)).await?;
        let subjects = match inputs::creditor(&tx, creditor_id).await? {
            Some(facts) => by_debtor(inputs::load(&tx, &facts, &debtor_ids).await?),
            None => BTreeMap::new(),
        };
        let mut effects = Effects::default();
        let at = tx.recorded_at();
        for row in &mut rows {
            let addressee = subjects.get(&row.debtor_id).map(|it| &it.addressee);
            let day: NaiveDate = row.notice_date;
            effects.left(row, Way::Unknown, &states, addressee, (day, at));
        }
        count_outcome(&mut tx, UNKNOWN, rows.len());
        effects
            .store(&mut tx, creditor_id, &mut rows, action)
            .await?;
        tx.commit().await?;
        Ok(rows.len())
    }
}

/// Leads from what was withdrawn to what was withdrawn for, in the trace and in the events.
async fn link_withdrawals(tx: &mut WriteTx, creditor_id: &str, rows: &[NoticeRow]) -> Result<()> {
    let withdrawn = rows.iter().filter(|row| !row.findings.is_empty());
    let ids: Vec<&str> = withdrawn.map(|row| row.notice_id.as_str()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let span = tracing::info_span!("dispatch.withdraw", notices = ids.len());
    for traceparent in notice::causes(tx, creditor_id, &ids).await? {
        telemetry::link_to(&span, &traceparent);
    }
    tx.set_traceparent(&span.in_scope(telemetry::current_traceparent));
    Ok(())
}

/// What came of a try.
fn ended(
    effects: &mut Effects,
    row: &mut NoticeRow,
    mut attempt: Attempt,
    outcome: Result<(), SendError>,
    (states, addressee): (&States, Option<&Addressee>),
) {
    let at = attempt.ended_at.unwrap_or(attempt.begun_at);
    let when = (row.notice_date, at);
    match outcome {
        Ok(()) => {
            "SENT".clone_into(&mut attempt.outcome);
            effects.left(row, Way::Sent, states, addressee, when);
        }
        Err(SendError::NotSent(reason)) => {
            "NOT_SENT".clone_into(&mut attempt.outcome);
            attempt.reason = reason;
            row.state = NoticeState::Released;
            row.wait = wait(row.attempt);
        }
        Err(SendError::Refused { cause, reason }) => {
            "REFUSED".clone_into(&mut attempt.outcome);
            attempt.reason = reason;
            effects.refused(row, &attempt, cause, (states, addressee), at);
        }
        Err(SendError::Uncertain(reason)) => {
            attempt.reason = reason;
            effects.left(row, Way::Unknown, states, addressee, when);
        }
    }
    effects.attempts.push(attempt);
}

fn outcome_name(outcome: &Result<(), SendError>) -> &'static str {
    match outcome {
        Ok(()) => "sent",
        Err(SendError::NotSent(_)) => "deferred",
        Err(SendError::Refused { cause, .. }) => match cause {
            Refusal::Address => "bounced",
            Refusal::Message => "refused",
            Refusal::Guard => "held_back",
        },
        Err(SendError::Uncertain(_)) => UNKNOWN,
    }
}

fn count_outcome(tx: &mut WriteTx, outcome: &'static str, number: usize) {
    let label = vec![KeyValue::new(names::OUTCOME, outcome)];
    tx.count(names::DISPATCH_OUTCOMES, number, label);
}

/// How long to wait after so many tries that did not leave, in microseconds.
fn wait(attempt: i64) -> i64 {
    let doublings = u32::try_from(attempt.clamp(1, 10) - 1).unwrap_or(0);
    FIRST_WAIT
        .saturating_mul(1_i64 << doublings)
        .min(LONGEST_WAIT)
}

fn action(row: &NoticeRow) -> &'static str {
    match row.state {
        NoticeState::Sending => "sending",
        NoticeState::Sent => "sent",
        NoticeState::Uncertain => "uncertain",
        NoticeState::Withdrawn => "withdrawn",
        NoticeState::Failed => "failed",
        _ => "postponed",
    }
}
