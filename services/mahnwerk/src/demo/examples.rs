//! A few debtors, looked at one by one: the score with its reasons, and what an order would meet with.

use mahnwerk_proto::{
    common::v1::Money,
    registry::v1::{Debtor, Relationship},
    scoring::v1::{CheckCreditRequest, CreditDecision, GetScoreRequest, RiskClass, Score},
};

use super::{CREDITOR, collect::Facts, ledger::Story};
use crate::client::{Clients, Result, call, once_arrived};

/// Amount of the order that is asked for, in minor units of the debtor's currency.
const ORDER_AMOUNT: i64 = 150_000;
/// A slow payer has settled so many invoices: fewer say little.
const ENOUGH_SETTLED: i64 = 8;

/// One debtor looked at.
#[derive(Debug)]
pub(crate) struct Example {
    /// What it is an example of.
    pub(crate) title: &'static str,
    pub(crate) debtor: Debtor,
    pub(crate) score: Score,
    pub(crate) decision: CreditDecision,
}

/// Finds a good, a slow, an insolvent debtor and a prospect, as far as there are such, and asks about them.
///
/// # Errors
/// If scoring refuses.
pub(crate) async fn choose(
    story: &Story,
    facts: &Facts,
    clients: &Clients,
    token: &str,
) -> Result<Vec<Example>> {
    let rated: Vec<(&Debtor, &Score)> = facts.debtors.iter().zip(&facts.scores).collect();
    let calm = |debtor: &Debtor| debtor.insolvent_since.is_none() && !debtor.credit_hold;
    let prospect = |debtor: &Debtor| debtor.relationship() == Relationship::Prospect;
    let good = rated
        .iter()
        .filter(|(debtor, score)| {
            calm(debtor) && !prospect(debtor) && score.risk_class() == RiskClass::A
        })
        .max_by_key(|(debtor, score)| {
            (
                debtor.language == "de",
                score.score,
                std::cmp::Reverse(&debtor.debtor_id),
            )
        });
    let slow = rated
        .iter()
        .filter(|(debtor, score)| {
            calm(debtor)
                && score.settled_items >= ENOUGH_SETTLED
                && matches!(score.risk_class(), RiskClass::C | RiskClass::D)
        })
        .min_by_key(|(debtor, score)| (debtor.language != "nl", score.score, &debtor.debtor_id));
    let insolvent = rated
        .iter()
        .filter(|(debtor, _)| debtor.insolvent_since.is_some())
        .min_by_key(|(debtor, _)| (debtor.language != "de", &debtor.debtor_id));
    let newcomer = rated
        .iter()
        .filter(|(debtor, _)| prospect(debtor))
        .min_by_key(|(debtor, _)| {
            (
                debtor.language != "en",
                debtor.language != "nl",
                &debtor.debtor_id,
            )
        });
    let chosen = [
        ("A good payer", good),
        ("A slow payer", slow),
        ("An insolvent debtor", insolvent),
        ("A prospect", newcomer),
    ];
    let mut examples = Vec::new();
    for (title, choice) in chosen {
        if let Some((debtor, _)) = choice {
            examples.push(look_at(title, debtor, story, clients, token).await?);
        }
    }
    Ok(examples)
}

async fn look_at(
    title: &'static str,
    debtor: &Debtor,
    story: &Story,
    clients: &Clients,
    token: &str,
) -> Result<Example> {
    let known = ["de", "en", "nl"].contains(&debtor.language.as_str());
    let language = if known {
        debtor.language.clone()
    } else {
        "en".to_owned()
    };
    let request = GetScoreRequest {
        creditor_id: CREDITOR.to_owned(),
        debtor_id: debtor.debtor_id.clone(),
        at_least: token.to_owned(),
        language: language.clone(),
    };
    let score =
        once_arrived(async || clients.scores().get_score(call(request.clone())).await).await?;
    let made_up = story.debtors.iter().find(|it| it.id == debtor.debtor_id);
    let request = CheckCreditRequest {
        request_id: format!("order-{}", debtor.debtor_id),
        creditor_id: CREDITOR.to_owned(),
        debtor_id: debtor.debtor_id.clone(),
        order_id: format!("O-{}", debtor.debtor_id),
        amount: Some(Money {
            currency_code: made_up.map_or("EUR", |it| it.currency).to_owned(),
            minor_units: ORDER_AMOUNT,
        }),
        at_least: token.to_owned(),
        language,
    };
    let decision =
        once_arrived(async || clients.scores().check_credit(call(request.clone())).await).await?;
    Ok(Example {
        title,
        debtor: debtor.clone(),
        score: score.score.unwrap_or_default(),
        decision: decision.decision.unwrap_or_default(),
    })
}
