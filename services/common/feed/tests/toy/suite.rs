//! What must hold on every engine. Each function gets fresh databases.

use std::collections::BTreeMap;

use mahnwerk_feed::{Locks, WriteTx};
use mahnwerk_proto::common::v1::{
    ResetFeedRequest, WatchRequest, feed_admin_service_client::FeedAdminServiceClient,
    feed_service_client::FeedServiceClient,
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::Error,
    token::ConsistencyToken,
};
use tonic::Code;

use super::{Downstream, Upstream, impatient};
pub use super::{forgetting::*, poison::*};

/// Waits until what was written is contained downstream. The first wait may include a snapshot.
pub async fn contained(down: &Downstream, token: &str, creditor: &str, debtor: &str) {
    for _ in 0..15 {
        match down.freshness.debtor(token, creditor, debtor, None).await {
            Ok(()) => return,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
    panic!("not contained after thirty seconds");
}

/// Waits until everything written is contained downstream.
pub async fn all_contained(down: &Downstream, token: &str) {
    for _ in 0..15 {
        match down.freshness.all(token, None).await {
            Ok(()) => return,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
    panic!("not contained after thirty seconds");
}

/// The totals are what the upstream's own tables say; answers how many were compared.
pub async fn assert_equal(up: &Upstream, down: &Downstream) -> usize {
    let expected: BTreeMap<_, _> = up.expected().await.unwrap();
    let found = down.totals().await.unwrap();
    assert!(!expected.is_empty());
    assert_eq!(expected, found);
    expected.len()
}

/// Numbers for `debtors` debtors, three each; answers the last token.
pub async fn fill(up: &Upstream, creditor: &str, debtors: usize) -> String {
    let mut token = String::new();
    for debtor in 0..debtors {
        for thing in 0..3_i64 {
            let value = i64::try_from(debtor).unwrap() * 10 + thing;
            token = up
                .put(
                    creditor,
                    &format!("d{debtor}"),
                    &format!("t{thing}"),
                    Some(value),
                )
                .await
                .unwrap();
        }
    }
    token
}

/// A snapshot of what was there before, then live changes, deletions and facts of the creditor.
pub async fn snapshot_then_live(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    fill(&up, "a", 40).await;
    let before = up.set_rate("a", 3).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    all_contained(&down, &before).await;
    assert_equal(&up, &down).await;
    let token = up.put("a", "d1", "t1", Some(1000)).await.unwrap();
    contained(&down, &token, "a", "d1").await;
    assert_equal(&up, &down).await;
    up.put("a", "d1", "t1", None).await.unwrap();
    for thing in 0..3 {
        up.put("a", "d2", &format!("t{thing}"), None).await.unwrap();
    }
    let token = up.set_rate("a", 7).await.unwrap();
    all_contained(&down, &token).await;
    assert_eq!(assert_equal(&up, &down).await, 39);
    assert!(up.tailer.oldest_writer().as_millis() < 10_000);
}

/// What a token names is never missing from a read that carries it; without it, reads are stale now and then.
pub async fn reads_contain_what_their_token_names(up_db: &Db, down_db: &Db, tries: i64) -> i64 {
    let up = Upstream::start(up_db).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    let mut stale = 0;
    for value in 1..=tries {
        let token = up.put("a", "d", "t", Some(value)).await.unwrap();
        let key = ("a".to_owned(), "d".to_owned());
        if down.totals().await.unwrap().get(&key) != Some(&value) {
            stale += 1;
        }
        contained(&down, &token, "a", "d").await;
        assert_eq!(down.totals().await.unwrap().get(&key), Some(&value));
    }
    stale
}

/// Changes that arrive again, because the cursor went back, change nothing.
pub async fn a_batch_delivered_twice_has_one_effect(up_db: &Db, down_db: &Db) {
    const FACTS: &str = "SELECT creditor_id, debtor_id, thing_id, version, value FROM p_thing \
        ORDER BY creditor_id, debtor_id, thing_id";
    let up = Upstream::start(up_db).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    let first = ConsistencyToken::decode(&fill(&up, "a", 1).await).unwrap();
    fill(&up, "a", 20).await;
    up.put("a", "d3", "t1", None).await.unwrap();
    let token = up.set_rate("a", 3).await.unwrap();
    all_contained(&down, &token).await;
    drop(down);
    let facts = async || {
        let rows = down_db.query(FACTS, vec![]).await.unwrap();
        rows.iter()
            .map(|row| {
                let debtor: String = column(row, "debtor_id").unwrap();
                let thing: String = column(row, "thing_id").unwrap();
                let version: i64 = column(row, "version").unwrap();
                (debtor, thing, version, column(row, "value").unwrap())
            })
            .collect::<Vec<(String, String, i64, i64)>>()
    };
    let before = facts().await;
    down_db
        .execute("UPDATE feed_cursor SET tx = $1", vec![first.tx.into()])
        .await
        .unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    all_contained(&down, &token).await;
    assert_eq!(facts().await, before);
    assert_eq!(assert_equal(&up, &down).await, 20);
}

/// Two replicas share the work; one dies without a word, the other takes over; nothing is lost or doubled.
pub async fn a_crashed_replica_is_replaced(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let first = Downstream::start(down_db, up.address, 1).await.unwrap();
    let second = Downstream::start(down_db, up.address, 1).await.unwrap();
    let token = fill(&up, "a", 30).await;
    all_contained(&second, &token).await;
    first.crash();
    up.set_rate("a", 2).await.unwrap();
    let token = fill(&up, "a", 60).await;
    all_contained(&second, &token).await;
    assert_eq!(assert_equal(&up, &second).await, 60);
}

/// A new incarnation upstream makes the consumer begin again; what is gone upstream goes here as well.
pub async fn a_reset_replaces_the_projection(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    let old = fill(&up, "a", 20).await;
    all_contained(&down, &old).await;
    // As after a restore: rows have gone without an event.
    up_db
        .execute("DELETE FROM thing WHERE debtor_id IN ('d3', 'd4')", vec![])
        .await
        .unwrap();
    let mut admin = FeedAdminServiceClient::new(up.channel());
    let request = ResetFeedRequest {
        request_id: "reset".to_owned(),
    };
    let incarnation = admin
        .reset_feed(request.clone())
        .await
        .unwrap()
        .into_inner()
        .incarnation;
    let again = admin
        .reset_feed(request)
        .await
        .unwrap()
        .into_inner()
        .incarnation;
    assert_eq!(incarnation, again);
    let token = up.put("a", "d5", "t1", Some(9)).await.unwrap();
    assert_eq!(
        ConsistencyToken::decode(&token).unwrap().incarnation,
        incarnation
    );
    all_contained(&down, &token).await;
    assert_eq!(assert_equal(&up, &down).await, 18);
    let expired = down
        .freshness
        .debtor(&old, "a", "d1", None)
        .await
        .unwrap_err();
    assert!(matches!(expired, Error::Precondition { .. }), "{expired:?}");
}

/// While a feed cannot be reached, another incarnation than the known one may be the one to come.
pub async fn a_token_is_of_the_past_only_if_the_feed_was_heard_of(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    let token = fill(&up, "a", 3).await;
    all_contained(&down, &token).await;
    let freshness = down.freshness.clone();
    down.crash();
    let mut admin = FeedAdminServiceClient::new(up.channel());
    let request = ResetFeedRequest {
        request_id: "restored".to_owned(),
    };
    admin.reset_feed(request).await.unwrap();
    let token = up.put("a", "d1", "t1", Some(9)).await.unwrap();
    let some_time_ago = "UPDATE feed_lease SET current_at = current_at - 3000000";
    down_db.execute(some_time_ago, vec![]).await.unwrap();
    let early = freshness.debtor(&token, "a", "d1", None).await.unwrap_err();
    assert!(early.is_transient(), "{early:?}");
    assert!(!freshness.has_all(&token).await.unwrap());
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    all_contained(&down, &token).await;
}

/// Raised projection code takes a new snapshot; a replica with older code then takes no part.
pub async fn projection_versions_only_go_up(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let old = Downstream::start(down_db, up.address, 1).await.unwrap();
    let token = fill(&up, "a", 20).await;
    all_contained(&old, &token).await;
    drop(old);
    // What the new code would have stored otherwise.
    down_db
        .execute("UPDATE p_thing SET value = 0", vec![])
        .await
        .unwrap();
    down_db
        .execute("UPDATE total SET value = 0", vec![])
        .await
        .unwrap();
    let new = Downstream::start(down_db, up.address, 2).await.unwrap();
    let token = up.put("a", "d1", "t1", Some(4)).await.unwrap();
    all_contained(&new, &token).await;
    assert_eq!(assert_equal(&up, &new).await, 20);
    drop(new);
    let old = Downstream::start(down_db, up.address, 1).await.unwrap();
    let token = up.put("a", "d1", "t1", Some(5)).await.unwrap();
    let waited = old
        .freshness
        .debtor(&token, "a", "d1", None)
        .await
        .unwrap_err();
    assert!(waited.is_transient(), "{waited:?}");
    let key = ("a".to_owned(), "d1".to_owned());
    assert_eq!(old.totals().await.unwrap()[&key], 10 + 4 + 12);
}

/// Cursors of another history, from before the retention, or from the future are refused.
pub async fn foreign_cursors_are_refused(up_db: &Db, _down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let token = fill(&up, "a", 3).await;
    let token = ConsistencyToken::decode(&token).unwrap();
    let mut client = FeedServiceClient::new(up.channel());
    let mut watch = async |incarnation: &str, tx: i64| {
        client
            .watch(WatchRequest {
                consumer: "test".to_owned(),
                partitions: vec![1, 2],
                from: Some(mahnwerk_feed::Position {
                    incarnation: incarnation.to_owned(),
                    tx,
                }),
            })
            .await
            .map(|_| ())
            .map_err(|status| status.code())
    };
    assert_eq!(watch(&token.incarnation, token.tx).await, Ok(()));
    assert_eq!(watch("another", token.tx).await, Err(Code::OutOfRange));
    assert_eq!(watch(&token.incarnation, 0).await, Err(Code::OutOfRange));
    assert_eq!(
        watch(&token.incarnation, i64::MAX).await,
        Err(Code::OutOfRange)
    );
    let far = up.publisher.clock().now() + 1;
    let expired = mahnwerk_feed::expire_events(&up.publisher, far, 0, 1_000)
        .await
        .unwrap();
    assert_eq!((expired.emptied, expired.more), (9, false));
    assert_eq!(
        watch(&token.incarnation, token.tx).await,
        Err(Code::OutOfRange)
    );
}

/// A write without its lock is refused, and so is a transaction that is too large.
pub async fn writes_need_their_locks(up_db: &Db, _down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let mut tx = up.begin("a", "d1").await.unwrap();
    assert!(super::put(&mut tx, "a", "d2", "t", Some(1)).await.is_err());
    tx.rollback().await.unwrap();
    let ids: Vec<_> = (0..257).map(|n| format!("d{n}")).collect();
    let locks = Locks::debtors("a", ids.iter().map(String::as_str));
    let refused = WriteTx::begin(&up.publisher, locks, mahnwerk_feed::Cause::default()).await;
    assert!(refused.is_err());
    up.put("a", "d1", "t", Some(1)).await.unwrap();
    let rows = up_db.query("SELECT seq FROM event", vec![]).await.unwrap();
    assert_eq!(rows.len(), 1);
}

/// Rows lost, forged and left over by hand are found by the comparison and mended; what only moves is not mistaken for
/// drift.
pub async fn drift_is_found_and_mended(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let token = fill(&up, "c", 40).await;
    let settings = mahnwerk_feed::ConsumerSettings {
        compare: std::time::Duration::from_millis(700),
        ..impatient()
    };
    let down = Downstream::with(down_db, up.address, 1, settings)
        .await
        .unwrap();
    all_contained(&down, &token).await;
    let before = generations(down_db).await;
    // Writers go on while every partition is compared more than once.
    let mut rounds = tokio::time::interval(std::time::Duration::from_millis(20));
    for round in 0..150_i64 {
        rounds.tick().await;
        let debtor = format!("d{}", round % 50);
        let value = (round % 3 != 0).then_some(round);
        up.put("c", &debtor, "moving", value).await.unwrap();
    }
    assert_eq!(generations(down_db).await, before, "nothing had drifted");

    let forged = [
        "DELETE FROM p_thing WHERE debtor_id = 'd1' AND thing_id = 't1'",
        "UPDATE p_thing SET version = version - 1, value = 77 WHERE debtor_id = 'd2' AND thing_id = 't2'",
        "UPDATE p_thing SET version = version + 5, value = 78 WHERE debtor_id = 'd3' AND thing_id = 't0'",
        "INSERT INTO p_thing (creditor_id, debtor_id, thing_id, part, generation, version, value) \
         SELECT creditor_id, debtor_id, 'left-over', part, generation, 1, 9 FROM p_thing \
         WHERE debtor_id = 'd4' AND thing_id = 't0'",
        "UPDATE p_rate SET version = version + 1, value = 1000",
    ];
    up.set_rate("c", 3).await.unwrap();
    let token = up.put("c", "d0", "t0", Some(1)).await.unwrap();
    all_contained(&down, &token).await;
    for sql in forged {
        assert_eq!(down_db.execute(sql, vec![]).await.unwrap(), 1, "{sql}");
    }
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(50));
    let expected = up.expected().await.unwrap();
    for _ in 0..400 {
        looks.tick().await;
        let rate = down_db
            .query_one("SELECT value FROM p_rate", vec![])
            .await
            .unwrap()
            .map(|row| row.try_get::<i64>("", "value").unwrap());
        if rate == Some(3) && down.totals().await.unwrap() == expected {
            return;
        }
    }
    assert_equal(&up, &down).await;
    panic!("the rate was not mended");
}

/// The generation of every partition, which grows with every snapshot.
pub async fn generations(db: &Db) -> Vec<i64> {
    let rows = db
        .query("SELECT generation FROM feed_cursor ORDER BY part", vec![])
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get("", "generation").unwrap())
        .collect()
}
