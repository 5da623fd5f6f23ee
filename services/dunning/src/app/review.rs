//! Reviewing: an edit of a proposed notice, checked by the core against what the notice was made from.

use std::collections::BTreeMap;

use dunning_core::{
    Input, Plan,
    review::{Edit, Refusal, review},
};
use mahnwerk_feed::{Begun, Locks, NewEvent, Written};
use mahnwerk_proto::dunning::v1::{NoticeState, RunState};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result, Violation},
};

use super::{
    App,
    deliver::count_entered,
    inputs::Configuration,
    not_found,
    run::{must_be_proposed, wrong_state},
};
use crate::storage::{
    day_number,
    notice::{self, NoticeRow},
    run::{self, RunRow, from_json, to_json},
};

/// Name of edits in the audit trail.
const NOTICE_EDIT: &str = "notice_edit";

impl App {
    /// Edits a proposed notice, which gives its run another version.
    ///
    /// # Errors
    /// `NotFound`, `WRONG_STATE` unless the run is proposed, `Invalid` if the core refuses the edit.
    pub async fn review_notice(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        notice_id: &str,
        edit: Edit,
    ) -> Result<Written<NoticeRow>> {
        let known = notice::get(self.publisher.db(), creditor_id, notice_id).await?;
        let debtor_id = known
            .ok_or_else(|| not_found("notice", notice_id))?
            .debtor_id;
        let begun = self
            .publisher
            .begin_once(
                call,
                "ReviewNotice",
                creditor_id,
                request_id,
                &(notice_id, &edit),
                Locks::debtor(creditor_id, &debtor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let row = notice::get(&*once, creditor_id, notice_id).await?;
        let mut row = row.ok_or_else(|| not_found("notice", notice_id))?;
        let run = run::get(&*once, creditor_id, &row.run_id).await?;
        let run = run.ok_or_else(|| not_found("run", &row.run_id))?;
        if run.state != RunState::Proposed {
            return Err(wrong_state("the run is not proposed"));
        }
        must_be_proposed(&row)?;
        let mut stored = run::debtor(&*once, creditor_id, &row.run_id, &[&debtor_id]).await?;
        let stored = stored
            .remove(&debtor_id)
            .ok_or_else(|| Error::internal("a notice without what it was made from"))?;
        let input: Input = from_json(&stored.input)?;
        let before: Plan = from_json(stored.reviewed.as_ref().unwrap_or(&stored.plan))?;
        let rules = Configuration::load(&*once, &self.law, &run.facts).await?;
        let after = review(
            &before,
            &input,
            &rules.rules(&input)?,
            &row.content.key,
            &edit,
        )
        .map_err(refused)?;
        apply(&mut row, &after);
        run::set_reviewed(&*once, &run, &debtor_id, &to_json(&after)?).await?;
        let moved = moved_reasons(&before, &after);
        run::add_reasons(&*once, &run, row.part, &moved).await?;
        let mut rows = [row];
        notice::update(&*once, &mut rows).await?;
        let [row] = rows;
        // A comment changes nothing that is sent: who makes it may still release.
        let is_sent = !matches!(edit, Edit::Comment(_));
        let editor = is_sent.then_some(call.principal.as_str());
        run::note_edit(&*once, &run, editor).await?;
        if row.state == NoticeState::Excluded {
            count_entered(&mut once, std::slice::from_ref(&row));
        }
        once.append(vec![edited(&run, &row, &edit)])?;
        once.finish(row).await
    }
}

fn apply(row: &mut NoticeRow, plan: &Plan) {
    match plan.notice(&row.content.key) {
        Some(content) => row.content = content.clone(),
        None => row.state = NoticeState::Excluded,
    }
}

/// By how much the items by reason differ.
fn moved_reasons(before: &Plan, after: &Plan) -> BTreeMap<&'static str, i64> {
    let mut moved = BTreeMap::new();
    for (plan, sign) in [(before, -1), (after, 1)] {
        for finding in &plan.findings {
            *moved.entry(finding.reason.name()).or_default() += sign;
        }
    }
    moved.retain(|_, items| *items != 0);
    moved
}

/// The edit for the audit trail; the comment itself is with the notice.
fn edited(run: &RunRow, row: &NoticeRow, edit: &Edit) -> NewEvent {
    let action = match edit {
        Edit::ExcludeItem(_) => "item_excluded",
        Edit::ExcludeAll => "excluded",
        Edit::Lower => "lowered",
        Edit::Raise => "raised",
        Edit::Channel(_) => "channel_changed",
        Edit::Comment(_) => "commented",
    };
    NewEvent {
        creditor_id: row.creditor_id.clone(),
        debtor_id: row.debtor_id.clone(),
        entity: NOTICE_EDIT,
        entity_id: row.notice_id.clone(),
        version: row.version,
        action,
        business_date: Some(day_number(run.business_date)),
        state: None,
    }
}

fn refused(refusal: Refusal) -> Error {
    let field = match &refusal {
        Refusal::UnknownNotice => return wrong_state("the notice is not proposed any more"),
        Refusal::Rules(_) => return Error::Internal(Box::new(refusal)),
        Refusal::UnknownItem => "edit.exclude_item_id",
        Refusal::Channel(_) => "edit.channel",
        Refusal::CommentTooLong => "edit.comment",
        _ => "edit",
    };
    Error::Invalid(vec![Violation::new(field, refusal.to_string())])
}
