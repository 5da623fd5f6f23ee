//! Which step an item is due for.

use chrono::NaiveDate;

use super::{Candidate, Context, Draft};
use crate::in_flight::Standing;
use crate::plan::{Deciding, Finding, Reason};
use crate::procedure::{Entry, Escalation, Procedure, Trigger};

/// The next step of an item, or why there is none today.
pub(crate) fn next<'a>(
    context: &Context<'a>,
    draft: Draft<'a>,
) -> Result<Candidate<'a>, Box<NotYet<'a>>> {
    let procedure = context.rules.procedure;
    let state = &draft.item.state;
    let (cycle, sent, mapped) = match Standing::of(state, procedure) {
        Standing::New { cycle } => (cycle, 0, false),
        Standing::Going {
            cycle,
            level,
            mapped,
        } => (cycle, level, mapped),
        Standing::Manual => {
            let values = Deciding {
                sent: state.level,
                reference: Some(state.procedure.clone()),
                ..Deciding::default()
            };
            return Err(NotYet::new(draft, Reason::ProcedureChanged, values));
        }
    };
    let mut values = Deciding {
        sent,
        ..Deciding::default()
    };
    // Which step comes after one that nobody recorded is not known, and it must not be made twice.
    if let Some(taken) = draft.item.taken.as_ref().filter(|it| it.cycle >= cycle) {
        values.level = Some(taken.level);
        values.reference = Some(taken.notice.clone());
        return Err(NotYet::new(draft, Reason::AlreadySent, values));
    }
    let demanded = context.statutory_level.filter(|_| !state.statutory_sent);
    if let Some(level) = demanded.filter(|level| *level <= sent) {
        values.level = Some(level);
        return Err(NotYet::new(draft, Reason::StatutoryNoticeMissing, values));
    }
    let (wanted, why) = wanted_level(procedure, sent, mapped, draft.age);
    if wanted > procedure.last_level() {
        // The number is beyond this ladder, but its last step was never sent: nobody is forgotten over that.
        if sent > 0 && state.procedure != procedure.id {
            values.reference = Some(state.procedure.clone());
            return Err(NotYet::new(draft, Reason::ProcedureChanged, values));
        }
        return Err(NotYet::new(draft, Reason::LadderFinished, values));
    }
    let level = demanded.map_or(wanted, |demanded| wanted.min(demanded));
    values.level = Some(level);
    if procedure.escalation == Escalation::StepByStep && sent > 0 && !state.done {
        values.date = state.notice_on;
        return Err(NotYet::new(draft, Reason::PreviousStepOpen, values));
    }
    match waiting(context, &draft, sent, level) {
        Some((reason, waited)) => {
            let values = Deciding {
                sent,
                level: Some(level),
                ..waited
            };
            Err(NotYet::new(draft, reason, values))
        }
        None => Ok(Candidate {
            draft,
            cycle,
            sent,
            level,
            why,
        }),
    }
}

/// An item that is not due for a step.
pub(crate) struct NotYet<'a> {
    pub(crate) draft: Draft<'a>,
    pub(crate) finding: Finding,
}

impl<'a> NotYet<'a> {
    fn new(draft: Draft<'a>, reason: Reason, values: Deciding) -> Box<Self> {
        let finding = draft.finding(reason, values);
        Box::new(Self { draft, finding })
    }

    /// Whether only time or a step under way keeps it from its next step, so that it may lead its account.
    pub(crate) fn may_lead(&self) -> bool {
        matches!(
            self.finding.reason,
            Reason::PreviousStepOpen | Reason::WaitingPayBy | Reason::WaitingAge
        )
    }
}

/// At most one up, but for entry by age and mapping. May be beyond the last level.
fn wanted_level(procedure: &Procedure, sent: u8, mapped: bool, age: i64) -> (u8, Reason) {
    let one_up = sent.saturating_add(1);
    let by_age = procedure.level_by_age(age).max(one_up);
    match (sent, procedure.entry) {
        (0, Entry::FirstLevel) => (one_up, Reason::DunnedEntry),
        (0, Entry::LevelByAge) => (by_age, Reason::DunnedEntryByAge),
        _ if mapped => (by_age, Reason::DunnedMapped),
        _ => (one_up, Reason::DunnedNext),
    }
}

/// When age alone gives a candidate a higher level, at which it may be tested with others: only by entry and mapping.
pub(crate) fn rises_on(context: &Context<'_>, candidate: &Candidate<'_>) -> Option<NaiveDate> {
    let procedure = context.rules.procedure;
    let Draft {
        item, clock, age, ..
    } = &candidate.draft;
    let by_age = match Standing::of(&item.state, procedure) {
        Standing::New { .. } => procedure.entry == Entry::LevelByAge,
        Standing::Going { mapped, .. } => mapped,
        Standing::Manual => false,
    };
    let next = procedure.level_by_age(*age).saturating_add(1);
    let reached_by_age = procedure.step(next).is_some_and(|it| !it.leaves_ladder());
    let needed = procedure
        .age_of(next)
        .filter(|_| by_age && reached_by_age)?;
    clock.date_after(item.due_date, needed)
}

/// What the step still waits for. The pay-by date printed on the last notice always counts, whatever procedure or
/// cycle it belongs to, so that no late run and no restart takes time from the debtor.
fn waiting(
    context: &Context<'_>,
    draft: &Draft<'_>,
    sent: u8,
    level: u8,
) -> Option<(Reason, Deciding)> {
    let procedure = context.rules.procedure;
    let follows = sent > 0 && level == sent + 1;
    let (days_after_pay_by, needed_age) = match context.step(level)?.trigger {
        Trigger::AfterPrevious(days) if follows => (procedure.days_after_pay_by(days), 0),
        Trigger::AfterPrevious(_) => (
            procedure.days_after_pay_by(0),
            procedure.age_of(level).unwrap_or(0),
        ),
        Trigger::PastDue(days) => (procedure.days_after_pay_by(0), i64::from(days)),
    };
    let old_enough_on = draft.clock.date_after(draft.item.due_date, needed_age);
    if let Some(pay_by) = draft.item.state.pay_by {
        let passed = draft.clock.days(pay_by, context.input.business_date);
        if passed < days_after_pay_by {
            let over_on = draft.clock.date_after(pay_by, days_after_pay_by);
            let values = Deciding {
                needed_days: Some(days_after_pay_by),
                date: Some(pay_by),
                // Both must hold, and neither has a date where a pause has no end.
                next: over_on
                    .zip(old_enough_on)
                    .map(|(left, right)| left.max(right)),
                ..Deciding::default()
            };
            return Some((Reason::WaitingPayBy, values));
        }
    }
    (draft.age < needed_age).then(|| {
        let values = Deciding {
            needed_days: Some(needed_age),
            date: Some(draft.item.due_date),
            next: old_enough_on,
            ..Deciding::default()
        };
        (Reason::WaitingAge, values)
    })
}
