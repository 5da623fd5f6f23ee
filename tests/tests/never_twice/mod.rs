//! A run of dunning whose processes are killed again and again, from its proposal to the end of its dispatch, while a mail
//! server counts: nothing leaves twice, and the plan is the one of a run that nobody disturbed. Afterwards the run is
//! replayed to the byte.
//!
//! `MAHNWERK_TORTURE_DEBTORS` sets the number of debtors (2,000 by default, 20,000 in the long form); a kill for every
//! 400 of them, but at least 10.

mod kills;
mod plans;
mod replays;

use std::time::Duration;

use dunning_channel::testing::Server;
use e2e::{
    fleet::{Fleet, sending_by},
    portfolio,
    postgres::Cluster,
    reminders::{Reminders, never_twice},
    schemes::{activate, create_revision},
    suite::{Databases, Service, patiently},
};
use mahnwerk_proto::{
    dunning::v1::{NoticeState, RunState},
    segmentation::v1::{GetSchemeRequest, Scheme},
};
use tokio::time::Instant;

/// How long the mail server thinks over each message, so that some are on their way at any time.
const RECEIPT: Duration = Duration::from_millis(40);

/// Whose run is disturbed, and whose is not.
const TORN: &str = "torn";
const CALM: &str = "calm";

fn debtors() -> usize {
    std::env::var("MAHNWERK_TORTURE_DEBTORS")
        .map_or(2_000, |text| text.parse().expect("a number of debtors"))
}

/// Imports the same portfolio for both creditors. Waits until dunning has it, and switches dispatch on.
async fn prepare(fleet: &Fleet, debtors: usize) {
    let mut clients = fleet.clients(0);
    for creditor_id in [CALM, TORN] {
        clients.open_creditor(creditor_id).await;
        let records = portfolio::records(0..debtors - 1);
        let token = clients.import(creditor_id, "portfolio", records).await;
        let reminders = Reminders { fleet, creditor_id };
        reminders.arrived(&token).await;
        nobody_has_to_stay(fleet, creditor_id).await;
        // What was written after the activation brings it with it.
        let records = portfolio::records(debtors - 1..debtors);
        let token = clients.import(creditor_id, "last", records).await;
        reminders.switch_on(&token).await;
    }
}

/// Treats everybody by the facts as they are now, not by those that came first.
async fn nobody_has_to_stay(fleet: &Fleet, creditor_id: &str) {
    let segmentation = fleet.segmentation(0);
    let found = patiently(async || {
        let mut schemes = segmentation.schemes.clone();
        schemes
            .get_scheme(GetSchemeRequest {
                creditor_id: creditor_id.to_owned(),
                scheme_id: "treatment".to_owned(),
                ..GetSchemeRequest::default()
            })
            .await
    })
    .await;
    let scheme = Scheme {
        minimum_stay_days: 0,
        ..found.into_inner().scheme.expect("a scheme")
    };
    let revision = create_revision(&segmentation, scheme).await;
    activate(&segmentation, creditor_id, "treatment", revision).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_again_and_again_sends_nothing_twice_and_replays_to_the_byte() {
    let debtors = debtors();
    let kills = (debtors / 400).max(10);
    let began = Instant::now();
    let tell = |what: &str| println!("{:4} s: {what}", began.elapsed().as_secs());
    let server = Server::start().await.expect("a mail server");
    server.delay(Some(RECEIPT));
    let cluster = Cluster::start();
    let databases = Databases::in_cluster(&cluster, Service::Dunning);
    let replicas = |service| if service == Service::Dunning { 2 } else { 1 };
    let mail = sending_by(&server);
    let fleet = Fleet::start(&databases, Service::Dunning, replicas, &mail).await;
    prepare(&fleet, debtors).await;
    tell(&format!("{debtors} debtors imported twice"));

    let fleet = &fleet;
    let [calm, torn] = [CALM, TORN].map(|creditor_id| Reminders { fleet, creditor_id });
    let undisturbed = calm.propose("calm").await;
    calm.reach(&undisturbed, RunState::Proposed).await;
    let planned = calm.notices(&undisturbed).await;
    let plan = calm.replay(&undisturbed).await;
    tell(&format!("a calm run proposes {} notices", planned.len()));

    let run_id = torn.propose("torn").await;
    let (done, killed) = tokio::join!(
        async {
            torn.reach(&run_id, RunState::Proposed).await;
            torn.release(&run_id).await;
            torn.reach(&run_id, RunState::Done).await
        },
        kills::along(&torn, &run_id, kills, planned.len(), debtors),
    );
    tell(&format!("killed {killed:?}"));
    assert_eq!(killed.total(), kills, "the run was over too early");

    let notices = torn.notices(&run_id).await;
    let received = server.ids();
    let verdict = never_twice(&notices, &received, kills);
    tell(&format!("{verdict:?}"));
    assert_eq!((done.evaluated, done.parked), (debtors as i64, 0));
    plans::agree(&databases, &undisturbed, &run_id).await;
    assert_eq!(notices.len(), planned.len());
    assert_eq!(verdict.withdrawn, 0, "nothing has happened to withdraw for");
    assert_eq!(verdict.sent + verdict.uncertain, planned.len());
    assert!(verdict.emails > debtors / 3 && verdict.sent > verdict.emails);

    let replayed = torn.replay(&run_id).await;
    assert_eq!(
        replayed, plan,
        "the plan of the torn run and of the calm one"
    );
    assert_eq!((plan.replayed, plan.differing), (debtors as i64, 0));
    tell(&format!("both plans are {}", plan.digest));

    replays::hold(&databases, &torn, &run_id, &plan, debtors).await;
    tell("replayed");
    assert_eq!(server.ids(), received, "something was sent afterwards");
    let after = torn.run(&run_id).await;
    let uncertain = after.notices.iter();
    let mut uncertain = uncertain.filter(|it| it.state() == NoticeState::Uncertain);
    let uncertain = uncertain.next().map_or(0, |it| it.notices);
    assert_eq!(uncertain, verdict.uncertain as i64);
}
