//! Proposing: debtors are evaluated in steps, each one transaction with the place up to which the partition is done.

use std::collections::{BTreeMap, BTreeSet};

use dunning_core::{
    Plan,
    plan::{self, Reason},
    record,
};
use mahnwerk_feed::{Locks, WriteTx, partition};
use mahnwerk_proto::dunning::v1::{NoticeState, RunState, TaskKind};
use mahnwerk_runtime::error::Result;
use sha2::{Digest, Sha256};

use super::{
    App,
    inputs::{self, Configuration, Subject},
    run::{internal, task_event},
};
use crate::storage::{
    notice::{self, NoticeRow},
    run::{self, Chunk, DebtorRow, RunRow, Step, to_json},
    task::{self, TaskRow},
};

/// Most debtors of a step: what one transaction may lock.
pub const STEP: u64 = mahnwerk_feed::locks::MAX_DEBTORS as u64;

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

/// Lets inputs see notices that are released and not sent yet as if they were sent today: what they dun is not proposed
/// again while they wait.
pub fn count_standing(subjects: &mut [Subject], standing: &[NoticeRow]) {
    let mut by_debtor: BTreeMap<&str, Vec<&NoticeRow>> = BTreeMap::new();
    for row in standing {
        by_debtor.entry(&row.debtor_id).or_default().push(row);
    }
    for subject in subjects {
        let Some(rows) = by_debtor.get(subject.debtor_id.as_str()) else {
            continue;
        };
        for row in rows {
            let today = subject.input.business_date;
            let before = subject.input.items.iter();
            let before = before.map(|item| (item.id.as_str(), &item.state)).collect();
            let states = record::sent(&row.procedure.id, today, &row.content, &before);
            let states: BTreeMap<String, _> = states
                .into_iter()
                .map(|(item_id, state)| (item_id.to_owned(), state))
                .collect();
            for item in &mut subject.input.items {
                if let Some(state) = states.get(&item.id) {
                    item.state = state.clone();
                    item.state.pay_by = item.state.pay_by.max(Some(today));
                }
            }
        }
    }
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
        Ok(run.waits_for.is_empty() || self.freshness.has_all(&run.waits_for).await?)
    }

    /// Lays a run's partitions out once its day is complete; answers whether it did.
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
        run::open_chunks(&tx, &row).await?;
        row.opened = true;
        run::update(&tx, &mut row).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Evaluates the next debtors of a partition; answers whether there may be more.
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
        let after = (chunk.part, chunk.next_debtor.as_str());
        let parts = [chunk.part];
        let found =
            inputs::candidates(self.publisher.db(), creditor_id, &parts, after, STEP).await?;
        let debtor_ids: Vec<String> = found.into_iter().map(|(_, debtor_id)| debtor_id).collect();
        let locks = Locks::debtors(creditor_id, debtor_ids.iter().map(String::as_str));
        let locks = if debtor_ids.is_empty() {
            // The run cannot be cancelled meanwhile.
            Locks::debtor(creditor_id, "-")
        } else {
            locks
        };
        let mut tx = WriteTx::begin(&self.publisher, locks, internal("runs")).await?;
        let mut subjects = inputs::load(&tx, &run.facts, &debtor_ids).await?;
        let standing = notice::standing(&tx, creditor_id, &debtor_ids).await?;
        count_standing(&mut subjects, &standing);
        let proposal = propose(run, rules, &subjects, tx.recorded_at())?;
        let evaluated = proposal.debtors.len();
        let step = Step {
            to: debtor_ids.last().unwrap_or(&chunk.next_debtor).clone(),
            done: (debtor_ids.len() as u64) < STEP,
            evaluated: i64::try_from(evaluated).unwrap_or(0),
            parked: i64::try_from(debtor_ids.len().saturating_sub(evaluated)).unwrap_or(0),
            stale: proposal.stale,
        };
        if !run::advance(&tx, run, chunk, &step, lease).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        run::insert_debtors(&tx, run, &proposal.debtors).await?;
        run::add_reasons(&tx, run, chunk.part, &proposal.reasons).await?;
        notice::insert(&tx, &proposal.notices).await?;
        let tasks = task::put(&tx, &proposal.tasks).await?;
        tx.append(tasks.iter().map(|it| task_event(it, "stated")).collect())?;
        tx.commit().await?;
        chunk.next_debtor = step.to;
        Ok(!step.done)
    }
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
        language: subject.addressee.language.clone(),
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
