//! Runs: proposing, releasing and cancelling them, and reading what they hold.

use chrono::NaiveDate;
use mahnwerk_feed::{Begun, Cause, Locks, NewEvent, OnceTx, WriteTx, Written};
use mahnwerk_proto::{
    common::v1::ErrorReason,
    dunning::v1::{NoticeState, RunState},
};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    App, check_etag, four_eyes, inputs, invalid, letter, no_business_day, not_found, not_ready,
};
use crate::{
    feed::{NOTICE, TASK},
    grpc::convert_notice::{notice_message, task_message},
    storage::{
        day_number,
        notice::{self, NoticeRow, Text},
        run::{self, Progress, RunRow},
        settings,
        task::TaskRow,
    },
};

/// Name of runs in the audit trail. They are not on the feed: nobody's state follows from them.
const RUN: &str = "run";

/// A run with its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// The creditor.
    pub creditor_id: String,
    /// The run.
    pub run_id: String,
    /// The business date it is for.
    pub business_date: NaiveDate,
    /// Number of the state on the wire.
    pub state: i32,
    /// Debtors to evaluate.
    pub debtors: i64,
    /// Debtors evaluated.
    pub evaluated: i64,
    /// Debtors left out.
    pub parked: i64,
    /// Whether a plan was marked as resting on a stale ledger.
    pub stale: bool,
    /// Notices by state, numbered as on the wire.
    pub notices: Vec<(i32, i64)>,
    /// Items by reason.
    pub reasons: Vec<(String, i64)>,
    /// Microseconds.
    pub created_at: i64,
    /// Who proposed it.
    pub principal: String,
    /// Who released it; empty before. Answers stored before this was kept do not tell.
    #[serde(default)]
    pub released_by: String,
    /// Grows with every change.
    pub version: i64,
}

impl RunView {
    fn of(row: &RunRow, progress: Progress) -> Self {
        Self {
            creditor_id: row.creditor_id.clone(),
            run_id: row.run_id.clone(),
            business_date: row.business_date,
            state: row.state.into(),
            debtors: progress.debtors,
            evaluated: progress.evaluated,
            parked: progress.parked,
            stale: progress.stale,
            notices: Vec::new(),
            reasons: Vec::new(),
            created_at: row.created_at,
            principal: row.principal.clone(),
            released_by: row.released_by.clone(),
            version: row.version,
        }
    }
}

/// The state does not allow it.
#[must_use]
pub fn wrong_state(message: &str) -> Error {
    Error::precondition(ErrorReason::WrongState, message)
}

/// The event of a notice that others are told of.
#[must_use]
pub fn notice_event(row: &NoticeRow, action: &'static str) -> NewEvent {
    NewEvent {
        creditor_id: row.creditor_id.clone(),
        debtor_id: row.debtor_id.clone(),
        entity: NOTICE,
        entity_id: row.notice_id.clone(),
        version: row.version,
        action,
        business_date: Some(day_number(row.notice_date)),
        state: NewEvent::encode(&notice_message(row, None)),
    }
}

/// The event of a task.
#[must_use]
pub fn task_event(row: &TaskRow, action: &'static str) -> NewEvent {
    NewEvent {
        creditor_id: row.creditor_id.clone(),
        debtor_id: row.debtor_id.clone(),
        entity: TASK,
        entity_id: row.task_id.clone(),
        version: row.version,
        action,
        business_date: None,
        state: NewEvent::encode(&task_message(row, false)),
    }
}

fn run_event(row: &RunRow, action: &'static str) -> NewEvent {
    NewEvent {
        creditor_id: row.creditor_id.clone(),
        debtor_id: String::new(),
        entity: RUN,
        entity_id: row.run_id.clone(),
        version: row.version,
        action,
        business_date: Some(day_number(row.business_date)),
        state: None,
    }
}

impl App {
    /// Proposes a run for the creditor's business date; the background evaluates.
    ///
    /// # Errors
    /// `NotFound`, `PROJECTION_NOT_READY`, `NO_BUSINESS_DAY`, `Invalid` for another date, `WRONG_STATE` if another run is not released yet.
    pub async fn propose_run(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        business_date: Option<NaiveDate>,
    ) -> Result<Written<RunView>> {
        let command = (creditor_id, business_date);
        let waits_for = self.freshness.latest("registry").await?;
        let waits_for = waits_for.ok_or_else(not_ready)?;
        let locks = Locks::creditor(creditor_id);
        let begun =
            self.publisher
                .begin_once(call, "ProposeRun", creditor_id, request_id, &command, locks);
        let mut once = match begun.await? {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let facts = self.creditor(&*once, creditor_id).await?;
        let today = facts.business_date.ok_or_else(no_business_day)?;
        if business_date.is_some_and(|date| date != today) {
            return Err(invalid(
                "business_date",
                "must be the current business date",
            ));
        }
        if run::has_unreleased(&*once, creditor_id).await? {
            return Err(wrong_state("another run of the creditor is not released"));
        }
        let row = RunRow {
            creditor_id: creditor_id.to_owned(),
            run_id: once.new_id(),
            business_date: today,
            state: RunState::Proposing,
            working: true,
            opened: false,
            waits_for,
            facts,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            principal: call.principal.clone(),
            released_by: String::new(),
            created_at: once.recorded_at(),
            version: 1,
        };
        run::insert(&*once, &row).await?;
        once.append(vec![run_event(&row, "proposed")])?;
        let view = RunView::of(&row, Progress::default());
        self.finish(once, view).await
    }

    /// A run with its counts.
    ///
    /// # Errors
    /// `NotFound`, or those of the freshness wait.
    pub async fn run(
        &self,
        creditor_id: &str,
        run_id: &str,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<RunView> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        let row = run::get(db, creditor_id, run_id).await?;
        let row = row.ok_or_else(|| not_found("run", run_id))?;
        let progress = run::progress(db, creditor_id, &[run_id]).await?;
        let mut view = RunView::of(&row, progress.get(run_id).copied().unwrap_or_default());
        let notices = run::notice_counts(db, creditor_id, run_id).await?;
        view.notices = notices
            .into_iter()
            .map(|(state, notices)| (state.into(), notices))
            .collect();
        view.reasons = run::reason_counts(db, creditor_id, run_id).await?;
        Ok(view)
    }

    /// Runs of a creditor, newest first, before one, without counts of notices and reasons.
    ///
    /// # Errors
    /// `NotFound` for the creditor, or those of the freshness wait.
    pub async fn runs(
        &self,
        creditor_id: &str,
        before: &str,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Vec<RunView>> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        self.require_creditor(db, creditor_id).await?;
        let rows = run::list(db, creditor_id, before, limit).await?;
        let ids: Vec<&str> = rows.iter().map(|row| row.run_id.as_str()).collect();
        let progress = run::progress(db, creditor_id, &ids).await?;
        let view =
            |row: &RunRow| RunView::of(row, progress.get(&row.run_id).copied().unwrap_or_default());
        Ok(rows.iter().map(view).collect())
    }

    /// Releases a proposed run, if it has this etag or none is given; the background renders its notices and sends them.
    ///
    /// # Errors
    /// `NotFound`, `WRONG_STATE` unless it is proposed, `EtagMismatch`, `FOUR_EYES_REQUIRED` if the creditor wants another
    /// to release it, `Invalid` if it wants the etag.
    pub async fn release_run(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        run_id: &str,
        etag: &str,
    ) -> Result<Written<RunView>> {
        // Without an etag a call stays what it was before there were any.
        let command = if etag.is_empty() {
            json!(run_id)
        } else {
            json!([run_id, etag])
        };
        let ids = (creditor_id, run_id);
        let begun = self.begin_on_run(call, "ReleaseRun", request_id, ids, &command);
        let (once, mut row) = match begun.await? {
            Ok(fresh) => fresh,
            Err(written) => return Ok(written),
        };
        if row.state != RunState::Proposed {
            return Err(wrong_state("the run is not proposed"));
        }
        check_etag(etag, row.version)?;
        // The creditor is locked: nobody changes its settings or reviews meanwhile.
        if settings::get(&*once, creditor_id).await?.four_eyes_release {
            four_eyes::require(&*once, &row, call, etag).await?;
        }
        row.released_by.clone_from(&call.principal);
        row.state = RunState::Released;
        row.working = true;
        run::reset_chunks(&*once, &row).await?;
        self.finish_on_run(once, row, "released").await
    }

    /// Cancels a run that is not released; the background takes its notices off.
    ///
    /// # Errors
    /// `NotFound`, or `WRONG_STATE` if it is released or cancelled.
    pub async fn cancel_run(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        run_id: &str,
    ) -> Result<Written<RunView>> {
        let (ids, command) = ((creditor_id, run_id), json!(run_id));
        let begun = self.begin_on_run(call, "CancelRun", request_id, ids, &command);
        let (once, mut row) = match begun.await? {
            Ok(fresh) => fresh,
            Err(written) => return Ok(written),
        };
        if !matches!(row.state, RunState::Proposing | RunState::Proposed) {
            return Err(wrong_state("the run is released or cancelled"));
        }
        row.state = RunState::Cancelled;
        row.working = row.opened;
        run::reset_chunks(&*once, &row).await?;
        self.finish_on_run(once, row, "cancelled").await
    }

    async fn begin_on_run(
        &self,
        call: &Call,
        method: &'static str,
        request_id: &str,
        (creditor_id, run_id): (&str, &str),
        command: &Value,
    ) -> Result<Result<(Box<OnceTx>, RunRow), Written<RunView>>> {
        let locks = Locks::creditor(creditor_id);
        let begun =
            self.publisher
                .begin_once(call, method, creditor_id, request_id, command, locks);
        let once = match begun.await? {
            Begun::Replayed(written) => return Ok(Err(written)),
            Begun::Fresh(once) => once,
        };
        let row = run::get(&*once, creditor_id, run_id).await?;
        let row = row.ok_or_else(|| not_found("run", run_id))?;
        Ok(Ok((once, row)))
    }

    async fn finish_on_run(
        &self,
        mut once: Box<OnceTx>,
        mut row: RunRow,
        action: &'static str,
    ) -> Result<Written<RunView>> {
        run::update(&*once, &mut row).await?;
        once.append(vec![run_event(&row, action)])?;
        let progress = run::progress(&*once, &row.creditor_id, &[&row.run_id]).await?;
        let progress = progress.get(&row.run_id).copied().unwrap_or_default();
        self.finish(once, RunView::of(&row, progress)).await
    }

    /// Moves a run on in the background, if it still stands where `row` says. The creditor is locked meanwhile, so no
    /// step of the run is under way.
    pub(crate) async fn move_run(
        &self,
        row: &RunRow,
        to: RunState,
        action: &'static str,
    ) -> Result<bool> {
        let locks = Locks::creditor(&row.creditor_id);
        let mut tx = WriteTx::begin(&self.publisher, locks, internal("runs")).await?;
        // A notice may have come back since it was looked.
        if to == RunState::Done && notice::has_pending(&tx, &row.creditor_id, &row.run_id).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        let mut next = row.clone();
        next.state = to;
        next.working = matches!(to, RunState::Dispatching);
        match run::update(&tx, &mut next).await {
            Ok(()) => {}
            Err(Error::Contention(None)) => {
                tx.rollback().await?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        tx.append(vec![run_event(&next, action)])?;
        tx.commit().await?;
        Ok(true)
    }

    /// Notices by id, after one.
    ///
    /// # Errors
    /// `NotFound` for the creditor, or those of the freshness wait.
    pub async fn notices(
        &self,
        filter: notice::Filter<'_>,
        after: &str,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Vec<NoticeRow>> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        self.require_creditor(db, filter.creditor_id).await?;
        notice::list(db, filter, after, limit).await
    }

    /// A notice, with its text once it is rendered.
    ///
    /// # Errors
    /// `NotFound`, or those of the freshness wait.
    pub async fn notice(
        &self,
        creditor_id: &str,
        notice_id: &str,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<(NoticeRow, Option<Text>)> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        let row = notice::get(db, creditor_id, notice_id).await?;
        let row = row.ok_or_else(|| not_found("notice", notice_id))?;
        let mut texts = notice::texts(db, creditor_id, &[notice_id]).await?;
        Ok((row, texts.remove(notice_id)))
    }

    /// A notice as it would be sent, in its own language or in `language`.
    ///
    /// # Errors
    /// `NotFound`, `WRONG_STATE` if it cannot be rendered.
    pub async fn preview(
        &self,
        creditor_id: &str,
        notice_id: &str,
        language: &str,
    ) -> Result<Text> {
        let db = self.publisher.db();
        let row = notice::get(db, creditor_id, notice_id).await?;
        let mut row = row.ok_or_else(|| not_found("notice", notice_id))?;
        let facts = run::get(db, creditor_id, &row.run_id).await?;
        let facts = facts.ok_or_else(|| not_found("run", &row.run_id))?.facts;
        let ids = [row.debtor_id.clone()];
        let subjects = inputs::load(db, &facts, &ids).await?;
        let subject = subjects
            .first()
            .ok_or_else(mahnwerk_feed::freshness::parked)?;
        let stored = run::inputs(db, creditor_id, &row.run_id, &[&row.debtor_id]).await?;
        let input = stored
            .get(&row.debtor_id)
            .map(|stored| run::from_json(stored))
            .transpose()?;
        if !language.is_empty() {
            language.clone_into(&mut row.language);
        }
        let paper = letter::Paper {
            creditor_name: &facts.display_name,
            settings: &settings::get(db, creditor_id).await?,
            addressee: &subject.addressee,
            input: input.as_ref().unwrap_or(&subject.input),
        };
        let rendered = letter::render(&paper, &row);
        rendered.map_err(|reason| wrong_state(&format!("the notice cannot be rendered: {reason}")))
    }

    /// Notices of a debtor that are released and not sent yet, and those sent whose pay-by date is not over.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn current_notices(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        today: NaiveDate,
    ) -> Result<Vec<NoticeRow>> {
        notice::current(self.publisher.db(), creditor_id, debtor_id, today).await
    }
}

/// The cause of what goes on in the background.
pub(crate) fn internal(name: &str) -> Cause {
    Cause::from(&Call::internal(name))
}

/// Whether a notice can still be reviewed.
pub(crate) fn must_be_proposed(row: &NoticeRow) -> Result<()> {
    if row.state == NoticeState::Proposed {
        return Ok(());
    }
    Err(wrong_state("the notice is not proposed any more"))
}
