//! The decision on one debtor: a pure function from facts to a plan.
//!
//! In this order, and the first that holds is the reason: stops of the debtor and a stale ledger; setting off; items
//! that are not due, disputed, planned, promised, being collected, paused or gone; the next step of each item;
//! the leading item; least amounts; the contact budget; interest and fees; the channel; one notice per group and
//! currency. Quiet hours are the hours of a day, and so the business of dispatch.

mod channel;
mod compose;
mod level;
mod screen;
mod select;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::calendar::BusinessCalendar;
use crate::charges::Charges;
use crate::input::{Input, Item};
use crate::pause::{self, Clock};
use crate::plan::{Amounts, Deciding, Finding, NoticeItem, Plan, Reason, Task, TaskKind};
use crate::procedure::{Grouping, Procedure, Statutory, Step};

pub(crate) use channel::{choose as choose_channel, contact_point};
pub(crate) use compose::{Blocked, compose};
pub(crate) use level::next as next_step;
pub(crate) use screen::{Screened, screen};

/// What an evaluation goes by.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The revision that the input names; valid.
    pub procedure: &'a Procedure,
    /// The calendar that the input names; valid.
    pub calendar: &'a BusinessCalendar,
    /// The law pack of the run.
    pub charges: &'a dyn Charges,
}

/// Why nothing was evaluated.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum EvaluateError {
    /// The input names another procedure or revision.
    #[error("the input names another procedure than the one given")]
    WrongProcedure,
    /// The input names another calendar.
    #[error("the input names another calendar than the one given")]
    WrongCalendar,
}

/// Decides. The input must be valid ([`Input::validate`]); its order does not matter.
///
/// # Errors
///
/// The rules are not those that the input names.
pub fn evaluate(input: &Input, rules: &Rules<'_>) -> Result<Plan, EvaluateError> {
    let context = Context::new(input, rules)?;
    let mut plan = Plan {
        business_date: input.business_date,
        procedure: input.procedure.clone(),
        stale_ledger: context.stale_ledger(),
        notices: Vec::new(),
        tasks: Vec::new(),
        findings: Vec::with_capacity(input.items.len()),
        next_evaluation: None,
    };
    let mut selection = select::Selection::default();
    for screened in screen(&context) {
        match screened {
            Screened::Dropped(finding) => plan.findings.push(finding),
            Screened::Dunnable(draft) => selection.add(&context, draft),
        }
    }
    let candidates = selection.candidates(&context, &mut plan.findings);
    let candidates = context.within_contact_budget(candidates, &mut plan.findings);
    for (key, group) in context.groups(candidates) {
        match compose(&context, key, notice_items(&group), None) {
            Ok(notice) => {
                let dunned = group.into_iter().map(|it| it.dunned(&context, &notice));
                plan.findings.extend(dunned);
                plan.notices.push(notice);
            }
            Err(blocked) => {
                let findings = group.into_iter().map(|it| it.blocked(&blocked));
                plan.findings.extend(findings);
            }
        }
    }
    context.finish(&mut plan);
    Ok(plan)
}

/// The items that are due for a step, each for itself: before leading items, least amounts and contact budget.
pub(crate) fn due_candidates<'a>(context: &Context<'a>) -> Vec<Candidate<'a>> {
    screen(context)
        .into_iter()
        .filter_map(|screened| match screened {
            Screened::Dunnable(draft) => level::next(context, draft).ok(),
            Screened::Dropped(_) => None,
        })
        .collect()
}

fn notice_items(group: &[Candidate<'_>]) -> Vec<NoticeItem> {
    group
        .iter()
        .map(|candidate| NoticeItem {
            item_id: candidate.draft.item.id.clone(),
            due_date: candidate.draft.item.due_date,
            age: candidate.draft.age,
            cycle: candidate.cycle,
            sent: candidate.sent,
            proposed: candidate.level,
            level: candidate.level,
            amounts: candidate.draft.amounts,
        })
        .collect()
}

/// What stays the same for all items of an evaluation.
pub(crate) struct Context<'a> {
    pub(crate) input: &'a Input,
    pub(crate) rules: &'a Rules<'a>,
    pub(crate) items: BTreeMap<&'a str, &'a Item>,
    /// Level of the notice that a statute demands of this debtor.
    pub(crate) statutory_level: Option<u8>,
    /// Whether nothing may be charged before that notice.
    pub(crate) statute: Option<Statutory>,
}

/// An item that may be dunned as far as its own facts go.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'a> {
    pub(crate) item: &'a Item,
    pub(crate) clock: Clock,
    pub(crate) age: i64,
    pub(crate) amounts: Amounts,
}

/// An item with the step it is due for.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'a> {
    pub(crate) draft: Draft<'a>,
    pub(crate) cycle: u32,
    pub(crate) sent: u8,
    pub(crate) level: u8,
    pub(crate) why: Reason,
}

impl<'a> Context<'a> {
    pub(crate) fn new(input: &'a Input, rules: &'a Rules<'a>) -> Result<Self, EvaluateError> {
        let named = &input.procedure;
        if named.id != rules.procedure.id || named.revision != rules.procedure.revision {
            return Err(EvaluateError::WrongProcedure);
        }
        if input.calendar != rules.calendar.id {
            return Err(EvaluateError::WrongCalendar);
        }
        Ok(Self {
            input,
            rules,
            items: input.items.iter().map(|it| (it.id.as_str(), it)).collect(),
            statutory_level: rules.procedure.statutory_level(&input.debtor),
            statute: Statutory::protecting(&input.debtor),
        })
    }

    pub(crate) fn clock(&self, item: &Item) -> Clock {
        let segment = self.input.debtor.segment.as_str();
        let covering = self.input.pauses.iter();
        Clock::new(covering.filter(|pause| pause.covers(segment, &item.id)))
    }

    /// Key of the pause to name for an item.
    pub(crate) fn deciding_pause(&self, item: &Item) -> Option<String> {
        let segment = self.input.debtor.segment.as_str();
        let covering = self.input.pauses.iter();
        let covering = covering.filter(|pause| pause.covers(segment, &item.id));
        pause::deciding(covering, self.input.business_date).map(|pause| pause.id.clone())
    }

    pub(crate) fn stale_ledger(&self) -> bool {
        let ledger = &self.input.ledger;
        let too_old = ledger.max_age_days.is_some_and(|days| {
            ledger.last_bank_import.is_none_or(|import| {
                (self.input.business_date - import).num_days() > i64::from(days)
            })
        });
        ledger.feed_behind || too_old
    }

    /// Drops everything while the last contact is too recent.
    fn within_contact_budget(
        &self,
        candidates: Vec<Candidate<'a>>,
        findings: &mut Vec<Finding>,
    ) -> Vec<Candidate<'a>> {
        let interval = i64::from(self.rules.procedure.contact_interval_days);
        let today = self.input.business_date;
        let last = self.input.recent_contacts.iter().map(|it| it.on).max();
        let Some(last) = last.filter(|on| (today - *on).num_days() < interval) else {
            return candidates;
        };
        findings.extend(candidates.into_iter().map(|candidate| {
            let mut values = candidate.values();
            values.needed_days = Some(interval);
            values.date = Some(last);
            values.next = Some(crate::calendar::plus_days(last, interval));
            candidate.draft.finding(Reason::ContactBudget, values)
        }));
        Vec::new()
    }

    /// One group per notice, by key.
    fn groups(&self, candidates: Vec<Candidate<'a>>) -> BTreeMap<String, Vec<Candidate<'a>>> {
        let mut groups: BTreeMap<String, Vec<Candidate<'a>>> = BTreeMap::new();
        for candidate in candidates {
            let currency = &candidate.draft.item.currency;
            let level = candidate.level;
            // What a statute demands, and what takes items out of the ladder, must not share its words; and a statute
            // demands one notice, not one for every item.
            let demanded = self.statutory_level == Some(level);
            let alone = demanded || self.step(level).is_some_and(Step::leaves_ladder);
            let key = match self.rules.procedure.grouping {
                Grouping::Item if !demanded => format!("{currency}.I.{}", candidate.draft.item.id),
                Grouping::Debtor if !alone => currency.clone(),
                _ => format!("{currency}.L{level}"),
            };
            groups.entry(key).or_default().push(candidate);
        }
        groups
    }

    pub(crate) fn step(&self, level: u8) -> Option<&'a Step> {
        self.rules.procedure.step(level)
    }

    /// Sorts the findings, derives the tasks and the next date.
    pub(crate) fn finish(&self, plan: &mut Plan) {
        plan.findings
            .sort_unstable_by(|left, right| left.item_id.cmp(&right.item_id));
        plan.tasks = tasks(&plan.findings);
        let calendar = self.rules.calendar;
        let today = self.input.business_date;
        let tomorrow = calendar.next_after(today);
        let lifted = plan.findings.iter().filter_map(|it| it.values.next);
        // An item that falls silent may leave the lead of its account to another.
        let pauses = self.input.pauses.iter().map(|it| it.from);
        plan.next_evaluation = lifted
            .chain(pauses.filter(|from| *from > today))
            .min()
            .map(|next| calendar.on_or_after(next).max(tomorrow));
    }
}

pub(crate) fn tasks(findings: &[Finding]) -> Vec<Task> {
    let mut tasks: BTreeMap<TaskKind, (Vec<String>, BTreeMap<&str, i64>)> = BTreeMap::new();
    for finding in findings {
        let kind = match finding.reason {
            Reason::NoChannel => TaskKind::ResearchContact,
            Reason::ProcedureChanged | Reason::ProcedureUnknown => TaskKind::DecideProcedureChange,
            Reason::StatutoryNoticeMissing => TaskKind::StatutoryNoticeMissing,
            Reason::ChargesUnknown => TaskKind::SupplyRate,
            _ => continue,
        };
        let (items, amounts) = tasks.entry(kind).or_default();
        items.push(finding.item_id.clone());
        *amounts.entry(&finding.currency).or_default() += finding.values.amounts.dunned;
    }
    let owned = |amounts: BTreeMap<&str, i64>| {
        let pairs = amounts.into_iter();
        pairs
            .map(|(code, minor)| (code.to_owned(), minor))
            .collect()
    };
    tasks
        .into_iter()
        .map(|(kind, (items, amounts))| Task {
            kind,
            items,
            amounts: owned(amounts),
        })
        .collect()
}

impl Draft<'_> {
    pub(crate) fn finding(&self, reason: Reason, values: Deciding) -> Finding {
        Finding {
            item_id: self.item.id.clone(),
            currency: self.item.currency.clone(),
            reason,
            values: Deciding {
                amounts: self.amounts,
                age: self.age,
                ..values
            },
        }
    }
}

impl Candidate<'_> {
    pub(crate) fn values(&self) -> Deciding {
        Deciding {
            sent: self.sent,
            level: Some(self.level),
            ..Deciding::default()
        }
    }

    fn dunned(self, context: &Context<'_>, notice: &crate::plan::Notice) -> Finding {
        let mut values = self.values();
        values.reference = Some(notice.key.clone());
        values.date = Some(notice.pay_by);
        if self.level < context.rules.procedure.last_level() {
            let days = context.rules.procedure.days_after_pay_by(0);
            values.next = self.draft.clock.date_after(notice.pay_by, days);
        }
        self.draft.finding(self.why, values)
    }

    fn blocked(self, blocked: &Blocked) -> Finding {
        let mut values = self.values();
        values.reference = Some(blocked.reference());
        self.draft.finding(blocked.reason(), values)
    }
}
