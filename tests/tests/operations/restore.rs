//! The suite is backed up while it works, and restored into a fresh cluster: dumps of the four databases, each of a moment
//! of its own; the migrations; the services. Nothing leaves before dispatch is resumed, and the feeds bring all four
//! databases to the state of the registry's dump.

use std::path::PathBuf;

use chrono::Days;
use dunning_channel::testing::Server;
use e2e::{
    fleet::{Fleet, sending_by},
    membership_oracle, oracle,
    postgres::Cluster,
    process::Program,
    reminders::{Reminders, never_twice},
    suite::{Databases, Service},
    world::{TODAY, invoice, payment},
};
use mahnwerk_proto::{
    common::v1::Date,
    dunning::v1::{Dispatch, GetDispatchRequest, Notice, RunState, SetDispatchRequest},
    registry::v1::OpenBusinessDayRequest,
};
use mahnwerk_runtime::validate::{from_date, to_date};

/// Whose dispatch stays off after the restore for a while, and whose is resumed at once.
const HELD: &str = "held";
const FREED: &str = "freed";

const DEBTORS: usize = 24;

/// Until the next step of every ladder.
const NEXT_STEP: Days = Days::new(21);

fn debtor(number: usize) -> String {
    format!("d{number}")
}

/// The invoice of a debtor; steps are compared over both creditors.
fn bill(creditor_id: &str, number: usize) -> String {
    format!("{creditor_id}-{number}")
}

/// A creditor whose debtors are all overdue, and its first run, carried out.
async fn remind(fleet: &Fleet, creditor_id: &str) -> Vec<Notice> {
    let mut clients = fleet.clients(0);
    clients.open_creditor(creditor_id).await;
    let mut token = String::new();
    for number in 0..DEBTORS {
        let debtor_id = debtor(number);
        clients.add_debtor(creditor_id, &debtor_id).await;
        let mail = format!("mail-{number}");
        clients
            .add_contact_point(creditor_id, &debtor_id, &mail)
            .await;
        let bill = bill(creditor_id, number);
        let owed = invoice(creditor_id, &debtor_id, &bill, 20_000);
        token = clients.add_invoice(owed).await;
    }
    let reminders = Reminders { fleet, creditor_id };
    reminders.switch_on(&token).await;
    let run_id = release(&reminders, "first").await;
    reminders.reach(&run_id, RunState::Done).await;
    reminders.notices(&run_id).await
}

/// Proposes a run, and releases it.
async fn release(reminders: &Reminders<'_>, name: &str) -> String {
    let run_id = reminders.propose(name).await;
    reminders.reach(&run_id, RunState::Proposed).await;
    reminders.release(&run_id).await;
    reminders.reach(&run_id, RunState::Dispatching).await;
    run_id
}

/// Everybody of both creditors pays a little.
async fn everybody_pays(fleet: &Fleet, when: &str) {
    let mut clients = fleet.clients(0);
    for creditor_id in [HELD, FREED] {
        for number in 0..DEBTORS {
            let payment_id = format!("{when}-{number}");
            let paid = payment(creditor_id, &debtor(number), &payment_id, 100);
            let bill = bill(creditor_id, number);
            clients.add_payment(paid, &[(&bill, 100)]).await;
        }
    }
}

fn name(url: &str) -> &str {
    url.rsplit('/').next().expect("the name of a database")
}

const INCARNATION: &str = "SELECT incarnation FROM feed_incarnation";

/// A dump, and the history that it comes from.
struct Backup {
    service: Service,
    file: PathBuf,
    incarnation: String,
}

/// Dumps all databases, one after the other, while payments come in.
async fn back_up(fleet: &Fleet, cluster: &Cluster, databases: &Databases) -> Vec<Backup> {
    let mut backups = Vec::new();
    for service in Service::ALL {
        let database = name(databases.url(service));
        backups.push(Backup {
            service,
            incarnation: cluster.sql(database, INCARNATION),
            file: cluster.dump(database),
        });
        everybody_pays(fleet, &format!("after-{}", service.name())).await;
    }
    backups
}

/// Loads the dumps into empty databases, and runs the migrations, of which none is missing.
async fn restore(cluster: &Cluster, backups: &[Backup]) -> Databases {
    let databases = Databases::in_cluster(cluster, Service::Dunning);
    for backup in backups {
        let url = databases.url(backup.service);
        cluster.restore(&backup.file, name(url));
        let applied = Program::new(backup.service, url).migrate().await;
        assert_eq!(applied, [""; 0], "{:?}", backup.service);
    }
    databases
}

async fn dispatch(fleet: &Fleet, creditor_id: &str) -> Dispatch {
    let mut work = fleet.dunning(0).work;
    let request = GetDispatchRequest {
        creditor_id: creditor_id.to_owned(),
        at_least: String::new(),
    };
    let answer = work.get_dispatch(request).await.expect("the switch");
    answer.into_inner().dispatch.expect("the switch")
}

/// `mahnwerk dispatch resume`.
async fn resume(fleet: &Fleet, creditor_id: &str) {
    let mut work = fleet.dunning(0).work;
    let request = SetDispatchRequest {
        request_id: "resume-after-the-restore".to_owned(),
        creditor_id: creditor_id.to_owned(),
        enabled: true,
        reason: String::new(),
    };
    work.set_dispatch(request).await.expect("it is resumed");
}

/// Opens a business day, waits until everybody knows of it, and compares scores and memberships with what the registry's
/// lists say.
async fn agree(fleet: &Fleet, creditor_id: &str, day: Date) {
    let mut clients = fleet.clients(0);
    let opened = clients.creditors.open_business_day(OpenBusinessDayRequest {
        request_id: "open-after-the-restore".to_owned(),
        creditor_id: creditor_id.to_owned(),
        business_date: Some(day),
    });
    let token = opened.await.expect("a business day").into_inner();
    let token = token.consistency_token;
    let reminders = Reminders { fleet, creditor_id };
    reminders.arrived(&token).await;
    let scores = oracle::compare(&mut clients, creditor_id, day, &token).await;
    let segmentation = fleet.segmentation(0);
    let segments =
        membership_oracle::compare(&mut clients, &segmentation, creditor_id, day, &token).await;
    println!(
        "{creditor_id}: compared {} debtors, {} items, {} memberships",
        scores.debtors, scores.items, segments.memberships
    );
    // An invoice of each; of the payments those before the registry was dumped.
    assert_eq!((scores.debtors, scores.items), (DEBTORS, 2 * DEBTORS));
    assert!(segments.memberships >= DEBTORS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_suite_agrees_with_itself_and_sends_nothing_before_it_is_told_to() {
    let server = Server::start().await.expect("a mail server");
    let mail = sending_by(&server);
    let origin = Cluster::start();
    let databases = Databases::in_cluster(&origin, Service::Dunning);
    let fleet = Fleet::start(&databases, Service::Dunning, |_| 1, &mail).await;
    let mut notices = remind(&fleet, HELD).await;
    notices.extend(remind(&fleet, FREED).await);
    assert!(dispatch(&fleet, HELD).await.enabled);
    let sent_before = server.ids().len();
    assert_eq!(sent_before, 2 * DEBTORS);
    everybody_pays(&fleet, "before").await;
    let backups = back_up(&fleet, &origin, &databases).await;
    drop(fleet);
    origin.stop();

    let target = Cluster::start();
    let databases = restore(&target, &backups).await;
    let fleet = Fleet::start(&databases, Service::Dunning, |_| 1, &mail).await;
    for backup in &backups {
        let database = name(databases.url(backup.service));
        let incarnation = target.sql(database, INCARNATION);
        assert_ne!(incarnation, backup.incarnation, "{:?}", backup.service);
    }
    let day = from_date(to_date(&TODAY).expect("a date") + NEXT_STEP);
    for creditor_id in [HELD, FREED] {
        agree(&fleet, creditor_id, day).await;
        assert!(!dispatch(&fleet, creditor_id).await.enabled);
    }

    // One dispatcher works for both creditors: what it sends of the one shows that it leaves the other's alone.
    let [held, freed] = [HELD, FREED].map(|creditor_id| Reminders {
        fleet: &fleet,
        creditor_id,
    });
    let run_of_held = release(&held, "second").await;
    let run_of_freed = release(&freed, "second").await;
    resume(&fleet, FREED).await;
    freed.reach(&run_of_freed, RunState::Done).await;
    assert_eq!(server.ids().len(), sent_before + DEBTORS);
    let switch = dispatch(&fleet, HELD).await;
    assert_eq!((switch.enabled, switch.waiting), (false, DEBTORS as i64));

    resume(&fleet, HELD).await;
    held.reach(&run_of_held, RunState::Done).await;
    notices.extend(held.notices(&run_of_held).await);
    notices.extend(freed.notices(&run_of_freed).await);
    let verdict = never_twice(&notices, &server.ids(), 0);
    println!("{verdict:?}");
    assert_eq!((verdict.sent, verdict.received), (4 * DEBTORS, 4 * DEBTORS));
}
