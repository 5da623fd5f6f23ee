//! What dunning must know and have done, by what the registry and the notices that left say.

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    fleet::Fleet,
    oracle::{all_debtors, all_items},
    reminders::Reminders,
    suite::{Clients, patiently},
};
use mahnwerk_proto::{
    common::v1::Date,
    dunning::v1::{
        ExplainDebtorRequest, Finding, ListRunsRequest, Notice, NoticeChannel, NoticeState,
        RunState,
    },
    registry::v1::{ItemKind, ListContactsRequest},
};
use mahnwerk_runtime::{
    db::{Db, Sql as _, column},
    validate::to_date,
};
use serde_json::Value;

use crate::torture::{REPLICAS, traffic::CREDITOR};

/// What was compared, so that a test can print it and refuse zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Open items, on each replica.
    pub open_items: usize,
    /// Items that were dunned.
    pub dunned_items: usize,
    /// The highest level that left.
    pub highest_level: i32,
    /// Contacts at the registry.
    pub contacts: usize,
}

/// Proposes the run of a day and releases it.
pub async fn begin_run(reminders: &Reminders<'_>, day: usize) {
    let run_id = reminders.propose(&format!("day-{day}")).await;
    reminders.reach(&run_id, RunState::Proposed).await;
    reminders.release(&run_id).await;
}

/// Waits until every run is over and the registry was told everything. Returns the notices of all runs.
pub async fn until_quiet(reminders: &Reminders<'_>, db: &Db) -> Vec<Notice> {
    let listed = patiently(async || {
        let mut runs = reminders.fleet.dunning(0).runs;
        runs.list_runs(ListRunsRequest {
            creditor_id: CREDITOR.to_owned(),
            page_size: 1_000,
            ..ListRunsRequest::default()
        })
        .await
    })
    .await;
    let mut notices = Vec::new();
    for run in listed.into_inner().runs {
        reminders.reach(&run.run_id, RunState::Done).await;
        notices.extend(reminders.notices(&run.run_id).await);
    }
    let mut pause = tokio::time::interval(Duration::from_millis(100));
    while count(db, "SELECT count(*) AS n FROM command WHERE state = 'OPEN'").await > 0 {
        pause.tick().await;
    }
    let refused = "SELECT count(*) AS n FROM command WHERE state = 'REFUSED'";
    assert_eq!(count(db, refused).await, 0, "commands that were refused");
    notices
}

async fn count(db: &Db, sql: &str) -> i64 {
    let row = db.query_one(sql, vec![]).await.expect(sql).expect("a row");
    column(&row, "n").expect("a number")
}

/// How far an item was dunned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    level: i32,
    pay_by: String,
    notice_on: String,
}

fn text(date: Option<&Date>) -> String {
    let date = to_date(date.expect("a date"));
    date.expect("a date of the calendar").to_string()
}

/// The last step of every item, by the notices that left or may have.
fn steps(notices: &[Notice]) -> BTreeMap<(String, String), Step> {
    let mut last: BTreeMap<_, Step> = BTreeMap::new();
    let left = [NoticeState::Sent, NoticeState::Uncertain];
    for notice in notices.iter().filter(|it| left.contains(&it.state())) {
        for item in &notice.items {
            assert_eq!(item.cycle, 1, "nothing begins a second cycle");
            let step = Step {
                level: item.level,
                pay_by: text(notice.pay_by.as_ref()),
                notice_on: text(notice.notice_date.as_ref()),
            };
            let key = (notice.debtor_id.clone(), item.item_id.clone());
            let known = last.get(&key).map_or(0, |known| known.level);
            if step.level > known {
                last.insert(key, step);
            }
        }
    }
    last
}

/// The steps that dunning has stored.
async fn stored_steps(db: &Db) -> BTreeMap<(String, String), Step> {
    let sql = "SELECT debtor_id, item_id, state FROM item_state";
    let rows = db.query(sql, vec![]).await.expect(sql);
    let step = |state: String| {
        let state: Value = serde_json::from_str(&state).expect("a state");
        let text = |key: &str| state[key].as_str().expect(key).to_owned();
        assert_eq!(state["cycle"], 1);
        Step {
            level: i32::try_from(state["level"].as_i64().expect("a level")).expect("few levels"),
            pay_by: text("pay_by"),
            notice_on: text("notice_on"),
        }
    };
    rows.iter()
        .map(|row| {
            let text = |name| column::<String>(row, name).expect(name);
            ((text("debtor_id"), text("item_id")), step(text("state")))
        })
        .collect()
}

/// Compares what dunning knows with what follows from the registry's lists and from the notices that left.
pub async fn agree(fleet: &Fleet, db: &Db, notices: &[Notice], token: &str) -> Compared {
    let steps = steps(notices);
    assert_eq!(stored_steps(db).await, steps, "steps by the notices alone");
    let mut clients = fleet.clients(0);
    let items = all_items(&mut clients, CREDITOR).await;
    let open = items.iter().filter(|it| it.kind() == ItemKind::Invoice);
    let open: BTreeMap<_, _> = open
        .map(|it| {
            let amount = it.open_amount.as_ref().expect("an amount").minor_units;
            ((it.debtor_id.clone(), it.item_id.clone()), amount)
        })
        .filter(|(_, amount)| *amount > 0)
        .collect();
    let debtors = all_debtors(&mut clients, CREDITOR).await;
    for replica in 0..REPLICAS {
        let mut known = BTreeMap::new();
        for debtor in &debtors {
            for finding in findings(fleet, replica, &debtor.debtor_id, token).await {
                let key = (debtor.debtor_id.clone(), finding.item_id.clone());
                // Told only where it took part in the decision.
                let sent = steps.get(&key).map_or(0, |step| step.level);
                let told = finding.sent_level;
                assert!(told == 0 || told == sent, "{key:?}: {finding:?}");
                known.insert(key, finding.open_minor);
            }
        }
        known.retain(|_, open| *open > 0);
        assert_eq!(known, open, "open amounts on replica {replica}");
    }
    Compared {
        open_items: open.len(),
        dunned_items: steps.len(),
        highest_level: steps.values().map(|step| step.level).max().unwrap_or(0),
        contacts: contacts_agree(&mut clients, notices).await,
    }
}

async fn findings(fleet: &Fleet, replica: usize, debtor_id: &str, token: &str) -> Vec<Finding> {
    let explained = patiently(async || {
        let mut work = fleet.dunning(replica).work;
        work.explain_debtor(ExplainDebtorRequest {
            creditor_id: CREDITOR.to_owned(),
            debtor_id: debtor_id.to_owned(),
            at_least: token.to_owned(),
        })
        .await
    })
    .await;
    explained.into_inner().findings
}

/// The registry was told of every sent e-mail once, and of nothing else.
async fn contacts_agree(clients: &mut Clients, notices: &[Notice]) -> usize {
    let mut told: BTreeMap<(String, String), usize> = BTreeMap::new();
    for debtor in all_debtors(clients, CREDITOR).await {
        let listed = clients
            .debtors
            .list_contacts(ListContactsRequest {
                creditor_id: CREDITOR.to_owned(),
                debtor_id: debtor.debtor_id.clone(),
                page_size: 1_000,
                ..ListContactsRequest::default()
            })
            .await
            .expect("contacts")
            .into_inner();
        assert_eq!(listed.next_page_token, "", "more than a page has");
        for contact in listed.contacts {
            let key = (debtor.debtor_id.clone(), contact.reference);
            *told.entry(key).or_default() += 1;
        }
    }
    let sent = notices
        .iter()
        .filter(|it| it.state() == NoticeState::Sent && it.channel() == NoticeChannel::Email);
    let sent: BTreeMap<_, _> = sent
        .map(|it| {
            let reference = format!("notice {}", it.notice_id);
            ((it.debtor_id.clone(), reference), 1)
        })
        .collect();
    assert_eq!(told, sent, "contacts at the registry");
    told.len()
}
