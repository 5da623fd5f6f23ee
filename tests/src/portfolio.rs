//! Debtors of many kinds, with what they owe, for imports. The same number gives the same debtor under every creditor.

use chrono::Days;
use mahnwerk_proto::{
    common::v1::Money,
    registry::v1::{
        Allocation, Channel, ContactPoint, ContactState, Debtor, DebtorKind, Item, PaymentRow,
        import_row::Record,
    },
};
use mahnwerk_runtime::validate::{from_date, to_date};

use crate::world::{self, euro};

/// The id of a debtor.
#[must_use]
pub fn debtor_id(number: usize) -> String {
    format!("d{number:05}")
}

/// The id of an invoice of a debtor; everybody has the first.
#[must_use]
pub fn invoice_id(number: usize, invoice: usize) -> String {
    format!("i{number:05}-{invoice}")
}

/// What everybody owes with the first invoice before any payment, in cents.
#[must_use]
pub fn first_amount(number: usize) -> i64 {
    20_000 + cents(number)
}

/// The debtors of these numbers with contact points, invoices and payments: most can be reached by e-mail, some by post
/// only, a few not at all.
pub fn records(numbers: std::ops::Range<usize>) -> impl Iterator<Item = Record> {
    numbers.flat_map(|number| {
        let mut records = vec![Record::Debtor(debtor(number))];
        records.extend(contact_point(number).map(Record::ContactPoint));
        for invoice in 0..=number % 3 {
            records.push(Record::Invoice(self::invoice(number, invoice)));
        }
        if number % 6 == 5 {
            records.push(payment(number, "first", 5_000, true));
        }
        if number % 17 == 4 {
            records.push(payment(number, "unallocated", 3_000, false));
        }
        records
    })
}

/// Payments of so many cents on the first invoices of the debtors of these numbers.
pub fn payments(
    numbers: std::ops::Range<usize>,
    payment_id: &str,
    cents: i64,
) -> impl Iterator<Item = Record> {
    numbers.map(move |number| payment(number, payment_id, cents, true))
}

fn cents(number: usize) -> i64 {
    i64::try_from(number * 37 % 90_000).expect("a small number")
}

fn debtor(number: usize) -> Debtor {
    let kind = match number % 5 {
        0 => DebtorKind::Person,
        _ => DebtorKind::Organisation,
    };
    Debtor {
        kind: kind.into(),
        display_name: format!("Debtor {number}"),
        language: ["de", "en", "nl"][number % 3].to_owned(),
        ..world::debtor("", &debtor_id(number))
    }
}

fn contact_point(number: usize) -> Option<ContactPoint> {
    let (channel, address) = match number % 20 {
        13 => return None,
        7 => (Channel::Post, "Deichweg 3\n25746 Heide".to_owned()),
        _ => (Channel::Email, format!("d{number}@example.org")),
    };
    Some(ContactPoint {
        debtor_id: debtor_id(number),
        contact_point_id: "main".to_owned(),
        channel: channel.into(),
        address,
        state: ContactState::Unverified.into(),
        ..ContactPoint::default()
    })
}

/// Due within the hundred days before the first business day; the third one is in francs.
fn invoice(number: usize, invoice: usize) -> Item {
    let age = u32::try_from((number * 13 + invoice * 31) % 100).expect("a small number");
    let due = to_date(&world::TODAY).expect("a date") - Days::new(age.into());
    let amount = Money {
        currency_code: if invoice == 2 { "CHF" } else { "EUR" }.to_owned(),
        ..euro(first_amount(number) + cents(invoice * 1_000))
    };
    Item {
        amount: Some(amount),
        document_date: Some(from_date(due - Days::new(30))),
        due_date: Some(from_date(due)),
        ..world::invoice("", &debtor_id(number), &invoice_id(number, invoice), 0)
    }
}

fn payment(number: usize, payment_id: &str, cents: i64, allocated: bool) -> Record {
    let allocation = Allocation {
        invoice_id: invoice_id(number, 0),
        amount: Some(euro(cents)),
        discount: None,
    };
    let payment_id = format!("{payment_id}-{number:05}");
    Record::Payment(PaymentRow {
        payment: Some(world::payment("", &debtor_id(number), &payment_id, cents)),
        allocations: allocated.then_some(allocation).into_iter().collect(),
    })
}
