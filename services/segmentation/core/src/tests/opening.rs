//! One outcome a day.

use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::{blank, compiled, day, membership};
use crate::assign::{Input, Membership, Pin, Source, assign};
use crate::facts::DebtorFacts;
use crate::opening::Record;
use crate::scheme::CompiledScheme;

type Remembered = Option<Record<Membership>>;

/// Decides on a debtor as of a date, and remembers.
fn decide(
    scheme: &CompiledScheme,
    before: &Remembered,
    facts: &DebtorFacts,
    pin: Option<&Pin>,
    date: NaiveDate,
) -> Remembered {
    let current = before.as_ref().and_then(|before| before.at_opening(date));
    let input = Input {
        facts,
        current,
        pin,
        business_date: date,
    };
    let entered = assign(scheme, &input).entered(current, date);
    Record::decided(before.as_ref(), date, entered, false)
}

/// By settled items `a` or `rest`, by open disputes `b`, and without either an error: with so many days of minimum stay.
fn scheme(minimum_stay_days: u32) -> CompiledScheme {
    compiled(
        "debtor.settled_items > 5",
        "100 / debtor.open_disputes > 20",
        minimum_stay_days,
    )
}

fn facts() -> impl Strategy<Value = DebtorFacts> {
    (0_i64..10, 0_i64..8, prop::bool::weighted(0.1)).prop_map(
        |(settled_items, open_disputes, insolvent)| DebtorFacts {
            settled_items,
            open_disputes,
            insolvent,
            ..blank()
        },
    )
}

/// The facts as they become known on a date, each with whether somebody looks at them in the first history, and in the
/// second; the last ones of a date are looked at in both.
fn history() -> impl Strategy<Value = Vec<Vec<(DebtorFacts, [bool; 2])>>> {
    let known = (facts(), any::<[bool; 2]>());
    prop::collection::vec(prop::collection::vec(known, 1..5), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn facts_of_a_day_end_in_the_same_membership_however_they_are_cut(
        dates in history(),
        minimum_stay_days in 0_u32..4,
        pinned in prop::option::of((0_u64..8, 0_u64..3)),
    ) {
        let scheme = scheme(minimum_stay_days);
        let mut records: [Remembered; 2] = [None, None];
        for (number, known) in (0_u64..).zip(&dates) {
            let date = day("2026-06-15") + Days::new(number);
            let pin = pinned.filter(|(first, _)| number >= *first).map(|(first, days)| Pin {
                segment_id: "b".to_owned(),
                until: Some(day("2026-06-15") + Days::new(first + days)),
            });
            for (place, (facts, looked_at)) in known.iter().enumerate() {
                let is_last = place + 1 == known.len();
                for (record, looks) in records.iter_mut().zip(looked_at) {
                    if *looks || is_last {
                        *record = decide(&scheme, record, facts, pin.as_ref(), date);
                    }
                }
            }
            let stays = records.each_ref().map(|record| record.as_ref().map(|it| &it.stay));
            prop_assert!(stays[0].is_some());
            prop_assert_eq!(stays[0], stays[1], "on {}", date);
        }
    }
}

#[test]
fn who_comes_back_on_the_same_date_has_never_left() {
    let scheme = scheme(0);
    let date = day("2026-06-15");
    let of = |settled_items| DebtorFacts {
        settled_items,
        open_disputes: 5,
        ..blank()
    };
    let before = Some(Record {
        stay: membership("a", "2026-05-02", Source::Rule),
        opening: None,
    });
    let away = decide(&scheme, &before, &of(0), None, date);
    let stay = away.as_ref().map(|record| &record.stay);
    assert_eq!(
        stay,
        Some(&membership("rest", "2026-06-15", Source::Rule)),
        "100 / 5 is not above 20"
    );
    assert_eq!(decide(&scheme, &away, &of(9), None, date), before);
    // On the next date it has left.
    let next = day("2026-06-16");
    let back = decide(&scheme, &away, &of(9), None, next).unwrap();
    assert_eq!(back.stay, membership("a", "2026-06-16", Source::Rule));
    assert_eq!(back.at_opening(next), away.as_ref().map(|it| &it.stay));
}

#[test]
fn a_minimum_stay_holds_from_the_date_after_the_first() {
    let scheme = scheme(10);
    let of = |settled_items| DebtorFacts {
        settled_items,
        open_disputes: 5,
        ..blank()
    };
    let first = day("2026-06-15");
    let entered = decide(&scheme, &None, &of(9), None, first);
    let corrected = decide(&scheme, &entered, &of(0), None, first);
    let segment = |record: &Remembered| record.as_ref().map(|it| it.stay.segment_id.clone());
    assert_eq!(segment(&entered).as_deref(), Some("a"));
    assert_eq!(segment(&corrected).as_deref(), Some("rest"));
    let next = day("2026-06-16");
    let held = decide(&scheme, &corrected, &of(9), None, next);
    assert_eq!(segment(&held).as_deref(), Some("rest"));
}

#[test]
fn a_lifted_pin_is_remembered_on_its_date_and_on_no_other() {
    let before = Record {
        stay: membership("a", "2026-06-10", Source::Rule),
        opening: None,
    };
    let date = day("2026-06-15");
    let lifted = Record::decided(Some(&before), date, None, true).unwrap();
    assert_eq!(lifted.stay, before.stay);
    assert!(lifted.pin_lifted(date) && !lifted.pin_lifted(day("2026-06-16")));
    assert_eq!(lifted.at_opening(date), Some(&before.stay));
    let entered = membership("b", "2026-06-15", Source::Rule);
    let moved = Record::decided(Some(&lifted), date, Some(entered), true).unwrap();
    assert!(moved.pin_lifted(date));
    assert_eq!(moved.at_opening(date), Some(&before.stay));
    assert!(Record::<Membership>::decided(None, date, None, true).is_none());
}
