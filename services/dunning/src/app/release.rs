//! After a release notices are rendered, after a cancellation they are taken off; in steps.

use dunning_core::Input;
use mahnwerk_feed::{Locks, WriteTx};
use mahnwerk_proto::dunning::v1::{NoticeState, TaskKind};
use mahnwerk_runtime::error::Result;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    App,
    deliver::{count_entered, notice_task},
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
    /// The next notices of a run that are still proposed, with their debtors locked, and whether there may be more; `None`
    /// if somebody else has done the piece.
    async fn take_proposed(
        &self,
        run: &RunRow,
        chunk: &Chunk,
        lease: i64,
    ) -> Result<Option<(WriteTx, Vec<NoticeRow>, bool)>> {
        let creditor_id = run.creditor_id.as_str();
        let (of_run, parts) = ((creditor_id, &*run.run_id), (chunk.first, chunk.last));
        // One more than there is room for tells whether there are more.
        let db = self.publisher.db();
        let mut found = notice::proposed(db, of_run, parts, STEP + 1).await?;
        let more = found.len() as u64 > STEP;
        if more {
            found.pop();
        }
        let locks = Locks::debtors(creditor_id, found.iter().map(|(_, debtor_id)| &**debtor_id));
        let tx = WriteTx::begin(&self.publisher, locks, internal("runs")).await?;
        let step = Step {
            to: chunk.at.clone(),
            done: !more,
            ..Step::default()
        };
        if !run::advance(&tx, run, chunk, &step, lease).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        let ids: Vec<&str> = found.iter().map(|(notice_id, _)| &**notice_id).collect();
        let mut rows = notice::get_many(&tx, creditor_id, &ids).await?;
        rows.retain(|row| row.state == NoticeState::Proposed);
        Ok(Some((tx, rows, more)))
    }

    /// Takes the next notices of a cancelled run off; answers whether there may be more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn exclude_step(&self, run: &RunRow, chunk: &Chunk, lease: i64) -> Result<bool> {
        let Some((mut tx, mut rows, more)) = self.take_proposed(run, chunk, lease).await? else {
            return Ok(false);
        };
        for row in &mut rows {
            row.state = NoticeState::Excluded;
        }
        notice::update_states(&tx, &mut rows).await?;
        count_entered(&mut tx, &rows);
        tx.commit().await?;
        Ok(more)
    }

    /// Renders the next notices of a released run; answers whether there may be more. One that cannot be rendered fails,
    /// with a task; one whose debtor is parked is rendered when it is sent.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn render_step(&self, run: &RunRow, chunk: &Chunk, lease: i64) -> Result<bool> {
        let Some((mut tx, mut rows, more)) = self.take_proposed(run, chunk, lease).await? else {
            return Ok(false);
        };
        let creditor_id = run.creditor_id.as_str();
        let debtors: BTreeSet<&str> = rows.iter().map(|row| row.debtor_id.as_str()).collect();
        let debtors: Vec<&str> = debtors.into_iter().collect();
        let seen = run::inputs(&tx, creditor_id, &run.run_id, &debtors).await?;
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
                .map(|seen| from_json(seen))
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
        notice::update_states(&tx, &mut rows).await?;
        count_entered(&mut tx, &rows);
        notice::set_texts(&tx, creditor_id, &texts).await?;
        let tasks = task::put(&tx, &tasks).await?;
        let released = rows.iter().map(|row| match row.state {
            NoticeState::Failed => notice_event(row, "failed"),
            _ => notice_event(row, "released"),
        });
        tx.append(released.collect())?;
        tx.append(tasks.iter().map(|it| task_event(it, "stated")).collect())?;
        tx.commit().await?;
        Ok(more)
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
