//! What sending leaves behind: how far each item has been dunned, and the contacts made.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::evaluate::{Context, EvaluateError, Rules, due_candidates};
use crate::input::{Channel, Contact, DunningState, Input};
use crate::plan::{LineKind, Notice, NoticeItem, Plan};
use crate::procedure::{FeePosting, FollowUp};

/// The input after every notice of the plan was sent on its business date. The plan was made from this input.
#[must_use]
pub fn dispatched(plan: &Plan, input: &Input) -> Input {
    let before: BTreeMap<&str, &DunningState> = input
        .items
        .iter()
        .map(|item| (item.id.as_str(), &item.state))
        .collect();
    let mut states = BTreeMap::new();
    for notice in &plan.notices {
        states.extend(sent(
            &plan.procedure.id,
            plan.business_date,
            notice,
            &before,
        ));
    }
    let mut after = input.clone();
    for item in &mut after.items {
        if let Some(state) = states.remove(item.id.as_str()) {
            item.state = state;
        }
    }
    let contacts = plan.notices.iter().map(|notice| Contact {
        on: plan.business_date,
        channel: notice.channel.channel,
    });
    after.recent_contacts.extend(contacts);
    after
}

/// The states of the items of a notice, made by the procedure of a key, after it was sent on a day; from their states
/// before, by item.
///
/// A notice that is a call, or that a call follows, leaves its step open until the call was made.
#[must_use]
pub fn sent<'n>(
    procedure: &str,
    on: NaiveDate,
    notice: &'n Notice,
    before: &BTreeMap<&str, &DunningState>,
) -> BTreeMap<&'n str, DunningState> {
    let lines = || notice.lines.iter();
    let flat_sums: BTreeSet<&str> = lines()
        .filter(|line| line.kind == LineKind::FlatSum)
        .filter_map(|line| line.item_id.as_deref())
        .collect();
    let fee: i64 = lines()
        .filter(|line| line.kind == LineKind::Fee)
        .map(|line| line.minor)
        .sum();
    let by_call = notice.channel.channel == Channel::Phone;
    let leaves = matches!(notice.follow_up, FollowUp::Handover | FollowUp::End);
    let state = |it: &NoticeItem| {
        let before = before.get(it.item_id.as_str()).copied();
        let before = before.cloned().unwrap_or_default();
        let of_this_level = it.level == notice.level;
        // The leading item carries the fee of the notice, so that the sum over the items is what was shown.
        let carries_fee =
            it.item_id == notice.leading_item && notice.fee_posting != FeePosting::Receivable;
        let flat_sum = flat_sums.contains(it.item_id.as_str());
        DunningState {
            procedure: procedure.to_owned(),
            cycle: it.cycle,
            level: it.level,
            pay_by: Some(notice.pay_by),
            notice_on: Some(on),
            done: !by_call && notice.follow_up != FollowUp::CallTask,
            statutory_sent: before.statutory_sent || (notice.statutory && of_this_level),
            fees: before
                .fees
                .saturating_add(if carries_fee { fee } else { 0 }),
            flat_sum: before.flat_sum.or(flat_sum.then_some(notice.fee_posting)),
            left_on: before.left_on.or((leaves && of_this_level).then_some(on)),
        }
    };
    let items = notice.items.iter();
    items.map(|it| (it.item_id.as_str(), state(it))).collect()
}

/// The input after somebody contacted the debtor by hand on the business date: every item that was due for a step has
/// now had it, and the pay-by period of that step begins. A step that a statute demands is not replaced.
///
/// # Errors
///
/// The rules are not those that the input names.
pub fn contacted_by_hand(
    input: &Input,
    rules: &Rules<'_>,
    channel: Channel,
) -> Result<Input, EvaluateError> {
    let context = Context::new(input, rules)?;
    let mut after = input.clone();
    let on = input.business_date;
    after.recent_contacts.push(Contact { on, channel });
    let mut states: BTreeMap<String, DunningState> = due_candidates(&context)
        .into_iter()
        .filter(|it| context.statutory_level != Some(it.level))
        .filter_map(|it| {
            let step = rules.procedure.step(it.level)?;
            let state = DunningState {
                procedure: input.procedure.id.clone(),
                cycle: it.cycle,
                level: it.level,
                pay_by: Some(rules.calendar.pay_by(on, step.pay_by_days)),
                notice_on: Some(on),
                done: true,
                ..it.draft.item.state.clone()
            };
            Some((it.draft.item.id.clone(), state))
        })
        .collect();
    for item in &mut after.items {
        if let Some(state) = states.remove(&item.id) {
            item.state = state;
        }
    }
    Ok(after)
}
