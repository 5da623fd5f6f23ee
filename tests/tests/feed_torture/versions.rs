//! Scoring's stored projection was written by newer code, or by older code, than the program that runs.

use e2e::postgres::Cluster;

use crate::feed_torture::stage::{CREDITOR, Stage};

const GENERATION: &str = "SELECT max(generation) FROM feed_cursor";

fn set_version(stage: &Stage, version: i64) {
    let update = format!("UPDATE feed_cursor SET projection_version = {version}");
    assert_eq!(stage.scoring_site.sql(&update), "");
}

fn stored_version(stage: &Stage) -> i64 {
    let version = "SELECT DISTINCT projection_version FROM feed_cursor";
    stage.scoring_site.number(version)
}

/// A program older than what is stored takes no leases and changes nothing, but answers reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_older_than_the_projection_takes_no_part() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let version = stored_version(&stage);
    let generation = stage.scoring_site.number(GENERATION);
    let before = stage.score_of(CREDITOR, "d1", "").await.expect("a score");
    stage.scoring.stop().await;
    set_version(&stage, version + 1);
    stage.scoring.start_again().await;
    let log = stage.scoring.log();
    log.wait_for("that it takes no part", |line| {
        line["message"] == "the stored projection is newer than this program: it takes no part"
    })
    .await;
    let token = stage.post(24).await;
    stage.refuses("d1", &token, "NOT_YET").await;
    let leases = "SELECT count(*) FROM feed_lease WHERE owner <> ''";
    assert_eq!(stage.scoring_site.number(leases), 0);
    let after = stage.score_of(CREDITOR, "d1", "").await.expect("a score");
    assert_eq!(after, before);

    // The other program is rolled back, and with it what it stored: nothing was missed.
    set_version(&stage, version);
    stage.agree("once it fits again", &token).await;
    assert_eq!(stage.scoring_site.number(GENERATION), generation);
    stage.go_on().await;
}

/// A program newer than what is stored takes a new snapshot; until that is complete, reads are answered from the old
/// projection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_newer_than_the_projection_replaces_it() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let version = stored_version(&stage);
    let generation = stage.scoring_site.number(GENERATION);
    stage.scoring.stop().await;
    let token = stage.post(24).await;
    stage.registry.stop().await;
    set_version(&stage, version - 1);
    // Old code has stored other things: rows that should not be there, and scores nobody would compute today.
    let old_code = "INSERT INTO item (creditor_id, debtor_id, item_id, part, generation, version, facts) \
        SELECT creditor_id, debtor_id, item_id || '-ghost', part, generation, version + 7, facts FROM item; \
        UPDATE item SET version = version + 1000, facts = facts || facts; \
        UPDATE score SET settled_items = 4711";
    assert_eq!(stage.scoring_site.sql(old_code), "");

    stage.scoring.start_again().await;
    let log = stage.scoring.log();
    log.wait_for("the beginning of a snapshot", |line| {
        line["message"] == "taking a snapshot"
    })
    .await;
    let meanwhile = stage.score_of(CREDITOR, "d1", "").await.expect("a score");
    assert_eq!(meanwhile.settled_items, 4711);

    stage.registry.start_again().await;
    stage.agree("after the new snapshot", &token).await;
    assert_eq!(stored_version(&stage), version);
    assert!(stage.scoring_site.number(GENERATION) > generation);
    stage.go_on().await;
}
