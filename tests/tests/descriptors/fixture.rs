//! A creditor of its own with one thing of every kind, so that every method has something to work on.

use e2e::{
    suite::Suite,
    world::{TODAY, euro, invoice, payment},
};
use mahnwerk_proto::{
    common::v1::{Change, ListSnapshotRequest},
    registry::v1::{
        FxRate, GetItemRequest, ImportChunk, ImportLedgerRequest, ImportRow, ImportStart, ItemKind,
        SetFxRateRequest, import_ledger_request::Message, import_row::Record,
    },
    scoring::v1::CheckCreditRequest,
};
use mahnwerk_runtime::db::{Db, Sql as _, column};
use prost::Message as _;

/// The ids of one fixture. The creditor is its own; below it the ids are always the same.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// The creditor. Its debtor is `d1`, with contact points `cp-1` and `cp-2`, invoices `open-1` and `settled-1`
    /// (settled by payment `pay-1`), and the unallocated payment `pay-2`. Import `imp-1` was made.
    pub creditor: String,
    /// The allocation that settled `settled-1`.
    pub entry: String,
    /// A credit decision on `d1`.
    pub decision: String,
    /// Where the feed can be read from.
    pub incarnation: String,
    /// Where the feed can be read from.
    pub tx: i64,
    /// A consistency token of the registry.
    pub token: String,
}

impl Fixture {
    /// Ids of nothing, for tests that make no calls.
    pub fn imagined() -> Self {
        Self {
            creditor: "c0".to_owned(),
            entry: "e".to_owned(),
            decision: "x".to_owned(),
            incarnation: "i".to_owned(),
            tx: 1,
            token: String::new(),
        }
    }

    /// Creates everything in `suite`.
    pub async fn create(suite: &Suite, number: usize) -> Self {
        let mut clients = suite.clients();
        let creditor = format!("c{number}");
        let c = creditor.as_str();
        let snapshot = clients
            .feed
            .list_snapshot(ListSnapshotRequest {
                partitions: (0..64).collect(),
                ..ListSnapshotRequest::default()
            })
            .await
            .expect("a page of the snapshot")
            .into_inner();
        let start = snapshot.start.expect("where to read on");

        clients.open_creditor(c).await;
        clients.add_debtor(c, "d1").await;
        for contact in ["cp-1", "cp-2"] {
            clients.add_contact_point(c, "d1", contact).await;
        }
        clients
            .add_invoice(invoice(c, "d1", "open-1", 10_000))
            .await;
        clients
            .add_invoice(invoice(c, "d1", "settled-1", 5_000))
            .await;
        clients
            .add_payment(payment(c, "d1", "pay-1", 5_000), &[("settled-1", 5_000)])
            .await;
        clients
            .add_payment(payment(c, "d1", "pay-2", 4_000), &[])
            .await;
        let fixture = Self {
            entry: entry_of(suite, c).await,
            decision: String::new(),
            incarnation: start.incarnation,
            tx: start.tx,
            token: set_rate_and_import(suite, c).await,
            creditor,
        };
        park(&suite.scoring_db().await, &fixture.creditor).await;
        let decision = decide(suite, &fixture).await;
        Self {
            decision,
            ..fixture
        }
    }
}

async fn entry_of(suite: &Suite, creditor: &str) -> String {
    let item = suite
        .clients()
        .accounts
        .get_item(GetItemRequest {
            creditor_id: creditor.to_owned(),
            kind: ItemKind::Invoice.into(),
            item_id: "settled-1".to_owned(),
            at_least: String::new(),
        })
        .await
        .expect("the invoice")
        .into_inner()
        .item
        .expect("an item");
    item.entries[0].entry_id.clone()
}

async fn set_rate_and_import(suite: &Suite, creditor: &str) -> String {
    let mut clients = suite.clients();
    let rate = FxRate {
        creditor_id: creditor.to_owned(),
        base_currency: "USD".to_owned(),
        quote_currency: "EUR".to_owned(),
        rate_date: Some(TODAY),
        numerator: 9,
        denominator: 10,
        source: "ECB".to_owned(),
        version: 0,
    };
    clients
        .creditors
        .set_fx_rate(SetFxRateRequest {
            request_id: format!("rate-{creditor}"),
            fx_rate: Some(rate),
        })
        .await
        .expect("a rate");
    let start = ImportStart {
        creditor_id: creditor.to_owned(),
        import_id: "imp-1".to_owned(),
    };
    let row = ImportRow {
        row_number: 1,
        record: Some(Record::Invoice(invoice("", "d1", "imported-1", 700))),
    };
    let messages = [
        Message::Start(start),
        Message::Chunk(ImportChunk { rows: vec![row] }),
    ]
    .map(|message| ImportLedgerRequest {
        message: Some(message),
    });
    let mut answers = clients
        .imports
        .import_ledger(tokio_stream::iter(messages))
        .await
        .expect("an import")
        .into_inner();
    let answer = answers.message().await.expect("an answer").expect("one");
    assert_eq!(answer.accepted, 1, "{answer:?}");
    answer.consistency_token
}

async fn decide(suite: &Suite, fixture: &Fixture) -> String {
    e2e::suite::patiently(async || {
        suite
            .clients()
            .scores
            .check_credit(CheckCreditRequest {
                request_id: "decide".to_owned(),
                creditor_id: fixture.creditor.clone(),
                debtor_id: "d1".to_owned(),
                order_id: "order-0".to_owned(),
                amount: Some(euro(1_000)),
                at_least: fixture.token.clone(),
                language: String::new(),
            })
            .await
    })
    .await
    .into_inner()
    .decision
    .expect("a decision")
    .decision_id
}

/// Parks a debtor called `parked` at scoring with two changes that nobody can read.
async fn park(db: &Db, creditor: &str) {
    let part = mahnwerk_feed::partition(creditor, "parked");
    db.execute(
        "INSERT INTO feed_parked (feed, creditor_id, debtor_id, part, error, entity, entity_id, parked_at) \
         VALUES ('registry', $1, 'parked', $2, 'made by a test', 'debtor', 'parked', 1)",
        vec![creditor.into(), part.into()],
    )
    .await
    .expect("a parked debtor");
    for number in [1_i64, 2] {
        let change = Change {
            seq: number,
            tx: number,
            partition: i32::try_from(part).expect("a partition"),
            creditor_id: creditor.to_owned(),
            debtor_id: "parked".to_owned(),
            entity: "debtor".to_owned(),
            entity_id: "parked".to_owned(),
            version: number,
            state: Some(prost_types::Any {
                type_url: "type.googleapis.com/mahnwerk.registry.v1.Debtor".to_owned(),
                value: vec![0xff; 9],
            }),
            ..Change::default()
        };
        db.execute(
            "INSERT INTO feed_parked_change (feed, creditor_id, debtor_id, number, part, change) \
             VALUES ('registry', $1, 'parked', $2, $3, $4)",
            vec![
                creditor.into(),
                number.into(),
                mahnwerk_feed::partition(creditor, "parked").into(),
                change.encode_to_vec().into(),
            ],
        )
        .await
        .expect("a parked change");
    }
}

/// Everything that a write can leave behind, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects(Vec<i64>);

const REGISTRY: [&str; 4] = [
    "SELECT count(*) AS n FROM event",
    "SELECT count(*) AS n FROM import_row",
    "SELECT count(*) AS n FROM idempotency",
    "SELECT count(*) AS n FROM item",
];

// Scores are computed in the background, not by calls.
const SCORING: [&str; 4] = [
    "SELECT count(*) AS n FROM event WHERE entity <> 'score'",
    "SELECT count(*) AS n FROM credit_decision",
    "SELECT count(*) AS n FROM feed_parked_change",
    "SELECT count(*) AS n FROM idempotency",
];

impl Effects {
    /// Counts now.
    pub async fn count(registry: &Db, scoring: &Db) -> Self {
        let mut counts = Vec::new();
        for (db, queries) in [(registry, REGISTRY), (scoring, SCORING)] {
            for query in queries {
                let row = db
                    .query_one(query, vec![])
                    .await
                    .expect(query)
                    .expect("a row");
                counts.push(column(&row, "n").expect("a number"));
            }
        }
        Self(counts)
    }

    /// What has been added since `earlier`.
    pub fn since(&self, earlier: &Self) -> Vec<i64> {
        self.0
            .iter()
            .zip(&earlier.0)
            .map(|(now, then)| now - then)
            .collect()
    }
}
