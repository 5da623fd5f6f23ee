use super::{blank, compiled, input, settled};
use crate::assign::{Input, Pin, Reason};
use crate::explain::{Outcome, explain};
use crate::facts::{DebtorFacts, Value};
use crate::rule::EvaluationError;

#[test]
fn every_segment_is_explained_in_order_with_what_it_read() {
    let scheme = compiled(
        "debtor.insolvent",
        "has(debtor.score) && debtor.score > 500",
        0,
    );
    let facts = settled();
    let explanation = explain(&scheme, &input(&facts, None));
    assert_eq!(explanation.decision.segment_id, "b");
    let steps = explanation.steps;
    let outcomes: Vec<_> = steps.iter().map(|it| (it.segment_id, it.outcome)).collect();
    assert_eq!(
        outcomes,
        [
            ("a", Outcome::DoesNotHold),
            ("b", Outcome::Holds),
            ("rest", Outcome::NotReached)
        ]
    );
    assert_eq!(steps[0].values.get("insolvent"), Some(&Value::Bool(false)));
    assert_eq!(steps[1].values.get("score"), Some(&Value::Int(600)));
    assert_eq!(
        steps[1].condition,
        Some("has(debtor.score) && debtor.score > 500")
    );
    assert_eq!((steps[2].condition, steps[2].values.len()), (None, 0));
}

#[test]
fn an_error_ends_the_explanation_and_the_default_is_a_step_of_its_own() {
    let scheme = compiled(
        "1 / debtor.open_disputes > 1",
        "debtor.settled_items > 0",
        0,
    );
    let outcomes = |facts: &DebtorFacts| -> Vec<Outcome> {
        let explanation = explain(&scheme, &input(facts, None));
        explanation.steps.iter().map(|step| step.outcome).collect()
    };
    assert_eq!(
        outcomes(&blank()),
        [
            Outcome::Error(EvaluationError::DivisionByZero),
            Outcome::NotReached,
            Outcome::NotReached
        ]
    );
    let facts = DebtorFacts {
        open_disputes: 1,
        ..blank()
    };
    assert_eq!(
        outcomes(&facts),
        [Outcome::DoesNotHold, Outcome::DoesNotHold, Outcome::Holds]
    );
}

#[test]
fn what_a_pin_overrides_is_still_seen() {
    let scheme = compiled("debtor.insolvent", "debtor.settled_items > 10", 0);
    let pin = Pin {
        segment_id: "a".to_owned(),
        until: None,
    };
    let facts = settled();
    let explanation = explain(
        &scheme,
        &Input {
            pin: Some(&pin),
            ..input(&facts, None)
        },
    );
    assert_eq!(explanation.decision.reason, Reason::Pinned);
    assert_eq!(explanation.decision.segment_id, "a");
    assert_eq!(explanation.steps[1].outcome, Outcome::Holds);
}
