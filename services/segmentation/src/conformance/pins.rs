//! Pins: what people decide.

use mahnwerk_proto::{
    common::v1::{Date, ErrorReason},
    segmentation::v1::{
        Hold, Membership, MembershipSource, Pin, PinDebtorRequest, UnpinDebtorRequest,
    },
};
use mahnwerk_runtime::db::{Db, Sql, column};
use tonic::{Code, Status};

use super::{Outcome, World, assert_not_found, assert_refused, assert_violates, date};

fn request(world: &World, segment_id: &str, until: Option<Date>) -> PinDebtorRequest {
    PinDebtorRequest {
        request_id: world.app.publisher.ids().next().to_string(),
        creditor_id: world.creditor_id.clone(),
        debtor_id: "d1".to_owned(),
        scheme_id: "payer_speed".to_owned(),
        pin: Some(Pin {
            segment_id: segment_id.to_owned(),
            until,
            reason: "agreed on the phone".to_owned(),
            principal: "ignored".to_owned(),
        }),
    }
}

async fn pin(world: &World, segment_id: &str, until: Option<Date>) -> Result<Membership, Status> {
    let request = request(world, segment_id, until);
    let pinned = world
        .members
        .clone()
        .pin_debtor(request.clone())
        .await?
        .into_inner();
    let again = world
        .members
        .clone()
        .pin_debtor(request)
        .await?
        .into_inner();
    assert_eq!(again, pinned, "the same request has one effect");
    Ok(pinned.membership.unwrap_or_default())
}

async fn unpin(world: &World) -> Result<Membership, Status> {
    let request = UnpinDebtorRequest {
        request_id: world.app.publisher.ids().next().to_string(),
        creditor_id: world.creditor_id.clone(),
        debtor_id: "d1".to_owned(),
        scheme_id: "payer_speed".to_owned(),
    };
    let unpinned = world.members.clone().unpin_debtor(request).await?;
    Ok(unpinned.into_inner().membership.unwrap_or_default())
}

/// A pin comes before all rules until the day after its last; then time alone lets the rules decide again.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_pin_holds_until_it_expires(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    world.customer("d1", |_| ()).await?;
    assert_eq!(world.segment("d1", "payer_speed").await?, "fast");
    let until = date(2026, 3, 4);
    let pinned = pin(&world, "slow", Some(until)).await?;
    assert_eq!(
        (pinned.segment_id.as_str(), pinned.source()),
        ("slow", MembershipSource::Pin)
    );
    assert_eq!((pinned.rule, pinned.deciding_values.len()), (None, 0));
    let shown = pinned.pin.clone().unwrap_or_default();
    assert_eq!(
        (shown.until, shown.reason.as_str(), shown.principal.as_str()),
        (Some(until), "agreed on the phone", "local")
    );
    assert_eq!(world.membership("d1", "payer_speed").await?, pinned);
    world.score("d1", |_| ()).await?;
    world.open_day(Some(until)).await?;
    assert_eq!(world.membership("d1", "payer_speed").await?, pinned);
    world.open_day(Some(date(2026, 3, 5))).await?;
    let freed = world.membership("d1", "payer_speed").await?;
    assert_eq!(
        (freed.segment_id.as_str(), freed.source()),
        ("fast", MembershipSource::Rule)
    );
    assert!(freed.pin.is_none() && freed.version > pinned.version);
    world.close().await
}

/// Lifting a pin lets the rules decide at once, even where the pin held a debtor in the segment that it was in.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_lifted_pin_leaves_no_minimum_stay(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    world.customer("d1", |_| ()).await?;
    let before = world.membership("d1", "payer_speed").await?;
    assert_eq!(unpin(&world).await?, before, "lifting none changes nothing");
    world.open_day(Some(date(2026, 3, 3))).await?;
    let pinned = pin(&world, "fast", None).await?;
    assert_eq!(
        (pinned.since, pinned.source()),
        (before.since, before.source())
    );
    assert!(pinned.pin.is_some() && pinned.version == before.version + 1);
    let slow = |days| {
        move |state: &mut mahnwerk_proto::scoring::v1::ScoreState| {
            if let Some(features) = &mut state.features {
                features.avg_days_to_pay_12m_days = Some(days);
            }
        }
    };
    world.score("d1", slow(60)).await?;
    assert_eq!(world.segment("d1", "payer_speed").await?, "fast");
    let freed = unpin(&world).await?;
    assert_eq!(
        (freed.segment_id.as_str(), freed.hold()),
        ("slow", Hold::Unspecified)
    );
    // For the whole date: whatever is told before its end, the rules alone decide.
    for (days, segment) in [(20, "fast"), (60, "slow"), (20, "fast"), (61, "slow")] {
        world.score("d1", slow(days)).await?;
        assert_eq!(world.segment("d1", "payer_speed").await?, segment);
    }
    world.open_day(Some(date(2026, 3, 4))).await?;
    world.score("d1", slow(20)).await?;
    let held = world.membership("d1", "payer_speed").await?;
    assert_eq!(
        (held.segment_id.as_str(), held.hold()),
        ("slow", Hold::MinimumStay)
    );
    let sql = "SELECT action FROM event WHERE entity = 'pin' ORDER BY seq";
    let rows = db.query(sql, vec![]).await?;
    let actions = rows.iter().map(|row| column::<String>(row, "action"));
    let actions: Vec<_> = actions
        .collect::<Result<_, _>>()
        .map_err(mahnwerk_runtime::error::Error::from)?;
    assert_eq!(actions, ["pinned", "unpinned"]);
    world.close().await
}

/// A pin to nowhere, into the past, without a reason or for nobody is refused.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn wrong_pins_are_refused(db: Db) -> Outcome {
    let mut world = World::open(&db, date(2026, 3, 2)).await?;
    world.customer("d1", |_| ()).await?;
    let mut client = world.members.clone();
    let past = request(&world, "none", Some(date(2026, 3, 1)));
    assert_violates(
        &client.pin_debtor(past).await,
        &["pin.segment_id", "pin.until"],
    );
    let mut wrong = request(&world, "a b", Some(date(2026, 2, 30)));
    wrong.request_id = String::new();
    if let Some(pin) = &mut wrong.pin {
        pin.reason = " ".to_owned();
    }
    let expected = ["request_id", "pin.segment_id", "pin.until", "pin.reason"];
    assert_violates(&client.pin_debtor(wrong.clone()).await, &expected);
    wrong.pin = None;
    assert_violates(&client.pin_debtor(wrong).await, &["request_id", "pin"]);
    let mut good = request(&world, "slow", None);
    good.scheme_id = "none".to_owned();
    assert_not_found(&client.pin_debtor(good.clone()).await, "scheme");
    good.debtor_id = "nobody".to_owned();
    assert_not_found(&client.pin_debtor(good.clone()).await, "debtor");
    good.creditor_id = "nowhere".to_owned();
    assert_not_found(&client.pin_debtor(good.clone()).await, "creditor");
    let mut used = request(&world, "slow", None);
    client.pin_debtor(used.clone()).await?;
    used.debtor_id = "d2".to_owned();
    assert_refused(
        &client.pin_debtor(used).await,
        Code::AlreadyExists,
        ErrorReason::RequestIdReused,
    );
    world.close().await
}
