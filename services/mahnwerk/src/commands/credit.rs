//! `mahnwerk check-credit`.

use mahnwerk_proto::scoring::v1::{CheckCreditRequest, CreditDecision, CreditOutcome};
use serde_json::json;

use super::{Context, score::class_text};
use crate::{
    cli::CheckCreditArgs,
    client::{Result, call, new_request_id},
    json,
    output::{date_text, facts, money_text, parse_amount, ppm_text, print_json, table},
};

/// Asks for a decision and shows it.
pub(super) async fn check(context: &Context, args: &CheckCreditArgs) -> Result<()> {
    let amount = parse_amount(&args.amount, &args.currency, '.')?;
    let request = CheckCreditRequest {
        // An order that is checked again is decided again.
        request_id: new_request_id(),
        creditor_id: args.debtor.creditor.clone(),
        debtor_id: args.debtor.debtor.clone(),
        order_id: args.order.clone(),
        amount: Some(amount),
        at_least: args.debtor.read.at_least.clone(),
        language: context.language.clone(),
    };
    let answer = context
        .clients
        .scores()
        .check_credit(call(request))
        .await?
        .into_inner();
    let decision = answer.decision.unwrap_or_default();
    if context.json {
        print_json(&json!({
            "decision": json::message("mahnwerk.scoring.v1.CreditDecision", &decision),
            "consistency_token": answer.consistency_token,
        }));
    } else {
        print_decision(&decision);
    }
    Ok(())
}

/// The outcome in words.
pub(crate) fn outcome_text(outcome: CreditOutcome) -> &'static str {
    match outcome {
        CreditOutcome::Unspecified => "unknown",
        CreditOutcome::Approve => "approve",
        CreditOutcome::ApproveWithTerms => "approve with terms",
        CreditOutcome::Refer => "refer to a person",
        CreditOutcome::Decline => "decline",
    }
}

/// What the approval demands; empty without one.
pub(crate) fn terms_text(decision: &CreditDecision) -> String {
    match (decision.outcome(), decision.payment_term_days) {
        (CreditOutcome::Approve | CreditOutcome::ApproveWithTerms, 0) => "prepayment".to_owned(),
        (CreditOutcome::Approve | CreditOutcome::ApproveWithTerms, days) => format!("{days} days"),
        _ => String::new(),
    }
}

fn print_decision(decision: &CreditDecision) {
    let review = if decision.human_review {
        "a person must confirm"
    } else {
        ""
    };
    let shown = facts(&[
        ("Decision", decision.decision_id.clone()),
        ("Order", decision.order_id.clone()),
        ("Amount", money_text(decision.amount.as_ref())),
        ("Outcome", outcome_text(decision.outcome()).to_owned()),
        ("Review", review.to_owned()),
        ("Payment term", terms_text(decision)),
        ("Valid until", date_text(decision.valid_until.as_ref())),
        ("Limit", money_text(decision.limit.as_ref())),
        ("Exposure", money_text(decision.exposure.as_ref())),
        ("Free limit", money_text(decision.free_limit.as_ref())),
        ("Class", class_text(decision.risk_class()).to_owned()),
        ("Score", decision.score.to_string()),
        ("Probability of default", ppm_text(decision.pd_ppm.into())),
    ]);
    say!("{shown}");
    let mut reasons = table(&["Reason", "In words"]);
    for reason in &decision.reasons {
        reasons.add_row([&reason.code, &reason.text]);
    }
    say!("\n{reasons}");
}
