//! Balances and ageing.

use std::collections::BTreeMap;

use mahnwerk_proto::{
    common::v1::{Date, ErrorReason, Money},
    registry::v1::{Balance, GetBalanceRequest, GetPortfolioBalanceRequest, Item},
};
use tonic::{Code, Status, transport::Channel};

use super::{
    books::{Books, cents, first_day, invoice, part},
    random::{self, day_of_2026},
};
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
    let answer = books
        .client
        .get_portfolio_balance(request)
        .await?
        .into_inner();
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
        books
            .invoice(&format!("i{index}"), amount, due_date)
            .await?;
    }
    books.invoice("nothing", 0, date(2026, 1, 30)).await?;
    books.pay("p1", 77, date(2026, 2, 1), vec![]).await?;
    let balances = books.balances("d1", Some(date(2026, 5, 1)), None).await?;
    let balance = balances.first().cloned().unwrap_or_default();
    assert_eq!(buckets(&balance), [1, 110, 11_000, 1_100_000, 10_000_000]);
    assert_eq!(cents(balance.receivable.as_ref()), 11_111_111);
    assert_eq!(
        (cents(balance.unallocated.as_ref()), balance.open_items),
        (77, 8)
    );

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
    let dollars = Some(Money {
        currency_code: "USD".to_owned(),
        minor_units: 500,
    });
    let in_dollars = Item {
        amount: dollars.clone(),
        ..invoice("acc-as-of", "i2", 0, date(2026, 2, 14))
    };
    books.post_invoice(in_dollars).await?;
    books
        .pay("p1", 4_000, date(2026, 2, 1), vec![part("i1", 4_000)])
        .await?;
    books.open_day(date(2026, 3, 3)).await?;
    books
        .pay("p2", 6_000, date(2026, 2, 20), vec![part("i1", 6_000)])
        .await?;

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
        assert_eq!(
            balances
                .first()
                .map(|balance| cents(balance.receivable.as_ref())),
            owed
        );
        assert_eq!(
            portfolio(&mut books, Some(as_of), known_at).await?.0,
            balances
        );
    }
    let request = GetBalanceRequest {
        creditor_id: "acc-as-of".to_owned(),
        debtor_id: "d2".to_owned(),
        ..GetBalanceRequest::default()
    };
    let empty = books.client.get_balance(request).await?.into_inner();
    assert_eq!(
        (empty.balances, empty.as_of),
        (vec![], Some(tuesday)),
        "as of the business date"
    );
    the_largest_amount_is_ten_to_the_fifteen(&mut books).await
}

/// Sums of it are exact.
async fn the_largest_amount_is_ten_to_the_fifteen(books: &mut Books) -> Outcome {
    let largest = 1_000_000_000_000_000;
    for id in ["l1", "l2", "l3"] {
        books.invoice(id, largest, date(2026, 2, 14)).await?;
    }
    let (balances, _) = portfolio(books, None, None).await?;
    assert_eq!(
        balances
            .first()
            .map(|balance| cents(balance.receivable.as_ref())),
        Some(3 * largest)
    );
    let over = invoice("acc-as-of", "l4", largest + 1, date(2026, 2, 14));
    let refused = books.post_invoice(over).await;
    crate::conformance::assert_violates(
        super::books::answered(refused),
        &["invoice.amount.minor_units"],
    );
    Ok(())
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
        let code = balance
            .receivable
            .as_ref()
            .map(|money| money.currency_code.clone())
            .unwrap_or_default();
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
    random::history(&mut books, 20_260_302, 160).await?;
    let mut compared = 0;
    for known_at in [
        None,
        Some(date(2026, 3, 2)),
        Some(date(2026, 3, 4)),
        Some(date(2026, 3, 1)),
    ] {
        for day in (0..160).step_by(11) {
            let as_of = Some(day_of_2026(day));
            let mut by_debtor = books.balances("d1", as_of, known_at).await?;
            by_debtor.extend(books.balances("d2", as_of, known_at).await?);
            let (whole, _) = portfolio(&mut books, as_of, known_at).await?;
            assert_eq!(
                totals(&whole),
                totals(&by_debtor),
                "as of {as_of:?}, known at {known_at:?}"
            );
            compared += whole.len();
        }
    }
    assert!(compared > 60, "only {compared} balances were compared");
    let unknown = GetPortfolioBalanceRequest {
        creditor_id: "nobody".to_owned(),
        ..GetPortfolioBalanceRequest::default()
    };
    let refused = books.client.get_portfolio_balance(unknown).await;
    assert_refused(refused, Code::NotFound, ErrorReason::ResourceNotFound);
    Ok(())
}
