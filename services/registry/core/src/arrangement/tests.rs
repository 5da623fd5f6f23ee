use super::*;
use crate::account::{Item, ItemKey};
use crate::calendar::Calendar;
use crate::currency::Currency;
use crate::money::Money;
use chrono::{Days, NaiveDate};

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A Monday.
fn today() -> NaiveDate {
    date("2026-03-02")
}

fn eur(minor: i64) -> Money {
    Money::new(Currency::parse("EUR").unwrap(), minor)
}

fn invoice(id: &str, open: i64) -> Item {
    Item {
        debtor_id: "4711".into(),
        key: ItemKey::invoice(id),
        currency: Currency::parse("EUR").unwrap(),
        amount: 10_000,
        open,
        document_date: date("2026-01-15"),
        due_date: Some(date("2026-02-14")),
        value_date: date("2026-01-15"),
        discount_date: None,
        discount_bps: 0,
        reference: String::new(),
        recorded_date: date("2026-01-15"),
        reversed: false,
        version: 1,
    }
}

fn new(invoice_ids: &[&str], terms: Terms, tolerance_days: i32) -> NewArrangement {
    NewArrangement {
        creditor_id: "acme".into(),
        debtor_id: "4711".into(),
        id: "P-1".into(),
        invoice_ids: invoice_ids.iter().map(|id| (*id).to_owned()).collect(),
        terms,
        tolerance_days,
    }
}

fn promise(amount: Option<Money>, day: &str) -> Terms {
    Terms::Promise {
        amount,
        promised_date: date(day),
    }
}

fn plan(instalments: &[(&str, i64)]) -> Terms {
    let planned = |(day, minor): &(&str, i64)| PlannedInstalment {
        due_date: date(day),
        amount: eur(*minor),
    };
    Terms::Plan(instalments.iter().map(planned).collect())
}

fn agree(new: NewArrangement, items: &[Item]) -> Result<Arrangement, DomainError> {
    assert_eq!(new.validate(), []);
    new.agree(Calendar::De, today(), items)
}

fn covered(arrangement: &Arrangement) -> Vec<i64> {
    arrangement
        .invoices
        .iter()
        .map(|each| each.covered)
        .collect()
}

/// What is open, by invoice id.
fn open<'a>(opens: &'a [(&'a str, i64)]) -> impl Fn(&str) -> i64 + 'a {
    |wanted| {
        let found = opens.iter().find(|(id, _)| *id == wanted);
        found.map_or(0, |(_, open)| *open)
    }
}

#[test]
fn a_promise_without_amount_is_about_all_that_is_open() {
    let items = [invoice("1", 700), invoice("2", 300)];
    let all = agree(new(&["1", "2"], promise(None, "2026-03-10"), 0), &items).unwrap();
    assert_eq!((all.amount(), covered(&all)), (1_000, vec![700, 300]));
    let part = promise(Some(eur(800)), "2026-03-10");
    let part = agree(new(&["2", "1"], part, 0), &items).unwrap();
    assert_eq!(
        (part.amount(), covered(&part)),
        (800, vec![300, 500]),
        "in the order of the request"
    );
}

#[test]
fn money_fills_invoices_in_order_and_the_last_cent_keeps_the_promise() {
    let items = [invoice("1", 700), invoice("2", 300)];
    let mut promise = agree(new(&["1", "2"], promise(None, "2026-03-10"), 0), &items).unwrap();
    assert_eq!(
        promise.count(open(&[("1", 700), ("2", 300)]), today()),
        None
    );
    assert_eq!(promise.version, 1);
    let action = promise.count(open(&[("1", 100), ("2", 300)]), today());
    assert_eq!(
        (action, promise.paid, promise.version),
        (Some("counted"), 600, 2)
    );
    assert_eq!(covered(&promise), [100, 300]);
    let day = date("2026-03-10");
    assert_eq!(promise.count(open(&[]), day), Some("kept"));
    assert_eq!((promise.paid, promise.closed_date), (1_000, Some(day)));
    assert_eq!(covered(&promise), [0, 0]);
    // What is kept stays kept, whatever is reversed later.
    assert_eq!(promise.count(open(&[("1", 700)]), day), None);
    assert_eq!(
        (promise.state, promise.paid),
        (ArrangementState::Kept, 1_000)
    );
}

#[test]
fn a_return_takes_back_what_had_come() {
    let mut promise = agree(
        new(&["1"], promise(None, "2026-03-10"), 0),
        &[invoice("1", 700)],
    )
    .unwrap();
    promise.count(open(&[("1", 200)]), today());
    assert_eq!((promise.paid, covered(&promise)), (500, vec![200]));
    // More is open than ever was: the reversal of an older payment is nobody's payment.
    promise.count(open(&[("1", 900)]), today());
    assert_eq!((promise.paid, covered(&promise)), (0, vec![700]));
}

#[test]
fn the_day_after_the_last_day_decides() {
    let items = [invoice("1", 700)];
    let verdict = |paid: i64, day: &str| {
        let mut promise = agree(new(&["1"], promise(None, "2026-03-10"), 2), &items).unwrap();
        promise.count(open(&[("1", 700 - paid)]), today());
        promise.pass(date(day));
        promise.state
    };
    assert_eq!(
        verdict(0, "2026-03-12"),
        ArrangementState::Open,
        "tolerance"
    );
    assert_eq!(verdict(0, "2026-03-13"), ArrangementState::Broken);
    assert_eq!(verdict(1, "2026-03-13"), ArrangementState::PartlyKept);
    assert_eq!(verdict(700, "2026-03-13"), ArrangementState::Kept);
}

#[test]
fn money_that_comes_after_the_last_day_does_not_mend_a_promise() {
    let mut promise = agree(
        new(&["1"], promise(None, "2026-03-10"), 0),
        &[invoice("1", 700)],
    )
    .unwrap();
    assert_eq!(promise.count(open(&[]), date("2026-03-11")), Some("broken"));
    assert_eq!((promise.paid, promise.version), (0, 2));
}

#[test]
fn a_last_day_that_is_no_business_day_moves_on() {
    let last_day = |day: &str, tolerance| {
        let agreed = agree(
            new(&["1"], promise(None, day), tolerance),
            &[invoice("1", 700)],
        );
        agreed.unwrap().next_due().unwrap().to_string()
    };
    assert_eq!(last_day("2026-03-06", 0), "2026-03-06", "a Friday");
    assert_eq!(last_day("2026-03-07", 0), "2026-03-09");
    assert_eq!(last_day("2026-03-06", 1), "2026-03-09");
    assert_eq!(last_day("2026-04-02", 1), "2026-04-07", "over Easter");
}

#[test]
fn a_plan_breaks_with_its_first_late_instalment() {
    let terms = || {
        plan(&[
            ("2026-03-10", 300),
            ("2026-04-10", 300),
            ("2026-05-11", 100),
        ])
    };
    let items = [invoice("1", 700)];
    let mut plan = agree(new(&["1"], terms(), 3), &items).unwrap();
    assert_eq!(plan.next_due(), Some(date("2026-03-13")));
    assert_eq!(plan.pass(date("2026-03-13")), None);
    plan.count(open(&[("1", 400)]), date("2026-03-13"));
    assert_eq!(plan.next_due(), Some(date("2026-04-13")));
    // More than an instalment counts for the next one.
    plan.count(open(&[("1", 100)]), date("2026-03-16"));
    assert_eq!(plan.next_due(), Some(date("2026-05-15")), "after Ascension");
    // A return makes an instalment late that was paid.
    let action = plan.count(open(&[("1", 400)]), date("2026-04-14"));
    assert_eq!(action, Some("broken"));
    assert_eq!((plan.state, plan.paid), (ArrangementState::Broken, 300));
    assert_eq!(plan.next_due(), None);
}

#[test]
fn a_cancelled_arrangement_has_no_verdict_and_a_closed_one_is_not_cancelled() {
    let items = [invoice("1", 700)];
    let promise = || agree(new(&["1"], promise(None, "2026-03-10"), 0), &items).unwrap();
    let mut cancelled = promise();
    cancelled.cancel(date("2026-03-10")).unwrap();
    assert_eq!(
        (cancelled.state, cancelled.version, covered(&cancelled)),
        (ArrangementState::Cancelled, 2, vec![0])
    );
    assert_eq!(cancelled.pass(date("2026-03-11")), None);
    let refused = |mut promise: Arrangement, day: &str| match promise.cancel(date(day)) {
        Err(DomainError::WrongState { kind, state, .. }) => (kind, state),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(cancelled, "2026-03-10"), ("promise", "cancelled"));
    assert_eq!(refused(promise(), "2026-03-11"), ("promise", "broken"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let items = [invoice("1", 700), invoice("2", 300), invoice("3", 0)];
    let refused = |ids: &[&str], terms| agree(new(ids, terms, 0), &items).unwrap_err();
    let day = "2026-03-10";
    assert_eq!(
        refused(&["1", "9"], promise(None, day)),
        DomainError::NotFound {
            kind: "invoice",
            id: "9".into()
        }
    );
    assert_eq!(
        refused(&["3"], promise(None, day)),
        DomainError::WrongState {
            kind: "invoice",
            id: "3".into(),
            state: "settled"
        }
    );
    let francs = Money::new(Currency::parse("CHF").unwrap(), 1);
    assert_eq!(
        refused(&["1"], promise(Some(francs), day)),
        DomainError::ItemsDoNotMatch {
            item: ItemKey::invoice("1"),
            difference: "currency"
        }
    );
    assert_eq!(
        refused(&["1", "2"], promise(Some(eur(1_001)), day)),
        DomainError::ExceedsOpenAmount {
            item: ItemKey::invoice("2"),
            open: 300,
            wanted: 301
        }
    );
    let other = NewArrangement {
        debtor_id: "4712".into(),
        ..new(&["1"], promise(None, day), 0)
    };
    assert_eq!(
        agree(other, &items),
        Err(DomainError::ItemsDoNotMatch {
            item: ItemKey::invoice("1"),
            difference: "debtor"
        })
    );
    assert!(matches!(
        refused(&["1"], plan(&[(day, 701)])),
        DomainError::ExceedsOpenAmount { wanted: 701, .. }
    ));
    assert_eq!(
        fields(refused(&["1"], plan(&[(day, 699)]))),
        ["instalment_plan.instalments"]
    );
}

fn fields(error: DomainError) -> Vec<String> {
    match error {
        DomainError::Invalid(violations) => violations.into_iter().map(|each| each.field).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn dates_are_neither_over_nor_too_far_ahead() {
    let items = [invoice("1", 700)];
    let last = today() + Days::new(365);
    let last_of_plan = date("2036-03-02");
    for (terms, expected) in [
        (promise(None, "2026-03-02"), &[][..]),
        (promise(None, &last.to_string()), &[]),
        (promise(None, "2026-03-01"), &["promise.promised_date"]),
        (promise(None, "2027-03-03"), &["promise.promised_date"]),
        (plan(&[(&last_of_plan.to_string(), 700)]), &[]),
        (
            plan(&[("2026-02-27", 300), ("2036-03-03", 400)]),
            &[
                "instalment_plan.instalments[0].due_date",
                "instalment_plan.instalments[1].due_date",
            ],
        ),
    ] {
        let found = agree(new(&["1"], terms.clone(), 0), &items).map_or_else(fields, |_| vec![]);
        assert_eq!(found, expected, "{terms:?}");
    }
}

#[test]
fn every_wrong_field_is_named() {
    let wrong = NewArrangement {
        creditor_id: "a b".into(),
        debtor_id: String::new(),
        id: "ä".into(),
        ..new(&["1", "", "1"], promise(Some(eur(0)), "2026-03-10"), 31)
    };
    let found: Vec<String> = wrong
        .validate()
        .into_iter()
        .map(|each| each.field)
        .collect();
    assert_eq!(
        found,
        [
            "creditor_id",
            "debtor_id",
            "promise_id",
            "invoice_ids[1]",
            "invoice_ids[2]",
            "amount.minor_units",
            "tolerance_days"
        ]
        .map(|field| format!("promise.{field}"))
    );
    let francs = PlannedInstalment {
        due_date: date("2026-03-10"),
        amount: Money::new(Currency::parse("CHF").unwrap(), 0),
    };
    let euros = PlannedInstalment {
        amount: eur(1),
        ..francs
    };
    let wrong = new(&[], Terms::Plan(vec![euros, francs]), -1);
    let found: Vec<String> = wrong
        .validate()
        .into_iter()
        .map(|each| each.field)
        .collect();
    assert_eq!(
        found,
        [
            "invoice_ids",
            "instalments[1].amount.minor_units",
            "instalments[1].due_date",
            "instalments[1].amount.currency_code",
            "grace_days"
        ]
        .map(|field| format!("instalment_plan.{field}"))
    );
    for count in [0, 61] {
        let many = vec![one_euro_cent(); count];
        let found = new(&["1"], Terms::Plan(many), 0).validate();
        assert_eq!(found[0].field, "instalment_plan.instalments");
    }
}

fn one_euro_cent() -> PlannedInstalment {
    PlannedInstalment {
        due_date: date("2026-03-10"),
        amount: eur(1),
    }
}

fn claim(amount: Option<Money>) -> Claim {
    Claim {
        creditor_id: "acme".into(),
        dispute_id: "D-1".into(),
        invoice_id: "1".into(),
        amount,
        reason: DisputeReason::Quality,
        owner: String::new(),
        note: "the paint comes off".into(),
    }
}

#[test]
fn a_dispute_is_about_what_is_open_and_closes_once() {
    let item = invoice("1", 700);
    let mut dispute = claim(Some(eur(700))).open(today(), Some(&item)).unwrap();
    assert_eq!(
        (dispute.state, dispute.debtor_id.as_str()),
        (DisputeState::Open, "4711")
    );
    assert!(matches!(
        claim(Some(eur(701))).open(today(), Some(&item)),
        Err(DomainError::ExceedsOpenAmount {
            open: 700,
            wanted: 701,
            ..
        })
    ));
    assert!(matches!(
        claim(None).open(today(), None),
        Err(DomainError::NotFound { .. })
    ));
    let reversed = Item {
        reversed: true,
        ..invoice("1", 0)
    };
    assert!(matches!(
        claim(None).open(today(), Some(&reversed)),
        Err(DomainError::WrongState {
            state: "reversed",
            ..
        })
    ));
    assert!(dispute.close(DisputeState::Open, today()).is_err());
    dispute.close(DisputeState::Rejected, today()).unwrap();
    assert_eq!((dispute.closed_date, dispute.version), (Some(today()), 2));
    assert!(matches!(
        dispute.close(DisputeState::Upheld, today()),
        Err(DomainError::WrongState {
            state: "rejected",
            ..
        })
    ));
}

#[test]
fn every_wrong_field_of_a_dispute_is_named_and_its_note_is_not_in_debug_output() {
    let wrong = Claim {
        creditor_id: String::new(),
        dispute_id: "a b".into(),
        invoice_id: "a/b".into(),
        amount: Some(eur(0)),
        owner: "a b".into(),
        note: "x".repeat(501),
        ..claim(None)
    };
    let found: Vec<String> = wrong
        .validate()
        .into_iter()
        .map(|each| each.field)
        .collect();
    assert_eq!(
        found,
        [
            "creditor_id",
            "dispute_id",
            "invoice_id",
            "amount.minor_units",
            "owner",
            "note"
        ]
        .map(|field| format!("dispute.{field}"))
    );
    assert!(!format!("{:?}", claim(None)).contains("paint"));
}
