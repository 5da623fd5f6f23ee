//! After a release notices are rendered, after a cancellation they are taken off; in steps.

use dunning_core::Input;
use mahnwerk_feed::{Locks, WriteTx};
use mahnwerk_proto::dunning::v1::{NoticeState, TaskKind};
use mahnwerk_runtime::error::Result;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    App,
    deliver::notice_task,
    inputs::{self, Addressee, Subject},
    letter::{self, Paper},
    propose::STEP,
    run::{internal, notice_event, task_event},
};
use crate::storage::{
    notice::{self, NoticeRow},
    run::{self, Chunk, RunRow, Step, from_json},
    settings, task,
};

impl App {
    /// Notices of a run that are still proposed, with their debtors locked; `None` if there are none, and the partition
    /// is done then.
    async fn take_proposed(
        &self,
        run: &RunRow,
        chunk: &Chunk,
        lease: i64,
    ) -> Result<Option<(WriteTx, Vec<NoticeRow>)>> {
        let creditor_id = run.creditor_id.as_str();
        let db = self.publisher.db();
        let found = notice::of_run(db, creditor_id, &run.run_id, chunk.part, STEP).await?;
        let locks = if found.is_empty() {
            Locks::debtor(creditor_id, "-")
        } else {
            Locks::debtors(creditor_id, found.iter().map(|row| row.debtor_id.as_str()))
        };
        let tx = WriteTx::begin(&self.publisher, locks, internal("runs")).await?;
        let step = Step {
            to: chunk.next_debtor.clone(),
            done: found.is_empty(),
            ..Step::default()
        };
        if !run::advance(&tx, run, chunk, &step, lease).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        if found.is_empty() {
            tx.commit().await?;
            return Ok(None);
        }
        let ids: Vec<&str> = found.iter().map(|row| row.notice_id.as_str()).collect();
        let mut rows = notice::get_many(&tx, creditor_id, &ids).await?;
        rows.retain(|row| row.state == NoticeState::Proposed);
        Ok(Some((tx, rows)))
    }

    /// Takes the next notices of a cancelled run off; answers whether there may be more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn exclude_step(&self, run: &RunRow, chunk: &Chunk, lease: i64) -> Result<bool> {
        let Some((tx, mut rows)) = self.take_proposed(run, chunk, lease).await? else {
            return Ok(false);
        };
        for row in &mut rows {
            row.state = NoticeState::Excluded;
        }
        notice::update(&tx, &mut rows).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Renders the next notices of a released run; answers whether there may be more. One that cannot be rendered fails,
    /// with a task; one whose debtor is parked is rendered when it is sent.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn render_step(&self, run: &RunRow, chunk: &Chunk, lease: i64) -> Result<bool> {
        let Some((mut tx, mut rows)) = self.take_proposed(run, chunk, lease).await? else {
            return Ok(false);
        };
        let creditor_id = run.creditor_id.as_str();
        let debtors: BTreeSet<&str> = rows.iter().map(|row| row.debtor_id.as_str()).collect();
        let debtors: Vec<&str> = debtors.into_iter().collect();
        let seen = run::debtor(&tx, creditor_id, &run.run_id, &debtors).await?;
        let debtor_ids: Vec<String> = debtors.iter().map(|it| (*it).to_owned()).collect();
        let subjects = by_debtor(inputs::load(&tx, &run.facts, &debtor_ids).await?);
        let settings = settings::get(&tx, creditor_id).await?;
        let (mut texts, mut tasks) = (Vec::new(), Vec::new());
        for row in &mut rows {
            row.state = NoticeState::Released;
            let Some(subject) = subjects.get(&row.debtor_id) else {
                continue;
            };
            let input: Option<Input> = seen
                .get(&row.debtor_id)
                .map(|seen| from_json(&seen.input))
                .transpose()?;
            let paper = Paper {
                creditor_name: &run.facts.display_name,
                settings: &settings,
                addressee: &subject.addressee,
                input: input.as_ref().unwrap_or(&subject.input),
            };
            match letter::render(&paper, row) {
                Ok(text) => texts.push((row.notice_id.clone(), text)),
                Err(reason) => tasks.push(fail(
                    row,
                    Some(&subject.addressee),
                    reason,
                    tx.recorded_at(),
                )),
            }
        }
        notice::update(&tx, &mut rows).await?;
        notice::set_texts(&tx, creditor_id, &texts).await?;
        let tasks = task::put(&tx, &tasks).await?;
        let released = rows.iter().map(|row| match row.state {
            NoticeState::Failed => notice_event(row, "failed"),
            _ => notice_event(row, "released"),
        });
        tx.append(released.collect())?;
        tx.append(tasks.iter().map(|it| task_event(it, "stated")).collect())?;
        tx.commit().await?;
        Ok(true)
    }
}

/// A notice that no letter can be made of, or that no channel takes: a person is asked.
pub(crate) fn fail(
    row: &mut NoticeRow,
    addressee: Option<&Addressee>,
    reason: String,
    at: i64,
) -> task::TaskRow {
    row.state = NoticeState::Failed;
    row.reason = reason;
    let mut task = notice_task(
        TaskKind::FailedDelivery,
        row,
        addressee,
        row.notice_date,
        at,
    );
    task.reference.clone_from(&row.reason);
    task
}

/// Subjects by debtor.
pub(crate) fn by_debtor(subjects: Vec<Subject>) -> BTreeMap<String, Subject> {
    let subjects = subjects.into_iter();
    subjects.map(|it| (it.debtor_id.clone(), it)).collect()
}
