use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::{day, debtor};
use crate::facts::{
    ArrangementKind, Arrangements, BrokenFacts, DebtorFacts, DisputeFacts, ItemFacts, Settlement,
    SettlementKind,
};
use crate::features::Features;
use crate::history::History;

fn date() -> impl Strategy<Value = NaiveDate> {
    (0_u64..1_200).prop_map(|days| day("2022-11-20") + Days::new(days))
}

fn kind() -> impl Strategy<Value = SettlementKind> {
    prop_oneof![
        5 => Just(SettlementKind::Payment),
        1 => Just(SettlementKind::Discount),
        1 => Just(SettlementKind::CreditNote),
        1 => Just(SettlementKind::WriteOff),
        1 => Just(SettlementKind::Cancellation),
    ]
}

/// Small amounts, so that items are often settled exactly, over and anew.
fn settlement() -> impl Strategy<Value = Settlement> {
    (
        prop_oneof![4 => 1_i64..=4, 1 => -4_i64..=0],
        date(),
        0_u64..40,
        kind(),
    )
        .prop_map(|(amount, value_date, delay, kind)| Settlement {
            amount,
            value_date,
            recorded_date: value_date + Days::new(delay),
            kind,
        })
}

fn item() -> impl Strategy<Value = ItemFacts> {
    let settlements = prop::collection::vec(settlement(), 0..5);
    let currency = prop_oneof![3 => Just("EUR"), 1 => Just("USD")];
    (
        0_u32..12,
        currency,
        0_i64..=4,
        date(),
        0_u64..60,
        0_u64..20,
        settlements,
    )
        .prop_map(
            |(id, currency, amount, document_date, term, delay, settlements)| ItemFacts {
                item_id: format!("i{id}"),
                currency: currency.to_owned(),
                amount,
                document_date,
                due_date: document_date + Days::new(term),
                recorded_date: document_date + Days::new(delay),
                settlements,
            },
        )
}

fn items() -> impl Strategy<Value = Vec<ItemFacts>> {
    prop::collection::vec(item(), 0..8)
}

fn dispute() -> impl Strategy<Value = DisputeFacts> {
    (
        0_u32..12,
        prop::option::of(1_i64..=4),
        date(),
        prop::option::of(0_u64..60),
        any::<bool>(),
    )
        .prop_map(
            |(id, amount, opened_date, closed_after, upheld)| DisputeFacts {
                item_id: format!("i{id}"),
                amount,
                opened_date,
                closed_date: closed_after.map(|days| opened_date + Days::new(days)),
                upheld: upheld && closed_after.is_some(),
            },
        )
}

fn broken() -> impl Strategy<Value = BrokenFacts> {
    let kinds = vec![ArrangementKind::Promise, ArrangementKind::InstalmentPlan];
    (prop::sample::select(kinds), date()).prop_map(|(kind, on)| BrokenFacts { kind, on })
}

fn arrangements() -> impl Strategy<Value = Arrangements> {
    (
        prop::collection::vec(dispute(), 0..5),
        prop::collection::vec(broken(), 0..4),
    )
        .prop_map(|(disputes, broken)| Arrangements { disputes, broken })
}

fn any_debtor() -> impl Strategy<Value = DebtorFacts> {
    (prop::option::of(date()), arrangements()).prop_map(|(customer_since, arrangements)| {
        DebtorFacts {
            customer_since,
            arrangements,
            ..debtor()
        }
    })
}

/// The debtor as a person could have known it on the date: an outcome of later was none.
fn known_debtor(debtor: &DebtorFacts, as_of: NaiveDate) -> DebtorFacts {
    let mut known = debtor.clone();
    let disputes = &mut known.arrangements.disputes;
    disputes.retain(|it| it.opened_date <= as_of);
    for dispute in disputes {
        if dispute.closed_date.is_some_and(|date| date > as_of) {
            (dispute.closed_date, dispute.upheld) = (None, false);
        }
    }
    known.arrangements.broken.retain(|it| it.on <= as_of);
    known
}

/// Makes all that was not known on the date something else.
fn rewritten_future(mut later: Arrangements, as_of: NaiveDate) -> Arrangements {
    let tomorrow = as_of + Days::new(1);
    for dispute in &mut later.disputes {
        dispute.opened_date = dispute.opened_date.max(tomorrow);
        dispute.closed_date = dispute.closed_date.map(|date| date.max(tomorrow));
    }
    for broken in &mut later.broken {
        broken.on = broken.on.max(tomorrow);
    }
    later
}

/// What a person could have known on the date.
fn known(items: &[ItemFacts], as_of: NaiveDate) -> Vec<ItemFacts> {
    let mut known: Vec<_> = items.to_vec();
    known.retain(|item| item.document_date <= as_of && item.recorded_date <= as_of);
    for item in &mut known {
        item.settlements
            .retain(|it| it.value_date <= as_of && it.recorded_date <= as_of);
    }
    known
}

/// Makes a fact later than the date: by its value or its recorded date.
fn postponed(mut settlement: Settlement, as_of: NaiveDate, by_recording: bool) -> Settlement {
    let later = as_of + Days::new(1);
    settlement.recorded_date = settlement.recorded_date.max(if by_recording {
        later
    } else {
        settlement.recorded_date
    });
    settlement.value_date = if by_recording {
        settlement.value_date
    } else {
        settlement.value_date.max(later)
    };
    settlement
}

/// The day an item was last settled, from the open amount of every single day.
fn settled_on_day_by_day(item: &ItemFacts, until: NaiveDate) -> Option<NaiveDate> {
    let open = |date: NaiveDate| {
        item.amount
            - item
                .settlements
                .iter()
                .filter(|it| it.value_date <= date)
                .map(|it| it.amount)
                .sum::<i64>()
    };
    let first = day("2022-01-01");
    let crossing = first
        .iter_days()
        .take_while(|date| *date < until)
        .filter(|date| {
            let next = *date + Days::new(1);
            open(*date) > 0 && open(next) <= 0
        });
    crossing
        .last()
        .map(|date| date + Days::new(1))
        .filter(|_| open(until) <= 0)
}

proptest! {
    #[test]
    fn later_facts_never_leak_into_the_past(
        mut debtor in any_debtor(),
        mut past in items(),
        later_arrangements in arrangements(),
        closings in prop::collection::vec((0_u64..60, any::<bool>()), 5),
        later_items in items(),
        later_settlements in prop::collection::vec((any::<prop::sample::Index>(), settlement(), any::<bool>()), 0..6),
        as_of in date(),
    ) {
        let before = Features::compute(&debtor, &past, as_of);
        prop_assert_eq!(&before, &Features::compute(&known_debtor(&debtor, as_of), &known(&past, as_of), as_of));
        debtor = known_debtor(&debtor, as_of);
        for (dispute, (days, upheld)) in debtor.arrangements.disputes.iter_mut().zip(closings) {
            if dispute.closed_date.is_none() {
                dispute.closed_date = Some(as_of + Days::new(1 + days));
                dispute.upheld = upheld;
            }
        }
        let later = rewritten_future(later_arrangements, as_of);
        debtor.arrangements.disputes.extend(later.disputes);
        debtor.arrangements.broken.extend(later.broken);
        if !past.is_empty() {
            for (index, settlement, by_recording) in later_settlements {
                index.get_mut(&mut past).settlements.push(postponed(settlement, as_of, by_recording));
            }
        }
        for (number, mut item) in later_items.into_iter().enumerate() {
            let later = as_of + Days::new(1);
            let postponed = if number % 2 == 0 { &mut item.document_date } else { &mut item.recorded_date };
            *postponed = later.max(*postponed);
            past.push(item);
        }
        prop_assert_eq!(before, Features::compute(&debtor, &past, as_of));
    }

    /// Walks every day, so that each kind of boundary is met as the first one to come.
    #[test]
    fn a_day_that_changes_something_is_announced_on_the_day_before(
        debtor in any_debtor(), items in items(),
    ) {
        let mut before = Features::default();
        for today in day("2022-11-19").iter_days().take(2_000) {
            let until = Features::unchanged_until(&debtor, &items, today);
            let tomorrow = today + Days::new(1);
            prop_assert!(until >= tomorrow);
            let next = Features::compute(&debtor, &items, tomorrow);
            prop_assert!(until == tomorrow || next == before, "unannounced change on {}", tomorrow);
            before = next;
        }
    }

    #[test]
    fn nothing_changes_before_the_date_until_which_nothing_changes(
        debtor in any_debtor(), items in items(), as_of in date(),
    ) {
        let until = Features::unchanged_until(&debtor, &items, as_of);
        let now = Features::compute(&debtor, &items, as_of);
        for date in as_of.iter_days().take(1_500).take_while(|date| *date < until) {
            prop_assert_eq!(&now, &Features::compute(&debtor, &items, date), "on {}", date);
        }
    }

    #[test]
    fn a_history_built_step_by_step_equals_one_built_at_once_on_every_date(
        debtor in any_debtor(),
        steps in prop::collection::vec((item(), any::<bool>()), 0..20),
        dates in prop::collection::vec(date(), 1..5),
    ) {
        let mut history = History::default();
        let mut left: Vec<ItemFacts> = Vec::new();
        for (item, removes) in steps {
            let was_there = left.iter().any(|it| it.item_id == item.item_id);
            left.retain(|it| it.item_id != item.item_id);
            if removes {
                prop_assert_eq!(history.remove_item(&item.item_id), was_there);
            } else {
                left.push(item.clone());
                history.upsert_item(item);
            }
        }
        prop_assert_eq!(&history, &History::from_items(left.clone()));
        for as_of in dates {
            let features = history.features(&debtor, as_of);
            prop_assert_eq!(&features, &Features::compute(&debtor, &left, as_of));
            prop_assert_eq!(&features, &Features::compute(&debtor, &known(&left, as_of), as_of));
            prop_assert_eq!(
                history.unchanged_until(&debtor, as_of),
                Features::unchanged_until(&debtor, &left, as_of)
            );
        }
    }

    #[test]
    fn the_order_of_facts_does_not_matter(debtor in any_debtor(), items in items(), as_of in date()) {
        let mut reversed_debtor = debtor.clone();
        reversed_debtor.arrangements.disputes.reverse();
        reversed_debtor.arrangements.broken.reverse();
        let mut reversed = items.clone();
        reversed.reverse();
        reversed.iter_mut().for_each(|item| item.settlements.reverse());
        let features = Features::compute(&debtor, &items, as_of);
        prop_assert_eq!(features, Features::compute(&reversed_debtor, &reversed, as_of));
    }

    #[test]
    fn what_is_overdue_or_disputed_is_part_of_what_is_open(
        debtor in any_debtor(), items in items(), as_of in date(),
    ) {
        let features = Features::compute(&debtor, &items, as_of);
        for parts in [&features.overdue_by_currency, &features.disputed_by_currency] {
            for (currency, part) in parts {
                let open = features.open_by_currency.get(currency).copied().unwrap_or(0);
                prop_assert!((1..=open).contains(part), "{} of {} {}", part, open, currency);
            }
        }
        prop_assert!(features.upheld_dispute_share_12m_bps <= features.dispute_share_12m_bps);
    }

    #[test]
    fn the_settlement_date_equals_that_of_a_day_by_day_replay(
        mut item in item(), mut settlements in prop::collection::vec(settlement(), 1..6),
    ) {
        item.amount = item.amount.max(1);
        settlements.iter_mut().for_each(|it| {
            it.kind = SettlementKind::Payment;
            it.recorded_date = it.value_date;
        });
        item.settlements = settlements;
        let as_of = day("2026-06-30");
        item.document_date = item.document_date.min(day("2026-01-01"));
        let features = Features::compute(&debtor(), std::slice::from_ref(&item), as_of);
        let expected = settled_on_day_by_day(&item, as_of);
        prop_assert_eq!(features.settled_items, i64::from(expected.is_some()));
        let in_window = expected.filter(|on| (as_of - *on).num_days() < 730);
        prop_assert_eq!(features.worst_dbt_24m_days, in_window.map(|on| (on - item.due_date).num_days()));
    }
}
