//! Reading: one tailer per process reads below the horizon and serves every stream from a ring.
//!
//! Sequence numbers do not commit in order; a reader that trusts them loses changes for good. A transaction id below
//! the snapshot's `xmin` belongs to a transaction that has ended, and no event can appear below it any more.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use mahnwerk_runtime::{
    context::Call,
    db::{Db, Sql, column},
    error::{Error, Result},
    telemetry::{KeyValue, names, observe},
};
use sea_orm::QueryResult;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Change, Position, Publisher,
    key::PARTITIONS,
    write::{Cause, MAX_EVENTS},
};

/// How often the database is asked when nothing wakes the tailer: what another replica writes is seen this late.
const POLL: Duration = Duration::from_millis(25);

/// How often the identity of the database is checked while serving.
const IDENTITY_CHECK: Duration = Duration::from_secs(1);

/// Events read at once. More than a transaction can have, so that at least one is read whole.
const READ_LIMIT: usize = 2 * MAX_EVENTS;

/// Events kept in memory for the streams; slower streams read from the database.
const RING_EVENTS: usize = 20_000;

/// Bytes kept in memory for the streams.
const RING_BYTES: usize = 32 << 20;

/// What the published feed contains of an upstream feed, per feed and partition.
pub(crate) type Contained = BTreeMap<(String, i64), Position>;

/// What all streams share.
#[derive(Clone)]
pub(crate) struct Head {
    /// Everything below can be read.
    pub horizon: i64,
    /// The incarnation it belongs to.
    pub incarnation: Arc<str>,
    /// What the events below the horizon contain.
    pub contained: Arc<Contained>,
}

/// A transaction that holds the horizon back, and since when it has been seen to.
type Held = Option<(i64, Instant)>;

#[derive(Default)]
struct Ring {
    /// Events with tx >= start are all here, up to the horizon.
    start: i64,
    events: VecDeque<Arc<Change>>,
    bytes: usize,
}

/// The shared reader of a service's own feed.
#[derive(Clone)]
pub struct Tailer {
    publisher: Publisher,
    ring: Arc<RwLock<Ring>>,
    head: watch::Sender<Head>,
    held: Arc<Mutex<Held>>,
}

/// Events in order, complete up to `until`.
pub(crate) struct Read {
    pub changes: Vec<Arc<Change>>,
    pub until: i64,
}

/// The transaction horizon: everything below the first number has ended; the second is beyond everything begun.
pub(crate) async fn horizon(db: &Db) -> Result<(i64, i64)> {
    let sql = if db.is_postgres() {
        "SELECT pg_snapshot_xmin(s)::text::bigint AS low, pg_snapshot_xmax(s)::text::bigint AS high \
         FROM pg_current_snapshot() AS s"
    } else {
        "SELECT tx + 1 AS low, tx + 1 AS high FROM feed_counter"
    };
    let row = db
        .query_one(sql, vec![])
        .await?
        .ok_or_else(|| Error::internal("no snapshot"))?;
    Ok((column(&row, "low")?, column(&row, "high")?))
}

impl Tailer {
    /// Starts at the current horizon.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn open(publisher: Publisher) -> Result<Self> {
        let (low, _) = horizon(publisher.db()).await?;
        let head = Head {
            horizon: low,
            incarnation: publisher.incarnation().id,
            contained: Arc::default(),
        };
        let ring = Ring {
            start: low,
            ..Ring::default()
        };
        Ok(Self {
            publisher,
            ring: Arc::new(RwLock::new(ring)),
            head: watch::Sender::new(head),
            held: Arc::default(),
        })
    }

    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Runs until `stop`. Errors of the database are logged and waited out.
    pub async fn run(self, stop: CancellationToken) {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut identity = tokio::time::interval(IDENTITY_CHECK);
        identity.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let service = KeyValue::new(names::SERVICE, self.publisher.service());
        observe(&names::FEED_WRITER, &self.held, move |held, tell| {
            let service = std::slice::from_ref(&service);
            tell(held_for(held).as_secs_f64(), service);
        });
        let mut lost = false;
        loop {
            let committed = self.publisher.committed().notified();
            let mut check = lost;
            tokio::select! {
                () = stop.cancelled() => return,
                _ = identity.tick() => {
                    check = true;
                }
                () = committed => {}
                _ = poll.tick() => {}
            }
            let result = self.step(check).await;
            if let Err(error) = &result
                && !lost
            {
                tracing::warn!(error = %error, "the feed cannot be read; trying again");
            }
            lost = result.is_err();
        }
    }

    async fn step(&self, check_identity: bool) -> Result<()> {
        if check_identity {
            self.publisher.check_incarnation().await?;
        }
        if self.publisher.incarnation().id != self.head.borrow().incarnation {
            self.begin_again().await?;
        }
        self.advance().await
    }

    /// Nothing that was read under another incarnation counts any more.
    async fn begin_again(&self) -> Result<()> {
        let (low, _) = horizon(self.publisher.db()).await?;
        {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            *ring = Ring {
                start: low,
                ..Ring::default()
            };
        }
        self.head.send_replace(Head {
            horizon: low,
            incarnation: self.publisher.incarnation().id,
            contained: Arc::default(),
        });
        Ok(())
    }

    /// Reads what has come below the horizon since the last time.
    pub(crate) async fn advance(&self) -> Result<()> {
        let db = self.publisher.db();
        loop {
            let from = self.head.borrow().horizon;
            let (low, high) = horizon(db).await?;
            self.observe_horizon(low, high);
            if low <= from {
                return Ok(());
            }
            // Read before the events: a position may be stated only with or after the events it led to.
            let contained = self.read_contained(low).await?;
            let read = self.read_database(from, low).await?;
            let complete = read.until == low;
            self.push(read.changes, read.until);
            self.head.send_modify(|head| {
                head.horizon = read.until;
                if complete {
                    head.contained = Arc::new(contained);
                }
            });
            if complete {
                return Ok(());
            }
        }
    }

    fn push(&self, changes: Vec<Arc<Change>>, until: i64) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            ring.bytes += weight(&change);
            ring.events.push_back(change);
        }
        while ring.events.len() > RING_EVENTS || ring.bytes > RING_BYTES {
            let Some(first) = ring.events.pop_front() else {
                break;
            };
            ring.bytes = ring.bytes.saturating_sub(weight(&first));
            // The whole transaction has to go: the ring holds complete transactions only.
            ring.start = first.tx + 1;
            while ring.events.front().is_some_and(|next| next.tx == first.tx) {
                if let Some(next) = ring.events.pop_front() {
                    ring.bytes = ring.bytes.saturating_sub(weight(&next));
                }
            }
        }
        if ring.events.is_empty() {
            ring.start = ring.start.max(until);
        }
    }

    /// Events from `from` on, below the horizon, at most a batch.
    pub(crate) async fn read(&self, from: i64, horizon: i64) -> Result<Read> {
        {
            let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
            if from >= ring.start {
                let first = ring.events.partition_point(|event| event.tx < from);
                let mut changes: Vec<_> = ring
                    .events
                    .range(first..)
                    .take_while(|event| event.tx < horizon)
                    .take(READ_LIMIT)
                    .cloned()
                    .collect();
                let until = whole_transactions(&mut changes, horizon);
                return Ok(Read { changes, until });
            }
        }
        self.read_database(from, horizon).await
    }

    async fn read_database(&self, from: i64, horizon: i64) -> Result<Read> {
        let floor = self.publisher.incarnation().floor_seq;
        let rows = self
            .publisher
            .db()
            .query(
                "SELECT seq, tx, part, creditor_id, debtor_id, entity, entity_id, version, traceparent, \
                 recorded_at, deleted, state FROM event \
                 WHERE tx >= $1 AND tx < $2 AND seq > $3 ORDER BY tx, seq LIMIT $4",
                vec![
                    from.into(),
                    horizon.into(),
                    floor.into(),
                    i64::try_from(READ_LIMIT).unwrap_or(i64::MAX).into(),
                ],
            )
            .await?;
        let mut changes = rows
            .iter()
            .map(|row| self.change(row).map(Arc::new))
            .collect::<Result<Vec<_>>>()?;
        let until = whole_transactions(&mut changes, horizon);
        // What has no type is in the audit trail only.
        changes.retain(|change| !self.publisher.type_url(&change.entity).is_empty());
        Ok(Read { changes, until })
    }

    fn change(&self, row: &QueryResult) -> Result<Change> {
        let entity: String = column(row, "entity")?;
        let deleted: i64 = column(row, "deleted")?;
        let state: Option<Vec<u8>> = column(row, "state")?;
        if deleted == 0 && state.is_none() {
            return Err(Error::CursorExpired);
        }
        Ok(Change {
            seq: column(row, "seq")?,
            tx: column(row, "tx")?,
            partition: i32::try_from(column::<i64>(row, "part")?).unwrap_or(-1),
            creditor_id: column(row, "creditor_id")?,
            debtor_id: column(row, "debtor_id")?,
            entity_id: column(row, "entity_id")?,
            version: column(row, "version")?,
            state: state.map(|value| prost_types::Any {
                type_url: self.publisher.type_url(&entity).to_owned(),
                value,
            }),
            entity,
            record_time: Some(timestamp(column(row, "recorded_at")?)),
            traceparent: column(row, "traceparent")?,
        })
    }

    /// What the events below `horizon` contain of the upstream feeds: the least over all paths by which a feed's facts come
    /// here, only from rows whose own transaction is below the horizon, and only up to before the oldest unfinished sweep.
    /// Where that cannot be said now, what was stated before still holds.
    async fn read_contained(&self, horizon: i64) -> Result<Contained> {
        let rows = self
            .publisher
            .db()
            .query(
                "SELECT c.feed AS origin, c.part, c.incarnation, c.tx, c.row_tx, c.ready, c.state, \
                 (SELECT min(s.cause_tx) FROM feed_sweep s WHERE s.feed = c.feed AND s.part = c.part) AS sweep_tx, \
                 CAST(1 AS BIGINT) AS direct FROM feed_cursor c \
                 UNION ALL \
                 SELECT k.origin, k.part, k.incarnation, k.tx, k.row_tx, c.ready, c.state, \
                 (SELECT min(s.cause_tx) FROM feed_sweep s WHERE s.feed = c.feed AND s.part = c.part), CAST(0 AS BIGINT) \
                 FROM feed_contained k JOIN feed_cursor c ON c.feed = k.feed AND c.part = k.part",
                vec![],
            )
            .await?;
        let before = self.head.borrow().contained.clone();
        let mut contained = BTreeMap::<(String, i64), Option<Position>>::new();
        for row in &rows {
            let key = (
                column::<String>(row, "origin")?,
                column::<i64>(row, "part")?,
            );
            let path = path(row, horizon)?;
            let path = match path {
                Path::Held => before.get(&key).cloned(),
                Path::None => None,
                Path::At(position) => Some(position),
            };
            contained
                .entry(key)
                .and_modify(|least| *least = least.take().and_then(|it| lesser(it, path.clone()?)))
                .or_insert(path);
        }
        let stated = |(key, position): (_, Option<_>)| Some((key, position?));
        Ok(contained.into_iter().filter_map(stated).collect())
    }

    /// For how long this process has seen the same transaction hold the horizon back; zero if none does. It may be
    /// anywhere in the cluster, prepared ones included, and no privilege is needed to see it.
    #[must_use]
    pub fn oldest_writer(&self) -> Duration {
        held_for(&self.held)
    }

    fn observe_horizon(&self, low: i64, high: i64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = match *held {
            _ if low == high => None,
            Some((same, since)) if same == low => Some((same, since)),
            _ => Some((low, Instant::now())),
        };
    }
}

fn held_for(held: &Mutex<Held>) -> Duration {
    let held = *held.lock().unwrap_or_else(PoisonError::into_inner);
    held.map_or(Duration::ZERO, |(_, since)| since.elapsed())
}

/// How far one path is by which an upstream's facts come here.
enum Path {
    /// Nothing can be said of it.
    None,
    /// Nothing new can be said of it.
    Held,
    /// It contains everything before.
    At(Position),
}

fn path(row: &QueryResult, horizon: i64) -> Result<Path> {
    let ready = column::<i64>(row, "ready")? == 1 && column::<String>(row, "state")? == "live";
    let incarnation: String = column(row, "incarnation")?;
    if !ready || incarnation.is_empty() {
        return Ok(Path::None);
    }
    if column::<i64>(row, "row_tx")? >= horizon {
        return Ok(Path::Held);
    }
    let tx: i64 = column(row, "tx")?;
    let sweep: Option<i64> = column(row, "sweep_tx")?;
    let direct = column::<i64>(row, "direct")? == 1;
    Ok(match sweep {
        // A sweep counts in the transactions of the feed that caused it, not in those of the origin.
        Some(_) if !direct => Path::Held,
        sweep => Path::At(Position {
            incarnation,
            tx: sweep.map_or(tx, |sweep| sweep.min(tx)),
        }),
    })
}

/// The position that both contain; `None` if they cannot be compared.
fn lesser(one: Position, other: Position) -> Option<Position> {
    let comparable = one.incarnation == other.incarnation;
    comparable.then_some(if one.tx <= other.tx { one } else { other })
}

/// Cuts an incomplete last transaction off; says up to where the rest is complete.
fn whole_transactions(changes: &mut Vec<Arc<Change>>, horizon: i64) -> i64 {
    if changes.len() < READ_LIMIT {
        return horizon;
    }
    let last = changes.last().map_or(horizon, |change| change.tx);
    changes.retain(|change| change.tx < last);
    last
}

fn weight(change: &Change) -> usize {
    256 + change.state.as_ref().map_or(0, |state| state.value.len())
}

/// Microseconds since 1970 as a protobuf timestamp.
#[must_use]
pub fn timestamp(micros: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or(0),
    }
}

/// The cause of work that no caller asked for.
pub(crate) fn background(name: &str) -> Cause {
    Cause {
        principal: Call::internal(name).principal,
        ..Cause::default()
    }
}

/// All partitions.
pub(crate) fn all_partitions() -> impl Iterator<Item = i64> {
    0..PARTITIONS
}
