//! Broken promises and plans: a person is asked to talk to the debtor, once for each.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mahnwerk_feed::{WriteTx, partition};
use mahnwerk_proto::dunning::v1::TaskKind;
use mahnwerk_runtime::error::Result;

use super::{
    propose::{derived_id, first_items, priority},
    run::task_event,
};
use crate::storage::{
    facts::{self, Fact, FactRow, INVOICE},
    task::{self, TaskRow},
};

/// A promise or plan that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// Which one: `promise` or `instalment_plan`, a slash and its key.
    pub reference: String,
    /// The invoices that it was about.
    pub item_ids: Vec<String>,
    /// The business date on which it broke.
    pub on: NaiveDate,
}

/// States a task for each that has none yet and of whose invoices something is open. The debtors must be locked, and
/// their facts stored.
///
/// # Errors
/// Those of the database.
pub async fn ask(tx: &mut WriteTx, broken: &[Broken]) -> Result<()> {
    let mut by_creditor: BTreeMap<&str, Vec<&Broken>> = BTreeMap::new();
    for it in broken {
        by_creditor.entry(&it.creditor_id).or_default().push(it);
    }
    for (creditor_id, broken) in by_creditor {
        let debtors: BTreeSet<&String> = broken.iter().map(|it| &it.debtor_id).collect();
        let debtors: Vec<String> = debtors.into_iter().cloned().collect();
        let known = facts::of_debtors(&*tx, creditor_id, &debtors).await?;
        let at = tx.recorded_at();
        let tasks = broken.into_iter().filter_map(|it| {
            let facts = known.get(&it.debtor_id)?;
            asked(it, facts, at)
        });
        // One that breaks twice in a batch, told in two versions, is one.
        let tasks: BTreeMap<String, TaskRow> = tasks.map(|it| (it.task_id.clone(), it)).collect();
        let ids = tasks.keys().map(String::as_str);
        let there = task::there(&*tx, creditor_id, ids).await?;
        let tasks = tasks.into_values();
        let new: Vec<TaskRow> = tasks.filter(|it| !there.contains(&it.task_id)).collect();
        let stated = task::put(&*tx, &new).await?;
        tx.append(stated.iter().map(|it| task_event(it, "stated")).collect())?;
    }
    Ok(())
}

fn asked(broken: &Broken, facts: &[FactRow], at: i64) -> Option<TaskRow> {
    let concerned: BTreeSet<&str> = broken.item_ids.iter().map(String::as_str).collect();
    let open = facts.iter().filter_map(|row| match &row.fact {
        Fact::Invoice(invoice) => {
            let id = row.entity_id.strip_prefix(INVOICE)?;
            concerned.contains(id).then_some((id, invoice.open))
        }
        _ => None,
    });
    let open: BTreeMap<&str, i64> = open.collect();
    if open.is_empty() {
        return None;
    }
    // All of them are in one currency.
    let sum = open.values().fold(0_i64, |sum, it| sum.saturating_add(*it));
    let pd_ppm = facts.iter().find_map(|row| match &row.fact {
        Fact::Score(score) => Some(score.pd_ppm),
        _ => None,
    });
    let portfolio = facts.iter().find_map(|row| match &row.fact {
        Fact::Membership(treatment) => Some(treatment.portfolio.clone()),
        _ => None,
    });
    let kind = TaskKind::BrokenPromise;
    let slot = format!("{}:{}", task::kind_name(kind), broken.reference);
    Some(TaskRow {
        creditor_id: broken.creditor_id.clone(),
        task_id: derived_id(&[&slot]),
        slot,
        kind,
        debtor_id: broken.debtor_id.clone(),
        part: partition(&broken.creditor_id, &broken.debtor_id),
        notice_id: String::new(),
        portfolio: portfolio.unwrap_or_default(),
        due_date: broken.on,
        priority: priority(std::iter::once(sum), pd_ppm),
        item_ids: first_items(open.into_keys()),
        reference: broken.reference.clone(),
        claimed_by: String::new(),
        claimed_until: None,
        outcome: None,
        note: String::new(),
        created_at: at,
        version: 1,
    })
}
