//! Costs of collection by the Dutch scale.

use proptest::prelude::*;

use super::super::{Country, LawError, LawPacks};
use super::{day, packs};

use Country::{At, Be, Ch, De, Nl};

const EURO: i64 = 100;

fn costs(packs: &LawPacks, principal_minor: i64) -> i64 {
    let found = packs.collection_costs(Nl, day("2026-01-31"), principal_minor);
    found.unwrap().unwrap().minor_units
}

#[test]
fn the_dutch_scale_gives_what_is_published_for_it() {
    let packs = packs();
    // debiteurnet.nl, at the end of each slice; nova-incasso.nl for 4,000.
    for (euro, published) in [
        (1, 40),
        (2_500, 375),
        (4_000, 525),
        (5_000, 625),
        (10_000, 875),
        (200_000, 2_775),
        (1_000_000, 6_775),
        (5_000_000, 6_775),
    ] {
        assert_eq!(costs(&packs, euro * EURO), published * EURO, "{euro}");
    }
}

#[test]
fn the_dutch_scale_is_exact_between_its_ends() {
    let packs = packs();
    // Computed by hand from the decree; just beyond an end a slice too many or too few would show.
    for (minor, expected) in [
        (1, 4_000),
        (26_600, 4_000),
        (26_666, 4_000),
        (26_667, 4_000),
        (26_700, 4_005),
        (100_000, 15_000),
        (250_010, 37_501),
        (350_000, 47_500),
        (500_020, 62_501),
        (750_000, 75_000),
        (1_000_100, 87_501),
        (2_500_000, 102_500),
        (10_000_000, 177_500),
        (20_000_200, 277_501),
        (50_000_000, 427_500),
        (99_999_900, 677_499),
        (100_000_100, 677_500),
        (i64::MAX, 677_500),
    ] {
        assert_eq!(costs(&packs, minor), expected, "{minor}");
    }
}

#[test]
fn a_fraction_of_a_cent_is_left_out() {
    // 15 % of 333.37 is 50.0055, and of 333.39 it is 50.0085.
    let packs = packs();
    assert_eq!([33_337, 33_339].map(|it| costs(&packs, it)), [5_000; 2]);
}

#[test]
fn the_costs_say_what_they_rest_on() {
    let packs = packs();
    let costs = packs.collection_costs(Nl, day("2012-07-01"), EURO);
    let costs = costs.unwrap().unwrap();
    assert_eq!(costs.currency, "EUR");
    assert_eq!(costs.legal_basis.key, "bik-2");
    assert!(costs.legal_basis.text.contains("incassokosten"));
}

#[test]
fn there_are_none_of_nothing_before_the_decree_and_elsewhere() {
    let packs = packs();
    let since = day("2026-01-31");
    for principal in [0, -1, i64::MIN] {
        assert_eq!(packs.collection_costs(Nl, since, principal), Ok(None));
    }
    assert_eq!(
        packs.collection_costs(Nl, day("2012-06-30"), EURO),
        Ok(None)
    );
    for country in [De, At, Be, Ch] {
        assert_eq!(packs.collection_costs(country, since, EURO), Ok(None));
    }
    let none = LawPacks::from_toml(&[]).unwrap();
    let refused = none.collection_costs(Nl, since, EURO);
    assert_eq!(refused, Err(LawError::NoPack(Nl)));
}

proptest! {
    #[test]
    fn more_principal_never_costs_less_and_never_more_than_its_share(
        principal in 1..200_000_000_i64,
        more in 0..1_000_000_i64,
    ) {
        let packs = packs();
        let (less, after) = (costs(&packs, principal), costs(&packs, principal + more));
        prop_assert!((4_000..=677_500).contains(&less));
        prop_assert!(less <= after);
        prop_assert!(less <= (principal * 15 / 100).max(4_000));
    }
}
