//! The one engine behind single postings and imports: load what they refer to, apply them in order, save what changed.
//!
//! Whatever the number of postings, it takes a constant number of statements.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mahnwerk_feed::{NewEvent, WriteTx, write::MAX_EVENTS};
use mahnwerk_runtime::{db::Sql, error::Result, ids::SharedIds};
use registry_core::{
    account::{Changes, Entry, Item, ItemKey, ItemKind, Ledger, Posting, PostingRequest},
    creditor::Creditor,
    date,
    debtor::{Debtor, Relationship},
    error::DomainError,
};

use super::{account::ItemView, arrangement, from_domain};
use crate::{
    feed,
    grpc::convert_account,
    storage::{self, day_number},
};

/// A debtor that postings name.
struct KnownDebtor {
    debtor: Debtor,
    is_new: bool,
    /// What was done to it, if anything.
    action: Option<&'static str>,
}

/// The part of a creditor's accounts that a transaction works on.
pub struct WorkingSet {
    creditor: Creditor,
    ids: SharedIds,
    ledger: Ledger,
    /// Every item that the postings name or may change, whether it exists or not.
    keys: BTreeSet<ItemKey>,
    debtors: BTreeMap<String, KnownDebtor>,
}

impl WorkingSet {
    /// Loads what the postings refer to, and the debtors named besides.
    ///
    /// # Errors
    /// `NO_BUSINESS_DAY` if there are postings but no open day; otherwise those of the database.
    pub async fn load<'a>(
        on: &impl Sql,
        ids: SharedIds,
        creditor: Creditor,
        postings: impl IntoIterator<Item = &'a Posting>,
        debtor_ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let mut keys = BTreeSet::new();
        let mut undoing = BTreeSet::new();
        let mut debtor_ids: BTreeSet<&str> = debtor_ids.into_iter().collect();
        for posting in postings {
            debtor_ids.extend(new_for(posting));
            let references = posting.references();
            if posting.needs_counterparts() {
                undoing.extend(references.iter().cloned());
            }
            keys.extend(references);
        }
        let business_date = match creditor.business_date {
            Some(date) => date,
            // Without postings the date is of no account.
            None if keys.is_empty() => date::MIN,
            None => return Err(from_domain(DomainError::NoBusinessDay)),
        };
        let creditor_id = &creditor.creditor_id;
        let debtor_ids: Vec<&str> = debtor_ids.into_iter().collect();
        let known = storage::debtor::get_many(on, creditor_id, &debtor_ids).await?;
        let mut items = storage::item::get_many(on, creditor_id, &keys).await?;
        // What does not exist has no entries.
        let found: BTreeSet<ItemKey> = items.iter().map(|item| item.key.clone()).collect();
        let mut entries = storage::entry::of_items(on, creditor_id, &found).await?;
        let others = counterparts(&entries, &undoing, &found);
        if !others.is_empty() {
            items.extend(storage::item::get_many(on, creditor_id, &others).await?);
            entries.extend(storage::entry::of_items(on, creditor_id, &others).await?);
            keys.extend(others);
        }
        Ok(Self {
            ledger: Ledger::new(business_date, items, entries),
            creditor,
            ids,
            keys,
            debtors: known
                .into_iter()
                .map(|(debtor_id, debtor)| {
                    (
                        debtor_id,
                        KnownDebtor {
                            debtor,
                            is_new: false,
                            action: None,
                        },
                    )
                })
                .collect(),
        })
    }

    /// Adds a debtor.
    ///
    /// # Errors
    /// `Exists`.
    pub fn add_debtor(&mut self, debtor: Debtor) -> Result<(), DomainError> {
        if self.debtors.contains_key(&debtor.debtor_id) {
            return Err(DomainError::Exists {
                kind: "debtor",
                id: debtor.debtor_id,
            });
        }
        let known = KnownDebtor {
            is_new: true,
            action: Some("created"),
            debtor,
        };
        self.debtors.insert(known.debtor.debtor_id.clone(), known);
        Ok(())
    }

    /// Refuses unless the debtor exists. It must have been named to [`WorkingSet::load`].
    ///
    /// # Errors
    /// `NotFound`.
    pub fn require_debtor(&self, debtor_id: &str) -> Result<(), DomainError> {
        if self.debtors.contains_key(debtor_id) {
            return Ok(());
        }
        Err(DomainError::NotFound {
            kind: "debtor",
            id: debtor_id.to_owned(),
        })
    }

    /// Applies one posting, wholly or not at all. The first invoice of a prospect makes it a customer.
    ///
    /// # Errors
    /// `NotFound` for the debtor of a new item; otherwise those of [`Ledger::post`].
    pub fn post(&mut self, request: &PostingRequest) -> Result<ItemKey, DomainError> {
        let debtor_id = new_for(&request.posting);
        debtor_id.map_or(Ok(()), |debtor_id| self.require_debtor(debtor_id))?;
        let ids = &self.ids;
        let key = self.ledger.post(request, &mut || ids.next().to_string())?;
        if let (Posting::Invoice(_), Some(debtor_id)) = (&request.posting, debtor_id)
            && let Some(known) = self.debtors.get_mut(debtor_id)
        {
            known.become_customer();
        }
        Ok(key)
    }

    /// The debtor of an item as it is now.
    #[must_use]
    pub fn debtor_of_item(&self, key: &ItemKey) -> Option<&str> {
        self.ledger.item(key).map(|item| item.debtor_id.as_str())
    }

    /// An item as it is now.
    #[must_use]
    pub fn view(&self, key: &ItemKey) -> Option<ItemView> {
        let item = self.ledger.item(key)?.clone();
        Some(ItemView {
            item,
            entries: self.entries_of(key),
        })
    }

    fn entries_of(&self, key: &ItemKey) -> Vec<Entry> {
        if key.kind != ItemKind::Invoice {
            return Vec::new();
        }
        self.ledger.entries_of(key).into_iter().cloned().collect()
    }

    /// Writes what changed, and one event for each changed debtor and item, and for each promise or plan for which money
    /// has come.
    ///
    /// # Errors
    /// `Contention` if another writer took one of the keys in the meantime, `LIMIT_REACHED` if more changed than a
    /// transaction may hold; otherwise those of the database.
    pub async fn save(self, tx: &mut WriteTx) -> Result<()> {
        let mut entries: HashMap<ItemKey, Vec<Entry>> = HashMap::new();
        for key in &self.keys {
            let own = self.entries_of(key);
            if !own.is_empty() {
                entries.insert(key.clone(), own);
            }
        }
        let creditor_id = &self.creditor.creditor_id;
        let business_date = self.creditor.business_date.map(day_number);
        let Changes {
            inserted,
            updated,
            entries: new_entries,
            actions,
        } = self.ledger.into_changes();
        let changed: Vec<KnownDebtor> = self
            .debtors
            .into_values()
            .filter(|known| known.action.is_some())
            .collect();
        let count = actions.len() + changed.len();
        check_events(count)?;
        let settled: Vec<String> = updated
            .iter()
            .filter(|item| item.key.kind == ItemKind::Invoice)
            .map(|item| item.key.id.clone())
            .collect();
        let items = [inserted, updated].concat();
        let debtors: Vec<Debtor> = changed.iter().map(|known| known.debtor.clone()).collect();
        storage::debtor::save_many(tx, &debtors).await?;
        storage::item::save(tx, creditor_id, &items).await?;
        storage::entry::insert(tx, creditor_id, &new_entries).await?;
        let touched = settled.iter().map(String::as_str);
        let recounted = arrangement::recount(tx, &self.creditor, touched).await?;
        check_events(count + recounted.len())?;
        let mut events: Vec<NewEvent> = changed
            .iter()
            .filter_map(|known| {
                Some(feed::debtor_event(
                    &self.creditor,
                    &known.debtor,
                    known.action?,
                ))
            })
            .collect();
        events.extend(item_events(
            creditor_id,
            business_date,
            items,
            actions,
            entries,
        ));
        events.extend(recounted);
        tx.append(events)
    }
}

/// Refuses more events than a transaction may hold.
fn check_events(count: usize) -> Result<()> {
    if count <= MAX_EVENTS {
        return Ok(());
    }
    Err(from_domain(DomainError::LimitReached {
        limit: i64::try_from(MAX_EVENTS).unwrap_or(i64::MAX),
        what: "changes of one transaction",
    }))
}

impl KnownDebtor {
    fn become_customer(&mut self) {
        if self.debtor.relationship == Relationship::Customer {
            return;
        }
        self.debtor.relationship = Relationship::Customer;
        if !self.is_new {
            self.debtor.version += 1;
            self.action = Some("became_customer");
        }
    }
}

/// The debtor for whom a posting makes a new item.
fn new_for(posting: &Posting) -> Option<&str> {
    match posting {
        Posting::Invoice(invoice) => Some(&invoice.debtor_id),
        Posting::CreditNote(credit) | Posting::Payment(credit) => Some(&credit.debtor_id),
        Posting::Allocate { .. }
        | Posting::ReverseItem { .. }
        | Posting::ReverseEntry { .. }
        | Posting::WriteOff { .. } => None,
    }
}

/// The items on the other side of the entries of `undoing` that are not loaded yet.
fn counterparts(
    entries: &[Entry],
    undoing: &BTreeSet<ItemKey>,
    loaded: &BTreeSet<ItemKey>,
) -> BTreeSet<ItemKey> {
    if undoing.is_empty() {
        return BTreeSet::new();
    }
    entries
        .iter()
        .filter(|entry| entry.items().any(|key| undoing.contains(key)))
        .flat_map(Entry::items)
        .filter(|key| !loaded.contains(*key))
        .cloned()
        .collect()
}

fn item_events(
    creditor_id: &str,
    business_date: Option<i64>,
    items: Vec<Item>,
    actions: Vec<(ItemKey, &'static str)>,
    mut entries: HashMap<ItemKey, Vec<Entry>>,
) -> Vec<NewEvent> {
    let mut items: HashMap<ItemKey, Item> = items
        .into_iter()
        .map(|item| (item.key.clone(), item))
        .collect();
    let event = |(key, action): (ItemKey, &'static str)| {
        let item = items.remove(&key)?;
        let view = ItemView {
            entries: entries.remove(&key).unwrap_or_default(),
            item,
        };
        Some(NewEvent {
            creditor_id: creditor_id.to_owned(),
            debtor_id: view.item.debtor_id.clone(),
            entity: feed::ITEM,
            entity_id: convert_account::entity_id(&key),
            version: view.item.version,
            action,
            business_date,
            state: NewEvent::encode(&convert_account::item_message(creditor_id, &view)),
        })
    };
    actions.into_iter().filter_map(event).collect()
}
