//! The rates of the packs against the rates the collection prints.

use super::super::{Country, DebtorKind, HalfYear, LawError, LawPacks, TableRate};
use super::{claim, day, packs};

use Country::{At, Be, Ch, De, Nl};
use DebtorKind::{Business, Consumer};

/// The rate on a day of a half-year, in hundredths of a percent.
fn rate_bp(packs: &LawPacks, country: Country, debtor: DebtorKind, half_year: &str) -> i64 {
    let (year, half) = half_year.split_once("-H").unwrap();
    let day = day(&format!(
        "{year}-{}-15",
        if half == "1" { "05" } else { "12" }
    ));
    let mut claim = claim(
        country,
        debtor,
        100_000,
        &day.pred_opt().unwrap().to_string(),
    );
    // A limit, where the law only limits: the highest agreed rate meets it.
    if (country, debtor) == (Be, Consumer) {
        claim.agreed_ppm = Some(1_000_000);
    }
    let interest = packs.interest(&claim, day).unwrap();
    interest.lines[0].rate.ppm / 100
}

fn check(country: Country, debtor: DebtorKind, rates: &[(&str, i64)]) {
    let packs = packs();
    for (half_year, bp) in rates {
        let found = rate_bp(&packs, country, debtor, half_year);
        assert_eq!(found, *bp, "{country} {debtor} {half_year}");
    }
}

#[test]
fn german_rates_are_those_printed() {
    check(
        De,
        Consumer,
        &[
            ("2002-H1", 757),
            ("2002-H2", 747),
            ("2006-H2", 695),
            ("2008-H1", 832),
            ("2009-H2", 512),
            ("2011-H1", 512),
            ("2011-H2", 537),
            ("2012-H2", 512),
            ("2013-H2", 462),
            ("2016-H1", 417),
            ("2016-H2", 412),
            ("2022-H2", 412),
            ("2023-H1", 662),
            ("2023-H2", 812),
            ("2024-H1", 862),
            ("2024-H2", 837),
            ("2025-H1", 727),
            ("2025-H2", 627),
            ("2026-H1", 627),
            ("2026-H2", 652),
        ],
    );
    check(
        De,
        Business,
        &[
            ("2014-H2", 827),
            ("2015-H1", 817),
            ("2016-H2", 812),
            ("2023-H1", 1_062),
            ("2023-H2", 1_212),
            ("2024-H1", 1_262),
            ("2024-H2", 1_237),
            ("2025-H1", 1_127),
            ("2025-H2", 1_027),
            ("2026-H2", 1_052),
        ],
    );
}

#[test]
fn austrian_rates_are_those_printed() {
    check(
        At,
        Business,
        &[
            ("2013-H1", 958),
            ("2013-H2", 908),
            ("2016-H1", 908),
            ("2016-H2", 858),
            ("2022-H2", 858),
            ("2023-H1", 1_108),
            ("2023-H2", 1_258),
            ("2024-H1", 1_308),
            ("2024-H2", 1_308),
            ("2025-H1", 1_173),
            ("2025-H2", 1_073),
            ("2026-H1", 1_073),
            ("2026-H2", 1_073),
        ],
    );
    check(
        At,
        Consumer,
        &[("2005-H1", 400), ("2026-H2", 400), ("2099-H2", 400)],
    );
}

#[test]
fn dutch_rates_are_those_printed() {
    check(
        Nl,
        Consumer,
        &[
            ("2012-H2", 300),
            ("2014-H2", 300),
            ("2015-H1", 200),
            ("2022-H2", 200),
            ("2023-H1", 400),
            ("2023-H2", 600),
            ("2024-H2", 700),
            ("2025-H2", 600),
            ("2026-H1", 400),
            ("2026-H2", 400),
        ],
    );
    check(
        Nl,
        Business,
        &[
            ("2013-H1", 875),
            ("2013-H2", 850),
            ("2014-H1", 825),
            ("2014-H2", 815),
            ("2015-H2", 805),
            ("2016-H1", 805),
            ("2016-H2", 800),
            ("2022-H2", 800),
            ("2023-H1", 1_050),
            ("2023-H2", 1_200),
            ("2024-H1", 1_250),
            ("2024-H2", 1_225),
            ("2025-H1", 1_115),
            ("2025-H2", 1_015),
            ("2026-H1", 1_015),
            ("2026-H2", 1_040),
        ],
    );
}

#[test]
fn belgian_business_rates_are_rounded_up_to_half_points() {
    check(
        Be,
        Business,
        &[
            ("2013-H1", 900),
            ("2013-H2", 850),
            ("2014-H1", 850),
            ("2014-H2", 850),
            ("2015-H1", 850),
            ("2016-H1", 850),
            ("2016-H2", 800),
            ("2022-H2", 800),
            ("2023-H1", 1_050),
            ("2023-H2", 1_200),
            ("2024-H1", 1_250),
            ("2024-H2", 1_250),
            ("2025-H1", 1_150),
            ("2025-H2", 1_050),
            ("2026-H1", 1_050),
            ("2026-H2", 1_050),
        ],
    );
    check(
        Be,
        Consumer,
        &[("2023-H2", 1_200), ("2024-H2", 1_225), ("2026-H2", 1_040)],
    );
}

#[test]
fn the_swiss_rate_is_five_percent_in_any_year() {
    for debtor in [Business, Consumer] {
        check(
            Ch,
            debtor,
            &[("2000-H1", 500), ("2026-H2", 500), ("2100-H1", 500)],
        );
    }
}

#[test]
fn the_rate_of_the_ecb_is_the_german_base_rate_plus_0_88() {
    let packs = packs();
    for year in 2015..=2026 {
        for half in 1..=2 {
            let half_year = format!("{year}-H{half}");
            let german = rate_bp(&packs, De, Business, &half_year);
            let dutch = rate_bp(&packs, Nl, Business, &half_year);
            assert_eq!(german - 900 + 88, dutch - 800, "{half_year}");
        }
    }
}

#[test]
fn nothing_is_known_of_2027_where_rates_are_published() {
    let packs = packs();
    for (country, debtor, table) in [
        (De, Business, "base_rate"),
        (De, Consumer, "base_rate"),
        (At, Business, "base_rate"),
        (Nl, Business, "ecb_rate"),
        (Nl, Consumer, "decree_rate"),
        (Be, Business, "reference_rate"),
    ] {
        let claim = claim(country, debtor, 100_000, "2026-12-01");
        assert!(
            packs.interest(&claim, day("2026-12-31")).is_ok(),
            "{country}"
        );
        let error = packs.interest(&claim, day("2027-01-01")).unwrap_err();
        let expected = format!("law pack {country} has no {table} for 2027-H1");
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, LawError::RateNotPublished { .. }));
    }
}

#[test]
fn the_tables_of_a_half_year_are_told_with_what_they_lack() {
    let packs = packs();
    let told = |half_year: &str| {
        let half_year = HalfYear::parse(half_year).unwrap();
        let rates = packs.table_rates(half_year).into_iter();
        let bp = |rate: TableRate<'_>| rate.rate.map(|rate| rate.ppm / 100);
        rates
            .map(|it| {
                (
                    it.country,
                    it.table.to_owned(),
                    bp(it),
                    it.unconfirmed.is_some(),
                )
            })
            .collect::<Vec<_>>()
    };
    let of = |rates: [Option<i64>; 5], unconfirmed| {
        let tables = [
            (De, "base_rate"),
            (At, "base_rate"),
            (Nl, "decree_rate"),
            (Nl, "ecb_rate"),
            (Be, "reference_rate"),
        ];
        let rows = tables.into_iter().zip(rates);
        rows.map(|((country, table), bp)| {
            (country, table.to_owned(), bp, unconfirmed && country == Be)
        })
        .collect::<Vec<_>>()
    };
    let known = [Some(152), Some(153), Some(400), Some(240), Some(240)];
    assert_eq!(told("2026-H2"), of(known, true));
    assert_eq!(told("2926-H2"), of([None; 5], false));
}
