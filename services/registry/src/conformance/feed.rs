//! The feed of the registry: what is streamed, what a snapshot holds, and what the API answers are the same.

use std::{collections::BTreeMap, time::Duration};

use mahnwerk_proto::{
    common::v1::{
        Change, ListSnapshotRequest, Position, WatchRequest, feed_service_client::FeedServiceClient,
    },
    registry::v1::{
        ContactPoint, CreateContactPointRequest, Creditor, Debtor, DeleteContactPointRequest,
        FxRate, ListContactPointsRequest, ListDebtorsRequest, OpenBusinessDayRequest,
        SetFxRateRequest, creditor_service_client::CreditorServiceClient,
        debtor_service_client::DebtorServiceClient,
    },
};
use prost::Message;
use tonic::{Status, transport::Channel};

use super::{
    Outcome, contact_point::sample_contact_point, create_debtor, date, open_creditor, sample_debtor,
};

const CREDITOR: &str = "on-feed";

/// Longest wait for a change to come through.
const PATIENCE: Duration = Duration::from_secs(30);

/// Version and state by entity and key.
pub(super) type States = BTreeMap<(String, String), (i64, Vec<u8>)>;

/// Writes creditor, rate, debtors and contact points, and compares stream, snapshot and API.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn stream_snapshot_and_api_agree(channel: Channel) -> Outcome {
    let (_, start, _) = snapshot(&channel, CREDITOR, 1_000).await?;
    write(&channel).await?;
    let (found, _, end) = snapshot(&channel, CREDITOR, 3).await?;
    let streamed = watch(&channel, CREDITOR, start, &end).await?;
    assert_eq!(streamed, found, "the last events are the snapshot");

    let mut expected = expected_debtors(&channel).await?;
    for ((entity, id), (version, state)) in &found {
        let decoded = |error: prost::DecodeError| Status::internal(error.to_string());
        match entity.as_str() {
            "creditor" => {
                let creditor = Creditor::decode(state.as_slice()).map_err(decoded)?;
                assert_eq!((id.as_str(), creditor.version), (CREDITOR, *version));
                assert_eq!(creditor.business_date, Some(date(2026, 3, 31)));
            }
            "fx_rate" => {
                let rate = FxRate::decode(state.as_slice()).map_err(decoded)?;
                assert_eq!((id.as_str(), *version), ("EUR/USD/2026-01-09", 2));
                assert_eq!(
                    (rate.numerator, rate.denominator, rate.version),
                    (11, 10, 2)
                );
            }
            _ => assert_eq!(
                expected.remove(&(entity.clone(), id.clone())),
                Some((*version, state.clone()))
            ),
        }
    }
    assert_eq!(expected, States::new(), "everything is in the snapshot");
    assert_eq!(found.len(), 1 + 1 + 7 + 13);
    Ok(())
}

async fn write(channel: &Channel) -> Outcome {
    open_creditor(channel, CREDITOR, date(2026, 3, 30)).await?;
    let mut creditors = CreditorServiceClient::new(channel.clone());
    for numerator in [10, 11] {
        let rate = FxRate {
            creditor_id: CREDITOR.to_owned(),
            base_currency: "EUR".to_owned(),
            quote_currency: "USD".to_owned(),
            rate_date: Some(date(2026, 1, 9)),
            numerator,
            denominator: 10,
            source: "ECB".to_owned(),
            version: 0,
        };
        let request_id = format!("rate-{numerator}");
        creditors
            .set_fx_rate(SetFxRateRequest {
                request_id,
                fx_rate: Some(rate),
            })
            .await?;
    }
    let mut debtors = DebtorServiceClient::new(channel.clone());
    for number in 0..7 {
        let debtor_id = format!("d{number}");
        create_debtor(channel, sample_debtor(CREDITOR, &debtor_id)).await?;
        for id in ["mail", "phone"] {
            let request = CreateContactPointRequest {
                request_id: format!("{debtor_id}-{id}"),
                contact_point: Some(sample_contact_point(CREDITOR, &debtor_id, id)),
            };
            debtors.create_contact_point(request).await?;
        }
    }
    let request = DeleteContactPointRequest {
        request_id: "delete".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        debtor_id: "d3".to_owned(),
        contact_point_id: "mail".to_owned(),
    };
    debtors.delete_contact_point(request).await?;
    let request = OpenBusinessDayRequest {
        request_id: "second-day".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        business_date: Some(date(2026, 3, 31)),
    };
    creditors.open_business_day(request).await?;
    Ok(())
}

async fn expected_debtors(channel: &Channel) -> Result<States, Status> {
    let mut client = DebtorServiceClient::new(channel.clone());
    let request = ListDebtorsRequest {
        creditor_id: CREDITOR.to_owned(),
        ..ListDebtorsRequest::default()
    };
    let debtors: Vec<Debtor> = client.list_debtors(request).await?.into_inner().debtors;
    let mut states = States::new();
    for debtor in debtors {
        let request = ListContactPointsRequest {
            creditor_id: CREDITOR.to_owned(),
            debtor_id: debtor.debtor_id.clone(),
            ..ListContactPointsRequest::default()
        };
        let found: Vec<ContactPoint> = client
            .list_contact_points(request)
            .await?
            .into_inner()
            .contact_points;
        for each in found {
            let key = (
                "contact_point".to_owned(),
                format!("{}/{}", each.debtor_id, each.contact_point_id),
            );
            states.insert(key, (each.version, each.encode_to_vec()));
        }
        let key = ("debtor".to_owned(), debtor.debtor_id.clone());
        states.insert(key, (debtor.version, debtor.encode_to_vec()));
    }
    Ok(states)
}

fn take(states: &mut States, creditor: &str, change: Change) {
    if change.creditor_id != creditor {
        return;
    }
    assert_eq!(change.partition == -1, change.debtor_id.is_empty());
    let key = (change.entity, change.entity_id);
    match change.state {
        Some(state) => {
            assert!(
                state
                    .type_url
                    .starts_with("type.googleapis.com/mahnwerk.registry.v1.")
            );
            let before = states.insert(key, (change.version, state.value));
            assert!(
                before.is_none_or(|before| before.0 < change.version),
                "versions grow"
            );
        }
        None => assert!(
            states
                .remove(&key)
                .is_some_and(|before| before.0 < change.version)
        ),
    }
}

/// The snapshot of a creditor, with its first and its last position.
pub(super) async fn snapshot(
    channel: &Channel,
    creditor: &str,
    page_size: i32,
) -> Result<(States, Position, Position), Status> {
    let mut client = FeedServiceClient::new(channel.clone());
    let mut states = States::new();
    let mut request = ListSnapshotRequest {
        partitions: (0..64).collect(),
        page_size,
        page_token: String::new(),
    };
    loop {
        let page = client.list_snapshot(request.clone()).await?.into_inner();
        for change in page.changes {
            let known = states.len();
            let counts = change.creditor_id == creditor;
            take(&mut states, creditor, change);
            assert_eq!(
                states.len(),
                known + usize::from(counts),
                "no row comes twice"
            );
        }
        request.page_token = page.next_page_token;
        if let (Some(start), Some(end)) = (page.start, page.end) {
            assert!(request.page_token.is_empty());
            return Ok((states, start, end));
        }
    }
}

/// The last events of a creditor between two positions.
pub(super) async fn watch(
    channel: &Channel,
    creditor: &str,
    from: Position,
    until: &Position,
) -> Result<States, Status> {
    let request = WatchRequest {
        consumer: "conformance".to_owned(),
        partitions: (0..64).collect(),
        from: Some(from),
    };
    let mut client = FeedServiceClient::new(channel.clone());
    let mut stream = client.watch(request).await?.into_inner();
    let mut states = States::new();
    loop {
        let message = tokio::time::timeout(PATIENCE, stream.message())
            .await
            .map_err(|_| Status::deadline_exceeded("the feed is silent"))??
            .ok_or_else(|| Status::data_loss("the stream has ended"))?;
        for change in message.changes {
            take(&mut states, creditor, change);
        }
        if message
            .position
            .is_some_and(|position| position.tx >= until.tx)
        {
            return Ok(states);
        }
    }
}
