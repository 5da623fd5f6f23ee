//! Balances and ageing.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use mahnwerk_proto::{
    common::v1::{Date, ErrorReason, Money},
    registry::v1::{Balance, GetBalanceRequest, GetPortfolioBalanceRequest, Item, ItemKind},
};
use mahnwerk_runtime::validate::from_date;
use tonic::{Code, Status, transport::Channel};

use super::books::{Books, cents, first_day, invoice, part, payment};
use crate::conformance::{Outcome, assert_refused, date};

async fn portfolio(
    books: &mut Books,
    as_of: Option<Date>,
    known_at: Option<Date>,
) -> Result<(Vec<Balance>, Option<Date>), Status> {
    let request = GetPortfolioBalanceRequest {
        creditor_id: books.creditor_id.clone(),
        as_of,
        known_at,
        at_least: String::new(),
    };
    let answer = books.client.get_portfolio_balance(request).await?.into_inner();
    Ok((answer.balances, answer.as_of))
}

/// Not due, 1 to 30, 31 to 60, 61 to 90, over 90, in cents.
fn buckets(balance: &Balance) -> [i64; 5] {
    [
        cents(balance.not_due.as_ref()),
        cents(balance.overdue_1_30.as_ref()),
        cents(balance.overdue_31_60.as_ref()),
        cents(balance.overdue_61_90.as_ref()),
        cents(balance.overdue_over_90.as_ref()),
    ]
}

/// One invoice on each side of every boundary.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn ageing_counts_days_after_the_due_date(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-ageing").await?;
    // On 2026-05-01: due that day; 1, 30, 31, 60, 61, 90 and 91 days ago.
    let due_dates = [
        date(2026, 5, 1),
        date(2026, 4, 30),
        date(2026, 4, 1),
        date(2026, 3, 31),
        date(2026, 3, 2),
        date(2026, 3, 1),
        date(2026, 1, 31),
        date(2026, 1, 30),
    ];
    for (index, due_date) in due_dates.into_iter().enumerate() {
        let amount = 10_i64.pow(u32::try_from(index).unwrap_or(0));
        books.invoice(&format!("i{index}"), amount, due_date).await?;
    }
    books.invoice("nothing", 0, date(2026, 1, 30)).await?;
    books.pay("p1", 77, date(2026, 2, 1), vec![]).await?;
    let balances = books.balances("d1", Some(date(2026, 5, 1)), None).await?;
    let balance = balances.first().cloned().unwrap_or_default();
    assert_eq!(buckets(&balance), [1, 110, 11_000, 1_100_000, 10_000_000]);
    assert_eq!(cents(balance.receivable.as_ref()), 11_111_111);
    assert_eq!((cents(balance.unallocated.as_ref()), balance.open_items), (77, 8));

    let (portfolio, as_of) = portfolio(&mut books, Some(date(2026, 5, 1)), None).await?;
    assert_eq!((portfolio, as_of), (balances, Some(date(2026, 5, 1))));
    Ok(())
}

/// One invoice, paid in two parts that were recorded on two days, with a second currency beside it.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn balances_can_be_had_as_of_and_as_known_at_any_date(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-as-of").await?;
    books.invoice("i1", 10_000, date(2026, 2, 14)).await?;
    let dollars = Some(Money { currency_code: "USD".to_owned(), minor_units: 500 });
    let in_dollars = Item { amount: dollars.clone(), ..invoice("acc-as-of", "i2", 0, date(2026, 2, 14)) };
    books.post_invoice(in_dollars).await?;
    books.pay("p1", 4_000, date(2026, 2, 1), vec![part("i1", 4_000)]).await?;
    books.open_day(date(2026, 3, 3)).await?;
    books.pay("p2", 6_000, date(2026, 2, 20), vec![part("i1", 6_000)]).await?;

    let (wednesday, tuesday, monday) = (date(2026, 3, 4), date(2026, 3, 3), first_day());
    for (as_of, known_at, owed) in [
        (date(2026, 1, 14), None, None),
        (date(2026, 1, 15), None, Some(10_000)),
        (date(2026, 2, 1), None, Some(6_000)),
        (date(2026, 2, 20), None, Some(0)),
        (date(2026, 2, 20), Some(monday), Some(6_000)),
        (date(2026, 2, 20), Some(tuesday), Some(0)),
        (wednesday, Some(date(2026, 3, 1)), None),
    ] {
        let balances = books.balances("d1", Some(as_of), known_at).await?;
        let codes: Vec<String> = balances
            .iter()
            .filter_map(|balance| balance.receivable.as_ref())
            .map(|money| money.currency_code.clone())
            .collect();
        let expected: &[&str] = if owed.is_some() { &["EUR", "USD"] } else { &[] };
        assert_eq!(codes, expected, "by currency code");
        assert_eq!(balances.first().map(|balance| cents(balance.receivable.as_ref())), owed);
        assert_eq!(portfolio(&mut books, Some(as_of), known_at).await?.0, balances);
    }
    let request = GetBalanceRequest {
        creditor_id: "acc-as-of".to_owned(),
        debtor_id: "d2".to_owned(),
        ..GetBalanceRequest::default()
    };
    let empty = books.client.get_balance(request).await?.into_inner();
    assert_eq!((empty.balances, empty.as_of), (vec![], Some(tuesday)), "as of the business date");
    the_largest_amount_is_ten_to_the_fifteen(&mut books).await
}

/// Sums of it are exact.
async fn the_largest_amount_is_ten_to_the_fifteen(books: &mut Books) -> Outcome {
    let largest = 1_000_000_000_000_000;
    for id in ["l1", "l2", "l3"] {
        books.invoice(id, largest, date(2026, 2, 14)).await?;
    }
    let (balances, _) = portfolio(books, None, None).await?;
    assert_eq!(balances.first().map(|balance| cents(balance.receivable.as_ref())), Some(3 * largest));
    let over = invoice("acc-as-of", "l4", largest + 1, date(2026, 2, 14));
    let refused = books.post_invoice(over).await;
    crate::conformance::assert_violates(super::books::answered(refused), &["invoice.amount.minor_units"]);
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

fn day_of_2026(number: u64) -> Date {
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

/// Fields of balances added up, by currency code.
fn totals(balances: &[Balance]) -> BTreeMap<String, [i64; 8]> {
    let mut totals: BTreeMap<String, [i64; 8]> = BTreeMap::new();
    for balance in balances {
        let amounts = [
            &balance.receivable,
            &balance.unallocated,
            &balance.not_due,
            &balance.overdue_1_30,
            &balance.overdue_31_60,
            &balance.overdue_61_90,
            &balance.overdue_over_90,
        ];
        let code = balance.receivable.as_ref().map(|money| money.currency_code.clone()).unwrap_or_default();
        let total = totals.entry(code).or_default();
        for (sum, amount) in total.iter_mut().zip(amounts) {
            *sum += amount.as_ref().map_or(0, |money| money.minor_units);
        }
        total[7] += balance.open_items;
    }
    totals
}

/// A random history: what the database sums up equals what the core works out debtor by debtor.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn the_portfolio_is_the_sum_of_its_debtors_at_every_date(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-random").await?;
    let mut dice = Dice(20_260_302);
    let mut accepted = 0;
    for number in 0..160 {
        if number % 40 == 39 {
            let next = i32::try_from(number / 40).unwrap_or(0);
            books.open_day(date(2026, 3, 3 + next)).await?;
        }
        accepted += i32::from(post_something(&mut books, &mut dice, number).await?);
    }
    assert!(accepted > 70, "only {accepted} postings were accepted");
    let mut compared = 0;
    for known_at in [None, Some(date(2026, 3, 2)), Some(date(2026, 3, 4)), Some(date(2026, 3, 1))] {
        for day in (0..160).step_by(11) {
            let as_of = Some(day_of_2026(day));
            let mut by_debtor = books.balances("d1", as_of, known_at).await?;
            by_debtor.extend(books.balances("d2", as_of, known_at).await?);
            let (whole, _) = portfolio(&mut books, as_of, known_at).await?;
            assert_eq!(totals(&whole), totals(&by_debtor), "as of {as_of:?}, known at {known_at:?}");
            compared += whole.len();
        }
    }
    assert!(compared > 60, "only {compared} balances were compared");
    let unknown = GetPortfolioBalanceRequest { creditor_id: "nobody".to_owned(), ..GetPortfolioBalanceRequest::default() };
    let refused = books.client.get_portfolio_balance(unknown).await;
    assert_refused(refused, Code::NotFound, ErrorReason::ResourceNotFound);
    Ok(())
}
