//! Scores over gRPC.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::DebtorKind,
    scoring::v1::{
        BatchGetScoresRequest, ExplainScoreRequest, ExplainScoreResponse, GetScorecardRequest,
        ListScorecardsRequest, ListScoresRequest, RiskClass, Score, ScorecardKind,
    },
};
use tonic::{Code, Status};

use super::{
    Channels, Outcome, World, assert_not_found, assert_refused, assert_violates, date, money,
    patiently,
};

async fn explain(
    world: &World,
    as_of: Option<mahnwerk_proto::common::v1::Date>,
) -> Result<ExplainScoreResponse, Status> {
    let request = ExplainScoreRequest {
        creditor_id: world.creditor_id.clone(),
        debtor_id: "d1".to_owned(),
        as_of,
        at_least: world.token.clone(),
        language: String::new(),
    };
    let answer = patiently(async || world.scores.clone().explain_score(request.clone()).await);
    Ok(answer.await?.into_inner())
}

async fn history(world: &World, page_size: i32) -> Result<Vec<Score>, Status> {
    let mut request = ListScoresRequest {
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
            .list_scores(request.clone())
            .await?
            .into_inner();
        all.extend(page.scores);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// Every payment is in the score that is read with its consistency token.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn a_score_contains_the_write_of_its_token(channels: Channels) -> Outcome {
    let mut world = World::open(&channels, "score-token", date(2026, 3, 2)).await?;
    let new = world.score("d1").await?;
    assert_eq!((new.settled_items, new.version), (0, 1));
    assert_eq!(new.scorecard_kind(), ScorecardKind::Prospect);
    assert_eq!(new.observation_date, Some(date(2026, 3, 2)));
    for number in 1..=8 {
        let id = format!("i{number}");
        let amount = money("EUR", 10_000 + number);
        world
            .invoice(&id, amount.clone(), date(2026, 1, 5), date(2026, 2, 4))
            .await?;
        world.pay(&id, amount, date(2026, 2, 20)).await?;
        let score = world.score("d1").await?;
        assert_eq!(score.settled_items, number);
        assert_eq!(score.scorecard_kind(), ScorecardKind::Organisation);
        assert!(score.version > new.version);
        assert_ne!(score.risk_class(), RiskClass::X);
    }
    Ok(())
}

/// A debtor that does nothing is scored again when its invoice has become overdue, and again when it is older still.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn a_business_day_ages_scores(channels: Channels) -> Outcome {
    let mut world = World::open(&channels, "score-ages", date(2026, 3, 2)).await?;
    world
        .invoice(
            "i1",
            money("EUR", 50_000),
            date(2026, 3, 2),
            date(2026, 3, 31),
        )
        .await?;
    let before = world.score("d1").await?;
    assert_eq!(before.scorecard_kind(), ScorecardKind::Prospect);
    world.open_day(date(2026, 4, 1)).await?;
    let overdue = world.score("d1").await?;
    assert_eq!(overdue.scorecard_kind(), ScorecardKind::Organisation);
    assert_eq!(overdue.observation_date, Some(date(2026, 4, 1)));
    world.open_day(date(2026, 7, 1)).await?;
    let old = world.score("d1").await?;
    assert!(
        old.pd_ppm > overdue.pd_ppm,
        "{} is not above {}",
        old.pd_ppm,
        overdue.pd_ppm
    );
    assert!(!old.reasons.is_empty() && old.reasons.len() <= 4);
    Ok(())
}

/// The points explain the score, and the score as of an earlier date is the one that was current then.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn an_explanation_adds_up_and_remembers(channels: Channels) -> Outcome {
    let mut world = World::open(&channels, "score-explained", date(2026, 1, 5)).await?;
    let amount = money("EUR", 20_000);
    for (id, due, paid) in [("i1", 12, 20), ("i2", 14, 14)] {
        world
            .invoice(id, amount.clone(), date(2026, 1, 5), date(2026, 1, due))
            .await?;
        world
            .open_day(date(2026, 1, paid))
            .await
            .or_else(open_already)?;
        world.pay(id, amount.clone(), date(2026, 1, paid)).await?;
    }
    let then = world.score("d1").await?;
    world.open_day(date(2026, 2, 2)).await?;
    world
        .invoice("i3", amount.clone(), date(2026, 1, 5), date(2026, 1, 12))
        .await?;
    world.pay("i3", amount, date(2026, 2, 2)).await?;
    let now = world.score("d1").await?;
    assert_ne!(now.score, then.score);

    let current = explain(&world, None).await?;
    let explained = current.score.clone().unwrap_or_default();
    assert_eq!(
        (explained.score, explained.pd_ppm, explained.settled_items),
        (now.score, now.pd_ppm, now.settled_items)
    );
    let points: i32 = current.features.iter().map(|feature| feature.points).sum();
    assert_eq!(current.base_score + points, now.score);
    assert!(
        current
            .features
            .iter()
            .all(|feature| feature.bin.is_empty() == feature.text.is_empty())
    );
    let past = explain(&world, then.observation_date).await?;
    let past = past.score.unwrap_or_default();
    assert_eq!(
        (
            past.score,
            past.pd_ppm,
            past.settled_items,
            past.reasons.len()
        ),
        (
            then.score,
            then.pd_ppm,
            then.settled_items,
            then.reasons.len()
        )
    );
    assert_eq!(past.observation_date, then.observation_date);
    let long_ago = explain(&world, Some(date(2020, 1, 1))).await?;
    let long_ago = long_ago.score.unwrap_or_default();
    assert_eq!(long_ago.scorecard_kind(), ScorecardKind::Prospect);
    Ok(())
}

/// Days only go forward; one that was opened by an earlier turn is as good.
fn open_already(status: Status) -> Outcome {
    if status.code() == Code::FailedPrecondition {
        return Ok(());
    }
    Err(status)
}

/// The scores a debtor has had come newest first, whatever the size of the page.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn past_scores_are_listed_newest_first(channels: Channels) -> Outcome {
    let mut world = World::open(&channels, "score-history", date(2026, 3, 2)).await?;
    for number in 1..=3 {
        let id = format!("i{number}");
        let amount = money("EUR", 10_000);
        world
            .invoice(&id, amount.clone(), date(2026, 1, 5), date(2026, 1, 12))
            .await?;
        world.score("d1").await?;
        world.pay(&id, amount, date(2026, 3, 2)).await?;
        world.score("d1").await?;
    }
    let current = world.score("d1").await?;
    let all = history(&world, 0).await?;
    assert!(all.len() >= 3, "only {} scores", all.len());
    assert!(all.windows(2).all(|pair| pair[0].version > pair[1].version));
    let newest = all.first().cloned().unwrap_or_default();
    assert_eq!(
        (newest.score, newest.pd_ppm),
        (current.score, current.pd_ppm)
    );
    assert_eq!(history(&world, 1).await?, all);
    Ok(())
}

/// Many scores are the same as each alone; what is not known is named.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn many_scores_are_read_at_once(channels: Channels) -> Outcome {
    let mut world = World::open(&channels, "score-batch", date(2026, 3, 2)).await?;
    world.debtor("p1", DebtorKind::Person).await?;
    world
        .invoice(
            "i1",
            money("EUR", 10_000),
            date(2026, 1, 5),
            date(2026, 1, 12),
        )
        .await?;
    let one = world.score("d1").await?;
    let other = world.score("p1").await?;
    let request = |ids: &[&str]| BatchGetScoresRequest {
        creditor_id: world.creditor_id.clone(),
        debtor_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        at_least: world.token.clone(),
        language: String::new(),
    };
    let mut client = world.scores.clone();
    let found = client
        .batch_get_scores(request(&["p1", "nobody", "d1"]))
        .await?
        .into_inner();
    assert_eq!(found.scores, [one, other]);
    assert_eq!(found.not_found, ["nobody"]);
    assert!(found.parked.is_empty());
    for ids in [&[][..], &["d1", "d1"]] {
        assert_violates(
            &client.batch_get_scores(request(ids)).await,
            &["debtor_ids"],
        );
    }
    let unknown = BatchGetScoresRequest {
        creditor_id: "nobody".to_owned(),
        ..request(&["d1"])
    };
    assert_not_found(&client.batch_get_scores(unknown).await, "creditor");
    Ok(())
}

/// The reasons are worded in the language asked for; what they say is the same.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn reasons_speak_the_language_asked_for(channels: Channels) -> Outcome {
    let mut world = World::open(&channels, "score-language", date(2026, 3, 2)).await?;
    world
        .invoice(
            "i1",
            money("EUR", 10_000),
            date(2026, 1, 5),
            date(2026, 1, 12),
        )
        .await?;
    world.score("d1").await?;
    let mut texts = std::collections::BTreeSet::new();
    let mut codes = std::collections::BTreeSet::new();
    for language in ["en", "de", "nl", "fr"] {
        let mut request = world.score_request("d1");
        language.clone_into(&mut request.language);
        let answer = world.scores.clone().get_score(request).await?.into_inner();
        let reasons = answer.score.unwrap_or_default().reasons;
        assert!(
            reasons
                .iter()
                .all(|reason| !reason.text.is_empty() && reason.points_lost > 0)
        );
        let (text, code): (Vec<_>, Vec<_>) = reasons
            .into_iter()
            .map(|reason| (reason.text, (reason.characteristic, reason.bin)))
            .unzip();
        texts.insert(text);
        codes.insert(code);
    }
    assert_eq!(texts.len(), 3, "French is answered in English");
    assert_eq!(codes.len(), 1);
    Ok(())
}

/// What is not known, not scored or not well-formed is refused for its own reason.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn what_cannot_be_scored_is_refused(channels: Channels) -> Outcome {
    let mut world = World::create(&channels, "score-refused").await?;
    world.debtor("d1", DebtorKind::Organisation).await?;
    let mut client = world.scores.clone();
    let request = world.score_request("d1");
    let without_day = patiently(async || client.clone().get_score(request.clone()).await).await;
    assert_refused(
        &without_day,
        Code::FailedPrecondition,
        ErrorReason::NoBusinessDay,
    );
    world.open_day(date(2026, 3, 2)).await?;
    let score = world.score("d1").await?;
    assert_eq!(score.observation_date, Some(date(2026, 3, 2)));

    let mut unknown = world.score_request("nobody");
    assert_not_found(&client.get_score(unknown.clone()).await, "debtor");
    "nowhere".clone_into(&mut unknown.creditor_id);
    assert_not_found(&client.get_score(unknown).await, "creditor");
    let mut wrong = world.score_request("a b");
    wrong.creditor_id = String::new();
    "German".clone_into(&mut wrong.language);
    "nonsense".clone_into(&mut wrong.at_least);
    assert_violates(
        &client.get_score(wrong).await,
        &["creditor_id", "debtor_id", "language"],
    );
    let mut wrong = world.score_request("d1");
    "nonsense".clone_into(&mut wrong.at_least);
    assert_violates(&client.get_score(wrong).await, &["at_least"]);
    let wrong = ListScoresRequest {
        creditor_id: world.creditor_id.clone(),
        debtor_id: "d1".to_owned(),
        page_size: -1,
        ..ListScoresRequest::default()
    };
    assert_violates(&client.list_scores(wrong.clone()).await, &["page_size"]);
    let wrong = ListScoresRequest {
        page_size: 0,
        page_token: "nonsense".to_owned(),
        ..wrong
    };
    assert_refused(
        &client.list_scores(wrong).await,
        Code::InvalidArgument,
        ErrorReason::InvalidPageToken,
    );
    Ok(())
}

/// The scorecards in use are told, with every point.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn scorecards_are_listed_and_read(channels: Channels) -> Outcome {
    let world = World::open(&channels, "scorecards", date(2026, 3, 2)).await?;
    world.score("d1").await?;
    let mut client = world.scorecards.clone();
    let mut request = ListScorecardsRequest {
        creditor_id: world.creditor_id.clone(),
        page_size: 2,
        page_token: String::new(),
    };
    let first = client.list_scorecards(request.clone()).await?.into_inner();
    request.page_token.clone_from(&first.next_page_token);
    let second = client.list_scorecards(request).await?.into_inner();
    assert!(second.next_page_token.is_empty());
    let cards: Vec<_> = first
        .scorecards
        .into_iter()
        .chain(second.scorecards)
        .collect();
    assert_eq!(cards.len(), 3);
    for card in cards {
        assert!(!card.characteristics.is_empty() && card.class_limits_ppm.len() == 4);
        for revision in [0, card.revision] {
            let read = client
                .get_scorecard(GetScorecardRequest {
                    creditor_id: world.creditor_id.clone(),
                    kind: card.kind,
                    revision,
                })
                .await?;
            assert_eq!(read.into_inner().scorecard.as_ref(), Some(&card));
        }
    }
    let request = |kind: i32, revision| GetScorecardRequest {
        creditor_id: world.creditor_id.clone(),
        kind,
        revision,
    };
    let person = ScorecardKind::Person.into();
    assert_not_found(
        &client.get_scorecard(request(person, 99)).await,
        "scorecard",
    );
    assert_violates(
        &client.get_scorecard(request(0, -1)).await,
        &["kind", "revision"],
    );
    Ok(())
}
