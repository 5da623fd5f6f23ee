use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{TODAY, day, debtor, invoice};
use crate::facts::{ArrangementKind, BrokenFacts, DebtorFacts, DisputeFacts, ItemFacts};
use crate::features::Features;

fn dispute(item_id: &str, opened: &str) -> DisputeFacts {
    DisputeFacts {
        item_id: item_id.to_owned(),
        amount: None,
        opened_date: day(opened),
        closed_date: None,
        upheld: false,
    }
}

impl DisputeFacts {
    fn about(mut self, amount: i64) -> Self {
        self.amount = Some(amount);
        self
    }

    fn closed(mut self, on: &str, upheld: bool) -> Self {
        self.closed_date = Some(day(on));
        self.upheld = upheld;
        self
    }
}

fn disputing(disputes: &[DisputeFacts]) -> DebtorFacts {
    let mut debtor = debtor();
    debtor.arrangements.disputes = disputes.to_vec();
    debtor
}

fn broke(kind: ArrangementKind, on: &str) -> DebtorFacts {
    let mut debtor = debtor();
    debtor.arrangements.broken = vec![BrokenFacts { kind, on: day(on) }];
    debtor
}

fn today(debtor: &DebtorFacts, items: &[ItemFacts]) -> Features {
    Features::compute(debtor, items, day(TODAY))
}

/// Four invoices of the last 12 months and one from before; `a` is open and overdue, `b` open.
fn five() -> Vec<ItemFacts> {
    vec![
        invoice("a", 10_000, "2025-05-01", "2025-05-31"),
        invoice("b", 20_000, "2025-06-10", "2025-07-10"),
        invoice("c", 30_000, "2024-07-01", "2024-07-31").paid(30_000, "2024-07-31"),
        invoice("d", 40_000, "2025-01-01", "2025-01-31").paid(40_000, "2025-01-31"),
        invoice("old", 50_000, "2024-06-30", "2024-07-30").paid(50_000, "2024-07-30"),
    ]
}

#[test]
fn shares_are_of_the_invoices_of_the_last_12_months_each_counted_once() {
    let features = today(
        &disputing(&[
            dispute("a", "2025-06-01").closed("2025-06-05", false),
            dispute("a", "2025-06-20"),
            dispute("c", "2024-08-01").closed("2024-08-20", true),
            dispute("d", "2025-02-01").closed("2025-02-03", false),
            dispute("old", "2025-06-01").closed("2025-06-02", true),
        ]),
        &five(),
    );
    assert_eq!(features.dispute_share_12m_bps, Some(7_500));
    assert_eq!(features.upheld_dispute_share_12m_bps, Some(2_500));
    assert_eq!(features.open_disputes, 1);
    let one_of_three = today(&disputing(&[dispute("a", "2025-06-01")]), &five()[..3]);
    assert_eq!(one_of_three.dispute_share_12m_bps, Some(3_333));
}

#[test]
fn without_an_invoice_of_the_last_12_months_there_is_no_share() {
    let debtor = disputing(&[dispute("old", "2025-06-01")]);
    let features = today(&debtor, &five()[4..]);
    assert_eq!(
        (
            features.dispute_share_12m_bps,
            features.upheld_dispute_share_12m_bps,
            features.open_disputes
        ),
        (None, None, 1)
    );
}

#[test]
fn a_dispute_counts_from_the_day_it_is_opened_and_its_outcome_from_the_day_it_is_closed() {
    let debtor = disputing(&[dispute("b", "2025-06-20").closed("2025-06-25", true)]);
    let on = |date: &str| {
        let features = Features::compute(&debtor, &five(), day(date));
        (
            features.dispute_share_12m_bps.unwrap_or_default() > 0,
            features.upheld_dispute_share_12m_bps.unwrap_or_default() > 0,
            features.open_disputes,
            features.disputed_by_currency.len(),
        )
    };
    assert_eq!(on("2025-06-19"), (false, false, 0, 0));
    assert_eq!(on("2025-06-20"), (true, false, 1, 1));
    assert_eq!(on("2025-06-24"), (true, false, 1, 1));
    assert_eq!(on("2025-06-25"), (true, true, 0, 0));
}

#[test]
fn the_disputed_amount_is_never_more_than_what_is_open_of_the_invoice() {
    let disputed = |disputes: &[DisputeFacts], items: &[ItemFacts]| {
        let features = today(&disputing(disputes), items);
        features.disputed_by_currency.get("EUR").copied()
    };
    let since = "2025-06-15";
    assert_eq!(disputed(&[dispute("b", since)], &five()), Some(20_000));
    assert_eq!(
        disputed(&[dispute("b", since).about(500)], &five()),
        Some(500)
    );
    let mut paid_in_part = five();
    paid_in_part[1] = paid_in_part[1].clone().paid(19_600, "2025-06-20");
    assert_eq!(
        disputed(&[dispute("b", since).about(500)], &paid_in_part),
        Some(400)
    );
    assert_eq!(disputed(&[dispute("d", since)], &five()), None);
    let twice = [dispute("b", since), dispute("b", since).about(500)];
    assert_eq!(disputed(&twice, &five()), Some(20_000));
    let both = [dispute("a", since).about(1), dispute("b", since).about(2)];
    assert_eq!(disputed(&both, &five()), Some(3));
}

#[test]
fn amounts_are_told_by_currency() {
    let mut items = five();
    items[0].currency = "USD".to_owned();
    let features = today(&disputing(&[dispute("a", "2025-06-15").about(300)]), &items);
    let only = |amount| BTreeMap::from([("USD".to_owned(), amount)]);
    assert_eq!(features.overdue_by_currency, only(10_000));
    assert_eq!(features.disputed_by_currency, only(300));
    assert_eq!(features.open_by_currency.len(), 2);
}

#[test]
fn broken_promises_and_plans_count_for_12_months_each_for_itself() {
    let counts = |kind, on: &str| {
        let features = today(&broke(kind, on), &[]);
        (features.broken_promises_12m, features.broken_plans_12m)
    };
    use ArrangementKind::{InstalmentPlan, Promise};
    assert_eq!(counts(Promise, "2024-07-01"), (1, 0));
    assert_eq!(counts(Promise, "2024-06-30"), (0, 0));
    assert_eq!(counts(Promise, TODAY), (1, 0));
    assert_eq!(counts(Promise, "2025-07-01"), (0, 0));
    assert_eq!(counts(InstalmentPlan, "2024-07-01"), (0, 1));
    assert_eq!(counts(InstalmentPlan, "2024-06-30"), (0, 0));
}

#[test]
fn arrangements_change_features_when_they_begin_end_and_leave_the_window() {
    let next = |debtor: &DebtorFacts, as_of: &str| {
        Features::unchanged_until(debtor, &[], day(as_of)).to_string()
    };
    let disputing = disputing(&[dispute("a", "2025-06-01").closed("2025-06-05", false)]);
    assert_eq!(next(&disputing, "2025-05-01"), "2025-06-01");
    assert_eq!(next(&disputing, "2025-06-01"), "2025-06-05");
    assert_eq!(
        Features::unchanged_until(&disputing, &[], day("2025-06-05")),
        NaiveDate::MAX
    );
    let broken = broke(ArrangementKind::Promise, "2025-06-01");
    assert_eq!(next(&broken, "2025-05-31"), "2025-06-01");
    assert_eq!(next(&broken, "2025-06-01"), "2026-06-01");
}

#[test]
fn features_stored_before_there_were_arrangements_are_still_read() {
    let mut stored = toml::Table::try_from(today(&debtor(), &five())).unwrap();
    for added in [
        "dispute_share_12m_bps",
        "upheld_dispute_share_12m_bps",
        "open_disputes",
        "broken_promises_12m",
        "broken_plans_12m",
        "overdue_by_currency",
        "disputed_by_currency",
    ] {
        assert!(stored.remove(added).is_some(), "{added}");
    }
    let read: Features = stored.try_into().unwrap();
    assert_eq!(read.open_by_currency["EUR"], 30_000);
    assert_eq!((read.open_disputes, read.dispute_share_12m_bps), (0, None));
}
