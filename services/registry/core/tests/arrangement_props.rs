//! Promises and plans under random histories.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use proptest::prelude::*;
use registry_core::{
    account::{Item, ItemKey},
    arrangement::{
        Arrangement, ArrangementKind, ArrangementState, NewArrangement, PlannedInstalment, Terms,
    },
    calendar::Calendar,
    currency::Currency,
    money::Money,
};

/// A Monday.
fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 2).unwrap()
}

fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn invoice(id: usize, open: i64) -> Item {
    Item {
        debtor_id: "d".into(),
        key: ItemKey::invoice(id.to_string()),
        currency: euro(),
        amount: 10_000,
        open,
        document_date: today(),
        due_date: Some(today()),
        value_date: today(),
        discount_date: None,
        discount_bps: 0,
        reference: String::new(),
        recorded_date: today(),
        reversed: false,
        version: 1,
    }
}

/// An arrangement over the invoices; `part` of 100 of what is open for a promise, all of it in instalments for a plan.
fn agreed(
    opens: &[i64],
    kind: ArrangementKind,
    part: i64,
    days: u64,
    tolerance: i32,
) -> Arrangement {
    let open: i64 = opens.iter().sum();
    let first = today() + Days::new(days);
    let terms = match kind {
        ArrangementKind::Promise => Terms::Promise {
            amount: Some(Money::new(euro(), (open * part / 100).max(1))),
            promised_date: first,
        },
        ArrangementKind::Plan => {
            let first_amount = (open * part / 100).clamp(1, open);
            let amounts = [first_amount, open - first_amount];
            let planned = amounts
                .into_iter()
                .filter(|amount| *amount > 0)
                .zip([0, 30]);
            Terms::Plan(
                planned
                    .map(|(amount, later)| PlannedInstalment {
                        due_date: first + Days::new(later),
                        amount: Money::new(euro(), amount),
                    })
                    .collect(),
            )
        }
    };
    let new = NewArrangement {
        creditor_id: "c".into(),
        debtor_id: "d".into(),
        id: "a".into(),
        invoice_ids: (0..opens.len()).map(|id| id.to_string()).collect(),
        terms,
        tolerance_days: tolerance,
    };
    assert_eq!(new.validate(), []);
    let items: Vec<Item> = opens
        .iter()
        .enumerate()
        .map(|(id, open)| invoice(id, *open))
        .collect();
    new.agree(Calendar::De, today(), &items).unwrap()
}

fn count(arrangement: &mut Arrangement, opens: &[i64], day: NaiveDate) {
    let opens: HashMap<String, i64> = opens
        .iter()
        .enumerate()
        .map(|(id, open)| (id.to_string(), *open))
        .collect();
    arrangement.count(|id| opens[id], day);
}

fn kinds() -> impl Strategy<Value = ArrangementKind> {
    prop_oneof![Just(ArrangementKind::Promise), Just(ArrangementKind::Plan)]
}

fn opens() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(1..500_i64, 1..6)
}

/// What one posting leaves open: of which invoice, so much, so many days later.
fn history() -> impl Strategy<Value = Vec<(usize, i64, u64)>> {
    prop::collection::vec((0..6_usize, 0..700_i64, 0..12_u64), 0..20)
}

proptest! {
    /// After every posting, whatever it is.
    #[test]
    fn what_is_covered_is_what_is_still_to_come_and_never_more_than_is_open(
        start in opens(), kind in kinds(), part in 1..=100_i64, days in 0..60_u64, tolerance in 0..=30,
        postings in history(),
    ) {
        let mut arrangement = agreed(&start, kind, part, days, tolerance);
        let (mut now, mut day) = (start, today());
        for (invoice, open, later) in postings {
            let index = invoice % now.len();
            now[index] = open;
            day = day + Days::new(later);
            let before = arrangement.clone();
            count(&mut arrangement, &now, day);
            prop_assert!((0..=arrangement.amount()).contains(&arrangement.paid));
            prop_assert!(arrangement.version - before.version <= 1);
            prop_assert_eq!(arrangement.version == before.version, arrangement == before);
            let covered: i64 = arrangement.invoices.iter().map(|each| each.covered).sum();
            if arrangement.state == ArrangementState::Open {
                prop_assert_eq!(covered, arrangement.amount() - arrangement.paid);
                prop_assert!(arrangement.paid < arrangement.amount());
                prop_assert!(arrangement.next_due().is_some_and(|last| day <= last));
                prop_assert_eq!(arrangement.closed_date, None);
                for (invoice, open) in arrangement.invoices.iter().zip(&now) {
                    prop_assert!((0..=*open).contains(&invoice.covered));
                }
            } else {
                prop_assert_eq!((covered, arrangement.next_due()), (0, None));
                prop_assert!(arrangement.closed_date.is_some_and(|closed| closed <= day));
            }
            if before.state != ArrangementState::Open {
                prop_assert_eq!(&arrangement, &before, "closed is closed");
            }
            prop_assert_eq!(
                arrangement.state == ArrangementState::Kept,
                arrangement.paid == arrangement.amount(),
                "never kept with less"
            );
        }
    }

    /// Kept, partly kept and broken exclude each other, and the amount alone tells them apart.
    #[test]
    fn the_verdict_follows_from_what_had_come(
        start in opens(), kind in kinds(), part in 1..=100_i64, days in 0..60_u64, tolerance in 0..=30,
        paid in 0..=100_i64,
    ) {
        let mut arrangement = agreed(&start, kind, part, days, tolerance);
        let now: Vec<i64> = start.iter().map(|open| open - open * paid / 100).collect();
        let came = start.iter().sum::<i64>() - now.iter().sum::<i64>();
        count(&mut arrangement, &now, today());
        let last = arrangement.instalments.last().unwrap().last_day;
        arrangement.pass(last + Days::new(1));
        let amount = arrangement.amount();
        prop_assert_eq!(arrangement.paid, came.min(amount));
        let expected = if came >= amount {
            ArrangementState::Kept
        } else if kind == ArrangementKind::Promise && came > 0 {
            ArrangementState::PartlyKept
        } else {
            ArrangementState::Broken
        };
        prop_assert_eq!(arrangement.state, expected);
    }

    /// To the day: everything on the last day keeps it, one day later it is broken.
    #[test]
    fn money_within_the_tolerance_is_in_time(
        start in opens(), part in 1..=100_i64, days in 0..60_u64, tolerance in 0..=30_i32,
    ) {
        let promise = agreed(&start, ArrangementKind::Promise, part, days, tolerance);
        let last = promise.next_due().unwrap();
        prop_assert!(last >= today() + Days::new(days + u64::from(tolerance.unsigned_abs())));
        prop_assert!(Calendar::De.is_business_day(last));
        let nothing = vec![0; start.len()];
        let mut in_time = promise.clone();
        count(&mut in_time, &nothing, last);
        prop_assert_eq!(in_time.state, ArrangementState::Kept);
        let mut late = promise;
        count(&mut late, &nothing, last + Days::new(1));
        prop_assert_eq!(late.state, ArrangementState::Broken);
    }

    /// Payments of one day may come in any order.
    #[test]
    fn the_order_of_payments_does_not_matter(
        start in opens(), kind in kinds(), part in 1..=100_i64,
        payments in prop::collection::vec((0..6_usize, 1..200_i64), 1..10), turn in 0..10_usize,
    ) {
        let run = |payments: &[(usize, i64)]| {
            let mut arrangement = agreed(&start, kind, part, 10, 0);
            let mut now = start.clone();
            for (invoice, amount) in payments {
                let index = invoice % now.len();
                now[index] = (now[index] - amount).max(0);
                count(&mut arrangement, &now, today());
            }
            arrangement
        };
        let mut turned = payments.clone();
        turned.rotate_left(turn % payments.len());
        let (one, other) = (run(&payments), run(&turned));
        prop_assert_eq!(
            (one.state, one.paid, one.invoices, one.closed_date),
            (other.state, other.paid, other.invoices, other.closed_date)
        );
    }

    /// A day that is looked at in between, or twice, changes nothing.
    #[test]
    fn every_day_may_be_looked_at_any_number_of_times(
        start in opens(), kind in kinds(), part in 1..=100_i64, days in 0..60_u64, until in 0..120_u64,
    ) {
        let mut daily = agreed(&start, kind, part, days, 3);
        let mut once = daily.clone();
        for later in 0..=until {
            daily.pass(today() + Days::new(later));
            daily.pass(today() + Days::new(later));
        }
        once.pass(today() + Days::new(until));
        prop_assert_eq!((daily.state, daily.version), (once.state, once.version));
    }
}
