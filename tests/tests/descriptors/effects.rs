//! What writes leave behind.

use mahnwerk_runtime::db::{Db, Sql as _, column};

/// Everything that a write can leave behind, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects(Vec<i64>);

const REGISTRY: &[&str] = &[
    "SELECT count(*) AS n FROM event",
    "SELECT count(*) AS n FROM import_row",
    "SELECT count(*) AS n FROM idempotency",
    "SELECT count(*) AS n FROM item",
    "SELECT count(*) AS n FROM approval",
];

// Scores are computed in the background, not by calls.
const SCORING: &[&str] = &[
    "SELECT count(*) AS n FROM event WHERE entity <> 'score'",
    "SELECT count(*) AS n FROM credit_decision",
    "SELECT count(*) AS n FROM feed_parked_change",
    "SELECT count(*) AS n FROM idempotency",
];

// Debtors move in the background as well, and a creditor begins with the starter schemes.
const SEGMENTATION: &[&str] = &[
    "SELECT count(*) AS n FROM scheme WHERE revision > 1 \
     OR scheme_id NOT IN ('payer_speed', 'risk', 'value', 'lifecycle', 'treatment')",
    "SELECT count(*) AS n FROM activation",
    "SELECT count(*) AS n FROM pin",
    "SELECT count(*) AS n FROM idempotency",
];

// Notices and tasks of a run are made in the background, and a creditor begins with the starter procedures.
const DUNNING: &[&str] = &[
    "SELECT count(*) AS n FROM procedure_revision WHERE revision > 1 \
     OR procedure_id NOT IN ('courteous', 'standard', 'strict', 'new_customer')",
    "SELECT count(*) AS n FROM dunning_settings",
    "SELECT count(*) AS n FROM pause",
    "SELECT count(*) AS n FROM pause_history",
    "SELECT count(*) AS n FROM manual_mode",
    "SELECT count(*) AS n FROM run",
    "SELECT count(*) AS n FROM dispatch",
    "SELECT count(*) AS n FROM idempotency",
];

impl Effects {
    /// Counts now, in the databases of the services in their order.
    pub async fn count(dbs: &[Db]) -> Self {
        let mut counts = Vec::new();
        let queries = [REGISTRY, SCORING, SEGMENTATION, DUNNING];
        for (db, queries) in dbs.iter().zip(queries) {
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
