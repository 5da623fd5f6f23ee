//! The items of one debtor, kept current as facts arrive.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::facts::{DebtorFacts, ItemFacts};
use crate::features::Features;

/// The items of one debtor by id. What it answers depends on the items it holds, never on how they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    items: BTreeMap<String, ItemFacts>,
}

impl History {
    /// Holds the items given; of several with the same id the last one.
    pub fn from_items(items: impl IntoIterator<Item = ItemFacts>) -> Self {
        Self {
            items: items
                .into_iter()
                .map(|item| (item.item_id.clone(), item))
                .collect(),
        }
    }

    /// Adds an item or replaces the one with its id.
    pub fn upsert_item(&mut self, item: ItemFacts) {
        self.items.insert(item.item_id.clone(), item);
    }

    /// Forgets an item; returns whether it was there.
    pub fn remove_item(&mut self, item_id: &str) -> bool {
        self.items.remove(item_id).is_some()
    }

    /// The features as of any date, see [`Features::compute`].
    #[must_use]
    pub fn features(&self, debtor: &DebtorFacts, as_of: NaiveDate) -> Features {
        Features::compute_from(debtor, self.items.values(), as_of)
    }

    /// The first date after `as_of` on which they may differ, see [`Features::unchanged_until`].
    #[must_use]
    pub fn unchanged_until(&self, debtor: &DebtorFacts, as_of: NaiveDate) -> NaiveDate {
        Features::unchanged_until_from(debtor, self.items.values(), as_of)
    }
}
