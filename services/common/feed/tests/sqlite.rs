//! The suite on SQLite; the same suite runs on PostgreSQL in the `tests` crate.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod toy;

use mahnwerk_runtime::db::{DatabaseSettings, Db};
use tempfile::TempDir;
use toy::suite;

async fn databases() -> (TempDir, Db, Db) {
    let folder = tempfile::tempdir().unwrap();
    let connect = |name: &str| DatabaseSettings {
        url: format!("sqlite://{}?mode=rwc", folder.path().join(name).display()),
        ..DatabaseSettings::default()
    };
    let up = Db::connect(&connect("up.db")).await.unwrap();
    let down = Db::connect(&connect("down.db")).await.unwrap();
    (folder, up, down)
}

macro_rules! on_sqlite {
    ($($name:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let (_folder, up, down) = databases().await;
            suite::$name(&up, &down).await;
        }
    )*};
}

on_sqlite!(
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
    let (_folder, up, down) = databases().await;
    let (_other, third, _) = databases().await;
    toy::third::a_token_arrives_by_every_path(&up, &down, &third).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_contain_what_their_token_names() {
    let (_folder, up, down) = databases().await;
    let stale = suite::reads_contain_what_their_token_names(&up, &down, 200).await;
    println!("{stale} of 200 reads without the token were stale");
    assert!(stale > 0);
}
