//! The working set of items and entries on which postings are applied.

use super::draft::{Draft, Outcome};
use super::entry::Entry;
use super::item::{Item, ItemKey};
use super::posting::PostingRequest;
use crate::date;
use crate::error::DomainError;
use crate::violation::{Violation, Violations};
use chrono::NaiveDate;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A part of the accounts of one creditor, in memory: postings are applied one after the other, each wholly or not at
/// all, and what changed is taken out at the end.
#[derive(Debug)]
pub struct Ledger {
    business_date: NaiveDate,
    accounts: HashMap<ItemKey, Account>,
    entries: Vec<PostedEntry>,
    by_id: HashMap<String, usize>,
    /// So many entries were given at the start; the rest is new.
    given: usize,
    /// Keys of new and changed items, in the order of the posting that changed them first.
    touched: Vec<ItemKey>,
}

/// What a ledger did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// New items, with version 1.
    pub inserted: Vec<Item>,
    /// Items that were there before; the version has grown by exactly one, however many postings touched them.
    pub updated: Vec<Item>,
    /// New entries, in the order of posting.
    pub entries: Vec<Entry>,
    /// For every item of `inserted` and `updated`, in the order of the posting that changed it first (within one posting
    /// by kind and id), what was done: `created` for new items, else the last of `allocated`, `settled` (an invoice on
    /// which nothing is open any more), `reversed`, `written_off`, `reopened`.
    pub actions: Vec<(ItemKey, &'static str)>,
}

/// An entry and whether another one undoes it.
#[derive(Debug)]
pub(super) struct PostedEntry {
    pub(super) entry: Entry,
    pub(super) undone: bool,
}

/// An item with what the rules need to know of its entries.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) item: Item,
    /// Whether the item was made by this ledger.
    pub(super) is_new: bool,
    /// What was done to it last, if anything.
    pub(super) action: Option<&'static str>,
    /// Positions of its entries, in the order of posting.
    pub(super) entries: Vec<usize>,
    /// How many of them settle and are not undone.
    pub(super) standing: usize,
    /// Latest recorded date of the item and its entries.
    pub(super) last_recorded: NaiveDate,
    /// Highest number of its entries.
    pub(super) last_number: i64,
    /// Net amount used up by value date.
    uses: BTreeMap<NaiveDate, i64>,
}

impl Account {
    pub(super) fn new(item: Item, is_new: bool) -> Self {
        Self {
            is_new,
            action: None,
            entries: Vec::new(),
            standing: 0,
            last_recorded: item.recorded_date,
            last_number: 0,
            uses: BTreeMap::new(),
            item,
        }
    }

    /// Takes an entry into account, except for the open amount.
    pub(super) fn attach(&mut self, position: usize, entry: &Entry) {
        self.entries.push(position);
        self.last_recorded = self.last_recorded.max(entry.recorded_date);
        self.last_number = self.last_number.max(entry.number);
        let used = entry.uses(&self.item.key);
        if used != 0 {
            *self.uses.entry(entry.value_date).or_default() += used;
        }
    }

    /// Notes a change; the version grows with the first one only.
    pub(super) fn touch(&mut self, action: &'static str) {
        if self.is_new {
            self.action = Some("created");
            return;
        }
        if self.action.is_none() {
            self.item.version += 1;
        }
        self.action = Some(action);
    }

    /// The first date, not before `from`, from which on so much is open at every date. `None` if that much is not open
    /// in the end.
    pub(super) fn first_date_with(&self, amount: i64, from: NaiveDate) -> Option<NaiveDate> {
        let mut open = self.item.amount - self.uses.values().sum::<i64>();
        let mut first = None;
        for (date, used) in self.uses.iter().rev() {
            if open < amount {
                return first;
            }
            if *date <= from {
                return Some(from);
            }
            first = Some(*date);
            open += used;
        }
        if open < amount { first } else { Some(from) }
    }
}

impl Ledger {
    /// A ledger over the items that postings refer to (see [`super::Posting::references`] and
    /// [`super::Posting::needs_counterparts`]), each with **all** its entries. Entries are taken in the order of their
    /// numbers; one given twice counts once; an entry may also name items that are not given.
    pub fn new(business_date: NaiveDate, items: Vec<Item>, entries: Vec<Entry>) -> Self {
        let accounts = items
            .into_iter()
            .map(|item| (item.key.clone(), Account::new(item, false)));
        let mut ledger = Self {
            business_date,
            accounts: accounts.collect(),
            entries: Vec::with_capacity(entries.len()),
            by_id: HashMap::with_capacity(entries.len()),
            given: 0,
            touched: Vec::new(),
        };
        let mut entries = entries;
        entries.sort_by(|left, right| {
            (left.number, &left.entry_id).cmp(&(right.number, &right.entry_id))
        });
        entries.dedup_by(|left, right| left.entry_id == right.entry_id);
        let undone: HashSet<String> = entries
            .iter()
            .filter_map(|entry| entry.reverses.clone())
            .collect();
        for entry in entries {
            let position = ledger.entries.len();
            let undone = undone.contains(&entry.entry_id);
            for key in entry.items() {
                if let Some(account) = ledger.accounts.get_mut(key) {
                    account.attach(position, &entry);
                    account.standing += usize::from(entry.settles() && !undone);
                }
            }
            ledger.push(entry, undone);
        }
        ledger.given = ledger.entries.len();
        ledger
    }

    /// Applies one posting, wholly or not at all, and answers with the item that the call is about. `entry_ids` makes
    /// the ids of new entries; it is not called for a posting that is refused.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] if the form is wrong, the recorded date is after the business date, or a value date
    /// is before that of what it reverses; [`DomainError::Exists`] and [`DomainError::NotFound`] for keys;
    /// [`DomainError::ItemsDoNotMatch`] for another debtor or currency; [`DomainError::ExceedsOpenAmount`];
    /// [`DomainError::AlreadyReversed`]; [`DomainError::HasAllocations`]; [`DomainError::LimitReached`].
    pub fn post(
        &mut self,
        request: &PostingRequest,
        entry_ids: &mut dyn FnMut() -> String,
    ) -> Result<ItemKey, DomainError> {
        let mut violations = request.posting.validate();
        violations.extend(self.check_recorded_date(request.recorded_date));
        if !violations.is_empty() {
            return Err(DomainError::Invalid(violations));
        }
        let posting_date = request.recorded_date.unwrap_or(self.business_date);
        let mut draft = Draft::new(self, posting_date);
        let key = draft.apply(&request.posting)?;
        let outcome = draft.finish();
        self.commit(outcome, entry_ids);
        Ok(key)
    }

    /// An item as it is now.
    pub fn item(&self, key: &ItemKey) -> Option<&Item> {
        self.accounts.get(key).map(|account| &account.item)
    }

    /// All entries that name this item, in the order of posting.
    pub fn entries_of(&self, key: &ItemKey) -> Vec<&Entry> {
        let positions = self
            .accounts
            .get(key)
            .map_or(&[][..], |account| &account.entries);
        positions
            .iter()
            .filter_map(|position| self.entries.get(*position))
            .map(|posted| &posted.entry)
            .collect()
    }

    /// What the postings did.
    pub fn into_changes(mut self) -> Changes {
        let mut changes = Changes::default();
        for key in self.touched {
            let Some(account) = self.accounts.remove(&key) else {
                continue;
            };
            changes
                .actions
                .push((key, account.action.unwrap_or("created")));
            let list = if account.is_new {
                &mut changes.inserted
            } else {
                &mut changes.updated
            };
            list.push(account.item);
        }
        changes.entries = self
            .entries
            .drain(self.given..)
            .map(|posted| posted.entry)
            .collect();
        changes
    }

    pub(super) fn account(&self, key: &ItemKey) -> Option<&Account> {
        self.accounts.get(key)
    }

    pub(super) fn posted(&self, position: usize) -> Option<&PostedEntry> {
        self.entries.get(position)
    }

    pub(super) fn position_of(&self, entry_id: &str) -> Option<usize> {
        self.by_id.get(entry_id).copied()
    }

    pub(super) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    fn check_recorded_date(&self, recorded_date: Option<NaiveDate>) -> Vec<Violation> {
        let mut violations = Violations::new();
        if let Some(recorded_date) = recorded_date {
            violations.require(
                recorded_date >= date::MIN && recorded_date <= self.business_date,
                "recorded_date",
                "must be from 1900-01-01 to the business date",
            );
        }
        violations.into_vec()
    }

    fn commit(&mut self, outcome: Outcome, entry_ids: &mut dyn FnMut() -> String) {
        for (key, account) in outcome.accounts {
            let touched_before = self
                .accounts
                .get(&key)
                .is_some_and(|before| before.action.is_some());
            if account.action.is_some() && !touched_before {
                self.touched.push(key.clone());
            }
            self.accounts.insert(key, account);
        }
        for position in outcome.undone {
            if let Some(posted) = self.entries.get_mut(position) {
                posted.undone = true;
            }
        }
        for mut entry in outcome.entries {
            entry.entry_id = entry_ids();
            self.push(entry, false);
        }
    }

    fn push(&mut self, entry: Entry, undone: bool) {
        self.by_id
            .insert(entry.entry_id.clone(), self.entries.len());
        self.entries.push(PostedEntry { entry, undone });
    }
}
