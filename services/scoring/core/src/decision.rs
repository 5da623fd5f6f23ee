//! Whether an order may be delivered on invoice.

mod policy;

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::facts::{DebtorFacts, DebtorKind};
use crate::features::Features;
use crate::fx::{self, FxRate};
use crate::score::RiskClass;

pub use policy::{
    ClassAction, ClassPolicy, CreditPolicy, CreditPolicyError, OverLimitAction, starter_policy,
};

/// All that a decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct CreditInput<'a> {
    /// The debtor.
    pub debtor: &'a DebtorFacts,
    /// Turnover, open amounts and broken plans are used.
    pub features: &'a Features,
    /// The class of the current score; `None` (or X) if there is none.
    pub class: Option<RiskClass>,
    /// Amount of the order in minor units, above zero.
    pub order_amount: i64,
    /// Currency of the order, ISO 4217.
    pub order_currency: &'a str,
    /// The creditor's reporting currency, ISO 4217.
    pub reporting_currency: &'a str,
    /// Exchange rates; of each pair the latest on or before the date is used.
    pub rates: &'a [FxRate],
    /// The creditor's policy, valid by [`CreditPolicy::validate`].
    pub policy: &'a CreditPolicy,
    /// The business date.
    pub date: NaiveDate,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreditOutcome {
    /// Deliver on invoice.
    Approve,
    /// Deliver against prepayment.
    ApproveWithTerms,
    /// A person must decide.
    Refer,
    /// Do not deliver on invoice.
    Decline,
}

/// Why a decision came out as it did. Amounts are minor units of the reporting currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DecisionReason {
    /// The debtor is insolvent.
    Insolvent {
        /// Since this day.
        since: NaiveDate,
    },
    /// The debtor is dead: there is nobody to sell to.
    Deceased {
        /// Since this day.
        since: NaiveDate,
    },
    /// The creditor has stopped deliveries on invoice.
    CreditHold,
    /// The debtor broke an instalment plan in the last 12 months.
    BrokenPlan,
    /// The policy does not approve this class.
    Class {
        /// The class.
        class: RiskClass,
    },
    /// Exposure and order are above the limit.
    LimitExceeded {
        /// The reporting currency.
        currency: String,
        /// What remains of the limit.
        free_limit: i64,
        /// The order.
        order: i64,
    },
    /// An amount cannot be converted: no rate on or before the date.
    FxRateMissing {
        /// Currency of the amount.
        from: String,
        /// The reporting currency.
        to: String,
    },
    /// The debtor has no score.
    NoScore,
    /// Exposure and order are within the limit.
    WithinLimit {
        /// The reporting currency.
        currency: String,
        /// What remains of the limit before the order.
        free_limit: i64,
        /// The order.
        order: i64,
    },
    /// A person must confirm the outcome, because it declines a natural person.
    PersonReview,
}

impl DecisionReason {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Insolvent { .. } => "INSOLVENT",
            Self::Deceased { .. } => "DECEASED",
            Self::CreditHold => "CREDIT_HOLD",
            Self::BrokenPlan => "BROKEN_PLAN",
            Self::Class { .. } => "CLASS",
            Self::LimitExceeded { .. } => "LIMIT_EXCEEDED",
            Self::FxRateMissing { .. } => "FX_RATE_MISSING",
            Self::NoScore => "NO_SCORE",
            Self::WithinLimit { .. } => "WITHIN_LIMIT",
            Self::PersonReview => "PERSON_REVIEW",
        }
    }
}

/// A decision. Amounts are minor units of the reporting currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The outcome.
    pub outcome: CreditOutcome,
    /// The deciding reason first; never empty.
    pub reasons: Vec<DecisionReason>,
    /// The limit; `None` if a hard rule decided, without a score, or if a rate for the turnover is missing.
    pub limit: Option<i64>,
    /// What is open before the order; `None` if a rate is missing.
    pub exposure: Option<i64>,
    /// Limit less exposure, at least zero; `None` where one of them is.
    pub free_limit: Option<i64>,
    /// Term that goes with an approval; 0 means prepayment. 0 where nothing is approved.
    pub payment_term_days: i32,
    /// Whether a person must confirm the outcome before it takes effect; goes with [`DecisionReason::PersonReview`].
    pub human_review: bool,
    /// Last day on which an approval may be used; `None` where nothing is approved.
    pub valid_until: Option<NaiveDate>,
}

/// Decides on an order, by these rules in this order:
///
/// 1. An insolvent or deceased debtor, or one on credit hold, is declined.
/// 2. Without a score a person decides.
/// 3. The policy may decline the class, or leave it to a person.
/// 4. If a rate is missing for the order, an open amount or a turnover, a person decides.
/// 5. The limit is the base limit of the class or its part of the turnover of 12 months, whichever is higher. If
///    exposure and order are within it, the order is approved on the term of the class; if at least half of the order
///    is, against prepayment; else the policy says whether a person decides or the order is declined.
///
/// An order of a debtor that broke an instalment plan in the last 12 months is left to a person wherever these rules
/// would approve it; what they decline stays declined.
///
/// A decline of a natural person is confirmed by a person if the policy says so.
#[must_use]
pub fn decide(input: &CreditInput<'_>) -> Decision {
    let amounts = Amounts::of(input);
    let (mut outcome, mut reasons) = outcome(input, &amounts);
    if input.features.broken_plans_12m > 0 && outcome != CreditOutcome::Decline {
        outcome = CreditOutcome::Refer;
        reasons.insert(0, DecisionReason::BrokenPlan);
    }
    let human_review = outcome == CreditOutcome::Decline
        && input.debtor.kind == DebtorKind::Person
        && input.policy.person_review;
    if human_review {
        reasons.push(DecisionReason::PersonReview);
    }
    let is_approved = matches!(
        outcome,
        CreditOutcome::Approve | CreditOutcome::ApproveWithTerms
    );
    let validity = u64::try_from(input.policy.validity_days).unwrap_or(0);
    Decision {
        outcome,
        reasons,
        limit: amounts.limit,
        exposure: amounts.exposure,
        free_limit: amounts.free_limit(),
        payment_term_days: match (outcome, class_policy(input)) {
            (CreditOutcome::Approve, Some((_, policy))) => policy.payment_term_days,
            _ => 0,
        },
        human_review,
        valid_until: if is_approved {
            input.date.checked_add_days(Days::new(validity))
        } else {
            None
        },
    }
}

fn outcome(input: &CreditInput<'_>, amounts: &Amounts) -> (CreditOutcome, Vec<DecisionReason>) {
    let hard_reasons = hard_reasons(input);
    if !hard_reasons.is_empty() {
        return (CreditOutcome::Decline, hard_reasons);
    }
    let missing_rates = amounts
        .missing_rates
        .iter()
        .map(|from| DecisionReason::FxRateMissing {
            from: from.clone(),
            to: input.reporting_currency.to_owned(),
        });
    let Some((class, policy)) = class_policy(input) else {
        return (
            CreditOutcome::Refer,
            std::iter::once(DecisionReason::NoScore)
                .chain(missing_rates)
                .collect(),
        );
    };
    match policy.action {
        ClassAction::Decline => {
            return (
                CreditOutcome::Decline,
                vec![DecisionReason::Class { class }],
            );
        }
        ClassAction::Refer => {
            let reasons = std::iter::once(DecisionReason::Class { class }).chain(missing_rates);
            return (CreditOutcome::Refer, reasons.collect());
        }
        ClassAction::Approve => {}
    }
    let (Some(free_limit), Some(order)) = (amounts.free_limit(), amounts.order) else {
        return (CreditOutcome::Refer, missing_rates.collect());
    };
    let currency = input.reporting_currency.to_owned();
    if order <= free_limit {
        return (
            CreditOutcome::Approve,
            vec![DecisionReason::WithinLimit {
                currency,
                free_limit,
                order,
            }],
        );
    }
    let outcome = if i128::from(free_limit) * 2 >= i128::from(order) {
        CreditOutcome::ApproveWithTerms
    } else {
        match policy.over_limit {
            OverLimitAction::Refer => CreditOutcome::Refer,
            OverLimitAction::Decline => CreditOutcome::Decline,
        }
    };
    (
        outcome,
        vec![DecisionReason::LimitExceeded {
            currency,
            free_limit,
            order,
        }],
    )
}

fn hard_reasons(input: &CreditInput<'_>) -> Vec<DecisionReason> {
    let debtor = input.debtor;
    let reached = |since: Option<NaiveDate>| since.filter(|since| *since <= input.date);
    [
        reached(debtor.insolvent_since).map(|since| DecisionReason::Insolvent { since }),
        reached(debtor.deceased_since).map(|since| DecisionReason::Deceased { since }),
        debtor.credit_hold.then_some(DecisionReason::CreditHold),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn class_policy<'a>(input: &CreditInput<'a>) -> Option<(RiskClass, &'a ClassPolicy)> {
    let class = input.class?;
    Some((class, input.policy.classes.get(&class)?))
}

/// What is compared, in minor units of the reporting currency.
struct Amounts {
    order: Option<i64>,
    exposure: Option<i64>,
    limit: Option<i64>,
    /// Currencies that could not be converted, each once, by code.
    missing_rates: Vec<String>,
}

impl Amounts {
    fn of(input: &CreditInput<'_>) -> Self {
        let mut missing_rates = Vec::new();
        let order = converted(
            input,
            input.order_currency,
            input.order_amount,
            &mut missing_rates,
        );
        let exposure = converted_sum(input, &input.features.open_by_currency, &mut missing_rates);
        let policy = class_policy(input).filter(|_| hard_reasons(input).is_empty());
        let limit = policy.and_then(|(_, policy)| {
            if policy.turnover_permille == 0 {
                return Some(policy.base_limit);
            }
            let turnover = converted_sum(input, &input.features.turnover_12m, &mut missing_rates)?;
            let by_turnover = i128::from(turnover) * i128::from(policy.turnover_permille) / 1_000;
            Some(
                i64::try_from(by_turnover)
                    .unwrap_or(i64::MAX)
                    .max(policy.base_limit),
            )
        });
        missing_rates.sort_unstable();
        missing_rates.dedup();
        Self {
            order,
            exposure,
            limit,
            missing_rates,
        }
    }

    fn free_limit(&self) -> Option<i64> {
        Some(self.limit?.saturating_sub(self.exposure?).max(0))
    }
}

/// The sum in the reporting currency, each currency rounded for itself; notes every currency without a rate.
fn converted_sum(
    input: &CreditInput<'_>,
    amounts: &BTreeMap<String, i64>,
    missing_rates: &mut Vec<String>,
) -> Option<i64> {
    let converted: Vec<_> = amounts
        .iter()
        .map(|(currency, amount)| converted(input, currency, *amount, missing_rates))
        .collect();
    converted
        .into_iter()
        .try_fold(0_i64, |sum, amount| Some(sum.saturating_add(amount?)))
}

fn converted(
    input: &CreditInput<'_>,
    currency: &str,
    amount: i64,
    missing_rates: &mut Vec<String>,
) -> Option<i64> {
    let to = input.reporting_currency;
    let digits = (fx::minor_digits(currency), fx::minor_digits(to));
    let converted = fx::convert(
        amount,
        currency,
        to,
        digits.0,
        digits.1,
        input.date,
        input.rates,
    );
    if converted.is_none() {
        missing_rates.push(currency.to_owned());
    }
    converted
}
