//! Scoring away for longer than the registry keeps payloads: its cursor has expired, and a new snapshot replaces what it
//! knows.

use std::sync::Arc;

use e2e::{postgres::Cluster, suite::connect, world::debtor};
use mahnwerk_feed::{Publisher, expire_events};
use mahnwerk_proto::registry::v1::CreateDebtorRequest;
use mahnwerk_registry::{SERVICE, feed::ENTITIES};
use mahnwerk_runtime::{
    clock::{SharedClock, SystemClock},
    ids::SystemIds,
};
use tonic::Code;

use crate::feed_torture::stage::{CREDITOR, DEBTORS, Stage};

/// More than any scene writes.
const EVERYTHING: i64 = 100_000;

const GENERATION: &str = "SELECT max(generation) FROM feed_cursor";

/// What the registry's hourly retention does, as if all that is there were old. Answers how many payloads it emptied.
async fn forget_everything(stage: &Stage) -> u64 {
    let clock: SharedClock = Arc::new(SystemClock);
    let ids = Arc::new(SystemIds(clock.clone()));
    let db = connect(&stage.registry_site.url()).await;
    let publisher = Publisher::open(db, SERVICE, ENTITIES, clock.clone(), ids)
        .await
        .expect("the registry's feed");
    let emptied = expire_events(&publisher, clock.now() + 1, 0, EVERYTHING).await;
    emptied.expect("retention").emptied
}

/// As when old data is archived: rows go, no event says so.
fn remove_debtor(stage: &Stage, debtor_id: &str) {
    for table in ["entry", "item", "contact_point", "debtor"] {
        let delete = format!("DELETE FROM {table} WHERE debtor_id = '{debtor_id}'");
        assert_eq!(stage.registry_site.sql(&delete), "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_cursor_brings_a_snapshot_that_sweeps_what_is_gone() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let generation = stage.scoring_site.number(GENERATION);
    stage.scoring.stop().await;
    let token = stage.post(DEBTORS).await;
    let posted = stage.next;
    remove_debtor(&stage, "d11");
    let removed_postings = posted / DEBTORS;
    let emptied = forget_everything(&stage).await;
    println!("{emptied} payloads emptied");
    assert!(emptied > 100, "{emptied}");
    // What is that old is not in the registry's memory either.
    stage.registry.stop().await;
    stage.registry.start_again().await;

    stage.scoring.start_again().await;
    let log = stage.scoring.log();
    log.wait_for("that the cursor expired", |line| {
        line["message"] == "cursor expired; taking a new snapshot"
    })
    .await;
    let compared = stage.agree("after the expiry", &token).await;
    assert_eq!(compared.debtors, DEBTORS - 1);
    assert_eq!(compared.invoices, posted - removed_postings);
    assert!(stage.scoring_site.number(GENERATION) > generation);
    let gone = stage.score_of(CREDITOR, "d11", "").await;
    assert_eq!(gone.expect_err("nothing").code(), Code::NotFound);

    // The debtor comes back, as one that was never there.
    let again = CreateDebtorRequest {
        request_id: "once-more".to_owned(),
        debtor: Some(debtor(CREDITOR, "d11")),
    };
    let created = stage.clients().debtors.create_debtor(again).await;
    assert!(created.is_ok(), "{created:?}");
    stage.go_on().await;
}

/// Whoever keeps up is not disturbed when payloads behind it go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_behind_a_consumer_that_keeps_up_changes_nothing() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let generation = stage.scoring_site.number(GENERATION);
    assert!(forget_everything(&stage).await > 0);
    stage.go_on().await;
    assert_eq!(stage.scoring_site.number(GENERATION), generation);
}

/// A rolling update must not cost the seconds that the leases of a crashed replica hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_stops_gives_its_partitions_up() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let held = "SELECT (SELECT count(*) FROM feed_lease WHERE owner <> '') + \
        (SELECT count(*) FROM feed_member)";
    assert_eq!(stage.scoring_site.number(held), 65);
    stage.scoring.stop().await;
    assert_eq!(stage.scoring_site.number(held), 0);
    stage.scoring.start_again().await;
    stage.go_on().await;
}
