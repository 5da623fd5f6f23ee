//! Facts of a debtor from what registry and scoring tell of it.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{
    BillingMethod, Channel, DebtorFacts, DebtorKind, Field, FieldSet, Relationship, RiskClass,
    ScorecardKind,
};
use crate::money::Conversion;

/// What the registry tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryPart {
    /// As in [`DebtorFacts`].
    pub kind: DebtorKind,
    /// As in [`DebtorFacts`].
    pub relationship: Relationship,
    /// As in [`DebtorFacts`].
    pub language: String,
    /// As in [`DebtorFacts`].
    pub country: Option<String>,
    /// As in [`DebtorFacts`].
    pub sector: Option<String>,
    /// As in [`DebtorFacts`].
    pub billing_method: BillingMethod,
    /// As in [`DebtorFacts`].
    pub preferred_channel: Option<Channel>,
    /// First day as a customer; `None` if unknown.
    pub customer_since: Option<NaiveDate>,
    /// First day of insolvency; `None` if not insolvent.
    pub insolvent_since: Option<NaiveDate>,
    /// Day of death, or of the news of it; `None` if not known to be deceased.
    pub deceased_since: Option<NaiveDate>,
    /// As in [`DebtorFacts`].
    pub credit_hold: bool,
}

/// Payment behaviour as scoring computes it; names and units as in [`DebtorFacts`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table of fields documents each name")]
pub struct Behaviour {
    pub settled_items: i64,
    pub avg_dbt_12m_days: Option<i64>,
    pub weighted_dbt_12m_days: Option<i64>,
    pub avg_days_to_pay_12m_days: Option<i64>,
    pub share_late_12m_bps: Option<i64>,
    pub share_late_over_30_12m_bps: Option<i64>,
    pub worst_dbt_24m_days: Option<i64>,
    pub dbt_trend_days: Option<i64>,
    pub partial_payment_share_12m_bps: Option<i64>,
    pub written_off_items_24m: i64,
    pub overdue_items: i64,
    pub overdue_share_bps: Option<i64>,
    pub oldest_overdue_days: Option<i64>,
    pub months_since_first_item: Option<i64>,
    pub months_since_last_item: Option<i64>,
    pub items_per_month_12m_milli: Option<i64>,
    pub months_as_customer: Option<i64>,
    pub dispute_share_12m_bps: Option<i64>,
    pub open_disputes: i64,
    pub broken_promises_12m: i64,
    pub broken_plans_12m: i64,
}

/// The grade of a debtor that is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grade {
    /// Points.
    pub score: i64,
    /// Probability of default in parts per million.
    pub pd_ppm: i64,
    /// `A` to `E`.
    pub risk_class: RiskClass,
    /// The kind of scorecard.
    pub scorecard_kind: ScorecardKind,
    /// Its revision.
    pub scorecard_revision: i64,
}

/// Amounts of one currency in its minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// ISO 4217 code.
    pub currency: String,
    /// Open.
    pub open_minor: i64,
    /// The part of it whose due date has passed.
    pub overdue_minor: i64,
    /// The part of it that is disputed.
    pub disputed_minor: i64,
    /// Items of the last 12 months, less credit notes and cancellations.
    pub turnover_12m_minor: i64,
}

/// What scoring tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScorePart {
    /// `None` in class X.
    pub grade: Option<Grade>,
    /// Payment behaviour.
    pub behaviour: Behaviour,
    /// By currency.
    pub accounts: Vec<Account>,
}

/// The facts of a debtor as of a business date. Of a debtor that scoring has not told of yet, counts are zero and all
/// else that comes from there is absent. Each amount is converted and rounded by itself, then they are added up.
#[must_use]
pub fn build(
    registry: &RegistryPart,
    score: Option<&ScorePart>,
    conversion: &Conversion<'_>,
    business_date: NaiveDate,
) -> DebtorFacts {
    let since = |date: Option<NaiveDate>| date.is_some_and(|date| date <= business_date);
    let days_as_customer = registry
        .customer_since
        .map(|first| business_date.signed_duration_since(first).num_days())
        .filter(|days| *days >= 0);
    let total = |amount: fn(&Account) -> i64| {
        score?.accounts.iter().try_fold(0_i64, |sum, account| {
            let converted = conversion.convert(amount(account), &account.currency, business_date);
            sum.checked_add(converted?)
        })
    };
    let grade = score.and_then(|score| score.grade);
    let behaviour = score.map_or_else(Behaviour::default, |score| score.behaviour.clone());
    DebtorFacts {
        kind: registry.kind,
        relationship: registry.relationship,
        language: registry.language.clone(),
        country: registry.country.clone(),
        sector: registry.sector.clone(),
        billing_method: registry.billing_method,
        preferred_channel: registry.preferred_channel,
        days_as_customer,
        insolvent: since(registry.insolvent_since),
        deceased: since(registry.deceased_since),
        credit_hold: registry.credit_hold,
        open_amount_minor: total(|account| account.open_minor),
        overdue_amount_minor: total(|account| account.overdue_minor),
        disputed_amount_minor: total(|account| account.disputed_minor),
        open_disputes: behaviour.open_disputes,
        dispute_share_12m_bps: behaviour.dispute_share_12m_bps,
        broken_promises_12m: behaviour.broken_promises_12m,
        broken_plans_12m: behaviour.broken_plans_12m,
        settled_items: behaviour.settled_items,
        avg_dbt_12m_days: behaviour.avg_dbt_12m_days,
        weighted_dbt_12m_days: behaviour.weighted_dbt_12m_days,
        avg_days_to_pay_12m_days: behaviour.avg_days_to_pay_12m_days,
        share_late_12m_bps: behaviour.share_late_12m_bps,
        share_late_over_30_12m_bps: behaviour.share_late_over_30_12m_bps,
        worst_dbt_24m_days: behaviour.worst_dbt_24m_days,
        dbt_trend_days: behaviour.dbt_trend_days,
        partial_payment_share_12m_bps: behaviour.partial_payment_share_12m_bps,
        written_off_items_24m: behaviour.written_off_items_24m,
        overdue_items: behaviour.overdue_items,
        overdue_share_bps: behaviour.overdue_share_bps,
        oldest_overdue_days: behaviour.oldest_overdue_days,
        months_since_first_item: behaviour.months_since_first_item,
        months_since_last_item: behaviour.months_since_last_item,
        items_per_month_12m_milli: behaviour.items_per_month_12m_milli,
        months_as_customer: behaviour.months_as_customer,
        turnover_12m_minor: total(|account| account.turnover_12m_minor),
        score: grade.map(|grade| grade.score),
        pd_ppm: grade.map(|grade| grade.pd_ppm),
        risk_class: grade.map_or(RiskClass::X, |grade| grade.risk_class),
        scorecard_kind: grade.map(|grade| grade.scorecard_kind),
        scorecard_revision: grade.map(|grade| grade.scorecard_revision),
    }
}

/// The next date on which what the registry told may make another decision of one that named `fields`, although nothing
/// is told anew; `None` if there is none. Insolvency counts whether named or not: it ends a minimum stay.
#[must_use]
pub fn next_date(
    registry: &RegistryPart,
    fields: FieldSet,
    business_date: NaiveDate,
) -> Option<NaiveDate> {
    let tomorrow = business_date.checked_add_days(Days::new(1))?;
    let ages = Field::by_name("days_as_customer").is_some_and(|field| fields.contains(field));
    let customer = registry.customer_since.filter(|_| ages);
    let yet_to_come = [registry.insolvent_since, registry.deceased_since]
        .into_iter()
        .flatten()
        .filter(|date| *date > business_date);
    yet_to_come
        .chain(customer.map(|first| first.max(tomorrow)))
        .min()
}
