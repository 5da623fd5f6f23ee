//! Counts what goes over the feeds meanwhile, as any other consumer would see it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use mahnwerk_proto::common::v1::{GetFeedStatusRequest, WatchRequest};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    cli::Service,
    client::{Clients, Result, call},
    commands::watch::PARTITIONS,
};

/// Number of changes by kind of entity.
pub(crate) type Counts = BTreeMap<String, u64>;

/// A reader of each feed.
pub(crate) struct Counters {
    counts: Arc<Mutex<Counts>>,
    _readers: Vec<AbortOnDropHandle<()>>,
}

impl Counters {
    /// Counts from now on.
    ///
    /// # Errors
    /// If a feed cannot be read.
    pub(crate) async fn start(clients: &Clients) -> Result<Self> {
        let counts = Arc::new(Mutex::new(Counts::new()));
        let mut readers = Vec::new();
        for service in [Service::Registry, Service::Scoring, Service::Segmentation] {
            let status = clients
                .feed_admin(service)
                .get_feed_status(call(GetFeedStatusRequest {}))
                .await?;
            let request = WatchRequest {
                consumer: "demo".to_owned(),
                partitions: PARTITIONS.collect(),
                from: status.into_inner().horizon,
            };
            let mut messages = clients.feed(service).watch(request).await?.into_inner();
            let counts = counts.clone();
            // A stream that ends early costs a figure in the report, not the report.
            readers.push(AbortOnDropHandle::new(tokio::spawn(async move {
                while let Ok(Some(message)) = messages.message().await {
                    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                    for change in message.changes {
                        *counts.entry(change.entity).or_default() += 1;
                    }
                }
            })));
        }
        Ok(Self {
            counts,
            _readers: readers,
        })
    }

    /// What was counted.
    pub(crate) fn stop(self) -> Counts {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
