//! A ledger that keeps a list of facts and adds up the whole of it for every question. Days are counted from
//! 2026-01-01.

use chrono::{Days, NaiveDate};
use registry_core::account::{ItemKey, ItemKind};
use registry_core::balance::Balance;
use registry_core::currency::Currency;

/// After every day that a history can name.
pub const HORIZON: i64 = 200;

/// So much of a credit, and discount, for the invoice at this position.
#[derive(Clone, Debug)]
pub struct Part {
    pub invoice: usize,
    pub amount: i64,
    pub discount: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct NaiveItem {
    pub key: ItemKey,
    pub debtor: u8,
    pub currency: u8,
    pub amount: i64,
    pub day: i64,
    pub due: Option<i64>,
    pub recorded: i64,
    pub reversed: bool,
}

#[derive(Clone, Debug)]
pub struct Fact {
    pub invoice: Option<usize>,
    pub credit: Option<usize>,
    /// Whether the credit is used up by it.
    uses_credit: bool,
    amount: i64,
    day: i64,
    recorded: i64,
    /// Whether it settles something: not a cancellation, not an undoing.
    settles: bool,
    undone: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Naive {
    pub items: Vec<NaiveItem>,
    pub facts: Vec<Fact>,
}

pub fn date(day: i64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 1, 1).unwrap() + Days::new(u64::try_from(365 + day).unwrap())
}

impl Naive {
    pub fn add_item(
        &mut self,
        kind: ItemKind,
        (debtor, currency): (u8, u8),
        amount: i64,
        (day, due): (i64, Option<i64>),
        recorded: i64,
    ) -> String {
        let id = format!("i{}", self.items.len());
        let key = ItemKey::new(kind, &id);
        self.items.push(NaiveItem {
            key,
            debtor,
            currency,
            amount,
            day,
            due,
            recorded,
            reversed: false,
        });
        id
    }

    /// The item of a kind for any number.
    pub fn nth(&self, number: usize, wanted: impl Fn(ItemKind) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.items.len())
            .filter(|at| wanted(self.items[*at].key.kind))
            .collect();
        fitting.get(number % fitting.len().max(1)).copied()
    }

    /// Parts for existing invoices, each once; discounts with payments only.
    pub fn distinct(&self, parts: &[Part], payment: bool) -> Vec<Part> {
        let mut distinct: Vec<Part> = Vec::new();
        for part in parts {
            let Some(invoice) = self.nth(part.invoice, |kind| kind == ItemKind::Invoice) else {
                continue;
            };
            if distinct.iter().all(|other| other.invoice != invoice) {
                distinct.push(Part {
                    invoice,
                    amount: part.amount,
                    discount: part.discount.filter(|_| payment),
                });
            }
        }
        distinct
    }

    pub fn open(&self, item: usize, day: i64, known: Option<i64>) -> i64 {
        let known = known.unwrap_or(i64::MAX);
        if self.items[item].day > day || self.items[item].recorded > known {
            return 0;
        }
        let mut open = self.items[item].amount;
        for fact in &self.facts {
            if fact.day > day || fact.recorded > known {
                continue;
            }
            if fact.invoice == Some(item) || (fact.uses_credit && fact.credit == Some(item)) {
                open -= fact.amount;
            }
        }
        open
    }

    /// The first day from which so much is open on every later day.
    fn first_day(&self, item: usize, amount: i64, from: i64) -> Result<i64, &'static str> {
        let lasting =
            |first: &i64| (*first..=HORIZON).all(|day| self.open(item, day, None) >= amount);
        (from..=HORIZON).find(lasting).ok_or("exceeds")
    }

    fn add_fact(&mut self, fact: Fact) {
        let mut recorded = fact.recorded;
        for item in [fact.invoice, fact.credit].into_iter().flatten() {
            recorded = recorded.max(self.items[item].recorded);
            for earlier in &self.facts {
                if earlier.invoice == Some(item) || earlier.credit == Some(item) {
                    recorded = recorded.max(earlier.recorded);
                }
            }
        }
        self.facts.push(Fact { recorded, ..fact });
    }

    pub fn allocate(
        &mut self,
        credit: usize,
        parts: &[Part],
        recorded: i64,
    ) -> Result<(), &'static str> {
        let before = self.clone();
        for part in parts {
            if let Err(reason) = self.allocate_part(credit, part, recorded) {
                *self = before;
                return Err(reason);
            }
        }
        Ok(())
    }

    fn allocate_part(
        &mut self,
        credit: usize,
        part: &Part,
        recorded: i64,
    ) -> Result<(), &'static str> {
        let Some(invoice) = self.items.get(part.invoice) else {
            return Err("not found");
        };
        let paying = &self.items[credit];
        if invoice.debtor != paying.debtor || invoice.currency != paying.currency {
            return Err("no match");
        }
        let from = invoice.day.max(paying.day);
        let discount = part.discount.unwrap_or(0);
        let lasting = |first: &i64| {
            (*first..=HORIZON).all(|day| {
                self.open(part.invoice, day, None) >= part.amount + discount
                    && self.open(credit, day, None) >= part.amount
            })
        };
        let day = (from..=HORIZON).find(lasting).ok_or("exceeds")?;
        for (amount, uses_credit) in [(part.amount, true), (discount, false)] {
            if amount > 0 {
                let (invoice, credit) = (Some(part.invoice), Some(credit));
                self.add_fact(Fact {
                    invoice,
                    credit,
                    uses_credit,
                    amount,
                    day,
                    recorded,
                    settles: true,
                    undone: false,
                });
            }
        }
        Ok(())
    }

    pub fn write_off(
        &mut self,
        invoice: usize,
        amount: Option<i64>,
        recorded: i64,
    ) -> Result<(), &'static str> {
        let amount = amount.unwrap_or_else(|| self.open(invoice, HORIZON, None));
        if amount == 0 {
            return Err("exceeds");
        }
        let day = self.first_day(invoice, amount, recorded.max(self.items[invoice].day))?;
        let invoice = Some(invoice);
        let fact = Fact {
            invoice,
            credit: None,
            uses_credit: false,
            amount,
            day,
            recorded,
            settles: true,
            undone: false,
        };
        self.add_fact(fact);
        Ok(())
    }

    pub fn reverse_entry(
        &mut self,
        fact: usize,
        day: Option<i64>,
        recorded: i64,
    ) -> Result<(), &'static str> {
        let Some(found) = self.facts.get(fact) else {
            return Err("not found");
        };
        if found.invoice.is_none() {
            return Err("not found");
        }
        if !found.settles {
            return Err("invalid");
        }
        if found.undone {
            return Err("reversed");
        }
        if day.is_some_and(|day| day < found.day) {
            return Err("invalid");
        }
        self.undo(fact, day.unwrap_or(recorded), recorded);
        Ok(())
    }

    fn undo(&mut self, fact: usize, from: i64, recorded: i64) {
        let undone = self.facts[fact].clone();
        let (amount, day) = (-undone.amount, undone.day.max(from));
        self.facts[fact].undone = true;
        self.add_fact(Fact {
            amount,
            day,
            recorded,
            settles: false,
            ..undone
        });
    }

    pub fn reverse_item(
        &mut self,
        item: usize,
        day: Option<i64>,
        recorded: i64,
    ) -> Result<(), &'static str> {
        let found = self.items[item].clone();
        let is_invoice = found.key.kind == ItemKind::Invoice;
        let names = |fact: &Fact| fact.invoice == Some(item) || fact.credit == Some(item);
        let standing: Vec<usize> = (0..self.facts.len())
            .filter(|at| {
                self.facts[*at].settles && !self.facts[*at].undone && names(&self.facts[*at])
            })
            .collect();
        if found.reversed {
            return Err("reversed");
        }
        if is_invoice && !standing.is_empty() {
            return Err("allocations");
        }
        if day.is_some_and(|day| day < found.day) {
            return Err("invalid");
        }
        let from = day.unwrap_or(recorded).max(found.day);
        for fact in standing {
            self.undo(fact, from, recorded);
        }
        let day = self.first_day(item, found.amount, from)?;
        let (invoice, credit) = if is_invoice {
            (Some(item), None)
        } else {
            (None, Some(item))
        };
        self.add_fact(Fact {
            invoice,
            credit,
            uses_credit: !is_invoice,
            amount: found.amount,
            day,
            recorded,
            settles: false,
            undone: false,
        });
        self.items[item].reversed = true;
        Ok(())
    }

    pub fn balances(&self, day: i64, known: Option<i64>) -> Vec<Balance> {
        [(0, "EUR"), (1, "USD")]
            .into_iter()
            .filter_map(|(number, code)| self.balance(number, code, day, known))
            .collect()
    }

    fn balance(&self, currency: u8, code: &str, day: i64, known: Option<i64>) -> Option<Balance> {
        let there = |item: &NaiveItem| {
            item.currency == currency
                && item.day <= day
                && known.is_none_or(|known| item.recorded <= known)
        };
        let items: Vec<usize> = (0..self.items.len())
            .filter(|at| there(&self.items[*at]))
            .collect();
        if items.is_empty() {
            return None;
        }
        let owed = |least: i64, most: i64| -> i64 {
            let late = |at: &&usize| {
                self.items[**at]
                    .due
                    .is_some_and(|due| (least..=most).contains(&(day - due)))
            };
            items
                .iter()
                .filter(late)
                .map(|at| self.open(*at, day, known))
                .sum()
        };
        let open = |invoices: bool| {
            let of_kind = move |at: &&usize| self.items[**at].due.is_some() == invoices;
            items
                .iter()
                .filter(of_kind)
                .map(|at| self.open(*at, day, known))
                .collect::<Vec<i64>>()
        };
        Some(Balance {
            currency: Currency::parse(code).unwrap(),
            receivable: open(true).iter().sum(),
            unallocated: open(false).iter().sum(),
            not_due: owed(-10_000, 0),
            overdue_1_30: owed(1, 30),
            overdue_31_60: owed(31, 60),
            overdue_61_90: owed(61, 90),
            overdue_over_90: owed(91, 10_000),
            open_items: i64::try_from(open(true).iter().filter(|open| **open > 0).count()).unwrap(),
        })
    }
}
