use super::*;
use crate::account::EntryKind;

fn on(day: u32, month: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

fn item(
    kind: ItemKind,
    id: &str,
    code: &str,
    amount: i64,
    document_date: NaiveDate,
    due_date: NaiveDate,
) -> Item {
    Item {
        debtor_id: "D1".into(),
        key: ItemKey::new(kind, id),
        currency: Currency::parse(code).unwrap(),
        amount,
        open: amount,
        document_date,
        due_date: (kind == ItemKind::Invoice).then_some(due_date),
        value_date: document_date,
        discount_date: None,
        discount_bps: 0,
        reference: String::new(),
        recorded_date: document_date,
        reversed: false,
        version: 1,
    }
}

fn invoice(id: &str, amount: i64, due_date: NaiveDate) -> Item {
    item(ItemKind::Invoice, id, "EUR", amount, on(1, 1), due_date)
}

fn allocation(amount: i64, value_date: NaiveDate, recorded_date: NaiveDate) -> Entry {
    Entry {
        entry_id: "e".into(),
        debtor_id: "D1".into(),
        kind: EntryKind::Allocation,
        amount,
        debit: Some(ItemKey::invoice("R1")),
        credit: Some(ItemKey::new(ItemKind::Payment, "P1")),
        value_date,
        recorded_date,
        reverses: None,
        number: 1,
    }
}

#[test]
fn invoices_fall_into_buckets_by_days_after_the_due_date() {
    let as_of = on(30, 6);
    let due = |days: u64| as_of - chrono::Days::new(days);
    let days = [0, 1, 30, 31, 60, 61, 90, 91];
    let mut items: Vec<Item> = (0_u32..)
        .zip(days)
        .map(|(at, days)| invoice(&format!("R{at}"), 10_i64.pow(at), due(days)))
        .collect();
    items.push(invoice("later", 500_000_000, on(1, 7)));
    let balance = &balances(&items, &[], as_of, None).unwrap()[0];
    assert_eq!(balance.not_due, 500_000_001);
    assert_eq!(balance.overdue_1_30, 110);
    assert_eq!(balance.overdue_31_60, 11_000);
    assert_eq!(balance.overdue_61_90, 1_100_000);
    assert_eq!(balance.overdue_over_90, 10_000_000);
    assert_eq!((balance.receivable, balance.open_items), (511_111_111, 9));
}

#[test]
fn an_item_counts_from_its_date_and_an_entry_from_its_value_date() {
    let paid = item(ItemKind::Payment, "P1", "EUR", 100, on(10, 1), on(10, 1));
    let items = [invoice("R1", 100, on(1, 2)), paid];
    let entries = [allocation(60, on(10, 1), on(15, 1))];
    assert_eq!(
        balances(
            &items,
            &entries,
            NaiveDate::from_ymd_opt(2025, 12, 31).unwrap(),
            None
        )
        .unwrap(),
        []
    );
    let before = &balances(&items, &entries, on(9, 1), None).unwrap()[0];
    assert_eq!((before.receivable, before.unallocated), (100, 0));
    let after = &balances(&items, &entries, on(10, 1), None).unwrap()[0];
    assert_eq!((after.receivable, after.unallocated), (40, 40));
    let as_known_then = &balances(&items, &entries, on(10, 1), Some(on(14, 1))).unwrap()[0];
    assert_eq!(
        (as_known_then.receivable, as_known_then.unallocated),
        (100, 100)
    );
}

#[test]
fn currencies_are_apart_and_in_order_of_their_codes() {
    let items = [
        item(ItemKind::Invoice, "R1", "USD", 7, on(1, 1), on(1, 1)),
        item(ItemKind::Invoice, "R2", "EUR", 5, on(1, 1), on(1, 1)),
    ];
    let codes: Vec<&str> = balances(&items, &[], on(1, 2), None)
        .unwrap()
        .iter()
        .map(|balance| balance.currency.code())
        .collect();
    assert_eq!(codes, ["EUR", "USD"]);
}

#[test]
fn settled_invoices_are_not_counted_as_open() {
    let items = [invoice("R1", 60, on(1, 2)), invoice("R2", 0, on(1, 2))];
    let balance = &balances(
        &items,
        &[allocation(60, on(2, 1), on(2, 1))],
        on(3, 1),
        None,
    )
    .unwrap()[0];
    assert_eq!((balance.receivable, balance.open_items), (0, 0));
}

#[test]
fn a_sum_beyond_64_bits_is_refused_not_cut_off() {
    let items = [
        invoice("R1", i64::MAX, on(1, 2)),
        invoice("R2", 1, on(1, 2)),
    ];
    let error = balances(&items, &[], on(1, 2), None).unwrap_err();
    assert_eq!(
        error,
        DomainError::LimitReached {
            limit: i64::MAX,
            what: "minor units of a balance"
        }
    );
}
