//! What is forgotten, when, and in what portions.

use mahnwerk_feed::{Expired, Position, RETENTION, Retention, expire_events};
use mahnwerk_proto::common::v1::{
    ResetFeedRequest, WatchRequest, feed_admin_service_client::FeedAdminServiceClient,
    feed_service_client::FeedServiceClient,
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    idempotency::{self, RequestKey},
    token::ConsistencyToken,
};
use tokio_util::sync::CancellationToken;

use super::{Upstream, suite::fill};

const DAY: i64 = 24 * 3_600 * 1_000_000;

async fn number(db: &Db, sql: &str) -> i64 {
    let row = db.query_one(sql, vec![]).await.unwrap().unwrap();
    column(&row, "n").unwrap()
}

const STATED: &str = "SELECT count(*) AS n FROM event WHERE state IS NOT NULL";

/// A step looks at so many events and no more, goes on where the last one ended, and ends before what is young.
pub async fn events_are_emptied_in_portions(up_db: &Db, _down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    fill(&up, "a", 3).await;
    let age = "UPDATE event SET recorded_at = recorded_at - $1 WHERE seq <= $2";
    up_db
        .execute(age, vec![DAY.into(), 7_i64.into()])
        .await
        .unwrap();
    let before = up.publisher.clock().now() - DAY / 2;
    let step = async |after, limit| {
        let step = expire_events(&up.publisher, before, after, limit).await;
        step.unwrap()
    };
    let expired = |emptied, until, settled, more| Expired {
        emptied,
        until,
        settled,
        more,
    };
    assert_eq!(step(0, 4).await, expired(4, 4, Some(4), true));
    assert_eq!(step(4, 4).await, expired(3, 7, Some(7), true));
    assert_eq!(step(7, 4).await, expired(0, 7, None, false));
    assert_eq!(number(up_db, STATED).await, 2);
    // Another process begins at the beginning, and finds everything empty.
    assert_eq!(step(0, 4).await, expired(0, 4, Some(4), true));
    assert_eq!(number(up_db, "SELECT count(*) AS n FROM event").await, 9);
}

/// What was recorded later than its neighbour, and written before it, is not forgotten to be forgotten.
pub async fn what_was_passed_over_is_emptied_later(up_db: &Db, _down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    fill(&up, "a", 1).await;
    let now = up.publisher.clock().now();
    let minute = 60_000_000;
    let age = async |seq: i64, age: i64| {
        let sql = "UPDATE event SET recorded_at = $1 WHERE seq = $2";
        let values = vec![(now - age).into(), seq.into()];
        up_db.execute(sql, values).await.unwrap();
    };
    age(1, RETENTION + 20 * minute).await;
    age(2, RETENTION - minute).await;
    age(3, RETENTION + minute).await;
    let mut retention = Retention::new(up.publisher.clone());
    let stop = CancellationToken::new();
    retention.forget(&stop).await.unwrap();
    let left = "SELECT max(seq) AS n FROM event WHERE state IS NOT NULL";
    assert_eq!(number(up_db, STATED).await, 1);
    assert_eq!(number(up_db, left).await, 2);
    age(2, RETENTION + minute).await;
    retention.forget(&stop).await.unwrap();
    assert_eq!(number(up_db, STATED).await, 0);
}

/// After a restore the transactions of the history before may be far ahead of those that come: emptying its events moves
/// nothing that readers of this one go by.
pub async fn an_earlier_history_is_forgotten_without_a_trace(up_db: &Db, _down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    fill(&up, "a", 3).await;
    let ahead = "UPDATE event SET tx = tx + 1000000000";
    assert_eq!(up_db.execute(ahead, vec![]).await.unwrap(), 9);
    let reset = ResetFeedRequest {
        request_id: "restored".to_owned(),
    };
    let mut admin = FeedAdminServiceClient::new(up.channel());
    admin.reset_feed(reset).await.unwrap();
    let token = up.put("a", "d1", "t", Some(1)).await.unwrap();
    let retained = "SELECT retained_from AS n FROM feed_retention";
    let before = number(up_db, retained).await;
    let now = up.publisher.clock().now();
    let old = "UPDATE event SET recorded_at = recorded_at - $1 WHERE seq <= 9";
    up_db.execute(old, vec![DAY.into()]).await.unwrap();
    let expired = expire_events(&up.publisher, now - DAY / 2, 0, 1_000).await;
    assert_eq!(expired.unwrap().emptied, 9);
    assert_eq!(number(up_db, retained).await, before);
    let token = ConsistencyToken::decode(&token).unwrap();
    let mut client = FeedServiceClient::new(up.channel());
    let watched = client.watch(WatchRequest {
        consumer: "test".to_owned(),
        partitions: vec![1],
        from: Some(Position {
            incarnation: token.incarnation,
            tx: token.tx,
        }),
    });
    watched.await.unwrap();
}

/// Payloads go after 14 days, and answers after 30, as promised: not a minute before.
pub async fn payloads_and_answers_go_when_their_time_is_over(up_db: &Db, _down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    fill(&up, "a", 1).await;
    let now = up.publisher.clock().now();
    let minute = 60_000_000;
    for (age, request_id) in [
        (30 * DAY + minute, "old"),
        (30 * DAY - minute, "young"),
        (0, "new"),
    ] {
        let key = RequestKey {
            principal: "local".to_owned(),
            creditor_id: "a".to_owned(),
            method: "CreateDebtor",
            request_id: request_id.to_owned(),
        };
        let txn = up_db.begin_write().await.unwrap();
        let stored = idempotency::store(&txn, &key, "", &(), now - age).await;
        stored.unwrap();
        txn.commit().await.unwrap();
    }
    for (age, seq) in [(RETENTION + minute, 1_i64), (RETENTION - minute, 2)] {
        let sql = "UPDATE event SET recorded_at = $1 WHERE seq = $2";
        let values = vec![(now - age).into(), seq.into()];
        up_db.execute(sql, values).await.unwrap();
    }
    let mut retention = Retention::new(up.publisher.clone());
    let stop = CancellationToken::new();
    for _ in 0..2 {
        retention.forget(&stop).await.unwrap();
        let kept = "SELECT count(*) AS n FROM idempotency WHERE request_id IN ('young', 'new')";
        assert_eq!(number(up_db, kept).await, 2);
        let old = "SELECT count(*) AS n FROM idempotency WHERE request_id = 'old'";
        assert_eq!(number(up_db, old).await, 0);
        assert_eq!(number(up_db, STATED).await, 2);
        let empty = "SELECT max(seq) AS n FROM event WHERE state IS NULL";
        assert_eq!(number(up_db, empty).await, 1);
    }
}
