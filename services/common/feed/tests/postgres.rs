//! The suite on real PostgreSQL, and what only PostgreSQL can do to a feed: writers that commit out of order, open
//! writers elsewhere in the cluster, dumps, file copies, failover.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod toy;

#[path = "../../../../tests/src/postgres.rs"]
#[expect(dead_code, reason = "the harness serves other tests too")]
mod postgres;

use std::collections::BTreeMap;

use mahnwerk_feed::WriteTx;
use mahnwerk_proto::common::v1::{
    ListSnapshotRequest, WatchRequest, feed_service_client::FeedServiceClient,
};
use mahnwerk_runtime::{
    db::{DatabaseSettings, Db, Sql, column},
    token::ConsistencyToken,
};
use postgres::{Cluster, Database};
use toy::{Downstream, Upstream, suite};

async fn connect(database: &Database) -> Db {
    let settings = DatabaseSettings {
        url: database.url(),
        max_connections: 8,
        ..DatabaseSettings::default()
    };
    Db::connect(&settings).await.unwrap()
}

macro_rules! on_postgres {
    ($($name:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let cluster = Cluster::shared();
            let (up, down) = (cluster.database(), cluster.database());
            suite::$name(&connect(&up).await, &connect(&down).await).await;
        }
    )*};
}

on_postgres!(
    snapshot_then_live,
    poison_parks_its_debtor_only,
    poison_in_a_snapshot_parks_its_debtor_only,
    a_discard_drops_only_what_cannot_be_applied,
    a_batch_delivered_twice_has_one_effect,
    a_crashed_replica_is_replaced,
    a_reset_replaces_the_projection,
    a_token_is_of_the_past_only_if_the_feed_was_heard_of,
    projection_versions_only_go_up,
    foreign_cursors_are_refused,
    writes_need_their_locks,
    drift_is_found_and_mended,
    a_snapshot_may_follow_on_another,
    a_snapshot_of_one_partition_keeps_the_queue_of_others,
    events_are_emptied_in_portions,
    what_was_passed_over_is_emptied_later,
    an_earlier_history_is_forgotten_without_a_trace,
    payloads_and_answers_go_when_their_time_is_over,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_arrives_by_every_path() {
    let cluster = Cluster::shared();
    let databases = [(); 3].map(|()| cluster.database());
    let [up, down, third] = [0, 1, 2].map(|at| connect(&databases[at]));
    toy::third::a_token_arrives_by_every_path(&up.await, &down.await, &third.await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_contain_what_their_token_names() {
    let cluster = Cluster::shared();
    let (up, down) = (cluster.database(), cluster.database());
    let stale = suite::reads_contain_what_their_token_names(
        &connect(&up).await,
        &connect(&down).await,
        200,
    )
    .await;
    println!("{stale} of 200 reads without the token were stale");
    assert!(stale > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_writer_of_another_database_only_delays() {
    let cluster = Cluster::start();
    let (up_db, down_db, other) = (cluster.database(), cluster.database(), cluster.database());
    let up = Upstream::start(&connect(&up_db).await).await.unwrap();
    let down = Downstream::start(&connect(&down_db).await, up.address, 1)
        .await
        .unwrap();
    let token = suite::fill(&up, "a", 5).await;
    suite::all_contained(&down, &token).await;
    let elsewhere = connect(&other).await;
    let create = "CREATE TABLE t (x BIGINT)";
    elsewhere.execute(create, vec![]).await.unwrap();
    let writer = elsewhere.begin_write().await.unwrap();
    let insert = "INSERT INTO t VALUES (1)";
    writer.execute_sql(insert, vec![]).await.unwrap();
    let token = up.put("a", "d1", "t1", Some(99)).await.unwrap();
    let early = down
        .freshness
        .debtor(&token, "a", "d1", None)
        .await
        .unwrap_err();
    assert!(early.is_transient(), "{early:?}");
    assert!(up.tailer.oldest_writer().as_millis() >= 900);
    writer.commit().await.unwrap();
    suite::contained(&down, &token, "a", "d1").await;
    suite::assert_equal(&up, &down).await;
}

/// Pages of a snapshot on each side of a commit, and a position that is not reached while an older writer is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_page_on_each_side_of_a_commit_loses_nothing() {
    let cluster = Cluster::start();
    let up_db = cluster.database();
    let up = Upstream::start(&connect(&up_db).await).await.unwrap();
    suite::fill(&up, "a", 4).await;
    let mut client = FeedServiceClient::new(up.channel());
    let mut older = up.begin("a", "d0").await.unwrap();
    toy::put(&mut older, "a", "d0", "t0", Some(1000))
        .await
        .unwrap();
    let mut request = ListSnapshotRequest {
        partitions: (0..64).collect(),
        page_size: 5,
        page_token: String::new(),
    };
    let mut state: BTreeMap<String, i64> = BTreeMap::new();
    let mut page = client
        .list_snapshot(request.clone())
        .await
        .unwrap()
        .into_inner();
    // Committed between the first page, which has the old value, and the last, which has the new ones.
    up.put("a", "d3", "t2", Some(2000)).await.unwrap();
    let older_id = older.id();
    older.commit().await.unwrap();
    loop {
        for change in &page.changes {
            state.insert(change.entity_id.clone(), amount(change));
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
        page = client
            .list_snapshot(request.clone())
            .await
            .unwrap()
            .into_inner();
    }
    let (start, end) = (page.start.unwrap(), page.end.unwrap());
    assert!(start.tx <= older_id, "the open writer is after the start");
    assert_eq!(
        state["d0/t0"], 0,
        "the first page was read before the commit"
    );
    assert_eq!(state["d3/t2"], 2000);
    let watch = WatchRequest {
        consumer: "test".to_owned(),
        partitions: (0..64).collect(),
        from: Some(start),
    };
    let mut stream = client.watch(watch).await.unwrap().into_inner();
    let mut at = 0;
    while at < end.tx {
        let message = stream.message().await.unwrap().unwrap();
        for change in &message.changes {
            state.insert(change.entity_id.clone(), amount(change));
        }
        at = message.position.map_or(at, |position| position.tx);
    }
    assert_eq!(state["d0/t0"], 1000);
    assert_eq!(state.len(), 12);
}

fn amount(change: &mahnwerk_feed::Change) -> i64 {
    use prost::Message as _;
    let state = change.state.as_ref().unwrap();
    mahnwerk_proto::common::v1::Money::decode(state.value.as_slice())
        .unwrap()
        .minor_units
}

/// No bookmark passes an open writer, whatever commits after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_waits_for_the_oldest_open_writer() {
    let cluster = Cluster::start();
    let up_db = cluster.database();
    let up = Upstream::start(&connect(&up_db).await).await.unwrap();
    let first = ConsistencyToken::decode(&suite::fill(&up, "a", 2).await).unwrap();
    let mut older = up.begin("a", "d0").await.unwrap();
    toy::put(&mut older, "a", "d0", "t0", Some(1000))
        .await
        .unwrap();
    for value in 0..20 {
        up.put("a", "d1", "t1", Some(value)).await.unwrap();
    }
    let mut client = FeedServiceClient::new(up.channel());
    let watch = WatchRequest {
        consumer: "test".to_owned(),
        partitions: (0..64).collect(),
        from: Some(mahnwerk_feed::Position {
            incarnation: first.incarnation,
            tx: first.tx,
        }),
    };
    let mut stream = client.watch(watch).await.unwrap().into_inner();
    let message = stream.message().await.unwrap().unwrap();
    assert_eq!(
        message.changes.len(),
        1,
        "only what was before the open writer"
    );
    assert_eq!(message.position.unwrap().tx, older.id());
    let older_id = older.id();
    older.commit().await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 21 {
        let message = stream.message().await.unwrap().unwrap();
        seen.extend(message.changes.into_iter().map(|change| change.tx));
    }
    assert_eq!(seen.first(), Some(&older_id));
    assert!(seen.is_sorted());
}

/// A dump loaded into another cluster, and into a new database of the same one, is another history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_dump_is_a_new_incarnation() {
    let cluster = Cluster::start();
    let other_cluster = Cluster::start();
    for target in [&other_cluster, &cluster] {
        let (up_db, down_db) = (cluster.database(), cluster.database());
        let up = Upstream::start(&connect(&up_db).await).await.unwrap();
        let down = Downstream::start(&connect(&down_db).await, up.address, 1)
            .await
            .unwrap();
        let token = suite::fill(&up, "a", 20).await;
        suite::all_contained(&down, &token).await;
        let dump = cluster.dump(up_db.name());
        // The consumer sees what the dump does not have: the backup is older than the consumer.
        let later = suite::fill(&up, "b", 5).await;
        suite::all_contained(&down, &later).await;
        let before = up.publisher.incarnation_id();
        drop(down);
        drop(up);
        let restored_db = target.database();
        target.restore(&dump, restored_db.name());
        let restored = Upstream::start(&connect(&restored_db).await).await.unwrap();
        assert_ne!(restored.publisher.incarnation_id(), before);
        let down = Downstream::start(&connect(&down_db).await, restored.address, 1)
            .await
            .unwrap();
        let token = restored.put("a", "d1", "t1", Some(5)).await.unwrap();
        suite::all_contained(&down, &token).await;
        assert_eq!(suite::assert_equal(&restored, &down).await, 20);
    }
}

/// A promoted standby goes on with the same transaction ids on another timeline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_is_a_new_incarnation() {
    let cluster = Cluster::start();
    let consumers = Cluster::start();
    let (up_db, down_db) = (cluster.database_called("up"), consumers.database());
    let up = Upstream::start(&connect(&up_db).await).await.unwrap();
    let down = Downstream::start(&connect(&down_db).await, up.address, 1)
        .await
        .unwrap();
    let token = suite::fill(&up, "a", 20).await;
    suite::all_contained(&down, &token).await;
    let standby = cluster.standby();
    let before = up.publisher.incarnation_id();
    drop(down);
    drop(up);
    cluster.crash();
    standby.promote();
    let settings = DatabaseSettings {
        url: standby.url("up"),
        ..DatabaseSettings::default()
    };
    let promoted = Upstream::start(&Db::connect(&settings).await.unwrap())
        .await
        .unwrap();
    assert_ne!(promoted.publisher.incarnation_id(), before);
    let down = Downstream::start(&connect(&down_db).await, promoted.address, 1)
        .await
        .unwrap();
    let token = promoted.put("a", "d1", "t1", Some(5)).await.unwrap();
    suite::all_contained(&down, &token).await;
    assert_eq!(suite::assert_equal(&promoted, &down).await, 20);
}

/// A file copy put back cannot be told from the original; the runbook's `feed reset` makes it a new history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_copy_put_back_needs_a_reset() {
    let cluster = Cluster::start();
    let consumers = Cluster::start();
    let (up_db, down_db) = (cluster.database_called("up"), consumers.database());
    let up = Upstream::start(&connect(&up_db).await).await.unwrap();
    let down = Downstream::start(&connect(&down_db).await, up.address, 1)
        .await
        .unwrap();
    let token = suite::fill(&up, "a", 20).await;
    suite::all_contained(&down, &token).await;
    drop(up);
    let copy = cluster.copy_files();
    let up = Upstream::start(&connect(&up_db).await).await.unwrap();
    drop(down);
    let down = Downstream::start(&connect(&down_db).await, up.address, 1)
        .await
        .unwrap();
    let later = suite::fill(&up, "b", 5).await;
    suite::all_contained(&down, &later).await;
    drop(down);
    drop(up);
    cluster.put_back(&copy);
    let up = Upstream::start(&connect(&up_db).await).await.unwrap();
    let mut admin =
        mahnwerk_proto::common::v1::feed_admin_service_client::FeedAdminServiceClient::new(
            up.channel(),
        );
    let request = mahnwerk_proto::common::v1::ResetFeedRequest {
        request_id: "after-restore".to_owned(),
    };
    admin.reset_feed(request).await.unwrap();
    let down = Downstream::start(&connect(&down_db).await, up.address, 1)
        .await
        .unwrap();
    let token = up.put("a", "d1", "t1", Some(5)).await.unwrap();
    suite::all_contained(&down, &token).await;
    assert_eq!(suite::assert_equal(&up, &down).await, 20);
}

/// All orders of three writers' steps (begin, write, commit): nothing is lost, versions of a debtor arrive in order, and
/// a writer whose debtor is locked waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_order_of_three_writers_is_read_completely() {
    let cluster = Cluster::start();
    let up_db = cluster.database();
    let up = Upstream::start(&connect(&up_db).await).await.unwrap();
    let orders = orders();
    assert_eq!(orders.len(), 1_680);
    let mut client = FeedServiceClient::new(up.channel());
    let from =
        ConsistencyToken::decode(&up.put("start", "d", "t", Some(0)).await.unwrap()).unwrap();
    let watch = WatchRequest {
        consumer: "test".to_owned(),
        partitions: (0..64).collect(),
        from: Some(mahnwerk_feed::Position {
            incarnation: from.incarnation,
            tx: from.tx + 1,
        }),
    };
    let mut stream = client.watch(watch).await.unwrap().into_inner();
    let (mut blocked, mut events) = (0, 0);
    for (number, order) in orders.iter().enumerate() {
        blocked += play(&up, number, order).await;
        let creditor = format!("c{number}");
        let mut seen: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        while seen.values().map(Vec::len).sum::<usize>() < 3 {
            let message = stream.message().await.unwrap().unwrap();
            for change in message.changes {
                assert_eq!(change.creditor_id, creditor, "an event of another order");
                seen.entry(change.entity_id)
                    .or_default()
                    .push(change.version);
            }
        }
        assert_eq!(seen["same/t"], [1, 2], "order {order:?}");
        assert_eq!(seen["other/t"], [1], "order {order:?}");
        events += 3;
    }
    println!(
        "{} orders, {events} events, {blocked} forbidden begins seen to block",
        orders.len()
    );
    assert_eq!(events, 5_040);
    assert!(blocked > 500);
}

/// Plays one order: writers 0 and 1 are on the same debtor, 2 on another one. A begin that the order puts while the
/// other writer of the debtor is open must block; it then comes through when that one has committed, and the steps the
/// order wanted in between are made up in the same sequence. Answers how many begins blocked.
async fn play(up: &Upstream, number: usize, order: &[usize]) -> usize {
    let creditor = format!("c{number}");
    let debtor = |writer: usize| if writer == 2 { "other" } else { "same" };
    let mut open: [Option<WriteTx>; 3] = [None, None, None];
    let mut waiting: Option<(usize, tokio::task::JoinHandle<WriteTx>)> = None;
    let mut postponed = Vec::new();
    let mut steps = [0; 3];
    let mut blocked = 0;
    let mut queue: std::collections::VecDeque<usize> = order.iter().copied().collect();
    while let Some(writer) = queue.pop_front() {
        if waiting.as_ref().is_some_and(|(waits, _)| *waits == writer) {
            postponed.push(writer);
            continue;
        }
        match steps[writer] {
            0 => {
                let rival = match writer {
                    0 => open[1].is_some(),
                    1 => open[0].is_some(),
                    _ => false,
                };
                if rival {
                    let (publisher, creditor) = (up.publisher.clone(), creditor.clone());
                    let task = tokio::spawn(async move {
                        let locks = mahnwerk_feed::Locks::debtor(&creditor, "same");
                        WriteTx::begin(&publisher, locks, mahnwerk_feed::Cause::default())
                            .await
                            .unwrap()
                    });
                    assert_blocks(up, &task).await;
                    blocked += 1;
                    waiting = Some((writer, task));
                } else {
                    open[writer] = Some(up.begin(&creditor, debtor(writer)).await.unwrap());
                }
            }
            1 => {
                let tx = open[writer].as_mut().unwrap();
                toy::put(tx, &creditor, debtor(writer), "t", Some(1))
                    .await
                    .unwrap();
            }
            _ => {
                open[writer].take().unwrap().commit().await.unwrap();
                if writer != 2
                    && let Some((waits, task)) = waiting.take()
                {
                    open[waits] = Some(task.await.unwrap());
                    for step in postponed.drain(..).rev() {
                        queue.push_front(step);
                    }
                }
            }
        }
        steps[writer] += 1;
    }
    assert_eq!(steps, [3, 3, 3]);
    blocked
}

/// The database itself says that somebody waits for an advisory lock, and the task has not come through.
async fn assert_blocks(up: &Upstream, task: &tokio::task::JoinHandle<WriteTx>) {
    loop {
        let row = up
            .publisher
            .db()
            .query_one(
                "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
                vec![],
            )
            .await
            .unwrap()
            .unwrap();
        assert!(
            !task.is_finished(),
            "a begin came through while its debtor was locked"
        );
        if column::<i64>(&row, "n").unwrap() > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// All sequences in which each of three writers makes three steps.
fn orders() -> Vec<Vec<usize>> {
    fn extend(order: &mut Vec<usize>, left: &mut [usize; 3], all: &mut Vec<Vec<usize>>) {
        if order.len() == 9 {
            all.push(order.clone());
            return;
        }
        for writer in 0..3 {
            if left[writer] > 0 {
                left[writer] -= 1;
                order.push(writer);
                extend(order, left, all);
                order.pop();
                left[writer] += 1;
            }
        }
    }
    let mut all = Vec::new();
    extend(&mut Vec::new(), &mut [3; 3], &mut all);
    all
}
