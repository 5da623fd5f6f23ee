use super::*;

fn actions(changes: &Changes) -> Vec<(&str, &str)> {
    changes
        .actions
        .iter()
        .map(|(key, action)| (key.id.as_str(), *action))
        .collect()
}

#[test]
fn what_a_batch_creates_is_inserted_once_with_version_1() {
    let mut book = Book::new();
    book.invoice("R1", 100, on(1, 1));
    book.pay("P1", 100, on(5, 1), vec![part("R1", 60)]);
    book.post(allocate(&payment("P1"), vec![part("R1", 40)]));
    let changes = book.ledger.into_changes();
    assert_eq!(actions(&changes), [("R1", "created"), ("P1", "created")]);
    assert!(changes.updated.is_empty());
    assert!(
        changes
            .inserted
            .iter()
            .all(|item| item.version == 1 && item.open == 0)
    );
    let ids: Vec<&str> = changes
        .entries
        .iter()
        .map(|entry| entry.entry_id.as_str())
        .collect();
    assert_eq!(ids, ["e0", "e1"]);
}

#[test]
fn the_version_of_a_stored_item_grows_by_one_however_often_it_is_touched() {
    let mut book = Book::new();
    book.invoice("R1", 100, on(1, 1));
    book.invoice("R2", 100, on(1, 1));
    let mut book = book.next_day(on(2, 3));
    book.pay("P1", 100, on(5, 1), vec![part("R1", 60)]);
    book.post(allocate(&payment("P1"), vec![part("R1", 40)]));
    let changes = book.ledger.into_changes();
    assert_eq!(actions(&changes), [("R1", "settled"), ("P1", "created")]);
    assert_eq!(changes.updated.len(), 1, "R2 was not touched");
    assert_eq!(changes.updated[0].version, 2);
}

#[test]
fn the_last_action_on_a_stored_item_is_told() {
    let mut book = Book::new();
    for id in ["R1", "R2", "R3", "R4"] {
        book.invoice(id, 100, on(1, 1));
    }
    book.pay("P1", 100, on(5, 1), vec![]);
    book.pay("P2", 100, on(5, 1), vec![part("R4", 10)]);
    let mut book = book.next_day(on(2, 3));
    book.post(allocate(&payment("P1"), vec![part("R1", 10)]));
    book.post(write_off("R2", None));
    book.reverse(&ItemKey::invoice("R3"), None);
    book.reverse(&payment("P2"), None);
    let changes = book.ledger.into_changes();
    let mut told = actions(&changes);
    told.sort_unstable();
    let expected = [
        ("P1", "allocated"),
        ("P2", "reversed"),
        ("R1", "allocated"),
        ("R2", "written_off"),
        ("R3", "reversed"),
        ("R4", "reopened"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_refused_posting_changes_nothing() {
    let mut book = Book::new();
    book.invoice("R1", 100, on(1, 1));
    let mut book = book.next_day(on(2, 3));
    book.refused(Posting::Payment(credit(
        "P1",
        eur(100),
        on(5, 1),
        vec![part("R1", 60), part("R9", 1)],
    )));
    assert_eq!(book.ledger.into_changes(), Changes::default());
}

#[test]
fn entries_given_twice_and_out_of_order_count_once_and_in_order() {
    let mut book = Book::new();
    let invoice = book.invoice("R1", 100, on(1, 1));
    let paid = book.pay("P1", 100, on(5, 1), vec![part("R1", 60)]);
    book.post(allocate(&paid, vec![part("R1", 40)]));
    let changes = book.ledger.into_changes();
    let twice = changes
        .entries
        .iter()
        .rev()
        .chain(&changes.entries)
        .cloned()
        .collect();
    let ledger = Ledger::new(on(2, 3), changes.inserted, twice);
    let numbers: Vec<i64> = ledger
        .entries_of(&invoice)
        .iter()
        .map(|entry| entry.number)
        .collect();
    assert_eq!(numbers, [1, 2]);
    assert!(
        ledger.into_changes().entries.is_empty(),
        "what was given is not new"
    );
}

#[test]
fn names_of_kinds_are_stable() {
    assert_eq!(ItemKind::parse("credit_note"), Some(ItemKind::CreditNote));
    assert_eq!(EntryKind::WriteOff.name(), "write_off");
    assert_eq!(payment("P1").to_string(), "payment P1");
}
