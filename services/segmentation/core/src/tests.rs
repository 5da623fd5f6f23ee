//! What the rules of segmentation promise.

mod assigning;
mod building;
mod explaining;
mod facts;
mod guards;
mod opening;
mod refusals;
mod robustness;
mod schemes;
mod simulating;
mod starter;

use chrono::NaiveDate;

use crate::assign::{Input, Membership, Source};
use crate::facts::{BillingMethod, DebtorFacts, DebtorKind, Relationship, RiskClass};
use crate::rule::Rule;
use crate::scheme::{CompiledScheme, Scheme, SchemeError};

/// An organisation without any history: every field that may be absent is.
fn blank() -> DebtorFacts {
    DebtorFacts {
        kind: DebtorKind::Organisation,
        relationship: Relationship::Customer,
        language: "de".to_owned(),
        country: None,
        sector: None,
        billing_method: BillingMethod::EmailPdf,
        preferred_channel: None,
        days_as_customer: None,
        insolvent: false,
        deceased: false,
        credit_hold: false,
        open_amount_minor: None,
        overdue_amount_minor: None,
        disputed_amount_minor: None,
        open_disputes: 0,
        dispute_share_12m_bps: None,
        broken_promises_12m: 0,
        broken_plans_12m: 0,
        settled_items: 0,
        avg_dbt_12m_days: None,
        weighted_dbt_12m_days: None,
        avg_days_to_pay_12m_days: None,
        share_late_12m_bps: None,
        share_late_over_30_12m_bps: None,
        worst_dbt_24m_days: None,
        dbt_trend_days: None,
        partial_payment_share_12m_bps: None,
        written_off_items_24m: 0,
        overdue_items: 0,
        overdue_share_bps: None,
        oldest_overdue_days: None,
        months_since_first_item: None,
        months_since_last_item: None,
        items_per_month_12m_milli: None,
        months_as_customer: None,
        turnover_12m_minor: None,
        score: None,
        pd_ppm: None,
        risk_class: RiskClass::X,
        scorecard_kind: None,
        scorecard_revision: None,
    }
}

/// A customer of two years that pays after 25 days and owes 1,000.
fn settled() -> DebtorFacts {
    DebtorFacts {
        country: Some("DE".to_owned()),
        sector: Some("47.91".to_owned()),
        open_amount_minor: Some(100_000),
        overdue_amount_minor: Some(0),
        settled_items: 40,
        avg_days_to_pay_12m_days: Some(25),
        months_since_first_item: Some(24),
        months_since_last_item: Some(0),
        turnover_12m_minor: Some(1_500_000),
        score: Some(600),
        pd_ppm: Some(12_000),
        risk_class: RiskClass::B,
        ..blank()
    }
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Two segments `a` and `b` with these conditions, a default `rest` and so many days of minimum stay.
fn scheme(a: &str, b: &str, minimum_stay_days: u32) -> Scheme {
    let text = format!(
        "id = 's'\ndisplay_name = 'S'\ntreatment = false\nminimum_stay_days = {minimum_stay_days}\n\
         default = {{ id = 'rest', display_name = 'Rest' }}\n\
         unclassified = {{ id = 'unclassified', display_name = 'None' }}\n\
         [[segments]]\nid = 'a'\ndisplay_name = 'A'\ncondition = '''{a}'''\n\
         [[segments]]\nid = 'b'\ndisplay_name = 'B'\ncondition = '''{b}'''\n"
    );
    Scheme::from_toml(&text).unwrap()
}

fn compiled(a: &str, b: &str, minimum_stay_days: u32) -> CompiledScheme {
    scheme(a, b, minimum_stay_days).compile().unwrap()
}

fn membership(segment_id: &str, since: &str, source: Source) -> Membership {
    Membership {
        segment_id: segment_id.to_owned(),
        since: day(since),
        source,
    }
}

fn input<'a>(facts: &'a DebtorFacts, current: Option<&'a Membership>) -> Input<'a> {
    Input {
        facts,
        current,
        pin: None,
        business_date: day("2026-06-15"),
    }
}

/// Every error of a rule as `line:column: message`.
fn errors(source: &str) -> Vec<String> {
    let errors = Rule::compile(source).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

/// Every wrong field of a scheme as `field line:column: message`.
fn wrong_fields(scheme: Scheme) -> Vec<String> {
    let violations = match scheme.compile() {
        Err(SchemeError::Invalid(violations)) => violations,
        other => panic!("not refused: {other:?}"),
    };
    let line = |violation: &crate::Violation| match violation.position {
        Some(position) => format!("{} {position}: {}", violation.field, violation.description),
        None => format!("{}: {}", violation.field, violation.description),
    };
    violations.iter().map(line).collect()
}
