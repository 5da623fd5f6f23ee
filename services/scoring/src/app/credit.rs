//! Credit decisions: decided by the core, stored with all they rested on.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use mahnwerk_feed::{Begun, Locks, NewEvent, Written};
use mahnwerk_runtime::{
    context::Call,
    error::Result,
    telemetry::{self, KeyValue, names},
};
use scoring_core::{
    decision::{CreditInput, CreditOutcome, Decision, decide},
    facts::DebtorFacts,
    features::Features,
    fx::FxRate,
    score::RiskClass,
};
use serde::{Deserialize, Serialize};

use super::{App, known, no_business_day, not_found, read::Of};
use crate::{
    feed::CREDIT_DECISION,
    storage::{decision as stored, facts, from_day, score},
};

/// An order that a checkout asks about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The caller's order.
    pub order_id: String,
    /// Minor units, above zero.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
}

/// A decision as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDecision {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// Made here; grows with time.
    pub decision_id: String,
    /// What was asked.
    pub order: Order,
    /// What was decided.
    pub decision: Decision,
    /// Currency of limit, exposure and free limit.
    pub reporting_currency: String,
    /// Class used, `X` without a score.
    pub class: String,
    /// Score used.
    pub score: i32,
    /// Probability of default used, in parts per million.
    pub pd_ppm: i32,
    /// Scorecard used; 0 without a score.
    pub scorecard_revision: i32,
    /// Policy used.
    pub policy_revision: i32,
    /// The business date.
    pub decision_date: NaiveDate,
    /// Microseconds.
    pub decided_at: i64,
}

/// What a decision rested on besides what it states itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecisionInputs {
    /// The debtor, without its arrangements: what follows from them is in the features.
    pub debtor: DebtorFacts,
    /// Payment behaviour, broken plans, turnover and open amounts.
    pub features: Features,
    /// Exchange rates that could be used.
    pub rates: Vec<FxRate>,
}

/// Shows the counters before anything is scored or decided.
pub fn announce() {
    use CreditOutcome::{Approve, ApproveWithTerms, Decline, Refer};
    let outcomes = [Approve, ApproveWithTerms, Refer, Decline].map(outcome_name);
    telemetry::announce(&names::DECISIONS, names::OUTCOME, &outcomes);
    telemetry::count(&names::SCORES, 0, &[]);
}

fn outcome_name(outcome: CreditOutcome) -> &'static str {
    match outcome {
        CreditOutcome::Approve => "APPROVE",
        CreditOutcome::ApproveWithTerms => "APPROVE_WITH_TERMS",
        CreditOutcome::Refer => "REFER",
        CreditOutcome::Decline => "DECLINE",
    }
}

impl App {
    /// Decides on an order and stores the decision, once per request id.
    ///
    /// # Errors
    /// `NotFound`, `DEBTOR_PARKED`, `PROJECTION_NOT_READY`, `NO_BUSINESS_DAY`, `RequestIdReused`, or those of the
    /// freshness wait.
    pub async fn check_credit(
        &self,
        call: &Call,
        request_id: &str,
        order: Order,
        at_least: &str,
    ) -> Result<Written<StoredDecision>> {
        let (creditor_id, debtor_id) = (order.creditor_id.clone(), order.debtor_id.clone());
        self.freshness
            .debtor(at_least, &creditor_id, &debtor_id, call.deadline)
            .await?;
        let begun = self
            .publisher
            .begin_once(
                call,
                "CheckCredit",
                &creditor_id,
                request_id,
                &order,
                Locks::debtor(&creditor_id, &debtor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let found = score::find(&*once, &creditor_id, &debtor_id).await?;
        let current = known(found, &creditor_id, &debtor_id)?;
        let creditor = current.creditor;
        let day = creditor.business_date.ok_or_else(no_business_day)?;
        let features = current.features.unwrap_or_default();
        let foreign = foreign_currencies(&order, &features, &creditor.reporting_currency);
        let to = &creditor.reporting_currency;
        let rates = facts::latest_rates(&*once, &creditor_id, &foreign, to, day).await?;
        let class = current
            .score
            .as_ref()
            .and_then(|score| RiskClass::from_letter(&score.class));
        let decision = decide(&CreditInput {
            debtor: &current.debtor,
            features: &features,
            class,
            order_amount: order.amount,
            order_currency: &order.currency,
            reporting_currency: &creditor.reporting_currency,
            rates: &rates,
            policy: self.rules.policy(),
            date: from_day(day)?,
        });
        let used = current.score.as_ref();
        let stored = StoredDecision {
            creditor_id: creditor_id.clone(),
            debtor_id: debtor_id.clone(),
            decision_id: once.new_id(),
            decision,
            reporting_currency: creditor.reporting_currency,
            class: class.unwrap_or(RiskClass::X).as_str().to_owned(),
            score: used.map_or(0, |score| score.score),
            pd_ppm: used.map_or(0, |score| score.pd_ppm),
            scorecard_revision: used.map_or(0, |score| score.revision),
            policy_revision: self.rules.policy().revision,
            decision_date: from_day(day)?,
            decided_at: once.recorded_at(),
            order,
        };
        let inputs = DecisionInputs {
            debtor: current.debtor,
            features,
            rates,
        };
        once.insert(stored::insert(&stored, &inputs)?);
        once.append(vec![NewEvent {
            creditor_id,
            debtor_id,
            entity: CREDIT_DECISION,
            entity_id: stored.decision_id.clone(),
            version: 1,
            action: "decided",
            business_date: Some(day),
            state: None,
        }])?;
        let outcome = KeyValue::new(names::OUTCOME, outcome_name(stored.decision.outcome));
        once.count(names::DECISIONS, 1, vec![outcome]);
        once.finish(stored).await
    }

    /// A stored decision.
    ///
    /// # Errors
    /// `NotFound`, or those of the freshness wait.
    pub async fn credit_decision(
        &self,
        call: &Call,
        creditor_id: &str,
        decision_id: &str,
        at_least: &str,
    ) -> Result<StoredDecision> {
        self.freshness.all(at_least, call.deadline).await?;
        if let Some(decision) = stored::get(self.publisher.db(), creditor_id, decision_id).await? {
            return Ok(decision);
        }
        self.require_creditor(creditor_id).await?;
        Err(not_found("credit decision", decision_id))
    }

    /// Decisions on a debtor, newest first, before a time in microseconds and an id.
    ///
    /// # Errors
    /// Those of [`App::score`].
    pub async fn credit_decisions(
        &self,
        of: Of<'_>,
        before: (i64, &str),
        limit: u64,
    ) -> Result<Vec<StoredDecision>> {
        self.freshness
            .debtor(of.at_least, of.creditor_id, of.debtor_id, of.deadline)
            .await?;
        let db = self.publisher.db();
        let found = score::find(db, of.creditor_id, of.debtor_id).await?;
        known(found, of.creditor_id, of.debtor_id)?;
        stored::list(db, of.creditor_id, of.debtor_id, before, limit).await
    }
}

/// The currencies, other than the reporting currency, of the amounts that a decision compares.
fn foreign_currencies<'a>(
    order: &'a Order,
    features: &'a Features,
    reporting: &str,
) -> Vec<&'a str> {
    let open = features.open_by_currency.keys();
    let currencies: BTreeSet<&str> = open
        .chain(features.turnover_12m.keys())
        .chain([&order.currency])
        .map(String::as_str)
        .filter(|currency| *currency != reporting)
        .collect();
    currencies.into_iter().collect()
}
