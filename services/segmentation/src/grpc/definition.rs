//! The definition of a scheme: from the wire with everything that is wrong named by its path, and back.

use mahnwerk_feed::timestamp;
use mahnwerk_proto::segmentation::v1;
use mahnwerk_runtime::{
    error::{Error, Result},
    validate::Checker,
};
use prost::Message;
use segmentation_core::{
    Violation,
    policy::{EarlyPaymentDiscount, Handling, Policy, ReminderFees},
    scheme::{CompiledScheme, FinalSegment, MAX_SEGMENTS, Scheme, SchemeError, Segment},
};

use crate::{
    feed::policy_message,
    storage::scheme::{SchemeRow, State},
};

/// The scheme that says how debtors are treated.
const TREATMENT: &str = "treatment";

/// Largest scheme, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Reads, checks and compiles a definition.
///
/// # Errors
/// `Invalid` with everything that is wrong, by its path.
pub fn read(mut check: Checker, scheme: Option<v1::Scheme>) -> Result<CompiledScheme> {
    let Some(scheme) = scheme else {
        check.refuse("scheme", "must be given");
        return Err(refused(check));
    };
    check.key("scheme.creditor_id", &scheme.creditor_id);
    if scheme.encoded_len() > MAX_BYTES {
        check.refuse("scheme", "must have at most 1 MiB");
        // What follows would repeat it for every field.
        return Err(refused(check));
    }
    let mut missing = Vec::new();
    for (field, segment) in [
        ("scheme.default_segment", &scheme.default_segment),
        ("scheme.unclassified_segment", &scheme.unclassified_segment),
    ] {
        match segment {
            None => {
                check.refuse(field, "must be given");
                missing.push(field);
            }
            Some(segment) if !segment.condition.is_empty() => {
                check.refuse(format!("{field}.condition"), "must be empty");
            }
            Some(_) => {}
        }
    }
    match definition(&mut check, scheme).compile() {
        Ok(compiled) => {
            check.finish()?;
            Ok(compiled)
        }
        Err(SchemeError::Invalid(violations)) => {
            for violation in &violations {
                let path = path(&violation.field);
                if !missing.iter().any(|field| path.starts_with(field)) {
                    check.refuse(path, description(violation));
                }
            }
            Err(refused(check))
        }
        Err(error) => Err(Error::Internal(Box::new(error))),
    }
}

fn refused(check: Checker) -> Error {
    match check.finish() {
        Err(error) => error,
        Ok(()) => Error::internal("a scheme was refused for nothing"),
    }
}

/// The path on the wire of a field of the core.
pub fn path(field: &str) -> String {
    let (head, tail) = match field.split_once('.') {
        Some((head, tail)) => (head, Some(tail)),
        None => (field, None),
    };
    let head = match head {
        "id" => "scheme_id",
        "default" => "default_segment",
        "unclassified" => "unclassified_segment",
        other => other,
    };
    let tail = tail.map(|tail| match tail {
        "id" => "segment_id",
        "policy.early_payment_discount.bps" => "policy.early_payment_discount.discount_bps",
        other => other,
    });
    match tail {
        Some(tail) => format!("scheme.{head}.{tail}"),
        None => format!("scheme.{head}"),
    }
}

/// What is wrong, with the place in the condition as `line:column`.
pub fn description(violation: &Violation) -> String {
    match violation.position {
        Some(position) => format!("{position}: {}", violation.description),
        None => violation.description.clone(),
    }
}

fn definition(check: &mut Checker, scheme: v1::Scheme) -> Scheme {
    let segments = scheme.segments.into_iter().enumerate();
    // One more than allowed is enough to be refused.
    let segments = segments.take(MAX_SEGMENTS + 1).map(|(index, segment)| {
        let path = format!("scheme.segments[{index}]");
        Segment {
            policy: policy(check, &path, segment.policy),
            id: segment.segment_id,
            display_name: segment.display_name,
            condition: segment.condition,
        }
    });
    let segments = segments.collect();
    Scheme {
        treatment: scheme.scheme_id == TREATMENT,
        id: scheme.scheme_id,
        display_name: scheme.display_name,
        minimum_stay_days: number(scheme.minimum_stay_days),
        default: last(check, "scheme.default_segment", scheme.default_segment),
        unclassified: last(
            check,
            "scheme.unclassified_segment",
            scheme.unclassified_segment,
        ),
        segments,
    }
}

/// What is below zero becomes what is above every limit, for the core to refuse.
fn number(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn last(check: &mut Checker, path: &str, segment: Option<v1::Segment>) -> FinalSegment {
    let segment = segment.unwrap_or_default();
    FinalSegment {
        policy: policy(check, path, segment.policy),
        id: segment.segment_id,
        display_name: segment.display_name,
    }
}

fn policy(check: &mut Checker, path: &str, policy: Option<v1::Policy>) -> Option<Policy> {
    let policy = policy?;
    let field = |name: &str| format!("{path}.policy.{name}");
    let fees = check.enum_value(&field("reminder_fees"), policy.reminder_fees);
    let handling = check.enum_value(&field("handling"), policy.handling);
    Some(Policy {
        payment_term_days: number(policy.payment_term_days),
        credit_refused: policy.credit_refused,
        early_payment_discount: policy.early_payment_discount.map(|discount| {
            EarlyPaymentDiscount {
                bps: number(discount.discount_bps),
                days: number(discount.days),
            }
        }),
        reminder_fees: match fees {
            Some(v1::ReminderFees::ByProcedure) => ReminderFees::ByProcedure,
            _ => ReminderFees::Waived,
        },
        handling: match handling {
            Some(v1::Handling::Autopilot) => Handling::Autopilot,
            _ => Handling::Personal,
        },
        portfolio: Some(policy.portfolio).filter(|key| !key.is_empty()),
        procedure_id: policy.procedure_id,
    })
}

/// A revision on the wire.
pub fn message(row: SchemeRow) -> v1::Scheme {
    let definition = row.definition;
    let segments = definition.segments.into_iter().map(|segment| v1::Segment {
        segment_id: segment.id,
        display_name: segment.display_name,
        condition: segment.condition,
        policy: segment.policy.as_ref().map(policy_message),
    });
    let last = |segment: FinalSegment| v1::Segment {
        segment_id: segment.id,
        display_name: segment.display_name,
        condition: String::new(),
        policy: segment.policy.as_ref().map(policy_message),
    };
    v1::Scheme {
        creditor_id: row.creditor_id,
        scheme_id: definition.id,
        revision: row.revision,
        display_name: definition.display_name,
        minimum_stay_days: i32::try_from(definition.minimum_stay_days).unwrap_or(i32::MAX),
        segments: segments.collect(),
        default_segment: Some(last(definition.default)),
        unclassified_segment: Some(last(definition.unclassified)),
        state: match row.state {
            State::Draft => v1::SchemeState::Draft,
            State::Active => v1::SchemeState::Active,
            State::Retired => v1::SchemeState::Retired,
        }
        .into(),
        create_time: Some(timestamp(row.created_at)),
    }
}
