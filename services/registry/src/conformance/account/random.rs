//! Histories of random postings, the same in every run.

use chrono::{Days, NaiveDate};
use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{Allocation, Item, ItemKind},
};
use mahnwerk_runtime::validate::from_date;
use tonic::{Code, Status};

use super::books::{Books, invoice, part, payment};
use crate::conformance::{Outcome, date};

/// Largest amount of an item, in minor units.
const LARGEST: u64 = 5_000;

/// So many tries on empty books, over several business days; a good part of them is accepted.
pub(super) async fn history(books: &mut Books, seed: u64, tries: u64) -> Outcome {
    let mut story = Story {
        dice: Dice(seed),
        invoices: Vec::new(),
        payments: Vec::new(),
    };
    let mut accepted = 0;
    for number in 0..tries {
        if number % 40 == 39 {
            let next = i32::try_from(number / 40).unwrap_or(0);
            books.open_day(date(2026, 3, 3 + next)).await?;
        }
        accepted += u64::from(story.post_something(books, number).await?);
    }
    assert!(
        accepted > tries / 2,
        "only {accepted} postings were accepted"
    );
    Ok(())
}

/// The day so many days after the first of 2026.
pub(super) fn day_of_2026(number: u64) -> Date {
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
    from_date(
        first
            .checked_add_days(Days::new(number))
            .unwrap_or_default(),
    )
}

/// A generator of small numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let sides = u64::try_from(from.len()).unwrap_or(0).max(1);
        from.get(usize::try_from(self.roll(sides)).unwrap_or(0))
            .cloned()
    }

    fn day(&mut self) -> Date {
        day_of_2026(self.roll(120))
    }
}

/// An item that was posted.
#[derive(Clone)]
struct Posted {
    id: String,
    debtor_id: &'static str,
    currency: &'static str,
}

struct Story {
    dice: Dice,
    invoices: Vec<Posted>,
    payments: Vec<Posted>,
}

impl Story {
    /// Tries something; says whether it was accepted. Refusals by the rules are part of the story.
    async fn post_something(&mut self, books: &mut Books, number: u64) -> Result<bool, Status> {
        let result = match self.dice.roll(12) {
            0..=2 => self.post_invoice(books, number).await,
            3 | 4 => self.post_payment(books, number).await,
            5..=8 => self.allocate(books).await,
            9 => self.undo(books).await,
            10 => self.reverse(books).await,
            _ => self.write_off(books).await,
        };
        match result {
            Ok(done) => Ok(done),
            Err(status)
                if matches!(
                    status.code(),
                    Code::FailedPrecondition | Code::InvalidArgument
                ) =>
            {
                Ok(false)
            }
            Err(status) => Err(status),
        }
    }

    fn amount(&mut self, currency: &str, most: u64) -> Option<Money> {
        let minor_units = 1 + self.dice.roll(most).cast_signed();
        Some(Money {
            currency_code: currency.to_owned(),
            minor_units,
        })
    }

    fn new_item(&mut self, id: String) -> Posted {
        let debtor_id = self.dice.pick(&["d1", "d2"]).unwrap_or("d1");
        let currency = self.dice.pick(&["EUR", "EUR", "CHF"]).unwrap_or("EUR");
        Posted {
            id,
            debtor_id,
            currency,
        }
    }

    async fn post_invoice(&mut self, books: &mut Books, number: u64) -> Result<bool, Status> {
        let new = self.new_item(format!("i{number}"));
        let item = Item {
            debtor_id: new.debtor_id.to_owned(),
            amount: self.amount(new.currency, LARGEST),
            document_date: Some(self.dice.day()),
            ..invoice(&books.creditor_id, &new.id, 0, self.dice.day())
        };
        books.post_invoice(item).await?;
        self.invoices.push(new);
        Ok(true)
    }

    async fn post_payment(&mut self, books: &mut Books, number: u64) -> Result<bool, Status> {
        let new = self.new_item(format!("p{number}"));
        let item = Item {
            debtor_id: new.debtor_id.to_owned(),
            amount: self.amount(new.currency, LARGEST),
            ..payment(&books.creditor_id, &new.id, 0, self.dice.day())
        };
        let allocations = if self.dice.roll(3) == 0 {
            self.parts(&new)
        } else {
            Vec::new()
        };
        books.post_payment(item, allocations).await?;
        self.payments.push(new);
        Ok(true)
    }

    /// A part for an invoice, now and then of another debtor or currency.
    fn parts(&mut self, credit: &Posted) -> Vec<Allocation> {
        let careless = self.dice.roll(10) == 0;
        let fits = |each: &&Posted| {
            careless || (each.debtor_id, each.currency) == (credit.debtor_id, credit.currency)
        };
        let fitting: Vec<Posted> = self.invoices.iter().filter(fits).cloned().collect();
        let Some(invoice) = self.dice.pick(&fitting) else {
            return Vec::new();
        };
        vec![Allocation {
            amount: self.amount(credit.currency, LARGEST / 4),
            ..part(&invoice.id, 0)
        }]
    }

    async fn allocate(&mut self, books: &mut Books) -> Result<bool, Status> {
        let Some(credit) = self.dice.pick(&self.payments) else {
            return Ok(false);
        };
        let parts = self.parts(&credit);
        books.allocate(&credit.id, parts).await.map(|_| true)
    }

    async fn undo(&mut self, books: &mut Books) -> Result<bool, Status> {
        let Some(invoice) = self.dice.pick(&self.invoices) else {
            return Ok(false);
        };
        let item = books.item(ItemKind::Invoice, &invoice.id).await?;
        let Some(entry) = self.dice.pick(&item.entries) else {
            return Ok(false);
        };
        let value_date = (self.dice.roll(2) == 0).then(|| self.dice.day());
        books
            .reverse_entry(&invoice.id, &entry.entry_id, value_date)
            .await
            .map(|_| true)
    }

    async fn reverse(&mut self, books: &mut Books) -> Result<bool, Status> {
        let (kind, items) = match self.dice.roll(3) {
            0 => (ItemKind::Invoice, &self.invoices),
            _ => (ItemKind::Payment, &self.payments),
        };
        let Some(item) = self.dice.pick(items) else {
            return Ok(false);
        };
        let value_date = (self.dice.roll(2) == 0).then(|| self.dice.day());
        books
            .reverse(kind, &item.id, value_date)
            .await
            .map(|_| true)
    }

    async fn write_off(&mut self, books: &mut Books) -> Result<bool, Status> {
        let Some(invoice) = self.dice.pick(&self.invoices) else {
            return Ok(false);
        };
        let amount = self.amount(invoice.currency, LARGEST / 4);
        books.write_off(&invoice.id, amount).await.map(|_| true)
    }
}
