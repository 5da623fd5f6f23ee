//! Facts from what the other services tell.

use super::day;
use crate::facts::build::{Account, RegistryPart, ScorePart, build, next_date};
use crate::facts::{BillingMethod, DebtorKind, Field, FieldSet, Relationship, RiskClass};
use crate::money::{Conversion, FxRate};

fn told() -> RegistryPart {
    RegistryPart {
        kind: DebtorKind::Person,
        relationship: Relationship::Customer,
        language: "nl".to_owned(),
        country: None,
        sector: None,
        billing_method: BillingMethod::Paper,
        preferred_channel: None,
        customer_since: None,
        insolvent_since: None,
        deceased_since: None,
        credit_hold: false,
    }
}

fn rate(base: &str, quote: &str, date: &str, numerator: i64, denominator: i64) -> FxRate {
    FxRate {
        base: base.to_owned(),
        quote: quote.to_owned(),
        date: day(date),
        numerator,
        denominator,
    }
}

fn account(currency: &str, open_minor: i64) -> Account {
    Account {
        currency: currency.to_owned(),
        open_minor,
        overdue_minor: 0,
        disputed_minor: 0,
        turnover_12m_minor: 0,
    }
}

fn open(accounts: Vec<Account>, rates: &[FxRate]) -> Option<i64> {
    let score = ScorePart {
        accounts,
        ..ScorePart::default()
    };
    let conversion = Conversion { to: "EUR", rates };
    build(&told(), Some(&score), &conversion, day("2026-06-15")).open_amount_minor
}

const NO_RATES: Conversion<'static> = Conversion {
    to: "EUR",
    rates: &[],
};

#[test]
fn amounts_are_converted_by_the_latest_rate_of_either_direction() {
    let rates = [
        rate("USD", "EUR", "2026-06-01", 1, 2),
        rate("USD", "EUR", "2026-06-16", 1, 1),
        rate("EUR", "JPY", "2026-06-10", 160, 1),
        rate("JPY", "EUR", "2026-06-09", 1, 100),
    ];
    assert_eq!(open(vec![account("EUR", 100)], &rates), Some(100));
    assert_eq!(open(vec![account("USD", 1_001)], &rates), Some(501));
    assert_eq!(open(vec![account("USD", -1_001)], &rates), Some(-501));
    assert_eq!(open(vec![account("JPY", 1_600)], &rates), Some(1_000));
    let both = vec![account("EUR", 1), account("USD", 2)];
    assert_eq!(open(both, &rates), Some(2));
    assert_eq!(open(vec![], &rates), Some(0));
}

#[test]
fn an_amount_without_a_rate_or_beyond_all_numbers_is_absent() {
    assert_eq!(open(vec![account("USD", 1)], &[]), None);
    let late = [rate("USD", "EUR", "2026-06-16", 1, 1)];
    assert_eq!(
        open(vec![account("EUR", 1), account("USD", 1)], &late),
        None
    );
    let large = [rate("USD", "EUR", "2026-06-01", 1_000_000_000_000_000, 1)];
    assert_eq!(open(vec![account("USD", i64::MAX)], &large), None);
    let full = vec![account("EUR", i64::MAX), account("EUR", 1)];
    assert_eq!(open(full, &[]), None);
}

#[test]
fn of_a_debtor_that_is_not_scored_yet_all_that_scoring_tells_is_absent() {
    let facts = build(&told(), None, &NO_RATES, day("2026-06-15"));
    assert_eq!(facts.risk_class, RiskClass::X);
    assert_eq!((facts.open_amount_minor, facts.score), (None, None));
    assert_eq!((facts.settled_items, facts.open_disputes), (0, 0));
}

#[test]
fn what_is_yet_to_come_does_not_count_and_is_a_date_to_look_again() {
    let today = day("2026-06-15");
    let mut part = told();
    part.customer_since = Some(day("2026-06-20"));
    part.deceased_since = Some(day("2026-06-18"));
    part.insolvent_since = Some(today);
    let facts = build(&part, None, &NO_RATES, today);
    assert!(facts.insolvent && !facts.deceased);
    assert_eq!(facts.days_as_customer, None);
    let ages = FieldSet::of(Field::by_name("days_as_customer").unwrap());
    assert_eq!(next_date(&part, ages, today), Some(day("2026-06-18")));
    part.deceased_since = None;
    assert_eq!(next_date(&part, ages, today), Some(day("2026-06-20")));
    assert_eq!(next_date(&part, FieldSet::EMPTY, today), None);
    let later = day("2026-07-01");
    assert_eq!(next_date(&part, ages, later), Some(day("2026-07-02")));
    assert_eq!(
        build(&part, None, &NO_RATES, later).days_as_customer,
        Some(11)
    );
}
