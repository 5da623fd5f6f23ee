//! Invoices, payments and business days, posted while processes die.

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use chrono::Days;
use e2e::{
    fleet::{Fleet, insist},
    world::{self, TODAY, euro},
};
use futures::future::join_all;
use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::{
        Allocation, CreateInvoiceRequest, CreatePaymentRequest, OpenBusinessDayRequest,
    },
};
use mahnwerk_runtime::validate::{from_date, to_date};

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

/// Creates creditor and debtors, who can be reached by e-mail. Answers the token of the last.
pub async fn prepare(fleet: &Fleet) -> String {
    let mut clients = fleet.clients(0);
    clients.open_creditor(CREDITOR).await;
    let mut token = String::new();
    for debtor in 0..DEBTORS {
        let debtor_id = format!("d{debtor}");
        clients.add_debtor(CREDITOR, &debtor_id).await;
        let contact_point = format!("mail-{debtor}");
        token = clients
            .add_contact_point(CREDITOR, &debtor_id, &contact_point)
            .await;
    }
    token
}

/// Posts the payments of these numbers with an invoice each. Answers how many calls were repeated.
pub async fn post_all(fleet: &Fleet, numbers: Range<usize>) -> usize {
    let next = AtomicUsize::new(numbers.start);
    let write = async |writer| {
        let mut repeated = 0;
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= numbers.end {
                return repeated;
            }
            repeated += post(fleet, writer, number).await;
        }
    };
    join_all((0..WRITERS).map(write)).await.into_iter().sum()
}

/// The business day so many weeks after the first: ladders take weeks.
pub fn business_day(number: usize) -> Date {
    let weeks = u64::try_from(number).expect("few");
    from_date(to_date(&TODAY).expect("a date") + Days::new(7 * weeks))
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
    let cents = 2_000 + i64::try_from(number).expect("few payments");
    // Every third is paid in part only.
    let paid = match number % 3 {
        0 => cents / 2,
        _ => cents,
    };
    let invoice = CreateInvoiceRequest {
        request_id: format!("ri-{number}"),
        invoice: Some(world::invoice(CREDITOR, &debtor, &invoice_id, cents)),
    };
    let payment = CreatePaymentRequest {
        request_id: format!("rp-{number}"),
        payment: Some(world::payment(CREDITOR, &debtor, &payment_id, paid)),
        allocations: vec![Allocation {
            invoice_id,
            amount: Some(euro(paid)),
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
