//! `FeedService`: streams from the tailer, pages from the snapshot source.

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use mahnwerk_proto::common::v1::{
    ContainedPosition, ErrorReason, ListSnapshotRequest, ListSnapshotResponse, WatchRequest,
    WatchResponse, feed_service_server::FeedService,
};
use mahnwerk_runtime::{
    error::{Error, Result},
    telemetry::names,
    validate::Checker,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    Position, SnapshotSource, Tailer,
    snapshot::{list, partitions},
    tailer::{Contained, Head, horizon},
};

/// Changes in one message; an item's state is well below the message limit divided by this.
const CHANGES_PER_MESSAGE: usize = 500;

/// Messages a slow consumer may leave unread before its stream waits.
const STREAM_BUFFER: usize = 8;

/// Serves the feed of one service.
pub struct FeedServer {
    tailer: Tailer,
    source: Arc<dyn SnapshotSource>,
    bookmark: Duration,
    draining: CancellationToken,
}

impl FeedServer {
    /// Serves from `tailer` and `source`; a bookmark follows a moved cursor `bookmark` late at most. Streams end when
    /// `draining` is cancelled.
    pub fn new(
        tailer: Tailer,
        source: Arc<dyn SnapshotSource>,
        bookmark: Duration,
        draining: CancellationToken,
    ) -> Self {
        Self {
            tailer,
            source,
            bookmark,
            draining,
        }
    }

    async fn open(&self, request: &WatchRequest) -> Result<Streamer> {
        let mut check = Checker::new();
        check.key("consumer", &request.consumer);
        if request.from.is_none() {
            check.refuse("from", "is required");
        }
        let partitions = match partitions(&request.partitions) {
            Ok(partitions) => partitions,
            Err(Error::Invalid(violations)) => {
                for violation in violations {
                    check.refuse(violation.field, violation.description);
                }
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        check.finish()?;
        let from = request.from.clone().unwrap_or_default();
        let publisher = self.tailer.publisher();
        let current = publisher.incarnation();
        if from.incarnation != *current.id || from.tx < current.retained_from {
            return Err(Error::CursorExpired);
        }
        let (_, high) = horizon(publisher.db()).await?;
        if from.tx > high {
            tracing::error!(
                alert = names::ALERT_CURSOR,
                consumer = %request.consumer,
                cursor = from.tx,
                history = high,
                "a consumer has seen a future that this database does not know; was it restored without `feed reset`?"
            );
            return Err(Error::CursorExpired);
        }
        Ok(Streamer {
            tailer: self.tailer.clone(),
            heads: self.tailer.subscribe(),
            partitions,
            incarnation: current.id,
            at: from.tx,
            stated: Contained::new(),
            bookmark: self.bookmark,
        })
    }
}

struct Streamer {
    tailer: Tailer,
    heads: watch::Receiver<Head>,
    partitions: Vec<i64>,
    incarnation: Arc<str>,
    at: i64,
    stated: Contained,
    bookmark: Duration,
}

type Sender = mpsc::Sender<Result<WatchResponse, Status>>;

impl Streamer {
    /// Streams until the consumer goes away or the history changes. Changes go out at once; a cursor that moved without
    /// changes is told in bookmarks, at most one per `bookmark`.
    async fn run(mut self, sender: &Sender) -> Result<()> {
        let mut bookmark_due = tokio::time::Instant::now();
        // The first one tells a consumer of a quiet feed that it has everything.
        let mut bookmark_owed = true;
        loop {
            let head = self.heads.borrow_and_update().clone();
            if head.incarnation != self.incarnation {
                return Err(Error::CursorExpired);
            }
            if self.at < head.horizon {
                let messages = self.read(&head).await?;
                bookmark_owed |= messages.is_empty();
                if !messages.is_empty() {
                    bookmark_owed = false;
                }
                for message in messages {
                    if sender.send(Ok(message)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            let now = tokio::time::Instant::now();
            if bookmark_owed && now >= bookmark_due {
                bookmark_due = now + self.bookmark;
                bookmark_owed = false;
                let mut bookmark = WatchResponse::default();
                self.state_position(&mut bookmark, &head);
                if sender.send(Ok(bookmark)).await.is_err() {
                    return Ok(());
                }
            }
            if self.at < head.horizon {
                continue;
            }
            tokio::select! {
                changed = self.heads.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep_until(bookmark_due), if bookmark_owed => {}
            }
        }
    }

    /// The next batch as messages; none if it concerns other partitions only.
    async fn read(&mut self, head: &Head) -> Result<Vec<WatchResponse>> {
        let read = self.tailer.read(self.at, head.horizon).await?;
        self.at = read.until;
        let changes: Vec<_> = read
            .changes
            .into_iter()
            .filter(|change| {
                let part = i64::from(change.partition);
                part < 0 || self.partitions.binary_search(&part).is_ok()
            })
            .collect();
        let mut messages: Vec<_> = changes
            .chunks(CHANGES_PER_MESSAGE)
            .map(|chunk| WatchResponse {
                changes: chunk.iter().map(|change| (**change).clone()).collect(),
                ..WatchResponse::default()
            })
            .collect();
        if let Some(last) = messages.last_mut() {
            self.state_position(last, head);
        }
        Ok(messages)
    }

    fn state_position(&mut self, message: &mut WatchResponse, head: &Head) {
        message.position = Some(Position {
            incarnation: self.incarnation.to_string(),
            tx: self.at,
        });
        // Stated positions belong to the head; while catching up they would run ahead of the changes.
        if self.at >= head.horizon {
            message.contained = self.newly_contained(&head.contained);
        }
    }

    fn newly_contained(&mut self, contained: &Contained) -> Vec<ContainedPosition> {
        let partitions = &self.partitions;
        let new: BTreeMap<_, _> = contained
            .iter()
            .filter(|((_, part), _)| partitions.binary_search(part).is_ok())
            .filter(|(key, position)| self.stated.get(*key) != Some(*position))
            .map(|(key, position)| (key.clone(), position.clone()))
            .collect();
        let response = new
            .iter()
            .map(|((feed, part), position)| ContainedPosition {
                partition: i32::try_from(*part).unwrap_or(-1),
                feed: feed.clone(),
                position: Some(position.clone()),
            })
            .collect();
        self.stated.extend(new);
        response
    }
}

#[tonic::async_trait]
impl FeedService for FeedServer {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let streamer = self.open(&request.into_inner()).await?;
        let (sender, receiver) = mpsc::channel(STREAM_BUFFER);
        let draining = self.draining.clone();
        tokio::spawn(async move {
            let ended = tokio::select! {
                () = draining.cancelled() => Err(Error::Unavailable {
                    reason: ErrorReason::ShuttingDown,
                    message: "this replica is shutting down; resume from the last position".to_owned(),
                    retry_after: Duration::from_millis(100),
                }),
                () = sender.closed() => Ok(()),
                result = streamer.run(&sender) => result,
            };
            if let Err(error) = ended {
                // A consumer that does not read must not keep this task alive.
                let _ = sender.try_send(Err(error.into()));
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn list_snapshot(
        &self,
        request: Request<ListSnapshotRequest>,
    ) -> Result<Response<ListSnapshotResponse>, Status> {
        let page = list(
            self.tailer.publisher(),
            self.source.as_ref(),
            &request.into_inner(),
        )
        .await?;
        Ok(Response::new(page))
    }
}
