use super::{blank, compiled, day, input, membership, settled};
use crate::assign::{Decision, Input, Membership, Pin, Reason, Source, assign};
use crate::facts::{DebtorFacts, Value};
use crate::rule::EvaluationError;
use crate::scheme::CompiledScheme;

/// `a` above 100 settled items, `b` above 10.
fn by_items(minimum_stay_days: u32) -> CompiledScheme {
    compiled(
        "debtor.settled_items > 100",
        "debtor.settled_items > 10",
        minimum_stay_days,
    )
}

/// `a` by a division by the number of open disputes, `b` without overdue items.
fn dividing() -> CompiledScheme {
    compiled(
        "100 / debtor.open_disputes > 20",
        "debtor.overdue_items == 0",
        0,
    )
}

fn pin(segment_id: &str, until: Option<&str>) -> Pin {
    Pin {
        segment_id: segment_id.to_owned(),
        until: until.map(day),
    }
}

fn place<'a>(
    scheme: &'a CompiledScheme,
    facts: &DebtorFacts,
    current: Option<&Membership>,
) -> Decision<'a> {
    assign(scheme, &input(facts, current))
}

#[test]
fn the_first_condition_that_holds_wins_and_else_the_default() {
    let scheme = by_items(0);
    for (settled_items, segment_id, rule) in [(101, "a", 0), (100, "b", 1), (10, "rest", 2)] {
        let facts = DebtorFacts {
            settled_items,
            ..blank()
        };
        let decision = place(&scheme, &facts, None);
        assert_eq!(decision.segment_id, segment_id);
        assert_eq!(decision.reason, Reason::Rule { rule });
        assert_eq!(decision.reason.source(), Some(Source::Rule));
        assert_eq!(decision.next_date, None);
        assert!(decision.moves(None));
    }
}

#[test]
fn the_values_are_those_of_the_deciding_rule_and_the_ones_before_it() {
    let scheme = compiled(
        "has(debtor.score) && debtor.score > 700",
        "debtor.settled_items > 10",
        0,
    );
    let names = |facts: &DebtorFacts| -> Vec<(&str, Value)> {
        place(&scheme, facts, None)
            .fields
            .values(facts)
            .into_iter()
            .collect()
    };
    let facts = settled();
    assert_eq!(
        names(&facts),
        [
            ("score", Value::Int(600)),
            ("settled_items", Value::Int(40))
        ]
    );
    let high = DebtorFacts {
        score: Some(701),
        ..settled()
    };
    assert_eq!(names(&high), [("score", Value::Int(701))]);
    let absent = DebtorFacts {
        score: None,
        ..settled()
    };
    assert_eq!(names(&absent), [("settled_items", Value::Int(40))]);
}

#[test]
fn a_debtor_that_divides_by_zero_is_held_and_the_others_move() {
    let scheme = dividing();
    let current = membership("rest", "2026-01-01", Source::Rule);
    let portfolio: Vec<DebtorFacts> = (0..20)
        .map(|open_disputes| DebtorFacts {
            open_disputes,
            ..blank()
        })
        .collect();
    for facts in &portfolio {
        let decision = place(&scheme, facts, Some(&current));
        match facts.open_disputes {
            0 => {
                let error = EvaluationError::DivisionByZero;
                assert_eq!(decision.segment_id, "rest");
                assert_eq!(decision.reason, Reason::HeldByError { rule: 0, error });
                assert_eq!(
                    decision.reason.error().unwrap().to_string(),
                    "division by zero"
                );
                assert_eq!(decision.reason.source(), None);
                assert!(!decision.moves(Some(&current)));
            }
            1..=4 => assert_eq!(decision.segment_id, "a"),
            _ => assert_eq!(decision.segment_id, "b"),
        }
    }
}

#[test]
fn who_has_no_segment_to_keep_is_unclassified_until_the_rules_can_tell() {
    let scheme = dividing();
    let error = EvaluationError::DivisionByZero;
    let gone = membership("gone", "2026-01-01", Source::Rule);
    for current in [None, Some(&gone)] {
        let decision = place(&scheme, &blank(), current);
        assert_eq!(decision.segment_id, "unclassified");
        assert_eq!(decision.reason, Reason::Unclassified { rule: 0, error });
        assert_eq!(decision.reason.source(), Some(Source::Unclassified));
    }
    let unclassified = membership("unclassified", "2026-06-15", Source::Unclassified);
    let decision = place(&scheme, &blank(), Some(&unclassified));
    assert_eq!(decision.reason, Reason::HeldByError { rule: 0, error });
    // The stay of those who are unclassified is not worth keeping.
    let patient = compiled("debtor.open_disputes > 0", "true", 30);
    assert_eq!(
        place(&patient, &blank(), Some(&unclassified)).segment_id,
        "b"
    );
}

#[test]
fn an_error_behind_the_rule_that_holds_does_no_harm() {
    let scheme = compiled(
        "debtor.settled_items == 0",
        "1 / debtor.open_disputes > 0",
        0,
    );
    assert_eq!(place(&scheme, &blank(), None).segment_id, "a");
}

#[test]
fn a_minimum_stay_keeps_a_debtor_until_its_last_day() {
    let scheme = by_items(30);
    let facts = DebtorFacts {
        settled_items: 50,
        ..blank()
    };
    // Entered 29 days ago: may leave tomorrow.
    let recent = membership("a", "2026-05-17", Source::Rule);
    let decision = place(&scheme, &facts, Some(&recent));
    assert_eq!(decision.segment_id, "a");
    assert_eq!(decision.reason, Reason::MinimumStay { rule: 1 });
    assert_eq!(decision.next_date, Some(day("2026-06-16")));
    assert_eq!(decision.reason.source(), None);
    let over = membership("a", "2026-05-16", Source::Rule);
    assert_eq!(place(&scheme, &facts, Some(&over)).segment_id, "b");
    // Nothing is held where nothing would move.
    let content = membership("b", "2026-06-14", Source::Rule);
    let decision = place(&scheme, &facts, Some(&content));
    assert_eq!(
        (decision.reason, decision.next_date),
        (Reason::Rule { rule: 1 }, None)
    );
}

#[test]
fn insolvency_overrides_a_minimum_stay_but_not_a_pin() {
    let scheme = compiled("debtor.insolvent", "debtor.settled_items > 10", 30);
    let facts = DebtorFacts {
        insolvent: true,
        ..settled()
    };
    let recent = membership("b", "2026-06-14", Source::Rule);
    let decision = place(&scheme, &facts, Some(&recent));
    assert_eq!(
        (decision.segment_id, decision.reason),
        ("a", Reason::Rule { rule: 0 })
    );
    let pin = pin("b", None);
    let pinned = Input {
        pin: Some(&pin),
        ..input(&facts, Some(&recent))
    };
    let decision = assign(&scheme, &pinned);
    assert_eq!(
        (decision.segment_id, decision.reason),
        ("b", Reason::Pinned)
    );
}

#[test]
fn a_pin_decides_through_its_last_day_and_leaves_no_stay_behind() {
    let scheme = by_items(30);
    let facts = settled();
    let current = membership("a", "2026-06-10", Source::Pin);
    let on = |until| {
        let pin = pin("a", until);
        let pinned = Input {
            pin: Some(&pin),
            ..input(&facts, Some(&current))
        };
        let decision = assign(&scheme, &pinned);
        (decision.segment_id, decision.reason, decision.next_date)
    };
    assert_eq!(on(None), ("a", Reason::Pinned, None));
    assert_eq!(
        on(Some("2026-06-15")),
        ("a", Reason::Pinned, Some(day("2026-06-16")))
    );
    assert_eq!(
        on(Some("2026-06-14")),
        ("b", Reason::Rule { rule: 1 }, None)
    );
}

#[test]
fn a_pin_needs_no_rule_that_works_and_no_rule_is_read() {
    let scheme = dividing();
    let (facts, pin) = (blank(), pin("b", None));
    let decision = assign(
        &scheme,
        &Input {
            pin: Some(&pin),
            ..input(&facts, None)
        },
    );
    assert_eq!(
        (decision.segment_id, decision.reason.source()),
        ("b", Some(Source::Pin))
    );
    assert!(decision.fields.values(&facts).is_empty());
}

#[test]
fn a_pin_to_a_segment_that_is_gone_is_reported_and_without_effect() {
    let scheme = by_items(0);
    let (facts, pin) = (settled(), pin("gone", None));
    let decision = assign(
        &scheme,
        &Input {
            pin: Some(&pin),
            ..input(&facts, None)
        },
    );
    assert_eq!(
        (decision.segment_id, decision.reason),
        ("b", Reason::Rule { rule: 1 })
    );
    assert!(decision.pin_without_segment);
    assert!(!place(&scheme, &facts, None).pin_without_segment);
}

#[test]
fn whose_segment_is_not_in_the_revision_migrates_at_once() {
    let scheme = by_items(30);
    let current = membership("gone", "2026-06-14", Source::Rule);
    let decision = place(&scheme, &settled(), Some(&current));
    assert_eq!(
        (decision.segment_id, decision.reason),
        ("b", Reason::Migration { rule: 1 })
    );
    assert_eq!(decision.reason.source(), Some(Source::Migration));
}

#[test]
fn a_stay_at_the_end_of_time_does_not_overflow() {
    let scheme = by_items(3_650);
    let mut current = membership("a", "2026-06-14", Source::Rule);
    current.since = chrono::NaiveDate::MAX;
    let decision = place(&scheme, &settled(), Some(&current));
    assert_eq!(decision.segment_id, "b");
}
