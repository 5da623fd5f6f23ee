//! What holds for every claim.

use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::super::{
    Claim, Conventions, Country, DayCount, DebtorKind, Exact, LawPacks, PrincipalChange, Rounding,
};
use super::{day, packs};

/// From 2015 on all countries have rates; the last day asked about is in 2026.
const DAYS: u64 = 3_650;

fn nth(days: u64) -> NaiveDate {
    day("2015-01-01") + Days::new(days)
}

fn country() -> impl Strategy<Value = Country> {
    prop::sample::select(Country::ALL.to_vec())
}

/// Countries without interest on interest.
fn simple_country() -> impl Strategy<Value = Country> {
    country().prop_filter("compounds", |country| *country != Country::Nl)
}

fn conventions() -> impl Strategy<Value = Conventions> {
    let day_count = prop::sample::select(vec![
        DayCount::ActualActual,
        DayCount::Actual365,
        DayCount::Actual360,
        DayCount::Thirty360,
    ]);
    let rounding = prop::sample::select(vec![Rounding::Line, Rounding::Total]);
    (day_count, any::<bool>(), any::<bool>(), rounding).prop_map(
        |(day_count, first_day_counts, last_day_counts, rounding)| Conventions {
            day_count,
            first_day_counts,
            last_day_counts,
            rounding,
        },
    )
}

/// A claim with part payments that never exceed what is open, sometimes all of it, and at times a reversal.
fn claim(country: impl Strategy<Value = Country>) -> impl Strategy<Value = Claim> {
    let steps = prop::collection::vec((0_u64..DAYS, 0_i64..=120, any::<bool>()), 0..8);
    let debtor = prop::sample::select(vec![DebtorKind::Business, DebtorKind::Consumer]);
    (country, debtor, 1_i64..=100_000_000, 0_u64..DAYS, steps).prop_map(
        |(country, debtor, opening, default_on, mut steps)| {
            steps.sort_unstable();
            let mut open = opening;
            let mut principal = vec![PrincipalChange {
                on: nth(default_on),
                minor_units: opening,
            }];
            for (on, percent, reversal) in steps {
                let minor_units = if reversal {
                    opening - open
                } else {
                    -(open * percent.min(100) / 100)
                };
                open += minor_units;
                // Later than the opening, or the sum could fall below zero before it.
                let on = nth(default_on + on);
                principal.push(PrincipalChange { on, minor_units });
            }
            let by_agreement = country == Country::Be && debtor == DebtorKind::Consumer;
            Claim {
                country,
                debtor,
                arose_on: if by_agreement {
                    day("2024-01-01")
                } else {
                    nth(default_on)
                },
                default_on: nth(default_on),
                agreed_ppm: by_agreement.then_some(90_000),
                principal,
            }
        },
    )
}

fn exact(packs: &LawPacks, claim: &Claim, until: NaiveDate, conventions: Conventions) -> Exact {
    let interest = packs.interest_by(claim, until, conventions).unwrap();
    interest.exact
}

/// The rest of a claim after a day, as a claim of its own.
fn rest(claim: &Claim, split_on: NaiveDate) -> Claim {
    Claim {
        default_on: split_on,
        ..claim.clone()
    }
}

proptest! {
    #[test]
    fn a_period_split_anywhere_bears_the_same_exact_interest(
        claim in claim(simple_country()),
        conventions in conventions(),
        split in 0_u64..4_000,
        length in 0_u64..4_000,
    ) {
        let packs = packs();
        // The day of the split belongs to one part: to the first if its last day counts, else to the second.
        let conventions = conventions.with_days(!conventions.last_day_counts, conventions.last_day_counts);
        let until = (claim.default_on + Days::new(length)).min(day("2026-12-31"));
        let split_on = (claim.default_on + Days::new(split)).min(until);
        let whole = exact(&packs, &claim, until, conventions);
        let first = exact(&packs, &claim, split_on, conventions);
        let second = exact(&packs, &rest(&claim, split_on), until, conventions);
        prop_assert_eq!(first.plus(second), Some(whole));
    }

    #[test]
    fn the_order_of_changes_does_not_matter(
        (claim, shuffled) in claim(country()).prop_flat_map(|claim| {
            let shuffled = Just(claim.principal.clone()).prop_shuffle();
            (Just(claim), shuffled)
        }),
        conventions in conventions(),
    ) {
        let packs = packs();
        let other = Claim { principal: shuffled, ..claim.clone() };
        let until = day("2026-12-31");
        prop_assert_eq!(
            packs.interest_by(&claim, until, conventions),
            packs.interest_by(&other, until, conventions)
        );
    }

    #[test]
    fn nothing_accrues_after_full_payment(
        claim in claim(simple_country()),
        conventions in conventions(),
        paid_after in 0_u64..4_000,
        later in 0_u64..10_000,
    ) {
        let packs = packs();
        let paid_on = (claim.default_on + Days::new(paid_after)).min(day("2026-12-31"));
        let mut paid = claim.clone();
        paid.principal.retain(|change| change.on <= paid_on);
        let open: i64 = paid.principal.iter().map(|change| change.minor_units).sum();
        paid.principal.push(PrincipalChange { on: paid_on, minor_units: -open });
        let settled = packs.interest_by(&paid, paid_on, conventions).unwrap();
        let long_after = paid_on + Days::new(later);
        prop_assert_eq!(&packs.interest_by(&paid, long_after, conventions).unwrap(), &settled);
        // And what had accrued is what the claim had borne by then, but for a first day that is paid on as well.
        if paid_on > claim.default_on {
            prop_assert_eq!(settled.exact, exact(&packs, &claim, paid_on, conventions));
        }
    }

    #[test]
    fn interest_never_falls_with_time_or_with_principal(
        claim in claim(country()),
        conventions in conventions(),
        days in (0_u64..4_000, 0_u64..4_000),
        more in 1_i64..1_000_000,
    ) {
        let packs = packs();
        let end = day("2026-12-31");
        let earlier = (claim.default_on + Days::new(days.0.min(days.1))).min(end);
        let later = (claim.default_on + Days::new(days.0.max(days.1))).min(end);
        let early = packs.interest_by(&claim, earlier, conventions).unwrap();
        let late = packs.interest_by(&claim, later, conventions).unwrap();
        prop_assert!(early.exact <= late.exact);
        let mut larger = claim.clone();
        larger.principal[0].minor_units += more;
        let of_larger = packs.interest_by(&larger, later, conventions).unwrap();
        prop_assert!(late.exact <= of_larger.exact);
        if conventions.rounding == Rounding::Total {
            prop_assert!(early.total_minor <= late.total_minor);
            prop_assert!(late.total_minor <= of_larger.total_minor);
        }
    }

    #[test]
    fn lines_are_in_order_add_up_and_follow_from_their_own_figures(
        claim in claim(country()),
        conventions in conventions(),
    ) {
        let packs = packs();
        let interest = packs.interest_by(&claim, day("2026-12-31"), conventions).unwrap();
        let sum: i64 = interest.lines.iter().map(|line| line.amount_minor).sum();
        prop_assert_eq!(sum, interest.total_minor);
        for line in &interest.lines {
            prop_assert!(line.from <= line.to);
            let parts = i128::from(line.principal_minor + line.capitalised_minor)
                * i128::from(line.rate.ppm)
                * i128::from(line.days);
            // The same fraction, brought to one denominator by the other way.
            prop_assert_eq!(
                parts * Exact::PARTS,
                line.exact.parts() * i128::from(line.year_basis) * 1_000_000
            );
            let alone = line.exact.half_up().unwrap();
            prop_assert!((line.amount_minor - alone).abs() <= 1);
        }
        prop_assert!(interest.lines.is_sorted_by(|one, next| one.to < next.from));
        if conventions.rounding == Rounding::Total && claim.country != Country::Nl {
            prop_assert_eq!(interest.exact.half_up(), Some(interest.total_minor));
        }
    }

    /// Day by day, as a person would do it who has all the time in the world.
    #[test]
    fn stretches_bear_what_their_days_bear(
        claim in claim(simple_country()),
        conventions in conventions(),
        length in 1_u64..400,
    ) {
        let packs = packs();
        let until = (claim.default_on + Days::new(length)).min(day("2026-12-31"));
        let conventions = conventions.with_days(false, true);
        let mut sum = Exact::default();
        let mut before = claim.default_on;
        while before < until {
            let next = before + Days::new(1);
            sum = sum.plus(exact(&packs, &rest(&claim, before), next, conventions)).unwrap();
            before = next;
        }
        prop_assert_eq!(sum, exact(&packs, &claim, until, conventions));
    }
}
