//! Wire types to domain values and back.

use mahnwerk_feed::timestamp;
use mahnwerk_proto::{
    common::v1::Money,
    scoring::v1::{self, CreditOutcome},
};
use mahnwerk_runtime::validate::{Checker, from_date};
use scoring_core::{
    decision,
    features::Feature,
    fx::is_currency,
    scorecard::{self, ScorecardKind},
    text::{Language, decision_sentence, reason_sentence},
};

use crate::{
    app::{credit::StoredDecision, read::Explained},
    feed::{class_to_wire, score_message},
};

/// Highest amount of an order, in minor units.
const MAX_AMOUNT: i64 = 1_000_000_000_000_000;

/// The language asked for; an unknown one is English, a text that is no language is refused.
pub fn language(check: &mut Checker, code: &str) -> Language {
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_lowercase());
    if !(code.is_empty() || is_code) {
        check.refuse(
            "language",
            "must be an ISO 639-1 code, lower case, or empty",
        );
    }
    Language::from_code(code)
}

/// An amount above zero in a currency with a minor unit.
pub fn money(check: &mut Checker, field: &str, value: Option<Money>) -> (String, i64) {
    let Some(value) = value else {
        check.refuse(field, "is required");
        return (String::new(), 0);
    };
    if !is_currency(&value.currency_code) {
        check.refuse(
            format!("{field}.currency_code"),
            "must be an ISO 4217 code, upper case, of a currency with a minor unit",
        );
    }
    if !(1..=MAX_AMOUNT).contains(&value.minor_units) {
        check.refuse(format!("{field}.minor_units"), "must be from 1 to 10^15");
    }
    (value.currency_code, value.minor_units)
}

/// A decision on the wire, worded in a language.
pub fn decision(stored: StoredDecision, language: Language) -> v1::CreditDecision {
    let amount = |minor_units| Money {
        currency_code: stored.reporting_currency.clone(),
        minor_units,
    };
    let decided = &stored.decision;
    let reasons = decided.reasons.iter().map(|reason| v1::DecisionReason {
        code: reason.code().to_owned(),
        text: decision_sentence(reason, language),
    });
    v1::CreditDecision {
        outcome: outcome(decided.outcome).into(),
        reasons: reasons.collect(),
        limit: decided.limit.map(amount),
        exposure: decided.exposure.map(amount),
        free_limit: decided.free_limit.map(amount),
        payment_term_days: decided.payment_term_days,
        human_review: decided.human_review,
        valid_until: decided.valid_until.map(from_date),
        risk_class: class_to_wire(&stored.class).into(),
        score: stored.score,
        pd_ppm: stored.pd_ppm,
        scorecard_revision: stored.scorecard_revision,
        policy_revision: stored.policy_revision,
        decision_date: Some(from_date(stored.decision_date)),
        decision_time: Some(timestamp(stored.decided_at)),
        amount: Some(Money {
            currency_code: stored.order.currency,
            minor_units: stored.order.amount,
        }),
        order_id: stored.order.order_id,
        creditor_id: stored.creditor_id,
        debtor_id: stored.debtor_id,
        decision_id: stored.decision_id,
    }
}

fn outcome(outcome: decision::CreditOutcome) -> CreditOutcome {
    match outcome {
        decision::CreditOutcome::Approve => CreditOutcome::Approve,
        decision::CreditOutcome::ApproveWithTerms => CreditOutcome::ApproveWithTerms,
        decision::CreditOutcome::Refer => CreditOutcome::Refer,
        decision::CreditOutcome::Decline => CreditOutcome::Decline,
    }
}

/// An explanation on the wire, worded in a language.
pub fn explanation(explained: &Explained, language: Language) -> v1::ExplainScoreResponse {
    let features = Feature::ALL.into_iter().map(|feature| {
        let value = explained.features.value(feature);
        let used = explained
            .points
            .iter()
            .find(|(code, ..)| code == feature.code());
        let mut message = v1::ExplainedFeature {
            characteristic: feature.code().to_owned(),
            value,
            unit: feature.unit().to_owned(),
            ..v1::ExplainedFeature::default()
        };
        if let Some((code, bin, points, best_points)) = used {
            message.bin.clone_from(bin);
            message.points = *points;
            message.best_points = *best_points;
            message.text = reason_sentence(code, value, language);
        }
        message
    });
    v1::ExplainScoreResponse {
        score: Some(score_message(&explained.row, Some(language))),
        features: features.collect(),
        base_score: explained.base_score,
    }
}

/// A scorecard on the wire.
pub fn scorecard(card: &scorecard::Scorecard) -> v1::Scorecard {
    let characteristics = card.characteristics.iter().map(|each| v1::Characteristic {
        code: each.feature.code().to_owned(),
        bins: each
            .bins
            .iter()
            .map(|bin| v1::Bin {
                label: bin.label.clone(),
                from: bin.from,
                to: bin.to,
                points: bin.points,
                missing: bin.missing,
            })
            .collect(),
    });
    v1::Scorecard {
        kind: match card.kind {
            ScorecardKind::Organisation => v1::ScorecardKind::Organisation,
            ScorecardKind::Person => v1::ScorecardKind::Person,
            ScorecardKind::Prospect => v1::ScorecardKind::Prospect,
        }
        .into(),
        revision: card.revision,
        bad_definition: card.bad_definition.clone(),
        base_score: card.base_score,
        points_to_double_odds: card.points_to_double_odds,
        anchor_score: card.anchor_score,
        anchor_odds: card.anchor_odds,
        class_limits_ppm: card.class_limits_ppm.to_vec(),
        characteristics: characteristics.collect(),
    }
}
