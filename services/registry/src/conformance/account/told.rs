//! What other services are told of items.

use std::{collections::BTreeMap, time::Duration};

use mahnwerk_proto::{
    common::v1::{
        Change, ListSnapshotRequest, Position, WatchRequest, feed_service_client::FeedServiceClient,
    },
    registry::v1::{Item, ListItemsRequest},
};
use prost::Message as _;
use tonic::{Status, transport::Channel};

use super::{books::Books, random};
use crate::conformance::Outcome;

const CREDITOR: &str = "acc-told";

/// Longest wait for a change to come through.
const PATIENCE: Duration = Duration::from_secs(30);

type Items = BTreeMap<String, Item>;

/// After a random history, the last event of every item, the snapshot and the list are the same.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn stream_and_snapshot_tell_what_is_read(channel: Channel) -> Outcome {
    let mut books = Books::open(channel.clone(), CREDITOR).await?;
    let (_, start, _) = snapshot(&channel, 1_000).await?;
    random::history(&mut books, 7, 120).await?;
    let (found, _, end) = snapshot(&channel, 7).await?;
    let list = ListItemsRequest {
        creditor_id: CREDITOR.to_owned(),
        page_size: 1_000,
        ..ListItemsRequest::default()
    };
    let listed = books.client.list_items(list).await?.into_inner().items;
    let listed: Items = listed
        .into_iter()
        .map(|item| (entity_id(&item), item))
        .collect();
    assert!(listed.len() > 30 && listed.values().any(|item| item.entries.len() > 2));
    assert_eq!(found, listed, "the snapshot");
    assert_eq!(
        watch(&channel, start, &end).await?,
        listed,
        "the last events"
    );
    Ok(())
}

fn entity_id(item: &Item) -> String {
    let kind = item
        .kind()
        .as_str_name()
        .trim_start_matches("ITEM_KIND_")
        .to_lowercase();
    format!("{kind}/{}", item.item_id)
}

/// Takes over an item; versions grow by one from event to event.
fn take(items: &mut Items, change: Change) -> Result<(), Status> {
    if change.creditor_id != CREDITOR || change.entity != "item" {
        return Ok(());
    }
    let state = change.state.map(|state| state.value).unwrap_or_default();
    let item =
        Item::decode(state.as_slice()).map_err(|error| Status::internal(error.to_string()))?;
    assert_eq!(
        (&change.entity_id, &change.debtor_id),
        (&entity_id(&item), &item.debtor_id)
    );
    assert_eq!(change.version, item.version);
    if let Some(before) = items.insert(change.entity_id, item) {
        assert_eq!(before.version + 1, change.version, "no version is left out");
    }
    Ok(())
}

async fn snapshot(
    channel: &Channel,
    page_size: i32,
) -> Result<(Items, Position, Position), Status> {
    let mut client = FeedServiceClient::new(channel.clone());
    let mut items = Items::new();
    let mut request = ListSnapshotRequest {
        partitions: (0..64).collect(),
        page_size,
        page_token: String::new(),
    };
    loop {
        let page = client.list_snapshot(request.clone()).await?.into_inner();
        for change in page.changes {
            take(&mut items, change)?;
        }
        request.page_token = page.next_page_token;
        if let (Some(start), Some(end)) = (page.start, page.end) {
            return Ok((items, start, end));
        }
    }
}

async fn watch(channel: &Channel, from: Position, until: &Position) -> Result<Items, Status> {
    let request = WatchRequest {
        consumer: "conformance".to_owned(),
        partitions: (0..64).collect(),
        from: Some(from),
    };
    let mut stream = FeedServiceClient::new(channel.clone())
        .watch(request)
        .await?
        .into_inner();
    let mut items = Items::new();
    loop {
        let message = tokio::time::timeout(PATIENCE, stream.message())
            .await
            .map_err(|_| Status::deadline_exceeded("the feed is silent"))??
            .ok_or_else(|| Status::data_loss("the stream has ended"))?;
        for change in message.changes {
            take(&mut items, change)?;
        }
        if message
            .position
            .is_some_and(|position| position.tx >= until.tx)
        {
            return Ok(items);
        }
    }
}
