//! Random posting histories, against a ledger that recomputes everything from the list of facts by brute force.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, like tests"
)]

mod history;
mod naive;

use history::{FIRST_DAY, LAST_DAY, Step, history};
use naive::{HORIZON, Naive, Part, date};
use proptest::prelude::*;
use registry_core::account::{
    Allocation, Changes, Entry, Item, ItemKey, ItemKind, Ledger, NewCredit, NewInvoice, Posting,
    PostingRequest,
};
use registry_core::balance::{balances, open_amount};
use registry_core::currency::Currency;
use registry_core::error::DomainError;
use registry_core::money::Money;
use std::collections::{BTreeMap, HashSet};

/// The ledger under test with what a database would hold, and the naive one beside it.
struct Pair {
    day: i64,
    ledger: Ledger,
    items: BTreeMap<ItemKey, Item>,
    entries: Vec<Entry>,
    naive: Naive,
    ids: usize,
    accepted: usize,
}

impl Pair {
    fn new() -> Self {
        let ledger = Ledger::new(date(FIRST_DAY), Vec::new(), Vec::new());
        let naive = Naive::default();
        Self {
            day: FIRST_DAY,
            ledger,
            items: BTreeMap::new(),
            entries: Vec::new(),
            naive,
            ids: 0,
            accepted: 0,
        }
    }

    fn run(&mut self, step: &Step, stated: Option<i64>) {
        let recorded = stated.map_or(self.day, |days| self.day - days);
        match step {
            Step::NextDay(days) => {
                self.day = (self.day + days).min(LAST_DAY);
                self.reload();
            }
            Step::Reload => self.reload(),
            _ => {
                let (posting, expected) = self.expectation(step, recorded);
                let request = PostingRequest {
                    posting,
                    recorded_date: stated.map(|_| date(recorded)),
                };
                let mut ids = self.ids;
                let actual = self.ledger.post(&request, &mut || {
                    ids += 1;
                    format!("e{}", ids - 1)
                });
                self.ids = ids;
                self.accepted += usize::from(actual.is_ok());
                let actual = actual.map(|_| ()).map_err(|error| reason(&error));
                assert_eq!(actual, expected, "{request:?}");
                assert_eq!(self.ids, self.naive.facts.len(), "{request:?}");
            }
        }
    }

    /// The posting of a step, and what the naive ledger does with it.
    fn expectation(&mut self, step: &Step, recorded: i64) -> Expectation {
        let naive = &mut self.naive;
        let day = self.day;
        match step {
            Step::Invoice {
                debtor,
                currency,
                amount,
                day: offset,
                term,
            } => {
                let (document, due) = (day + offset, day + offset + term);
                let id = naive.add_item(
                    ItemKind::Invoice,
                    (*debtor, *currency),
                    *amount,
                    (document, Some(due)),
                    recorded,
                );
                let invoice = NewInvoice {
                    debtor_id: format!("D{debtor}"),
                    item_id: id,
                    amount: money(*currency, *amount),
                    document_date: date(document),
                    due_date: date(due),
                    discount_date: None,
                    discount_bps: 0,
                    reference: String::new(),
                };
                (Posting::Invoice(invoice), Ok(()))
            }
            Step::Credit {
                payment,
                debtor,
                currency,
                amount,
                day: offset,
                parts,
            } => {
                let kind = if *payment {
                    ItemKind::Payment
                } else {
                    ItemKind::CreditNote
                };
                let parts = naive.distinct(parts, *payment);
                let before = naive.clone();
                let id = naive.add_item(
                    kind,
                    (*debtor, *currency),
                    *amount,
                    (day + offset, None),
                    recorded,
                );
                let expected = naive.allocate(naive.items.len() - 1, &parts, recorded);
                if expected.is_err() {
                    *naive = before;
                }
                let credit = NewCredit {
                    debtor_id: format!("D{debtor}"),
                    item_id: id,
                    amount: money(*currency, *amount),
                    document_date: date(day + offset),
                    value_date: date(day + offset),
                    reference: String::new(),
                    allocations: allocations(*currency, &parts),
                };
                (
                    if *payment {
                        Posting::Payment(credit)
                    } else {
                        Posting::CreditNote(credit)
                    },
                    expected,
                )
            }
            Step::Allocate { credit, parts } => allocate(naive, *credit, parts, recorded),
            Step::ReverseItem { item, day: offset } => {
                reverse_item(naive, *item, offset.map(|offset| day + offset), recorded)
            }
            Step::ReverseEntry { entry, day: offset } => {
                reverse_entry(naive, *entry, offset.map(|offset| day + offset), recorded)
            }
            Step::WriteOff { invoice, amount } => write_off(naive, *invoice, *amount, recorded),
            Step::NextDay(_) | Step::Reload => unreachable!("no posting"),
        }
    }

    /// Takes the changes out as a database would, and starts over from what is stored.
    fn reload(&mut self) {
        let empty = Ledger::new(date(self.day), Vec::new(), Vec::new());
        let changes = std::mem::replace(&mut self.ledger, empty).into_changes();
        self.store(changes);
        // Loading by two queries returns entries twice and in any order.
        let loaded = self
            .entries
            .iter()
            .rev()
            .chain(&self.entries)
            .cloned()
            .collect();
        self.ledger = Ledger::new(
            date(self.day),
            self.items.values().cloned().collect(),
            loaded,
        );
    }

    fn store(&mut self, changes: Changes) {
        let keys: HashSet<ItemKey> = changes.actions.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(keys.len(), changes.inserted.len() + changes.updated.len());
        for item in changes.inserted {
            assert_eq!(item.version, 1);
            assert!(keys.contains(&item.key));
            assert_eq!(self.items.insert(item.key.clone(), item), None);
        }
        for item in changes.updated {
            assert!(keys.contains(&item.key));
            let before = self.items.insert(item.key.clone(), item.clone()).unwrap();
            assert_eq!(
                item.version,
                before.version + 1,
                "once, however many postings"
            );
        }
        self.entries.extend(changes.entries);
    }

    fn items(&self) -> Vec<Item> {
        self.items.values().cloned().collect()
    }
}

/// A posting, and what the naive ledger made of it.
type Expectation = (Posting, Result<(), &'static str>);

fn allocate(naive: &mut Naive, credit: usize, parts: &[Part], recorded: i64) -> Expectation {
    let Some(position) = naive.nth(credit, |kind| kind != ItemKind::Invoice) else {
        return of_nothing();
    };
    let key = naive.items[position].key.clone();
    let mut parts = naive.distinct(parts, key.kind == ItemKind::Payment);
    if parts.is_empty() {
        parts.push(Part {
            invoice: usize::MAX,
            amount: 1,
            discount: None,
        });
    }
    let currency = naive.items[position].currency;
    let expected = naive.allocate(position, &parts, recorded);
    (
        Posting::Allocate {
            credit: key,
            allocations: allocations(currency, &parts),
        },
        expected,
    )
}

fn reverse_item(naive: &mut Naive, item: usize, day: Option<i64>, recorded: i64) -> Expectation {
    let Some(position) = naive.nth(item, |_| true) else {
        return of_nothing();
    };
    let (key, value_date) = (naive.items[position].key.clone(), day.map(date));
    (
        Posting::ReverseItem { key, value_date },
        naive.reverse_item(position, day, recorded),
    )
}

fn reverse_entry(naive: &mut Naive, entry: usize, day: Option<i64>, recorded: i64) -> Expectation {
    let position = entry % naive.facts.len().max(1);
    let invoice = naive.facts.get(position).and_then(|fact| fact.invoice);
    let invoice_id = invoice.map_or("none".to_owned(), |at| naive.items[at].key.id.clone());
    let (entry_id, value_date) = (format!("e{position}"), day.map(date));
    let expected = naive.reverse_entry(position, day, recorded);
    (
        Posting::ReverseEntry {
            invoice_id,
            entry_id,
            value_date,
        },
        expected,
    )
}

fn write_off(naive: &mut Naive, invoice: usize, amount: Option<i64>, recorded: i64) -> Expectation {
    let Some(position) = naive.nth(invoice, |kind| kind == ItemKind::Invoice) else {
        return of_nothing();
    };
    let (invoice_id, currency) = (
        naive.items[position].key.id.clone(),
        naive.items[position].currency,
    );
    let expected = naive.write_off(position, amount, recorded);
    (
        Posting::WriteOff {
            invoice_id,
            amount: amount.map(|amount| money(currency, amount)),
        },
        expected,
    )
}

/// There is no item yet that the step could be about.
fn of_nothing() -> Expectation {
    (
        Posting::WriteOff {
            invoice_id: "none".to_owned(),
            amount: None,
        },
        Err("not found"),
    )
}

fn allocations(currency: u8, parts: &[Part]) -> Vec<Allocation> {
    let allocation = |part: &Part| Allocation {
        invoice_id: if part.invoice == usize::MAX {
            "none".to_owned()
        } else {
            format!("i{}", part.invoice)
        },
        amount: money(currency, part.amount),
        discount: part.discount.map(|discount| money(currency, discount)),
    };
    parts.iter().map(allocation).collect()
}

fn money(currency: u8, minor: i64) -> Money {
    let code = if currency == 0 { "EUR" } else { "USD" };
    Money::new(Currency::parse(code).unwrap(), minor)
}

fn reason(error: &DomainError) -> &'static str {
    match error {
        DomainError::Invalid(_) => "invalid",
        DomainError::NotFound { .. } => "not found",
        DomainError::ExceedsOpenAmount { .. } => "exceeds",
        DomainError::ItemsDoNotMatch { .. } => "no match",
        DomainError::AlreadyReversed { .. } => "reversed",
        DomainError::HasAllocations { .. } => "allocations",
        other => panic!("not expected here: {other:?}"),
    }
}

/// Every figure, for every day, as known now and on several days, is that of the naive ledger.
fn assert_same_figures(pair: &Pair) {
    let items = pair.items();
    let known_days = [
        None,
        Some(0),
        Some(15),
        Some(30),
        Some(FIRST_DAY),
        Some(60),
        Some(90),
        Some(LAST_DAY),
    ];
    for known in known_days {
        for day in 0..=HORIZON {
            let actual = balances(&items, &pair.entries, date(day), known.map(date)).unwrap();
            assert_eq!(
                actual,
                pair.naive.balances(day, known),
                "as of {day}, known at {known:?}"
            );
            for (position, naive) in pair.naive.items.iter().enumerate() {
                let item = &pair.items[&naive.key];
                let open = open_amount(item, &pair.entries, date(day), known.map(date));
                assert_eq!(
                    open,
                    pair.naive.open(position, day, known),
                    "{} as of {day}",
                    naive.key
                );
                assert!(
                    (0..=item.amount).contains(&open),
                    "{} as of {day}: {open}",
                    naive.key
                );
            }
        }
    }
}

/// What every history leaves behind, whatever was posted.
fn assert_invariants(pair: &Pair) {
    for (key, item) in &pair.items {
        let own: Vec<&Entry> = pair
            .entries
            .iter()
            .filter(|entry| entry.items().any(|named| named == key))
            .collect();
        assert_eq!(
            item.open,
            open_amount(item, &pair.entries, date(HORIZON), None),
            "{key}"
        );
        let mut used = 0;
        for (before, after) in own.iter().zip(own.iter().skip(1)) {
            assert!(before.number < after.number, "{key}: numbers grow");
            assert!(
                before.recorded_date <= after.recorded_date,
                "{key}: recorded dates do not fall"
            );
        }
        for entry in &own {
            assert!(
                entry.recorded_date >= item.recorded_date && entry.value_date >= item.value_date,
                "{key}"
            );
            assert_eq!(entry.debtor_id, item.debtor_id);
            used += entry.uses(key);
            assert!(
                (0..=item.amount).contains(&used),
                "{key}: after every posting"
            );
        }
        let cancelled = own
            .iter()
            .any(|entry| entry.kind == registry_core::account::EntryKind::Cancellation);
        assert_eq!(item.reversed, cancelled, "{key}");
        assert!(!item.reversed || item.open == 0, "{key}");
        let listed: Vec<String> = pair
            .ledger
            .entries_of(key)
            .iter()
            .map(|entry| entry.entry_id.clone())
            .collect();
        let expected: Vec<String> = own.iter().map(|entry| entry.entry_id.clone()).collect();
        assert_eq!(listed, expected, "{key}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn every_figure_of_a_random_history_is_that_of_the_naive_ledger(steps in history(true)) {
        let mut pair = Pair::new();
        for (step, stated) in &steps {
            pair.run(step, *stated);
        }
        pair.reload();
        assert_same_figures(&pair);
        assert_invariants(&pair);
    }

    #[test]
    fn what_was_known_at_the_end_of_a_day_is_what_the_ledger_said_then(steps in history(false)) {
        let mut pair = Pair::new();
        let mut said: Vec<(i64, Vec<_>)> = Vec::new();
        let all_days = |items: &[Item], entries: &[Entry], known: Option<i64>| -> Vec<_> {
            (0..=HORIZON).map(|day| balances(items, entries, date(day), known.map(date)).unwrap()).collect()
        };
        for (step, stated) in &steps {
            let ended = pair.day;
            pair.run(step, *stated);
            if pair.day != ended {
                said.push((ended, all_days(&pair.items(), &pair.entries, None)));
            }
        }
        pair.reload();
        for (day, then) in said {
            prop_assert_eq!(&all_days(&pair.items(), &pair.entries, Some(day)), &then, "known at {}", day);
        }
    }

    #[test]
    fn one_batch_and_one_ledger_per_posting_lead_to_the_same_account(steps in history(true)) {
        let (mut batch, mut single) = (Pair::new(), Pair::new());
        for (step, stated) in &steps {
            if matches!(step, Step::Reload) {
                continue;
            }
            batch.run(step, *stated);
            single.run(step, *stated);
            single.reload();
        }
        batch.reload();
        let without_version = |pair: &Pair| -> Vec<Item> {
            pair.items().into_iter().map(|item| Item { version: 0, ..item }).collect()
        };
        prop_assert_eq!(without_version(&batch), without_version(&single));
        prop_assert_eq!(&batch.entries, &single.entries);
        prop_assert_eq!(batch.accepted, single.accepted);
    }
}
