//! Edits of a proposed plan by a reviewer: each gives a new plan, or says why not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::calendar::plus_days;
use crate::evaluate::{Context, EvaluateError, Rules, compose, contact_point};
use crate::input::{Channel, Input};
use crate::plan::{
    ChannelChoice, ChannelReason, Deciding, Finding, Notice, NoticeItem, Plan, Reason, SkipReason,
};
use crate::procedure::Step;

/// Longest comment, in characters.
const MAX_COMMENT: usize = 500;

/// One edit of one notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// Takes an item off the notice. The next run proposes it again.
    ExcludeItem(String),
    /// Takes all items off.
    ExcludeAll,
    /// The items at the notice's level get the next lower one: never one that was sent.
    Lower,
    /// The items at the notice's level get the next higher one: at most one above the proposal.
    Raise,
    /// Another channel.
    Channel(Channel),
    /// A remark for the audit trail, at most 500 characters, replacing an earlier one.
    Comment(String),
}

/// Why an edit was refused.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The plan has no notice of this key.
    #[error("the plan has no such notice")]
    UnknownNotice,
    /// The notice has no such item.
    #[error("the notice has no such item")]
    UnknownItem,
    /// The lower level was already sent in this cycle; exclude the item instead.
    #[error("the lower level was already sent for item {0}")]
    AlreadySent(String),
    /// The ladder has no lower or higher level.
    #[error("the ladder has no such level")]
    NoSuchLevel,
    /// One above the proposal is the most.
    #[error("the notice is already one level above the proposal")]
    AlreadyRaised,
    /// The notice is the one that a statute demands first.
    #[error("a statute demands this notice first")]
    Statutory,
    /// The level needs a notice of its own, and this one has items of other levels.
    #[error("the level needs a notice of its own")]
    MixedLevels,
    /// The channel cannot be used.
    #[error("the channel cannot be used: {}", .0.name())]
    Channel(SkipReason),
    /// The comment is too long.
    #[error("the comment must be at most 500 characters")]
    CommentTooLong,
    /// At the new level there can be no notice.
    #[error("there can be no such notice: {reason}")]
    Blocked {
        /// Name of the reason.
        reason: &'static str,
        /// What decided.
        reference: String,
    },
    /// The rules are not those of the plan's input.
    #[error("the rules are not those of the input")]
    Rules(#[source] EvaluateError),
}

/// Edits the notice of a key. The input and rules are those that the plan was made from.
///
/// # Errors
///
/// See [`Refusal`]; the plan stays as it is.
pub fn review(
    plan: &Plan,
    input: &Input,
    rules: &Rules<'_>,
    key: &str,
    edit: &Edit,
) -> Result<Plan, Refusal> {
    let context = Context::new(input, rules).map_err(Refusal::Rules)?;
    let position = plan.notices.iter().position(|notice| notice.key == key);
    let position = position.ok_or(Refusal::UnknownNotice)?;
    let notice = plan.notices.get(position).ok_or(Refusal::UnknownNotice)?;
    let mut edited = plan.clone();
    let replacement = match edit {
        Edit::ExcludeAll => {
            let every = notice.items.iter().map(|it| it.item_id.as_str());
            exclude(&mut edited, every);
            None
        }
        Edit::ExcludeItem(item_id) => {
            let (kept, out): (Vec<NoticeItem>, Vec<NoticeItem>) = notice
                .items
                .iter()
                .cloned()
                .partition(|it| it.item_id != *item_id);
            if out.is_empty() {
                return Err(Refusal::UnknownItem);
            }
            exclude(&mut edited, out.iter().map(|it| it.item_id.as_str()));
            if kept.is_empty() {
                None
            } else {
                Some(recompose(&context, notice, kept)?)
            }
        }
        Edit::Lower => Some(recompose(&context, notice, lowered(&context, notice)?)?),
        Edit::Raise => Some(recompose(&context, notice, raised(&context, notice)?)?),
        Edit::Channel(channel) => Some(rechannelled(&context, notice, *channel)?),
        Edit::Comment(text) => Some(commented(notice, text)?),
    };
    match replacement {
        Some(replacement) => {
            mark(&context, &mut edited, notice, &replacement);
            if let Some(place) = edited.notices.get_mut(position) {
                *place = replacement;
            }
        }
        None => {
            edited.notices.remove(position);
        }
    }
    context.finish(&mut edited);
    Ok(edited)
}

fn exclude<'i>(plan: &mut Plan, item_ids: impl Iterator<Item = &'i str>) {
    let out: BTreeSet<&str> = item_ids.collect();
    let tomorrow = plus_days(plan.business_date, 1);
    for finding in &mut plan.findings {
        if out.contains(finding.item_id.as_str()) {
            finding.reason = Reason::ExcludedByReview;
            finding.values.date = None;
            finding.values.next = Some(tomorrow);
        }
    }
}

fn lowered(context: &Context<'_>, notice: &Notice) -> Result<Vec<NoticeItem>, Refusal> {
    let level = notice.level - 1;
    context.step(level).ok_or(Refusal::NoSuchLevel)?;
    let at_level = || notice.items.iter().filter(|it| it.level == notice.level);
    if let Some(sent) = at_level().find(|it| it.sent >= level) {
        return Err(Refusal::AlreadySent(sent.item_id.clone()));
    }
    moved(context, notice, level)
}

fn raised(context: &Context<'_>, notice: &Notice) -> Result<Vec<NoticeItem>, Refusal> {
    let level = notice.level.saturating_add(1);
    context.step(level).ok_or(Refusal::NoSuchLevel)?;
    if notice.statutory {
        return Err(Refusal::Statutory);
    }
    let at_level = || notice.items.iter().filter(|it| it.level == notice.level);
    if at_level().any(|it| it.proposed < notice.level) {
        return Err(Refusal::AlreadyRaised);
    }
    moved(context, notice, level)
}

/// The items with those at the notice's level moved to another.
fn moved(context: &Context<'_>, notice: &Notice, level: u8) -> Result<Vec<NoticeItem>, Refusal> {
    let alone = context.statutory_level == Some(level)
        || context.step(level).is_some_and(Step::leaves_ladder);
    let mixed = notice.items.iter().any(|it| it.level != notice.level);
    if alone && mixed {
        return Err(Refusal::MixedLevels);
    }
    let items = notice.items.iter().cloned().map(|mut it| {
        if it.level == notice.level {
            it.level = level;
        }
        it
    });
    Ok(items.collect())
}

/// The notice over other items or levels. A channel that a reviewer chose stays.
fn recompose(
    context: &Context<'_>,
    notice: &Notice,
    items: Vec<NoticeItem>,
) -> Result<Notice, Refusal> {
    let chosen = (notice.channel.reason == ChannelReason::Reviewer).then(|| notice.channel.clone());
    compose_for(context, notice, items, chosen)
}

fn compose_for(
    context: &Context<'_>,
    notice: &Notice,
    items: Vec<NoticeItem>,
    channel: Option<ChannelChoice>,
) -> Result<Notice, Refusal> {
    let composed = compose(context, notice.key.clone(), items, channel);
    let mut composed = composed.map_err(|blocked| Refusal::Blocked {
        reason: blocked.reason().name(),
        reference: blocked.reference(),
    })?;
    composed.comment.clone_from(&notice.comment);
    Ok(composed)
}

fn rechannelled(
    context: &Context<'_>,
    notice: &Notice,
    channel: Channel,
) -> Result<Notice, Refusal> {
    let point = contact_point(context.input, channel, notice.statutory);
    let choice = ChannelChoice {
        channel,
        contact_point: point.map_err(Refusal::Channel)?.id.clone(),
        reason: ChannelReason::Reviewer,
        skipped: Vec::new(),
    };
    compose_for(context, notice, notice.items.clone(), Some(choice))
}

fn commented(notice: &Notice, text: &str) -> Result<Notice, Refusal> {
    if text.chars().count() > MAX_COMMENT {
        return Err(Refusal::CommentTooLong);
    }
    Ok(Notice {
        comment: text.to_owned(),
        ..notice.clone()
    })
}

/// Brings the findings of the notice's items in line with it.
fn mark(context: &Context<'_>, plan: &mut Plan, before: &Notice, after: &Notice) {
    let last_level = context.rules.procedure.last_level();
    let grace = context.rules.procedure.days_after_pay_by(0);
    let levels: BTreeMap<&str, u8> = before
        .items
        .iter()
        .map(|it| (it.item_id.as_str(), it.level))
        .collect();
    for it in &after.items {
        let was = levels.get(it.item_id.as_str());
        let changed = was.is_some_and(|was| *was != it.level);
        let Some(finding) = finding_mut(plan, &it.item_id) else {
            continue;
        };
        if changed {
            finding.reason = Reason::DunnedReviewed;
        }
        let clock = context.item(&it.item_id).map(|item| context.clock(item));
        finding.values = Deciding {
            level: Some(it.level),
            date: Some(after.pay_by),
            next: clock
                .filter(|_| it.level < last_level)
                .and_then(|clock| clock.date_after(after.pay_by, grace)),
            ..finding.values.clone()
        };
    }
}

fn finding_mut<'p>(plan: &'p mut Plan, item_id: &str) -> Option<&'p mut Finding> {
    let index = plan
        .findings
        .binary_search_by(|finding| finding.item_id.as_str().cmp(item_id));
    plan.findings.get_mut(index.ok()?)
}
