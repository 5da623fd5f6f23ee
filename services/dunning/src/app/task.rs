//! Tasks: listed, claimed and completed; the outcome acts.

use dunning_core::input::Channel;
use mahnwerk_feed::{Begun, Locks, OnceTx, Written};
use mahnwerk_proto::dunning::v1::{NoticeState, TaskKind, TaskOutcome};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result, Violation},
};
use tokio::time::Instant;

use super::{
    App,
    deliver::{Effects, contact, items_of, notice_slot, reported},
    inputs, not_found,
    outbox::Outcome,
    run::{task_event, wrong_state},
};
use crate::storage::{
    delivery::{self, Attempt},
    notice, run,
    state::{self, SentContact},
    task::{self, After, Filter, TaskRow},
};

/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;

impl App {
    /// Tasks by priority, then age, after one.
    ///
    /// # Errors
    /// `NotFound` for the creditor, or those of the freshness wait.
    pub async fn tasks(
        &self,
        filter: Filter<'_>,
        after: Option<After<'_>>,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Vec<TaskRow>> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        self.require_creditor(db, filter.creditor_id).await?;
        task::list(db, filter, after, limit).await
    }

    /// Claims a task for the caller.
    ///
    /// # Errors
    /// `NotFound`, or `WRONG_STATE` if it is completed, or claimed by somebody else.
    pub async fn claim_task(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        task_id: &str,
        minutes: i64,
    ) -> Result<Written<TaskRow>> {
        let command = (task_id, minutes);
        let begun = self.begin_on_task(
            call,
            "ClaimTask",
            request_id,
            creditor_id,
            task_id,
            &command,
        );
        let (mut once, mut row) = match begun.await? {
            Ok(fresh) => fresh,
            Err(written) => return Ok(written),
        };
        row.claimed_by.clone_from(&call.principal);
        row.claimed_until = Some(
            once.recorded_at()
                .saturating_add(minutes.saturating_mul(MINUTE)),
        );
        task::update(&*once, &mut row).await?;
        once.append(vec![task_event(&row, "claimed")])?;
        once.finish(row).await
    }

    /// Completes a task; the outcome acts.
    ///
    /// # Errors
    /// `NotFound`, `WRONG_STATE` if it is completed, or claimed by somebody else, `Invalid` if a task of its kind cannot
    /// have the outcome.
    pub async fn complete_task(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        task_id: &str,
        outcome: TaskOutcome,
        note: &str,
    ) -> Result<Written<TaskRow>> {
        let command = (task_id, i32::from(outcome), note);
        let begun = self.begin_on_task(
            call,
            "CompleteTask",
            request_id,
            creditor_id,
            task_id,
            &command,
        );
        let (mut once, mut row) = match begun.await? {
            Ok(fresh) => fresh,
            Err(written) => return Ok(written),
        };
        if !may_end(row.kind, outcome) {
            let violation = Violation::new("outcome", "a task of this kind cannot have it");
            return Err(Error::Invalid(vec![violation]));
        }
        row.outcome = Some(outcome);
        note.clone_into(&mut row.note);
        row.claimed_until = None;
        task::update(&*once, &mut row).await?;
        once.append(vec![task_event(&row, "completed")])?;
        if matches!(row.kind, TaskKind::Call | TaskKind::SendByHand) {
            self.made(&mut once, &row, outcome).await?;
        }
        self.finish(once, row).await
    }

    async fn begin_on_task<C: serde::Serialize>(
        &self,
        call: &Call,
        method: &'static str,
        request_id: &str,
        creditor_id: &str,
        task_id: &str,
        command: &C,
    ) -> Result<Result<(Box<OnceTx>, TaskRow), Written<TaskRow>>> {
        let known = task::get(self.publisher.db(), creditor_id, task_id).await?;
        let known = known.ok_or_else(|| not_found("task", task_id))?;
        let locks = Locks::debtor(creditor_id, &known.debtor_id);
        let begun =
            self.publisher
                .begin_once(call, method, creditor_id, request_id, command, locks);
        let once = match begun.await? {
            Begun::Replayed(written) => return Ok(Err(written)),
            Begun::Fresh(once) => once,
        };
        let row = task::get(&*once, creditor_id, task_id).await?;
        let row = row.ok_or_else(|| not_found("task", task_id))?;
        if row.outcome.is_some() {
            return Err(wrong_state("the task is completed"));
        }
        let claimed = row
            .claimed_until
            .is_some_and(|until| until > once.recorded_at());
        if claimed && row.claimed_by != call.principal {
            return Err(wrong_state("somebody else has claimed the task"));
        }
        Ok(Ok((once, row)))
    }

    /// A call was made or a letter brought to the debtor, or not.
    async fn made(&self, tx: &mut OnceTx, task: &TaskRow, outcome: TaskOutcome) -> Result<()> {
        let creditor_id = task.creditor_id.as_str();
        let Some(row) = notice::get(&**tx, creditor_id, &task.notice_id).await? else {
            return Ok(());
        };
        if row.state != NoticeState::Sent {
            return Ok(());
        }
        let mut rows = [row];
        let states = state::states(&**tx, creditor_id, &items_of(&rows)).await?;
        let attempts = delivery::last_attempts(&**tx, creditor_id, &[&task.notice_id]).await?;
        let [row] = &mut rows;
        let phone = row.content.channel.channel == Channel::Phone;
        let whole = task.kind == TaskKind::SendByHand || phone;
        let facts = inputs::creditor(&**tx, creditor_id).await?;
        let today = facts.as_ref().and_then(|facts| facts.business_date);
        let today = today.unwrap_or(row.notice_date);
        // A letter that a call follows is dealt with when both are.
        let other = match task.kind {
            TaskKind::SendByHand => TaskKind::Call,
            _ => TaskKind::SendByHand,
        };
        let other = notice_slot(other, &task.notice_id);
        let is_last = task::open(&**tx, creditor_id, &other).await?.is_none();
        let mut effects = Effects::default();
        let attempt = attempts.get(&task.notice_id);
        match (outcome, attempt) {
            (TaskOutcome::WrongContact, Some(attempt)) if whole => {
                effects.came_back(row, attempt, Some(Outcome::Bounced));
                run::resume(&**tx, creditor_id, &row.run_id).await?;
            }
            (TaskOutcome::Dismissed, _) if whole => {
                effects.take_back(row, &states);
                row.state = NoticeState::Withdrawn;
                "DISMISSED".clone_into(&mut row.reason);
            }
            _ => {
                for item in row.content.items.iter().filter(|_| is_last) {
                    let key = (row.debtor_id.clone(), item.item_id.clone());
                    let state = states.get(&key).filter(|state| {
                        (state.cycle, state.level) == (item.cycle, item.level) && !state.done
                    });
                    if let Some(state) = state.cloned() {
                        let state = dunning_core::input::DunningState {
                            done: true,
                            ..state
                        };
                        effects.states.push((key.0, key.1, state));
                    }
                }
                let spoke = !matches!(outcome, TaskOutcome::WrongContact | TaskOutcome::Dismissed);
                if spoke && whole {
                    effects.commands.push(contact(row, today));
                    effects.contacts.push(SentContact {
                        debtor_id: row.debtor_id.clone(),
                        notice_id: row.notice_id.clone(),
                        on: today,
                        channel: row.content.channel.channel,
                    });
                }
                if outcome == TaskOutcome::WrongContact
                    && let Some(phone) = self.phone(tx, creditor_id, &row.debtor_id).await?
                {
                    let report = reported(row, &phone, Outcome::Bounced);
                    effects.commands.push(report);
                }
            }
        }
        effects
            .store(tx, creditor_id, &mut rows, |row| match row.state {
                NoticeState::Released => "returned",
                NoticeState::Withdrawn => "withdrawn",
                _ => "made",
            })
            .await
    }

    /// The number that a follow-up call went to, as if it were a try of its own.
    async fn phone(
        &self,
        tx: &OnceTx,
        creditor_id: &str,
        debtor_id: &str,
    ) -> Result<Option<Attempt>> {
        let addressee = self.addressee(tx, creditor_id, debtor_id).await?;
        let points = addressee.map(|it| it.contact_points).unwrap_or_default();
        let point = points.into_iter().find(|it| it.channel == Channel::Phone);
        Ok(point.map(|point| Attempt {
            notice_id: String::new(),
            // No try has this number: the command's id is the call's.
            attempt: 0,
            channel: Channel::Phone.name().to_owned(),
            contact_point_id: point.id,
            contact_version: point.version,
            message_id: String::new(),
            outcome: String::new(),
            reason: String::new(),
            begun_at: 0,
            ended_at: None,
        }))
    }
}

/// Whether a task of a kind can have an outcome.
fn may_end(kind: TaskKind, outcome: TaskOutcome) -> bool {
    match outcome {
        TaskOutcome::Unspecified => false,
        TaskOutcome::Done | TaskOutcome::Dismissed => true,
        TaskOutcome::WrongContact => matches!(kind, TaskKind::Call | TaskKind::SendByHand),
        TaskOutcome::Reached
        | TaskOutcome::NotReached
        | TaskOutcome::Promised
        | TaskOutcome::Disputed => matches!(kind, TaskKind::Call | TaskKind::BrokenPromise),
    }
}
