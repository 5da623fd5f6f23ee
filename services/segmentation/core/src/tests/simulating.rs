use proptest::prelude::*;

use super::{blank, compiled, day, input};
use crate::assign::{Input, Membership, Pin, Source, assign};
use crate::facts::DebtorFacts;
use crate::scheme::CompiledScheme;
use crate::simulate::{MAX_EXAMPLES, Simulation};

/// By days to pay, with a division that fails for debtors without disputes in between.
fn scheme(most_days: i64, minimum_stay_days: u32) -> CompiledScheme {
    compiled(
        &format!(
            "has(debtor.avg_days_to_pay_12m_days) && debtor.avg_days_to_pay_12m_days <= {most_days}"
        ),
        "100 / debtor.open_disputes > 20",
        minimum_stay_days,
    )
}

#[derive(Debug, Clone)]
struct Debtor {
    facts: DebtorFacts,
    current: Option<Membership>,
    pin: Option<Pin>,
}

impl Debtor {
    fn input(&self) -> Input<'_> {
        Input {
            pin: self.pin.as_ref(),
            ..input(&self.facts, self.current.as_ref())
        }
    }
}

fn debtors() -> impl Strategy<Value = Vec<Debtor>> {
    let segment = || prop::sample::select(vec!["a", "b", "rest", "unclassified", "gone"]);
    let source = prop::sample::select(vec![
        Source::Rule,
        Source::Pin,
        Source::Migration,
        Source::Unclassified,
    ]);
    let since = (0_u64..90).prop_map(|days| day("2026-03-20") + chrono::Days::new(days));
    let current = (segment(), since, source).prop_map(|(segment_id, since, source)| Membership {
        segment_id: segment_id.to_owned(),
        since,
        source,
    });
    let until =
        prop::option::of((0_u64..20).prop_map(|days| day("2026-06-05") + chrono::Days::new(days)));
    let pin = (segment(), until).prop_map(|(segment_id, until)| Pin {
        segment_id: segment_id.to_owned(),
        until,
    });
    let facts = (
        prop::option::of(20_i64..40),
        0_i64..8,
        any::<bool>(),
        prop::option::of(-5_i64..50),
    )
        .prop_map(
            |(avg_days_to_pay_12m_days, open_disputes, insolvent, open_amount_minor)| DebtorFacts {
                avg_days_to_pay_12m_days,
                open_disputes,
                insolvent,
                open_amount_minor,
                ..blank()
            },
        );
    let debtor = (
        facts,
        prop::option::weighted(0.8, current),
        prop::option::weighted(0.2, pin),
    )
        .prop_map(|(facts, current, pin)| Debtor {
            facts,
            current,
            pin,
        });
    prop::collection::vec(debtor, 0..60)
}

fn simulate<'a>(
    candidate: &CompiledScheme,
    debtors: impl IntoIterator<Item = (usize, &'a Debtor)>,
) -> Simulation {
    let mut simulation = Simulation::default();
    for (number, debtor) in debtors {
        let from = debtor.current.as_ref();
        let from = from.map(|current| current.segment_id.as_str());
        simulation.add(candidate, &format!("d{number:03}"), from, &debtor.input());
    }
    simulation
}

/// Places everybody by a scheme, as its activation would.
fn settle(scheme: &CompiledScheme, debtors: &mut [Debtor]) {
    for debtor in debtors {
        let decision = assign(scheme, &debtor.input());
        let entered = decision.entered(debtor.current.as_ref(), day("2026-06-15"));
        if entered.is_some() {
            debtor.current = entered;
        }
    }
}

proptest! {
    #[test]
    fn simulating_the_active_revision_moves_nobody(mut debtors in debtors(), stay in 0_u32..60) {
        let active = scheme(30, stay);
        settle(&active, &mut debtors);
        let simulation = simulate(&active, debtors.iter().enumerate());
        prop_assert_eq!(simulation.moved(), 0, "{:?}", simulation.movements);
        let counted: u64 = simulation.movements.values().map(|it| it.debtors).sum();
        prop_assert_eq!(counted, debtors.len() as u64);
    }

    #[test]
    fn placing_everybody_twice_is_placing_them_once(mut debtors in debtors(), stay in 0_u32..60) {
        let active = scheme(30, stay);
        settle(&active, &mut debtors);
        let segments = |debtors: &[Debtor]| -> Vec<_> { debtors.iter().map(|it| it.current.clone()).collect() };
        let once = segments(&debtors);
        settle(&active, &mut debtors);
        prop_assert_eq!(segments(&debtors), once);
    }

    #[test]
    fn the_simulation_says_what_the_activation_then_does(mut debtors in debtors(), days in 20_i64..40) {
        settle(&scheme(30, 10), &mut debtors);
        let candidate = scheme(days, 10);
        let simulation = simulate(&candidate, debtors.iter().enumerate());
        let before = debtors.clone();
        settle(&candidate, &mut debtors);
        let moved = before.iter().zip(&debtors).filter(|(before, after)| before.current != after.current);
        prop_assert_eq!(simulation.moved(), moved.count() as u64);
    }

    #[test]
    fn the_order_of_debtors_does_not_matter(debtors in debtors()) {
        let candidate = scheme(25, 0);
        let forwards = simulate(&candidate, debtors.iter().enumerate());
        let backwards = simulate(&candidate, debtors.iter().enumerate().rev());
        prop_assert_eq!(&forwards, &backwards);
        prop_assert!(forwards.movements.values().all(|it| it.examples.len() <= MAX_EXAMPLES));
    }

    #[test]
    fn one_changed_threshold_moves_exactly_those_between_the_two(mut debtors in debtors(), days in 20_i64..40) {
        for debtor in &mut debtors {
            debtor.pin = None;
            debtor.facts.open_disputes += 1;
            debtor.current = None;
        }
        settle(&scheme(30, 0), &mut debtors);
        let candidate = scheme(days, 0);
        let mut moved = Vec::new();
        for (number, debtor) in debtors.iter().enumerate() {
            if assign(&candidate, &debtor.input()).moves(debtor.current.as_ref()) {
                moved.push(number);
            }
        }
        // Without schemes, rules and segments: who pays after more than one threshold and within the other.
        let between = days.min(30) + 1..=days.max(30);
        let days_to_pay = |number: &usize| debtors[*number].facts.avg_days_to_pay_12m_days;
        let expected: Vec<usize> = (0..debtors.len())
            .filter(|number| days_to_pay(number).is_some_and(|it| between.contains(&it)))
            .collect();
        prop_assert_eq!(moved, expected);
    }
}

#[test]
fn the_matrix_counts_debtors_and_amounts_and_shows_the_largest() {
    let current = Membership {
        segment_id: "a".to_owned(),
        since: day("2026-01-01"),
        source: Source::Rule,
    };
    let amounts = [
        None,
        Some(5),
        Some(70),
        Some(i64::MAX),
        Some(i64::MAX),
        Some(-3),
        Some(70),
        None,
    ];
    let mut simulation = Simulation::default();
    let candidate = compiled("debtor.insolvent", "true", 0);
    for (number, open_amount_minor) in amounts.into_iter().enumerate() {
        let facts = DebtorFacts {
            open_amount_minor,
            ..blank()
        };
        simulation.add(
            &candidate,
            &format!("d{number}"),
            Some("a"),
            &input(&facts, Some(&current)),
        );
    }
    let (way, movement) = simulation.moves().next().unwrap();
    assert_eq!(way, &(Some("a".to_owned()), "b".to_owned()));
    assert_eq!((movement.debtors, movement.debtors_without_amount), (8, 2));
    assert_eq!(movement.open_amount_minor, 2 * i128::from(i64::MAX) + 142);
    let examples: Vec<&str> = movement
        .examples
        .iter()
        .map(|it| it.debtor_id.as_str())
        .collect();
    assert_eq!(examples, ["d3", "d4", "d2", "d6", "d1"]);
}

#[test]
fn a_candidate_with_too_many_errors_is_not_to_be_activated() {
    let candidate = compiled("1 / debtor.open_disputes > 1", "true", 0);
    let mut simulation = Simulation::default();
    assert!(!simulation.exceeds_error_rate(0));
    for open_disputes in 0..1_000 {
        let facts = DebtorFacts {
            open_disputes,
            ..blank()
        };
        simulation.add(&candidate, "d", None, &input(&facts, None));
    }
    assert_eq!((simulation.errors, simulation.evaluated), (1, 1_000));
    assert!(simulation.exceeds_error_rate(0) && simulation.exceeds_error_rate(999));
    assert!(!simulation.exceeds_error_rate(1_000));
}
