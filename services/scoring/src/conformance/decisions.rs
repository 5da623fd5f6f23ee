//! Credit decisions over gRPC.

use mahnwerk_proto::{
    common::v1::{ErrorReason, Money},
    registry::v1::{DebtorKind, SetCreditHoldRequest, SetInsolvencyRequest},
    scoring::v1::{
        CheckCreditRequest, CreditDecision, CreditOutcome, GetCreditDecisionRequest,
        ListCreditDecisionsRequest, RiskClass,
    },
};
use tonic::{Code, Status};

use super::{
    Channels, Outcome, World, assert_not_found, assert_refused, assert_violates, date, money,
    patiently,
};

fn request(world: &World, request_id: &str, amount: Money) -> CheckCreditRequest {
    CheckCreditRequest {
        request_id: request_id.to_owned(),
        creditor_id: world.creditor_id.clone(),
        debtor_id: "d1".to_owned(),
        order_id: format!("order-{request_id}"),
        amount: Some(amount),
        at_least: world.token.clone(),
        language: String::new(),
    }
}

async fn check(world: &World, request: CheckCreditRequest) -> Result<CreditDecision, Status> {
    let answer = patiently(async || world.scores.clone().check_credit(request.clone()).await);
    Ok(answer.await?.into_inner().decision.unwrap_or_default())
}

fn codes(decision: &CreditDecision) -> Vec<&str> {
    decision
        .reasons
        .iter()
        .map(|reason| reason.code.as_str())
        .collect()
}

/// A debtor that pays early, so that nothing but the limit stands against an order.
async fn good_payer(channels: &Channels, creditor_id: &str) -> Result<World, Status> {
    let mut world = World::open(channels, creditor_id, date(2026, 3, 2)).await?;
    for number in 1..=12 {
        let id = format!("i{number}");
        let amount = money("EUR", 100_000);
        world
            .invoice(
                &id,
                amount.clone(),
                date(2025, 4 + number % 8, 1),
                date(2025, 12, 1),
            )
            .await?;
        world.pay(&id, amount, date(2025, 12, 1)).await?;
    }
    let score = world.score("d1").await?;
    assert!(
        [RiskClass::A, RiskClass::B, RiskClass::C].contains(&score.risk_class()),
        "{:?}",
        score.risk_class()
    );
    Ok(world)
}

/// An order is approved within the limit, held against what is open, and the decision says all it rests on.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn exposure_and_order_are_held_against_the_limit(channels: Channels) -> Outcome {
    let mut world = good_payer(&channels, "credit-limit").await?;
    let score = world.score("d1").await?;
    let approved = check(&world, request(&world, "r1", money("EUR", 1_000))).await?;
    assert_eq!(approved.outcome(), CreditOutcome::Approve);
    assert_eq!(codes(&approved), ["WITHIN_LIMIT"]);
    assert_eq!(
        (
            approved.score,
            approved.pd_ppm,
            approved.risk_class,
            approved.scorecard_revision
        ),
        (
            score.score,
            score.pd_ppm,
            score.risk_class,
            score.scorecard_revision
        )
    );
    assert_eq!(approved.exposure, Some(money("EUR", 0)));
    assert_eq!(approved.decision_date, Some(date(2026, 3, 2)));
    assert!(approved.valid_until.is_some() && approved.payment_term_days > 0);
    let limit = approved.limit.clone().unwrap_or_default();
    assert!(limit.minor_units > 1_000 && limit.currency_code == "EUR");

    let open = limit.minor_units - 500;
    world
        .invoice(
            "open",
            money("EUR", open),
            date(2026, 3, 2),
            date(2026, 4, 1),
        )
        .await?;
    let after = check(&world, request(&world, "r2", money("EUR", 1_000))).await?;
    assert_eq!(after.exposure, Some(money("EUR", open)));
    let free = after.free_limit.clone().unwrap_or_default().minor_units;
    let limit = after.limit.clone().unwrap_or_default().minor_units;
    assert_eq!(free, limit - open);
    let too_much = check(&world, request(&world, "r3", money("EUR", free * 3))).await?;
    assert_eq!(codes(&too_much), ["LIMIT_EXCEEDED"]);
    assert_ne!(too_much.outcome(), CreditOutcome::Approve);
    assert_eq!(too_much.payment_term_days, 0);
    Ok(())
}

/// Insolvency and credit hold decline whatever the score, at once when they are set.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn insolvency_and_hold_decline(channels: Channels) -> Outcome {
    let mut world = good_payer(&channels, "credit-hard").await?;
    let mut hold = SetCreditHoldRequest {
        request_id: "hold".to_owned(),
        creditor_id: world.creditor_id.clone(),
        debtor_id: "d1".to_owned(),
        credit_hold: true,
        reason: "test".to_owned(),
    };
    let held = world.debtors.set_credit_hold(hold.clone()).await?;
    world.token = held.into_inner().consistency_token;
    let declined = check(&world, request(&world, "r1", money("EUR", 1_000))).await?;
    assert_eq!(declined.outcome(), CreditOutcome::Decline);
    assert_eq!(codes(&declined), ["CREDIT_HOLD"]);
    assert_eq!((declined.limit, declined.valid_until), (None, None));

    let insolvent = world
        .debtors
        .set_insolvency(SetInsolvencyRequest {
            request_id: "insolvent".to_owned(),
            creditor_id: world.creditor_id.clone(),
            debtor_id: "d1".to_owned(),
            insolvent_since: Some(date(2026, 2, 1)),
        })
        .await?;
    world.token = insolvent.into_inner().consistency_token;
    let declined = check(&world, request(&world, "r2", money("EUR", 1_000))).await?;
    assert_eq!(codes(&declined), ["INSOLVENT", "CREDIT_HOLD"]);

    hold.credit_hold = false;
    "lift".clone_into(&mut hold.request_id);
    world.debtors.set_credit_hold(hold).await?;
    let lifted = world
        .debtors
        .set_insolvency(SetInsolvencyRequest {
            request_id: "solvent".to_owned(),
            creditor_id: world.creditor_id.clone(),
            debtor_id: "d1".to_owned(),
            insolvent_since: None,
        })
        .await?;
    world.token = lifted.into_inner().consistency_token;
    let approved = check(&world, request(&world, "r3", money("EUR", 1_000))).await?;
    assert_eq!(approved.outcome(), CreditOutcome::Approve);
    Ok(())
}

/// Without a rate a person decides; with one, order and open amounts are converted, stated either way round.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn other_currencies_are_converted(channels: Channels) -> Outcome {
    let mut world = good_payer(&channels, "credit-currency").await?;
    let without = check(&world, request(&world, "r1", money("USD", 1_000))).await?;
    assert_eq!(without.outcome(), CreditOutcome::Refer);
    assert_eq!(codes(&without), ["FX_RATE_MISSING"]);
    // The latest rate on or before the business date counts.
    world.rate("USD", date(2026, 1, 5), 1, 2).await?;
    world.rate("USD", date(2026, 2, 2), 9, 10).await?;
    world.rate("USD", date(2026, 4, 1), 1, 5).await?;
    world
        .invoice(
            "usd",
            money("USD", 10_000),
            date(2026, 3, 2),
            date(2026, 4, 1),
        )
        .await?;
    let with = check(&world, request(&world, "r2", money("USD", 1_000))).await?;
    assert_eq!(with.outcome(), CreditOutcome::Approve);
    assert_eq!(with.exposure, Some(money("EUR", 9_000)));
    assert_eq!(with.amount, Some(money("USD", 1_000)));
    Ok(())
}

/// A decline of a natural person waits for a member of staff.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn a_person_is_not_declined_by_a_machine(channels: Channels) -> Outcome {
    let mut world = World::open(&channels, "credit-person", date(2026, 3, 2)).await?;
    world.debtor("p1", DebtorKind::Person).await?;
    let held = world
        .debtors
        .set_credit_hold(SetCreditHoldRequest {
            request_id: "hold".to_owned(),
            creditor_id: world.creditor_id.clone(),
            debtor_id: "p1".to_owned(),
            credit_hold: true,
            reason: "test".to_owned(),
        })
        .await?;
    world.token = held.into_inner().consistency_token;
    let mut order = request(&world, "r1", money("EUR", 1_000));
    "p1".clone_into(&mut order.debtor_id);
    let declined = check(&world, order).await?;
    assert_eq!(declined.outcome(), CreditOutcome::Decline);
    assert_eq!(codes(&declined), ["CREDIT_HOLD", "PERSON_REVIEW"]);
    assert!(declined.human_review);
    Ok(())
}

/// A repeated call answers what was decided first, whatever has changed since; other content is refused.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn a_repeated_request_is_decided_once(channels: Channels) -> Outcome {
    let mut world = good_payer(&channels, "credit-once").await?;
    let order = request(&world, "same", money("EUR", 1_000));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (mut client, order) = (world.scores.clone(), order.clone());
        calls.spawn(async move { client.check_credit(order).await });
    }
    let mut answers = Vec::new();
    while let Some(call) = calls.join_next().await {
        let answer = call.map_err(|error| Status::internal(error.to_string()))??;
        answers.push(answer.into_inner());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let first = answers
        .pop()
        .unwrap_or_default()
        .decision
        .unwrap_or_default();

    world
        .invoice(
            "open",
            money("EUR", 900_000_000),
            date(2026, 3, 2),
            date(2026, 4, 1),
        )
        .await?;
    world.score("d1").await?;
    assert_eq!(check(&world, order.clone()).await?, first);
    let mut german = order.clone();
    "de".clone_into(&mut german.language);
    let german = check(&world, german).await?;
    assert_eq!(german.decision_id, first.decision_id);
    assert_ne!(german.reasons, first.reasons);
    let other = CheckCreditRequest {
        amount: Some(money("EUR", 1_001)),
        ..order
    };
    assert_refused(
        &world.scores.clone().check_credit(other).await,
        Code::AlreadyExists,
        ErrorReason::RequestIdReused,
    );
    assert_eq!(list(&world, 0).await?.len(), 1);
    Ok(())
}

async fn list(world: &World, page_size: i32) -> Result<Vec<CreditDecision>, Status> {
    let mut request = ListCreditDecisionsRequest {
        creditor_id: world.creditor_id.clone(),
        debtor_id: "d1".to_owned(),
        page_size,
        page_token: String::new(),
        at_least: world.token.clone(),
        language: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let page = world
            .scores
            .clone()
            .list_credit_decisions(request.clone())
            .await?
            .into_inner();
        all.extend(page.decisions);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// Decisions are read and listed as they were answered, newest first.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn decisions_are_read_and_listed(channels: Channels) -> Outcome {
    let world = World::open(&channels, "credit-list", date(2026, 3, 2)).await?;
    let mut decided = Vec::new();
    for number in 1..=5 {
        let order = request(&world, &format!("r{number}"), money("EUR", number * 1_000));
        decided.push(check(&world, order).await?);
    }
    for decision in &decided {
        let read = world
            .scores
            .clone()
            .get_credit_decision(GetCreditDecisionRequest {
                creditor_id: world.creditor_id.clone(),
                decision_id: decision.decision_id.clone(),
                at_least: String::new(),
                language: String::new(),
            })
            .await?;
        assert_eq!(read.into_inner().decision.as_ref(), Some(decision));
    }
    let listed = list(&world, 0).await?;
    let by_id = |decisions: &[CreditDecision]| -> std::collections::BTreeSet<String> {
        decisions
            .iter()
            .map(|decision| decision.decision_id.clone())
            .collect()
    };
    assert_eq!(by_id(&listed), by_id(&decided));
    let times: Vec<_> = listed
        .iter()
        .filter_map(|decision| decision.decision_time)
        .map(|time| (time.seconds, time.nanos))
        .collect();
    assert!(times.is_sorted_by(|one, other| one >= other), "{times:?}");
    assert_eq!(list(&world, 2).await?, listed);
    Ok(())
}

/// Every wrong field of an order is named, and unknown things are not found.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn wrong_orders_are_refused(channels: Channels) -> Outcome {
    let world = World::open(&channels, "credit-refused", date(2026, 3, 2)).await?;
    world.score("d1").await?;
    let mut client = world.scores.clone();
    let wrong = CheckCreditRequest {
        order_id: "a b".to_owned(),
        amount: Some(money("XAU", 0)),
        language: "deutsch".to_owned(),
        ..request(&world, "", Money::default())
    };
    assert_violates(
        &client.check_credit(wrong).await,
        &[
            "request_id",
            "order_id",
            "amount.currency_code",
            "amount.minor_units",
            "language",
        ],
    );
    let unknown = CheckCreditRequest {
        debtor_id: "nobody".to_owned(),
        ..request(&world, "r1", money("EUR", 1))
    };
    assert_not_found(&client.check_credit(unknown.clone()).await, "debtor");
    let unknown = CheckCreditRequest {
        creditor_id: "nowhere".to_owned(),
        ..unknown
    };
    assert_not_found(&client.check_credit(unknown).await, "creditor");
    let unknown = client
        .get_credit_decision(GetCreditDecisionRequest {
            creditor_id: world.creditor_id.clone(),
            decision_id: "nothing".to_owned(),
            ..GetCreditDecisionRequest::default()
        })
        .await;
    assert_not_found(&unknown, "credit decision");
    assert!(list(&world, 0).await?.is_empty());

    let without_day = World::create(&channels, "credit-no-day").await?;
    let mut without_day = without_day;
    without_day.debtor("d1", DebtorKind::Organisation).await?;
    let order = request(&without_day, "r1", money("EUR", 1));
    let refused = patiently(async || client.clone().check_credit(order.clone()).await).await;
    assert_refused(
        &refused,
        Code::FailedPrecondition,
        ErrorReason::NoBusinessDay,
    );
    Ok(())
}
