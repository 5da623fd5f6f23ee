//! `DebtorService`: debtors.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        BillingMethod, Channel as ContactChannel, CreateDebtorRequest, Debtor, DebtorKind,
        GetDebtorRequest, ListDebtorsRequest, ListTimelineRequest, Relationship,
        UpdateDebtorRequest, debtor_service_client::DebtorServiceClient,
    },
};
use tonic::{Code, Status, transport::Channel};

use super::{
    Outcome, assert_refused, assert_violates, create_debtor, date, metadata_of, open_creditor,
    sample_debtor, timeline::timeline,
};

type Client = DebtorServiceClient<Channel>;

/// Everything below, one after the other.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn suite(channel: Channel) -> Outcome {
    a_debtor_is_created_read_and_listed(channel.clone()).await?;
    an_update_changes_named_fields_only(channel.clone()).await?;
    identical_calls_at_once_have_one_effect(channel.clone()).await?;
    every_wrong_field_is_named(channel).await
}

fn create(request_id: &str, debtor: Debtor) -> CreateDebtorRequest {
    CreateDebtorRequest {
        request_id: request_id.to_owned(),
        debtor: Some(debtor),
    }
}

async fn get(client: &mut Client, creditor_id: &str, debtor_id: &str) -> Result<Debtor, Status> {
    let request = GetDebtorRequest {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        at_least: String::new(),
    };
    let response = client.get_debtor(request).await?;
    Ok(response.into_inner().debtor.unwrap_or_default())
}

/// Creates debtors and reads them in every way.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_debtor_is_created_read_and_listed(channel: Channel) -> Outcome {
    open_creditor(&channel, "debtors", date(2026, 3, 30)).await?;
    open_creditor(&channel, "debtors-2", date(2026, 3, 30)).await?;
    let mut client = Client::new(channel.clone());
    let full = Debtor {
        kind: DebtorKind::Person.into(),
        relationship: Relationship::Prospect.into(),
        display_name: "Zoë Ångström 山田".to_owned(),
        language: "nl".to_owned(),
        country: String::new(),
        preferred_channel: ContactChannel::Chat.into(),
        billing_method: BillingMethod::EInvoice.into(),
        customer_since: Some(date(1900, 1, 1)),
        credit_hold: true,
        credit_hold_reason: "ignored".to_owned(),
        insolvent_since: Some(date(2026, 1, 1)),
        version: 9,
        ..sample_debtor("debtors", "b~1")
    };
    let created = client
        .create_debtor(create("r1", full.clone()))
        .await?
        .into_inner();
    let stored = get(&mut client, "debtors", "b~1").await?;
    assert_eq!(created.debtor.as_ref(), Some(&stored));
    let expected = Debtor {
        credit_hold: false,
        credit_hold_reason: String::new(),
        insolvent_since: None,
        version: 1,
        etag: stored.etag.clone(),
        ..full.clone()
    };
    assert_eq!(stored, expected, "output-only fields are ignored");
    assert_eq!(
        client
            .create_debtor(create("r1", full.clone()))
            .await?
            .into_inner(),
        created
    );
    let reused = client
        .create_debtor(create("r1", sample_debtor("debtors", "b~1")))
        .await;
    assert_refused(reused, Code::AlreadyExists, ErrorReason::RequestIdReused);
    let again = client.create_debtor(create("r2", full)).await;
    assert_refused(again, Code::AlreadyExists, ErrorReason::ResourceExists);

    for id in ["B", "a", "_"] {
        create_debtor(&channel, sample_debtor("debtors", id)).await?;
    }
    create_debtor(&channel, sample_debtor("debtors-2", "a")).await?;
    assert_eq!(
        list(&mut client, "debtors", 3).await?,
        ["B", "_", "a", "b~1"],
        "by bytes"
    );
    assert_eq!(list(&mut client, "debtors-2", 1).await?, ["a"]);
    unknown_ids_are_not_found(&mut client).await
}

async fn list(
    client: &mut Client,
    creditor_id: &str,
    page_size: i32,
) -> Result<Vec<String>, Status> {
    let mut ids = Vec::new();
    let mut request = ListDebtorsRequest {
        creditor_id: creditor_id.to_owned(),
        page_size,
        ..ListDebtorsRequest::default()
    };
    loop {
        let page = client.list_debtors(request.clone()).await?.into_inner();
        ids.extend(page.debtors.into_iter().map(|debtor| debtor.debtor_id));
        if page.next_page_token.is_empty() {
            return Ok(ids);
        }
        let elsewhere = ListDebtorsRequest {
            creditor_id: "debtors-2".to_owned(),
            page_token: page.next_page_token.clone(),
            ..request.clone()
        };
        let refused = client.list_debtors(elsewhere).await;
        assert_refused(
            refused,
            Code::InvalidArgument,
            ErrorReason::InvalidPageToken,
        );
        request.page_token = page.next_page_token;
    }
}

async fn unknown_ids_are_not_found(client: &mut Client) -> Outcome {
    for (creditor_id, debtor_id, resource) in
        [("nobody", "a", "creditor"), ("debtors", "nobody", "debtor")]
    {
        let found = get(client, creditor_id, debtor_id).await;
        let status = found.err().unwrap_or_else(|| Status::ok("found"));
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(metadata_of(&status, "resource"), resource);
        let timeline = client
            .list_timeline(ListTimelineRequest {
                creditor_id: creditor_id.to_owned(),
                debtor_id: debtor_id.to_owned(),
                ..ListTimelineRequest::default()
            })
            .await;
        assert_refused(timeline, Code::NotFound, ErrorReason::ResourceNotFound);
    }
    let created = client
        .create_debtor(create("r9", sample_debtor("nobody", "a")))
        .await;
    assert_refused(created, Code::NotFound, ErrorReason::ResourceNotFound);
    let listed = list(client, "nobody", 10).await;
    assert_eq!(
        listed.err().map(|status| status.code()),
        Some(Code::NotFound)
    );
    Ok(())
}

pub(super) fn update(
    request_id: &str,
    debtor: Debtor,
    mask: &[&str],
    etag: &str,
) -> UpdateDebtorRequest {
    UpdateDebtorRequest {
        request_id: request_id.to_owned(),
        debtor: Some(debtor),
        update_mask: mask.iter().map(|path| (*path).to_owned()).collect(),
        etag: etag.to_owned(),
    }
}

/// Updates fields, with and without a current etag.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn an_update_changes_named_fields_only(channel: Channel) -> Outcome {
    open_creditor(&channel, "updates", date(2026, 3, 30)).await?;
    let mut client = Client::new(channel.clone());
    let first = create_debtor(&channel, sample_debtor("updates", "d")).await?;
    let new = Debtor {
        creditor_id: "updates".to_owned(),
        debtor_id: "d".to_owned(),
        display_name: "Neu".to_owned(),
        sector: "47.91".to_owned(),
        preferred_channel: ContactChannel::Phone.into(),
        customer_since: Some(date(2020, 2, 29)),
        language: "not looked at".to_owned(),
        ..Debtor::default()
    };
    let mask = ["sector", "preferred_channel", "customer_since"];
    let second = client
        .update_debtor(update("u1", new.clone(), &mask, &first.etag))
        .await?;
    let second = second.into_inner().debtor.unwrap_or_default();
    let expected = Debtor {
        sector: "47.91".to_owned(),
        preferred_channel: ContactChannel::Phone.into(),
        customer_since: Some(date(2020, 2, 29)),
        version: 2,
        etag: second.etag.clone(),
        ..first.clone()
    };
    assert_eq!(second, expected);
    let cleared = Debtor {
        sector: String::new(),
        preferred_channel: 0,
        customer_since: None,
        ..new.clone()
    };
    let third = client
        .update_debtor(update("u2", cleared, &mask, ""))
        .await?
        .into_inner()
        .debtor;
    let third = third.unwrap_or_default();
    let expected = Debtor {
        version: 3,
        etag: third.etag.clone(),
        ..first.clone()
    };
    assert_eq!(third, expected, "fields can be emptied");

    let stale = client
        .update_debtor(update("u3", new.clone(), &mask, &first.etag))
        .await;
    assert_refused(stale, Code::Aborted, ErrorReason::EtagMismatch);
    let fixed = update("u4", new.clone(), &["kind", "language", "credit_hold"], "");
    let fields = ["update_mask[0]", "update_mask[2]", "debtor.language"];
    assert_violates(client.update_debtor(fixed).await, &fields);
    let person = Debtor {
        kind: DebtorKind::Person.into(),
        ..sample_debtor("updates", "p")
    };
    create_debtor(&channel, person).await?;
    let sector = Debtor {
        debtor_id: "p".to_owned(),
        ..new
    };
    let refused = client
        .update_debtor(update("u5", sector, &["sector"], ""))
        .await;
    assert_violates(refused, &["debtor.sector"]);
    assert_eq!(get(&mut client, "updates", "d").await?, third);
    Ok(())
}

/// Sends the same call many times at once.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn identical_calls_at_once_have_one_effect(channel: Channel) -> Outcome {
    open_creditor(&channel, "at-once", date(2026, 3, 30)).await?;
    let client = Client::new(channel);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let mut client = client.clone();
            let request = create("same", sample_debtor("at-once", "d"));
            tokio::spawn(async move { client.create_debtor(request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        let answer = call
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
        answers.push(answer?.into_inner());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(
        timeline(&mut client.clone(), "at-once", "d", 10)
            .await?
            .len(),
        1
    );
    Ok(())
}

/// Sends requests with many wrong fields.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn every_wrong_field_is_named(channel: Channel) -> Outcome {
    let mut client = Client::new(channel);
    let wrong = Debtor {
        creditor_id: "x".repeat(65),
        debtor_id: "a/b".to_owned(),
        kind: 99,
        relationship: 0,
        display_name: "a\nb".to_owned(),
        language: "DE".to_owned(),
        country: "391".to_owned(),
        preferred_channel: 99,
        billing_method: 0,
        sector: "479".to_owned(),
        customer_since: Some(date(2026, 2, 29)),
        ..Debtor::default()
    };
    let fields = [
        "creditor_id",
        "debtor_id",
        "kind",
        "relationship",
        "display_name",
        "language",
        "country",
        "preferred_channel",
        "billing_method",
        "sector",
        "customer_since",
    ]
    .map(|field| format!("debtor.{field}"));
    let fields: Vec<_> = fields
        .iter()
        .map(String::as_str)
        .chain(["request_id"])
        .collect();
    assert_violates(client.create_debtor(create("no key", wrong)).await, &fields);
    let person = Debtor {
        kind: DebtorKind::Person.into(),
        sector: "47".to_owned(),
        ..sample_debtor("debtors", "p")
    };
    assert_violates(
        client.create_debtor(create("r", person)).await,
        &["debtor.sector"],
    );
    let request = ListTimelineRequest {
        page_size: -5,
        ..ListTimelineRequest::default()
    };
    let refused = client.list_timeline(request).await;
    assert_violates(refused, &["creditor_id", "debtor_id", "page_size"]);
    Ok(())
}
