//! Which fields that may be absent may be read where, and what rules then say.

use super::{blank, errors, scheme, settled, wrong_fields};
use crate::rule::{EvaluationError, Rule};

#[track_caller]
fn holds(source: &str) -> bool {
    let rule = Rule::compile(source).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
    rule.evaluate(&settled()).unwrap()
}

#[test]
fn an_unguarded_field_that_may_be_absent_is_refused() {
    for source in [
        "debtor.score > 500",
        "debtor.score > 500 && has(debtor.score)",
        "has(debtor.score) || debtor.score > 500",
        "!has(debtor.score) && debtor.score > 500",
        "has(debtor.pd_ppm) && debtor.score > 500",
        "has(debtor.score) ? true : debtor.score > 500",
        "(has(debtor.score) || debtor.insolvent) && debtor.score > 500",
        "(has(debtor.score) && debtor.insolvent) || debtor.score > 500",
        "!(has(debtor.score) && debtor.insolvent) || debtor.insolvent && debtor.score > 1 ? \
         debtor.score > 1 : true",
        "(debtor.insolvent ? has(debtor.score) : true) && debtor.score > 500",
        "has(debtor.score) == true && debtor.score > 500",
    ] {
        let errors = errors(source);
        assert_eq!(errors.len(), 1, "{source}: {errors:?}");
        assert!(errors[0].contains("may be absent"), "{source}: {errors:?}");
    }
}

#[test]
fn a_guard_stands_before_what_it_guards_in_any_form() {
    for source in [
        "has(debtor.score) && debtor.score > 500",
        "!has(debtor.score) || debtor.score > 500",
        "has(debtor.score) ? debtor.score > 500 : false",
        "!has(debtor.score) ? false : debtor.score > 500",
        "!(!has(debtor.score)) && debtor.score > 500",
        "!(!has(debtor.score) || debtor.insolvent) && debtor.score > 500",
        "has(debtor.score) && has(debtor.pd_ppm) && !debtor.insolvent && debtor.score > 500 \
         && debtor.pd_ppm < 20000",
        "(has(debtor.score) && debtor.insolvent || has(debtor.score)) && debtor.score > 500",
        "(has(debtor.score) ? true : false) && debtor.score > 500",
        "(debtor.insolvent ? has(debtor.score) : has(debtor.score)) && debtor.score > 500",
        "!has(debtor.score) || !has(debtor.pd_ppm) || debtor.score > debtor.pd_ppm / 100",
    ] {
        assert_eq!(errors(source), [] as [&str; 0], "{source}");
        assert!(holds(source), "{source}");
    }
}

#[test]
fn a_segment_may_rely_on_those_before_it_being_false() {
    let guarded = scheme("!has(debtor.score)", "debtor.score > 500", 0);
    assert!(guarded.compile().is_ok());
    let unguarded = scheme("has(debtor.score)", "debtor.score > 500", 0);
    assert_eq!(
        wrong_fields(unguarded),
        ["segments[1].condition 1:1: `debtor.score` may be absent: ask `has(debtor.score)` first"]
    );
}

#[test]
fn conditions_mean_what_they_say() {
    for source in [
        "debtor.kind == 'organisation' && debtor.kind != 'person'",
        "has(debtor.country) && debtor.country in ['AT', 'DE', 'CH']",
        "has(debtor.sector) && debtor.sector.startsWith('47') && debtor.sector.endsWith('.91')",
        "has(debtor.sector) && debtor.sector.contains('7.9')",
        "(debtor.settled_items - 1) * 2 / 3 == 26 && -7 / 2 == -3 && -7 % 2 == -1",
        "debtor.open_disputes in [-1, 0]",
        "debtor.settled_items >= 40 && debtor.settled_items <= 40 && !(debtor.settled_items < 40)",
        "debtor.insolvent ? false : debtor.risk_class == 'B'",
        "!has(debtor.preferred_channel) && has(debtor.kind)",
        "debtor.insolvent == false // a comment",
    ] {
        assert!(holds(source), "{source}");
    }
    assert!(!holds("has(debtor.country) && debtor.country == 'de'"));
}

#[test]
fn absent_fields_are_absent_and_zero_is_a_value() {
    let rule = Rule::compile("has(debtor.open_amount_minor)").unwrap();
    let mut facts = blank();
    assert_eq!(rule.evaluate(&facts), Ok(false));
    facts.open_amount_minor = Some(0);
    assert_eq!(rule.evaluate(&facts), Ok(true));
}

#[test]
fn arithmetic_that_has_no_result_is_an_error_not_a_wrong_number() {
    let evaluated = |source: &str, facts| Rule::compile(source).unwrap().evaluate(facts);
    let facts = blank();
    for source in [
        "10 / debtor.open_disputes > 1",
        "10 % debtor.open_disputes > 1",
    ] {
        assert_eq!(
            evaluated(source, &facts),
            Err(EvaluationError::DivisionByZero),
            "{source}"
        );
    }
    let mut facts = blank();
    facts.settled_items = i64::MIN;
    for source in [
        "debtor.settled_items - 1 > 0",
        "debtor.settled_items * 2 > 0",
        "-debtor.settled_items > 0",
        "debtor.settled_items / -1 > 0",
        "debtor.settled_items % -1 > 0",
        "debtor.settled_items + -1 > 0",
    ] {
        assert_eq!(
            evaluated(source, &facts),
            Err(EvaluationError::Overflow),
            "{source}"
        );
    }
    // What the error stands beside may decide alone.
    assert_eq!(
        evaluated("-debtor.settled_items > 0 || true", &facts),
        Ok(true)
    );
}
