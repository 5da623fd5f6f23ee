//! How far the ways from a feed to here are, read once for everybody who waits at the same time: under load hundreds of
//! readers wait for the same few commits, and each of these wakes them all.

use std::{collections::BTreeMap, sync::Arc};

use mahnwerk_runtime::{
    db::{Sql, column},
    error::Result,
};
use sea_orm::QueryResult;
use tokio::{sync::Mutex, time::Instant};

use crate::Publisher;

/// One way by which the facts of a feed come to a partition here.
pub(super) struct Way {
    pub part: i64,
    /// Whether the feed itself is consumed, and not another that contains it.
    pub direct: bool,
    pub incarnation: String,
    /// Whether its snapshot is complete and nobody asked for another.
    pub live: bool,
    /// It contains everything before this transaction; `None` if that cannot be said now.
    pub contained: Option<i64>,
}

/// What was read, and when that began.
struct Known {
    begun: Instant,
    ways: Arc<[Way]>,
}

/// The shared reader.
pub(super) struct Ways {
    publisher: Publisher,
    known: Mutex<BTreeMap<String, Known>>,
}

impl Ways {
    pub fn new(publisher: Publisher) -> Self {
        Self {
            publisher,
            known: Mutex::default(),
        }
    }

    /// The ways from a feed to all partitions, as they were at a time or later.
    pub async fn from(&self, origin: &str, at: Instant) -> Result<Arc<[Way]>> {
        // Who reads holds the lock; those who queued meanwhile share what the first of them reads next.
        let mut known = self.known.lock().await;
        if let Some(known) = known.get(origin)
            && known.begun >= at
        {
            return Ok(known.ways.clone());
        }
        let begun = Instant::now();
        let ways = self.read(origin).await?;
        let read = Known {
            begun,
            ways: ways.clone(),
        };
        known.insert(origin.to_owned(), read);
        Ok(ways)
    }

    async fn read(&self, origin: &str) -> Result<Arc<[Way]>> {
        let sweep =
            "(SELECT min(s.cause_tx) FROM feed_sweep s WHERE s.feed = c.feed AND s.part = c.part)";
        let rows = self
            .publisher
            .db()
            .query(
                &format!(
                    "SELECT c.part, c.incarnation, c.tx, c.ready, c.state, {sweep} AS sweep_tx, \
                     CAST(1 AS BIGINT) AS direct FROM feed_cursor c WHERE c.feed = $1 \
                     UNION ALL SELECT c.part, k.incarnation, k.tx, c.ready, c.state, {sweep}, CAST(0 AS BIGINT) \
                     FROM feed_contained k JOIN feed_cursor c ON c.feed = k.feed AND c.part = k.part \
                     WHERE k.origin = $1"
                ),
                vec![origin.into()],
            )
            .await?;
        rows.iter().map(way).collect()
    }
}

fn way(row: &QueryResult) -> Result<Way> {
    let tx: i64 = column(row, "tx")?;
    let direct = column::<i64>(row, "direct")? == 1;
    Ok(Way {
        part: column(row, "part")?,
        direct,
        incarnation: column(row, "incarnation")?,
        live: column::<i64>(row, "ready")? == 1 && column::<String>(row, "state")? == "live",
        contained: match column::<Option<i64>>(row, "sweep_tx")? {
            Some(sweep) if direct => Some(sweep.min(tx)),
            // It counts in the transactions of another feed.
            Some(_) => None,
            None => Some(tx),
        },
    })
}
