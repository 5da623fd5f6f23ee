//! Invoices, payments and business days, posted while processes die.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{Datelike as _, NaiveDate, Weekday};
use e2e::world::{self, TODAY, euro};
use futures::future::join_all;
use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::{
        Allocation, CreateInvoiceRequest, CreatePaymentRequest, OpenBusinessDayRequest,
    },
};

use tokio::sync::Mutex;

use crate::fleet::{Fleet, insist};

/// The one creditor.
pub const CREDITOR: &str = "acme";
/// Debtors: `d0`, `d1`, …
pub const DEBTORS: usize = 40;
const WRITERS: usize = 8;

/// How many payments are posted.
pub fn payments() -> usize {
    std::env::var("MAHNWERK_TORTURE_PAYMENTS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1_000)
}

/// Creates creditor and debtors. Answers the token of the last.
pub async fn prepare(fleet: &Fleet) -> String {
    let mut clients = fleet.clients(0);
    clients.open_creditor(CREDITOR).await;
    let mut token = String::new();
    for debtor in 0..DEBTORS {
        token = clients.add_debtor(CREDITOR, &format!("d{debtor}")).await;
    }
    token
}

/// Posts so many payments with an invoice each, and opens a business day after every `payments_a_day`. Answers how many
/// calls were repeated.
pub async fn post_all(fleet: &Fleet, payments: usize, payments_a_day: usize) -> usize {
    let next = AtomicUsize::new(0);
    let opened = Mutex::new(0);
    let write = async |writer| {
        let mut repeated = 0;
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= payments {
                return repeated;
            }
            repeated += post(fleet, writer, number).await;
            if number % payments_a_day == payments_a_day - 1 {
                repeated += open_days(fleet, &opened, number / payments_a_day + 1).await;
            }
        }
    };
    join_all((0..WRITERS).map(write)).await.into_iter().sum()
}

/// The business day so many after the first.
pub fn business_day(number: usize) -> Date {
    let first = NaiveDate::from_ymd_opt(TODAY.year, 1, 2).expect("a date");
    let mut days = first
        .iter_days()
        .filter(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun));
    let day = days.nth(number).expect("days have no end");
    world::day(
        day.year(),
        i32::try_from(day.month()).expect("a month"),
        i32::try_from(day.day()).expect("a day"),
    )
}

/// Opens the business days up to this one that are not `opened`, in their order. Answers how many calls were repeated.
async fn open_days(fleet: &Fleet, opened: &Mutex<usize>, up_to: usize) -> usize {
    let mut opened = opened.lock().await;
    let mut repeated = 0;
    while *opened < up_to {
        *opened += 1;
        repeated += open_day(fleet, business_day(*opened)).await.1;
    }
    repeated
}

/// Opens a business day. Answers its token and how many calls were repeated.
pub async fn open_day(fleet: &Fleet, day: Date) -> (String, usize) {
    let (opened, tries) = insist(async |tries| {
        fleet
            .clients(tries)
            .creditors
            .open_business_day(OpenBusinessDayRequest {
                request_id: format!("open-{}-{}-{}", day.year, day.month, day.day),
                creditor_id: CREDITOR.to_owned(),
                business_date: Some(day),
            })
            .await
    })
    .await;
    (opened.into_inner().consistency_token, tries)
}

/// Posts an invoice and its payment, each until it is answered. Answers how many calls had to be repeated.
async fn post(fleet: &Fleet, writer: usize, number: usize) -> usize {
    let debtor = format!("d{}", number % DEBTORS);
    let (invoice_id, payment_id) = (format!("i{number}"), format!("p{number}"));
    let cents = 1_000 + i64::try_from(number).expect("few payments");
    let invoice = CreateInvoiceRequest {
        request_id: format!("ri-{number}"),
        invoice: Some(world::invoice(CREDITOR, &debtor, &invoice_id, cents)),
    };
    let payment = CreatePaymentRequest {
        request_id: format!("rp-{number}"),
        payment: Some(world::payment(CREDITOR, &debtor, &payment_id, cents)),
        allocations: vec![Allocation {
            invoice_id,
            // Every third is paid in part only.
            amount: Some(euro(if number.is_multiple_of(3) {
                cents / 2
            } else {
                cents
            })),
            discount: None,
        }],
    };
    let (_, for_invoice) = insist(async |tries| {
        let mut accounts = fleet.clients(writer + tries).accounts;
        accounts.create_invoice(invoice.clone()).await
    })
    .await;
    let (_, for_payment) = insist(async |tries| {
        let mut accounts = fleet.clients(writer + tries).accounts;
        accounts.create_payment(payment.clone()).await
    })
    .await;
    for_invoice + for_payment
}
