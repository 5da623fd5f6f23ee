//! Replays: to the byte whatever was posted since, by a process that has nothing to copy from, and with every difference
//! told.

use e2e::{
    portfolio,
    reminders::{Reminders, Replayed},
    suite::{Databases, Service, connect},
};
use mahnwerk_runtime::db::{Db, Sql as _, column};
use serde_json::Value;

/// Differences told of one run.
const TOLD: usize = 100;

/// Posts a payment for every second debtor, and replays the run as it is, with no stored plan, and with one input altered;
/// `plan` is how it was replayed before.
pub async fn hold(
    databases: &Databases,
    reminders: &Reminders<'_>,
    run_id: &str,
    plan: &Replayed,
    debtors: usize,
) {
    let mut clients = reminders.fleet.clients(0);
    let payments = portfolio::payments(0..debtors / 2, "later", 1_000);
    let token = clients
        .import(reminders.creditor_id, "later", payments)
        .await;
    reminders.arrived(&token).await;
    assert_eq!(
        &reminders.replay(run_id).await,
        plan,
        "after {} payments",
        debtors / 2
    );

    let db = connect(databases.url(Service::Dunning)).await;
    let stored = Stored { db: &db, run_id };
    stored.blank().await;
    // A process that was not there when the run was proposed.
    reminders.fleet.kill(Service::Dunning, 0).await;
    let blind = reminders.replay(run_id).await;
    assert_eq!(blind.digest, plan.digest, "without a stored plan");
    assert_eq!(
        (blind.replayed, blind.differing),
        (plan.replayed, plan.replayed)
    );
    assert_eq!(blind.differences.len(), TOLD);
    for difference in &blind.differences {
        assert_eq!(difference.stored, "");
        assert_eq!(
            difference.replayed,
            stored.kept(&difference.debtor_id).await
        );
    }
    stored.put_back().await;
    assert_eq!(&reminders.replay(run_id).await, plan);

    let (altered, amount) = stored.alter_an_input().await;
    let told = reminders.replay(run_id).await;
    assert_eq!((told.replayed, told.differing), (plan.replayed, 1));
    assert_ne!(told.digest, plan.digest);
    let [difference] = told.differences.as_slice() else {
        panic!("{} differences", told.differences.len());
    };
    assert_eq!(difference.debtor_id, altered);
    assert_eq!(difference.stored, stored.kept(&altered).await);
    assert!(difference.replayed.contains(&amount), "{difference:?}");
    assert!(!difference.stored.contains(&amount), "{difference:?}");
}

/// What is stored of a run.
struct Stored<'a> {
    db: &'a Db,
    run_id: &'a str,
}

impl Stored<'_> {
    async fn execute(&self, sql: &str) -> u64 {
        let done = self.db.execute(sql, vec![self.run_id.into()]).await;
        done.expect(sql)
    }

    /// Removes everything that was proposed, and what came of it.
    async fn blank(&self) {
        self.db
            .execute(
                "CREATE TABLE kept (debtor_id TEXT PRIMARY KEY, plan TEXT NOT NULL)",
                vec![],
            )
            .await
            .expect("a table");
        self.execute("INSERT INTO kept SELECT debtor_id, plan FROM run_debtor WHERE run_id = $1")
            .await;
        self.execute("UPDATE run_debtor SET plan = '' WHERE run_id = $1")
            .await;
        let notices =
            "UPDATE notice SET content = '', findings = '', before = '' WHERE run_id = $1";
        self.execute(notices).await;
    }

    async fn put_back(&self) {
        self.execute(
            "UPDATE run_debtor SET plan = kept.plan FROM kept \
             WHERE run_debtor.run_id = $1 AND kept.debtor_id = run_debtor.debtor_id",
        )
        .await;
    }

    /// The plan that was stored for a debtor.
    async fn kept(&self, debtor_id: &str) -> String {
        let sql = "SELECT plan FROM kept WHERE debtor_id = $1";
        let row = self.db.query_one(sql, vec![debtor_id.into()]).await;
        column(&row.expect(sql).expect("a plan"), "plan").expect("text")
    }

    /// Lets one debtor owe another amount. Returns who it is, and the amount as it stands in plans.
    async fn alter_an_input(&self) -> (String, String) {
        let sql = "SELECT debtor_id, input FROM run_debtor WHERE run_id = $1 AND plan LIKE '%\"dunned\":%' \
                   ORDER BY debtor_id OFFSET 7 LIMIT 1";
        let row = self.db.query_one(sql, vec![self.run_id.into()]).await;
        let row = row.expect(sql).expect("a debtor");
        let debtor_id: String = column(&row, "debtor_id").expect("text");
        let input: String = column(&row, "input").expect("text");
        let mut input: Value = serde_json::from_str(&input).expect("an input");
        let open = &mut input["items"][0]["open"];
        let amount = open.as_i64().expect("an amount") + 123_456;
        *open = amount.into();
        let sql = "UPDATE run_debtor SET input = $1 WHERE run_id = $2 AND debtor_id = $3";
        let values = vec![
            input.to_string().into(),
            self.run_id.into(),
            debtor_id.as_str().into(),
        ];
        self.db.execute(sql, values).await.expect(sql);
        (debtor_id, format!("\"open\":{amount}"))
    }
}
