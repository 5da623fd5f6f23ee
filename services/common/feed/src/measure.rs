//! Figures that only the database knows, read now and then for the metrics of a service.
//!
//! Every replica reads them and tells the same; nobody has to be chosen for it, and nobody's death leaves a gap.

use std::{sync::Arc, time::Duration};

use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::{Error, Result},
    status::chain,
    telemetry::{Figure, Figures, KeyValue, names},
};
use sea_orm::DatabaseTransaction;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::Publisher;

/// How often they are read.
const INTERVAL: Duration = Duration::from_secs(15);

/// Longest time that reading them may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a service has to tell besides what all services do.
///
/// With a constant number of statements, each of which finds what it counts by an index, however much is stored, and
/// takes it in the order of that index where it stops at some number.
#[async_trait::async_trait]
pub trait Measure: Send + Sync + 'static {
    /// Reads the figures as of one moment.
    async fn figures(&self, publisher: &Publisher, on: &DatabaseTransaction)
    -> Result<Vec<Figure>>;
}

/// PostgreSQL would rather read a whole table, or sort all that waits, than follow an index, while it believes that there
/// is little; and it believes what it saw when it last looked. What it is kept from costs so much in its books that it
/// would compile the statement.
const BY_INDEX: &str = "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), \
    set_config('enable_sort', 'off', true), set_config('jit', 'off', true)";

/// Begins to read figures.
///
/// # Errors
/// Those of the database.
pub async fn begin_measuring(db: &Db) -> Result<DatabaseTransaction> {
    let txn = db.begin_read().await?;
    if db.is_postgres() {
        txn.query_one(BY_INDEX, vec![]).await?;
    }
    Ok(txn)
}

/// Reads the figures of a service that consumes `feeds` again and again, until `stop`. While they cannot be read, they
/// are not told.
pub(crate) async fn keep_measuring(
    publisher: Publisher,
    feeds: Vec<&'static str>,
    own: Option<Arc<dyn Measure>>,
    stop: CancellationToken,
) {
    let latest = Arc::new(Figures::default());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lost = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let read = tokio::time::timeout(PATIENCE, read(&publisher, &feeds, own.as_deref()));
        let found = tokio::select! {
            () = stop.cancelled() => return,
            found = read => found.unwrap_or(Err(Error::Deadline)),
        };
        match found {
            Ok(figures) => {
                latest.update(figures);
                lost = false;
            }
            Err(error) => {
                if !lost {
                    tracing::warn!(error = %chain(&error), "figures cannot be read; trying again");
                }
                lost = true;
            }
        }
    }
}

async fn read(
    publisher: &Publisher,
    feeds: &[&'static str],
    own: Option<&dyn Measure>,
) -> Result<Vec<Figure>> {
    let txn = begin_measuring(publisher.db()).await?;
    let mut figures = parked(&txn, publisher.service(), feeds).await?;
    if let Some(own) = own {
        figures.extend(own.figures(publisher, &txn).await?);
    }
    txn.commit().await?;
    Ok(figures)
}

async fn parked(
    on: &impl Sql,
    service: &'static str,
    feeds: &[&'static str],
) -> Result<Vec<Figure>> {
    if feeds.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT feed, CAST(count(*) AS BIGINT) AS parked FROM feed_parked GROUP BY feed";
    let rows = on.query(sql, vec![]).await?;
    let mut figures = Vec::new();
    for feed in feeds {
        let mut number = 0;
        for row in &rows {
            if column::<String>(row, "feed")? == *feed {
                number = column(row, "parked")?;
            }
        }
        let labels = vec![
            KeyValue::new(names::FEED, *feed),
            KeyValue::new(names::CONSUMER, service),
        ];
        figures.push(Figure::number(names::FEED_PARKED, labels, number));
    }
    Ok(figures)
}
