//! What registry and scoring would tell.

use mahnwerk_feed::{Change, partition};
use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::{BillingMethod, Creditor, Debtor, DebtorKind, FxRate, Relationship},
    scoring::v1::{AccountTotals, Features, RiskClass, Score, ScoreState, ScorecardKind},
};
use prost::Message;
use prost_types::Any;

/// A change of an entity; `None` deletes it.
pub fn change(
    creditor_id: &str,
    debtor_id: &str,
    entity: &str,
    entity_id: &str,
    version: i64,
    state: Option<Vec<u8>>,
) -> Change {
    Change {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        partition: i32::try_from(partition(creditor_id, debtor_id)).unwrap_or(-1),
        entity: entity.to_owned(),
        entity_id: entity_id.to_owned(),
        version,
        state: state.map(|value| Any {
            type_url: String::new(),
            value,
        }),
        ..Change::default()
    }
}

/// A creditor in euro.
pub fn creditor(creditor_id: &str, day: Option<Date>) -> Vec<u8> {
    Creditor {
        creditor_id: creditor_id.to_owned(),
        reporting_currency: "EUR".to_owned(),
        business_date: day,
        ..Creditor::default()
    }
    .encode_to_vec()
}

/// An organisation that is a customer.
pub fn debtor(creditor_id: &str, debtor_id: &str) -> Debtor {
    Debtor {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        kind: DebtorKind::Organisation.into(),
        relationship: Relationship::Customer.into(),
        display_name: "Beispiel GmbH".to_owned(),
        language: "de".to_owned(),
        country: "DE".to_owned(),
        billing_method: BillingMethod::EmailPdf.into(),
        ..Debtor::default()
    }
}

/// 1 `base` is `numerator / denominator` euro.
pub fn rate(base: &str, on: Date, numerator: i64, denominator: i64) -> Vec<u8> {
    FxRate {
        base_currency: base.to_owned(),
        quote_currency: "EUR".to_owned(),
        rate_date: Some(on),
        numerator,
        denominator,
        ..FxRate::default()
    }
    .encode_to_vec()
}

/// Somebody of class B that has been buying for two years, pays after 25 days and owes nothing.
pub fn score(creditor_id: &str, debtor_id: &str) -> ScoreState {
    ScoreState {
        score: Some(Score {
            creditor_id: creditor_id.to_owned(),
            debtor_id: debtor_id.to_owned(),
            score: 600,
            pd_ppm: 12_000,
            risk_class: RiskClass::B.into(),
            scorecard_kind: ScorecardKind::Organisation.into(),
            scorecard_revision: 1,
            ..Score::default()
        }),
        features: Some(Features {
            settled_items: 40,
            avg_days_to_pay_12m_days: Some(25),
            months_since_first_item: Some(24),
            months_since_last_item: Some(0),
            ..Features::default()
        }),
        accounts: vec![account("EUR", 0, 1_500_000)],
    }
}

/// What is open, and the turnover of twelve months.
pub fn account(currency: &str, open_minor: i64, turnover_12m_minor: i64) -> AccountTotals {
    AccountTotals {
        currency_code: currency.to_owned(),
        open_minor,
        turnover_12m_minor,
        ..AccountTotals::default()
    }
}
