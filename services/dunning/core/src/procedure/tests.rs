use super::*;

fn standard() -> Procedure {
    Procedure::from_toml(STARTERS[1]).unwrap()
}

#[test]
fn the_starter_procedures_are_valid_and_named() {
    let ids: Vec<_> = starter_procedures()
        .unwrap()
        .into_iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(ids, ["courteous", "standard", "strict", "new_customer"]);
}

#[test]
fn the_courteous_ladder_begins_friendly_and_free() {
    let courteous = Procedure::from_toml(STARTERS[0]).unwrap();
    let first = courteous.step(1).unwrap();
    assert_eq!(first.tone, Tone::Friendly);
    assert_eq!(first.channels[0], Channel::Email);
    assert!(courteous.steps.iter().all(|it| it.fee == FeeRule::None));
}

#[test]
fn no_starter_asks_for_what_is_not_built() {
    // Nothing books fees on the account yet, and the service refuses such definitions, but not its own.
    for procedure in starter_procedures().unwrap() {
        let posting = procedure.fee_posting;
        assert_ne!(posting, FeePosting::Receivable, "{}", procedure.id);
    }
}

#[test]
fn the_starter_ladders_number_alike_so_that_a_change_maps_well() {
    for procedure in starter_procedures().unwrap() {
        assert_eq!(procedure.last_level(), 5, "{}", procedure.id);
        assert!(procedure.steps[4].leaves_ladder(), "{}", procedure.id);
        assert_eq!(procedure.steps[3].tone, Tone::Final, "{}", procedure.id);
        assert!(procedure.steps[..3].iter().all(|it| it.tone != Tone::Final));
    }
}

#[test]
fn a_procedure_survives_being_written_and_read() {
    for procedure in starter_procedures().unwrap() {
        let text = toml::to_string(&procedure).unwrap();
        assert_eq!(Procedure::from_toml(&text).unwrap(), procedure);
    }
}

#[test]
fn every_violation_is_named() {
    let mut procedure = standard();
    procedure.id = "a b".to_owned();
    procedure.grace_days = 91;
    procedure.level_mode = LevelMode::Account;
    procedure.grouping = Grouping::Item;
    procedure.steps[0].trigger = Trigger::AfterPrevious(0);
    procedure.steps[0].channels = vec![Channel::Phone];
    procedure.steps[0].pay_by_days = 91;
    procedure.steps[1].level = 7;
    procedure.steps[1].channels.clear();
    procedure.steps[1].follow_up = FollowUp::End;
    procedure.steps[2].minimum.insert("euro".to_owned(), -1);
    let fields: Vec<_> = procedure
        .validate()
        .unwrap_err()
        .into_iter()
        .map(|it| it.field)
        .collect();
    assert_eq!(
        fields,
        [
            "id",
            "grace_days",
            "grouping",
            "steps[0].pay_by_days",
            "steps[0].trigger",
            "steps[0].statutory",
            "steps[1].level",
            "steps[1].channels",
            "steps[1].follow_up",
            "steps[2].minimum",
            "steps[2].minimum",
        ]
    );
}

#[test]
fn triggers_by_age_must_rise_even_across_a_step_after_another() {
    let mut procedure = standard();
    procedure.steps[2].trigger = Trigger::PastDue(5);
    let violations = procedure.validate().unwrap_err();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].field, "steps[2].trigger");
}

#[test]
fn an_unknown_field_is_refused() {
    let text = format!("colour = 1\n{}", STARTERS[1]);
    assert!(matches!(
        Procedure::from_toml(&text),
        Err(ProcedureError::Unreadable(_))
    ));
}

#[test]
fn the_age_of_a_level_adds_pay_by_and_grace_of_the_one_before() {
    let procedure = standard();
    // 5; 5 + 14 + 2 + 1; 22 + 10 + 2 + 1; 35 + 10 + 2 + 3; 50 + 10 + 2 + 1.
    let ages: Vec<_> = (0..=6).map(|level| procedure.age_of(level)).collect();
    assert_eq!(
        ages,
        [None, Some(5), Some(22), Some(35), Some(50), Some(63), None]
    );
    assert_eq!(procedure.level_by_age(4), 0);
    assert_eq!(procedure.level_by_age(35), 3);
    assert_eq!(
        procedure.level_by_age(9_999),
        4,
        "nobody is handed over by age"
    );
}
