use proptest::prelude::*;

use super::day;
use crate::fx::{CURRENCIES, FxRate, convert, is_currency, minor_digits};

fn rate(base: &str, quote: &str, date: &str, numerator: i64, denominator: i64) -> FxRate {
    FxRate {
        base: base.to_owned(),
        quote: quote.to_owned(),
        date: day(date),
        numerator,
        denominator,
    }
}

fn to_dollars(amount: i64, rates: &[FxRate]) -> Option<i64> {
    convert(amount, "EUR", "USD", 2, 2, day("2025-06-30"), rates)
}

#[test]
fn the_same_currency_needs_no_rate() {
    assert_eq!(
        convert(i64::MIN, "EUR", "EUR", 2, 2, day("2025-06-30"), &[]),
        Some(i64::MIN)
    );
}

#[test]
fn the_latest_rate_on_or_before_the_date_is_used() {
    let rates = [
        rate("EUR", "USD", "2025-06-30", 12, 10),
        rate("EUR", "USD", "2025-07-01", 13, 10),
        rate("EUR", "USD", "2025-01-01", 11, 10),
        rate("EUR", "CHF", "2025-06-30", 9, 10),
    ];
    assert_eq!(to_dollars(1_000, &rates), Some(1_200));
    assert_eq!(to_dollars(1_000, &rates[1..]), Some(1_100));
    assert_eq!(to_dollars(1_000, &rates[1..2]), None);
}

#[test]
fn a_rate_works_in_both_directions_and_the_newer_one_wins() {
    let inverse = rate("USD", "EUR", "2025-06-30", 5, 4);
    assert_eq!(to_dollars(1_000, std::slice::from_ref(&inverse)), Some(800));
    let older_direct = rate("EUR", "USD", "2025-06-29", 2, 1);
    assert_eq!(
        to_dollars(1_000, &[older_direct, inverse.clone()]),
        Some(800)
    );
    let direct_of_the_day = rate("EUR", "USD", "2025-06-30", 1, 2);
    assert_eq!(to_dollars(1_000, &[inverse, direct_of_the_day]), Some(500));
}

#[test]
fn ties_are_rounded_to_even_once_and_alike_for_both_signs() {
    let half = [rate("EUR", "USD", "2025-06-30", 1, 2)];
    let rounded = [1, 3, 5, -1, -3, -5].map(|amount| to_dollars(amount, &half));
    assert_eq!(rounded, [0, 2, 2, 0, -2, -2].map(Some));
    let third = [rate("EUR", "USD", "2025-06-30", 1, 3)];
    assert_eq!(
        [1, 2, -1, -2].map(|amount| to_dollars(amount, &third)),
        [0, 1, 0, -1].map(Some)
    );
}

#[test]
fn minor_units_differ_by_currency() {
    let yen = [rate("EUR", "JPY", "2025-06-30", 170, 1)];
    let date = day("2025-06-30");
    assert_eq!(
        convert(
            1_234,
            "EUR",
            "JPY",
            minor_digits("EUR"),
            minor_digits("JPY"),
            date,
            &yen
        ),
        Some(2_098)
    );
    assert_eq!(
        convert(
            170,
            "JPY",
            "EUR",
            minor_digits("JPY"),
            minor_digits("EUR"),
            date,
            &yen
        ),
        Some(100)
    );
    assert_eq!(minor_digits("KWD"), 3);
}

#[test]
fn a_result_out_of_range_is_no_result() {
    let large = [rate("EUR", "USD", "2025-06-30", 1_000_000_000_000_000, 1)];
    assert_eq!(to_dollars(i64::MAX, &large), None);
    assert_eq!(
        convert(1, "EUR", "USD", 0, 99, day("2025-06-30"), &large),
        None
    );
}

proptest! {
    #[test]
    fn the_result_is_within_half_a_unit_of_the_exact_one(
        amount in -1_000_000_000_i64..1_000_000_000, numerator in 1_i64..1_000_000, denominator in 1_i64..1_000_000,
    ) {
        let converted = to_dollars(amount, &[rate("EUR", "USD", "2025-06-30", numerator, denominator)]).unwrap();
        let error = i128::from(amount) * i128::from(numerator) - i128::from(converted) * i128::from(denominator);
        prop_assert!(error.abs() * 2 <= i128::from(denominator));
    }
}

#[test]
fn currencies_are_those_with_a_minor_unit() {
    assert!(CURRENCIES.is_sorted_by(|one, other| one < other));
    for code in ["EUR", "USD", "JPY", "KWD", "CLF", "AED", "ZWG"] {
        assert!(is_currency(code), "{code}");
    }
    for code in ["XAU", "XXX", "XDR", "eur", "EU", "EURO", "", "DEM"] {
        assert!(!is_currency(code), "{code}");
    }
}
