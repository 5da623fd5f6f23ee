//! Domain values on the wire.

use mahnwerk_feed::timestamp;
use mahnwerk_proto::segmentation::v1;
use mahnwerk_runtime::validate::from_date;
use segmentation_core::{
    explain::{Outcome, Step},
    facts::Field,
    simulate::Movement,
};

use crate::{
    app::{read::Explained, simulate::Run},
    feed::{membership_message, values_message},
    storage::activation::{ActivationRow, State},
};

/// An activation.
pub fn activation(row: ActivationRow) -> v1::Activation {
    v1::Activation {
        creditor_id: row.creditor_id,
        scheme_id: row.scheme_id,
        revision: row.revision,
        state: match row.state {
            State::Checking => v1::ActivationState::Checking,
            State::Moving => v1::ActivationState::Moving,
            State::Done => v1::ActivationState::Done,
            State::Refused => v1::ActivationState::Refused,
        }
        .into(),
        visited: row.visited,
        total: row.total,
        moved: row.moved,
        errors: row.errors,
        max_error_ppm: row.max_error_ppm,
        start_time: Some(timestamp(row.started_at)),
        end_time: row.ended_at.map(timestamp),
    }
}

/// The result of a simulation.
pub fn simulation(run: &Run) -> v1::SimulationResult {
    let result = &run.result;
    let movements = result
        .movements
        .iter()
        .map(|((from, to), it)| movement(from.as_deref(), to, it));
    v1::SimulationResult {
        movements: movements.collect(),
        moved: count(result.moved()),
        evaluated: count(result.evaluated),
        errors: count(result.errors),
        currency_code: run.currency.clone(),
    }
}

fn movement(from: Option<&str>, to: &str, movement: &Movement) -> v1::Movement {
    let amount = movement.open_amount_minor;
    let most = if amount < 0 { i64::MIN } else { i64::MAX };
    let examples = movement.examples.iter().map(|example| v1::MovementExample {
        debtor_id: example.debtor_id.clone(),
        open_amount_minor: example.open_amount_minor,
    });
    v1::Movement {
        from_segment_id: from.unwrap_or_default().to_owned(),
        to_segment_id: to.to_owned(),
        debtors: count(movement.debtors),
        open_amount_minor: i64::try_from(amount).unwrap_or(most),
        debtors_without_amount: count(movement.debtors_without_amount),
        examples: examples.collect(),
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The explanation of a membership.
pub fn explained(explained: &Explained) -> v1::ExplainMembershipResponse {
    let facts = explained.facts().collect();
    let mut facts = values_message::<&str>(&facts);
    let place =
        |fact: &v1::FieldValue| Field::all().position(|field| field.info().name == fact.field);
    facts.sort_by_key(place);
    let steps = explained.explanation().steps;
    v1::ExplainMembershipResponse {
        membership: explained.membership.as_ref().map(membership_message),
        segments: steps.into_iter().map(step).collect(),
        facts,
        next_date: explained.next_date().map(from_date),
    }
}

fn step(step: Step<'_>) -> v1::ExplainedSegment {
    let (outcome, error) = match step.outcome {
        Outcome::Holds => (v1::ConditionOutcome::Holds, String::new()),
        Outcome::DoesNotHold => (v1::ConditionOutcome::DoesNotHold, String::new()),
        Outcome::Error(error) => (v1::ConditionOutcome::Error, error.to_string()),
        Outcome::NotReached => (v1::ConditionOutcome::NotReached, String::new()),
    };
    v1::ExplainedSegment {
        segment_id: step.segment_id.to_owned(),
        condition: step.condition.unwrap_or_default().to_owned(),
        outcome: outcome.into(),
        values: values_message(&step.values),
        error,
    }
}

/// The table of fields.
pub fn fields() -> Vec<v1::Field> {
    Field::all()
        .map(|field| {
            let info = field.info();
            v1::Field {
                name: info.name.to_owned(),
                r#type: info.field_type.to_string(),
                unit: info.unit.to_owned(),
                optional: info.optional,
                description: info.description().to_owned(),
            }
        })
        .collect()
}
