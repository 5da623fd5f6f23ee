//! What takes an item out before its step is looked at.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Context, Draft};
use crate::calendar::plus_days;
use crate::input::{Input, Item, WhenStale};
use crate::pause::Clock;
use crate::plan::{Amounts, Deciding, Finding, Reason};
use crate::procedure::Credits;

/// What became of an item.
pub(crate) enum Screened<'a> {
    /// It is out.
    Dropped(Finding),
    /// It may be dunned as far as its own facts go.
    Dunnable(Draft<'a>),
}

/// Looks at every item, by due date, then key.
pub(crate) fn screen<'a>(context: &Context<'a>) -> Vec<Screened<'a>> {
    let mut items: Vec<&Item> = context.input.items.iter().collect();
    items.sort_unstable_by(|left, right| {
        (left.due_date, &left.id).cmp(&(right.due_date, &right.id))
    });
    let netted = match context.rules.procedure.credits {
        Credits::Net => set_off(context.input, &items),
        Credits::Ignore => BTreeMap::new(),
    };
    let stop = stop_of_debtor(context);
    items
        .into_iter()
        .map(|item| {
            let set_off = netted.get(item.id.as_str()).copied().unwrap_or(0);
            let clock = context.clock(item);
            let draft = Draft {
                item,
                age: clock.days(item.due_date, context.input.business_date),
                amounts: amounts(item, set_off),
                clock,
            };
            match drop_reason(context, &stop, &draft) {
                Some((reason, values)) => Screened::Dropped(draft.finding(reason, values)),
                None => Screened::Dunnable(draft),
            }
        })
        .collect()
}

type Dropped = (Reason, Deciding);

fn dropped(reason: Reason, date: Option<NaiveDate>, next: Option<NaiveDate>) -> Dropped {
    let values = Deciding {
        date,
        next,
        ..Deciding::default()
    };
    (reason, values)
}

/// What stops every item of the debtor.
fn stop_of_debtor(context: &Context<'_>) -> Option<Dropped> {
    let today = context.input.business_date;
    let debtor = &context.input.debtor;
    if let Some(since) = debtor.insolvent_since {
        return Some(dropped(Reason::Insolvent, Some(since), None));
    }
    if let Some(until) = debtor.manual_until.filter(|until| today <= *until) {
        let next = plus_days(until, 1);
        return Some(dropped(Reason::ManualMode, Some(until), Some(next)));
    }
    if debtor.restricted {
        return Some(dropped(Reason::Restricted, None, None));
    }
    if debtor.deceased {
        return Some(dropped(Reason::Deceased, None, None));
    }
    let ledger = &context.input.ledger;
    if context.stale_ledger() && ledger.when_stale == WhenStale::Withhold {
        let mut stop = dropped(Reason::StaleLedger, ledger.last_bank_import, None);
        stop.1.needed_days = ledger.max_age_days.map(i64::from);
        return Some(stop);
    }
    None
}

fn drop_reason(
    context: &Context<'_>,
    stop: &Option<Dropped>,
    draft: &Draft<'_>,
) -> Option<Dropped> {
    let Draft {
        item,
        clock,
        age,
        amounts,
    } = draft;
    if amounts.open == 0 {
        return Some(dropped(Reason::Paid, None, None));
    }
    if let Some(stop) = stop {
        return Some(stop.clone());
    }
    let mut left = amounts.open - amounts.netted;
    if left == 0 {
        return Some(dropped(Reason::Netted, None, None));
    }
    let grace = i64::from(context.rules.procedure.grace_days);
    if *age <= grace {
        let next = clock.date_after(item.due_date, grace + 1);
        let mut not_due = dropped(Reason::NotDue, Some(item.due_date), next);
        not_due.1.needed_days = Some(grace + 1);
        return Some(not_due);
    }
    for (part, reason) in [
        (amounts.disputed, Reason::Disputed),
        (amounts.planned, Reason::InPlan),
        (amounts.promised, Reason::Promised),
    ] {
        left -= part;
        if left == 0 {
            return Some(dropped(reason, None, None));
        }
    }
    if item.collection_pending {
        return Some(dropped(Reason::CollectionPending, None, None));
    }
    if let Some(paused) = paused(context, item, clock) {
        return Some(paused);
    }
    let left_on = item.state.left_on?;
    Some(dropped(Reason::LeftLadder, Some(left_on), None))
}

fn paused(context: &Context<'_>, item: &Item, clock: &Clock) -> Option<Dropped> {
    let until = clock.silent_until(context.input.business_date)?;
    let until = Some(until).filter(|until| *until < NaiveDate::MAX);
    let next = until.map(|until| plus_days(until, 1));
    let mut paused = dropped(Reason::Paused, until, next);
    paused.1.reference = context.deciding_pause(item);
    Some(paused)
}

/// What of the open amount may be dunned. The parts are taken off one after another, so that a payment on account of
/// an item in dispute counts for its undisputed part, in favour of the debtor.
fn amounts(item: &Item, netted: i64) -> Amounts {
    let mut left = item.open - netted;
    let mut take = |part: i64| {
        let taken = part.min(left);
        left -= taken;
        taken
    };
    let (disputed, planned, promised) =
        (take(item.disputed), take(item.planned), take(item.promised));
    Amounts {
        open: item.open,
        netted,
        disputed,
        planned,
        promised,
        dunned: left,
    }
}

/// How much is set off against each item: first what names it, then the rest of everything against the oldest.
/// `items` by due date, then key.
fn set_off<'a>(input: &'a Input, items: &[&'a Item]) -> BTreeMap<&'a str, i64> {
    let mut naming: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut rest: BTreeMap<&str, i64> = BTreeMap::new();
    for credit in &input.credits {
        let currency = credit.currency.as_str();
        match credit.item_id.as_deref() {
            Some(item_id) => *naming.entry((item_id, currency)).or_default() += credit.minor,
            None => *rest.entry(currency).or_default() += credit.minor,
        }
    }
    let mut netted: BTreeMap<&str, i64> = BTreeMap::new();
    for item in items {
        let key = (item.id.as_str(), item.currency.as_str());
        if let Some(named) = naming.get_mut(&key) {
            let taken = item.open.min(*named);
            *named -= taken;
            netted.insert(key.0, taken);
        }
    }
    // What a named item does not need, or what names no open item of its currency, is as good as any other credit.
    for ((_, currency), left) in naming {
        *rest.entry(currency).or_default() += left;
    }
    for item in items {
        if let Some(credit) = rest.get_mut(item.currency.as_str()) {
            let entry = netted.entry(item.id.as_str()).or_default();
            let taken = (item.open - *entry).min(*credit);
            *credit -= taken;
            *entry += taken;
        }
    }
    netted
}
