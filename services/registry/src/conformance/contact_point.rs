//! `DebtorService`: contact points.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        Channel as ContactChannel, ContactPoint, ContactState, CreateContactPointRequest,
        DeleteContactPointRequest, ListContactPointsRequest, ListTimelineRequest,
        UpdateContactPointRequest, debtor_service_client::DebtorServiceClient,
    },
};
use tonic::{Code, Response, Status, transport::Channel};

use super::{
    Outcome, assert_refused, assert_violates, create_debtor, date, metadata_of, open_creditor,
    sample_debtor,
};

type Client = DebtorServiceClient<Channel>;

/// Everything below, one after the other.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn suite(channel: Channel) -> Outcome {
    a_contact_point_lives_and_is_created_again(channel.clone()).await?;
    a_debtor_has_at_most_fifty_contact_points(channel).await
}

/// A contact point as a caller would create it.
#[must_use]
pub fn sample_contact_point(creditor_id: &str, debtor_id: &str, id: &str) -> ContactPoint {
    ContactPoint {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        contact_point_id: id.to_owned(),
        channel: ContactChannel::Post.into(),
        address: "Musterweg 1\n12345 Musterstadt".to_owned(),
        state: ContactState::Unverified.into(),
        version: 0,
    }
}

fn create(request_id: &str, contact_point: ContactPoint) -> CreateContactPointRequest {
    CreateContactPointRequest {
        request_id: request_id.to_owned(),
        contact_point: Some(contact_point),
    }
}

fn update(request_id: &str, new: ContactPoint, mask: &[&str]) -> UpdateContactPointRequest {
    UpdateContactPointRequest {
        request_id: request_id.to_owned(),
        contact_point: Some(new),
        update_mask: mask.iter().map(|path| (*path).to_owned()).collect(),
    }
}

fn delete(request_id: &str, creditor_id: &str, id: &str) -> DeleteContactPointRequest {
    DeleteContactPointRequest {
        request_id: request_id.to_owned(),
        creditor_id: creditor_id.to_owned(),
        debtor_id: "d".to_owned(),
        contact_point_id: id.to_owned(),
    }
}

async fn list(
    client: &mut Client,
    creditor_id: &str,
    page_size: i32,
) -> Result<Vec<ContactPoint>, Status> {
    let mut request = ListContactPointsRequest {
        creditor_id: creditor_id.to_owned(),
        debtor_id: "d".to_owned(),
        page_size,
        ..ListContactPointsRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let page = client
            .list_contact_points(request.clone())
            .await?
            .into_inner();
        found.extend(page.contact_points);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(found);
        }
    }
}

/// Creates, changes, deletes a contact point, and creates it again.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_contact_point_lives_and_is_created_again(channel: Channel) -> Outcome {
    open_creditor(&channel, "contacts", date(2026, 3, 30)).await?;
    create_debtor(&channel, sample_debtor("contacts", "d")).await?;
    let mut client = Client::new(channel);
    assert_eq!(list(&mut client, "contacts", 10).await?, []);
    let sample = |id: &str| sample_contact_point("contacts", "d", id);
    let created = client
        .create_contact_point(create("c1", sample("home")))
        .await?
        .into_inner();
    let expected = ContactPoint {
        version: 1,
        ..sample("home")
    };
    assert_eq!(created.contact_point, Some(expected));
    let again = client
        .create_contact_point(create("c1", sample("home")))
        .await?
        .into_inner();
    assert_eq!(again, created);
    let taken = client
        .create_contact_point(create("c2", sample("home")))
        .await;
    assert_refused(taken, Code::AlreadyExists, ErrorReason::ResourceExists);

    let bounced = ContactPoint {
        channel: 0,
        address: String::new(),
        state: ContactState::Bounced.into(),
        ..sample("home")
    };
    let updated = client
        .update_contact_point(update("u1", bounced.clone(), &["state"]))
        .await?;
    let expected = ContactPoint {
        state: ContactState::Bounced.into(),
        version: 2,
        ..sample("home")
    };
    assert_eq!(updated.into_inner().contact_point, Some(expected.clone()));
    let wrong = update("u2", bounced.clone(), &["address", "channel"]);
    let refused = client.update_contact_point(wrong).await;
    assert_violates(refused, &["contact_point.address", "update_mask[1]"]);
    assert_eq!(list(&mut client, "contacts", 10).await?, [expected]);

    let first = client
        .delete_contact_point(delete("d1", "contacts", "home"))
        .await?
        .into_inner();
    let second = client
        .delete_contact_point(delete("d1", "contacts", "home"))
        .await?
        .into_inner();
    assert_eq!(second, first, "a repeated delete is the same delete");
    assert_eq!(list(&mut client, "contacts", 10).await?, []);
    let gone = client
        .delete_contact_point(delete("d2", "contacts", "home"))
        .await;
    assert_refused(gone, Code::NotFound, ErrorReason::ResourceNotFound);
    let gone = client
        .update_contact_point(update("u3", bounced, &["state"]))
        .await;
    assert_refused(gone, Code::NotFound, ErrorReason::ResourceNotFound);
    let other = ContactPoint {
        channel: ContactChannel::Email.into(),
        address: "billing@example.org".to_owned(),
        ..sample("home")
    };
    let created = client
        .create_contact_point(create("c3", other.clone()))
        .await?
        .into_inner();
    let expected = ContactPoint {
        version: 4,
        ..other
    };
    assert_eq!(
        created.contact_point,
        Some(expected),
        "versions go on where they were"
    );
    the_timeline_holds_no_address(&mut client).await?;
    unknown_owners_are_named(&mut client).await
}

async fn the_timeline_holds_no_address(client: &mut Client) -> Outcome {
    let request = ListTimelineRequest {
        creditor_id: "contacts".to_owned(),
        debtor_id: "d".to_owned(),
        ..ListTimelineRequest::default()
    };
    let entries = client.list_timeline(request).await?.into_inner().entries;
    let told: Vec<_> = entries
        .iter()
        .filter(|entry| entry.entity == "contact_point")
        .map(|entry| {
            (
                entry.entity_id.as_str(),
                entry.action.as_str(),
                entry.version,
            )
        })
        .collect();
    let expected = [
        ("created", 4),
        ("deleted", 3),
        ("updated", 2),
        ("created", 1),
    ];
    assert_eq!(
        told,
        expected.map(|(action, version)| ("d/home", action, version))
    );
    Ok(())
}

async fn unknown_owners_are_named(client: &mut Client) -> Outcome {
    for (creditor_id, debtor_id, resource) in [
        ("nobody", "d", "creditor"),
        ("contacts", "nobody", "debtor"),
    ] {
        let new = sample_contact_point(creditor_id, debtor_id, "home");
        let refused = client.create_contact_point(create("c9", new.clone())).await;
        assert_eq!(missing(refused), resource);
        let refused = client
            .update_contact_point(update("u9", new, &["state"]))
            .await;
        assert_eq!(missing(refused), resource);
    }
    let wrong = ContactPoint {
        contact_point_id: String::new(),
        channel: 0,
        address: "x".repeat(501),
        state: 99,
        ..sample_contact_point("contacts", "d", "")
    };
    let fields = ["contact_point_id", "channel", "address", "state"]
        .map(|field| format!("contact_point.{field}"));
    let refused = client.create_contact_point(create("c8", wrong)).await;
    assert_violates(refused, &fields.each_ref().map(String::as_str));
    Ok(())
}

fn missing<T>(result: Result<Response<T>, Status>) -> String {
    let status = result.err().unwrap_or_else(|| Status::ok("found"));
    assert_eq!(status.code(), Code::NotFound);
    metadata_of(&status, "resource")
}

/// Adds contact points until no more are taken.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_debtor_has_at_most_fifty_contact_points(channel: Channel) -> Outcome {
    open_creditor(&channel, "fifty", date(2026, 3, 30)).await?;
    create_debtor(&channel, sample_debtor("fifty", "d")).await?;
    let mut client = Client::new(channel);
    let sample = |number: u32| sample_contact_point("fifty", "d", &format!("c{number:02}"));
    for number in 0..50 {
        let request = create(&format!("create-{number}"), sample(number));
        client.create_contact_point(request).await?;
    }
    let refused = client
        .create_contact_point(create("one-too-many", sample(50)))
        .await;
    let limit = refused
        .as_ref()
        .err()
        .map(|status| metadata_of(status, "limit"));
    assert_eq!(limit.as_deref(), Some("50"));
    assert_refused(refused, Code::FailedPrecondition, ErrorReason::LimitReached);
    client
        .delete_contact_point(delete("delete", "fifty", "c07"))
        .await?;
    client
        .create_contact_point(create("after-a-delete", sample(50)))
        .await?;

    let found = list(&mut client, "fifty", 7).await?;
    let ids: Vec<_> = found
        .iter()
        .map(|each| each.contact_point_id.as_str())
        .collect();
    assert_eq!(ids.len(), 50);
    assert!(ids.is_sorted_by(|left, right| left < right) && !ids.contains(&"c07"));
    Ok(())
}
