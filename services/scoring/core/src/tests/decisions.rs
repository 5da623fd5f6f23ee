use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{TODAY, day, debtor};
use crate::decision::{
    ClassAction, CreditInput, CreditOutcome, CreditPolicy, CreditPolicyError, Decision,
    DecisionReason, OverLimitAction, decide, starter_policy,
};
use crate::facts::{DebtorFacts, DebtorKind};
use crate::features::Features;
use crate::fx::FxRate;
use crate::score::RiskClass::{self, A, B, C, D, E, X};

/// An order of 1,000.00 EUR of an organisation of class C: base limit 2,000.00, 12 % of turnover, 14 days.
struct Case {
    debtor: DebtorFacts,
    features: Features,
    class: Option<RiskClass>,
    order: (i64, &'static str),
    rates: Vec<FxRate>,
    policy: CreditPolicy,
}

fn case() -> Case {
    Case {
        debtor: debtor(),
        features: Features::default(),
        class: Some(C),
        order: (100_000, "EUR"),
        rates: vec![FxRate {
            base: "EUR".to_owned(),
            quote: "USD".to_owned(),
            date: day("2025-06-01"),
            numerator: 5,
            denominator: 4,
        }],
        policy: starter_policy().unwrap(),
    }
}

impl Case {
    fn of(class: RiskClass) -> Self {
        Self {
            class: Some(class),
            ..case()
        }
    }

    fn order(mut self, amount: i64, currency: &'static str) -> Self {
        self.order = (amount, currency);
        self
    }

    fn open(mut self, amount: i64, currency: &str) -> Self {
        self.features
            .open_by_currency
            .insert(currency.to_owned(), amount);
        self
    }

    fn turnover(mut self, amount: i64, currency: &str) -> Self {
        self.features
            .turnover_12m
            .insert(currency.to_owned(), amount);
        self
    }

    fn person(mut self) -> Self {
        self.debtor.kind = DebtorKind::Person;
        self
    }

    fn on_hold(mut self) -> Self {
        self.debtor.credit_hold = true;
        self
    }

    fn insolvent_since(mut self, date: &str) -> Self {
        self.debtor.insolvent_since = Some(day(date));
        self
    }

    fn deceased_since(mut self, date: &str) -> Self {
        self.debtor.deceased_since = Some(day(date));
        self
    }

    fn broke_a_plan(mut self) -> Self {
        self.features.broken_plans_12m = 1;
        self
    }

    fn over_limit(mut self, action: OverLimitAction) -> Self {
        self.policy
            .classes
            .values_mut()
            .for_each(|class| class.over_limit = action);
        self
    }

    fn without_person_review(mut self) -> Self {
        self.policy.person_review = false;
        self
    }

    fn decided(&self) -> Decision {
        decide(&CreditInput {
            debtor: &self.debtor,
            features: &self.features,
            class: self.class,
            order_amount: self.order.0,
            order_currency: self.order.1,
            reporting_currency: "EUR",
            rates: &self.rates,
            policy: &self.policy,
            date: day(TODAY),
        })
    }
}

#[test]
fn decisions_come_out_as_written_here() {
    use CreditOutcome::{Approve, ApproveWithTerms, Decline, Refer};
    let unscored = || Case {
        class: None,
        ..case()
    };
    #[rustfmt::skip]
    let table = [
        // The class decides the limit and the term: A 10,000.00, B 5,000.00, C 2,000.00.
        ("class A within the limit", Case::of(A).order(1_000_000, "EUR"), Approve, 30, "WITHIN_LIMIT"),
        ("class A one cent above", Case::of(A).order(1_000_001, "EUR"), ApproveWithTerms, 0, "LIMIT_EXCEEDED"),
        ("class B within the limit", Case::of(B).order(500_000, "EUR"), Approve, 30, "WITHIN_LIMIT"),
        ("class C within the limit", Case::of(C).order(200_000, "EUR"), Approve, 14, "WITHIN_LIMIT"),
        ("class D is left to a person", Case::of(D), Refer, 0, "CLASS"),
        ("class E is declined", Case::of(E), Decline, 0, "CLASS"),
        ("class X is not a score", Case::of(X), Refer, 0, "NO_SCORE"),
        ("no score at all", unscored(), Refer, 0, "NO_SCORE"),
        // Exposure eats the limit.
        ("just within beside what is open", case().open(100_000, "EUR"), Approve, 14, "WITHIN_LIMIT"),
        ("half of the order is free", case().open(150_000, "EUR"), ApproveWithTerms, 0, "LIMIT_EXCEEDED"),
        ("less than half is free", case().open(150_001, "EUR"), Refer, 0, "LIMIT_EXCEEDED"),
        ("nothing is free", case().open(900_000, "EUR"), Refer, 0, "LIMIT_EXCEEDED"),
        ("nothing is free, strict policy", case().open(900_000, "EUR").over_limit(OverLimitAction::Decline), Decline, 0, "LIMIT_EXCEEDED"),
        ("twice the limit exactly", case().order(400_000, "EUR"), ApproveWithTerms, 0, "LIMIT_EXCEEDED"),
        ("more than twice the limit", case().order(400_001, "EUR"), Refer, 0, "LIMIT_EXCEEDED"),
        // Turnover raises the limit: 12 % of 50,000.00 are 6,000.00.
        ("turnover carries the order", case().turnover(5_000_000, "EUR").order(600_000, "EUR"), Approve, 14, "WITHIN_LIMIT"),
        ("low turnover does not lower it", case().turnover(100, "EUR").order(200_000, "EUR"), Approve, 14, "WITHIN_LIMIT"),
        // 1.25 USD are 1 EUR.
        ("order in dollars at the limit", case().order(250_000, "USD"), Approve, 14, "WITHIN_LIMIT"),
        ("order in dollars above", case().order(250_010, "USD"), ApproveWithTerms, 0, "LIMIT_EXCEEDED"),
        ("open dollars count", case().open(187_500, "USD"), ApproveWithTerms, 0, "LIMIT_EXCEEDED"),
        ("turnover in dollars counts", case().turnover(6_250_000, "USD").order(600_000, "EUR"), Approve, 14, "WITHIN_LIMIT"),
        ("order without a rate", case().order(1, "CHF"), Refer, 0, "FX_RATE_MISSING"),
        ("open amount without a rate", case().open(1, "CHF"), Refer, 0, "FX_RATE_MISSING"),
        ("turnover without a rate", case().turnover(1, "CHF"), Refer, 0, "FX_RATE_MISSING"),
        ("class E does not need a rate", Case::of(E).order(1, "CHF"), Decline, 0, "CLASS"),
        // Hard rules come first.
        ("insolvent today", Case::of(A).insolvent_since(TODAY), Decline, 0, "INSOLVENT"),
        ("insolvent tomorrow", Case::of(A).insolvent_since("2025-07-01"), Approve, 30, "WITHIN_LIMIT"),
        ("credit hold", Case::of(A).on_hold(), Decline, 0, "CREDIT_HOLD"),
        ("credit hold without a rate", Case::of(A).on_hold().order(1, "CHF"), Decline, 0, "CREDIT_HOLD"),
        ("insolvent without a score", unscored().insolvent_since("2025-01-01"), Decline, 0, "INSOLVENT"),
        ("dead since today", Case::of(A).person().deceased_since(TODAY), Decline, 0, "DECEASED"),
        ("dead since tomorrow, by mistake", Case::of(A).person().deceased_since("2025-07-01"), Approve, 30, "WITHIN_LIMIT"),
        // A broken plan takes approvals back, and nothing else.
        ("broken plan within the limit", Case::of(A).broke_a_plan(), Refer, 0, "BROKEN_PLAN"),
        ("broken plan, half of the order free", case().open(150_000, "EUR").broke_a_plan(), Refer, 0, "BROKEN_PLAN"),
        ("broken plan of class D", Case::of(D).broke_a_plan(), Refer, 0, "BROKEN_PLAN"),
        ("broken plan of class E", Case::of(E).broke_a_plan(), Decline, 0, "CLASS"),
        ("broken plan without a rate", case().order(1, "CHF").broke_a_plan(), Refer, 0, "BROKEN_PLAN"),
        ("broken plan on hold", Case::of(A).broke_a_plan().on_hold(), Decline, 0, "CREDIT_HOLD"),
        ("broken plan, strict policy", case().open(900_000, "EUR").over_limit(OverLimitAction::Decline).broke_a_plan(), Decline, 0, "LIMIT_EXCEEDED"),
        // Persons are treated alike; what differs is who has the last word.
        ("person within the limit", case().person(), Approve, 14, "WITHIN_LIMIT"),
        ("person of class E", Case::of(E).person(), Decline, 0, "CLASS"),
        ("person on hold", case().person().on_hold(), Decline, 0, "CREDIT_HOLD"),
    ];
    for (name, case, outcome, term, code) in table {
        let decision = case.decided();
        let is_approved = matches!(outcome, Approve | ApproveWithTerms);
        let needs_review = outcome == Decline && case.debtor.kind == DebtorKind::Person;
        assert_eq!(decision.outcome, outcome, "{name}");
        assert_eq!(decision.payment_term_days, term, "{name}");
        assert_eq!(decision.reasons[0].code(), code, "{name}");
        assert_eq!(
            decision.valid_until,
            is_approved.then(|| day("2025-07-07")),
            "{name}"
        );
        assert_eq!(decision.human_review, needs_review, "{name}");
        assert_eq!(
            decision.reasons.contains(&DecisionReason::PersonReview),
            needs_review,
            "{name}"
        );
    }
}

#[test]
fn a_decision_states_the_amounts_it_compared() {
    let decision = case().open(150_000, "EUR").open(12_500, "USD").decided();
    assert_eq!(
        (decision.limit, decision.exposure, decision.free_limit),
        (Some(200_000), Some(160_000), Some(40_000))
    );
    let reason = DecisionReason::LimitExceeded {
        currency: "EUR".to_owned(),
        free_limit: 40_000,
        order: 100_000,
    };
    assert_eq!(decision.reasons, [reason]);
    assert_eq!(case().open(900_000, "EUR").decided().free_limit, Some(0));
}

#[test]
fn a_broken_plan_is_named_before_what_the_person_who_decides_should_know() {
    let codes = |case: Case| -> Vec<&str> {
        let decided = case.decided();
        decided.reasons.iter().map(DecisionReason::code).collect()
    };
    assert_eq!(
        codes(case().broke_a_plan()),
        ["BROKEN_PLAN", "WITHIN_LIMIT"]
    );
    assert_eq!(
        codes(Case::of(D).order(1, "SEK").broke_a_plan()),
        ["BROKEN_PLAN", "CLASS", "FX_RATE_MISSING"]
    );
    assert_eq!(case().broke_a_plan().decided().limit, Some(200_000));
}

#[test]
fn hard_rules_are_all_named_and_leave_no_limit() {
    let decision = Case::of(A)
        .insolvent_since("2025-01-02")
        .deceased_since("2025-03-04")
        .on_hold()
        .person()
        .open(5, "EUR")
        .decided();
    let since = day("2025-01-02");
    assert_eq!(
        decision.reasons,
        [
            DecisionReason::Insolvent { since },
            DecisionReason::Deceased {
                since: day("2025-03-04")
            },
            DecisionReason::CreditHold,
            DecisionReason::PersonReview
        ]
    );
    assert_eq!(
        (decision.limit, decision.exposure, decision.free_limit),
        (None, Some(5), None)
    );
}

#[test]
fn a_missing_rate_is_named_once_for_each_pair_beside_other_reasons_to_refer() {
    let missing = |from: &str| DecisionReason::FxRateMissing {
        from: from.to_owned(),
        to: "EUR".to_owned(),
    };
    let decision = case()
        .order(1, "SEK")
        .open(1, "CHF")
        .turnover(1, "CHF")
        .decided();
    assert_eq!(decision.reasons, [missing("CHF"), missing("SEK")]);
    assert_eq!(
        (decision.limit, decision.exposure, decision.free_limit),
        (None, None, None)
    );
    let referred = Case::of(D).order(1, "SEK").decided();
    assert_eq!(
        referred.reasons,
        [DecisionReason::Class { class: D }, missing("SEK")]
    );
}

#[test]
fn a_policy_may_trust_the_machine_with_persons() {
    let decision = Case::of(E).person().without_person_review().decided();
    assert!(!decision.human_review);
    assert_eq!(decision.reasons, [DecisionReason::Class { class: E }]);
}

#[test]
fn the_code_of_a_reason_is_the_one_it_is_stored_with() {
    let amounts = ("EUR".to_owned(), 1_i64, 2_i64);
    let (currency, free_limit, order) = amounts;
    let reasons = [
        DecisionReason::Insolvent { since: day(TODAY) },
        DecisionReason::Deceased { since: day(TODAY) },
        DecisionReason::CreditHold,
        DecisionReason::BrokenPlan,
        DecisionReason::Class { class: D },
        DecisionReason::LimitExceeded {
            currency: currency.clone(),
            free_limit,
            order,
        },
        DecisionReason::FxRateMissing {
            from: "USD".to_owned(),
            to: "EUR".to_owned(),
        },
        DecisionReason::NoScore,
        DecisionReason::WithinLimit {
            currency,
            free_limit,
            order,
        },
        DecisionReason::PersonReview,
    ];
    for reason in reasons {
        let stored = toml::Value::try_from(&reason).unwrap();
        assert_eq!(stored["code"].as_str(), Some(reason.code()));
        assert_eq!(stored.try_into::<DecisionReason>().unwrap(), reason);
    }
}

#[test]
fn a_policy_with_a_fault_is_refused() {
    let refused = |change: fn(&mut CreditPolicy)| {
        let mut policy = starter_policy().unwrap();
        change(&mut policy);
        policy.validate().unwrap_err()
    };
    let class_a = |policy: &mut CreditPolicy| policy.classes.remove(&A).unwrap();
    assert_eq!(
        refused(|policy| policy.revision = 0),
        CreditPolicyError::OutOfRange("revision")
    );
    assert_eq!(
        refused(|policy| policy.validity_days = 366),
        CreditPolicyError::OutOfRange("validity_days")
    );
    assert_eq!(
        refused(|policy| policy.classes.retain(|class, _| *class != C)),
        CreditPolicyError::Classes
    );
    let mut with_x = starter_policy().unwrap();
    let copied = class_a(&mut starter_policy().unwrap());
    with_x.classes.insert(X, copied);
    assert_eq!(with_x.validate(), Err(CreditPolicyError::Classes));
    for (change, field) in [
        (
            (|policy| {
                policy
                    .classes
                    .values_mut()
                    .for_each(|it| it.base_limit = -1)
            }) as fn(&mut CreditPolicy),
            "base_limit",
        ),
        (
            |policy| {
                policy
                    .classes
                    .values_mut()
                    .for_each(|it| it.turnover_permille = 10_001)
            },
            "turnover_permille",
        ),
        (
            |policy| {
                policy
                    .classes
                    .values_mut()
                    .for_each(|it| it.payment_term_days = -1)
            },
            "payment_term_days",
        ),
    ] {
        assert_eq!(refused(change), CreditPolicyError::OutOfRange(field));
    }
    assert!(matches!(
        CreditPolicy::from_toml("revision = 1"),
        Err(CreditPolicyError::Unreadable(_))
    ));
}

proptest! {
    #[test]
    fn more_order_or_more_exposure_never_gets_a_better_outcome(
        class in prop::sample::select(vec![A, B, C, D, E]),
        order in 1_i64..2_000_000, more_order in 0_i64..1_000_000,
        open in 0_i64..2_000_000, more_open in 0_i64..1_000_000, broken_plans in 0_i64..2,
    ) {
        let outcome = |order, open| {
            let mut case = Case::of(class).open(open, "EUR").order(order, "EUR");
            case.features.broken_plans_12m = broken_plans;
            case.decided().outcome
        };
        prop_assert!(outcome(order, open) <= outcome(order + more_order, open + more_open));
    }

    #[test]
    fn the_largest_amounts_overflow_nothing(
        order in prop::sample::select(vec![1, i64::MAX]), open in prop::sample::select(vec![1, i64::MAX]),
        turnover in prop::sample::select(vec![1, i64::MAX]),
    ) {
        let mut case = case().order(order, "EUR").open(open, "EUR").turnover(turnover, "EUR");
        case.policy.classes.values_mut().for_each(|it| it.turnover_permille = 10_000);
        case.features.open_by_currency = BTreeMap::from([("EUR".to_owned(), open), ("USD".to_owned(), open)]);
        prop_assert_eq!(case.policy.classes[&C].action, ClassAction::Approve);
        let decision = case.decided();
        prop_assert!(decision.free_limit <= decision.limit);
    }
}
