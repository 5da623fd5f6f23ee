//! Packs that are refused when they are loaded, and what the shipped ones leave unconfirmed.

use super::super::{Country, LawPacks, PackError};
use super::packs;

const SOUND: &str = r#"
country = "AT"
[sources]
law = "a law"
[conventions]
settings = { day_count = "actual_365", first_day_counts = false, last_day_counts = true, rounding = "total" }
source = "law"
[[interest]]
debtor = "consumer"
surcharge_bp = 400
source = "law"
agreed = { effect = "replaces", source = "law" }
[[interest]]
debtor = "business"
table = "base"
surcharge_bp = 920
source = "law"
agreed = { effect = "replaces", source = "law" }
[flat_fee]
arose_from = "2013-03-16"
currency = "EUR"
minor_units = 4000
source = "law"
[collection_costs]
default_from = "2012-07-01"
currency = "EUR"
slices = [{ from = 0, bp = 1500 }, { from = 250000, bp = 1000 }, { from = 500000, bp = 500 }]
minimum = 4100
maximum = 677500
source = "law"
[tables.base]
rows = [
    { half_year = "2024-H2", bp = 388, source = "law" },
    { half_year = "2025-H1", bp = 253, source = "law" },
    { half_year = "2025-H2", bp = 153, source = "law" },
]
"#;

/// Fields at fault after one replacement, which must hit.
fn faults(from: &str, to: &str) -> Vec<String> {
    let text = SOUND.replace(from, to);
    assert_ne!(text, SOUND, "{from}");
    match LawPacks::from_toml(&[&text]) {
        Err(PackError::Invalid { violations, .. }) => violations
            .into_iter()
            .map(|violation| violation.field)
            .collect(),
        other => panic!("{from}: {other:?}"),
    }
}

#[test]
fn a_sound_pack_is_taken_once() {
    assert!(LawPacks::from_toml(&[SOUND]).is_ok());
    assert_eq!(
        LawPacks::from_toml(&[SOUND, SOUND]).unwrap_err(),
        PackError::Twice(Country::At)
    );
}

#[test]
fn half_years_follow_without_hole_overlap_or_disorder() {
    let second = ["tables.base.rows[1].half_year"];
    let both = [
        "tables.base.rows[1].half_year",
        "tables.base.rows[2].half_year",
    ];
    assert_eq!(faults("2024-H2", "2024-H1"), second);
    assert_eq!(faults("2025-H1", "2024-H2"), both);
    assert_eq!(faults("2025-H1", "2026-H1"), both);
    assert_eq!(
        faults("2025-H2", "2025-H1"),
        ["tables.base.rows[2].half_year"]
    );
}

#[test]
fn every_figure_has_a_source_that_the_pack_spells_out() {
    assert_eq!(
        faults("bp = 153, source = \"law\"", "bp = 153, source = \"lore\""),
        ["tables.base.2025-H2.source"]
    );
    assert_eq!(faults("\"a law\"", "\" \""), ["sources.law"]);
    let all = faults("law = \"a law\"", "other = \"a law\"");
    assert_eq!(all.len(), 10, "{all:?}");
    let unsourced = SOUND.replace("bp = 153, source = \"law\"", "bp = 153");
    assert!(matches!(
        LawPacks::from_toml(&[SOUND, &unsourced]),
        Err(PackError::Unreadable { position: 1, .. })
    ));
}

#[test]
fn figures_out_of_bounds_are_named_all_at_once() {
    assert_eq!(faults("bp = 388", "bp = -921"), ["tables.base.rows[0].bp"]);
    assert_eq!(
        faults("bp = 388", "bp = 9223372036854775807"),
        ["tables.base.rows[0].bp"]
    );
    assert_eq!(
        faults("surcharge_bp = 400", "surcharge_bp = -1"),
        ["interest[0].surcharge_bp"]
    );
    assert_eq!(
        faults(
            "surcharge_bp = 920",
            "surcharge_bp = 920\nround_up_to_bp = 0"
        ),
        ["interest[1].round_up_to_bp"]
    );
    assert_eq!(
        faults("minor_units = 4000", "minor_units = 0"),
        ["flat_fee.minor_units"]
    );
    assert_eq!(
        faults("\"EUR\"\nminor_units", "\"eur\"\nminor_units"),
        ["flat_fee.currency"]
    );
    assert_eq!(
        faults("table = \"base\"", "table = \"bass\""),
        ["tables.base.rows", "interest[1].table"]
    );
    assert_eq!(
        faults(
            "minor_units = 4000",
            "minor_units = 4000\nunconfirmed = \"\""
        ),
        ["flat_fee.unconfirmed"]
    );
    let several = SOUND
        .replace("bp = 388", "bp = -921")
        .replacen("\"EUR\"", "\"\"", 1);
    let error = LawPacks::from_toml(&[&several]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "law pack AT is invalid: tables.base.rows[0].bp must give every rule a rate from 0 to 10000, \
         flat_fee.currency must be three upper-case letters"
    );
}

#[test]
fn a_scale_of_costs_covers_every_principal_once_and_has_bounds() {
    let slices = ["collection_costs.slices"];
    assert_eq!(faults("from = 0, bp = 1500", "from = 1, bp = 1500"), slices);
    assert_eq!(faults("from = 500000", "from = 250000"), slices);
    assert_eq!(faults("from = 250000", "from = 600000"), slices);
    assert_eq!(
        faults(
            "slices = [{ from = 0, bp = 1500 }, { from = 250000, bp = 1000 }, { from = 500000, bp = 500 }]",
            "slices = []"
        ),
        slices
    );
    assert_eq!(
        faults("bp = 1000", "bp = 10001"),
        ["collection_costs.slices[1].bp"]
    );
    for minimum in ["minimum = 0", "minimum = 677501"] {
        assert_eq!(
            faults("minimum = 4100", minimum),
            ["collection_costs.minimum"]
        );
    }
    assert_eq!(faults("677500", "1000001"), ["collection_costs.maximum"]);
    assert_eq!(
        faults("currency = \"EUR\"\nslices", "currency = \"euro\"\nslices"),
        ["collection_costs.currency"]
    );
}

#[test]
fn each_kind_of_debtor_has_rules_in_order_of_time() {
    let business = "debtor = \"business\"";
    assert_eq!(
        faults(business, "debtor = \"consumer\""),
        ["interest", "interest[1].arose_from"]
    );
    let later = "debtor = \"consumer\"\narose_from = \"2020-01-01\"";
    assert_eq!(faults(business, later), ["interest"]);
}

#[test]
fn what_is_not_a_pack_is_unreadable() {
    for text in [
        "",
        "country = \"FR\"",
        "half a line",
        &SOUND.replace("2024-H2", "2024-H3"),
        &SOUND.replace("2024-H2", "+024-H2"),
        &SOUND.replace("source = \"law\"", "source = \"law\"\nsurplus = 1"),
        &SOUND.replace("bp = 388", "bp = 3.88"),
    ] {
        let error = LawPacks::from_toml(&[text]).unwrap_err();
        assert!(
            matches!(error, PackError::Unreadable { position: 0, .. }),
            "{error}"
        );
    }
}

#[test]
fn what_our_sources_do_not_confirm_is_listed() {
    let packs = packs();
    let unconfirmed = packs.unconfirmed();
    let of = |country| {
        unconfirmed
            .iter()
            .filter(|it| it.country == country)
            .map(|it| it.entry.as_str())
            .collect::<Vec<_>>()
    };
    assert!(of(Country::De).is_empty());
    assert_eq!(
        of(Country::Nl),
        [
            "conventions",
            "interest[0]",
            "interest[1]",
            "flat_fee",
            "collection_costs"
        ]
    );
    assert_eq!(of(Country::Ch), ["conventions"]);
    assert_eq!(
        of(Country::Be),
        [
            "conventions",
            "interest[0]",
            "tables.reference_rate.2024-H1",
            "tables.reference_rate.2024-H2",
            "tables.reference_rate.2025-H1",
            "tables.reference_rate.2026-H2",
        ]
    );
    let austria = of(Country::At);
    assert_eq!(austria.len(), 11, "{austria:?}");
    assert!(austria.contains(&"tables.base_rate.2023-H2"));
    assert!(!austria.contains(&"tables.base_rate.2026-H2"));
    assert!(unconfirmed.iter().all(|it| !it.reason.is_empty()));
}
