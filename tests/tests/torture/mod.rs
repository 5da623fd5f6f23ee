//! Two replicas of each service on PostgreSQL, killed at random while payments are posted and reminders sent; afterwards
//! every open amount, score, membership and notice equals what follows from the lists alone.
//!
//! `MAHNWERK_TORTURE_PAYMENTS` sets the number of payments (1,000 by default, 10,000 in the long form).

mod dunned;
mod traffic;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use dunning_channel::testing::Server;
use e2e::{
    fleet::{Fleet, sending_by},
    membership_oracle, oracle,
    postgres::Cluster,
    reminders::{Reminders, never_twice},
    schemes::{activate, create_revision, membership, two_segments},
    suite::{Databases, Service, connect},
};
use mahnwerk_proto::common::v1::Date;
use tonic::Code;

use crate::torture::traffic::{
    CREDITOR, DEBTORS, business_day, open_day, payments, post_all, prepare,
};

/// Replicas of each service.
const REPLICAS: usize = 2;

/// What happened while processes were killed.
struct Torture {
    killed: Vec<Service>,
    repeated: usize,
}

impl Torture {
    fn kills(&self) -> usize {
        self.killed.len()
    }

    fn kills_of(&self, service: Service) -> usize {
        self.killed.iter().filter(|each| **each == service).count()
    }
}

/// Does the work of `days` days under kills: payments are posted, while `meanwhile` is done once a day.
async fn torture(fleet: &Arc<Fleet>, days: usize, meanwhile: impl AsyncFn(usize)) -> Torture {
    let done = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn({
        let (fleet, done) = (fleet.clone(), done.clone());
        async move { fleet.kill_at_random(&done).await }
    });
    let a_day = payments().div_ceil(days);
    let mut repeated = 0;
    for day in 0..days {
        let numbers = day * a_day..payments().min((day + 1) * a_day);
        repeated += tokio::join!(post_all(fleet, numbers), meanwhile(day)).0;
        repeated += open_day(fleet, business_day(day + 1)).await.1;
    }
    done.store(true, Ordering::SeqCst);
    Torture {
        killed: killer.await.expect("the killer"),
        repeated,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_lose_and_double_nothing() {
    let cluster = Cluster::start();
    let databases = Databases::in_cluster(&cluster, Service::Scoring);
    let fleet = Fleet::start(&databases, Service::Scoring, |_| REPLICAS, &[]).await;
    let fleet = Arc::new(fleet);
    prepare(&fleet).await;
    let result = torture(&fleet, 1, async |_| {}).await;
    // When all is quiet.
    let today = business_day(2);
    let (token, _) = open_day(&fleet, today).await;
    let compared = scores_agree(&fleet, today, &token).await;
    println!(
        "{} kills, {} repeated calls; compared {} debtors, {} items, {} entries",
        result.kills(),
        result.repeated,
        compared.debtors,
        compared.items,
        compared.entries
    );
    assert_eq!(compared.debtors, DEBTORS);
    assert_eq!(compared.items, 2 * payments());
    assert_eq!(compared.entries, payments());
    assert!(result.kills() > 3, "only {} kills", result.kills());
}

/// Compares every replica's scores with what follows from the lists.
async fn scores_agree(fleet: &Fleet, today: Date, token: &str) -> oracle::Compared {
    arrive(fleet, token).await;
    let mut compared = oracle::Compared::default();
    for replica in 0..REPLICAS {
        let mut clients = fleet.clients(replica);
        compared = oracle::compare(&mut clients, CREDITOR, today, token).await;
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

/// Compares every replica's memberships with what the rules say.
async fn memberships_agree(fleet: &Fleet, today: Date, token: &str) -> membership_oracle::Compared {
    let mut compared = membership_oracle::Compared::default();
    for replica in 0..REPLICAS {
        compared = membership_oracle::compare(
            &mut fleet.clients(replica),
            &fleet.segmentation(replica),
            CREDITOR,
            today,
            token,
        )
        .await;
    }
    compared
}

/// Business days of the second test, each with a run: the short form has few, because a partition whose worker was
/// killed waits half a minute for another.
fn days() -> usize {
    if payments() < 10_000 { 4 } else { 20 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_leave_every_debtor_in_its_segment_and_remind_nobody_twice() {
    let server = Server::start().await.expect("a mail server");
    let cluster = Cluster::start();
    let databases = Databases::in_cluster(&cluster, Service::Dunning);
    let mail = sending_by(&server);
    let fleet = Fleet::start(&databases, Service::Dunning, |_| REPLICAS, &mail).await;
    let fleet = Arc::new(fleet);
    let token = prepare(&fleet).await;
    let segmentation = fleet.segmentation(0);
    let last = format!("d{}", DEBTORS - 1);
    membership(&segmentation, CREDITOR, &last, "treatment", &token).await;
    // Every payment in full moves its debtor.
    let odd = two_segments(CREDITOR, "odd", "debtor.settled_items % 2 == 1");
    let revision = create_revision(&segmentation, odd).await;
    activate(&segmentation, CREDITOR, "odd", revision).await;
    let reminders = Reminders {
        fleet: &fleet,
        creditor_id: CREDITOR,
    };
    reminders.switch_on(&token).await;

    let result = torture(&fleet, days(), async |day| {
        dunned::begin_run(&reminders, day).await;
    })
    .await;
    let db = connect(databases.url(Service::Dunning)).await;
    let notices = dunned::until_quiet(&reminders, &db).await;
    let today = business_day(days() + 1);
    let (token, _) = open_day(&fleet, today).await;
    let scores = scores_agree(&fleet, today, &token).await;
    let segments = memberships_agree(&fleet, today, &token).await;
    reminders.arrived(&token).await;
    let dunned = dunned::agree(&fleet, &db, &notices, &token).await;
    let verdict = never_twice(&notices, &server.ids(), result.kills_of(Service::Dunning));
    println!(
        "{} kills, {} repeated calls; compared {} scores, {} memberships in {} schemes, {} stays; {verdict:?}; {dunned:?}",
        result.kills(),
        result.repeated,
        scores.debtors,
        segments.memberships,
        segments.schemes,
        segments.stays
    );
    assert_eq!(segments.memberships, DEBTORS * segments.schemes);
    assert_eq!(segments.schemes, 6);
    assert!(segments.stays > segments.memberships, "nobody has moved");
    assert!(verdict.emails > DEBTORS / 2, "hardly anybody was reminded");
    assert!(result.kills() > 3, "only {} kills", result.kills());
}
