//! Which items of those that are due for a step get it: the leading item, and least amounts.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::level::{self, NotYet};
use super::{Candidate, Context, Draft};
use crate::input::ItemKind;
use crate::plan::{Deciding, Finding, Reason};
use crate::procedure::{LevelMode, Step};

/// The items that passed the screen, by currency.
#[derive(Default)]
pub(crate) struct Selection<'a> {
    accounts: BTreeMap<&'a str, Account<'a>>,
}

#[derive(Default)]
struct Account<'a> {
    due: Vec<Candidate<'a>>,
    not_yet: Vec<NotYet<'a>>,
}

impl<'a> Selection<'a> {
    pub(crate) fn add(&mut self, context: &Context<'a>, draft: Draft<'a>) {
        let account = self.accounts.entry(&draft.item.currency).or_default();
        match level::next(context, draft) {
            Ok(candidate) => account.due.push(candidate),
            Err(not_yet) => account.not_yet.push(*not_yet),
        }
    }

    /// Those that get their step. Findings of all others are added.
    pub(crate) fn candidates(
        self,
        context: &Context<'a>,
        findings: &mut Vec<Finding>,
    ) -> Vec<Candidate<'a>> {
        let totals = open_totals(findings, &self.accounts);
        let mut selected = Vec::new();
        for (currency, account) in self.accounts {
            let least = Least {
                context,
                currency,
                total: totals.get(currency).copied().unwrap_or(0),
            };
            let Account { due, not_yet } = account;
            let chosen = match context.rules.procedure.level_mode {
                LevelMode::Item => least.by_level(due, findings),
                LevelMode::Account => least.led(due, &not_yet, findings),
            };
            selected.extend(chosen);
            findings.extend(not_yet.into_iter().map(|it| it.finding));
        }
        selected
    }
}

/// Everything open per currency that is not set off.
fn open_totals(
    findings: &[Finding],
    accounts: &BTreeMap<&str, Account<'_>>,
) -> BTreeMap<String, i128> {
    let mut totals: BTreeMap<String, i128> = BTreeMap::new();
    let dropped = findings.iter().map(|it| (&it.currency, it.values.amounts));
    let drafts = accounts.values().flat_map(|account| {
        let due = account.due.iter().map(|it| &it.draft);
        due.chain(account.not_yet.iter().map(|it| &it.draft))
    });
    let passed = drafts.map(|draft| (&draft.item.currency, draft.amounts));
    for (currency, amounts) in dropped.chain(passed) {
        *totals.entry(currency.clone()).or_default() += i128::from(amounts.open - amounts.netted);
    }
    totals
}

/// The test of least amounts in one currency.
struct Least<'c, 'a> {
    context: &'c Context<'a>,
    currency: &'a str,
    total: i128,
}

impl<'a> Least<'_, 'a> {
    fn amount(&self, step: &Step) -> i64 {
        step.minimum.get(self.currency).copied().unwrap_or(0)
    }

    fn reached(&self, level: u8, tested: i64) -> bool {
        self.context.step(level).is_some_and(|step| {
            let share = i128::from(step.minimum_share_bps) * self.total;
            tested >= self.amount(step) && i128::from(tested) * 10_000 >= share
        })
    }

    fn missed(&self, candidate: &Candidate<'_>, tested: i64) -> Finding {
        let step = self.context.step(candidate.level);
        let share = step.map_or(0, |it| i128::from(it.minimum_share_bps) * self.total);
        let by_share = i64::try_from((share + 9_999) / 10_000).unwrap_or(i64::MAX);
        let mut values = candidate.values();
        values.limit = Some(step.map_or(0, |it| self.amount(it)).max(by_share));
        values.tested = Some(tested);
        values.next = level::rises_on(self.context, candidate);
        candidate.draft.finding(Reason::Minimum, values)
    }

    /// From the highest level down: what misses the least amount is tested with the next lower level.
    fn by_level(&self, due: Vec<Candidate<'a>>, findings: &mut Vec<Finding>) -> Vec<Candidate<'a>> {
        let mut levels: BTreeMap<u8, Vec<Candidate<'a>>> = BTreeMap::new();
        for candidate in due {
            levels.entry(candidate.level).or_default().push(candidate);
        }
        let mut selected = Vec::new();
        while let Some((level, candidates)) = levels.pop_last() {
            let tested = dunned(&candidates);
            if self.reached(level, tested) {
                selected.extend(candidates);
                continue;
            }
            for mut candidate in candidates {
                if candidate.sent + 1 < level {
                    candidate.level = level - 1;
                    candidate.why = Reason::DunnedLower;
                    levels.entry(level - 1).or_default().push(candidate);
                } else {
                    findings.push(self.missed(&candidate, tested));
                }
            }
        }
        selected
    }

    /// The leading item decides whether there is a notice; nobody goes above its level.
    fn led(
        &self,
        due: Vec<Candidate<'a>>,
        not_yet: &[NotYet<'a>],
        findings: &mut Vec<Finding>,
    ) -> Vec<Candidate<'a>> {
        let waiting = not_yet
            .iter()
            .filter(|it| it.may_lead())
            .max_by_key(|it| lead_order(&it.draft));
        let ready = due.iter().max_by_key(|it| lead_order(&it.draft));
        let Some(ready) = ready else {
            return Vec::new();
        };
        if let Some(leading) = waiting.filter(|it| lead_order(&it.draft) > lead_order(&ready.draft))
        {
            let waits = due.iter().map(|it| waits_for(it, &leading.finding));
            findings.extend(waits);
            return Vec::new();
        }
        let tested = dunned(&due);
        let reached = (ready.sent + 1..=ready.level)
            .rev()
            .find(|level| self.reached(*level, tested));
        let Some(level) = reached else {
            findings.extend(due.iter().map(|it| self.missed(it, tested)));
            return Vec::new();
        };
        let leading = ready.draft.finding(ready.why, Deciding::default());
        let mut selected = Vec::new();
        for mut candidate in due {
            if candidate.level > level && candidate.sent < level {
                candidate.level = level;
                candidate.why = Reason::DunnedLower;
            }
            if candidate.level > level {
                findings.push(waits_for(&candidate, &leading));
            } else {
                selected.push(candidate);
            }
        }
        selected
    }
}

/// The longest overdue leads, a charge only among charges.
fn lead_order<'d>(draft: &'d Draft<'_>) -> (bool, i64, Reverse<(chrono::NaiveDate, &'d str)>) {
    let item = draft.item;
    (
        item.kind != ItemKind::Charge,
        draft.age,
        Reverse((item.due_date, item.id.as_str())),
    )
}

fn waits_for(candidate: &Candidate<'_>, leading: &Finding) -> Finding {
    let mut values = candidate.values();
    values.reference = Some(leading.item_id.clone());
    values.next = leading.values.next;
    candidate.draft.finding(Reason::WaitsForLeading, values)
}

fn dunned(candidates: &[Candidate<'_>]) -> i64 {
    candidates.iter().map(|it| it.draft.amounts.dunned).sum()
}
