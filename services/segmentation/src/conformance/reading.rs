//! Reading: what is listed, and what is refused.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    scoring::v1::RiskClass,
    segmentation::v1::{GetMembershipsRequest, ListMembershipsRequest},
};
use mahnwerk_runtime::db::Db;
use tonic::Code;

use super::{
    Outcome, World, assert_not_found, assert_refused, assert_violates, date,
    placing::{class, history},
    world::Feed,
};

/// The debtors of a scheme, or of one of its segments, are listed by id, whatever the size of the page.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn memberships_are_listed_by_debtor(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    for number in 0..9 {
        let risk = if number % 3 == 0 {
            RiskClass::C
        } else {
            RiskClass::A
        };
        world
            .customer(&format!("d{number}"), |state| class(state, risk))
            .await?;
    }
    let request = |segment: &str, page_size| ListMembershipsRequest {
        creditor_id: world.creditor_id.clone(),
        scheme_id: "risk".to_owned(),
        segment_id: segment.to_owned(),
        page_size,
        ..ListMembershipsRequest::default()
    };
    let mut client = world.members.clone();
    let low = "d1 d2 d4 d5 d7 d8";
    for (segment, expected) in [
        ("", "d0 d1 d2 d3 d4 d5 d6 d7 d8"),
        ("medium", "d0 d3 d6"),
        ("low", low),
        ("high", ""),
    ] {
        for page_size in [0, 2, 3] {
            let mut request = request(segment, page_size);
            let mut found = Vec::new();
            loop {
                let page = client.list_memberships(request.clone()).await?.into_inner();
                found.extend(page.memberships.into_iter().map(|it| it.debtor_id));
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            assert_eq!(found.join(" "), expected, "{segment} by {page_size}");
        }
    }
    assert_not_found(
        &client.list_memberships(request("none", 0)).await,
        "segment",
    );
    let mut wrong = request("a b", -1);
    wrong.scheme_id = String::new();
    assert_violates(
        &client.list_memberships(wrong).await,
        &["scheme_id", "segment_id", "page_size"],
    );
    world.close().await
}

/// Nobody is placed before both snapshots are complete and a business day is open; what is not known, not placed or parked
/// is refused for its own reason.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn what_cannot_be_said_is_refused(db: Db) -> Outcome {
    let mut world = World::unready(&db).await?;
    let mut client = world.members.clone();
    let request = |creditor_id: &str, debtor_id: &str| GetMembershipsRequest {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        at_least: String::new(),
    };
    let not_ready = ErrorReason::ProjectionNotReady;
    let failed = Code::FailedPrecondition;
    assert_refused(
        &client.get_memberships(request("acme", "d1")).await,
        failed,
        not_ready,
    );
    world.ready("registry").await?;
    world.open_day(None).await?;
    world.debtor("d1", |_| ()).await?;
    assert_refused(
        &client.get_memberships(request("acme", "d1")).await,
        failed,
        not_ready,
    );
    world.ready("scoring").await?;
    let no_day = ErrorReason::NoBusinessDay;
    assert_refused(
        &client.get_memberships(request("acme", "d1")).await,
        failed,
        no_day,
    );
    world.open_day(Some(date(2026, 3, 2))).await?;
    assert_eq!(
        client
            .get_memberships(request("acme", "d1"))
            .await?
            .into_inner()
            .memberships
            .len(),
        5
    );
    assert_not_found(
        &client.get_memberships(request("acme", "d2")).await,
        "debtor",
    );
    assert_not_found(
        &client.get_memberships(request("nobody", "d1")).await,
        "creditor",
    );
    let mut wrong = request("a b", "");
    assert_violates(
        &client.get_memberships(wrong.clone()).await,
        &["creditor_id", "debtor_id"],
    );
    wrong = request("acme", "d1");
    "nonsense".clone_into(&mut wrong.at_least);
    assert_violates(&client.get_memberships(wrong).await, &["at_least"]);
    let sql = "INSERT INTO feed_parked (feed, creditor_id, debtor_id, part, error, entity, entity_id, parked_at) \
               VALUES ('scoring', 'acme', 'd1', 0, 'x', 'score', 'd1', 0)";
    db.execute(sql, vec![]).await?;
    assert_refused(
        &client.get_memberships(request("acme", "d1")).await,
        failed,
        ErrorReason::DebtorParked,
    );
    world.close().await
}

/// The first snapshots place nobody until the second of them is complete, and then everybody by all that is known: no
/// minimum stay begins in a segment that half the facts have chosen.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn half_the_facts_place_nobody(db: Db) -> Outcome {
    let mut world = World::unready(&db).await?;
    world.ready("registry").await?;
    world.open_day(Some(date(2026, 3, 2))).await?;
    world.debtor("d1", |_| ()).await?;
    world.sweep(Feed::Registry, "snapshot", "acme").await?;
    world.score("d1", |_| ()).await?;
    world.ready("scoring").await?;
    world.sweep(Feed::Scoring, "snapshot", "acme").await?;
    for (scheme_id, segment) in [
        ("treatment", "good_payer"),
        ("payer_speed", "fast"),
        ("value", "b"),
    ] {
        assert_eq!(world.segment("d1", scheme_id).await?, segment);
        assert_eq!(history(&world, scheme_id, 0).await?.len(), 1);
    }
    world.close().await
}
