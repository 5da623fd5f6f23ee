//! Schemes: what is accepted, what is refused and how it is told.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    segmentation::v1::{
        self, CreateSchemeRevisionRequest, EarlyPaymentDiscount, GetSchemeRequest,
        ListFieldsRequest, ListSchemesRequest, Scheme, SchemeState, Segment,
    },
};
use mahnwerk_runtime::db::Db;
use tonic::{Code, Status};

use super::{Outcome, World, assert_not_found, assert_refused, assert_violates, date, violations};

/// A creditor begins with the starter schemes, which are listed page by page and read.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_creditor_begins_with_the_starter_schemes(db: Db) -> Outcome {
    let world = World::open(&db, date(2026, 3, 2)).await?;
    let mut request = ListSchemesRequest {
        creditor_id: world.creditor_id.clone(),
        page_size: 2,
        ..ListSchemesRequest::default()
    };
    let mut found = Vec::new();
    let mut client = world.schemes.clone();
    loop {
        let page = client.list_schemes(request.clone()).await?.into_inner();
        assert!(page.schemes.len() <= 2);
        found.extend(page.schemes);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let names: Vec<_> = found.iter().map(|it| it.scheme_id.as_str()).collect();
    assert_eq!(
        names,
        ["lifecycle", "payer_speed", "risk", "treatment", "value"]
    );
    for scheme in &found {
        assert_eq!((scheme.revision, scheme.state()), (1, SchemeState::Active));
        let with_policy = scheme.segments.iter().filter(|it| it.policy.is_some());
        let expected = if scheme.scheme_id == "treatment" {
            scheme.segments.len()
        } else {
            0
        };
        assert_eq!(with_policy.count(), expected);
        for revision in [0, 1] {
            assert_eq!(&read(&world, &scheme.scheme_id, revision).await?, scheme);
        }
    }
    let missing = |scheme_id: &str, revision| GetSchemeRequest {
        creditor_id: world.creditor_id.clone(),
        scheme_id: scheme_id.to_owned(),
        revision,
        at_least: String::new(),
    };
    assert_not_found(&client.get_scheme(missing("risk", 2)).await, "scheme");
    assert_not_found(&client.get_scheme(missing("none", 0)).await, "scheme");
    let elsewhere = GetSchemeRequest {
        creditor_id: "nobody".to_owned(),
        ..missing("risk", 1)
    };
    assert_not_found(&client.get_scheme(elsewhere).await, "creditor");
    assert_violates(
        &client.get_scheme(missing("a b", -1)).await,
        &["scheme_id", "revision"],
    );
    world.close().await
}

async fn read(world: &World, scheme_id: &str, revision: i32) -> Result<Scheme, Status> {
    let request = GetSchemeRequest {
        creditor_id: world.creditor_id.clone(),
        scheme_id: scheme_id.to_owned(),
        revision,
        at_least: String::new(),
    };
    let found = world.schemes.clone().get_scheme(request).await?;
    Ok(found.into_inner().scheme.unwrap_or_default())
}

/// Every condition that the language or the table of fields does not allow is refused, at its place.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn conditions_that_cannot_hold_are_refused(db: Db) -> Outcome {
    let world = World::open(&db, date(2026, 3, 2)).await?;
    let refused = [
        ("debtor.overdue_items >", "1:23: syntax error"),
        ("debtor.overdue_items > \"3\"", "1:"),
        ("debtor.settled_items", "a rule must be bool, not int"),
        ("debtor.shoe_size > 3", "`debtor` has no field `shoe_size`"),
        ("customer.score > 3", "unknown name `customer`"),
        (
            "debtor.score > 500",
            "`debtor.score` may be absent: ask `has(debtor.score)` first",
        ),
        ("[1, 2].exists(x, x == debtor.settled_items)", "not allowed"),
        ("debtor.settled_items / 0 == 1", "division by zero"),
        ("debtor.risk_class == \"F\"", "is never the value"),
        (
            "matches(debtor.language, \"d.*\")",
            "unknown function `matches`",
        ),
        ("debtor.settled_items > 1.5", "1:"),
        ("", "1:1:"),
    ];
    for (condition, expected) in refused {
        let scheme = world.scheme("s", &[("good", "debtor.insolvent"), ("bad", condition)]);
        let result = world
            .schemes
            .clone()
            .create_scheme_revision(world.creation(scheme))
            .await;
        let found = violations(&result);
        assert!(
            found
                .iter()
                .all(|(field, _)| field == "scheme.segments[1].condition"),
            "{condition}: {found:?}"
        );
        let told = found
            .iter()
            .any(|(_, description)| description.contains(expected));
        assert!(told, "{condition}: {found:?}");
    }
    long_conditions_are_refused(&world).await;
    // A segment is read where those before it do not hold.
    let guarded = [
        ("none", "!has(debtor.score)"),
        ("good", "debtor.score > 500"),
    ];
    assert_eq!(world.create(world.scheme("s", &guarded)).await?, 1);
    world.close().await
}

async fn long_conditions_are_refused(world: &World) {
    let long = format!("debtor.language == \"{}\"", "x".repeat(5_000));
    let scheme = world.scheme("s", &[("a", &long)]);
    let result = world
        .schemes
        .clone()
        .create_scheme_revision(world.creation(scheme))
        .await;
    assert_violates(&result, &["scheme.segments[0].condition"]);
    let huge = "!".repeat(1_000_000) + "debtor.insolvent";
    let scheme = world.scheme("s", &[("a", &huge)]);
    let result = world
        .schemes
        .clone()
        .create_scheme_revision(world.creation(scheme))
        .await;
    assert_violates(&result, &["scheme.segments[0].condition"]);
    let scheme = world.scheme("s", &[("a", &huge.repeat(2))]);
    let result = world
        .schemes
        .clone()
        .create_scheme_revision(world.creation(scheme))
        .await;
    assert_violates(&result, &["scheme"]);
}

/// Everything that is wrong with a scheme is named at once, by its path.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn every_wrong_field_of_a_scheme_is_named(db: Db) -> Outcome {
    let world = World::open(&db, date(2026, 3, 2)).await?;
    let mut client = world.schemes.clone();
    let mut scheme = world.scheme("s", &[("a", "debtor.insolvent"), ("a", "debtor.shoe")]);
    scheme.creditor_id = "a b".to_owned();
    scheme.display_name = String::new();
    scheme.minimum_stay_days = -1;
    let change = |segment: &mut Option<Segment>, differ: fn(&mut Segment)| {
        if let Some(segment) = segment {
            differ(segment);
        }
    };
    change(&mut scheme.default_segment, |it| {
        it.condition = "true".to_owned()
    });
    change(&mut scheme.unclassified_segment, |it| {
        it.segment_id = "b".to_owned()
    });
    scheme.segments[0].policy = Some(super::world::policy());
    let request = CreateSchemeRevisionRequest {
        request_id: String::new(),
        ..world.creation(scheme)
    };
    let expected = [
        "request_id",
        "scheme.creditor_id",
        "scheme.display_name",
        "scheme.minimum_stay_days",
        "scheme.default_segment.condition",
        "scheme.unclassified_segment.segment_id",
        "scheme.segments[0].policy",
        "scheme.segments[1].segment_id",
        "scheme.segments[1].condition",
    ];
    assert_violates(&client.create_scheme_revision(request).await, &expected);

    wrong_policies_are_named(&world).await;
    let nothing = CreateSchemeRevisionRequest {
        scheme: None,
        ..world.creation(Scheme::default())
    };
    assert_violates(&client.create_scheme_revision(nothing).await, &["scheme"]);
    let empty = world.scheme("s", &[]);
    let result = client.create_scheme_revision(world.creation(empty)).await;
    assert_violates(&result, &["scheme.segments"]);
    world.close().await
}

async fn wrong_policies_are_named(world: &World) {
    let mut treatment = world.scheme(
        "treatment",
        &[("a", "debtor.insolvent"), ("b", "debtor.deceased")],
    );
    treatment.segments[0].policy = None;
    if let Some(policy) = &mut treatment.segments[1].policy {
        policy.reminder_fees = 0;
        policy.handling = 9;
        policy.payment_term_days = -1;
        policy.portfolio = "a b".to_owned();
        policy.procedure_id = String::new();
    }
    if let Some(policy) = treatment
        .default_segment
        .as_mut()
        .and_then(|it| it.policy.as_mut())
    {
        policy.early_payment_discount = Some(EarlyPaymentDiscount {
            discount_bps: 6_000,
            days: 31,
        });
    }
    treatment.unclassified_segment = None;
    let expected = [
        "scheme.segments[0].policy",
        "scheme.segments[1].policy.reminder_fees",
        "scheme.segments[1].policy.handling",
        "scheme.segments[1].policy.payment_term_days",
        "scheme.segments[1].policy.portfolio",
        "scheme.segments[1].policy.procedure_id",
        "scheme.default_segment.policy.early_payment_discount.discount_bps",
        "scheme.default_segment.policy.early_payment_discount.days",
        "scheme.unclassified_segment",
    ];
    let result = world
        .schemes
        .clone()
        .create_scheme_revision(world.creation(treatment))
        .await;
    assert_violates(&result, &expected);
}

/// Revisions count up; the same request creates one; what is only checked is not stored; the number of schemes is bounded.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn revisions_count_up(db: Db) -> Outcome {
    let world = World::open(&db, date(2026, 3, 2)).await?;
    let mut client = world.schemes.clone();
    let scheme = world.scheme("mine", &[("a", "true"), ("b", "debtor.insolvent")]);
    let mut request = world.creation(scheme.clone());
    request.validate_only = true;
    let checked = client
        .create_scheme_revision(request.clone())
        .await?
        .into_inner();
    assert_eq!(checked.scheme.unwrap_or_default().revision, 0);
    assert!(checked.consistency_token.is_empty());
    let fields: Vec<_> = checked
        .warnings
        .iter()
        .map(|it| it.field.as_str())
        .collect();
    assert_eq!(
        fields,
        ["scheme.segments[1].condition", "scheme.default_segment"]
    );
    request.validate_only = false;
    for _ in 0..2 {
        let created = client
            .create_scheme_revision(request.clone())
            .await?
            .into_inner();
        assert!(!created.consistency_token.is_empty());
        let created = created.scheme.unwrap_or_default();
        assert_eq!((created.revision, created.state()), (1, SchemeState::Draft));
        assert_eq!(read(&world, "mine", 1).await?, created);
        let told = Scheme {
            revision: 0,
            state: 0,
            create_time: None,
            ..created
        };
        assert_eq!(told, scheme);
    }
    assert_eq!(world.create(scheme.clone()).await?, 2);
    request.scheme = Some(world.scheme("mine", &[("c", "debtor.deceased")]));
    assert_refused(
        &client.create_scheme_revision(request.clone()).await,
        Code::AlreadyExists,
        ErrorReason::RequestIdReused,
    );
    assert_eq!(
        world
            .create(world.scheme("yours", &[("a", "true")]))
            .await?,
        1
    );
    let eighth = world.creation(world.scheme("theirs", &[("a", "true")]));
    assert_refused(
        &client.create_scheme_revision(eighth).await,
        Code::FailedPrecondition,
        ErrorReason::LimitReached,
    );
    let elsewhere = Scheme {
        creditor_id: "nobody".to_owned(),
        ..scheme
    };
    let result = client
        .create_scheme_revision(world.creation(elsewhere))
        .await;
    assert_not_found(&result, "creditor");
    world.close().await
}

/// The fields that conditions may read are told in order.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn fields_are_documented(db: Db) -> Outcome {
    let world = World::open(&db, date(2026, 3, 2)).await?;
    let fields = world
        .schemes
        .clone()
        .list_fields(ListFieldsRequest {})
        .await?;
    let fields = fields.into_inner().fields;
    assert_eq!(
        fields.first().map(|field| field.name.as_str()),
        Some("kind")
    );
    let open = fields
        .iter()
        .find(|field| field.name == "open_amount_minor");
    let expected = v1::Field {
        name: "open_amount_minor".to_owned(),
        r#type: "int".to_owned(),
        unit: "minor units".to_owned(),
        optional: true,
        description: "Everything that is open.".to_owned(),
    };
    assert_eq!(open, Some(&expected));
    assert!(fields.iter().all(|field| !field.description.is_empty()));
    world.close().await
}
