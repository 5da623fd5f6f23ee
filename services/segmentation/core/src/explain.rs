//! Why a debtor is where it is: every segment in order, with what was read.

use std::collections::BTreeMap;

use crate::assign::{Decision, Input, assign};
use crate::facts::Value;
use crate::rule::EvaluationError;
use crate::scheme::CompiledScheme;

/// What became of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its condition holds, or it is the default and was reached.
    Holds,
    /// Its condition does not hold.
    DoesNotHold,
    /// Its condition could not be evaluated.
    Error(EvaluationError),
    /// One before it holds or could not be evaluated.
    NotReached,
}

/// One segment of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// The segment.
    pub segment_id: &'a str,
    /// Its condition; `None` for the default.
    pub condition: Option<&'a str>,
    /// What became of it.
    pub outcome: Outcome,
    /// The fields that its condition names, by name, without those that are absent; none if it was not reached.
    pub values: BTreeMap<&'static str, Value>,
}

/// A decision with every segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// Where the debtor belongs, with pin and minimum stay.
    pub decision: Decision<'a>,
    /// The segments in order, the default last, by their conditions alone: what pin or minimum stay override is seen
    /// here.
    pub steps: Vec<Step<'a>>,
}

/// Explains the decision on a debtor.
#[must_use]
pub fn explain<'a>(scheme: &'a CompiledScheme, input: &Input<'_>) -> Explanation<'a> {
    let mut steps = Vec::new();
    let mut is_reached = true;
    let segments = &scheme.scheme().segments;
    for ((rule, segment_id), segment) in scheme.rules().zip(segments) {
        let outcome = match is_reached.then(|| rule.evaluate(input.facts)) {
            None => Outcome::NotReached,
            Some(Ok(true)) => Outcome::Holds,
            Some(Ok(false)) => Outcome::DoesNotHold,
            Some(Err(error)) => Outcome::Error(error),
        };
        steps.push(Step {
            segment_id,
            condition: Some(&segment.condition),
            outcome,
            values: if is_reached {
                rule.fields().values(input.facts)
            } else {
                BTreeMap::new()
            },
        });
        is_reached = is_reached && outcome == Outcome::DoesNotHold;
    }
    steps.push(Step {
        segment_id: &scheme.scheme().default.id,
        condition: None,
        outcome: if is_reached {
            Outcome::Holds
        } else {
            Outcome::NotReached
        },
        values: BTreeMap::new(),
    });
    Explanation {
        decision: assign(scheme, input),
        steps,
    }
}
