//! A third service that learns of the same facts twice: from the upstream, and from what the downstream made of them.

use std::sync::Arc;

use mahnwerk_feed::{
    Batch, Change, Consumer, Freshness, Projection, Publisher, StoredRow, Tailer, WriteTx,
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::Result,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Downstream, Upstream, channel, impatient, migrations, publisher, suite};

/// Counts what arrives from one feed, by debtor, in `seen`.
struct Seen {
    feed: &'static str,
    origins: &'static [&'static str],
}

#[async_trait::async_trait]
impl Projection for Seen {
    fn feed(&self) -> &'static str {
        self.feed
    }

    fn origins(&self) -> &'static [&'static str] {
        self.origins
    }

    fn version(&self) -> i64 {
        1
    }

    fn sweep_of(&self, _change: &Change) -> Option<&'static str> {
        None
    }

    async fn apply(&self, tx: &mut WriteTx, batch: Batch<'_>) -> Result<()> {
        for change in batch.changes {
            if change.debtor_id.is_empty() {
                continue;
            }
            tx.execute_sql(
                "INSERT INTO seen (feed, creditor_id, debtor_id, version) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (feed, creditor_id, debtor_id) DO UPDATE SET version = excluded.version",
                vec![
                    self.feed.into(),
                    change.creditor_id.as_str().into(),
                    change.debtor_id.as_str().into(),
                    change.version.into(),
                ],
            )
            .await?;
        }
        Ok(())
    }

    async fn remove_stale(&self, _tx: &mut WriteTx, _part: i64, _generation: i64) -> Result<()> {
        Ok(())
    }

    fn keeps(&self, _change: &Change) -> bool {
        false
    }

    async fn stored(&self, _db: &Db, _part: i64) -> Result<Vec<StoredRow>> {
        Ok(Vec::new())
    }

    async fn creditors(&self, _db: &Db) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn sweep_candidates(
        &self,
        _db: &Db,
        _kind: &str,
        _creditor_id: &str,
        _parts: &[i64],
        _after: &str,
        _limit: u64,
    ) -> Result<Vec<(i64, String)>> {
        Ok(Vec::new())
    }

    async fn sweep(
        &self,
        _tx: &mut WriteTx,
        _kind: &str,
        _creditor_id: &str,
        _debtors: &[String],
    ) -> Result<()> {
        Ok(())
    }
}

struct Third {
    publisher: Publisher,
    freshness: Freshness,
    stop: CancellationToken,
}

impl Drop for Third {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Third {
    async fn start(db: &Db, up: &Upstream, down: &Downstream) -> Self {
        migrations().apply(db).await.unwrap();
        db.execute_sql(
            "CREATE TABLE IF NOT EXISTS seen (feed TEXT NOT NULL, creditor_id TEXT NOT NULL, debtor_id TEXT NOT NULL, \
             version BIGINT NOT NULL, PRIMARY KEY (feed, creditor_id, debtor_id))",
            vec![],
        )
        .await
        .unwrap();
        let publisher = publisher(db.clone(), "third").await.unwrap();
        let tailer = Tailer::open(publisher.clone()).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(tailer.run(stop.clone()));
        let (progress, watched) = watch::channel(0);
        let feeds: [(_, &[&str], _); 2] = [
            ("upstream", &[], up.address),
            ("downstream", &["upstream"], down.address),
        ];
        for (feed, origins, address) in feeds {
            let consumer = Consumer::new(
                publisher.clone(),
                Arc::new(Seen { feed, origins }),
                channel(address),
                impatient(),
                progress.clone(),
            );
            let stop = stop.clone();
            tokio::spawn(async move { consumer.run(stop).await });
        }
        let freshness = Freshness::new(
            publisher.clone(),
            &[("upstream", &[]), ("downstream", &["upstream"])],
            watched,
        );
        Self {
            publisher,
            freshness,
            stop,
        }
    }

    async fn seen(&self, feed: &str, debtor: &str) -> i64 {
        let row = self
            .publisher
            .db()
            .query_one(
                "SELECT version FROM seen WHERE feed = $1 AND debtor_id = $2",
                vec![feed.into(), debtor.into()],
            )
            .await
            .unwrap();
        row.map_or(0, |row| column(&row, "version").unwrap())
    }
}

/// A token has arrived only when its consequences have, by the longer path as well.
pub async fn a_token_arrives_by_every_path(up_db: &Db, down_db: &Db, third_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let token = suite::fill(&up, "a", 10).await;
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    suite::all_contained(&down, &token).await;
    let third = Third::start(third_db, &up, &down).await;
    let mut by_both = 0;
    for number in 0..30 {
        let before = third.seen("downstream", "d1").await;
        let token = up.put("a", "d1", "t1", Some(number)).await.unwrap();
        while let Err(error) = third.freshness.debtor(&token, "a", "d1", None).await {
            assert!(error.is_transient(), "{error:?}");
        }
        // The write led to a new total, which must be here as well.
        let total = third.seen("downstream", "d1").await;
        assert!(total > before, "{total} after {before}");
        by_both += 1;
    }
    assert_eq!(by_both, 30);

    let latest = third.freshness.latest("upstream").await.unwrap().unwrap();
    while !third.freshness.has_all(&latest).await.unwrap() {
        tokio::task::yield_now().await;
    }

    // Without the downstream nothing new arrives by its path, and the token is not there whatever the other one says.
    down.crash();
    let token = up.put("a", "d1", "t1", Some(1_000)).await.unwrap();
    let refused = third
        .freshness
        .debtor(&token, "a", "d1", None)
        .await
        .unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    assert!(!third.freshness.has_all(&token).await.unwrap());
    assert!(third.seen("upstream", "d1").await > 0);
}
