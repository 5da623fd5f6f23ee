//! Proposing: debtors are evaluated in steps, each one transaction with the place up to which the piece is done.

use std::collections::{BTreeMap, BTreeSet};

use dunning_core::{
    Plan,
    plan::{self, Reason},
};
use mahnwerk_feed::{Locks, WriteTx, partition};
use mahnwerk_proto::{
    common::v1::ErrorReason,
    dunning::v1::{NoticeState, RunState, TaskKind},
};
use mahnwerk_runtime::error::{Error, Result};
use sha2::{Digest, Sha256};

use super::{
    App,
    deliver::count_entered,
    inputs::{self, Configuration, Subject},
    letter::written_in,
    run::{internal, task_event},
};
use crate::storage::{
    facts,
    notice::{self, Held, NoticeRow},
    run::{self, Chunk, DebtorRow, Piece, RunRow, Step, to_json},
    task::{self, TaskRow},
};

/// Most debtors of a step: what one transaction may lock.
pub const STEP: u64 = mahnwerk_feed::locks::MAX_DEBTORS as u64;

/// Most items of a step, unless a single debtor has more: what one transaction holds in memory.
const STEP_ITEMS: i64 = 10_000;

/// Most items named by a task.
const TASK_ITEMS: usize = 100;

/// Probability of default of a debtor without a score, in parts per million: nobody knows.
const UNKNOWN_PD_PPM: i64 = 500_000;

/// A key derived from what it is for, so that doing it again gives the same: 32 hexadecimal digits.
#[must_use]
pub fn derived_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What acting now is worth: the open amount at risk, of the currency with the highest.
#[must_use]
pub fn priority(amounts: impl Iterator<Item = i64>, pd_ppm: Option<i64>) -> i64 {
    let pd = i128::from(pd_ppm.unwrap_or(UNKNOWN_PD_PPM).clamp(0, 1_000_000));
    let worth = amounts.map(|minor| i128::from(minor.max(0)) * pd / 1_000_000);
    i64::try_from(worth.max().unwrap_or(0)).unwrap_or(i64::MAX)
}

fn is_expired(error: &Error) -> bool {
    let expired = ErrorReason::TokenExpired;
    matches!(error, Error::Precondition { reason, .. } if *reason == expired)
}

/// What a step stores.
#[derive(Default)]
struct Proposal {
    debtors: Vec<DebtorRow>,
    notices: Vec<NoticeRow>,
    tasks: Vec<TaskRow>,
    reasons: BTreeMap<&'static str, i64>,
    stale: bool,
}

impl App {
    /// Whether everything that was known of the registry when the run was proposed has come by every path, and nothing of
    /// an earlier run stands in its way.
    async fn day_is_complete(&self, run: &RunRow) -> Result<bool> {
        let db = self.publisher.db();
        if run::has_unswept(db, &run.creditor_id).await? {
            return Ok(false);
        }
        // What scoring and segmentation made of the day comes later than the day itself.
        match self.freshness.has_all(&run.waits_for).await {
            Err(error) if is_expired(&error) => self.wait_anew(run).await,
            result => result,
        }
    }

    /// The registry's history is another one since the run was proposed: what is known of that one is waited for.
    async fn wait_anew(&self, run: &RunRow) -> Result<bool> {
        if let Some(waits_for) = self.freshness.latest("registry").await? {
            let mut row = RunRow {
                waits_for,
                ..run.clone()
            };
            run::update(self.publisher.db(), &mut row).await?;
        }
        Ok(false)
    }

    /// Lays a run's pieces out once its day is complete; answers whether it did.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_run(&self, run: &RunRow) -> Result<bool> {
        if !self.day_is_complete(run).await? {
            return Ok(false);
        }
        let locks = Locks::creditor(&run.creditor_id);
        let tx = WriteTx::begin(&self.publisher, locks, internal("runs")).await?;
        let row = run::get(&tx, &run.creditor_id, &run.run_id).await?;
        let Some(mut row) = row.filter(|row| row.state == RunState::Proposing && !row.opened)
        else {
            tx.rollback().await?;
            return Ok(false);
        };
        let debtors = run::owing_by_part(&tx, &row.creditor_id).await?;
        run::open_chunks(&tx, &row, &pieces(&debtors)).await?;
        row.opened = true;
        run::update(&tx, &mut row).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Evaluates the next debtors of a piece; answers whether there may be more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn propose_step(
        &self,
        run: &RunRow,
        rules: &Configuration,
        chunk: &mut Chunk,
        lease: i64,
    ) -> Result<bool> {
        let creditor_id = run.creditor_id.as_str();
        let after = (chunk.at.0, chunk.at.1.as_str());
        // One more than there is room for tells whether there are more.
        let db = self.publisher.db();
        let mut found = facts::owing(db, creditor_id, chunk.last, after, STEP + 1).await?;
        let fitting = fitting(found.iter().map(|it| it.items));
        let done = fitting == found.len();
        found.truncate(fitting);
        let to = found.last().map(|it| (it.part, it.debtor_id.clone()));
        let debtor_ids: Vec<String> = found.into_iter().map(|it| it.debtor_id).collect();
        let locks = if debtor_ids.is_empty() {
            // The run cannot be cancelled meanwhile.
            Locks::debtor(creditor_id, "-")
        } else {
            Locks::debtors(creditor_id, debtor_ids.iter().map(String::as_str))
        };
        let mut tx = WriteTx::begin(&self.publisher, locks, internal("runs")).await?;
        let mut subjects = inputs::load(&tx, &run.facts, &debtor_ids).await?;
        inputs::add_under_way(&tx, creditor_id, &mut subjects, Held::ByAny).await?;
        let proposal = propose(run, rules, &subjects, tx.recorded_at())?;
        let evaluated = proposal.debtors.len();
        let step = Step {
            to: to.unwrap_or_else(|| chunk.at.clone()),
            done,
            evaluated: i64::try_from(evaluated).unwrap_or(0),
            parked: i64::try_from(debtor_ids.len().saturating_sub(evaluated)).unwrap_or(0),
            stale: proposal.stale,
        };
        if !run::advance(&tx, run, chunk, &step, lease).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        run::insert_debtors(&tx, run, &proposal.debtors).await?;
        run::add_reasons(&tx, run, chunk.first, &proposal.reasons).await?;
        notice::insert(&tx, &proposal.notices).await?;
        count_entered(&mut tx, &proposal.notices);
        let tasks = task::put(&tx, &proposal.tasks).await?;
        tx.append(tasks.iter().map(|it| task_event(it, "stated")).collect())?;
        tx.commit().await?;
        chunk.at = step.to;
        Ok(!step.done)
    }
}

/// The pieces of a run over all partitions, of which some have debtors to evaluate: as many adjacent ones as fit into one
/// step together.
fn pieces(debtors: &[(i64, i64)]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (part, debtors) in debtors {
        match pieces.last_mut() {
            Some(piece) if piece.debtors + debtors <= STEP.cast_signed() => {
                piece.debtors += debtors;
            }
            before => {
                // Those in between, where nobody owes anything yet, belong to the piece before.
                let first = before.map_or(0, |before| {
                    before.last = part - 1;
                    *part
                });
                pieces.push(Piece {
                    first,
                    last: mahnwerk_feed::PARTITIONS - 1,
                    debtors: *debtors,
                });
            }
        }
    }
    pieces
}

/// How many of the debtors with so many items fit into a step: at least one.
fn fitting(items: impl Iterator<Item = i64>) -> usize {
    let most = usize::try_from(STEP).unwrap_or(usize::MAX);
    let mut sum = 0;
    let fits = |items: &i64| {
        let first = sum == 0;
        sum += items;
        first || sum <= STEP_ITEMS
    };
    items.take(most).take_while(fits).count()
}

fn propose(run: &RunRow, rules: &Configuration, subjects: &[Subject], at: i64) -> Result<Proposal> {
    let mut proposal = Proposal::default();
    for subject in subjects {
        let plan = rules.evaluate(&subject.input)?;
        proposal.stale |= plan.stale_ledger;
        for finding in &plan.findings {
            *proposal.reasons.entry(finding.reason.name()).or_default() += 1;
        }
        let notices = plan.notices.iter();
        proposal
            .notices
            .extend(notices.map(|it| proposed(run, subject, &plan, it)));
        let tasks = plan.tasks.iter();
        proposal
            .tasks
            .extend(tasks.map(|it| planned(run, subject, &plan, it, at)));
        proposal.debtors.push(DebtorRow {
            debtor_id: subject.debtor_id.clone(),
            input: to_json(&subject.input)?,
            plan: to_json(&plan)?,
            reviewed: None,
        });
    }
    Ok(proposal)
}

fn proposed(run: &RunRow, subject: &Subject, plan: &Plan, content: &plan::Notice) -> NoticeRow {
    NoticeRow {
        creditor_id: run.creditor_id.clone(),
        notice_id: derived_id(&[&run.run_id, &subject.debtor_id, &content.key]),
        run_id: run.run_id.clone(),
        debtor_id: subject.debtor_id.clone(),
        part: subject.part,
        state: NoticeState::Proposed,
        content: content.clone(),
        procedure: plan.procedure.clone(),
        notice_date: plan.business_date,
        language: written_in(&subject.addressee.language).code().to_owned(),
        attempt: 0,
        message_id: String::new(),
        reason: String::new(),
        findings: Vec::new(),
        before: BTreeMap::new(),
        tried: Vec::new(),
        sent_at: None,
        version: 1,
        hold: 0,
        wait: 0,
    }
}

fn planned(run: &RunRow, subject: &Subject, plan: &Plan, it: &plan::Task, at: i64) -> TaskRow {
    let (kind, reason) = match it.kind {
        plan::TaskKind::ResearchContact => (TaskKind::ResearchContact, Reason::NoChannel),
        plan::TaskKind::DecideProcedureChange => {
            (TaskKind::DecideProcedureChange, Reason::ProcedureChanged)
        }
        plan::TaskKind::StatutoryNoticeMissing => (
            TaskKind::StatutoryNoticeMissing,
            Reason::StatutoryNoticeMissing,
        ),
        plan::TaskKind::SupplyRate => (TaskKind::SupplyRate, Reason::ChargesUnknown),
    };
    let decided = plan.findings.iter().find(|it| it.reason == reason);
    let slot = format!("{}:{}", task::kind_name(kind), subject.debtor_id);
    let amounts = it.amounts.iter().map(|(_, minor)| *minor);
    TaskRow {
        creditor_id: run.creditor_id.clone(),
        task_id: derived_id(&[&run.run_id, &slot]),
        slot,
        kind,
        debtor_id: subject.debtor_id.clone(),
        part: partition(&run.creditor_id, &subject.debtor_id),
        notice_id: String::new(),
        portfolio: subject.addressee.portfolio.clone(),
        due_date: plan.business_date,
        priority: priority(amounts, subject.addressee.pd_ppm),
        item_ids: first_items(it.items.iter().map(String::as_str)),
        reference: decided
            .and_then(|it| it.values.reference.clone())
            .unwrap_or_default(),
        claimed_by: String::new(),
        claimed_until: None,
        outcome: None,
        note: String::new(),
        created_at: at,
        version: 1,
    }
}

/// The items that a task names.
pub(crate) fn first_items<'i>(items: impl Iterator<Item = &'i str>) -> Vec<String> {
    let items: BTreeSet<&str> = items.collect();
    items
        .into_iter()
        .take(TASK_ITEMS)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(debtors: &[(i64, i64)]) -> Vec<(i64, i64, i64)> {
        let pieces = pieces(debtors).into_iter();
        pieces.map(|it| (it.first, it.last, it.debtors)).collect()
    }

    #[test]
    fn pieces_cover_all_partitions_and_fit_into_steps() {
        assert_eq!(laid_out(&[]), []);
        assert_eq!(laid_out(&[(17, 1)]), [(0, 63, 1)]);
        let many: Vec<_> = (0..64).map(|part| (part, 4)).collect();
        assert_eq!(laid_out(&many), [(0, 63, 256)]);
        assert_eq!(
            laid_out(&[(3, 200), (4, 56), (9, 1), (20, 900), (40, 255), (63, 1)]),
            [(0, 8, 256), (9, 19, 1), (20, 39, 900), (40, 63, 256)]
        );
    }

    #[test]
    fn a_step_is_bounded_by_debtors_and_by_items() {
        let most = usize::try_from(STEP).unwrap();
        assert_eq!(fitting(std::iter::repeat_n(1, 300)), most);
        assert_eq!(fitting([4_000, 6_000, 1].into_iter()), 2);
        assert_eq!(fitting([20_000, 1].into_iter()), 1);
        assert_eq!(fitting(std::iter::empty()), 0);
    }
}
