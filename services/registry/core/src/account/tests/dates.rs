use super::*;

#[test]
fn a_prepayment_settles_from_the_document_date_of_the_invoice() {
    let mut book = Book::new();
    let paid = book.pay("P1", 100, on(1, 1), vec![]);
    let invoice = book.invoice("R1", 100, on(15, 1));
    book.post(allocate(&paid, vec![part("R1", 100)]));
    assert_eq!(book.entries(&invoice)[0].value_date, on(15, 1));
}

#[test]
fn back_dated_money_counts_only_from_the_day_it_is_available_for_good() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    book.pay("P1", 100, on(10, 1), vec![part("R1", 100)]);
    book.reverse(&payment("P1"), Some(on(20, 1)));
    assert_eq!(book.open(&invoice), 100);
    book.pay("P2", 100, on(5, 1), vec![part("R1", 100)]);
    let values: Vec<NaiveDate> = book
        .entries(&invoice)
        .iter()
        .map(|entry| entry.value_date)
        .collect();
    assert_eq!(
        values,
        [on(10, 1), on(20, 1), on(20, 1)],
        "from 10 to 20 January nothing was open"
    );
}

#[test]
fn history_keeps_the_recorded_date_it_states_but_never_before_what_it_refers_to() {
    let mut book = Book::new();
    let invoice = invoice_of("D1", "R1", eur(100), on(1, 1));
    let invoice = book.try_post(invoice, Some(on(2, 1))).unwrap();
    let first = Posting::Payment(credit("P1", eur(10), on(5, 1), vec![part("R1", 10)]));
    book.try_post(first, Some(on(6, 1))).unwrap();
    let second = Posting::Payment(credit("P2", eur(10), on(3, 1), vec![part("R1", 10)]));
    let second = book.try_post(second, Some(on(4, 1))).unwrap();
    assert_eq!(book.ledger.item(&second).unwrap().recorded_date, on(4, 1));
    let recorded: Vec<NaiveDate> = book
        .entries(&invoice)
        .iter()
        .map(|entry| entry.recorded_date)
        .collect();
    assert_eq!(recorded, [on(6, 1), on(6, 1)]);
}

#[test]
fn a_recorded_date_after_the_business_date_is_refused() {
    let mut book = Book::new();
    let error = book
        .try_post(invoice_of("D1", "R1", eur(1), on(1, 1)), Some(on(2, 3)))
        .unwrap_err();
    let DomainError::Invalid(violations) = error else {
        panic!("{error:?}")
    };
    assert_eq!(violations[0].field, "recorded_date");
}

#[test]
fn a_credit_note_counts_from_its_document_date() {
    let mut book = Book::new();
    let note = NewCredit {
        value_date: on(9, 2),
        ..credit("C1", eur(5), on(1, 2), vec![])
    };
    let key = book.post(Posting::CreditNote(note));
    assert_eq!(book.ledger.item(&key).unwrap().value_date, on(1, 2));
}

#[test]
fn a_write_off_of_a_future_invoice_counts_from_its_document_date() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 6));
    book.post(write_off("R1", None));
    assert_eq!(book.entries(&invoice)[0].value_date, on(1, 6));
}
