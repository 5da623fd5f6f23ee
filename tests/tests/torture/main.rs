//! Two replicas of each service on PostgreSQL, killed at random while payments are posted; afterwards every open amount,
//! score and membership equals what follows from the lists alone.
//!
//! `MAHNWERK_TORTURE_PAYMENTS` sets the number of payments (1,000 by default, 10,000 in the long form).

mod fleet;
mod traffic;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use e2e::{
    membership_oracle, oracle,
    postgres::Cluster,
    schemes::{activate, create_revision, membership, two_segments},
    suite::{Databases, Service},
};
use tonic::Code;

use crate::{
    fleet::{Fleet, REPLICAS},
    traffic::{CREDITOR, DEBTORS, business_day, open_day, payments, post_all, prepare},
};

/// What happened while processes were killed.
struct Torture {
    kills: usize,
    repeated: usize,
    /// Of the last business day, opened when all was quiet.
    token: String,
    last_day: mahnwerk_proto::common::v1::Date,
}

/// Posts payments under kills, a business day after every `payments_a_day`, and one at the end.
async fn torture(fleet: &Arc<Fleet>, payments: usize, payments_a_day: usize) -> Torture {
    let done = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn({
        let (fleet, done) = (fleet.clone(), done.clone());
        async move { fleet.kill_at_random(&done).await }
    });
    let repeated = post_all(fleet, payments, payments_a_day).await;
    done.store(true, Ordering::SeqCst);
    let kills = killer.await.expect("the killer");
    let last_day = business_day(payments / payments_a_day + 1);
    let (token, _) = open_day(fleet, last_day).await;
    Torture {
        kills,
        repeated,
        token,
        last_day,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_lose_and_double_nothing() {
    let payments = payments();
    let cluster = Cluster::start();
    let databases = Databases::in_cluster(&cluster, Service::Scoring);
    let fleet = Arc::new(Fleet::start(&databases, Service::Scoring).await);
    prepare(&fleet).await;
    let result = torture(&fleet, payments, usize::MAX).await;
    let compared = scores_agree(&fleet, &result).await;
    println!(
        "{} kills, {} repeated calls; compared {} debtors, {} items, {} entries",
        result.kills, result.repeated, compared.debtors, compared.items, compared.entries
    );
    assert_eq!(compared.debtors, DEBTORS);
    assert_eq!(compared.items, 2 * payments);
    assert_eq!(compared.entries, payments);
    assert!(result.kills > 3, "only {} kills", result.kills);
}

/// Compares every replica's scores with what follows from the lists.
async fn scores_agree(fleet: &Fleet, result: &Torture) -> oracle::Compared {
    arrive(fleet, &result.token).await;
    let mut compared = oracle::Compared::default();
    for replica in 0..REPLICAS {
        let mut clients = fleet.clients(replica);
        compared = oracle::compare(&mut clients, CREDITOR, result.last_day, &result.token).await;
    }
    compared
}

/// Waits until scoring contains the write for everybody, on both replicas.
async fn arrive(fleet: &Fleet, token: &str) {
    for replica in 0..REPLICAS {
        let mut clients = fleet.clients(replica);
        for debtor in 0..DEBTORS {
            let mut tries = 0;
            loop {
                let request = mahnwerk_proto::scoring::v1::GetScoreRequest {
                    creditor_id: CREDITOR.to_owned(),
                    debtor_id: format!("d{debtor}"),
                    at_least: token.to_owned(),
                    language: String::new(),
                };
                match clients.scores.get_score(request).await {
                    Ok(_) => break,
                    Err(status) => {
                        tries += 1;
                        assert!(
                            tries < 30 && status.code() == Code::Unavailable,
                            "{status:?}"
                        );
                    }
                }
            }
        }
    }
}

/// Business days of the second test.
const DAYS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_leave_every_debtor_in_its_segment() {
    let payments = payments();
    let cluster = Cluster::start();
    let databases = Databases::in_cluster(&cluster, Service::Segmentation);
    let fleet = Arc::new(Fleet::start(&databases, Service::Segmentation).await);
    let token = prepare(&fleet).await;
    let segmentation = fleet.segmentation(0);
    let last = format!("d{}", DEBTORS - 1);
    membership(&segmentation, CREDITOR, &last, "treatment", &token).await;
    // Every payment in full moves its debtor.
    let odd = two_segments(CREDITOR, "odd", "debtor.settled_items % 2 == 1");
    let revision = create_revision(&segmentation, odd).await;
    activate(&segmentation, CREDITOR, "odd", revision).await;

    let result = torture(&fleet, payments, payments.div_ceil(DAYS)).await;
    let scores = scores_agree(&fleet, &result).await;
    let mut compared = membership_oracle::Compared::default();
    for replica in 0..REPLICAS {
        compared = membership_oracle::compare(
            &mut fleet.clients(replica),
            &fleet.segmentation(replica),
            CREDITOR,
            result.last_day,
            &result.token,
        )
        .await;
    }
    println!(
        "{} kills, {} repeated calls; compared {} scores, {} memberships in {} schemes, {} stays",
        result.kills,
        result.repeated,
        scores.debtors,
        compared.memberships,
        compared.schemes,
        compared.stays
    );
    assert_eq!(compared.memberships, DEBTORS * compared.schemes);
    assert_eq!(compared.schemes, 6);
    assert!(compared.stays > compared.memberships, "nobody has moved");
    assert!(result.kills > 3, "only {} kills", result.kills);
}
