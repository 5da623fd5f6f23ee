//! What must hold of changes that cannot be applied, on every engine.

use std::sync::atomic::Ordering;

use mahnwerk_proto::common::v1::{
    DiscardParkedRequest, ListParkedRequest, RetryParkedRequest,
    feed_admin_service_server::FeedAdminService,
};
use mahnwerk_runtime::db::{Db, Sql};
use tonic::Request;

use super::{
    Downstream, POISON, Upstream,
    suite::{all_contained, assert_equal, fill, generations},
};

/// A value that cannot be applied parks its debtor; others go on; retry and discard release it.
pub async fn poison_parks_its_debtor_only(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    let token = fill(&up, "a", 5).await;
    all_contained(&down, &token).await;
    up.put("a", "d1", "t1", Some(POISON)).await.unwrap();
    up.put("a", "d1", "t2", Some(5)).await.unwrap();
    up.put("a", "d2", "t1", Some(POISON)).await.unwrap();
    let token = up.put("a", "d3", "t1", Some(77)).await.unwrap();
    all_contained(&down, &token).await;
    let totals = down.totals().await.unwrap();
    assert_eq!(totals[&("a".to_owned(), "d3".to_owned())], 30 + 77 + 32);
    assert_eq!(totals[&("a".to_owned(), "d1".to_owned())], 10 + 11 + 12);
    assert!(down.freshness.not_parked("a", "d1").await.is_err());
    assert!(down.freshness.not_parked("a", "d3").await.is_ok());
    let parked = down
        .admin
        .list_parked(Request::new(ListParkedRequest::default()))
        .await
        .unwrap()
        .into_inner()
        .parked;
    let queued: Vec<_> = parked
        .iter()
        .map(|each| (each.debtor_id.as_str(), each.queued))
        .collect();
    assert_eq!(queued, [("d1", 2), ("d2", 1)]);
    let retry = |request_id: &str, debtor_id: &str| RetryParkedRequest {
        request_id: request_id.to_owned(),
        feed: "upstream".to_owned(),
        creditor_id: "a".to_owned(),
        debtor_id: debtor_id.to_owned(),
    };
    let answer = down
        .admin
        .retry_parked(Request::new(retry("r1", "d1")))
        .await
        .unwrap();
    assert!(!answer.get_ref().released);
    assert!(
        answer.get_ref().error.contains("poison"),
        "{:?}",
        answer.get_ref()
    );
    down.cured.store(true, Ordering::SeqCst);
    let answer = down
        .admin
        .retry_parked(Request::new(retry("r2", "d1")))
        .await
        .unwrap();
    assert!(answer.get_ref().released);
    assert_eq!(answer.get_ref().applied, 2);
    let again = down
        .admin
        .retry_parked(Request::new(retry("r2", "d1")))
        .await
        .unwrap();
    assert_eq!(again.get_ref(), answer.get_ref());
    let discard = DiscardParkedRequest {
        request_id: "r3".to_owned(),
        feed: "upstream".to_owned(),
        creditor_id: "a".to_owned(),
        debtor_id: "d2".to_owned(),
    };
    let answer = down
        .admin
        .discard_parked(Request::new(discard))
        .await
        .unwrap();
    assert!(answer.get_ref().released);
    let totals = down.totals().await.unwrap();
    assert_eq!(totals[&("a".to_owned(), "d1".to_owned())], 10 + POISON + 5);
    assert_eq!(totals[&("a".to_owned(), "d2".to_owned())], 20 + 21 + 22);
    assert!(down.freshness.not_parked("a", "d1").await.is_ok());
    assert!(down.freshness.not_parked("a", "d2").await.is_ok());
}

/// Good changes stand before, between and behind the poison: each discard drops one change that cannot be applied, and
/// no other.
pub async fn a_discard_drops_only_what_cannot_be_applied(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    let token = fill(&up, "a", 3).await;
    all_contained(&down, &token).await;
    drop(down);
    for (thing, value) in [
        ("t0", 100),
        ("t1", POISON),
        ("t2", 200),
        ("t1", POISON),
        ("t3", 300),
    ] {
        up.put("a", "d1", thing, Some(value)).await.unwrap();
    }
    let token = up.put("a", "d2", "t0", Some(7)).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    all_contained(&down, &token).await;
    let key = ("a".to_owned(), "d1".to_owned());
    let mut outcomes = Vec::new();
    for request_id in ["r1", "r2"] {
        let parked = down
            .admin
            .list_parked(Request::new(ListParkedRequest::default()))
            .await
            .unwrap()
            .into_inner()
            .parked;
        assert_eq!(parked.len(), 1);
        let discard = DiscardParkedRequest {
            request_id: request_id.to_owned(),
            feed: "upstream".to_owned(),
            creditor_id: "a".to_owned(),
            debtor_id: "d1".to_owned(),
        };
        let answer = down
            .admin
            .discard_parked(Request::new(discard))
            .await
            .unwrap()
            .into_inner();
        outcomes.push((
            parked[0].entity_id.clone(),
            parked[0].queued,
            answer.applied,
            answer.released,
            down.totals().await.unwrap()[&key],
        ));
    }
    let expected = [
        ("d1/t1".to_owned(), 5, 2, false, 100 + 11 + 200),
        ("d1/t1".to_owned(), 2, 1, true, 100 + 11 + 200 + 300),
    ];
    assert_eq!(outcomes, expected);
    assert!(down.freshness.not_parked("a", "d1").await.is_ok());
}

/// A snapshot that contains what cannot be applied is completed for everybody else.
pub async fn poison_in_a_snapshot_parks_its_debtor_only(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    fill(&up, "a", 5).await;
    let token = up.put("a", "d1", "t1", Some(POISON)).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    all_contained(&down, &token).await;
    assert_eq!(down.totals().await.unwrap().len(), 4);
    assert!(down.freshness.not_parked("a", "d1").await.is_err());
    down.cured.store(true, Ordering::SeqCst);
    let retry = RetryParkedRequest {
        request_id: "r1".to_owned(),
        feed: "upstream".to_owned(),
        creditor_id: "a".to_owned(),
        debtor_id: "d1".to_owned(),
    };
    let answer = down.admin.retry_parked(Request::new(retry)).await.unwrap();
    assert!(answer.get_ref().released, "{:?}", answer.get_ref());
    assert_eq!(assert_equal(&up, &down).await, 5);
}

/// A parked creditor holds changes of all partitions in its queue. A snapshot of one partition brings the state of that
/// one only: the others keep their place in the queue, and what the creditor's fact leads to is still to come.
pub async fn a_snapshot_of_one_partition_keeps_the_queue_of_others(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    let token = fill(&up, "a", 12).await;
    all_contained(&down, &token).await;
    up.set_rate("a", POISON).await.unwrap();
    let mut token = String::new();
    for debtor in 0..12 {
        token = up
            .put("a", &format!("d{debtor}"), "t0", Some(500 + debtor))
            .await
            .unwrap();
    }
    all_contained(&down, &token).await;
    let before = generations(down_db).await;
    let chosen = mahnwerk_feed::partition("a", "d0");
    let lost = "UPDATE feed_cursor SET state = 'empty' WHERE part = $1";
    assert_eq!(down_db.execute(lost, vec![chosen.into()]).await.unwrap(), 1);
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
    for number in 0..500 {
        looks.tick().await;
        // The cursor is read again when it is to be moved.
        up.put("a", "d0", "t9", Some(number)).await.unwrap();
        if down_db
            .query("SELECT 1 FROM feed_cursor WHERE state <> 'live'", vec![])
            .await
            .unwrap()
            .is_empty()
            && generations(down_db).await != before
        {
            break;
        }
    }
    let changed = generations(down_db)
        .await
        .iter()
        .zip(&before)
        .filter(|(now, before)| now != before)
        .count();
    assert_eq!(changed, 1, "one partition was taken anew");
    assert!(down.freshness.not_parked("a", "d5").await.is_err());
    down.cured.store(true, Ordering::SeqCst);
    let retry = RetryParkedRequest {
        request_id: "r1".to_owned(),
        feed: "upstream".to_owned(),
        creditor_id: "a".to_owned(),
        debtor_id: String::new(),
    };
    let answer = down.admin.retry_parked(Request::new(retry)).await.unwrap();
    assert!(answer.get_ref().released, "{:?}", answer.get_ref());
    let token = up.put("a", "d2", "t1", Some(1)).await.unwrap();
    all_contained(&down, &token).await;
    assert_equal(&up, &down).await;
}

/// A snapshot that completes while the sweep after an earlier one is under way lets that sweep begin again.
pub async fn a_snapshot_may_follow_on_another(up_db: &Db, down_db: &Db) {
    let up = Upstream::start(up_db).await.unwrap();
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    let token = fill(&up, "a", 12).await;
    all_contained(&down, &token).await;
    drop(down);
    for sql in [
        "DELETE FROM feed_sweep",
        "UPDATE feed_cursor SET state = 'empty'",
        "UPDATE feed_lease SET until = 0, owner = ''",
        "UPDATE total SET value = 0",
        "INSERT INTO feed_sweep (feed, part, creditor_id, kind, cause_tx, latest_tx, next_debtor, traceparent) \
         SELECT feed, part, 'a', 'snapshot', 0, 0, 'zzz', '' FROM feed_cursor",
    ] {
        down_db.execute(sql, vec![]).await.unwrap();
    }
    let down = Downstream::start(down_db, up.address, 1).await.unwrap();
    let token = up.put("a", "d0", "t0", Some(7)).await.unwrap();
    all_contained(&down, &token).await;
    assert_equal(&up, &down).await;
}
