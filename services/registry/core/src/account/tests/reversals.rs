use super::*;

fn undo(invoice_id: &str, entry_id: &str, value_date: Option<NaiveDate>) -> Posting {
    Posting::ReverseEntry {
        invoice_id: invoice_id.into(),
        entry_id: entry_id.into(),
        value_date,
    }
}

fn only_violation(error: DomainError) -> String {
    let DomainError::Invalid(violations) = error else {
        panic!("{error:?}")
    };
    assert_eq!(violations.len(), 1);
    violations[0].field.clone()
}

#[test]
fn a_returned_payment_reopens_what_it_settled_and_takes_its_discount_back() {
    let mut book = Book::new();
    let (first, second) = (
        book.invoice("R1", 100, on(1, 1)),
        book.invoice("R2", 50, on(1, 1)),
    );
    let discounted = Allocation {
        discount: Some(eur(3)),
        ..part("R1", 97)
    };
    let paid = book.pay("P1", 150, on(5, 1), vec![discounted, part("R2", 50)]);
    book.reverse(&paid, Some(on(12, 1)));
    assert_eq!(
        (book.open(&first), book.open(&second), book.open(&paid)),
        (100, 50, 0)
    );
    assert!(book.ledger.item(&paid).unwrap().reversed);
    let amounts: Vec<i64> = book
        .entries(&first)
        .iter()
        .map(|entry| entry.amount)
        .collect();
    assert_eq!(amounts, [97, 3, -97, -3]);
    let undoing = &book.entries(&first)[2];
    assert_eq!(
        (undoing.value_date, undoing.reverses.as_deref()),
        (on(12, 1), Some("e0"))
    );
    let cancellation = book.entries(&paid).last().cloned().unwrap();
    assert_eq!(
        (cancellation.kind, cancellation.amount),
        (EntryKind::Cancellation, 150)
    );
    assert_eq!(
        (cancellation.debit, cancellation.credit),
        (None, Some(paid))
    );
}

#[test]
fn without_a_value_date_a_reversal_counts_from_the_business_date() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    let paid = book.pay("P1", 100, on(5, 1), vec![part("R1", 100)]);
    book.reverse(&paid, None);
    assert_eq!(book.entries(&invoice)[1].value_date, on(1, 3));
}

#[test]
fn a_reversal_before_the_items_own_value_date_is_refused() {
    let mut book = Book::new();
    book.invoice("R1", 100, on(1, 1));
    let paid = book.pay("P1", 100, on(5, 1), vec![part("R1", 100)]);
    let early = Posting::ReverseItem {
        key: paid,
        value_date: Some(on(4, 1)),
    };
    assert_eq!(only_violation(book.refused(early)), "value_date");
    assert_eq!(
        only_violation(book.refused(undo("R1", "e0", Some(on(4, 1))))),
        "value_date"
    );
}

#[test]
fn an_item_that_counts_from_a_future_day_is_reversed_from_that_day() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 6));
    book.reverse(&invoice, None);
    assert_eq!(book.entries(&invoice)[0].value_date, on(1, 6));
}

#[test]
fn a_payment_reversed_before_its_allocation_counts_settles_nothing_on_any_day() {
    let mut book = Book::new();
    let paid = book.pay("P1", 100, on(1, 1), vec![]);
    let invoice = book.invoice("R1", 100, on(20, 1));
    book.post(allocate(&paid, vec![part("R1", 100)]));
    book.reverse(&paid, Some(on(10, 1)));
    let values: Vec<NaiveDate> = book
        .entries(&invoice)
        .iter()
        .map(|entry| entry.value_date)
        .collect();
    assert_eq!(values, [on(20, 1), on(20, 1)]);
    assert_eq!(book.entries(&paid).last().unwrap().value_date, on(10, 1));
}

#[test]
fn money_that_was_allocated_until_a_day_cannot_vanish_before_that_day() {
    let mut book = Book::new();
    book.invoice("R1", 100, on(1, 1));
    let paid = book.pay("P1", 100, on(5, 1), vec![part("R1", 100)]);
    book.post(undo("R1", "e0", Some(on(20, 1))));
    book.reverse(&paid, Some(on(10, 1)));
    assert_eq!(book.entries(&paid).last().unwrap().value_date, on(20, 1));
}

#[test]
fn an_invoice_is_reversed_only_when_nothing_settles_it() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    book.pay("P1", 40, on(5, 1), vec![part("R1", 40)]);
    let reversal = Posting::ReverseItem {
        key: invoice.clone(),
        value_date: None,
    };
    assert_eq!(
        book.refused(reversal.clone()),
        DomainError::HasAllocations {
            item: invoice.clone()
        }
    );
    book.post(undo("R1", "e0", Some(on(5, 1))));
    book.post(write_off("R1", Some(eur(1))));
    assert_eq!(
        book.refused(reversal.clone()),
        DomainError::HasAllocations {
            item: invoice.clone()
        }
    );
    book.post(undo("R1", "e2", None));
    book.post(reversal);
    assert_eq!(book.open(&invoice), 0);
    assert!(book.ledger.item(&invoice).unwrap().reversed);
}

#[test]
fn an_invoice_over_nothing_can_be_reversed() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 0, on(1, 1));
    book.reverse(&invoice, None);
    assert_eq!(
        (
            book.entries(&invoice)[0].kind,
            book.entries(&invoice)[0].amount
        ),
        (EntryKind::Cancellation, 0)
    );
}

#[test]
fn nothing_is_reversed_twice() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    let paid = book.pay("P1", 40, on(5, 1), vec![part("R1", 40)]);
    book.post(undo("R1", "e0", None));
    let entry_again = DomainError::AlreadyReversed {
        kind: "entry",
        id: "e0".into(),
    };
    assert_eq!(book.refused(undo("R1", "e0", None)), entry_again);
    book.reverse(&paid, None);
    let payment_again = Posting::ReverseItem {
        key: paid,
        value_date: None,
    };
    assert_eq!(
        book.refused(payment_again),
        DomainError::AlreadyReversed {
            kind: "payment",
            id: "P1".into()
        }
    );
    book.reverse(&invoice, None);
    let invoice_again = Posting::ReverseItem {
        key: invoice,
        value_date: None,
    };
    assert_eq!(
        book.refused(invoice_again),
        DomainError::AlreadyReversed {
            kind: "invoice",
            id: "R1".into()
        }
    );
}

#[test]
fn a_reversed_item_takes_part_in_nothing_any_more() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    let other = book.invoice("R2", 100, on(1, 1));
    let paid = book.pay("P1", 100, on(1, 1), vec![]);
    let returned = book.pay("P2", 100, on(1, 1), vec![]);
    book.reverse(&invoice, None);
    book.reverse(&returned, None);
    let refusal = |item: &ItemKey| DomainError::ExceedsOpenAmount {
        item: item.clone(),
        open: 0,
        wanted: 1,
    };
    assert_eq!(
        book.refused(allocate(&paid, vec![part("R1", 1)])),
        refusal(&invoice)
    );
    assert_eq!(
        book.refused(allocate(&returned, vec![part("R2", 1)])),
        refusal(&returned)
    );
    assert_eq!(
        book.refused(write_off("R1", Some(eur(1)))),
        refusal(&invoice)
    );
    assert_eq!(book.open(&other), 100);
}

#[test]
fn undoing_an_allocation_frees_the_payment_for_another_invoice() {
    let mut book = Book::new();
    let (wrong, right) = (
        book.invoice("R1", 100, on(1, 1)),
        book.invoice("R2", 100, on(1, 1)),
    );
    let paid = book.pay("P1", 100, on(5, 1), vec![part("R1", 100)]);
    assert_eq!(
        book.post(undo("R1", "e0", Some(on(5, 1)))),
        wrong,
        "the call answers with the invoice"
    );
    book.post(allocate(&paid, vec![part("R2", 100)]));
    assert_eq!(
        (book.open(&wrong), book.open(&right), book.open(&paid)),
        (100, 0, 0)
    );
    assert_eq!(
        book.entries(&right)[0].value_date,
        on(5, 1),
        "as if it had been so from the start"
    );
}

#[test]
fn undoing_a_discount_leaves_the_payment_as_it_is() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    let paid = book.pay(
        "P1",
        97,
        on(5, 1),
        vec![Allocation {
            discount: Some(eur(3)),
            ..part("R1", 97)
        }],
    );
    let mut book = book.next_day(on(2, 3));
    book.post(undo("R1", "e1", None));
    assert_eq!((book.open(&invoice), book.open(&paid)), (3, 0));
    assert_eq!(book.ledger.item(&paid).unwrap().version, 1);
}

#[test]
fn undoings_cancellations_and_entries_of_other_invoices_cannot_be_undone() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    book.invoice("R2", 100, on(1, 1));
    book.pay("P1", 40, on(5, 1), vec![part("R1", 40)]);
    book.post(undo("R1", "e0", None));
    assert_eq!(
        only_violation(book.refused(undo("R1", "e1", None))),
        "entry_id"
    );
    book.reverse(&invoice, None);
    assert_eq!(
        only_violation(book.refused(undo("R1", "e2", None))),
        "entry_id"
    );
    let not_found = |id: &str| DomainError::NotFound {
        kind: "entry",
        id: id.into(),
    };
    assert_eq!(book.refused(undo("R2", "e0", None)), not_found("e0"));
    assert_eq!(book.refused(undo("R1", "e99", None)), not_found("e99"));
}

#[test]
fn a_reversal_without_the_other_side_at_hand_is_refused_instead_of_half_done() {
    let mut book = Book::new();
    book.invoice("R1", 100, on(1, 1));
    let paid = book.pay("P1", 40, on(5, 1), vec![part("R1", 40)]);
    let changes = book.ledger.into_changes();
    let only_payment = changes
        .inserted
        .into_iter()
        .filter(|item| item.key == paid)
        .collect();
    let mut book = Book {
        ledger: Ledger::new(on(1, 3), only_payment, changes.entries),
        ids: 9,
    };
    let error = book.refused(Posting::ReverseItem {
        key: paid,
        value_date: None,
    });
    assert_eq!(
        error,
        DomainError::NotFound {
            kind: "invoice",
            id: "R1".into()
        }
    );
}
