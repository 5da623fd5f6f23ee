//! What scoring states on its own feed about the registry's: never more than it has applied, and soon after.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use e2e::{
    postgres::Cluster,
    suite::{Clients, connect},
    world::{invoice, payment},
};
use mahnwerk_feed::partition;
use mahnwerk_proto::{
    common::v1::{Change, ContainedPosition, ListSnapshotRequest, WatchRequest, WatchResponse},
    scoring::v1::ScoreState,
};
use mahnwerk_runtime::{
    db::{Sql, WriteTxn},
    token::ConsistencyToken,
};
use prost::Message;
use tokio::time::{Instant, timeout};
use tonic::Streaming;

use crate::feed_torture::stage::{CREDITOR, DEBTORS, Site, Stage};

/// Rounds of payments, one for every debtor each.
const ROUNDS: usize = 12;

/// Longest wait for a position that contains a write. A bookmark follows a moved cursor after 100 ms; the rest is for
/// a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// How long nothing may be stated while a writer is open.
const WHILE: Duration = Duration::from_millis(700);

/// A paid invoice: the write, and how many invoices of the debtor were settled with it.
#[derive(Clone)]
struct Paid {
    debtor_id: String,
    part: i32,
    tx: i64,
    settled: i64,
}

/// A reader of scoring's feed with everything it has been told.
struct Reader {
    stream: Streaming<WatchResponse>,
    /// Settled invoices by debtor, from the scores on the feed.
    settled: BTreeMap<String, i64>,
    /// Stated positions of the registry by partition.
    contained: BTreeMap<i32, i64>,
    /// The history that these positions are of.
    incarnation: String,
}

impl Reader {
    async fn open(clients: &mut Clients, incarnation: &str) -> Self {
        let partitions: Vec<i32> = (0..64).collect();
        let request = ListSnapshotRequest {
            partitions: partitions.clone(),
            ..ListSnapshotRequest::default()
        };
        let page = clients.scoring_feed.list_snapshot(request).await;
        let page = page.expect("a snapshot").into_inner();
        assert_eq!(page.next_page_token, "", "a small snapshot");
        let watch = WatchRequest {
            consumer: "test".to_owned(),
            partitions,
            from: page.start,
        };
        let stream = clients.scoring_feed.watch(watch).await;
        let mut reader = Self {
            stream: stream.expect("a stream").into_inner(),
            settled: BTreeMap::new(),
            contained: BTreeMap::new(),
            incarnation: incarnation.to_owned(),
        };
        reader.learn(&page.changes);
        reader
    }

    fn learn(&mut self, changes: &[Change]) {
        for change in changes {
            let state = change.state.as_ref().expect("nobody is removed");
            let state = ScoreState::decode(state.value.as_slice()).expect("a score");
            let score = state.score.expect("a score");
            self.settled.insert(score.debtor_id, score.settled_items);
        }
    }

    /// The next message; the positions in it that have moved.
    async fn next(&mut self) -> (WatchResponse, Vec<ContainedPosition>) {
        let message = self.stream.message().await;
        let message = message.expect("no error").expect("no end");
        self.learn(&message.changes);
        for stated in &message.contained {
            assert_eq!(stated.feed, "registry");
            let position = stated.position.as_ref().expect("a position");
            assert_eq!(position.incarnation, self.incarnation);
            let before = self.contained.insert(stated.partition, position.tx);
            assert!(before <= Some(position.tx), "a position went back");
        }
        let contained = message.contained.clone();
        (message, contained)
    }

    /// Reads until a partition contains a write. Answers whether that was told by a bookmark.
    async fn until_contained(&mut self, token: &ConsistencyToken, part: i32) -> bool {
        let search = async {
            loop {
                let (message, _) = self.next().await;
                if self.contained.get(&part) > Some(&token.tx) {
                    return message.changes.is_empty();
                }
            }
        };
        timeout(SOON, search)
            .await
            .expect("a stated position, soon")
    }
}

fn part_of(debtor_id: &str) -> i32 {
    i32::try_from(partition(CREDITOR, debtor_id)).expect("a partition")
}

/// Pays one invoice after the other, and records every one when its call has been answered.
async fn pay(mut clients: Clients, before: BTreeMap<String, i64>, paid: Arc<Mutex<Vec<Paid>>>) {
    for round in 1..=ROUNDS {
        for (debtor_id, settled) in &before {
            let id = format!("{round}-{debtor_id}");
            clients
                .add_invoice(invoice(CREDITOR, debtor_id, &id, 1_000))
                .await;
            let payment = payment(CREDITOR, debtor_id, &id, 1_000);
            let token = clients.add_payment(payment, &[(&id, 1_000)]).await;
            let tx = ConsistencyToken::decode(&token).expect("a token").tx;
            paid.lock().unwrap().push(Paid {
                debtor_id: debtor_id.clone(),
                part: part_of(debtor_id),
                tx,
                settled: settled + i64::try_from(round).expect("few rounds"),
            });
        }
    }
}

fn incarnation(token: &str) -> String {
    ConsistencyToken::decode(token)
        .expect("a token")
        .incarnation
}

/// With every position that is stated, all payments before it are in what the stream has told and in what is read
/// without a token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stated_positions_never_run_ahead_of_what_is_applied() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let token = stage.post(DEBTORS).await;
    stage.arrive(&token).await;
    let mut reader = Reader::open(&mut stage.clients(), &incarnation(&token)).await;
    assert_eq!(reader.settled.len(), DEBTORS);
    let paid = Arc::new(Mutex::new(Vec::<Paid>::new()));
    let payer = tokio::spawn(pay(stage.clients(), reader.settled.clone(), paid.clone()));

    let expected = ROUNDS * DEBTORS;
    let (mut positions, mut checks, mut bookmarks) = (0, 0, 0);
    let covered = async {
        loop {
            let (message, stated) = reader.next().await;
            bookmarks += usize::from(message.changes.is_empty());
            let known = paid.lock().unwrap().clone();
            for stated in &stated {
                positions += 1;
                let at = stated.position.as_ref().expect("a position").tx;
                let before = known
                    .iter()
                    .rev()
                    .find(|paid| paid.part == stated.partition && paid.tx < at);
                let Some(paid) = before else { continue };
                assert!(
                    reader.settled[&paid.debtor_id] >= paid.settled,
                    "stated, but not on the feed"
                );
                let read = stage.score_of(CREDITOR, &paid.debtor_id, "").await;
                assert!(read.expect("a score").settled_items >= paid.settled);
                checks += 1;
            }
            let is_contained = |paid: &Paid| reader.contained.get(&paid.part) > Some(&paid.tx);
            if known.len() == expected && known.iter().all(is_contained) {
                return;
            }
        }
    };
    timeout(Duration::from_secs(60), covered)
        .await
        .expect("positions that contain every payment");
    payer.await.expect("the payments");
    println!(
        "{expected} payments, {positions} stated positions, {checks} compared with the feed and with reads, \
         {bookmarks} bookmarks"
    );
    assert!(checks > 0 && bookmarks > 0);
    stage.go_on().await;
}

/// A write that changes no score is told by a bookmark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_follows_a_write_that_changes_no_score() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let token = stage.post(DEBTORS).await;
    stage.arrive(&token).await;
    let mut reader = Reader::open(&mut stage.clients(), &incarnation(&token)).await;
    let mut waits = Vec::new();
    for number in 0..10 {
        let began = Instant::now();
        let token = stage
            .clients()
            .add_contact_point(CREDITOR, "d1", &format!("c{number}"))
            .await;
        let token = ConsistencyToken::decode(&token).expect("a token");
        assert!(reader.until_contained(&token, part_of("d1")).await);
        waits.push(began.elapsed().as_millis());
    }
    println!("milliseconds from the write to its bookmark: {waits:?}");
    stage.go_on().await;
}

/// Begins a transaction that has written something.
async fn open_writer(site: &Site) -> WriteTxn {
    let db = connect(&site.url()).await;
    let writer = db.begin_write().await.expect("a transaction");
    let write = writer.execute_sql("CREATE TABLE elsewhere (x BIGINT)", vec![]);
    write.await.expect("a write");
    writer
}

/// While a writer is open in scoring's cluster, reads contain what scoring applies, but nothing is stated: an event that
/// belongs to the position could still be invisible to the feed's readers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_position_is_stated_beyond_an_open_writer() {
    let (registry, scoring) = (Cluster::start(), Cluster::start());
    let mut stage = Stage::open(&registry, &scoring).await;
    let token = stage.post(DEBTORS).await;
    stage.arrive(&token).await;
    let mut reader = Reader::open(&mut stage.clients(), &incarnation(&token)).await;
    let elsewhere = Site::create(&scoring);
    let writer = open_writer(&elsewhere).await;
    let token = stage.post(DEBTORS).await;
    stage.arrive(&token).await;
    let decoded = ConsistencyToken::decode(&token).expect("a token");
    let part = part_of(&format!("d{}", DEBTORS - 1));
    let early = timeout(WHILE, async {
        while reader.contained.get(&part) <= Some(&decoded.tx) {
            reader.next().await;
        }
    });
    assert!(early.await.is_err(), "stated while a writer was open");
    writer.commit().await.expect("a commit");
    reader.until_contained(&decoded, part).await;
    stage.agree("after the writer ended", &token).await;
    stage.go_on().await;
}
