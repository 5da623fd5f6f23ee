//! Simulation and activation: what a revision would do, and that it does exactly that.

use std::collections::BTreeMap;

use mahnwerk_proto::{
    common::v1::ErrorReason,
    segmentation::v1::{
        ActivationState, GetSchemeRequest, ListMembershipsRequest, MembershipSource, SchemeState,
    },
};
use mahnwerk_runtime::db::Db;
use tonic::{Code, Status};

use super::{
    Outcome, World, assert_not_found, assert_refused, assert_violates, date, told::account,
};

/// More than two chunks.
const DEBTORS: i64 = 600;

fn open_of(number: i64) -> i64 {
    number * 100
}

/// Many debtors that owe 0, 1, 2, … euro.
async fn many(db: &Db) -> Result<World, Status> {
    let mut world = World::open(db, date(2026, 3, 2)).await?;
    for number in 0..DEBTORS {
        let accounts = vec![account("EUR", open_of(number), 0)];
        world
            .customer(&format!("d{number:04}"), |state| state.accounts = accounts)
            .await?;
    }
    Ok(world)
}

fn by_amount(world: &World, least: i64) -> mahnwerk_proto::segmentation::v1::Scheme {
    let rule = format!("has(debtor.open_amount_minor) && debtor.open_amount_minor >= {least}");
    world.scheme("mine", &[("much", &rule)])
}

/// Segment and version of everybody.
async fn everybody(world: &World) -> Result<BTreeMap<String, (String, i64)>, Status> {
    let mut request = ListMembershipsRequest {
        creditor_id: world.creditor_id.clone(),
        scheme_id: "mine".to_owned(),
        page_size: 1_000,
        ..ListMembershipsRequest::default()
    };
    let mut all = BTreeMap::new();
    loop {
        let page = world
            .members
            .clone()
            .list_memberships(request.clone())
            .await?
            .into_inner();
        let rows = page.memberships.into_iter();
        all.extend(rows.map(|it| (it.debtor_id, (it.segment_id, it.version))));
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// Where everybody belongs, counted without the rules.
fn expected(least: i64) -> BTreeMap<String, String> {
    let place = |number: i64| {
        if open_of(number) >= least {
            "much"
        } else {
            "rest"
        }
    };
    (0..DEBTORS)
        .map(|number| (format!("d{number:04}"), place(number).to_owned()))
        .collect()
}

fn segments(all: &BTreeMap<String, (String, i64)>) -> BTreeMap<String, String> {
    all.iter()
        .map(|(id, (segment, _))| (id.clone(), segment.clone()))
        .collect()
}

/// Simulating the active revision moves nobody; another threshold moves exactly those between the two, in the simulation
/// and when it is activated. The others are not touched.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_threshold_moves_exactly_those_it_concerns(db: Db) -> Outcome {
    let world = many(&db).await?;
    let first = world.activate(by_amount(&world, open_of(300))).await?;
    assert_eq!(
        (first.visited, first.total, first.moved, first.errors),
        (DEBTORS, DEBTORS, DEBTORS, 0)
    );
    let before = everybody(&world).await?;
    assert_eq!(segments(&before), expected(open_of(300)));
    let same = world.simulate("mine", 0).await?;
    assert_eq!((same.moved, same.evaluated, same.errors), (0, DEBTORS, 0));
    assert!(
        same.movements
            .iter()
            .all(|it| it.from_segment_id == it.to_segment_id)
    );

    let revision = world.create(by_amount(&world, open_of(350))).await?;
    let result = world.simulate("mine", revision).await?;
    assert_eq!((result.moved, result.currency_code.as_str()), (50, "EUR"));
    let ways = result.movements.iter().map(|it| {
        let way = (it.from_segment_id.as_str(), it.to_segment_id.as_str());
        (way, it.debtors, it.open_amount_minor)
    });
    let owed = |from: i64, to: i64| (from..to).map(open_of).sum::<i64>();
    let told = [
        (("much", "much"), 250, owed(350, 600)),
        (("much", "rest"), 50, owed(300, 350)),
        (("rest", "rest"), 300, owed(0, 300)),
    ];
    assert_eq!(ways.collect::<Vec<_>>(), told);
    let examples = result.movements[1]
        .examples
        .iter()
        .map(|it| it.debtor_id.as_str());
    let worst = ["d0349", "d0348", "d0347", "d0346", "d0345"];
    assert_eq!(examples.collect::<Vec<_>>(), worst);
    assert_eq!(
        everybody(&world).await?,
        before,
        "simulating stores nothing"
    );

    world.begin("mine", revision, 0).await?;
    while world.app.advance_activations().await? {}
    let done = world.activation("mine").await?;
    assert_eq!((done.state(), done.moved), (ActivationState::Done, 50));
    assert!(done.end_time.is_some());
    let after = everybody(&world).await?;
    assert_eq!(segments(&after), expected(open_of(350)));
    let touched: Vec<_> = before
        .keys()
        .filter(|id| before.get(*id) != after.get(*id))
        .collect();
    let moved: Vec<_> = (300..350).map(|number| format!("d{number:04}")).collect();
    assert_eq!(touched, moved.iter().collect::<Vec<_>>());
    let moved = world.membership("d0300", "mine").await?;
    assert_eq!(
        (moved.revision, moved.source()),
        (2, MembershipSource::Rule)
    );
    for (revision, state) in [(1, SchemeState::Retired), (2, SchemeState::Active)] {
        assert_eq!(state_of(&world, revision).await?, state);
    }
    world.close().await
}

async fn state_of(world: &World, revision: i32) -> Result<SchemeState, Status> {
    let request = GetSchemeRequest {
        creditor_id: world.creditor_id.clone(),
        scheme_id: "mine".to_owned(),
        revision,
        at_least: String::new(),
    };
    let found = world.schemes.clone().get_scheme(request).await?;
    Ok(found.into_inner().scheme.unwrap_or_default().state())
}

/// A revision whose conditions fail for too many does not become active.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_revision_that_fails_for_too_many_is_refused(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    for number in 0..10 {
        world
            .customer(&format!("d{number}"), |state| {
                if let Some(features) = &mut state.features {
                    features.settled_items = number;
                }
            })
            .await?;
    }
    let fails = [("busy", "1000 / debtor.settled_items < 200")];
    let revision = world.create(world.scheme("mine", &fails)).await?;
    let result = world.simulate("mine", revision).await?;
    assert_eq!((result.evaluated, result.errors), (10, 1));
    world.begin("mine", revision, 99_999).await?;
    while world.app.advance_activations().await? {}
    let refused = world.activation("mine").await?;
    assert_eq!(
        (refused.state(), refused.errors, refused.moved),
        (ActivationState::Refused, 1, 0)
    );
    assert_eq!(state_of(&world, revision).await?, SchemeState::Draft);
    assert!(world.membership("d1", "mine").await.is_err());
    world.begin("mine", revision, 100_000).await?;
    while world.app.advance_activations().await? {}
    assert_eq!(
        world.activation("mine").await?.state(),
        ActivationState::Done
    );
    assert_eq!(world.segment("d0", "mine").await?, "unclassified");
    world.close().await
}

/// An activation goes on from where it was left, and two workers at once do each step once.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn an_activation_outlives_its_worker(db: Db) -> Outcome {
    let world = many(&db).await?;
    world.activate(by_amount(&world, open_of(300))).await?;
    let revision = world.create(by_amount(&world, open_of(100))).await?;
    let begun = world.begin("mine", revision, 0).await?;
    assert_eq!(
        (begun.state(), begun.total),
        (ActivationState::Checking, DEBTORS)
    );
    let mut seen = Vec::new();
    loop {
        let now = world.activation("mine").await?;
        seen.push((now.state(), now.visited));
        if now.end_time.is_some() {
            break;
        }
        // A worker that is gone after one step, and two that do the next at once.
        world.app.advance_activations().await?;
        let (one, other) = tokio::join!(
            world.app.advance_activations(),
            world.app.advance_activations()
        );
        one?;
        other?;
    }
    let states: Vec<_> = seen.iter().map(|each| each.0).collect();
    assert!(states.contains(&ActivationState::Moving), "{seen:?}");
    let done = world.activation("mine").await?;
    assert_eq!(
        (done.state(), done.visited, done.moved),
        (ActivationState::Done, DEBTORS, 200)
    );
    assert_eq!(segments(&everybody(&world).await?), expected(open_of(100)));
    world.close().await
}

/// Only a draft can be activated, and one at a time.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn only_a_draft_is_activated(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    world.customer("d1", |_| ()).await?;
    let wrong_state = ErrorReason::WrongState;
    let refused = |result: Result<_, Status>| result.map(tonic::Response::new);
    let result = refused(world.begin("risk", 1, 0).await);
    assert_refused(&result, Code::FailedPrecondition, wrong_state);
    assert_not_found(&refused(world.begin("risk", 2, 0).await), "scheme");
    assert_not_found(&refused(world.activation("risk").await), "activation");
    let wrong = refused(world.begin("risk", 0, 1_000_001).await);
    assert_violates(&wrong, &["revision", "max_error_ppm"]);
    let revision = world.create(by_amount(&world, 1)).await?;
    let other = world.create(by_amount(&world, 2)).await?;
    world.begin("mine", revision, 0).await?;
    let result = refused(world.begin("mine", other, 0).await);
    assert_refused(&result, Code::FailedPrecondition, wrong_state);
    while world.app.advance_activations().await? {}
    world.begin("mine", other, 0).await?;
    while world.app.advance_activations().await? {}
    let result = refused(world.begin("mine", revision, 0).await);
    assert_refused(&result, Code::FailedPrecondition, wrong_state);
    world.close().await
}
