//! What the reminders did to payment: the same debtors with and without them, by the same count.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::ledger::{Dated, Event, Story};

/// How a portfolio paid, over all invoices that fell due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Invoices fallen due before the last day.
    pub(crate) due: usize,
    /// Per mille of them not settled when due.
    pub(crate) late_permille: i64,
    /// Days beyond terms, on average over all of them, in tenths; open ones count up to the last day, early ones as 0.
    pub(crate) late_tenths: i64,
    /// Per mille settled, or still open, more than 30 days late.
    pub(crate) late_over_30_permille: i64,
    /// Invoices open and overdue on the last day.
    pub(crate) overdue: usize,
    /// Invoices given up in whole or in part.
    pub(crate) written_off: usize,
}

struct Invoice {
    due: NaiveDate,
    open: i64,
    settled: Option<NaiveDate>,
    written_off: bool,
}

/// Counts what happened in a story.
pub(crate) fn effect(story: &Story) -> Effect {
    let invoices = replay(&story.events);
    let today = story.period.last();
    let due: Vec<&Invoice> = invoices.values().filter(|it| it.due < today).collect();
    let days_late = |it: &Invoice| (it.settled.unwrap_or(today) - it.due).num_days().max(0);
    let count = |holds: &dyn Fn(&Invoice) -> bool| due.iter().filter(|it| holds(it)).count();
    let size = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let all = size(due.len()).max(1);
    let late: i64 = due.iter().map(|it| days_late(it)).sum();
    Effect {
        due: due.len(),
        late_permille: size(count(&|it| days_late(it) > 0)) * 1_000 / all,
        late_tenths: late * 10 / all,
        late_over_30_permille: size(count(&|it| days_late(it) > 30)) * 1_000 / all,
        overdue: count(&|it| it.open > 0),
        written_off: count(&|it| it.written_off),
    }
}

fn replay(events: &[Dated]) -> BTreeMap<&str, Invoice> {
    let mut invoices: BTreeMap<&str, Invoice> = BTreeMap::new();
    let mut payments: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
    for dated in events {
        let mut settle = |id: &str, amount: i64| {
            if let Some(invoice) = invoices.get_mut(id) {
                invoice.open -= amount;
                invoice.settled = (invoice.open == 0).then_some(dated.date);
            }
        };
        match &dated.event {
            Event::Invoice(invoice) => {
                let new = Invoice {
                    due: invoice.due,
                    open: invoice.amount,
                    settled: None,
                    written_off: false,
                };
                invoices.insert(&invoice.id, new);
            }
            Event::CreditNote {
                invoice, amount, ..
            } => settle(invoice, *amount),
            Event::Payment { id, parts } => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|part| (part.invoice.as_str(), part.amount + part.discount))
                    .collect();
                for (invoice, amount) in &parts {
                    settle(invoice, *amount);
                }
                payments.insert(id, parts);
            }
            Event::Returned { payment } => {
                for (invoice, amount) in payments.remove(payment.as_str()).unwrap_or_default() {
                    settle(invoice, -amount);
                }
            }
            Event::WrittenOff { invoice } => {
                if let Some(invoice) = invoices.get_mut(invoice.as_str()) {
                    (invoice.open, invoice.written_off) = (0, true);
                }
            }
            Event::Registered
            | Event::Hold(_)
            | Event::Insolvent
            | Event::Promised { .. }
            | Event::Disputed { .. }
            | Event::Decided { .. } => {}
        }
    }
    invoices
}

#[cfg(test)]
mod tests {
    use super::{
        super::ledger::{Reminder, World},
        *,
    };

    /// Everybody who is more than a week late gets a reminder every other week.
    fn reminded(seed: u64) -> Story {
        let mut world = World::new(seed, 200, 18);
        let debtors = world.debtors();
        let mut told: Vec<Dated> = Vec::new();
        for (number, day) in world.period.days.clone().into_iter().enumerate() {
            told.extend(world.live(day));
            if number % 10 != 0 {
                continue;
            }
            let late: Vec<(String, usize)> = replay(&told)
                .into_iter()
                .filter(|(_, it)| it.open > 0 && (day - it.due).num_days() > 7)
                .map(|(id, _)| {
                    let number: usize = id[1..6].parse().unwrap();
                    (id.to_owned(), number - 1)
                })
                .collect();
            for (invoice, debtor) in late {
                let reminder = Reminder {
                    level: 2,
                    by_phone: false,
                    invoices: vec![invoice],
                };
                world.remind(&debtors[debtor].id, day, &reminder);
            }
        }
        Story {
            debtors,
            events: told,
            period: world.period,
        }
    }

    #[test]
    fn reminders_make_debtors_pay_sooner_and_buy_the_same() {
        let (without, with) = (Story::undisturbed(1, 200, 18), reminded(1));
        let invoices = |story: &Story| {
            let issued = story.events.iter().filter_map(|dated| match &dated.event {
                Event::Invoice(invoice) => Some((invoice.id.clone(), invoice.amount)),
                _ => None,
            });
            issued.collect::<BTreeMap<_, _>>()
        };
        let (fewer, more) = (invoices(&without), invoices(&with));
        // Who pays sooner is on credit hold less often, and that is the only difference in what is bought.
        let missing = fewer.keys().filter(|id| !more.contains_key(*id)).count();
        assert!(missing * 50 < fewer.len(), "{missing} of {}", fewer.len());
        let (without, with) = (effect(&without), effect(&with));
        println!("{without:?}\n{with:?}");
        assert!(with.late_tenths < without.late_tenths);
        assert!(with.late_over_30_permille < without.late_over_30_permille);
        assert!(with.written_off <= without.written_off);
    }

    #[test]
    fn everything_that_reminders_lead_to_happens() {
        let story = reminded(2);
        let count =
            |holds: fn(&Event) -> bool| story.events.iter().filter(|it| holds(&it.event)).count();
        assert!(count(|it| matches!(it, Event::Promised { .. })) > 3);
        assert!(count(|it| matches!(it, Event::Disputed { .. })) > 1);
        assert!(count(|it| matches!(it, Event::Decided { .. })) > 1);
    }
}
