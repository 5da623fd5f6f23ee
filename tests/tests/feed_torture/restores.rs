//! The registry's database is replaced by an earlier state of itself, in every way that happens to databases, while
//! scoring has seen more than that state holds: scoring goes back to it.

use e2e::{
    postgres::Cluster,
    world::{self, TODAY},
};
use tonic::Code;

use crate::feed_torture::stage::{CREDITOR, DEBTORS, Site, Stage};

/// Changed amounts of a history that is played again under the same ids and versions.
const OTHERWISE: i64 = 50_000;

/// A creditor that only the lost history knows.
const LOST_CREDITOR: &str = "beta";

/// What was posted after the state that comes back.
struct Lost {
    postings: usize,
    token: String,
}

/// Postings for everybody, a new debtor with an invoice, and a new creditor: scoring contains them, the backup does not.
async fn post_what_will_be_lost(stage: &mut Stage) -> Lost {
    let kept = stage.next;
    let mut clients = stage.clients();
    clients.open_creditor(LOST_CREDITOR).await;
    clients.add_debtor(LOST_CREDITOR, "x").await;
    let bill = world::invoice(LOST_CREDITOR, "x", "ix", 700);
    let token = clients.add_invoice(bill).await;
    stage
        .score_of(LOST_CREDITOR, "x", &token)
        .await
        .expect("the score of a debtor of the creditor to be lost");
    clients.add_debtor(CREDITOR, "late").await;
    let bill = world::invoice(CREDITOR, "late", "ilate", 900);
    clients.add_invoice(bill).await;
    let token = stage.post(DEBTORS + 5).await;
    stage.arrive(&token).await;
    stage
        .score_of(CREDITOR, "late", &token)
        .await
        .expect("the score of the debtor to be lost");
    Lost {
        postings: stage.next - kept,
        token,
    }
}

/// Plays another history over the restored one, under the same ids, and checks that scoring follows it.
async fn follows(stage: &mut Stage, lost: Lost) {
    stage.next -= lost.postings;
    stage.salt = OTHERWISE;
    let token = stage.post(3).await;
    let compared = stage.agree("after the restore", &token).await;
    assert_eq!(compared.debtors, DEBTORS);
    assert_eq!(compared.items, 2 * stage.next);
    stage.refuses("d1", &lost.token, "TOKEN_EXPIRED").await;
    for (creditor_id, debtor_id) in [(CREDITOR, "late"), (LOST_CREDITOR, "x")] {
        let gone = stage.score_of(creditor_id, debtor_id, "").await;
        assert_eq!(gone.expect_err("nothing").code(), Code::NotFound);
    }
    let derived =
        "SELECT count(*) FROM score_history WHERE creditor_id = 'beta' OR debtor_id = 'late'";
    assert_eq!(stage.scoring_site.number(derived), 0);
    stage.go_on().await;
    assert_eq!(stage.today, TODAY);
}

async fn a_restored_dump_is_followed(cluster: &Cluster, target: &Cluster) {
    let mut stage = Stage::open(cluster, cluster).await;
    let dump = cluster.dump(stage.registry_site.name());
    let lost = post_what_will_be_lost(&mut stage).await;
    stage.registry.stop().await;
    let restored = Site::create(target);
    target.restore(&dump, restored.name());
    stage.move_registry(restored).await;
    follows(&mut stage, lost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scoring_follows_a_dump_restored_into_a_fresh_cluster() {
    a_restored_dump_is_followed(&Cluster::start(), &Cluster::start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scoring_follows_a_dump_restored_into_the_same_cluster() {
    let cluster = Cluster::start();
    a_restored_dump_is_followed(&cluster, &cluster).await;
}

/// Nothing in the database tells a file copy from the original, so the runbook demands `feed reset`. The registry is not
/// even stopped meanwhile: what it has in memory of the lost history must not count either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scoring_follows_a_file_copy_put_back_after_a_reset() {
    let (cluster, consumers) = (Cluster::start(), Cluster::start());
    let mut stage = Stage::open(&cluster, &consumers).await;
    let copy = cluster.copy_files();
    stage.registry_answers().await;
    let lost = post_what_will_be_lost(&mut stage).await;
    cluster.put_back(&copy);
    stage.registry_answers().await;
    stage.reset_feed().await;
    follows(&mut stage, lost).await;
}

/// The standby misses the last transactions of the primary, as after any asynchronous failover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scoring_follows_a_promoted_standby() {
    let (cluster, consumers) = (Cluster::start(), Cluster::start());
    let mut stage = Stage::open(&cluster, &consumers).await;
    let standby = cluster.standby();
    standby.stop();
    let lost = post_what_will_be_lost(&mut stage).await;
    cluster.crash();
    stage.registry.kill().await;
    standby.start_again();
    standby.promote();
    let promoted = Site::existing(&standby, stage.registry_site.name());
    stage.move_registry(promoted).await;
    follows(&mut stage, lost).await;
}

/// The other way round: scoring's database is older than what the registry's feed still has, so scoring reads on from
/// where the backup was, without a snapshot, and its own feed is another history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_of_scoring_reads_on_from_its_cursor() {
    const GENERATION: &str = "SELECT max(generation) FROM feed_cursor";
    const INCARNATION: &str = "SELECT incarnation FROM feed_incarnation";
    let (cluster, target) = (Cluster::start(), Cluster::start());
    let mut stage = Stage::open(&cluster, &cluster).await;
    let dump = cluster.dump(stage.scoring_site.name());
    let before = (
        stage.scoring_site.number(GENERATION),
        stage.scoring_site.sql(INCARNATION),
    );
    let token = stage.post(3 * DEBTORS).await;
    stage.arrive(&token).await;
    stage.scoring.stop().await;
    let restored = Site::create(&target);
    target.restore(&dump, restored.name());
    stage.move_scoring(restored).await;
    let compared = stage.agree("after the restore", &token).await;
    assert_eq!(compared.items, 2 * stage.next);
    assert_eq!(stage.scoring_site.number(GENERATION), before.0);
    assert_ne!(stage.scoring_site.sql(INCARNATION), before.1);
    stage.go_on().await;
}
