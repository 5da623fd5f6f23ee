//! The feed as a consumer reads it, snapshot and catch-up, against reading the same rows by keyset.

use mahnwerk_proto::common::v1::{ListSnapshotRequest, Position, WatchRequest};
use mahnwerk_runtime::db::{Db, Sql as _, column};
use tokio::time::Instant;

use super::{Line, portfolio::Portfolio, tell};
use crate::suite::{Service, connect};

/// Rows per page, on both sides.
const PAGE: i32 = 1_000;

pub async fn measure(portfolio: &Portfolio) -> [Line; 2] {
    tell("feed: snapshot and catch-up");
    let db = connect(portfolio.databases.url(Service::Registry)).await;
    let (items, seconds) = read_items(&db).await;
    let floor = items / seconds;
    let (rows, seconds, until) = read_snapshot(portfolio).await;
    let snapshot = Line {
        what: "feed snapshot, against keyset reads".to_owned(),
        unit: "rows",
        floor: Some(floor),
        rate: rows / seconds,
        budget: Some(0.3),
        latency: None,
    };
    let (events, seconds) = read_events(&db).await;
    let floor = events / seconds;
    let (changes, seconds) = catch_up(portfolio, &db, &until).await;
    let catch_up = Line {
        what: "feed catch-up, against keyset reads".to_owned(),
        unit: "rows",
        floor: Some(floor),
        rate: changes / seconds,
        budget: Some(0.3),
        latency: None,
    };
    [snapshot, catch_up]
}

async fn read_items(db: &Db) -> (f64, f64) {
    let began = Instant::now();
    let (mut after, mut count) = (String::new(), 0_usize);
    loop {
        let rows = db
            .query(
                "SELECT * FROM item WHERE creditor_id = 'bench' AND kind = 'invoice' AND item_id > $1 \
                 ORDER BY item_id LIMIT $2",
                vec![after.clone().into(), i64::from(PAGE).into()],
            )
            .await
            .expect("a page");
        let Some(last) = rows.last() else { break };
        after = column(last, "item_id").expect("a key");
        count += rows.len();
    }
    (count as f64, began.elapsed().as_secs_f64())
}

async fn read_events(db: &Db) -> (f64, f64) {
    let began = Instant::now();
    let (mut tx, mut seq, mut count) = (0_i64, 0_i64, 0_usize);
    loop {
        let rows = db
            .query(
                "SELECT * FROM event WHERE (tx, seq) > ($1, $2) ORDER BY tx, seq LIMIT $3",
                vec![tx.into(), seq.into(), i64::from(PAGE).into()],
            )
            .await
            .expect("a page");
        let Some(last) = rows.last() else { break };
        tx = column(last, "tx").expect("a key");
        seq = column(last, "seq").expect("a key");
        count += rows.len();
    }
    (count as f64, began.elapsed().as_secs_f64())
}

async fn read_snapshot(portfolio: &Portfolio) -> (f64, f64, Position) {
    let mut client = portfolio.clients().feed.max_decoding_message_size(64 << 20);
    let began = Instant::now();
    let (mut page_token, mut count) = (String::new(), 0_usize);
    loop {
        let request = ListSnapshotRequest {
            partitions: (0..64).collect(),
            page_size: PAGE,
            page_token,
        };
        let page = client
            .list_snapshot(request)
            .await
            .expect("a page")
            .into_inner();
        count += page.changes.len();
        page_token = page.next_page_token;
        if let Some(end) = page.end.filter(|_| page_token.is_empty()) {
            return (count as f64, began.elapsed().as_secs_f64(), end);
        }
    }
}

/// Reads all events there are, as a consumer does that was away since the beginning.
async fn catch_up(portfolio: &Portfolio, db: &Db, until: &Position) -> (f64, f64) {
    let row = db
        .query_one("SELECT retained_from FROM feed_retention", vec![])
        .await
        .expect("a query")
        .expect("a row");
    let from = Position {
        incarnation: until.incarnation.clone(),
        tx: column(&row, "retained_from").expect("a number"),
    };
    let mut client = portfolio.clients().feed.max_decoding_message_size(64 << 20);
    let began = Instant::now();
    let request = WatchRequest {
        consumer: "bench".to_owned(),
        partitions: (0..64).collect(),
        from: Some(from),
    };
    let mut stream = client.watch(request).await.expect("a stream").into_inner();
    let mut count = 0_usize;
    while let Some(message) = stream.message().await.expect("a message") {
        count += message.changes.len();
        if message
            .position
            .is_some_and(|reached| reached.tx >= until.tx)
        {
            break;
        }
    }
    (count as f64, began.elapsed().as_secs_f64())
}
