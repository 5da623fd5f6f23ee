//! Balances and ageing as of any date, as known at any date.

use crate::account::{Entry, Item, ItemKey, ItemKind};
use crate::currency::Currency;
use crate::error::DomainError;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Open amounts of one currency, in minor units, by how long they are overdue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The currency.
    pub currency: Currency,
    /// What is owed: the sum of the five buckets.
    pub receivable: i64,
    /// Payments and credit notes not allocated yet.
    pub unallocated: i64,
    /// Due on the date or later.
    pub not_due: i64,
    /// 1 to 30 days after the due date.
    pub overdue_1_30: i64,
    /// 31 to 60 days after the due date.
    pub overdue_31_60: i64,
    /// 61 to 90 days after the due date.
    pub overdue_61_90: i64,
    /// More than 90 days after the due date.
    pub overdue_over_90: i64,
    /// Number of invoices with an open amount.
    pub open_items: i64,
}

/// Buckets of one currency while summing up.
#[derive(Default)]
struct Sums {
    unallocated: i128,
    /// Not due, 1 to 30, 31 to 60, 61 to 90, over 90.
    buckets: [i128; 5],
    open_items: i128,
}

/// The balances by currency code, of all items that exist as of the date and were known at `known_at` (`None`:
/// whatever is recorded). `entries` must hold all entries of the items; others do not matter.
///
/// # Errors
/// [`DomainError::LimitReached`] if a sum does not fit 64 bits, which takes more than 9,000 items of the largest amount.
pub fn balances(
    items: &[Item],
    entries: &[Entry],
    as_of: NaiveDate,
    known_at: Option<NaiveDate>,
) -> Result<Vec<Balance>, DomainError> {
    let used = used_amounts(entries, as_of, known_at);
    let mut currencies: BTreeMap<Currency, Sums> = BTreeMap::new();
    for item in items.iter().filter(|item| exists(item, as_of, known_at)) {
        let open = i128::from(item.amount) - used.get(&item.key).copied().unwrap_or_default();
        let sums = currencies.entry(item.currency).or_default();
        if item.key.kind != ItemKind::Invoice {
            sums.unallocated += open;
            continue;
        }
        let days_overdue = (as_of - item.due_date.unwrap_or(item.document_date)).num_days();
        let bucket = match days_overdue {
            ..=0 => 0,
            1..=30 => 1,
            31..=60 => 2,
            61..=90 => 3,
            91.. => 4,
        };
        if let Some(sum) = sums.buckets.get_mut(bucket) {
            *sum += open;
        }
        sums.open_items += i128::from(open != 0);
    }
    currencies
        .into_iter()
        .map(|(currency, sums)| sums.into_balance(currency))
        .collect()
}

/// What is open on one item, in minor units; 0 if it does not exist as of the date or was not known.
pub fn open_amount(
    item: &Item,
    entries: &[Entry],
    as_of: NaiveDate,
    known_at: Option<NaiveDate>,
) -> i64 {
    if !exists(item, as_of, known_at) {
        return 0;
    }
    let counted = entries
        .iter()
        .filter(|entry| counts(entry, as_of, known_at));
    item.amount - counted.map(|entry| entry.uses(&item.key)).sum::<i64>()
}

impl Sums {
    fn into_balance(self, currency: Currency) -> Result<Balance, DomainError> {
        let fit = |sum: i128| {
            i64::try_from(sum).map_err(|_| DomainError::LimitReached {
                limit: i64::MAX,
                what: "minor units of a balance",
            })
        };
        let [
            not_due,
            overdue_1_30,
            overdue_31_60,
            overdue_61_90,
            overdue_over_90,
        ] = self.buckets;
        Ok(Balance {
            currency,
            receivable: fit(self.buckets.iter().sum())?,
            unallocated: fit(self.unallocated)?,
            not_due: fit(not_due)?,
            overdue_1_30: fit(overdue_1_30)?,
            overdue_31_60: fit(overdue_31_60)?,
            overdue_61_90: fit(overdue_61_90)?,
            overdue_over_90: fit(overdue_over_90)?,
            open_items: fit(self.open_items)?,
        })
    }
}

fn used_amounts(
    entries: &[Entry],
    as_of: NaiveDate,
    known_at: Option<NaiveDate>,
) -> HashMap<&ItemKey, i128> {
    let mut used: HashMap<&ItemKey, i128> = HashMap::new();
    for entry in entries
        .iter()
        .filter(|entry| counts(entry, as_of, known_at))
    {
        for key in entry.items() {
            *used.entry(key).or_default() += i128::from(entry.uses(key));
        }
    }
    used
}

fn exists(item: &Item, as_of: NaiveDate, known_at: Option<NaiveDate>) -> bool {
    item.value_date <= as_of && known_at.is_none_or(|known_at| item.recorded_date <= known_at)
}

fn counts(entry: &Entry, as_of: NaiveDate, known_at: Option<NaiveDate>) -> bool {
    entry.value_date <= as_of && known_at.is_none_or(|known_at| entry.recorded_date <= known_at)
}

#[cfg(test)]
mod tests;
