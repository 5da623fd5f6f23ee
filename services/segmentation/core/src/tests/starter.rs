use super::{blank, input, settled};
use crate::assign::assign;
use crate::facts::{DebtorFacts, Relationship, RiskClass};
use crate::scheme::{CompiledScheme, UNCLASSIFIED};
use crate::starter::starter_schemes;

fn starter(id: &str) -> CompiledScheme {
    let schemes = starter_schemes().unwrap();
    let scheme = schemes.into_iter().find(|scheme| scheme.id == id).unwrap();
    scheme.compile().unwrap_or_else(|error| panic!("{error:?}"))
}

fn segment(scheme: &str, facts: &DebtorFacts) -> String {
    assign(&starter(scheme), &input(facts, None))
        .segment_id
        .to_owned()
}

#[test]
fn the_starter_schemes_are_valid_without_warnings() {
    let schemes = starter_schemes().unwrap();
    let ids: Vec<&str> = schemes.iter().map(|scheme| scheme.id.as_str()).collect();
    assert_eq!(
        ids,
        ["payer_speed", "risk", "value", "lifecycle", "treatment"]
    );
    for id in ids {
        assert_eq!(starter(id).warnings(), [], "{id}");
    }
}

#[test]
fn thirty_days_is_fast_and_thirty_one_is_slow() {
    for (days, expected) in [
        (None, "no_history"),
        (Some(30), "fast"),
        (Some(31), "slow"),
        (Some(0), "fast"),
    ] {
        let facts = DebtorFacts {
            avg_days_to_pay_12m_days: days,
            ..blank()
        };
        assert_eq!(segment("payer_speed", &facts), expected);
    }
}

#[test]
fn risk_value_and_lifecycle_follow_their_thresholds() {
    use RiskClass::{A, B, C, D, E, X};
    for (risk_class, expected) in [
        (A, "low"),
        (B, "low"),
        (C, "medium"),
        (D, "high"),
        (E, "high"),
        (X, "not_scored"),
    ] {
        let facts = DebtorFacts {
            risk_class,
            ..blank()
        };
        assert_eq!(segment("risk", &facts), expected);
    }
    assert_eq!(
        segment(
            "risk",
            &DebtorFacts {
                insolvent: true,
                ..settled()
            }
        ),
        "insolvent"
    );
    for (turnover_12m_minor, expected) in [
        (None, "unknown"),
        (Some(10_000_000), "a"),
        (Some(9_999_999), "b"),
        (Some(1_000_000), "b"),
        (Some(999_999), "c"),
    ] {
        let facts = DebtorFacts {
            turnover_12m_minor,
            ..blank()
        };
        assert_eq!(segment("value", &facts), expected);
    }
    let prospect = DebtorFacts {
        relationship: Relationship::Prospect,
        ..settled()
    };
    assert_eq!(segment("lifecycle", &prospect), "prospect");
    for (first, last, expected) in [
        (None, None, "prospect"),
        (Some(5), Some(5), "new"),
        (Some(6), Some(5), "active"),
        (Some(30), Some(11), "active"),
        (Some(30), Some(12), "dormant"),
    ] {
        let facts = DebtorFacts {
            months_since_first_item: first,
            months_since_last_item: last,
            ..blank()
        };
        assert_eq!(segment("lifecycle", &facts), expected);
    }
}

#[test]
fn treatment_takes_the_most_serious_first() {
    let cases: [(&str, DebtorFacts); 8] = [
        ("good_payer", settled()),
        (
            "standard",
            DebtorFacts {
                avg_days_to_pay_12m_days: Some(31),
                ..settled()
            },
        ),
        (
            "standard",
            DebtorFacts {
                risk_class: RiskClass::C,
                ..settled()
            },
        ),
        (
            "key_account",
            DebtorFacts {
                turnover_12m_minor: Some(10_000_000),
                ..settled()
            },
        ),
        (
            "new_customer",
            DebtorFacts {
                months_since_first_item: Some(5),
                ..settled()
            },
        ),
        (
            "strict",
            DebtorFacts {
                broken_promises_12m: 1,
                broken_plans_12m: 1,
                ..settled()
            },
        ),
        (
            "strict",
            DebtorFacts {
                credit_hold: true,
                turnover_12m_minor: Some(10_000_000),
                ..settled()
            },
        ),
        (
            "stopped",
            DebtorFacts {
                insolvent: true,
                credit_hold: true,
                ..settled()
            },
        ),
    ];
    for (expected, facts) in cases {
        assert_eq!(segment("treatment", &facts), expected);
    }
}

#[test]
fn treatment_binds_every_segment_to_one_of_four_procedures() {
    let scheme = starter("treatment");
    let procedure = |id: &str| scheme.policy(id).map(|policy| policy.procedure_id.as_str());
    assert_eq!(procedure("good_payer"), Some("courteous"));
    assert_eq!(procedure("standard"), Some("standard"));
    assert_eq!(procedure("strict"), Some("strict"));
    assert_eq!(procedure("new_customer"), Some("new_customer"));
    let known = ["courteous", "standard", "strict", "new_customer"];
    let segments = scheme.scheme().segments.iter().map(|it| it.id.as_str());
    for id in segments.chain(["standard", UNCLASSIFIED]) {
        assert!(known.contains(&procedure(id).unwrap()), "{id}");
    }
    assert!(scheme.policy("stopped").unwrap().credit_refused);
}
