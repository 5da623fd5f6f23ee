//! The check before sending: what became of a released notice since it was proposed.

use std::collections::BTreeMap;

use crate::evaluate::{
    Context, Draft, EvaluateError, Rules, Screened, choose_channel, compose, next_step, screen,
};
use crate::input::Input;
use crate::plan::{Amounts, ChannelChoice, Deciding, Finding, Notice, NoticeItem, Reason};

/// What is left of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recheck {
    /// The items that fall out, each with the reason and the values now, by item.
    pub withdrawn: Vec<Finding>,
    /// The notice over what is left, never of more than was released; `None` if all of it is withdrawn.
    pub remaining: Option<Notice>,
    /// Whether the remaining notice differs from the released one and so must be rendered anew: items, amounts, or,
    /// on a later day, the pay-by date and interest.
    pub changed: bool,
}

/// Checks a released notice against the current state. `now` holds the current facts and names the procedure that the
/// notice was made by; its business date is the day of sending, so that the pay-by period is never shortened by
/// waiting for release.
///
/// # Errors
///
/// The rules are not those that the input names.
pub fn recheck(notice: &Notice, now: &Input, rules: &Rules<'_>) -> Result<Recheck, EvaluateError> {
    let context = Context::new(now, rules)?;
    let mut current: BTreeMap<&str, Result<Draft<'_>, Finding>> = screen(&context)
        .into_iter()
        .map(|screened| match screened {
            Screened::Dunnable(draft) => (draft.item.id.as_str(), Ok(draft)),
            Screened::Dropped(finding) => {
                let item = context.item(&finding.item_id);
                (item.map_or("", |it| it.id.as_str()), Err(finding))
            }
        })
        .collect();
    let mut withdrawn = Vec::new();
    let mut left = Vec::new();
    for it in &notice.items {
        match current.remove(it.item_id.as_str()) {
            None => withdrawn.push(paid(notice, it)),
            Some(Err(finding)) => withdrawn.push(finding),
            Some(Ok(draft)) => match still_due(&context, it, draft) {
                Ok(item) => left.push(item),
                Err(finding) => withdrawn.push(*finding),
            },
        }
    }
    let remaining = match remaining(&context, notice, &left) {
        Ok(remaining) => remaining,
        Err(findings) => {
            withdrawn.extend(findings);
            None
        }
    };
    withdrawn.sort_unstable_by(|one, other| one.item_id.cmp(&other.item_id));
    let changed = remaining.as_ref().is_some_and(|it| it != notice);
    Ok(Recheck {
        withdrawn,
        remaining,
        changed,
    })
}

/// The channel that the notice's step would take now, for a notice that could not be delivered over its own: `now` is
/// without the contact points that did not take it. `None` if none works.
///
/// # Errors
///
/// The rules are not those that the input names.
pub fn rechannel(
    notice: &Notice,
    now: &Input,
    rules: &Rules<'_>,
) -> Result<Option<ChannelChoice>, EvaluateError> {
    let context = Context::new(now, rules)?;
    let step = context.step(notice.level);
    Ok(step.and_then(|step| choose_channel(now, step, notice.statutory).ok()))
}

/// The notice over what is left, or why what is left falls out too.
fn remaining(
    context: &Context<'_>,
    notice: &Notice,
    left: &[NoticeItem],
) -> Result<Option<Notice>, Vec<Finding>> {
    if left.is_empty() {
        return Ok(None);
    }
    let all = |reason, values: &dyn Fn(&mut Deciding)| {
        let findings = left.iter().map(|it| {
            let mut finding = finding(notice, it, reason);
            values(&mut finding.values);
            finding
        });
        Err(findings.collect())
    };
    let dunned = |items: &[NoticeItem]| items.iter().map(|it| it.amounts.dunned).sum::<i64>();
    let tested = dunned(left);
    // What was enough for the proposal is enough unless it shrank.
    let limit = below_minimum(context, notice, tested);
    if let Some(limit) = limit.filter(|_| tested < dunned(&notice.items)) {
        return all(Reason::Minimum, &|values| {
            values.limit = Some(limit);
            values.tested = Some(tested);
        });
    }
    let channel = Some(notice.channel.clone());
    match compose(context, notice.key.clone(), left.to_vec(), channel) {
        Ok(mut composed) => {
            composed.comment.clone_from(&notice.comment);
            composed.pay_by = composed.pay_by.max(notice.pay_by);
            Ok(Some(composed))
        }
        Err(blocked) => all(blocked.reason(), &|values| {
            values.reference = Some(blocked.reference());
        }),
    }
}

/// Amounts that grew since the release, as by a rejected dispute, wait for the next notice.
fn least(then: Amounts, now: Amounts) -> Amounts {
    if now.dunned < then.dunned { now } else { then }
}

/// The least amount of the notice's step, if the amount misses it.
fn below_minimum(context: &Context<'_>, notice: &Notice, tested: i64) -> Option<i64> {
    let minimum = &context.step(notice.level)?.minimum;
    let limit = minimum.get(&notice.currency).copied()?;
    (tested < limit).then_some(limit)
}

/// The item as it may still be sent: its step not made meanwhile, and due by the facts of today.
fn still_due(
    context: &Context<'_>,
    it: &NoticeItem,
    draft: Draft<'_>,
) -> Result<NoticeItem, Box<Finding>> {
    let state = &draft.item.state;
    if state.cycle > it.cycle || (state.cycle == it.cycle && state.level >= it.level) {
        let values = Deciding {
            sent: state.level,
            level: Some(it.level),
            date: state.notice_on,
            ..Deciding::default()
        };
        return Err(Box::new(draft.finding(Reason::AlreadySent, values)));
    }
    let now = next_step(context, draft).map_err(|not_yet| Box::new(not_yet.finding))?;
    Ok(NoticeItem {
        age: now.draft.age,
        amounts: least(it.amounts, now.draft.amounts),
        ..it.clone()
    })
}

/// An item that is no longer among the open ones.
fn paid(notice: &Notice, it: &NoticeItem) -> Finding {
    let mut finding = finding(notice, it, Reason::Paid);
    finding.values.amounts = Amounts::default();
    finding
}

fn finding(notice: &Notice, it: &NoticeItem, reason: Reason) -> Finding {
    Finding {
        item_id: it.item_id.clone(),
        currency: notice.currency.clone(),
        reason,
        values: Deciding {
            amounts: it.amounts,
            age: it.age,
            sent: it.sent,
            level: Some(it.level),
            ..Deciding::default()
        },
    }
}
