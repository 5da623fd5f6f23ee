//! The ledger, rule by rule. Dates are of 2026; the business day is 1 March unless a test says otherwise.

use super::*;
use crate::currency::Currency;
use crate::error::DomainError;
use crate::money::Money;
use chrono::NaiveDate;

mod changes;
mod dates;
mod reversals;

/// The date of a day and month in 2026: `on(31, 1)` is 31 January.
fn on(day: u32, month: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(Currency::parse("EUR").unwrap(), minor)
}

fn usd(minor: i64) -> Money {
    Money::new(Currency::parse("USD").unwrap(), minor)
}

fn payment(id: &str) -> ItemKey {
    ItemKey::new(ItemKind::Payment, id)
}

fn invoice_of(debtor_id: &str, id: &str, amount: Money, document_date: NaiveDate) -> Posting {
    Posting::Invoice(NewInvoice {
        debtor_id: debtor_id.into(),
        item_id: id.into(),
        amount,
        document_date,
        due_date: document_date + chrono::Days::new(30),
        discount_date: None,
        discount_bps: 0,
        reference: String::new(),
    })
}

fn part(invoice_id: &str, amount: i64) -> Allocation {
    Allocation {
        invoice_id: invoice_id.into(),
        amount: eur(amount),
        discount: None,
    }
}

fn credit(
    id: &str,
    amount: Money,
    value_date: NaiveDate,
    allocations: Vec<Allocation>,
) -> NewCredit {
    NewCredit {
        debtor_id: "D1".into(),
        item_id: id.into(),
        amount,
        document_date: value_date,
        value_date,
        reference: String::new(),
        allocations,
    }
}

/// A ledger with entry ids `e0`, `e1`, …
struct Book {
    ledger: Ledger,
    ids: usize,
}

impl Book {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(on(1, 3), Vec::new(), Vec::new()),
            ids: 0,
        }
    }

    fn try_post(
        &mut self,
        posting: Posting,
        recorded_date: Option<NaiveDate>,
    ) -> Result<ItemKey, DomainError> {
        let mut ids = self.ids;
        let answer = self.ledger.post(
            &PostingRequest {
                posting,
                recorded_date,
            },
            &mut || {
                ids += 1;
                format!("e{}", ids - 1)
            },
        );
        self.ids = ids;
        answer
    }

    fn post(&mut self, posting: Posting) -> ItemKey {
        self.try_post(posting, None).unwrap()
    }

    fn refused(&mut self, posting: Posting) -> DomainError {
        let ids = self.ids;
        let error = self.try_post(posting, None).unwrap_err();
        assert_eq!(self.ids, ids, "no ids for a refused posting");
        error
    }

    fn invoice(&mut self, id: &str, amount: i64, document_date: NaiveDate) -> ItemKey {
        self.post(invoice_of("D1", id, eur(amount), document_date))
    }

    fn pay(
        &mut self,
        id: &str,
        amount: i64,
        value_date: NaiveDate,
        allocations: Vec<Allocation>,
    ) -> ItemKey {
        self.post(Posting::Payment(credit(
            id,
            eur(amount),
            value_date,
            allocations,
        )))
    }

    fn reverse(&mut self, key: &ItemKey, value_date: Option<NaiveDate>) -> ItemKey {
        self.post(Posting::ReverseItem {
            key: key.clone(),
            value_date,
        })
    }

    fn open(&self, key: &ItemKey) -> i64 {
        self.ledger.item(key).unwrap().open
    }

    fn entries(&self, key: &ItemKey) -> Vec<Entry> {
        self.ledger.entries_of(key).into_iter().cloned().collect()
    }

    fn next_day(self, business_date: NaiveDate) -> Self {
        let changes = self.ledger.into_changes();
        Self {
            ledger: Ledger::new(business_date, changes.inserted, changes.entries),
            ids: self.ids,
        }
    }
}

fn allocate(credit: &ItemKey, allocations: Vec<Allocation>) -> Posting {
    Posting::Allocate {
        credit: credit.clone(),
        allocations,
    }
}

fn write_off(invoice_id: &str, amount: Option<Money>) -> Posting {
    Posting::WriteOff {
        invoice_id: invoice_id.into(),
        amount,
    }
}

#[test]
fn a_payment_settles_invoices_and_keeps_the_rest_unallocated() {
    let mut book = Book::new();
    let (first, second) = (
        book.invoice("R1", 100, on(1, 1)),
        book.invoice("R2", 50, on(5, 1)),
    );
    let paid = book.pay("P1", 130, on(20, 2), vec![part("R1", 100), part("R2", 20)]);
    assert_eq!(
        (book.open(&first), book.open(&second), book.open(&paid)),
        (0, 30, 10)
    );
    let entries = book.entries(&paid);
    assert_eq!(
        entries.iter().map(|entry| entry.amount).collect::<Vec<_>>(),
        [100, 20]
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.value_date == on(20, 2) && entry.recorded_date == on(1, 3))
    );
}

#[test]
fn an_invoice_and_a_payment_may_carry_the_same_number_but_two_invoices_may_not() {
    let mut book = Book::new();
    book.invoice("4711", 100, on(1, 1));
    book.pay("4711", 100, on(1, 1), vec![]);
    let exists = DomainError::Exists {
        kind: "invoice",
        id: "4711".into(),
    };
    assert_eq!(
        book.refused(invoice_of("D1", "4711", eur(1), on(1, 1))),
        exists
    );
    assert_eq!(
        book.refused(invoice_of("D2", "4711", eur(1), on(1, 1))),
        exists,
        "even at another debtor"
    );
}

#[test]
fn a_second_allocation_of_a_settled_invoice_is_refused() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    book.pay("P1", 100, on(1, 2), vec![part("R1", 100)]);
    let second = Posting::Payment(credit("P2", eur(100), on(2, 2), vec![part("R1", 1)]));
    assert_eq!(
        book.refused(second),
        DomainError::ExceedsOpenAmount {
            item: invoice,
            open: 0,
            wanted: 1
        }
    );
    assert_eq!(
        book.ledger.item(&payment("P2")),
        None,
        "the payment is refused as a whole"
    );
}

#[test]
fn more_than_the_payment_cannot_be_allocated_and_nothing_remains_of_the_attempt() {
    let mut book = Book::new();
    let (first, second) = (
        book.invoice("R1", 100, on(1, 1)),
        book.invoice("R2", 100, on(1, 1)),
    );
    let paid = book.pay("P1", 150, on(1, 2), vec![]);
    let error = book.refused(allocate(&paid, vec![part("R1", 100), part("R2", 51)]));
    assert_eq!(
        error,
        DomainError::ExceedsOpenAmount {
            item: paid.clone(),
            open: 50,
            wanted: 51
        }
    );
    assert_eq!(
        (book.open(&first), book.open(&second), book.open(&paid)),
        (100, 100, 150)
    );
    assert!(book.entries(&first).is_empty());
}

#[test]
fn discount_settles_the_invoice_but_does_not_use_up_the_payment() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    let discounted = Allocation {
        discount: Some(eur(3)),
        ..part("R1", 97)
    };
    let paid = book.pay("P1", 97, on(5, 1), vec![discounted]);
    assert_eq!((book.open(&invoice), book.open(&paid)), (0, 0));
    let entries = book.entries(&invoice);
    assert_eq!(entries[1].kind, EntryKind::Discount);
    assert_eq!(entries[1].credit, Some(paid), "traceable to its payment");
    assert!(!entries[1].consumes_credit());
}

#[test]
fn amount_and_discount_together_must_not_exceed_what_is_open() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    let too_much = Allocation {
        discount: Some(eur(4)),
        ..part("R1", 97)
    };
    let error = book.refused(Posting::Payment(credit(
        "P1",
        eur(97),
        on(5, 1),
        vec![too_much],
    )));
    assert_eq!(
        error,
        DomainError::ExceedsOpenAmount {
            item: invoice,
            open: 100,
            wanted: 101
        }
    );
}

#[test]
fn a_discount_of_zero_leaves_no_entry() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    book.pay(
        "P1",
        97,
        on(5, 1),
        vec![Allocation {
            discount: Some(eur(0)),
            ..part("R1", 97)
        }],
    );
    assert_eq!(book.entries(&invoice).len(), 1);
}

#[test]
fn items_of_another_debtor_or_currency_do_not_match() {
    let mut book = Book::new();
    let other = book.post(invoice_of("D2", "R1", eur(100), on(1, 1)));
    let dollars = book.post(invoice_of("D1", "R2", usd(100), on(1, 1)));
    let euros = book.invoice("R3", 100, on(1, 1));
    let paid = book.pay("P1", 100, on(1, 2), vec![]);
    let no_match = |item: &ItemKey, difference| DomainError::ItemsDoNotMatch {
        item: item.clone(),
        difference,
    };
    assert_eq!(
        book.refused(allocate(&paid, vec![part("R1", 1)])),
        no_match(&other, "debtor")
    );
    assert_eq!(
        book.refused(allocate(&paid, vec![part("R2", 1)])),
        no_match(&dollars, "currency")
    );
    let in_dollars = Allocation {
        amount: usd(1),
        ..part("R3", 1)
    };
    assert_eq!(
        book.refused(allocate(&paid, vec![in_dollars])),
        no_match(&euros, "currency")
    );
    let discount_in_dollars = Allocation {
        discount: Some(usd(1)),
        ..part("R3", 1)
    };
    assert_eq!(
        book.refused(allocate(&paid, vec![discount_in_dollars])),
        no_match(&euros, "currency")
    );
    assert_eq!(
        book.refused(write_off("R3", Some(usd(1)))),
        no_match(&euros, "currency")
    );
}

#[test]
fn unknown_items_are_not_found() {
    let mut book = Book::new();
    let paid = book.pay("P1", 100, on(1, 2), vec![]);
    let missing = |kind, id: &str| DomainError::NotFound {
        kind,
        id: id.into(),
    };
    assert_eq!(
        book.refused(allocate(&paid, vec![part("R9", 1)])),
        missing("invoice", "R9")
    );
    assert_eq!(
        book.refused(allocate(&payment("P9"), vec![part("R9", 1)])),
        missing("payment", "P9")
    );
    assert_eq!(
        book.refused(write_off("R9", None)),
        missing("invoice", "R9")
    );
    let credit_note = ItemKey::new(ItemKind::CreditNote, "P1");
    let reversal = Posting::ReverseItem {
        key: credit_note,
        value_date: None,
    };
    assert_eq!(book.refused(reversal), missing("credit_note", "P1"));
}

#[test]
fn a_write_off_takes_the_amount_or_all_that_is_open() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    book.post(write_off("R1", Some(eur(30))));
    assert_eq!(book.open(&invoice), 70);
    book.post(write_off("R1", None));
    assert_eq!(book.open(&invoice), 0);
    assert_eq!(
        book.entries(&invoice)[1].value_date,
        on(1, 3),
        "from the business date"
    );
    let nothing_left = DomainError::ExceedsOpenAmount {
        item: invoice,
        open: 0,
        wanted: 1,
    };
    assert_eq!(book.refused(write_off("R1", None)), nothing_left);
}

#[test]
fn malformed_postings_are_refused_by_the_ledger_too() {
    let mut book = Book::new();
    let error = book.refused(invoice_of("D1", "R 1", eur(-1), on(1, 1)));
    let DomainError::Invalid(violations) = error else {
        panic!("{error:?}")
    };
    let fields: Vec<&str> = violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["invoice.item_id", "invoice.amount.minor_units"]);
}

#[test]
fn the_entries_of_an_invoice_are_limited_so_that_all_of_them_can_still_be_undone() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 1_000, on(1, 1));
    let paid = book.pay("P1", 1_000, on(1, 1), vec![]);
    let mut posted = 0;
    let error = loop {
        match book.try_post(allocate(&paid, vec![part("R1", 1)]), None) {
            Ok(_) => posted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(
        (posted, error),
        (
            499,
            DomainError::LimitReached {
                limit: 1_000,
                what: "entries of an invoice"
            }
        )
    );
    book.reverse(&paid, None);
    book.reverse(&invoice, None);
    assert_eq!(book.entries(&invoice).len(), 999);
}
