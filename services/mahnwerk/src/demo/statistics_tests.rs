use mahnwerk_proto::{
    common::v1::Money,
    registry::v1::{Entry, ItemKind},
};

use super::*;
use crate::output::proto_date;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn euros(minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "EUR".to_owned(),
        minor_units,
    })
}

fn invoice(entries: &[(&str, i64, EntryKind)]) -> Item {
    let entry = |(day, amount, kind): &(&str, i64, EntryKind)| Entry {
        kind: (*kind).into(),
        credit_kind: ItemKind::Payment.into(),
        amount: euros(*amount),
        value_date: Some(proto_date(date(day))),
        ..Entry::default()
    };
    Item {
        debtor_id: "D-1".to_owned(),
        amount: euros(1_000),
        document_date: Some(proto_date(date("2025-01-02"))),
        due_date: Some(proto_date(date("2025-02-01"))),
        entries: entries.iter().map(entry).collect(),
        ..Item::default()
    }
}

fn score(debtor: &str, score: i32, class: RiskClass) -> Score {
    Score {
        debtor_id: debtor.to_owned(),
        score,
        risk_class: class.into(),
        pd_ppm: 10_000,
        ..Score::default()
    }
}

#[test]
fn an_invoice_is_settled_when_the_last_part_of_it_is() {
    use EntryKind::{Allocation, Discount};
    let settled = |entries: &[_]| Outcome::of(&invoice(entries)).unwrap().settled;
    assert_eq!(settled(&[]), None);
    assert_eq!(
        settled(&[
            ("2025-01-20", 980, Allocation),
            ("2025-01-20", 20, Discount)
        ]),
        Some(date("2025-01-20"))
    );
    assert_eq!(settled(&[("2025-01-20", 400, Allocation)]), None);
    let returned = [
        ("2025-01-20", 1_000, Allocation),
        ("2025-01-24", -1_000, Allocation),
    ];
    assert_eq!(settled(&returned), None);
    let again = [returned.as_slice(), &[("2025-02-10", 1_000, Allocation)]].concat();
    assert_eq!(settled(&again), Some(date("2025-02-10")));
}

#[test]
fn far_too_late_still_open_and_written_off_are_bad() {
    use EntryKind::{Allocation, WriteOff};
    let bad = |entries: &[_], today| Outcome::of(&invoice(entries)).unwrap().is_bad(date(today));
    assert!(!bad(&[("2025-04-01", 1_000, Allocation)], "2025-12-31"));
    assert!(bad(&[("2025-04-02", 1_000, Allocation)], "2025-12-31"));
    assert!(!bad(&[], "2025-04-01"));
    assert!(bad(&[], "2025-04-02"));
    assert!(bad(&[("2025-02-02", 1_000, WriteOff)], "2025-12-31"));
}

#[test]
fn days_sales_outstanding_are_counted_back_over_months() {
    let sales = Sales::from([
        (("EUR".to_owned(), date("2025-01-31")), 3_100),
        (("EUR".to_owned(), date("2025-02-28")), 2_800),
    ]);
    let days = |owed| count_back(owed, "EUR", date("2025-02-28"), &sales);
    assert_eq!(days(0), Some(0));
    assert_eq!(days(1_400), Some(14));
    assert_eq!(days(2_800 + 1_000), Some(28 + 10));
    assert_eq!(days(9_999), None);
}

#[test]
fn the_area_under_the_curve_is_one_when_all_bad_debtors_score_lower() {
    assert_eq!(auc_permille(&mut [600, 650], &[500, 550]), Some(1_000));
    assert_eq!(auc_permille(&mut [500, 550], &[600, 650]), Some(0));
    assert_eq!(auc_permille(&mut [500, 600], &[500, 600]), Some(500));
    assert_eq!(auc_permille(&mut [500, 600, 700], &[600]), Some(500));
    assert_eq!(auc_permille(&mut [500], &[]), None);
}

#[test]
fn predictions_are_held_against_invoices_issued_afterwards_only() {
    let outcome = |debtor: &str, issued: &str, settled: Option<&str>| Outcome {
        debtor_id: debtor.to_owned(),
        currency: "EUR".to_owned(),
        amount: 100,
        issued: date(issued),
        due: date(issued),
        settled: settled.map(date),
        paid: settled.is_some(),
        written_off: false,
    };
    let outcomes = [
        outcome("good", "2025-07-01", Some("2025-07-10")),
        outcome("good", "2025-06-30", None),
        outcome("bad", "2025-07-02", None),
    ];
    let predicted = [
        score("good", 650, RiskClass::A),
        score("bad", 500, RiskClass::D),
        score("idle", 600, RiskClass::B),
        score("new", 0, RiskClass::X),
    ];
    let check = check(
        &predicted,
        &outcomes,
        date("2025-07-01"),
        date("2025-12-31"),
    );
    assert_eq!(check.auc_permille, Some(1_000));
    assert_eq!(check.without_invoice, 1);
    let classes: Vec<_> = check
        .classes
        .values()
        .map(|class| (class.debtors, class.bad))
        .collect();
    assert_eq!(classes, [(1, 0), (1, 1)]);
}
