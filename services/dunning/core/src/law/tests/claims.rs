//! How a claim bears interest: part payments, leap years, years that are capitalised, agreed rates, fees.

use super::super::{Country, DayCount, DebtorKind, Exact, LawError, Line};
use super::{claim, day, packs};

use Country::{At, Be, Ch, De, Nl};
use DebtorKind::{Business, Consumer};

fn spans(lines: &[Line<'_>]) -> Vec<(String, String, i64, i64)> {
    lines
        .iter()
        .map(|line| {
            let (from, to) = (line.from.to_string(), line.to.to_string());
            (from, to, line.days, line.principal_minor)
        })
        .collect()
}

fn span(from: &str, to: &str, days: i64, minor: i64) -> (String, String, i64, i64) {
    (from.to_owned(), to.to_owned(), days, minor)
}

#[test]
fn each_part_payment_lowers_the_principal_from_the_day_after_on() {
    let claim = claim(De, Business, 100_000, "2025-07-31")
        .changed("2025-08-10", -40_000)
        .changed("2025-08-20", -60_000);
    let packs = packs();
    let interest = packs.interest(&claim, day("2026-11-30")).unwrap();
    assert_eq!(
        spans(&interest.lines),
        [
            span("2025-08-01", "2025-08-10", 10, 100_000),
            span("2025-08-11", "2025-08-20", 10, 60_000)
        ]
    );
    // 10.27 %: 1600.00 EUR-days times ten, over 365.
    assert_eq!(interest.total_minor, 450);
}

#[test]
fn a_line_says_what_its_rate_rests_on() {
    let packs = packs();
    let claim = claim(De, Business, 100_000, "2026-07-31");
    let interest = packs.interest(&claim, day("2026-08-31")).unwrap();
    let rate = interest.lines[0].rate;
    assert_eq!(rate.ppm, 105_200);
    assert_eq!(rate.legal_basis.key, "bgb-288-2");
    assert!(rate.legal_basis.text.starts_with("§ 288 Abs. 2 BGB"));
    let base = rate.base.unwrap();
    assert_eq!((base.ppm, base.source.key), (15_200, "bgb-247"));
    assert!(base.source.text.contains("Bundesanzeiger"));
    assert_eq!(interest.lines[0].year_basis, 365);
}

#[test]
fn a_payment_on_the_last_day_for_payment_leaves_nothing_to_claim() {
    let claim = claim(De, Business, 100_000, "2025-07-31").changed("2025-07-31", -100_000);
    let packs = packs();
    let interest = packs.interest(&claim, day("2025-12-31")).unwrap();
    assert!(interest.lines.is_empty());
    assert_eq!(interest.total_minor, 0);
    assert_eq!(packs.flat_fee(&claim, day("2025-12-31")), Ok(None));
}

#[test]
fn a_payment_before_the_invoice_is_netted_by_the_day_of_default() {
    let mut claim = claim(De, Business, 100_000, "2025-07-31");
    claim
        .principal
        .insert(0, super::change("2025-06-01", -30_000));
    let packs = packs();
    let interest = packs.interest(&claim, day("2025-08-10")).unwrap();
    assert_eq!(
        spans(&interest.lines),
        [span("2025-08-01", "2025-08-10", 10, 70_000)]
    );
}

#[test]
fn a_reversed_payment_bears_interest_again_after_a_gap() {
    let claim = claim(Ch, Business, 100_000, "2025-01-31")
        .changed("2025-02-10", -100_000)
        .changed("2025-02-20", 100_000);
    let packs = packs();
    let interest = packs.interest(&claim, day("2025-02-28")).unwrap();
    assert_eq!(
        spans(&interest.lines),
        [
            span("2025-02-01", "2025-02-10", 10, 100_000),
            span("2025-02-21", "2025-02-28", 8, 100_000)
        ]
    );
}

#[test]
fn a_claim_that_was_paid_needs_no_rate_of_later_half_years() {
    let claim = claim(De, Business, 100_000, "2026-07-31").changed("2026-08-10", -100_000);
    let packs = packs();
    assert!(packs.interest(&claim, day("2099-12-31")).is_ok());
}

#[test]
fn days_of_leap_years_weigh_a_366th() {
    let claim = claim(Ch, Business, 1_000_000, "2023-12-31");
    let packs = packs();
    let conventions = packs.conventions(Ch).unwrap();
    let interest = packs.interest(&claim, day("2025-12-31")).unwrap();
    let years: Vec<(i64, i64, i64)> = interest
        .lines
        .iter()
        .map(|line| (line.days, line.year_basis, line.amount_minor))
        .collect();
    assert_eq!(years, [(366, 366, 50_000), (365, 365, 50_000)]);
    for (day_count, days, total) in [
        (DayCount::Actual365, 731, 100_137),
        (DayCount::Actual360, 731, 101_528),
        (DayCount::Thirty360, 720, 100_000),
    ] {
        let interest = packs
            .interest_by(&claim, day("2025-12-31"), conventions.counting(day_count))
            .unwrap();
        let [line] = interest.lines.as_slice() else {
            panic!("{day_count:?}: {} lines", interest.lines.len());
        };
        assert_eq!(
            (line.days, interest.total_minor),
            (days, total),
            "{day_count:?}"
        );
    }
}

#[test]
fn february_has_thirty_days_in_a_year_of_360_once_it_is_over() {
    let claim = claim(Ch, Business, 1_000_000, "2023-01-31");
    let packs = packs();
    let conventions = packs.conventions(Ch).unwrap().counting(DayCount::Thirty360);
    let days = |until| {
        let interest = packs.interest_by(&claim, day(until), conventions).unwrap();
        interest.lines.iter().map(|line| line.days).sum::<i64>()
    };
    assert_eq!(days("2023-02-28"), 28);
    assert_eq!(days("2023-03-01"), 31);
    assert_eq!(days("2023-03-30"), 60);
    assert_eq!(days("2023-03-31"), 60);
}

#[test]
fn half_a_cent_is_rounded_up() {
    // 5 % of 36.50 for a day of 365.
    let packs = packs();
    for (minor, total) in [(3_649, 0), (3_650, 1)] {
        let claim = claim(Ch, Business, minor, "2025-01-01");
        let interest = packs.interest(&claim, day("2025-01-02")).unwrap();
        assert_eq!(interest.total_minor, total, "{minor}");
    }
}

#[test]
fn lines_add_up_to_the_total_that_is_rounded_once() {
    // 5 % of 36.50 a year is half a cent a day: six stretches of one day, each other principal.
    let mut claim = claim(Ch, Business, 3_650, "2025-01-01");
    for (index, on) in ["02", "03", "04", "05", "06"].iter().enumerate() {
        let minor = if index % 2 == 0 { 1 } else { -1 };
        claim = claim.changed(&format!("2025-01-{on}"), minor);
    }
    let packs = packs();
    let interest = packs.interest(&claim, day("2025-01-07")).unwrap();
    let amounts: Vec<i64> = interest
        .lines
        .iter()
        .map(|line| line.amount_minor)
        .collect();
    assert_eq!(interest.lines.len(), 6);
    assert_eq!(interest.exact.half_up(), Some(3));
    assert_eq!(interest.total_minor, 3);
    assert_eq!(amounts.iter().sum::<i64>(), 3);
}

#[test]
fn a_dutch_claim_bears_interest_on_the_interest_of_full_years() {
    let packs = packs();
    let claim = claim(Nl, Consumer, 100_000, "2019-03-31");
    let interest = packs.interest(&claim, day("2021-09-30")).unwrap();
    let lines: Vec<(String, i64, i64, i64)> = interest
        .lines
        .iter()
        .map(|line| {
            let from = line.from.to_string();
            (from, line.days, line.capitalised_minor, line.amount_minor)
        })
        .collect();
    // 2 % of 1000.00 over 366 days is 20.05; of 1020.05 over 365 days 20.40; of 1040.45 over 183 days 10.43.
    assert_eq!(
        lines,
        [
            ("2019-04-01".to_owned(), 366, 0, 2_005),
            ("2020-04-01".to_owned(), 365, 2_005, 2_040),
            ("2021-04-01".to_owned(), 183, 4_045, 1_043),
        ]
    );
    assert_eq!(interest.total_minor, 5_088);
    // The same without capitalisation, as other countries have it.
    assert_eq!(
        packs
            .interest(&claim, day("2020-03-31"))
            .unwrap()
            .total_minor,
        2_005
    );
}

#[test]
fn a_dutch_year_that_began_on_29_february_ends_on_28() {
    let packs = packs();
    let claim = claim(Nl, Business, 100_000, "2024-02-28");
    let interest = packs.interest(&claim, day("2025-03-15")).unwrap();
    let first_capitalised = interest
        .lines
        .iter()
        .find(|line| line.capitalised_minor > 0)
        .unwrap();
    assert_eq!(interest.lines[0].from, day("2024-02-29"));
    assert_eq!(first_capitalised.from, day("2025-02-28"));
    let year: i64 = interest
        .lines
        .iter()
        .filter(|line| line.capitalised_minor == 0)
        .map(|line| line.amount_minor)
        .sum();
    assert_eq!(first_capitalised.capitalised_minor, year);
}

#[test]
fn dutch_interest_of_full_years_bears_interest_after_the_principal_is_paid() {
    let packs = packs();
    let claim = claim(Nl, Consumer, 1_000_000, "2019-12-31").changed("2020-12-31", -1_000_000);
    let interest = packs.interest(&claim, day("2021-12-31")).unwrap();
    assert_eq!(
        spans(&interest.lines),
        [
            span("2020-01-01", "2020-12-31", 366, 1_000_000),
            span("2021-01-01", "2021-12-31", 365, 0)
        ]
    );
    // 2 % of 10000.00 over 366 days, then of that year's interest.
    assert_eq!(interest.total_minor, 20_055 + 401);
}

#[test]
fn an_agreed_rate_does_what_the_law_lets_it_do() {
    let packs = packs();
    let ppm = |country, debtor, agreed| {
        let claim = claim(country, debtor, 100_000, "2026-07-31").agreed(agreed);
        let interest = packs.interest(&claim, day("2026-08-31")).unwrap();
        interest.lines[0].rate.ppm
    };
    for (country, debtor, low, high) in [
        (De, Business, 105_200, 120_000),
        (De, Consumer, 65_200, 120_000),
        (At, Business, 10_000, 120_000),
        (Nl, Business, 10_000, 120_000),
        (Nl, Consumer, 40_000, 120_000),
        (Be, Business, 10_000, 120_000),
        (Be, Consumer, 10_000, 104_000),
        (Ch, Business, 50_000, 120_000),
    ] {
        assert_eq!(ppm(country, debtor, 10_000), low, "{country} {debtor}");
        assert_eq!(ppm(country, debtor, 120_000), high, "{country} {debtor}");
    }
}

#[test]
fn an_agreed_rate_of_zero_bears_nothing_where_it_replaces_the_statutory_one() {
    let packs = packs();
    let claim = claim(Nl, Business, 100_000, "2020-07-31").agreed(0);
    let interest = packs.interest(&claim, day("2026-08-31")).unwrap();
    assert_eq!(
        (interest.exact, interest.total_minor),
        (Exact::default(), 0)
    );
}

#[test]
fn belgian_consumers_owe_interest_by_agreement_only() {
    let packs = packs();
    let claim = claim(Be, Consumer, 100_000, "2026-07-31");
    assert_eq!(
        packs.interest(&claim, day("2026-08-31")),
        Err(LawError::OnlyByAgreement {
            country: Be,
            debtor: Consumer
        })
    );
}

#[test]
fn the_rule_is_that_of_the_day_the_claim_arose() {
    let packs = packs();
    let ppm = |country, arose_on| {
        let mut claim = claim(country, Business, 100_000, "2023-03-31");
        claim.arose_on = day(arose_on);
        let interest = packs.interest(&claim, day("2023-04-30"));
        interest.map(|interest| interest.lines[0].rate.ppm)
    };
    assert_eq!(ppm(De, "2014-07-28"), Ok(96_200));
    assert_eq!(ppm(De, "2014-07-29"), Ok(106_200));
    assert_eq!(ppm(At, "2013-03-15"), Ok(98_800));
    assert_eq!(ppm(At, "2013-03-16"), Ok(110_800));
    for country in [Nl, Be] {
        let no_rule = LawError::NoRule {
            country,
            debtor: Business,
            arose_on: day("2013-03-15"),
        };
        assert_eq!(ppm(country, "2013-03-15"), Err(no_rule));
        assert_eq!(ppm(country, "2013-03-16"), Ok(105_000));
    }
}

#[test]
fn the_flat_fee_is_owed_from_the_day_after_default_even_if_paid_since() {
    let packs = packs();
    for country in [De, At, Nl, Be] {
        let claim = claim(country, Business, 100_000, "2025-07-31").changed("2025-08-05", -100_000);
        assert_eq!(packs.flat_fee(&claim, day("2025-07-31")), Ok(None));
        for on in ["2025-08-01", "2026-11-30"] {
            let fee = packs.flat_fee(&claim, day(on)).unwrap().unwrap();
            assert_eq!((fee.currency, fee.minor_units), ("EUR", 4_000), "{country}");
            assert!(!fee.legal_basis.text.is_empty());
        }
    }
}

#[test]
fn a_claim_paid_in_time_owes_the_flat_fee_once_the_payment_is_reversed() {
    let claim = claim(De, Business, 100_000, "2025-07-31")
        .changed("2025-07-30", -100_000)
        .changed("2025-08-20", 100_000);
    let packs = packs();
    assert_eq!(packs.flat_fee(&claim, day("2025-08-19")), Ok(None));
    assert!(packs.flat_fee(&claim, day("2025-08-20")).unwrap().is_some());
}

#[test]
fn no_flat_fee_in_switzerland_for_consumers_or_for_older_claims() {
    let packs = packs();
    let none = |country, debtor, arose_on| {
        let mut claim = claim(country, debtor, 100_000, "2025-07-31");
        claim.arose_on = day(arose_on);
        packs.flat_fee(&claim, day("2025-12-31")) == Ok(None)
    };
    assert!(none(Ch, Business, "2025-07-01"));
    for country in Country::ALL {
        assert!(none(country, Consumer, "2025-07-01"), "{country}");
    }
    assert!(none(De, Business, "2014-07-28") && !none(De, Business, "2014-07-29"));
    for country in [At, Nl, Be] {
        let (before, since) = ("2013-03-15", "2013-03-16");
        assert!(none(country, Business, before) && !none(country, Business, since));
    }
}
