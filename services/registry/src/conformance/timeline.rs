//! `DebtorService`: credit hold, insolvency, and the timeline that tells of everything.

use mahnwerk_proto::registry::v1::{
    Debtor, ListTimelineRequest, SetCreditHoldRequest, SetInsolvencyRequest, TimelineEntry,
    debtor_service_client::DebtorServiceClient,
};
use tonic::{Status, transport::Channel};

use super::{
    Outcome, assert_violates, create_debtor, date, debtor::update, open_creditor, sample_debtor,
};

type Client = DebtorServiceClient<Channel>;

/// Everything below, one after the other.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn suite(channel: Channel) -> Outcome {
    holds_and_insolvency_are_set_and_lifted(channel.clone()).await?;
    the_timeline_tells_everything_newest_first(channel).await
}

fn hold(request_id: &str, set: bool, reason: &str) -> SetCreditHoldRequest {
    SetCreditHoldRequest {
        request_id: request_id.to_owned(),
        creditor_id: "marks".to_owned(),
        debtor_id: "d".to_owned(),
        credit_hold: set,
        reason: reason.to_owned(),
    }
}

/// Sets and lifts both marks.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn holds_and_insolvency_are_set_and_lifted(channel: Channel) -> Outcome {
    open_creditor(&channel, "marks", date(2026, 3, 30)).await?;
    let mut client = Client::new(channel.clone());
    let first = create_debtor(&channel, sample_debtor("marks", "d")).await?;
    let held = client
        .set_credit_hold(hold("h1", true, "two cheques bounced"))
        .await?
        .into_inner();
    let debtor = held.debtor.clone().unwrap_or_default();
    assert!(debtor.credit_hold);
    assert_eq!(
        (debtor.credit_hold_reason.as_str(), debtor.version),
        ("two cheques bounced", 2)
    );
    let replayed = client
        .set_credit_hold(hold("h1", true, "two cheques bounced"))
        .await?;
    assert_eq!(replayed.into_inner(), held);
    assert_violates(
        client.set_credit_hold(hold("h2", true, "")).await,
        &["reason"],
    );
    let long = hold("h3", true, &"x".repeat(501));
    assert_violates(client.set_credit_hold(long).await, &["reason"]);
    let lifted = client
        .set_credit_hold(hold("h4", false, "ignored"))
        .await?
        .into_inner()
        .debtor;
    let lifted = lifted.unwrap_or_default();
    let expected = Debtor {
        version: 3,
        etag: lifted.etag.clone(),
        ..first.clone()
    };
    assert_eq!(lifted, expected);

    let insolvency = |request_id: &str, since| SetInsolvencyRequest {
        request_id: request_id.to_owned(),
        creditor_id: "marks".to_owned(),
        debtor_id: "d".to_owned(),
        insolvent_since: since,
    };
    let day = Some(date(2026, 3, 29));
    let marked = client
        .set_insolvency(insolvency("i1", day))
        .await?
        .into_inner()
        .debtor;
    assert_eq!(
        marked.unwrap_or_default().insolvent_since,
        day,
        "any day, not only business days"
    );
    let wrong = client
        .set_insolvency(insolvency("i2", Some(date(0, 1, 1))))
        .await;
    assert_violates(wrong, &["insolvent_since"]);
    let lifted = client
        .set_insolvency(insolvency("i3", None))
        .await?
        .into_inner()
        .debtor;
    assert_eq!(lifted.unwrap_or_default().insolvent_since, None);

    let actions: Vec<_> = timeline(&mut client, "marks", "d", 10)
        .await?
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    let expected = [
        "insolvency_lifted",
        "insolvency_set",
        "credit_hold_lifted",
        "credit_hold_set",
        "created",
    ];
    assert_eq!(actions, expected);
    Ok(())
}

/// All entries of a debtor's timeline.
///
/// # Errors
/// Those of the service.
pub async fn timeline(
    client: &mut Client,
    creditor_id: &str,
    debtor_id: &str,
    page_size: i32,
) -> Result<Vec<TimelineEntry>, Status> {
    let mut request = ListTimelineRequest {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        page_size,
        ..ListTimelineRequest::default()
    };
    let mut entries = Vec::new();
    loop {
        let page = client.list_timeline(request.clone()).await?.into_inner();
        entries.extend(page.entries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(entries);
        }
    }
}

/// Changes a debtor a few times and reads what is told about it.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn the_timeline_tells_everything_newest_first(channel: Channel) -> Outcome {
    open_creditor(&channel, "timeline", date(2026, 3, 30)).await?;
    let mut client = Client::new(channel.clone());
    create_debtor(&channel, sample_debtor("timeline", "d")).await?;
    create_debtor(&channel, sample_debtor("timeline", "other")).await?;
    for number in 2..=5 {
        let new = Debtor {
            display_name: format!("name {number}"),
            ..sample_debtor("timeline", "d")
        };
        client
            .update_debtor(update(&format!("u{number}"), new, &["display_name"], ""))
            .await?;
    }
    let entries = timeline(&mut client, "timeline", "d", 2).await?;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.version,
                entry.action.as_str(),
                entry.request_id.as_str(),
            )
        })
        .collect();
    let expected = [
        (5, "updated", "u5"),
        (4, "updated", "u4"),
        (3, "updated", "u3"),
        (2, "updated", "u2"),
        (1, "created", "create-d"),
    ];
    assert_eq!(told, expected);
    for entry in &entries {
        assert_eq!(
            (entry.entity.as_str(), entry.entity_id.as_str()),
            ("debtor", "d")
        );
        assert_eq!(entry.business_date, Some(date(2026, 3, 30)));
        assert_eq!(entry.principal, "local");
        assert!(entry.record_time.is_some_and(|time| time.seconds > 0));
    }
    let times = entries
        .iter()
        .map(|entry| entry.record_time.map(|time| (time.seconds, time.nanos)));
    assert!(times.rev().is_sorted());
    Ok(())
}
