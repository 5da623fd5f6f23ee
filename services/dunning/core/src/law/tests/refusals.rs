//! Claims that are refused.

use super::super::{Country, DebtorKind, LawError, LawPacks, MAX_AMOUNT, MAX_CHANGES};
use super::{change, claim, day, packs};

use Country::{Be, De, Nl};
use DebtorKind::{Business, Consumer};

fn fields(error: LawError) -> Vec<String> {
    let LawError::Invalid(violations) = error else {
        panic!("{error}");
    };
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[test]
fn every_field_out_of_bounds_is_named() {
    let mut claim = claim(De, Business, 100_000, "1998-12-31").agreed(1_000_001);
    claim.arose_on = day("0001-01-01");
    claim.principal.push(change("9999-12-31", MAX_AMOUNT + 1));
    let packs = packs();
    let until = day("2101-01-01");
    let expected = [
        "arose_on",
        "default_on",
        "until",
        "agreed_ppm",
        "principal[0].on",
        "principal[1].on",
        "principal[1].minor_units",
    ];
    assert_eq!(fields(packs.interest(&claim, until).unwrap_err()), expected);
    assert_eq!(fields(packs.flat_fee(&claim, until).unwrap_err()), expected);
}

#[test]
fn a_message_stays_short_however_much_is_wrong() {
    let mut claim = claim(De, Business, 100_000, "2025-07-31");
    claim.principal = vec![change("1998-12-31", 1); MAX_CHANGES];
    let error = packs().interest(&claim, day("2025-12-31")).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("invalid claim: principal[0].on must be from 1999-01-01 to"));
    assert!(message.ends_with(", and 4990 more"), "{message}");
    assert_eq!(fields(error).len(), MAX_CHANGES);
}

#[test]
fn the_calendars_ends_are_refused_like_any_other_date() {
    let packs = packs();
    for end in [chrono::NaiveDate::MIN, chrono::NaiveDate::MAX] {
        let mut claim = claim(De, Business, 100_000, "2025-07-31");
        claim.default_on = end;
        claim.arose_on = end;
        claim.principal[0].on = end;
        let error = packs.interest(&claim, end).unwrap_err();
        assert_eq!(
            fields(error),
            ["arose_on", "default_on", "until", "principal[0].on"]
        );
    }
}

#[test]
fn a_principal_below_zero_or_too_large_is_refused() {
    let packs = packs();
    let until = day("2025-12-31");
    let overpaid = claim(De, Business, 100_000, "2025-07-31").changed("2025-08-05", -100_001);
    assert_eq!(
        fields(packs.interest(&overpaid, until).unwrap_err()),
        ["principal"]
    );
    let large = claim(De, Business, MAX_AMOUNT, "2025-07-31").changed("2025-08-05", 1);
    assert_eq!(
        fields(packs.interest(&large, until).unwrap_err()),
        ["principal"]
    );
    let mut extreme = claim(De, Business, i64::MIN, "2025-07-31");
    extreme.principal.push(change("2025-08-01", i64::MAX));
    let names = ["principal[0].minor_units", "principal[1].minor_units"];
    assert_eq!(fields(packs.interest(&extreme, until).unwrap_err()), names);
}

#[test]
fn as_many_changes_as_allowed_are_summed_and_one_more_is_refused() {
    let packs = packs();
    let until = day("2025-08-31");
    let mut claim = claim(De, Business, 0, "2025-07-31");
    claim.principal = vec![change("2025-07-31", MAX_AMOUNT); MAX_CHANGES];
    // 5,000 times the largest amount is too large a principal, but no overflow.
    assert_eq!(
        fields(packs.interest(&claim, until).unwrap_err()),
        ["principal"]
    );
    claim.principal = vec![change("2025-07-31", 1); MAX_CHANGES];
    let interest = packs.interest(&claim, until).unwrap();
    assert_eq!(interest.lines[0].principal_minor, 5_000);
    claim.principal.push(change("2025-07-31", 1));
    assert_eq!(
        fields(packs.interest(&claim, until).unwrap_err()),
        ["principal"]
    );
}

#[test]
fn amounts_that_outgrow_their_type_are_an_error_and_never_wrap() {
    // 100 % a year, capitalised: doubled every year, 10^15 outgrow 63 bits in the fourteenth.
    let packs = packs();
    let claim = claim(Nl, Business, MAX_AMOUNT, "2014-01-01").agreed(1_000_000);
    assert!(packs.interest(&claim, day("2026-12-31")).is_ok());
    assert_eq!(
        packs.interest(&claim, day("2030-12-31")),
        Err(LawError::Overflow)
    );
    // The largest claim over the longest time, without compounding, fits.
    let swiss = super::claim(Country::Ch, Business, MAX_AMOUNT, "1999-01-01").agreed(1_000_000);
    let interest = packs.interest(&swiss, day("2100-12-31")).unwrap();
    assert!(interest.total_minor > 100 * MAX_AMOUNT);
}

#[test]
fn rates_before_the_tables_are_missing_as_well() {
    let packs = packs();
    for (country, default_on, half_year) in
        [(De, "2001-06-30", "2001-H2"), (Nl, "2012-06-29", "2012-H1")]
    {
        let claim = claim(country, Consumer, 100_000, default_on);
        let error = packs.interest(&claim, day("2020-01-01")).unwrap_err();
        let LawError::RateNotPublished {
            half_year: found, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(found.to_string(), half_year);
    }
}

#[test]
fn a_country_without_pack_is_an_error() {
    let packs = LawPacks::from_toml(&[include_str!("../../../data/law/de.toml")]).unwrap();
    let claim = claim(Be, Business, 100_000, "2025-07-31");
    let until = day("2025-12-31");
    assert_eq!(packs.interest(&claim, until), Err(LawError::NoPack(Be)));
    assert_eq!(packs.flat_fee(&claim, until), Err(LawError::NoPack(Be)));
    assert_eq!(Country::parse("BE"), Some(Be));
    for unknown in ["FR", "be", "", "BEL"] {
        assert_eq!(Country::parse(unknown), None);
    }
}
