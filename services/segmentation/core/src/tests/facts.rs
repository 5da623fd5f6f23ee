use super::{blank, settled};
use crate::facts::{DebtorFacts, Field, FieldSource, FieldType, FieldValue, documentation};

#[test]
fn facts_are_written_in_the_order_of_the_table_and_read_back_the_same() {
    for facts in [blank(), settled()] {
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<DebtorFacts>(&text).unwrap(), facts);
        let present: Vec<&str> = Field::all()
            .filter(|field| field.value(&facts).is_some())
            .map(|field| field.info().name)
            .collect();
        let places: Vec<Option<usize>> = present
            .iter()
            .map(|name| text.find(&format!("\"{name}\":")))
            .collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted());
        assert_eq!(text.matches("\":").count(), present.len());
    }
}

#[test]
fn only_fields_said_to_be_optional_are_absent() {
    let facts = blank();
    for field in Field::all() {
        let info = field.info();
        assert_eq!(
            field.value(&facts).is_none(),
            info.optional,
            "{}",
            info.name
        );
    }
}

#[test]
fn numbers_carry_their_unit_in_the_name_and_nothing_tells_age_or_sex() {
    for field in Field::all() {
        let info = field.info();
        let suffix = match info.unit {
            "minor units" => "_minor",
            "days" => "_days",
            "bps" => "_bps",
            "ppm" => "_ppm",
            "milli" => "_milli",
            _ => "",
        };
        let is_named = info.name.ends_with(suffix) || info.name.starts_with("days_");
        assert!(is_named, "{}", info.name);
        assert_eq!(
            info.field_type == FieldType::Int,
            !info.unit.is_empty(),
            "{}",
            info.name
        );
        for word in ["birth", "age", "sex", "gender", "name", "title"] {
            assert!(
                !info.name.split('_').any(|part| part == word),
                "{}",
                info.name
            );
        }
    }
}

#[test]
fn the_documentation_has_a_row_per_field_with_its_description() {
    let text = documentation();
    assert_eq!(text.lines().count(), Field::all().count() + 2);
    let row = "| `debtor.kind` | string: organisation, person |  | never | registry | \
               What the debtor is in law. |";
    assert!(text.contains(row), "{text}");
    assert!(text.lines().all(|line| line.matches('|').count() == 7));
    assert!(Field::all().all(|field| field.info().description().ends_with('.')));
}

#[test]
fn behaviour_fields_are_named_as_the_features_of_scoring() {
    let names: Vec<&str> = Field::all()
        .filter(|field| field.info().source == FieldSource::Behaviour)
        .map(|field| field.info().name)
        .collect();
    assert_eq!(names.len(), 18, "17 features and the turnover");
    assert!(names.contains(&"share_late_over_30_12m_bps"));
    let field = Field::by_name("avg_days_to_pay_12m_days").unwrap();
    assert_eq!(field.value(&settled()), Some(FieldValue::Int(25)));
}
