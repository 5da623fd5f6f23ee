//! Histories of random postings, the same in every run.

use chrono::{Days, NaiveDate};
use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{Item, ItemKind},
};
use mahnwerk_runtime::validate::from_date;
use tonic::{Code, Status};

use super::books::{Books, invoice, part, payment};
use crate::conformance::{Outcome, date};

/// So many tries on empty books, over several business days; a good part of them is accepted.
pub(super) async fn history(books: &mut Books, seed: u64, tries: u64) -> Outcome {
    let mut dice = Dice(seed);
    let mut accepted = 0;
    for number in 0..tries {
        if number % 40 == 39 {
            let next = i32::try_from(number / 40).unwrap_or(0);
            books.open_day(date(2026, 3, 3 + next)).await?;
        }
        accepted += u64::from(post_something(books, &mut dice, number).await?);
    }
    assert!(accepted > tries * 2 / 5, "only {accepted} postings were accepted");
    Ok(())
}

/// A generator of small numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn amount(&mut self) -> i64 {
        1 + self.roll(5_000).cast_signed()
    }

    /// A day of the first 120 of 2026.
    fn day(&mut self) -> Date {
        day_of_2026(self.roll(120))
    }
}

pub(super) fn day_of_2026(number: u64) -> Date {
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
    from_date(first.checked_add_days(Days::new(number)).unwrap_or_default())
}

/// Whether a call was done; refusals by the rules are part of the game.
fn done<T>(result: Result<T, Status>) -> Result<bool, Status> {
    match result {
        Ok(_) => Ok(true),
        Err(status) if matches!(status.code(), Code::FailedPrecondition | Code::InvalidArgument) => Ok(false),
        Err(status) => Err(status),
    }
}

/// Posts something random; says whether it was accepted.
async fn post_something(books: &mut Books, dice: &mut Dice, number: u64) -> Result<bool, Status> {
    let creditor_id = books.creditor_id.clone();
    let debtor_id = ["d1", "d2"][usize::from(dice.roll(2) == 1)].to_owned();
    let any = |dice: &mut Dice, letter: char| format!("{letter}{}", dice.roll(number + 1));
    let currency_code = ["EUR", "EUR", "CHF"][usize::try_from(dice.roll(3)).unwrap_or(0)].to_owned();
    let amount = Some(Money { currency_code: currency_code.clone(), minor_units: dice.amount() });
    let mut allocation = part(&any(dice, 'i'), 0);
    allocation.amount = Some(Money { currency_code, minor_units: dice.amount() });
    match dice.roll(10) {
        0..=3 => {
            let (document_date, due_date) = (Some(dice.day()), dice.day());
            let item = invoice(&creditor_id, &format!("i{number}"), 0, due_date);
            done(books.post_invoice(Item { debtor_id, amount, document_date, ..item }).await)
        }
        4 | 5 => {
            let item = payment(&creditor_id, &format!("p{number}"), 0, dice.day());
            let allocations = if dice.roll(2) == 0 { vec![allocation] } else { vec![] };
            let result = books.post_payment(Item { debtor_id, amount, ..item }, allocations).await;
            unless_missing(result)
        }
        6 | 7 => unless_missing(books.allocate(&any(dice, 'p'), vec![allocation]).await),
        8 => {
            let (kind, letter) = [(ItemKind::Payment, 'p'), (ItemKind::Invoice, 'i')][usize::from(dice.roll(4) == 0)];
            unless_missing(books.reverse(kind, &any(dice, letter), Some(dice.day())).await)
        }
        _ => {
            let invoice_id = any(dice, 'i');
            unless_missing(undo_or_write_off(books, dice, &invoice_id).await)
        }
    }
}

async fn undo_or_write_off(books: &mut Books, dice: &mut Dice, invoice_id: &str) -> Result<Item, Status> {
    if dice.roll(3) == 0 {
        return books.write_off(invoice_id, None).await;
    }
    let item = books.item(ItemKind::Invoice, invoice_id).await?;
    let index = usize::try_from(dice.roll(3)).unwrap_or(0);
    let entry_id = item.entries.get(index).map_or("none", |entry| &entry.entry_id);
    books.reverse_entry(invoice_id, entry_id, Some(dice.day())).await
}

fn unless_missing<T>(result: Result<T, Status>) -> Result<bool, Status> {
    match result {
        Err(status) if status.code() == Code::NotFound => Ok(false),
        other => done(other),
    }
}
