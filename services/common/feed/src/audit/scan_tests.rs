//! The plans of the statements: by index, in its order, whatever is known of the table.

#[path = "../../../../../tests/src/postgres.rs"]
#[expect(dead_code, reason = "the harness serves other tests too")]
mod postgres;

use mahnwerk_runtime::db::{DatabaseSettings, Db, Migrations};

use super::*;
use crate::begin_measuring;

/// 40 debtors of 3 creditors, 20,000 events.
const FILL: &str = "INSERT INTO event (tx, part, creditor_id, debtor_id, entity, entity_id, version, action, \
    principal, request_id, traceparent, recorded_at, deleted) \
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000) \
    SELECT n / 4, 0, 'c' || (n % 3), 'd' || (n % 40), 'item', 'i', n, 'created', 'p', 'r', '', n, 0 FROM number";

async fn db(url: String) -> Db {
    let settings = DatabaseSettings {
        url,
        ..DatabaseSettings::default()
    };
    let db = Db::connect(&settings).await.unwrap();
    Migrations(vec![crate::MIGRATION]).apply(&db).await.unwrap();
    db
}

fn filter(debtor_id: &str) -> Filter {
    Filter {
        creditor_id: "c1".to_owned(),
        debtor_id: debtor_id.to_owned(),
        entity: "item".to_owned(),
        entity_id: String::new(),
        principal: String::new(),
        request_id: String::new(),
        trace_id: String::new(),
        from: Micros::MIN,
        until: Micros::MAX,
    }
}

/// The lines in which the engine says how it would read the pages that begin at `place`.
async fn plans(db: &Db, debtor_id: &str, place: Place) -> Vec<String> {
    let history = History {
        incarnation: String::new(),
        began: 0,
        floor: 10_000,
        horizon: 5_000,
    };
    let (explain, line) = if db.is_postgres() {
        ("EXPLAIN (COSTS OFF)", "QUERY PLAN")
    } else {
        ("EXPLAIN QUERY PLAN", "detail")
    };
    let filter = filter(debtor_id);
    let scan = Scan::new(&filter, &history, place).unwrap();
    let txn = begin_measuring(db).await.unwrap();
    let mut lines = Vec::new();
    for (sql, values) in [scan.matching(&filter, 0, 100), scan.last_looked_at()] {
        let rows = txn.query(&format!("{explain} {sql}"), values).await;
        let rows = rows.unwrap();
        lines.extend(rows.iter().map(|row| column::<String>(row, line).unwrap()));
    }
    lines
}

/// Every place is read by this index, in its order.
async fn assert_by_index(db: &Db, primary_key: &str) {
    for (debtor_id, place, index) in [
        ("d1", Place::Seq(7), "event_debtor"),
        ("", Place::Seq(7), primary_key),
        ("", Place::Tx(7, 7), "event_tx_seq"),
    ] {
        let lines = plans(db, debtor_id, place).await;
        let found = lines.iter().filter(|it| it.contains(index)).count();
        assert_eq!(found, 2, "{place:?}: {lines:#?}");
        let wrong = ["Seq Scan", "Bitmap", "Sort", "SCAN event"];
        let is_wrong = |line: &String| wrong.iter().any(|it| line.contains(it));
        assert!(!lines.iter().any(is_wrong), "{place:?}: {lines:#?}");
    }
}

#[tokio::test]
async fn pages_are_read_by_index_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.db");
    let db = db(format!("sqlite://{}?mode=rwc", path.display())).await;
    assert_by_index(&db, "PRIMARY KEY").await;
    db.execute(FILL, vec![]).await.unwrap();
    assert_by_index(&db, "PRIMARY KEY").await;
}

#[tokio::test]
async fn pages_are_read_by_index_on_postgres() {
    let cluster = postgres::Cluster::shared();
    let database = cluster.database();
    let db = db(database.url()).await;
    // A new table, one that has grown since anybody looked, and one that is known.
    assert_by_index(&db, "event_pkey").await;
    db.execute(FILL, vec![]).await.unwrap();
    assert_by_index(&db, "event_pkey").await;
    db.execute("ANALYZE event", vec![]).await.unwrap();
    assert_by_index(&db, "event_pkey").await;
}
