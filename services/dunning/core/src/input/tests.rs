use super::*;
use crate::calendar::BusinessCalendar;
use crate::charges::{Charge, ChargeError, Charges, Claim};
use crate::evaluate::{EvaluateError, Rules, evaluate};
use crate::pause::{PauseKind, PauseScope};
use crate::procedure::starter_procedures;
use chrono::Days;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn item(id: &str) -> Item {
    Item {
        id: id.to_owned(),
        kind: ItemKind::Invoice,
        currency: "EUR".to_owned(),
        document_date: day("2026-01-01"),
        due_date: day("2026-01-15"),
        open: 10_000,
        disputed: 0,
        promised: 0,
        planned: 0,
        collection_pending: false,
        history: Vec::new(),
        state: DunningState::default(),
        taken: None,
    }
}

fn input() -> Input {
    Input {
        business_date: day("2026-03-10"),
        calendar: "de".to_owned(),
        procedure: ProcedureRef {
            id: "standard".to_owned(),
            revision: 1,
        },
        ledger: LedgerState {
            feed_behind: false,
            last_bank_import: None,
            max_age_days: None,
            when_stale: WhenStale::Withhold,
        },
        debtor: DebtorFacts {
            kind: DebtorKind::Organisation,
            country: "DE".to_owned(),
            language: "de".to_owned(),
            segment: String::new(),
            insolvent_since: None,
            deceased: false,
            restricted: false,
            manual_until: None,
            preferred_channel: None,
            waive_fees: false,
            waive_interest: false,
        },
        contact_points: vec![ContactPoint {
            id: "e1".to_owned(),
            channel: Channel::Email,
            state: ContactState::Verified,
        }],
        items: vec![item("R1")],
        credits: Vec::new(),
        pauses: Vec::new(),
        recent_contacts: Vec::new(),
    }
}

struct NoCharges;

impl Charges for NoCharges {
    fn interest(&self, _: &Claim<'_>, _: NaiveDate) -> Result<Vec<Charge>, ChargeError> {
        Ok(Vec::new())
    }

    fn flat_sum(&self, _: &Claim<'_>, _: NaiveDate) -> Result<Option<Charge>, ChargeError> {
        Ok(None)
    }

    fn collection_costs(
        &self,
        _: &DebtorFacts,
        _: &str,
        _: NaiveDate,
        _: i64,
    ) -> Result<i64, ChargeError> {
        Err(ChargeError::OutOfRange)
    }
}

#[test]
fn every_violation_of_an_input_is_named() {
    let mut input = input();
    assert_eq!(input.validate(), Ok(()));
    input.calendar = String::new();
    input.contact_points[0].channel = Channel::Registered;
    input.credits.push(Credit {
        id: "Z1".to_owned(),
        currency: "euro".to_owned(),
        minor: 0,
        item_id: None,
    });
    input.pauses.push(Pause {
        id: "p1".to_owned(),
        scope: PauseScope::Debtor,
        kind: PauseKind::Suppress,
        from: day("2026-02-02"),
        until: Some(day("2026-02-01")),
    });
    let mut second = item("R1");
    second.open = -1;
    second.state.level = 1;
    second.history = vec![
        PrincipalPoint {
            on: day("2026-01-01"),
            open: -5,
        };
        2
    ];
    input.items.push(second);
    let fields: Vec<String> = input
        .validate()
        .unwrap_err()
        .into_iter()
        .map(|it| it.field)
        .collect();
    assert_eq!(
        fields,
        [
            "calendar",
            "contact_points[0].channel",
            "credits[0].currency",
            "credits[0].minor",
            "pauses[0].until",
            "items[1].open",
            "items[1].disputed",
            "items[1].promised",
            "items[1].planned",
            "items[1].history",
            "items[1].history",
            "items[1].state",
            "items[1].state.cycle",
            "items[1].id",
        ]
    );
}

#[test]
fn amounts_that_could_overflow_are_refused() {
    let mut input = input();
    input.items = (0..1_001)
        .map(|index| Item {
            open: crate::violation::MAX_AMOUNT,
            ..item(&format!("R{index}"))
        })
        .collect();
    let violations = input.validate().unwrap_err();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].field, "items");
}

#[test]
fn rules_that_the_input_does_not_name_are_refused() {
    let procedures = starter_procedures().unwrap();
    let calendar = BusinessCalendar::weekdays("de", []);
    let other = BusinessCalendar::weekdays("at", []);
    let with = |procedure, calendar| {
        let rules = Rules {
            procedure: &procedures[procedure],
            calendar,
            charges: &NoCharges,
        };
        evaluate(&input(), &rules).map(|plan| plan.notices.len())
    };
    assert_eq!(with(1, &calendar), Ok(1));
    assert_eq!(with(2, &calendar), Err(EvaluateError::WrongProcedure));
    assert_eq!(with(1, &other), Err(EvaluateError::WrongCalendar));
}

#[test]
fn a_debtor_with_ten_thousand_items_gets_one_notice_over_all_that_are_due() {
    let mut input = input();
    input.items = (0..10_000_u64)
        .map(|index| Item {
            due_date: day("2026-01-15") + Days::new(index % 100),
            ..item(&format!("R{index}"))
        })
        .collect();
    input.credits = (0..5_000)
        .map(|index| Credit {
            id: format!("Z{index}"),
            currency: "EUR".to_owned(),
            minor: 100,
            item_id: None,
        })
        .collect();
    let procedures = starter_procedures().unwrap();
    let rules = Rules {
        procedure: &procedures[1],
        calendar: &BusinessCalendar::weekdays("de", []),
        charges: &NoCharges,
    };
    let plan = evaluate(&input, &rules).unwrap();
    assert_eq!(plan.findings.len(), 10_000);
    assert_eq!(plan.notices.len(), 1);
    // Fifty days are due by five days or more, a hundred items each; 5,000.00 set off clears fifty of the oldest.
    assert_eq!(plan.notices[0].items.len(), 4_950);
    assert_eq!(plan.notices[0].total, 4_950 * 10_000);
}
