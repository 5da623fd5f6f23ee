//! The same changes arrive again: scoring's cursors have gone back, what it stores has not.

use e2e::postgres::Cluster;

use crate::feed_torture::stage::Stage;

/// Where the first change of the registry is.
const FIRST: &str = "SELECT min(tx) FROM event";

/// Everything that must not be there twice: scores told and kept, and the stored rows with their versions.
const EFFECTS: &str = "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM score_history), \
    (SELECT count(*) FROM item), (SELECT sum(version) FROM item), (SELECT sum(version) FROM score), \
    (SELECT md5(string_agg(facts::text, '' ORDER BY debtor_id, item_id)) FROM item)";

/// Sets the cursors of partitions that fulfil a condition back to the first change. Answers how many.
fn set_back(stage: &Stage, condition: &str) -> i64 {
    let first = stage.registry_site.number(FIRST);
    stage.scoring_site.number(&format!(
        "WITH back AS (UPDATE feed_cursor SET tx = {first} WHERE {condition} RETURNING part) \
         SELECT count(*) FROM back"
    ))
}

/// Waits until the cursors have passed the write, and compares what must not have changed.
async fn without_effect(stage: &Stage, when: &str, token: &str, before: &str) {
    stage.agree(when, token).await;
    assert_eq!(stage.scoring_site.sql(EFFECTS), before, "{when}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_arrive_twice_have_one_effect() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    let token = stage.post(48).await;
    stage.agree("before the replay", &token).await;
    let before = stage.scoring_site.sql(EFFECTS);
    let changes = stage.registry_site.number("SELECT count(*) FROM event");
    println!("{changes} changes arrive again; effects {before}");
    assert!(changes > 200, "{changes}");

    stage.scoring.stop().await;
    assert_eq!(set_back(&stage, "true"), 64);
    stage.scoring.start_again().await;
    without_effect(&stage, "after a replay at the start", &token, &before).await;

    // Every other partition: the stream begins at the one furthest behind, the others have its changes already.
    stage.scoring.stop().await;
    assert_eq!(set_back(&stage, "part % 2 = 0"), 32);
    stage.scoring.start_again().await;
    without_effect(&stage, "after a replay of half", &token, &before).await;

    stage.go_on().await;
}

/// A cursor that somebody moves under a working consumer stops the batch that did not start there, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_goes_back_under_a_working_consumer_loses_nothing() {
    let cluster = Cluster::shared();
    let mut stage = Stage::open(&cluster, &cluster).await;
    for _ in 0..5 {
        assert_eq!(set_back(&stage, "true"), 64);
        let token = stage.post(8).await;
        stage.agree("after a cursor went back", &token).await;
    }
    let history = "SELECT count(*) - count(DISTINCT (debtor_id, version)) FROM score_history";
    assert_eq!(stage.scoring_site.number(history), 0);
    let told = "SELECT count(*) - count(DISTINCT (entity_id, version)) FROM event";
    assert_eq!(stage.scoring_site.number(told), 0);
    stage.go_on().await;
}
