use super::{compiled, scheme, wrong_fields};
use crate::policy::{EarlyPaymentDiscount, Handling, Policy, ReminderFees};
use crate::scheme::{MAX_SCHEME_BYTES, Scheme, SchemeError};

fn policy() -> Policy {
    Policy {
        payment_term_days: 30,
        credit_refused: false,
        early_payment_discount: Some(EarlyPaymentDiscount { bps: 200, days: 10 }),
        reminder_fees: ReminderFees::ByProcedure,
        handling: Handling::Autopilot,
        portfolio: Some("north".to_owned()),
        procedure_id: "standard".to_owned(),
    }
}

fn treatment() -> Scheme {
    let mut scheme = scheme("debtor.insolvent", "debtor.deceased", 0);
    scheme.treatment = true;
    scheme
        .segments
        .iter_mut()
        .for_each(|it| it.policy = Some(policy()));
    scheme.default.policy = Some(policy());
    scheme.unclassified.policy = Some(policy());
    scheme
}

#[test]
fn every_wrong_field_of_a_scheme_is_named() {
    let mut scheme = scheme("debtor.score > 1", "true &&\n  debtor.x", 3_651);
    scheme.id = "ä b".to_owned();
    scheme.display_name = "x".repeat(101);
    scheme.segments[0].id = "rest".to_owned();
    scheme.segments[1].display_name = "a\u{7}".to_owned();
    scheme.segments[1].policy = Some(policy());
    scheme.unclassified.id = "none".to_owned();
    let name = "must be 1 to 100 characters, none of them a control character";
    assert_eq!(
        wrong_fields(scheme),
        [
            "id: must be 1 to 64 of A-Za-z0-9._~-".to_owned(),
            format!("display_name: {name}"),
            "minimum_stay_days: must be 0 to 3650".to_owned(),
            "unclassified.id: must be `unclassified`".to_owned(),
            format!("segments[1].display_name: {name}"),
            "segments[1].policy: is for treatment schemes only".to_owned(),
            "default.id: must be unique".to_owned(),
            "segments[0].condition 1:1: `debtor.score` may be absent: ask `has(debtor.score)` first".to_owned(),
            "segments[1].condition 2:3: `debtor` has no field `x`".to_owned(),
        ]
    );
}

#[test]
fn a_treatment_scheme_has_a_right_policy_for_every_segment() {
    assert!(treatment().compile().is_ok());
    let mut scheme = treatment();
    scheme.unclassified.policy = None;
    scheme.default.policy = Some(Policy {
        payment_term_days: 366,
        portfolio: Some(String::new()),
        procedure_id: "a b".to_owned(),
        ..policy()
    });
    scheme.segments[0].policy = Some(Policy {
        credit_refused: true,
        early_payment_discount: Some(EarlyPaymentDiscount {
            bps: 5_001,
            days: 31,
        }),
        ..policy()
    });
    assert_eq!(
        wrong_fields(scheme),
        [
            "segments[0].policy.early_payment_discount.bps: must be 1 to 5000",
            "segments[0].policy.early_payment_discount.days: must be 1 to the payment term",
            "segments[0].policy.payment_term_days: must be 0 where credit is refused",
            "default.policy.payment_term_days: must be 0 to 365",
            "default.policy.portfolio: must be 1 to 64 of A-Za-z0-9._~-",
            "default.policy.procedure_id: must be 1 to 64 of A-Za-z0-9._~-",
            "unclassified.policy: must be given in a treatment scheme",
        ]
    );
}

#[test]
fn a_scheme_has_one_to_a_hundred_segments() {
    let mut none = scheme("true", "true", 0);
    none.segments.clear();
    assert_eq!(wrong_fields(none), ["segments: must be 1 to 100"]);
    let mut many = scheme("true", "true", 0);
    let segment = many.segments[0].clone();
    many.segments = (0..101)
        .map(|number| crate::scheme::Segment {
            id: format!("s{number}"),
            condition: format!("debtor.settled_items == {number}"),
            ..segment.clone()
        })
        .collect();
    let mut hundred = many.clone();
    assert_eq!(wrong_fields(many), ["segments: must be 1 to 100"]);
    hundred.segments.truncate(100);
    assert!(hundred.compile().is_ok());
}

#[test]
fn segments_that_nobody_can_reach_are_warned_of() {
    let warnings = |a: &str, b: &str| -> Vec<String> {
        let scheme = compiled(a, b, 0);
        let line = |it: &crate::Violation| format!("{}: {}", it.field, it.description);
        scheme.warnings().iter().map(line).collect()
    };
    assert_eq!(
        warnings("debtor.insolvent", "debtor.deceased"),
        [] as [&str; 0]
    );
    assert_eq!(
        warnings("true", "debtor.insolvent"),
        [
            "segments[1].condition: never reached: segments[0] always holds",
            "default: never reached: segments[0] always holds",
        ]
    );
    assert_eq!(
        warnings("debtor.insolvent", "true"),
        ["default: never reached: segments[1] always holds"]
    );
    assert_eq!(
        warnings(
            "has(debtor.score) && debtor.score>1",
            "(has(debtor.score)) && debtor.score > 1 // same"
        ),
        ["segments[1].condition: never holds: segments[0] has the same condition"]
    );
    assert_eq!(
        warnings("false", "debtor.insolvent"),
        ["segments[0].condition: never holds"]
    );
}

#[test]
fn a_scheme_survives_being_written_and_read() {
    let scheme = treatment();
    let text = toml::to_string(&scheme).unwrap();
    assert_eq!(Scheme::from_toml(&text), Ok(scheme));
}

#[test]
fn unknown_keys_and_oversized_texts_are_refused() {
    let unreadable =
        |text: &str| matches!(Scheme::from_toml(text), Err(SchemeError::Unreadable(_)));
    assert!(unreadable("id = 's'"));
    let text = toml::to_string(&treatment()).unwrap();
    assert!(unreadable(&text.replacen(
        "minimum_stay_days",
        "minimum_stay_day",
        1
    )));
    assert!(unreadable(&format!("surprise = 1\n{text}")));
    assert!(unreadable(&" ".repeat(MAX_SCHEME_BYTES + 1)));
}

#[test]
fn a_scheme_knows_its_policies_and_fields() {
    let scheme = treatment().compile().unwrap();
    assert_eq!(scheme.policy("b"), Some(&policy()));
    assert_eq!(scheme.policy("rest"), Some(&policy()));
    assert_eq!(scheme.policy("unclassified"), Some(&policy()));
    assert_eq!(scheme.policy("nobody"), None);
    let fields: Vec<&str> = scheme.fields().fields().map(|it| it.info().name).collect();
    assert_eq!(fields, ["insolvent", "deceased"]);
}
