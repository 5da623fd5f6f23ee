//! Placing: debtors move with what is told of them, and with time.

use mahnwerk_proto::{
    common::v1::Date,
    scoring::v1::{RiskClass, ScoreState},
    segmentation::v1::{
        ConditionOutcome, ExplainMembershipRequest, FieldValue, Hold, ListMembershipHistoryRequest,
        ListSegmentSizesRequest, MembershipPeriod, MembershipSource, field_value::Value,
    },
};
use mahnwerk_runtime::db::Db;
use tonic::Status;

use super::{Outcome, World, date, told::account};

pub fn class(state: &mut ScoreState, class: RiskClass) {
    if let Some(score) = &mut state.score {
        score.risk_class = class.into();
    }
}

fn months(state: &mut ScoreState, first: i64) {
    if let Some(features) = &mut state.features {
        features.months_since_first_item = Some(first);
    }
}

pub async fn history(
    world: &World,
    scheme_id: &str,
    page_size: i32,
) -> Result<Vec<MembershipPeriod>, Status> {
    let mut request = ListMembershipHistoryRequest {
        creditor_id: world.creditor_id.clone(),
        debtor_id: "d1".to_owned(),
        scheme_id: scheme_id.to_owned(),
        page_size,
        ..ListMembershipHistoryRequest::default()
    };
    let mut periods = Vec::new();
    loop {
        let page = world
            .members
            .clone()
            .list_membership_history(request.clone())
            .await?
            .into_inner();
        periods.extend(page.periods);
        if page.next_page_token.is_empty() {
            return Ok(periods);
        }
        request.page_token = page.next_page_token;
    }
}

/// A debtor is placed in every scheme when it is known, and moves when scoring tells otherwise; its history says when and
/// why.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_debtor_moves_with_what_is_told_of_it(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    world.debtor("d1", |_| ()).await?;
    assert_eq!(world.segment("d1", "risk").await?, "not_scored");
    assert_eq!(world.segment("d1", "lifecycle").await?, "prospect");
    world.open_day(Some(date(2026, 3, 3))).await?;
    world.score("d1", |_| ()).await?;
    for (scheme_id, segment) in [("risk", "low"), ("lifecycle", "active")] {
        let membership = world.membership("d1", scheme_id).await?;
        assert_eq!(membership.segment_id, segment);
        assert_eq!(membership.since, Some(date(2026, 3, 3)));
        assert_eq!(membership.source(), MembershipSource::Rule);
        assert!(membership.policy.is_none() && membership.error.is_empty());
    }
    world.open_day(Some(date(2026, 3, 4))).await?;
    world
        .score("d1", |state| class(state, RiskClass::D))
        .await?;
    let membership = world.membership("d1", "risk").await?;
    assert_eq!(
        (membership.segment_id.as_str(), membership.rule),
        ("high", Some(4))
    );
    let values = vec![
        FieldValue {
            field: "insolvent".to_owned(),
            value: Some(Value::Flag(false)),
        },
        FieldValue {
            field: "risk_class".to_owned(),
            value: Some(Value::Text("D".to_owned())),
        },
    ];
    assert_eq!(membership.deciding_values, values);
    let version = membership.version;
    // Nothing differs: nothing is told.
    world
        .score("d1", |state| class(state, RiskClass::E))
        .await?;
    assert_eq!(world.membership("d1", "risk").await?.version, version);

    let periods = history(&world, "risk", 0).await?;
    assert_eq!(history(&world, "risk", 1).await?, periods);
    let stays: Vec<_> = periods
        .iter()
        .map(|it| (it.segment_id.as_str(), it.valid_from, it.valid_to))
        .collect();
    let days = [2, 3, 4].map(|day| Some(date(2026, 3, day)));
    let expected = [
        ("high", days[2], None),
        ("low", days[1], days[2]),
        ("not_scored", days[0], days[1]),
    ];
    assert_eq!(stays, expected);
    assert_eq!(periods[0].deciding_values, values);

    world
        .debtor("d1", |debtor| {
            debtor.insolvent_since = Some(date(2026, 3, 4))
        })
        .await?;
    let treatment = world.membership("d1", "treatment").await?;
    assert_eq!(treatment.segment_id, "stopped");
    let policy = treatment.policy.unwrap_or_default();
    assert!(policy.credit_refused && policy.procedure_id == "courteous");
    world.close().await
}

/// A minimum stay keeps a debtor where it is until its days are over; then time alone moves it. Insolvency does not wait.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_minimum_stay_ends_by_itself(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    let mut scheme = world.scheme(
        "mine",
        &[(
            "big",
            "has(debtor.turnover_12m_minor) && debtor.turnover_12m_minor > 100",
        )],
    );
    scheme.minimum_stay_days = 10;
    world.activate(scheme).await?;
    for debtor_id in ["d1", "d2"] {
        world.customer(debtor_id, |_| ()).await?;
        assert_eq!(world.segment(debtor_id, "mine").await?, "big");
    }
    world.open_day(Some(date(2026, 3, 3))).await?;
    for debtor_id in ["d1", "d2"] {
        world.score(debtor_id, small).await?;
    }
    let held = world.membership("d1", "mine").await?;
    assert_eq!(
        (held.segment_id.as_str(), held.hold()),
        ("big", Hold::MinimumStay)
    );
    let explained = explain(&world, "d1", "mine").await?;
    assert_eq!(explained.next_date, Some(date(2026, 3, 12)));
    world.open_day(Some(date(2026, 3, 11))).await?;
    assert_eq!(world.membership("d1", "mine").await?, held);
    world
        .debtor("d2", |debtor| {
            debtor.insolvent_since = Some(date(2026, 3, 11))
        })
        .await?;
    assert_eq!(world.segment("d2", "mine").await?, "rest");
    world.open_day(Some(date(2026, 3, 12))).await?;
    let moved = world.membership("d1", "mine").await?;
    assert_eq!(
        (moved.segment_id.as_str(), moved.hold()),
        ("rest", Hold::Unspecified)
    );
    assert_eq!(moved.since, Some(date(2026, 3, 12)));
    world.close().await
}

fn small(state: &mut ScoreState) {
    state.accounts = vec![account("EUR", 0, 1)];
}

/// However often a debtor moves within a business date, the date ends as if only its last facts had been told: who comes
/// back has never left, and who has just come is not held. The history tells all of it.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_business_date_has_one_outcome(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    let big = "has(debtor.turnover_12m_minor) && debtor.turnover_12m_minor > 100";
    let mut scheme = world.scheme("mine", &[("big", big)]);
    scheme.minimum_stay_days = 2;
    world.activate(scheme).await?;
    world.customer("d1", small).await?;
    assert_eq!(world.segment("d1", "mine").await?, "rest");
    world.score("d1", |_| ()).await?;
    let first = world.membership("d1", "mine").await?;
    assert_eq!(
        (first.segment_id.as_str(), first.hold()),
        ("big", Hold::Unspecified)
    );
    world.open_day(Some(date(2026, 3, 4))).await?;
    world.score("d1", small).await?;
    let away = world.membership("d1", "mine").await?;
    assert_eq!(
        (away.segment_id.as_str(), away.since),
        ("rest", Some(date(2026, 3, 4)))
    );
    world.score("d1", |_| ()).await?;
    let back = world.membership("d1", "mine").await?;
    assert_eq!(back.version, away.version + 1);
    assert_eq!(
        (back.segment_id.as_str(), back.since, &back.deciding_values),
        ("big", first.since, &first.deciding_values)
    );
    // It could have left, and may still.
    world.open_day(Some(date(2026, 3, 5))).await?;
    world.score("d1", small).await?;
    assert_eq!(world.segment("d1", "mine").await?, "rest");
    let told = history(&world, "mine", 0).await?;
    let told: Vec<_> = told
        .iter()
        .map(|it| {
            let day = |date: Option<Date>| date.map(|date| date.day);
            (it.segment_id.as_str(), day(it.valid_from), day(it.valid_to))
        })
        .collect();
    let expected = [
        ("rest", Some(5), None),
        ("big", Some(4), Some(5)),
        ("rest", Some(4), Some(4)),
        ("big", Some(2), Some(4)),
        ("rest", Some(2), Some(2)),
    ];
    assert_eq!(told, expected);
    world.close().await
}

/// Scoring may tell of a business date before the registry does. The debtor then moves on that date.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_score_brings_its_business_date_along(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    let on = |state: &mut ScoreState, day| {
        if let Some(score) = &mut state.score {
            score.observation_date = Some(date(2026, 3, day));
        }
    };
    world.customer("d1", |state| on(state, 2)).await?;
    let low = world.membership("d1", "risk").await?;
    world
        .score("d1", |state| {
            class(state, RiskClass::E);
            on(state, 3);
        })
        .await?;
    let high = world.membership("d1", "risk").await?;
    let entered = |day| Some(date(2026, 3, day));
    assert_eq!((low.since, high.since), (entered(2), entered(3)));
    assert_eq!(high.segment_id, "high");
    // What scoring told of the date before was not undone by it.
    world.open_day(entered(3)).await?;
    world.score("d1", |state| on(state, 3)).await?;
    let back = world.membership("d1", "risk").await?;
    assert_eq!((back.segment_id.as_str(), back.since), ("low", low.since));
    world.close().await
}

async fn explain(
    world: &World,
    debtor_id: &str,
    scheme_id: &str,
) -> Result<mahnwerk_proto::segmentation::v1::ExplainMembershipResponse, Status> {
    let request = ExplainMembershipRequest {
        creditor_id: world.creditor_id.clone(),
        debtor_id: debtor_id.to_owned(),
        scheme_id: scheme_id.to_owned(),
        at_least: String::new(),
    };
    Ok(world
        .members
        .clone()
        .explain_membership(request)
        .await?
        .into_inner())
}

/// A temporary segment ends: by what scoring tells of the new day, and by time alone where the registry's dates decide.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_business_day_ends_a_temporary_segment(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    let fresh = "has(debtor.days_as_customer) && debtor.days_as_customer < 30";
    world
        .activate(world.scheme("mine", &[("fresh", fresh)]))
        .await?;
    world.score("d1", |state| months(state, 5)).await?;
    world
        .debtor("d1", |debtor| {
            debtor.customer_since = Some(date(2026, 3, 1))
        })
        .await?;
    world
        .debtor("d2", |debtor| {
            debtor.customer_since = Some(date(2026, 3, 20))
        })
        .await?;
    assert_eq!(world.segment("d1", "mine").await?, "fresh");
    assert_eq!(world.segment("d2", "mine").await?, "rest");
    assert_eq!(world.segment("d1", "lifecycle").await?, "new");
    world.open_day(Some(date(2026, 3, 30))).await?;
    assert_eq!(world.segment("d1", "mine").await?, "fresh");
    assert_eq!(world.segment("d2", "mine").await?, "fresh");
    world.open_day(Some(date(2026, 3, 31))).await?;
    assert_eq!(world.segment("d1", "mine").await?, "rest");
    assert_eq!(world.segment("d1", "lifecycle").await?, "new");
    world.score("d1", |state| months(state, 6)).await?;
    assert_eq!(world.segment("d1", "lifecycle").await?, "active");
    world.close().await
}

/// Amounts follow the rates: a missing one leaves them absent, one that is known already comes into force by itself.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn amounts_follow_the_rates(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    let rules = [
        ("unknown", "!has(debtor.open_amount_minor)"),
        ("much", "debtor.open_amount_minor >= 1000"),
    ];
    world.activate(world.scheme("mine", &rules)).await?;
    world
        .customer("d1", |state| {
            state.accounts = vec![account("USD", 1_000, 0)]
        })
        .await?;
    world
        .customer("d2", |state| {
            state.accounts = vec![account("EUR", 1_000, 0)]
        })
        .await?;
    assert_eq!(world.segment("d1", "mine").await?, "unknown");
    assert_eq!(world.segment("d2", "mine").await?, "much");
    world.rate("USD", date(2026, 3, 1), 9, 10).await?;
    assert_eq!(world.segment("d1", "mine").await?, "rest");
    world.rate("USD", date(2026, 3, 5), 1, 1).await?;
    assert_eq!(world.segment("d1", "mine").await?, "rest");
    assert_eq!(
        explain(&world, "d1", "mine").await?.next_date,
        Some(date(2026, 3, 5))
    );
    world.open_day(Some(date(2026, 3, 4))).await?;
    assert_eq!(world.segment("d1", "mine").await?, "rest");
    world.open_day(Some(date(2026, 3, 5))).await?;
    assert_eq!(world.segment("d1", "mine").await?, "much");
    world.close().await
}

/// Whom a condition fails for stays where it is, or is unclassified if it is nowhere; the reason is told, and ends with the
/// cause.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn an_error_moves_nobody(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    world
        .activate(world.scheme("mine", &[("busy", "1000 / debtor.settled_items < 100")]))
        .await?;
    let settled = |number| {
        move |state: &mut ScoreState| {
            if let Some(features) = &mut state.features {
                features.settled_items = number;
            }
        }
    };
    world.customer("d1", settled(40)).await?;
    world.customer("d2", settled(0)).await?;
    world.open_day(Some(date(2026, 3, 3))).await?;
    world.score("d1", settled(0)).await?;
    let held = world.membership("d1", "mine").await?;
    assert_eq!(
        (held.segment_id.as_str(), held.hold()),
        ("busy", Hold::HeldByError)
    );
    assert_eq!(held.error, "segments[0].condition: division by zero");
    let lost = world.membership("d2", "mine").await?;
    assert_eq!(
        (lost.segment_id.as_str(), lost.source()),
        ("unclassified", MembershipSource::Unclassified)
    );
    assert_eq!(lost.error, held.error);
    let explained = explain(&world, "d1", "mine").await?;
    assert_eq!(explained.membership, Some(held));
    assert_eq!(explained.segments[0].outcome(), ConditionOutcome::Error);
    assert_eq!(explained.segments[0].error, "division by zero");
    assert_eq!(
        explained.segments[1].outcome(),
        ConditionOutcome::NotReached
    );
    assert!(
        explained
            .facts
            .iter()
            .any(|fact| fact.field == "settled_items")
    );
    let sizes = sizes(&world, "mine").await?;
    let expected = [("busy", 1, 1), ("rest", 0, 0), ("unclassified", 1, 0)];
    assert_eq!(
        sizes,
        expected.map(|(id, all, held)| (id.to_owned(), all, held))
    );
    world.score("d1", settled(20)).await?;
    let freed = world.membership("d1", "mine").await?;
    assert_eq!(
        (freed.segment_id.as_str(), freed.hold()),
        ("busy", Hold::Unspecified)
    );
    assert!(freed.error.is_empty());
    world.score("d2", settled(5)).await?;
    assert_eq!(world.segment("d2", "mine").await?, "rest");
    world.close().await
}

async fn sizes(world: &World, scheme_id: &str) -> Result<Vec<(String, i64, i64)>, Status> {
    let request = ListSegmentSizesRequest {
        creditor_id: world.creditor_id.clone(),
        scheme_id: scheme_id.to_owned(),
        at_least: String::new(),
    };
    let found = world.members.clone().list_segment_sizes(request).await?;
    let sizes = found.into_inner().segments.into_iter();
    Ok(sizes
        .map(|it| (it.segment_id, it.debtors, it.held_by_error))
        .collect())
}
