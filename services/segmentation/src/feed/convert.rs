//! What others tell as facts, and memberships as they are told.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_proto::{
    common::v1::Date,
    scoring::v1::{self as scoring, ScoreState},
    segmentation::v1,
};
use mahnwerk_runtime::{
    error::{Error, Result},
    validate::{from_date, to_date},
};
use segmentation_core::{
    assign::Source,
    facts::{
        RiskClass, ScorecardKind, Value,
        build::{Account, Behaviour, Grade, ScorePart},
    },
    policy::{Handling, Policy, ReminderFees},
};

use crate::storage::{
    from_day,
    history::Period,
    membership::{Hold, MembershipRow},
    pin::PinRow,
};

/// A date that must be there.
pub fn date(date: Option<&Date>) -> Result<NaiveDate> {
    date.and_then(to_date)
        .ok_or_else(|| Error::internal("a date is missing or none"))
}

/// A date that may be absent.
pub fn opt_date(value: Option<&Date>) -> Result<Option<NaiveDate>> {
    value.map(|value| date(Some(value))).transpose()
}

/// What scoring tells, for the rules.
///
/// # Errors
/// `Internal` if a part is missing or not known.
pub fn score_part(state: &ScoreState) -> Result<ScorePart> {
    let missing = || Error::internal("a part of the state of a score is missing");
    let score = state.score.as_ref().ok_or_else(missing)?;
    let features = state.features.as_ref().ok_or_else(missing)?;
    let accounts = state.accounts.iter().map(|account| Account {
        currency: account.currency_code.clone(),
        open_minor: account.open_minor,
        overdue_minor: account.overdue_minor,
        disputed_minor: account.disputed_minor,
        turnover_12m_minor: account.turnover_12m_minor,
    });
    Ok(ScorePart {
        grade: grade(score)?,
        behaviour: behaviour(features),
        accounts: accounts.collect(),
    })
}

/// The business date as of which scoring tells; `None` if it does not say.
///
/// # Errors
/// `Internal` if it is none.
pub fn observed_on(state: &ScoreState) -> Result<Option<NaiveDate>> {
    let date = state
        .score
        .as_ref()
        .and_then(|score| score.observation_date.as_ref());
    opt_date(date)
}

/// In class X there is none.
fn grade(score: &scoring::Score) -> Result<Option<Grade>> {
    let risk_class = match score.risk_class() {
        scoring::RiskClass::A => RiskClass::A,
        scoring::RiskClass::B => RiskClass::B,
        scoring::RiskClass::C => RiskClass::C,
        scoring::RiskClass::D => RiskClass::D,
        scoring::RiskClass::E => RiskClass::E,
        scoring::RiskClass::X => return Ok(None),
        scoring::RiskClass::Unspecified => {
            return Err(Error::internal("a score of no known class"));
        }
    };
    Ok(Some(Grade {
        score: score.score.into(),
        pd_ppm: score.pd_ppm.into(),
        risk_class,
        scorecard_kind: match score.scorecard_kind() {
            scoring::ScorecardKind::Organisation => ScorecardKind::Organisation,
            scoring::ScorecardKind::Person => ScorecardKind::Person,
            scoring::ScorecardKind::Prospect => ScorecardKind::Prospect,
            scoring::ScorecardKind::Unspecified => {
                return Err(Error::internal("a score by no known scorecard"));
            }
        },
        scorecard_revision: score.scorecard_revision.into(),
    }))
}

fn behaviour(features: &scoring::Features) -> Behaviour {
    Behaviour {
        settled_items: features.settled_items,
        avg_dbt_12m_days: features.avg_dbt_12m_days,
        weighted_dbt_12m_days: features.weighted_dbt_12m_days,
        avg_days_to_pay_12m_days: features.avg_days_to_pay_12m_days,
        share_late_12m_bps: features.share_late_12m_bps,
        share_late_over_30_12m_bps: features.share_late_over_30_12m_bps,
        worst_dbt_24m_days: features.worst_dbt_24m_days,
        dbt_trend_days: features.dbt_trend_days,
        partial_payment_share_12m_bps: features.partial_payment_share_12m_bps,
        written_off_items_24m: features.written_off_items_24m,
        overdue_items: features.overdue_items,
        overdue_share_bps: features.overdue_share_bps,
        oldest_overdue_days: features.oldest_overdue_days,
        months_since_first_item: features.months_since_first_item,
        months_since_last_item: features.months_since_last_item,
        items_per_month_12m_milli: features.items_per_month_12m_milli,
        months_as_customer: features.months_as_customer,
        dispute_share_12m_bps: features.dispute_share_12m_bps,
        open_disputes: features.open_disputes,
        broken_promises_12m: features.broken_promises_12m,
        broken_plans_12m: features.broken_plans_12m,
    }
}

/// A membership on the wire.
#[must_use]
pub fn membership_message(row: &MembershipRow) -> v1::Membership {
    let (at, placed, standing) = (row.at(), &row.record.stay.placed, &row.standing);
    v1::Membership {
        creditor_id: row.creditor_id.clone(),
        debtor_id: row.debtor_id.clone(),
        scheme_id: row.scheme_id.clone(),
        segment_id: at.segment_id.clone(),
        revision: placed.revision,
        since: Some(from_date(at.since)),
        source: source(at.source).into(),
        rule: placed.rule,
        deciding_values: values_message(&placed.values),
        hold: match standing.hold {
            None => v1::Hold::Unspecified,
            Some(Hold::MinimumStay) => v1::Hold::MinimumStay,
            Some(Hold::HeldByError) => v1::Hold::HeldByError,
        }
        .into(),
        error: standing.error.clone(),
        pin: standing.pin.as_ref().map(pin_message),
        policy: standing.policy.as_ref().map(policy_message),
        version: row.version,
    }
}

/// A stay on the wire.
#[must_use]
pub fn period_message(period: &Period) -> v1::MembershipPeriod {
    v1::MembershipPeriod {
        segment_id: period.segment_id.clone(),
        revision: period.placed.revision,
        valid_from: day(period.valid_from),
        valid_to: period.valid_to.and_then(day),
        source: source(period.source).into(),
        rule: period.placed.rule,
        deciding_values: values_message(&period.placed.values),
    }
}

fn day(number: i64) -> Option<Date> {
    from_day(number).ok().map(from_date)
}

fn source(source: Source) -> v1::MembershipSource {
    match source {
        Source::Rule => v1::MembershipSource::Rule,
        Source::Pin => v1::MembershipSource::Pin,
        Source::Unclassified => v1::MembershipSource::Unclassified,
        Source::Migration => v1::MembershipSource::Migration,
    }
}

fn pin_message(pin: &PinRow) -> v1::Pin {
    v1::Pin {
        segment_id: pin.segment_id.clone(),
        until: pin.until.map(from_date),
        reason: pin.reason.clone(),
        principal: pin.principal.clone(),
    }
}

/// Values by the name of their field, on the wire.
#[must_use]
pub fn values_message<K: AsRef<str>>(values: &BTreeMap<K, Value>) -> Vec<v1::FieldValue> {
    let values = values.iter();
    values
        .map(|(field, value)| v1::FieldValue {
            field: field.as_ref().to_owned(),
            value: Some(match value {
                Value::Bool(flag) => v1::field_value::Value::Flag(*flag),
                Value::Int(integer) => v1::field_value::Value::Integer(*integer),
                Value::Text(text) => v1::field_value::Value::Text(text.clone()),
            }),
        })
        .collect()
}

/// A policy on the wire.
#[must_use]
pub fn policy_message(policy: &Policy) -> v1::Policy {
    // All numbers were checked to be small.
    let small = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    v1::Policy {
        payment_term_days: small(policy.payment_term_days),
        credit_refused: policy.credit_refused,
        early_payment_discount: policy.early_payment_discount.map(|discount| {
            v1::EarlyPaymentDiscount {
                discount_bps: small(discount.bps),
                days: small(discount.days),
            }
        }),
        reminder_fees: match policy.reminder_fees {
            ReminderFees::ByProcedure => v1::ReminderFees::ByProcedure,
            ReminderFees::Waived => v1::ReminderFees::Waived,
        }
        .into(),
        handling: match policy.handling {
            Handling::Autopilot => v1::Handling::Autopilot,
            Handling::Personal => v1::Handling::Personal,
        }
        .into(),
        portfolio: policy.portfolio.clone().unwrap_or_default(),
        procedure_id: policy.procedure_id.clone(),
    }
}
