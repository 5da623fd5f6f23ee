//! What must come out, computed naively from what the `List` methods answer: no projection code, no ledger code.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::{
        Debtor, DebtorKind, Dispute, DisputeState, EntryKind, InstalmentPlanState, Item, ItemKind,
        ListDebtorsRequest, ListDisputesRequest, ListInstalmentPlansRequest, ListItemsRequest,
        ListPromisesRequest, PromiseState, Relationship,
    },
    scoring::v1::{GetScoreRequest, Score},
};
use scoring_core::{
    facts::{
        self, ArrangementKind, Arrangements, BrokenFacts, DebtorFacts, DisputeFacts, ItemFacts,
        Settlement, SettlementKind,
    },
    features,
    score::score,
    scorecard::{ScorecardKind, starter_scorecards},
};

use crate::suite::Clients;

/// What was compared, so that a test can print it and refuse zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Debtors whose score was compared.
    pub debtors: usize,
    /// Items whose open amount was recomputed.
    pub items: usize,
    /// Those of them that scores rest on.
    pub invoices: usize,
    /// Entries that were summed.
    pub entries: usize,
}

/// Recomputes every open amount and every score of a creditor and compares. `at_least` is a token of the registry that
/// the scores must contain.
///
/// # Panics
/// On the first difference.
pub async fn compare(
    clients: &mut Clients,
    creditor_id: &str,
    today: Date,
    at_least: &str,
) -> Compared {
    compare_without(clients, creditor_id, today, at_least, &[]).await
}

/// The same for all but some debtors, of whom scoring may know what it wants.
///
/// # Panics
/// On the first difference.
pub async fn compare_without(
    clients: &mut Clients,
    creditor_id: &str,
    today: Date,
    at_least: &str,
    left_out: &[&str],
) -> Compared {
    let today = date(Some(&today));
    let mut debtors = all_debtors(clients, creditor_id).await;
    debtors.retain(|debtor| !left_out.contains(&debtor.debtor_id.as_str()));
    let mut items = all_items(clients, creditor_id).await;
    items.retain(|item| !left_out.contains(&item.debtor_id.as_str()));
    let entries = check_ledger(&items);
    let mut by_debtor: BTreeMap<&str, Vec<ItemFacts>> = BTreeMap::new();
    for item in items.iter().filter(|item| item.kind() == ItemKind::Invoice) {
        by_debtor
            .entry(&item.debtor_id)
            .or_default()
            .push(item_facts(item));
    }
    for debtor in &debtors {
        let own = by_debtor
            .remove(debtor.debtor_id.as_str())
            .unwrap_or_default();
        let found = clients
            .scores
            .get_score(GetScoreRequest {
                creditor_id: creditor_id.to_owned(),
                debtor_id: debtor.debtor_id.clone(),
                at_least: at_least.to_owned(),
                language: String::new(),
            })
            .await
            .unwrap_or_else(|status| panic!("score of {}: {status:?}", debtor.debtor_id))
            .into_inner()
            .score
            .expect("a score");
        let arrangements = arrangements(clients, debtor).await;
        compare_score(debtor, arrangements, &own, today, &found);
    }
    Compared {
        debtors: debtors.len(),
        items: items.len(),
        invoices: items
            .iter()
            .filter(|item| item.kind() == ItemKind::Invoice)
            .count(),
        entries,
    }
}

fn compare_score(
    debtor: &Debtor,
    arrangements: Arrangements,
    items: &[ItemFacts],
    today: NaiveDate,
    found: &Score,
) {
    let facts = debtor_facts(debtor, arrangements);
    let features = features::Features::compute(&facts, items, today);
    let kind = ScorecardKind::for_debtor(&facts, &features);
    let cards = starter_scorecards().expect("starter scorecards");
    let card = cards
        .iter()
        .find(|card| card.kind == kind)
        .expect("a card for every kind");
    let expected = score(card, &features);
    assert_eq!(
        (found.score, found.pd_ppm, found.settled_items),
        (expected.score, expected.pd_ppm, features.settled_items),
        "score, PD and settled items of {}",
        debtor.debtor_id
    );
}

/// The disputes and the broken promises and plans of a debtor: as many as a page has.
async fn arrangements(clients: &mut Clients, debtor: &Debtor) -> Arrangements {
    let (creditor_id, debtor_id) = (debtor.creditor_id.clone(), debtor.debtor_id.clone());
    let client = &mut clients.arrangements;
    let disputes = client
        .list_disputes(ListDisputesRequest {
            creditor_id: creditor_id.clone(),
            debtor_id: debtor_id.clone(),
            page_size: 1_000,
            ..ListDisputesRequest::default()
        })
        .await
        .expect("disputes")
        .into_inner();
    let promises = client
        .list_promises(ListPromisesRequest {
            creditor_id: creditor_id.clone(),
            debtor_id: debtor_id.clone(),
            page_size: 1_000,
            ..ListPromisesRequest::default()
        })
        .await
        .expect("promises")
        .into_inner();
    let plans = client
        .list_instalment_plans(ListInstalmentPlansRequest {
            creditor_id,
            debtor_id,
            page_size: 1_000,
            ..ListInstalmentPlansRequest::default()
        })
        .await
        .expect("plans")
        .into_inner();
    let more = [
        disputes.next_page_token,
        promises.next_page_token,
        plans.next_page_token,
    ];
    assert!(more.iter().all(String::is_empty), "more than a page has");
    let promises = promises.promises.iter();
    let promises = promises
        .filter(|promise| promise.state() == PromiseState::Broken)
        .map(|promise| broken(ArrangementKind::Promise, promise.closed_date));
    let plans = plans.instalment_plans.iter();
    let plans = plans
        .filter(|plan| plan.state() == InstalmentPlanState::Broken)
        .map(|plan| broken(ArrangementKind::InstalmentPlan, plan.closed_date));
    Arrangements {
        broken: promises.chain(plans).collect(),
        disputes: disputes.disputes.iter().map(dispute_facts).collect(),
    }
}

fn broken(kind: ArrangementKind, on: Option<Date>) -> BrokenFacts {
    BrokenFacts {
        kind,
        on: date(on.as_ref()),
    }
}

fn dispute_facts(dispute: &Dispute) -> DisputeFacts {
    DisputeFacts {
        item_id: dispute.invoice_id.clone(),
        amount: dispute.amount.as_ref().map(|amount| amount.minor_units),
        opened_date: date(dispute.opened_date.as_ref()),
        closed_date: dispute.closed_date.as_ref().map(|day| date(Some(day))),
        upheld: dispute.state() == DisputeState::Upheld,
    }
}

/// Open amounts are amount minus everything that settled, counted by hand from the entries of the invoices.
fn check_ledger(items: &[Item]) -> usize {
    let mut used: BTreeMap<(i32, &str), i64> = BTreeMap::new();
    let mut entries = 0;
    for item in items {
        for entry in &item.entries {
            entries += 1;
            if entry.kind() == EntryKind::Allocation {
                *used
                    .entry((entry.credit_kind, &entry.credit_id))
                    .or_default() += amount(entry.amount.as_ref());
            }
        }
    }
    for item in items {
        let settled: i64 = match item.kind() {
            ItemKind::Invoice => item
                .entries
                .iter()
                .map(|entry| amount(entry.amount.as_ref()))
                .sum(),
            _ if item.reversed => amount(item.amount.as_ref()),
            _ => used
                .get(&(item.kind, item.item_id.as_str()))
                .copied()
                .unwrap_or(0),
        };
        assert_eq!(
            amount(item.open_amount.as_ref()),
            amount(item.amount.as_ref()) - settled,
            "open amount of {:?} {}",
            item.kind(),
            item.item_id
        );
    }
    entries
}

fn amount(money: Option<&mahnwerk_proto::common::v1::Money>) -> i64 {
    money.expect("an amount").minor_units
}

fn date(date: Option<&Date>) -> NaiveDate {
    mahnwerk_runtime::validate::to_date(date.expect("a date")).expect("a date of the calendar")
}

/// All debtors of a creditor.
///
/// # Panics
/// If the registry refuses.
pub async fn all_debtors(clients: &mut Clients, creditor_id: &str) -> Vec<Debtor> {
    let mut request = ListDebtorsRequest {
        creditor_id: creditor_id.to_owned(),
        page_size: 1_000,
        ..ListDebtorsRequest::default()
    };
    let mut all = Vec::new();
    loop {
        let page = clients
            .debtors
            .list_debtors(request.clone())
            .await
            .expect("debtors")
            .into_inner();
        all.extend(page.debtors);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

/// All items of a creditor.
///
/// # Panics
/// If the registry refuses.
pub async fn all_items(clients: &mut Clients, creditor_id: &str) -> Vec<Item> {
    let mut request = ListItemsRequest {
        creditor_id: creditor_id.to_owned(),
        page_size: 1_000,
        ..ListItemsRequest::default()
    };
    let mut all = Vec::new();
    loop {
        let page = clients
            .accounts
            .list_items(request.clone())
            .await
            .expect("items")
            .into_inner();
        all.extend(page.items);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

fn debtor_facts(debtor: &Debtor, arrangements: Arrangements) -> DebtorFacts {
    DebtorFacts {
        kind: match debtor.kind() {
            DebtorKind::Person => facts::DebtorKind::Person,
            _ => facts::DebtorKind::Organisation,
        },
        prospect: debtor.relationship() == Relationship::Prospect,
        customer_since: debtor
            .customer_since
            .as_ref()
            .map(|since| date(Some(since))),
        insolvent_since: debtor
            .insolvent_since
            .as_ref()
            .map(|since| date(Some(since))),
        deceased_since: debtor
            .deceased_since
            .as_ref()
            .map(|since| date(Some(since))),
        credit_hold: debtor.credit_hold,
        arrangements,
    }
}

fn item_facts(item: &Item) -> ItemFacts {
    let settlements = item.entries.iter().map(|entry| Settlement {
        amount: amount(entry.amount.as_ref()),
        value_date: date(entry.value_date.as_ref()),
        recorded_date: date(entry.recorded_date.as_ref()),
        kind: match (entry.kind(), entry.credit_kind()) {
            (EntryKind::Allocation, ItemKind::CreditNote) => SettlementKind::CreditNote,
            (EntryKind::Discount, _) => SettlementKind::Discount,
            (EntryKind::WriteOff, _) => SettlementKind::WriteOff,
            (EntryKind::Cancellation, _) => SettlementKind::Cancellation,
            _ => SettlementKind::Payment,
        },
    });
    ItemFacts {
        item_id: item.item_id.clone(),
        currency: item
            .amount
            .as_ref()
            .expect("an amount")
            .currency_code
            .clone(),
        amount: amount(item.amount.as_ref()),
        document_date: date(item.document_date.as_ref()),
        due_date: date(item.due_date.as_ref()),
        recorded_date: date(item.recorded_date.as_ref()),
        settlements: settlements.collect(),
    }
}
