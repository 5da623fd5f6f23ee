//! Consuming a feed: a projection of another service's facts, kept exactly once.
//!
//! - [`lease`]: which replica works on which partitions;
//! - [`cursor`]: how far each partition is, moved in the transaction of the effect;
//! - [`apply`]: a batch, its consequences and the new cursor in one transaction;
//! - [`contained`]: what the feed states to contain of the feeds it is derived from;
//! - [`bootstrap`]: snapshot, then live;
//! - [`sweep`]: creditor-level facts that concern many debtors, in chunks;
//! - [`compare`]: holding the projection against the upstream's snapshot now and then;
//! - [`park`]: changes that cannot be applied.

pub(crate) mod apply;
mod bootstrap;
mod compare;
mod contained;
pub(crate) mod cursor;
mod lag;
mod lease;
pub(crate) mod park;
pub mod rows;
mod sweep;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::FutureExt as _;
use mahnwerk_client::Channel;
use mahnwerk_proto::common::v1::{WatchRequest, feed_service_client::FeedServiceClient};
use mahnwerk_runtime::{
    db::Db,
    error::{Error, Result},
    status::chain,
    telemetry::{KeyValue, names},
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{Change, Position, Publisher, WriteTx};
pub use compare::StoredRow;
use contained::Stated;
use cursor::Cursor;
use lag::Lag;

/// What a service makes of another service's facts.
#[async_trait::async_trait]
pub trait Projection: Send + Sync + 'static {
    /// The feed, for example `registry`.
    fn feed(&self) -> &'static str;

    /// The feeds that this feed is derived from itself, for example `registry` for `scoring`. What it states to contain of
    /// them decides when a token of theirs has arrived here by every path.
    fn origins(&self) -> &'static [&'static str] {
        &[]
    }

    /// Version of the projection code. Raising it makes a consumer take a new snapshot; a replica with a lower one than
    /// the stored rows takes no leases.
    fn version(&self) -> i64;

    /// The kind of sweep that a creditor-level change starts, if it concerns many debtors.
    fn sweep_of(&self, change: &Change) -> Option<&'static str>;

    /// Applies changes in order: stores what is newer than what is stored, then works out the consequences for the
    /// debtors concerned. A stored row is older if its generation is lower, or its version is lower within the same
    /// generation.
    async fn apply(&self, tx: &mut WriteTx, batch: Batch<'_>) -> Result<()>;

    /// Deletes the rows of a partition that a completed snapshot did not contain: those of a lower generation, with all
    /// that was derived from them. Facts of creditors (partition -1) are passed as well.
    async fn remove_stale(&self, tx: &mut WriteTx, part: i64, generation: i64) -> Result<()>;

    /// Whether a row of a snapshot leaves a row here, which [`Projection::stored`] then names.
    fn keeps(&self, change: &Change) -> bool;

    /// The rows of a partition that came from the feed (facts of creditors: partition -1), with the version they have.
    async fn stored(&self, db: &Db, part: i64) -> Result<Vec<StoredRow>>;

    /// The creditors that have debtors here.
    async fn creditors(&self, db: &Db) -> Result<Vec<String>>;

    /// Debtors of a creditor that a sweep has to visit, in `parts`, ordered by partition and id, after
    /// `(parts[0], after)`, at most `limit`.
    async fn sweep_candidates(
        &self,
        db: &Db,
        kind: &str,
        creditor_id: &str,
        parts: &[i64],
        after: &str,
        limit: u64,
    ) -> Result<Vec<(i64, String)>>;

    /// Works out the consequences of a creditor-level fact for debtors, which are locked.
    async fn sweep(
        &self,
        tx: &mut WriteTx,
        kind: &str,
        creditor_id: &str,
        debtors: &[String],
    ) -> Result<()>;
}

/// Changes to be applied in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The generation that rows written now belong to, by partition; creditor-level facts under -1.
    pub generations: &'a BTreeMap<i64, i64>,
    /// False for pages of a snapshot: consequences follow when it is complete.
    pub consequences: bool,
    /// The changes, in order.
    pub changes: &'a [Change],
}

impl Batch<'_> {
    /// The generation of a change's row.
    #[must_use]
    pub fn generation(&self, change: &Change) -> i64 {
        self.generations
            .get(&i64::from(change.partition))
            .copied()
            .unwrap_or(0)
    }
}

/// Knobs of a consumer; the defaults are for production.
#[derive(Clone, Debug)]
pub struct ConsumerSettings {
    /// How long a lease holds without renewal. A crashed replica's partitions stand still this long.
    pub lease: Duration,
    /// How often leases are renewed and balanced.
    pub renew: Duration,
    /// How often each partition is compared with the upstream's snapshot; zero: never.
    pub compare: Duration,
    /// A position that moved without changes is stored at most this often.
    pub bookmark: Duration,
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(6),
            renew: Duration::from_secs(1),
            compare: Duration::from_secs(24 * 60 * 60),
            bookmark: Duration::from_millis(100),
        }
    }
}

/// What ended a round of streaming.
enum Ended {
    Stop,
    LeasesChanged,
    CursorExpired,
    /// Somebody else moved a cursor: read them again.
    CursorMoved,
}

/// One replica's consumer of one feed.
pub struct Consumer {
    pub(crate) publisher: Publisher,
    pub(crate) projection: Arc<dyn Projection>,
    upstream: FeedServiceClient<Channel>,
    settings: ConsumerSettings,
    owner: String,
    progress: watch::Sender<u64>,
    /// Cursors were changed beside the stream.
    reload: Notify,
    lag: Lag,
}

/// Longest pause after an error.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

impl Consumer {
    /// A consumer of the feed behind `upstream` for `projection`, writing through `publisher`.
    #[must_use]
    pub fn new(
        publisher: Publisher,
        projection: Arc<dyn Projection>,
        upstream: Channel,
        settings: ConsumerSettings,
        progress: watch::Sender<u64>,
    ) -> Self {
        Self {
            owner: publisher.ids().next().to_string(),
            publisher,
            projection,
            upstream: FeedServiceClient::new(upstream)
                .max_decoding_message_size(mahnwerk_runtime::server::MAX_MESSAGE_BYTES),
            settings,
            progress,
            reload: Notify::new(),
            lag: Lag::default(),
        }
    }

    pub(crate) fn db(&self) -> &Db {
        self.publisher.db()
    }

    pub(crate) fn feed(&self) -> &'static str {
        self.projection.feed()
    }

    pub(crate) fn client(&self) -> FeedServiceClient<Channel> {
        self.upstream.clone()
    }

    fn progressed(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    /// Runs until `stop`, through every error.
    pub async fn run(&self, stop: CancellationToken) {
        self.lag
            .publish(self.labels(), self.publisher.clock().clone());
        tokio::join!(self.follow(&stop), self.keep_comparing(&stop));
        if let Err(error) = self.release().await {
            tracing::warn!(feed = self.feed(), error = %error, "leases not released; they expire");
        }
    }

    async fn follow(&self, stop: &CancellationToken) {
        let mut backoff = Duration::from_millis(50);
        while !stop.is_cancelled() {
            let pause = match self.round(stop).await {
                Ok(Ended::Stop) => break,
                Ok(Ended::LeasesChanged | Ended::CursorMoved) => {
                    backoff = Duration::from_millis(50);
                    Duration::ZERO
                }
                Ok(Ended::CursorExpired) => Duration::from_millis(50),
                Err(error) => {
                    self.lag.behind_since(self.publisher.clock().now());
                    tracing::warn!(feed = self.feed(), error = %chain(&error), "feed interrupted; trying again");
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                    backoff
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(Instant::now() + pause) => {}
            }
        }
    }

    /// Leases, snapshot where needed, then live, until something changes.
    async fn round(&self, stop: &CancellationToken) -> Result<Ended> {
        if self.stored_projection_is_newer().await? {
            tracing::warn!(
                feed = self.feed(),
                "the stored projection is newer than this program: it takes no part"
            );
            self.release().await?;
            self.lag.caught_up();
            return Ok(self.wait(stop).await);
        }
        let owned = self.renew(0).await?;
        if owned.is_empty() {
            self.lag.caught_up();
            return Ok(self.wait(stop).await);
        }
        let cursors = self.load_cursors(&owned).await?;
        let missing: Vec<_> = cursors
            .iter()
            .filter(|cursor| cursor.needs_snapshot(self.projection.version()))
            .map(|cursor| cursor.part)
            .collect();
        if !missing.is_empty() {
            return match self.take_snapshot(&missing, stop).await {
                Ok(()) => Ok(Ended::CursorMoved),
                Err(Error::CursorExpired) => Ok(Ended::CursorExpired),
                Err(error) => Err(error),
            };
        }
        self.live(&owned, cursors, stop).await
    }

    async fn wait(&self, stop: &CancellationToken) -> Ended {
        tokio::select! {
            () = stop.cancelled() => Ended::Stop,
            () = tokio::time::sleep_until(Instant::now() + self.settings.renew) => Ended::LeasesChanged,
        }
    }

    async fn live(
        &self,
        owned: &[i64],
        cursors: Vec<Cursor>,
        stop: &CancellationToken,
    ) -> Result<Ended> {
        let Some(from) = cursors.iter().min_by_key(|cursor| cursor.tx) else {
            return Ok(Ended::LeasesChanged);
        };
        let from = Position {
            incarnation: from.incarnation.clone(),
            tx: from.tx,
        };
        if cursors
            .iter()
            .any(|cursor| cursor.incarnation != from.incarnation)
        {
            // The partitions saw the history change at different times; whoever is behind takes a snapshot.
            self.expire_cursors(owned).await?;
            return Ok(Ended::CursorExpired);
        }
        let request = WatchRequest {
            consumer: self.publisher.service().to_owned(),
            partitions: owned
                .iter()
                .filter_map(|part| i32::try_from(*part).ok())
                .collect(),
            from: Some(from),
        };
        let mut stream = match self.client().watch(request).await {
            Ok(response) => response.into_inner(),
            Err(status) if status.code() == Code::OutOfRange => {
                self.expire_cursors(owned).await?;
                return Ok(Ended::CursorExpired);
            }
            Err(status) => return Err(upstream_error(&status)),
        };
        let mut cursors: BTreeMap<i64, Cursor> =
            cursors.into_iter().map(|each| (each.part, each)).collect();
        let mut received: Vec<Change> = Vec::new();
        let mut renew = tokio::time::interval(self.settings.renew);
        renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut sweeping = true;
        let mut bookmark_due = Instant::now();
        let mut bookmark: Option<i64> = None;
        let mut stated = Stated::default();
        let (mut heard, mut applied_until) = (false, None);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Ended::Stop),
                () = self.reload.notified() => return Ok(Ended::CursorMoved),
                _ = renew.tick() => {
                    // Where nothing came for a while there is nothing to apply.
                    let current_at = match applied_until.take() {
                        None if heard => lease::UNTIL_NOW,
                        until => until.unwrap_or(0),
                    };
                    if self.renew(current_at).await? != owned {
                        return Ok(Ended::LeasesChanged);
                    }
                    // Sweeps can also come from a released creditor.
                    sweeping = true;
                }
                message = stream.message() => {
                    let mut next = Some(message);
                    let mut complete = None;
                    while let Some(message) = next.take() {
                        let message = match message {
                            Ok(Some(message)) => message,
                            Ok(None) => return Ok(Ended::CursorMoved),
                            Err(status) if status.code() == Code::OutOfRange => {
                                self.expire_cursors(owned).await?;
                                return Ok(Ended::CursorExpired);
                            }
                            Err(status) => return Err(upstream_error(&status)),
                        };
                        if let Some(first) = message.changes.first().and_then(recorded_at) {
                            self.lag.behind_since(first);
                        }
                        received.extend(message.changes);
                        stated.add(self.projection.origins(), message.contained);
                        if let Some(position) = message.position {
                            complete = Some((received.len(), position.tx));
                        }
                        // What came while the last was applied goes into one transaction: the more somebody is behind, the
                        // less a change costs.
                        if received.len() < apply::MAX_CHANGES {
                            next = stream.message().now_or_never();
                        }
                    }
                    self.lag.waiting(received.len());
                    let Some((length, until)) = complete else { continue };
                    (heard, bookmark) = (true, Some(until));
                    let rest = received.split_off(length);
                    let changes = std::mem::replace(&mut received, rest);
                    if !changes.is_empty() {
                        // Where changes come without a pause, nothing else would ever move the other cursors.
                        let is_due = Instant::now() >= bookmark_due;
                        let last = changes.last().and_then(recorded_at);
                        if !self.apply_all(&mut cursors, changes, until, &mut stated, is_due).await? {
                            return Ok(Ended::CursorMoved);
                        }
                        if is_due {
                            bookmark = None;
                            bookmark_due = Instant::now() + self.settings.bookmark;
                        }
                        applied_until = last;
                        sweeping = true;
                    }
                    if received.is_empty() {
                        self.lag.caught_up();
                    }
                }
                () = tokio::time::sleep_until(bookmark_due), if bookmark.is_some() => {
                    if let Some(tx) = bookmark.take()
                        && !self.move_all(&mut cursors, tx, &mut stated).await?
                    {
                        return Ok(Ended::CursorMoved);
                    }
                    bookmark_due = Instant::now() + self.settings.bookmark;
                }
                () = std::future::ready(()), if sweeping => {}
            }
            if sweeping {
                sweeping = self.sweep_some(owned).await?;
            }
        }
    }

    fn labels(&self) -> [KeyValue; 2] {
        [
            KeyValue::new(names::FEED, self.feed()),
            KeyValue::new(names::CONSUMER, self.publisher.service()),
        ]
    }
}

/// When a change was recorded, in microseconds.
fn recorded_at(change: &Change) -> Option<i64> {
    let time = change.record_time?;
    Some(time.seconds * 1_000_000 + i64::from(time.nanos) / 1000)
}

/// An upstream's refusal as our own: it is never the caller's fault.
fn upstream_error(status: &tonic::Status) -> Error {
    if status.code() == Code::OutOfRange {
        return Error::CursorExpired;
    }
    Error::Unavailable {
        reason: mahnwerk_proto::common::v1::ErrorReason::NotYet,
        message: format!("the upstream feed answered {:?}", status.code()),
        retry_after: Duration::from_millis(500),
    }
}
