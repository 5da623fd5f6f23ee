//! What sending leaves behind, and what becomes of sent notices.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use dunning_channel::Refusal;
use dunning_core::{
    input::{Channel, DunningState},
    procedure::FollowUp,
    record,
};
use mahnwerk_feed::{Begun, Locks, NewEvent, WriteTx, Written};
use mahnwerk_proto::dunning::v1::{DeliveryOutcome, NoticeState, TaskKind, TaskOutcome};
use mahnwerk_runtime::{
    context::Call,
    error::Result,
    telemetry::{KeyValue, names},
};

use super::{
    App,
    inputs::{self, Addressee},
    not_found,
    outbox::{Command, Order, Outcome},
    propose::{derived_id, first_items, priority},
    release::fail,
    run::{notice_event, task_event, wrong_state},
};
use crate::storage::{
    delivery::{self, Attempt},
    notice::{self, NoticeRow},
    outbox, run,
    state::{self, SentContact},
    task::{self, TaskRow},
};

/// States of items by debtor and item.
pub(crate) type States = BTreeMap<(String, String), DunningState>;

/// How a notice left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A channel took it.
    Sent,
    /// A person brings it to the debtor, or calls.
    ByHand,
    /// Nobody knows whether it left.
    Unknown,
}

/// What is stored with a change of notices.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) states: Vec<(String, String, DunningState)>,
    pub(crate) contacts: Vec<SentContact>,
    /// Debtor and notice of contacts that were none after all.
    pub(crate) no_contacts: Vec<(String, String)>,
    pub(crate) commands: Vec<Command>,
    pub(crate) tasks: Vec<TaskRow>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) events: Vec<NewEvent>,
}

impl Effects {
    /// Stores everything, and the notices, which were changed for `action`.
    pub(crate) async fn store(
        mut self,
        tx: &mut WriteTx,
        creditor_id: &str,
        notices: &mut [NoticeRow],
        action: fn(&NoticeRow) -> &'static str,
    ) -> Result<()> {
        notice::update(tx, notices).await?;
        count_entered(tx, notices);
        state::record_states(tx, creditor_id, &self.states).await?;
        state::forget_contacts(tx, creditor_id, &self.no_contacts).await?;
        state::record_contacts(tx, creditor_id, &self.contacts).await?;
        outbox::put(tx, &self.commands, tx.recorded_at()).await?;
        delivery::put_attempts(tx, creditor_id, &self.attempts).await?;
        let tasks = task::put(tx, &self.tasks).await?;
        let notices = notices.iter().map(|row| notice_event(row, action(row)));
        self.events.extend(notices);
        let tasks = tasks.iter().map(|it| task_event(it, "stated"));
        self.events.extend(tasks);
        tx.append(self.events)
    }

    /// A notice left: its items have had their step, and what the step asks for follows.
    pub(crate) fn left(
        &mut self,
        row: &mut NoticeRow,
        way: Way,
        states: &States,
        addressee: Option<&Addressee>,
        (today, at): (NaiveDate, i64),
    ) {
        for item in &row.content.items {
            let known = states.get(&(row.debtor_id.clone(), item.item_id.clone()));
            row.before
                .entry(item.item_id.clone())
                .or_insert_with(|| known.cloned().unwrap_or_default());
        }
        let before = row.before.iter().map(|(id, state)| (id.as_str(), state));
        let after = record::sent(&row.procedure.id, today, &row.content, &before.collect());
        for (item_id, mut state) in after {
            state.done &= way != Way::ByHand;
            self.states
                .push((row.debtor_id.clone(), item_id.to_owned(), state));
        }
        row.notice_date = today;
        row.hold = 0;
        row.wait = 0;
        row.state = NoticeState::Sent;
        row.sent_at = Some(at);
        let phone = row.content.channel.channel == Channel::Phone;
        if !phone {
            self.contacts.push(SentContact {
                debtor_id: row.debtor_id.clone(),
                notice_id: row.notice_id.clone(),
                on: today,
                channel: row.content.channel.channel,
            });
        }
        let task = |kind, due| notice_task(kind, row, addressee, due, at);
        match way {
            Way::Sent => self.commands.push(contact(row, today)),
            Way::ByHand if phone => self.tasks.push(task(TaskKind::Call, today)),
            Way::ByHand => self.tasks.push(task(TaskKind::SendByHand, today)),
            Way::Unknown => {
                self.tasks.push(task(TaskKind::UncertainDelivery, today));
                row.state = NoticeState::Uncertain;
                row.sent_at = None;
                "OUTCOME_UNKNOWN".clone_into(&mut row.reason);
                return;
            }
        }
        self.follow_up(row, addressee, at);
    }

    /// What the step asks for beside the notice.
    pub(crate) fn follow_up(&mut self, row: &NoticeRow, addressee: Option<&Addressee>, at: i64) {
        let content = &row.content;
        let kind = match content.follow_up {
            FollowUp::CallTask if content.channel.channel != Channel::Phone => TaskKind::Call,
            FollowUp::Handover => TaskKind::Handover,
            FollowUp::CreditHold => {
                self.commands.push(command(
                    row,
                    "hold",
                    Order::SetCreditHold {
                        notice_id: row.notice_id.clone(),
                    },
                ));
                return;
            }
            FollowUp::CallTask | FollowUp::None | FollowUp::End => return,
        };
        let due = content.follow_up_on;
        self.tasks.push(notice_task(kind, row, addressee, due, at));
    }

    /// A notice never reached the debtor after all: its items are as before. Nothing changes of one that never left.
    pub(crate) fn take_back(&mut self, row: &mut NoticeRow, states: &States) {
        if row.before.is_empty() {
            return;
        }
        self.no_contacts
            .push((row.debtor_id.clone(), row.notice_id.clone()));
        for item in &row.content.items {
            let key = (row.debtor_id.clone(), item.item_id.clone());
            // A later notice has moved it on: then that stands.
            let ours = states
                .get(&key)
                .is_some_and(|state| (state.cycle, state.level) == (item.cycle, item.level));
            if let Some(before) = row.before.get(&item.item_id).filter(|_| ours) {
                self.states.push((key.0, key.1, before.clone()));
            }
        }
        row.before.clear();
        row.sent_at = None;
        row.reason.clear();
    }

    /// A channel refused a notice for good. Only where the address is at fault is the registry told so; what our own guard
    /// held back goes no other way either.
    pub(crate) fn refused(
        &mut self,
        row: &mut NoticeRow,
        attempt: &Attempt,
        cause: Refusal,
        (states, addressee): (&States, Option<&Addressee>),
        at: i64,
    ) {
        match cause {
            Refusal::Address => self.came_back(row, attempt, Some(Outcome::Bounced)),
            Refusal::Message => self.came_back(row, attempt, None),
            Refusal::Guard => {
                self.take_back(row, states);
                let task = fail(row, addressee, "HELD_BACK".to_owned(), at);
                self.tasks.push(task);
            }
        }
    }

    /// A contact point did not take a notice: the registry is told what became of it, and the notice goes another way.
    pub(crate) fn came_back(
        &mut self,
        row: &mut NoticeRow,
        attempt: &Attempt,
        outcome: Option<Outcome>,
    ) {
        if let Some(outcome) = outcome.filter(|_| attempt.contact_version > 0) {
            self.commands.push(reported(row, attempt, outcome));
        }
        row.tried.push(attempt.contact_point_id.clone());
        row.state = NoticeState::Released;
        row.hold = 0;
        row.wait = 0;
    }
}

/// Counts notices that came into their state.
pub(crate) fn count_entered(tx: &mut WriteTx, notices: &[NoticeRow]) {
    let mut by_state: BTreeMap<&'static str, usize> = BTreeMap::new();
    for row in notices {
        *by_state.entry(notice::state_name(row.state)).or_default() += 1;
    }
    for (state, number) in by_state {
        let label = vec![KeyValue::new(names::STATE, state)];
        tx.count(names::NOTICES, number, label);
    }
}

/// A command that a notice causes, under an id of its own.
pub(crate) fn command(row: &NoticeRow, what: &str, order: Order) -> Command {
    Command {
        creditor_id: row.creditor_id.clone(),
        command_id: format!("{}.{what}", row.notice_id),
        debtor_id: row.debtor_id.clone(),
        order,
        attempts: 0,
    }
}

/// The contact that a notice was.
pub(crate) fn contact(row: &NoticeRow, on: NaiveDate) -> Command {
    let contact_id = match row.attempt {
        ..=1 => row.notice_id.clone(),
        attempt => format!("{}.{attempt}", row.notice_id),
    };
    let order = Order::RecordContact {
        contact_id,
        channel: row.content.channel.channel,
        on,
        notice_id: row.notice_id.clone(),
    };
    command(row, &format!("{}.contact", row.attempt), order)
}

/// What became of the message of a try.
pub(crate) fn reported(row: &NoticeRow, attempt: &Attempt, outcome: Outcome) -> Command {
    let order = Order::ReportContactOutcome {
        contact_point_id: attempt.contact_point_id.clone(),
        version: attempt.contact_version,
        outcome,
    };
    let what = match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Bounced | Outcome::Moved => "bounced",
    };
    command(row, &format!("{}.{what}", attempt.attempt), order)
}

/// What a task of a notice is there for.
pub(crate) fn notice_slot(kind: TaskKind, notice_id: &str) -> String {
    format!("{}:{notice_id}", task::kind_name(kind))
}

/// A task about a notice.
pub(crate) fn notice_task(
    kind: TaskKind,
    row: &NoticeRow,
    addressee: Option<&Addressee>,
    due_date: NaiveDate,
    at: i64,
) -> TaskRow {
    let slot = notice_slot(kind, &row.notice_id);
    let dunned = row.content.items.iter().map(|it| it.amounts.dunned);
    TaskRow {
        creditor_id: row.creditor_id.clone(),
        task_id: derived_id(&[&slot, &row.attempt.to_string()]),
        slot,
        kind,
        debtor_id: row.debtor_id.clone(),
        part: row.part,
        notice_id: row.notice_id.clone(),
        portfolio: addressee.map_or_else(String::new, |it| it.portfolio.clone()),
        due_date,
        priority: priority(
            std::iter::once(dunned.sum()),
            addressee.and_then(|it| it.pd_ppm),
        ),
        item_ids: first_items(row.content.items.iter().map(|it| it.item_id.as_str())),
        reference: String::new(),
        claimed_by: String::new(),
        claimed_until: None,
        outcome: None,
        note: String::new(),
        created_at: at,
        version: 1,
    }
}

/// The items of notices, by debtor.
pub(crate) fn items_of(rows: &[NoticeRow]) -> Vec<(&str, &str)> {
    rows.iter()
        .flat_map(|row| {
            let items = row.content.items.iter();
            items.map(|it| (row.debtor_id.as_str(), it.item_id.as_str()))
        })
        .collect()
}

/// Completes the open task of a slot, if there is one.
pub(crate) async fn complete_slot(
    tx: &mut WriteTx,
    creditor_id: &str,
    slot: &str,
    outcome: TaskOutcome,
) -> Result<()> {
    if let Some(mut task) = task::open(tx, creditor_id, slot).await? {
        task.outcome = Some(outcome);
        task::update(tx, &mut task).await?;
        tx.append(vec![task_event(&task, "completed")])?;
    }
    Ok(())
}

impl App {
    /// Stores what became of a sent notice, or of one of which nobody knew.
    ///
    /// # Errors
    /// `NotFound`, or `WRONG_STATE` if it is not in a state that this can become of.
    pub async fn report_delivery(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        notice_id: &str,
        outcome: DeliveryOutcome,
    ) -> Result<Written<NoticeRow>> {
        let known = notice::get(self.publisher.db(), creditor_id, notice_id).await?;
        let debtor_id = known
            .ok_or_else(|| not_found("notice", notice_id))?
            .debtor_id;
        let begun = self
            .publisher
            .begin_once(
                call,
                "ReportDelivery",
                creditor_id,
                request_id,
                &(notice_id, i32::from(outcome)),
                Locks::debtor(creditor_id, &debtor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let row = self
            .delivered(&mut once, creditor_id, notice_id, outcome)
            .await?;
        self.finish(once, row).await
    }

    /// The effect of a report, in a transaction that holds the debtor's lock.
    pub(crate) async fn delivered(
        &self,
        tx: &mut WriteTx,
        creditor_id: &str,
        notice_id: &str,
        outcome: DeliveryOutcome,
    ) -> Result<NoticeRow> {
        let row = notice::get(tx, creditor_id, notice_id).await?;
        let row = row.ok_or_else(|| not_found("notice", notice_id))?;
        let attempts = delivery::last_attempts(tx, creditor_id, &[notice_id]).await?;
        let mut attempt = attempts
            .get(notice_id)
            .cloned()
            .ok_or_else(|| wrong_state("the notice was never sent"))?;
        let mut rows = [row];
        let states = state::states(tx, creditor_id, &items_of(&rows)).await?;
        let [row] = &mut rows;
        let mut effects = Effects::default();
        let at = tx.recorded_at();
        attempt.ended_at = Some(at);
        let uncertain = notice_slot(TaskKind::UncertainDelivery, notice_id);
        match (row.state, outcome) {
            (NoticeState::Sent, DeliveryOutcome::Delivered) => {
                "DELIVERED".clone_into(&mut attempt.outcome);
                if attempt.contact_version > 0 {
                    let command = reported(row, &attempt, Outcome::Delivered);
                    effects.commands.push(command);
                }
            }
            (NoticeState::Sent, DeliveryOutcome::Bounced | DeliveryOutcome::Moved) => {
                let outcome = match outcome {
                    DeliveryOutcome::Moved => Outcome::Moved,
                    _ => Outcome::Bounced,
                };
                "BOUNCED".clone_into(&mut attempt.outcome);
                effects.came_back(row, &attempt, Some(outcome));
                run::resume(tx, creditor_id, &row.run_id).await?;
                let by_hand = notice_slot(TaskKind::SendByHand, notice_id);
                complete_slot(tx, creditor_id, &by_hand, TaskOutcome::WrongContact).await?;
            }
            (NoticeState::Uncertain, DeliveryOutcome::WasSent) => {
                "SENT".clone_into(&mut attempt.outcome);
                let addressee = self.addressee(tx, creditor_id, &row.debtor_id).await?;
                row.state = NoticeState::Sent;
                row.sent_at = Some(at);
                row.reason.clear();
                effects.commands.push(contact(row, row.notice_date));
                effects.follow_up(row, addressee.as_ref(), at);
                complete_slot(tx, creditor_id, &uncertain, TaskOutcome::Done).await?;
            }
            (NoticeState::Uncertain, DeliveryOutcome::WasNotSent) => {
                "NOT_SENT".clone_into(&mut attempt.outcome);
                effects.take_back(row, &states);
                row.state = NoticeState::Released;
                run::resume(tx, creditor_id, &row.run_id).await?;
                complete_slot(tx, creditor_id, &uncertain, TaskOutcome::Done).await?;
            }
            _ => return Err(wrong_state("this cannot become of the notice as it stands")),
        }
        effects.attempts.push(attempt);
        effects
            .store(tx, creditor_id, &mut rows, |row| match row.state {
                NoticeState::Released => "returned",
                _ => "delivered",
            })
            .await?;
        let [row] = rows;
        Ok(row)
    }

    /// Who a debtor is; `None` if it is parked.
    pub(crate) async fn addressee(
        &self,
        tx: &WriteTx,
        creditor_id: &str,
        debtor_id: &str,
    ) -> Result<Option<Addressee>> {
        let Some(facts) = inputs::creditor(tx, creditor_id).await? else {
            return Ok(None);
        };
        let found = inputs::load(tx, &facts, &[debtor_id.to_owned()]).await?;
        Ok(found.into_iter().next().map(|subject| subject.addressee))
    }
}
