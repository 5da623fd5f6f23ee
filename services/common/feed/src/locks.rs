//! What a transaction touches, and the order in which everybody takes it.

use std::collections::{BTreeMap, BTreeSet};

use crate::key::{creditor_lock, debtor_lock};

/// Most debtors that one transaction may touch; larger work goes in chunks.
pub const MAX_DEBTORS: usize = 256;

/// What a transaction touches. All locks are taken at once, in one order for everybody, before anything else.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    creditors: BTreeMap<String, bool>,
    debtors: BTreeSet<(String, String)>,
}

impl Locks {
    /// Nothing: for work that writes no events.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A creditor as a whole.
    #[must_use]
    pub fn creditor(creditor_id: &str) -> Self {
        let mut locks = Self::default();
        locks.add_creditor(creditor_id);
        locks
    }

    /// One debtor.
    #[must_use]
    pub fn debtor(creditor_id: &str, debtor_id: &str) -> Self {
        let mut locks = Self::default();
        locks.add_debtor(creditor_id, debtor_id);
        locks
    }

    /// Debtors of one creditor.
    pub fn debtors<'a>(creditor_id: &str, debtor_ids: impl IntoIterator<Item = &'a str>) -> Self {
        let mut locks = Self::default();
        for debtor_id in debtor_ids {
            locks.add_debtor(creditor_id, debtor_id);
        }
        locks
    }

    /// Adds a creditor as a whole.
    pub fn add_creditor(&mut self, creditor_id: &str) {
        self.creditors.insert(creditor_id.to_owned(), true);
    }

    /// Adds a debtor.
    pub fn add_debtor(&mut self, creditor_id: &str, debtor_id: &str) {
        self.creditors
            .entry(creditor_id.to_owned())
            .or_insert(false);
        self.debtors
            .insert((creditor_id.to_owned(), debtor_id.to_owned()));
    }

    pub(crate) fn debtor_count(&self) -> usize {
        self.debtors.len()
    }

    /// Whether an event about this debtor may be written.
    pub(crate) fn covers(&self, creditor_id: &str, debtor_id: &str) -> bool {
        self.creditors.get(creditor_id).is_some_and(|exclusive| {
            *exclusive
                || self
                    .debtors
                    .contains(&(creditor_id.to_owned(), debtor_id.to_owned()))
        })
    }

    /// Lock keys with their mode (1 = exclusive): creditors first, then debtors, ascending within each.
    pub(crate) fn keys(&self) -> (Vec<i64>, Vec<i64>) {
        let mut creditors: Vec<_> = self
            .creditors
            .iter()
            .map(|(creditor_id, exclusive)| (creditor_lock(creditor_id), i64::from(*exclusive)))
            .collect();
        creditors.sort_unstable();
        let mut debtors: Vec<_> = self
            .debtors
            .iter()
            .map(|(creditor_id, debtor_id)| (debtor_lock(creditor_id, debtor_id), 1))
            .collect();
        debtors.sort_unstable();
        creditors.into_iter().chain(debtors).unzip()
    }
}
