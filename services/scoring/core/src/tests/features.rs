use std::collections::BTreeMap;

use super::{TODAY, day, debtor, invoice};
use crate::facts::{DebtorFacts, ItemFacts, Settlement, SettlementKind};
use crate::features::{Feature, Features};

fn today(items: &[ItemFacts]) -> Features {
    Features::compute(&debtor(), items, day(TODAY))
}

fn eur(amount: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([("EUR".to_owned(), amount)])
}

/// DBT 10, paid after 40 days; DBT -4 in two parts, after 26 days; DBT 36, after 66 days; 11 days overdue; not due.
fn portfolio() -> Vec<ItemFacts> {
    vec![
        invoice("a", 100_000, "2025-01-10", "2025-02-09").paid(100_000, "2025-02-19"),
        invoice("b", 30_000, "2025-03-01", "2025-03-31")
            .paid(10_000, "2025-03-20")
            .paid(20_000, "2025-03-27"),
        invoice("c", 20_000, "2025-04-05", "2025-05-05").paid(20_000, "2025-06-10"),
        invoice("d", 5_000, "2025-05-20", "2025-06-19"),
        invoice("e", 15_000, "2025-06-15", "2025-07-15"),
    ]
}

#[test]
fn every_feature_of_a_small_portfolio_is_what_one_works_out_by_hand() {
    let features = today(&portfolio());
    assert_eq!(
        features,
        Features {
            settled_items: 3,
            avg_dbt_12m_days: Some(14),         // (10 - 4 + 36) / 3
            weighted_dbt_12m_days: Some(10),    // (100000·10 - 30000·4 + 20000·36) / 150000 = 10.67
            avg_days_to_pay_12m_days: Some(44), // (40 + 26 + 66) / 3
            share_late_12m_bps: Some(6_666),
            share_late_over_30_12m_bps: Some(3_333),
            worst_dbt_24m_days: Some(36),
            dbt_trend_days: Some(33), // 36 less (10 - 4) / 2
            partial_payment_share_12m_bps: Some(3_333),
            written_off_items_24m: 0,
            overdue_items: 1,
            overdue_share_bps: Some(2_500), // 5000 of 20000
            oldest_overdue_days: Some(11),
            months_since_first_item: Some(5),
            months_since_last_item: Some(0),
            items_per_month_12m_milli: Some(416), // 5 / 12
            months_as_customer: None,
            dispute_share_12m_bps: Some(0),
            upheld_dispute_share_12m_bps: Some(0),
            open_disputes: 0,
            broken_promises_12m: 0,
            broken_plans_12m: 0,
            turnover_12m: eur(170_000),
            open_by_currency: eur(20_000),
            overdue_by_currency: eur(5_000),
            disputed_by_currency: BTreeMap::new(),
        }
    );
}

#[test]
fn no_history_is_missing_and_never_zero() {
    let features = today(&[]);
    assert_eq!(features, Features::default());
    let values: Vec<_> = Feature::ALL
        .into_iter()
        .filter(|it| features.value(*it).is_some())
        .collect();
    assert_eq!(
        values,
        [
            Feature::SettledItems,
            Feature::WrittenOffItems24m,
            Feature::OverdueItems,
            Feature::OpenDisputes,
            Feature::BrokenPromises12m,
            Feature::BrokenPlans12m,
        ]
    );
}

#[test]
fn averages_round_towards_negative_infinity() {
    let features = today(&[
        invoice("a", 1, "2025-01-01", "2025-01-31").paid(1, "2025-01-30"),
        invoice("b", 1, "2025-01-01", "2025-01-31").paid(1, "2025-01-31"),
    ]);
    assert_eq!(features.avg_dbt_12m_days, Some(-1));
    assert_eq!(features.weighted_dbt_12m_days, Some(-1));
}

#[test]
fn windows_include_today_and_their_first_day() {
    let paid_on = |on: &str| today(&[invoice("a", 1, "2023-01-01", "2023-01-31").paid(1, on)]);
    assert!(paid_on("2024-07-01").avg_dbt_12m_days.is_some());
    assert!(paid_on("2024-06-30").avg_dbt_12m_days.is_none());
    assert!(paid_on("2025-06-30").avg_dbt_12m_days.is_some());
    assert!(paid_on("2023-07-02").worst_dbt_24m_days.is_some());
    assert!(paid_on("2023-07-01").worst_dbt_24m_days.is_none());
    assert_eq!(paid_on("2023-07-01").settled_items, 1);
}

#[test]
fn the_trend_needs_payments_on_both_sides_of_the_first_of_april() {
    let paid_on = |dates: [&str; 2]| {
        let items = dates.map(|on| invoice(on, 1, "2025-01-01", "2025-03-31").paid(1, on));
        today(&items).dbt_trend_days
    };
    assert_eq!(paid_on(["2025-03-31", "2025-04-01"]), Some(1));
    assert_eq!(paid_on(["2025-04-01", "2025-04-02"]), None);
    assert_eq!(paid_on(["2025-03-30", "2025-03-31"]), None);
}

#[test]
fn an_item_is_settled_on_the_day_it_last_reached_zero() {
    let reopened = invoice("a", 100, "2025-01-01", "2025-01-31")
        .paid(100, "2025-02-05")
        .paid(-100, "2025-02-20")
        .paid(100, "2025-03-02");
    assert_eq!(today(&[reopened]).avg_dbt_12m_days, Some(30));
}

#[test]
fn a_payment_undone_with_its_own_value_date_never_happened() {
    let undone = invoice("a", 100, "2025-01-01", "2025-01-31")
        .paid(100, "2025-02-05")
        .paid(-100, "2025-02-05");
    let features = today(std::slice::from_ref(&undone));
    assert_eq!((features.settled_items, features.overdue_items), (0, 1));
    let paid_again = today(&[undone.paid(100, "2025-02-10")]);
    assert_eq!(
        (
            paid_again.avg_dbt_12m_days,
            paid_again.partial_payment_share_12m_bps
        ),
        (Some(10), Some(0))
    );
}

#[test]
fn the_order_of_value_dates_decides_and_not_the_order_of_booking() {
    let booked_backwards = invoice("a", 100, "2025-01-01", "2025-01-31")
        .paid(60, "2025-02-10")
        .paid(40, "2025-02-03");
    assert_eq!(today(&[booked_backwards]).avg_dbt_12m_days, Some(10));
}

#[test]
fn payment_with_discount_is_one_payment() {
    let item = invoice("a", 100, "2025-01-01", "2025-01-31")
        .paid(98, "2025-01-10")
        .settled(SettlementKind::Discount, 2, "2025-01-10");
    let features = today(&[item]);
    assert_eq!(features.avg_dbt_12m_days, Some(-21));
    assert_eq!(features.partial_payment_share_12m_bps, Some(0));
    assert_eq!(features.turnover_12m, eur(100));
}

#[test]
fn a_write_off_is_not_a_payment_even_after_a_partial_one() {
    let item = invoice("a", 100, "2025-01-01", "2025-01-31")
        .paid(40, "2025-01-20")
        .settled(SettlementKind::WriteOff, 60, "2025-05-31");
    let features = today(&[item]);
    assert_eq!(features.written_off_items_24m, 1);
    assert_eq!(
        (features.settled_items, features.avg_dbt_12m_days),
        (0, None)
    );
    assert_eq!(
        (features.overdue_items, features.open_by_currency.len()),
        (0, 0)
    );
}

#[test]
fn a_write_off_undone_counts_no_longer() {
    let item = invoice("a", 100, "2025-01-01", "2025-01-31")
        .settled(SettlementKind::WriteOff, 100, "2025-05-31")
        .settled(SettlementKind::WriteOff, -100, "2025-06-10")
        .paid(100, "2025-06-10");
    let features = today(&[item]);
    assert_eq!(
        (features.written_off_items_24m, features.settled_items),
        (0, 1)
    );
    assert_eq!(features.avg_dbt_12m_days, Some(130)); // 2025-01-31 to 2025-06-10, where it was reopened and paid
}

#[test]
fn write_offs_leave_after_24_months() {
    let written_off = |on| {
        let item = invoice("a", 100, "2023-01-01", "2023-01-31").settled(
            SettlementKind::WriteOff,
            100,
            on,
        );
        today(&[item]).written_off_items_24m
    };
    assert_eq!(
        (written_off("2023-07-02"), written_off("2023-07-01")),
        (1, 0)
    );
}

#[test]
fn cancelled_and_credited_items_say_nothing_about_payment() {
    let cancelled =
        |kind| invoice("a", 100, "2025-01-01", "2025-01-31").settled(kind, 100, "2025-05-31");
    for kind in [SettlementKind::Cancellation, SettlementKind::CreditNote] {
        let features = today(&[cancelled(kind)]);
        assert_eq!(
            (features.settled_items, features.avg_dbt_12m_days),
            (0, None)
        );
        assert_eq!(
            (features.turnover_12m.len(), features.open_by_currency.len()),
            (0, 0)
        );
        assert_eq!(features.items_per_month_12m_milli, Some(83));
    }
}

#[test]
fn items_of_zero_or_less_are_ignored() {
    let items = [
        invoice("a", 0, "2025-01-01", "2025-01-31"),
        invoice("b", -5, "2025-01-01", "2025-01-31"),
    ];
    assert_eq!(today(&items), Features::default());
}

#[test]
fn an_item_is_overdue_from_the_day_after_its_due_date() {
    let due = |due| today(&[invoice("a", 100, "2025-06-01", due)]);
    assert_eq!(
        (
            due("2025-06-30").overdue_items,
            due("2025-06-30").oldest_overdue_days
        ),
        (0, None)
    );
    assert_eq!(
        (
            due("2025-06-29").overdue_items,
            due("2025-06-29").oldest_overdue_days
        ),
        (1, Some(1))
    );
}

#[test]
fn an_overpaid_item_does_not_lower_what_is_open_elsewhere() {
    let items = [
        invoice("a", 100, "2025-06-01", "2025-07-01").paid(150, "2025-06-10"),
        invoice("b", 70, "2025-06-01", "2025-07-01"),
    ];
    assert_eq!(today(&items).open_by_currency, eur(70));
}

#[test]
fn currencies_stay_apart_and_the_worst_overdue_share_counts() {
    let mut dollars = invoice("b", 100, "2025-05-01", "2025-05-31");
    dollars.currency = "USD".to_owned();
    let items = [
        invoice("a", 900, "2025-06-01", "2025-07-01"),
        invoice("c", 100, "2025-05-01", "2025-05-31"),
        dollars,
    ];
    let features = today(&items);
    assert_eq!(features.overdue_share_bps, Some(10_000));
    assert_eq!(
        features.open_by_currency,
        BTreeMap::from([("EUR".to_owned(), 1_000), ("USD".to_owned(), 100)])
    );
}

#[test]
fn sums_beyond_the_range_are_held_at_its_end() {
    let items = ["a", "b"].map(|id| invoice(id, i64::MAX, "2025-05-01", "2025-05-31"));
    let features = today(&items);
    assert_eq!(features.open_by_currency, eur(i64::MAX));
    assert_eq!(features.overdue_share_bps, Some(10_000));
}

#[test]
fn months_are_full_on_the_same_day_or_on_the_last_one() {
    let months = |document, as_of: &str| {
        let items = [invoice("a", 1, document, "2026-01-01")];
        Features::compute(&debtor(), &items, day(as_of)).months_since_first_item
    };
    assert_eq!(months("2025-01-15", "2025-02-14"), Some(0));
    assert_eq!(months("2025-01-15", "2025-02-15"), Some(1));
    assert_eq!(months("2025-01-31", "2025-02-27"), Some(0));
    assert_eq!(months("2025-01-31", "2025-02-28"), Some(1));
    assert_eq!(months("2024-02-29", "2025-02-28"), Some(12));
}

#[test]
fn a_customer_of_tomorrow_has_not_been_one_for_any_time() {
    let since = |date| {
        let debtor = DebtorFacts {
            customer_since: Some(day(date)),
            ..debtor()
        };
        Features::compute(&debtor, &[], day(TODAY)).months_as_customer
    };
    assert_eq!(
        (
            since("2025-07-01"),
            since("2025-06-30"),
            since("2023-06-30")
        ),
        (None, Some(0), Some(24))
    );
}

#[test]
fn what_was_recorded_later_was_not_known() {
    let mut item = invoice("a", 100, "2025-06-01", "2025-06-20");
    item.settlements.push(Settlement {
        amount: 100,
        value_date: day("2025-06-15"),
        recorded_date: day("2025-07-01"),
        kind: SettlementKind::Payment,
    });
    assert_eq!(
        (
            today(std::slice::from_ref(&item)).settled_items,
            today(std::slice::from_ref(&item)).overdue_items
        ),
        (0, 1)
    );
    let tomorrow = Features::compute(&debtor(), std::slice::from_ref(&item), day("2025-07-01"));
    assert_eq!(
        (tomorrow.settled_items, tomorrow.avg_dbt_12m_days),
        (1, Some(-5))
    );
    item.recorded_date = day("2025-07-01");
    assert_eq!(today(&[item]), Features::default());
}

#[test]
fn codes_are_the_names_of_the_fields_and_lead_back_to_the_feature() {
    for feature in Feature::ALL {
        assert_eq!(Feature::from_code(feature.code()), Some(feature));
        let stored = toml::Value::try_from(feature).unwrap();
        assert_eq!(stored.as_str(), Some(feature.code()));
        let is_named_by_unit =
            ["count", "milli"].contains(&feature.unit()) || feature.code().contains(feature.unit());
        assert!(
            is_named_by_unit || feature == Feature::MonthsAsCustomer,
            "{}",
            feature.code()
        );
    }
}

#[test]
fn a_quiet_debtor_changes_only_with_months_and_windows() {
    let quiet = [invoice("a", 100, "2025-01-10", "2025-02-09").paid(100, "2025-02-19")];
    let next = |as_of: &str| Features::unchanged_until(&debtor(), &quiet, day(as_of));
    assert_eq!(next("2025-02-19"), day("2025-03-10")); // two months since the invoice
    assert_eq!(next("2025-05-10"), day("2025-05-21")); // the payment leaves the last 3 months
    assert_eq!(next("2026-01-09"), day("2026-01-10")); // the invoice leaves the last 12 months
    assert_eq!(next("2026-02-10"), day("2026-02-19")); // the payment leaves the last 12 months
}

#[test]
fn an_open_item_changes_after_its_due_date_and_then_daily() {
    let open = [invoice("a", 100, "2025-06-20", "2025-07-04")];
    let next = |as_of: &str| Features::unchanged_until(&debtor(), &open, day(as_of));
    assert_eq!(next("2025-06-30"), day("2025-07-05"));
    assert_eq!(next("2025-07-05"), day("2025-07-06"));
}

#[test]
fn without_items_nothing_changes_ever() {
    assert_eq!(
        Features::unchanged_until(&debtor(), &[], day(TODAY)),
        chrono::NaiveDate::MAX
    );
}
