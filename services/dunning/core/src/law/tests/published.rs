//! Cases that others published: court and lawyers' calculators, test suites of other programs. Numbers as in the
//! collection the project keeps; each names the conventions by which it comes out to the cent.

use super::super::{Claim, Conventions, Country, DayCount, DebtorKind, Exact, LawPacks};
use super::{claim, day, packs};

use Country::{At, Ch, De, Nl};
use DebtorKind::{Business, Consumer};

const ACT_ACT: &str = "act/act, first day no, last day yes, total rounded";
const ACT_365: &str = "act/365, first day no, last day yes, total rounded";
const ACT_365_LINE: &str = "act/365, first day no, last day yes, each line rounded";

/// Conventions of a case; those of the pack if nothing else is said.
enum Setting {
    Pack(&'static str),
    Other(DayCount, bool, bool, &'static str),
}

use Setting::{Other, Pack};

impl Setting {
    fn conventions(&self, packs: &LawPacks, country: Country) -> Conventions {
        let own = packs.conventions(country).unwrap();
        let (conventions, name) = match *self {
            Pack(name) => (own, name),
            Other(day_count, first, last, name) => {
                (own.counting(day_count).with_days(first, last), name)
            }
        };
        assert_eq!(conventions.to_string(), name);
        conventions
    }
}

/// Number, claim, until, conventions, and what comes out: days, lines in minor units.
type Case = (
    &'static str,
    Claim,
    &'static str,
    Setting,
    i64,
    &'static [i64],
);

fn check(cases: Vec<Case>) {
    let packs = packs();
    for (number, claim, until, setting, days, lines) in cases {
        let conventions = setting.conventions(&packs, claim.country);
        let interest = packs.interest_by(&claim, day(until), conventions).unwrap();
        let amounts: Vec<i64> = interest
            .lines
            .iter()
            .map(|line| line.amount_minor)
            .collect();
        let counted: i64 = interest.lines.iter().map(|line| line.days).sum();
        assert_eq!(counted, days, "{number}: days");
        assert_eq!(amounts, lines, "{number}: lines");
        assert_eq!(interest.total_minor, lines.iter().sum::<i64>(), "{number}");
    }
}

#[test]
fn v01_a_german_claim_of_2009_bears_eight_points_over_six_half_years() {
    let packs = packs();
    let conventions = Other(
        DayCount::ActualActual,
        true,
        true,
        "act/act, first day yes, last day yes, total rounded",
    )
    .conventions(&packs, De);
    let mut claim = claim(De, Business, 150_000, "2009-09-15");
    let interest = packs
        .interest_by(&claim, day("2012-02-17"), conventions)
        .unwrap();
    assert_eq!(interest.total_minor, 29_750);
    assert_eq!(
        interest.lines.iter().map(|line| line.days).sum::<i64>(),
        886
    );

    // Published half-year by half-year: days, rate, interest in hundredths of a cent.
    let segments = [
        ("2009-09-15", "2009-12-31", 108, 81_200, 360_395),
        ("2010-01-01", "2010-06-30", 181, 81_200, 603_995),
        ("2010-07-01", "2010-12-31", 184, 81_200, 614_005),
        ("2011-01-01", "2011-06-30", 181, 81_200, 603_995),
        ("2011-07-01", "2011-12-31", 184, 83_700, 632_910),
        ("2012-01-01", "2012-02-17", 48, 81_200, 159_738),
    ];
    let mut sum = Exact::default();
    for (from, to, days, ppm, hundredths) in segments {
        claim.default_on = day(from);
        let segment = packs.interest_by(&claim, day(to), conventions).unwrap();
        let [line] = segment.lines.as_slice() else {
            panic!("{from}: {} lines", segment.lines.len());
        };
        assert_eq!((line.days, line.rate.ppm), (days, ppm), "{from}");
        let rounded = (line.exact.parts() * 100 + Exact::PARTS / 2) / Exact::PARTS;
        assert_eq!(rounded, hundredths, "{from}");
        sum = sum.plus(line.exact).unwrap();
    }
    assert_eq!(sum, interest.exact);
}

#[test]
fn v02_to_v07_german_cases_come_out_by_the_day_count_they_were_made_with() {
    let half_open_365 = "act/365, first day yes, last day no, total rounded";
    let both_thirty = "30/360, first day yes, last day yes, total rounded";
    let both_360 = "act/360, first day yes, last day yes, total rounded";
    let both_365 = "act/365, first day yes, last day yes, total rounded";
    let lawyer = || claim(De, Consumer, 35_416, "2018-04-30");
    check(vec![
        (
            "V02",
            claim(De, Consumer, 1_000_000, "2023-01-01"),
            "2023-07-01",
            Other(DayCount::Actual365, true, false, half_open_365),
            181,
            &[32_828],
        ),
        (
            "V05 as the program printed it",
            lawyer(),
            "2018-06-17",
            Other(DayCount::Actual360, true, true, both_360),
            49,
            &[199],
        ),
        (
            "V05 as it should be",
            lawyer(),
            "2018-06-17",
            Other(DayCount::Actual365, true, true, both_365),
            49,
            &[196],
        ),
        (
            "V06",
            claim(De, Business, 1_000_000, "2024-01-01"),
            "2024-01-30",
            Other(DayCount::Thirty360, true, true, both_thirty),
            30,
            &[10_517],
        ),
        (
            "V07",
            claim(De, Consumer, 1_000_000, "2016-01-01").agreed(60_000),
            "2016-07-30",
            Other(DayCount::Thirty360, true, true, both_thirty),
            210,
            &[35_000],
        ),
    ]);
}

#[test]
fn v04_a_german_year_has_the_rates_of_both_its_half_years() {
    let packs = packs();
    let claim = claim(De, Consumer, 1_000_000, "2023-01-01");
    let interest = packs.interest(&claim, day("2024-01-01")).unwrap();
    let rates: Vec<(String, i64)> = interest
        .lines
        .iter()
        .map(|line| (line.from.to_string(), line.rate.ppm))
        .collect();
    assert_eq!(interest.conventions.to_string(), ACT_ACT);
    assert_eq!(
        rates,
        [
            ("2023-01-02".to_owned(), 66_200),
            ("2023-07-01".to_owned(), 81_200),
            ("2024-01-01".to_owned(), 86_200)
        ]
    );
}

#[test]
fn v09_to_v17_austrian_cases() {
    let half_open = "act/365, first day yes, last day no, total rounded";
    let year = |debtor| claim(At, debtor, 1_000_000, "2026-01-01");
    let half_open = || Other(DayCount::Actual365, true, false, half_open);
    check(vec![
        (
            "V09",
            claim(At, Consumer, 120_000, "2026-09-03"),
            "2026-10-03",
            Pack(ACT_365),
            30,
            &[395],
        ),
        (
            "V10",
            claim(At, Business, 120_000, "2026-09-03"),
            "2026-10-03",
            Pack(ACT_365),
            30,
            &[1_058],
        ),
        (
            "V11",
            claim(At, Business, 120_000, "2026-06-30"),
            "2026-10-03",
            Pack(ACT_365),
            95,
            &[3_351],
        ),
        (
            "V12",
            claim(At, Business, 120_000, "2026-06-03"),
            "2026-10-03",
            Pack(ACT_365),
            122,
            &[4_304],
        ),
        (
            "V14",
            year(Business),
            "2027-01-01",
            half_open(),
            365,
            &[107_300],
        ),
        (
            "V14, January to June",
            year(Business),
            "2026-07-01",
            half_open(),
            181,
            &[53_209],
        ),
        (
            "V14, July to December",
            claim(At, Business, 1_000_000, "2026-07-01"),
            "2027-01-01",
            half_open(),
            184,
            &[54_091],
        ),
        (
            "V15",
            year(Consumer),
            "2027-01-01",
            half_open(),
            365,
            &[40_000],
        ),
        (
            "V17",
            claim(At, Consumer, 500_000, "2026-01-01").agreed(80_000),
            "2026-04-01",
            half_open(),
            90,
            &[9_863],
        ),
    ]);
}

#[test]
fn v18_a_negative_austrian_base_rate_lowers_the_surcharge() {
    let packs = packs();
    let claim = claim(At, Business, 100_000, "2020-02-29");
    let interest = packs.interest(&claim, day("2020-03-10")).unwrap();
    let rate = interest.lines[0].rate;
    assert_eq!((rate.ppm, rate.base.unwrap().ppm), (85_800, -6_200));
}

#[test]
fn v06_and_v19_the_flat_fee_is_owed_by_businesses_only() {
    let packs = packs();
    for (country, debtor, minor_units) in [
        (De, Business, Some(4_000)),
        (At, Business, Some(4_000)),
        (At, Consumer, None),
    ] {
        let claim = claim(country, debtor, 1_000_000, "2026-01-01");
        let fee = packs.flat_fee(&claim, day("2026-01-31")).unwrap();
        assert_eq!(
            fee.map(|fee| fee.minor_units),
            minor_units,
            "{country} {debtor}"
        );
    }
}

#[test]
fn v20_and_v22_dutch_cases_are_rounded_line_by_line() {
    check(vec![
        (
            "V20",
            claim(Nl, Business, 500_000, "2026-01-01"),
            "2026-04-01",
            Pack(ACT_365_LINE),
            90,
            &[12_514],
        ),
        (
            "V22",
            claim(Nl, Consumer, 164_858, "2014-12-12"),
            "2015-05-29",
            Other(
                DayCount::Actual365,
                true,
                false,
                "act/365, first day yes, last day no, each line rounded",
            ),
            168,
            &[271, 1_337],
        ),
    ]);
}

#[test]
fn v24_to_v32_swiss_cases() {
    let month = |minor| claim(Ch, Business, minor, "2024-01-01");
    let half_open = || {
        Other(
            DayCount::ActualActual,
            true,
            false,
            "act/act, first day yes, last day no, total rounded",
        )
    };
    check(vec![
        (
            "V24",
            month(1_000_000),
            "2025-01-01",
            half_open(),
            366,
            &[50_000],
        ),
        (
            "V25",
            month(1_000_000),
            "2024-01-31",
            half_open(),
            30,
            &[4_098],
        ),
        (
            "V25 by the pack",
            month(1_000_000),
            "2024-01-31",
            Pack(ACT_ACT),
            30,
            &[4_098],
        ),
        (
            "V27",
            month(1_000_000).agreed(80_000),
            "2024-01-31",
            half_open(),
            30,
            &[6_557],
        ),
        ("V29", month(10_000), "2024-01-31", half_open(), 30, &[41]),
        (
            "V30",
            month(100_000_000),
            "2024-01-31",
            half_open(),
            30,
            &[409_836],
        ),
        (
            "V31",
            month(1_000_000),
            "2024-01-02",
            half_open(),
            1,
            &[137],
        ),
        (
            "V32",
            claim(Ch, Consumer, 1_500_000, "2024-03-01"),
            "2024-04-15",
            half_open(),
            45,
            &[9_221],
        ),
    ]);
}
