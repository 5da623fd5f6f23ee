use super::*;
use crate::account::ItemKey;
use crate::currency::Currency;
use proptest::prelude::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn euro(minor: i64) -> Money {
    Money::new(Currency::parse("EUR").unwrap(), minor)
}

fn deed<'a>(principal: &'a str, business_date: &str) -> Deed<'a> {
    Deed {
        principal,
        at: 7,
        business_date: date(business_date),
    }
}

fn asked_by(by: &Deed<'_>) -> Approval {
    let new = NewWriteOff {
        creditor_id: "acme".into(),
        invoice_id: "i1".into(),
        amount: None,
        reason: "insolvent".into(),
    };
    new.ask("a1".into(), "d1".into(), euro(500), by)
}

fn asked() -> Approval {
    asked_by(&deed("clerk", "2026-03-02"))
}

fn state_of(refused: Result<(), DomainError>) -> &'static str {
    match refused {
        Err(DomainError::WrongState { state, .. }) => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_asked_for_is_fixed_with_the_request() {
    let approval = asked();
    let posting = Posting::WriteOff {
        invoice_id: "i1".into(),
        amount: Some(euro(500)),
    };
    assert_eq!(approval.posting(), posting);
    assert_eq!(approval.state, ApprovalState::Pending);
    assert_eq!(approval.expire_date, date("2026-03-16"));
}

#[test]
fn another_grants_it_once() {
    let mut approval = asked();
    approval.grant(&deed("lead", "2026-03-16")).unwrap();
    assert_eq!(approval.state, ApprovalState::Granted);
    assert_eq!(
        (
            approval.decided_by.as_str(),
            approval.decided_at,
            approval.version
        ),
        ("lead", Some(7), 2)
    );
    let decided = approval.clone();
    let third = deed("third", "2026-03-16");
    assert_eq!(state_of(approval.grant(&third)), "granted");
    assert_eq!(state_of(approval.refuse(&third, String::new())), "granted");
    assert_eq!(approval, decided);
}

#[test]
fn whoever_asked_does_not_grant_but_may_take_it_back() {
    let mut approval = asked();
    let own = deed("clerk", "2026-03-02");
    assert!(matches!(
        approval.grant(&own),
        Err(DomainError::FourEyesRequired { method: "GrantApproval", principal, .. }) if principal == "clerk"
    ));
    assert_eq!(approval, asked(), "nothing has changed");
    approval.refuse(&own, "a mistake".into()).unwrap();
    assert_eq!(approval.state, ApprovalState::Refused);
    assert_eq!(
        (approval.decided_by.as_str(), approval.note.as_str()),
        ("clerk", "a mistake")
    );
}

#[test]
fn it_expires_by_itself() {
    let mut approval = asked();
    let late = deed("lead", "2026-03-17");
    assert_eq!(
        approval.state_on(late.business_date),
        ApprovalState::Expired
    );
    assert_eq!(state_of(approval.grant(&late)), "expired");
    assert_eq!(state_of(approval.refuse(&late, String::new())), "expired");
    assert_eq!(approval, asked());
    approval.expire();
    assert_eq!(
        (approval.state, approval.version),
        (ApprovalState::Expired, 2)
    );
    // However the dates go on.
    assert_eq!(
        approval.state_on(date("2026-03-02")),
        ApprovalState::Expired
    );
}

#[test]
fn the_last_date_there_is_is_not_passed() {
    let by = Deed {
        business_date: date::MAX,
        ..deed("clerk", "2026-03-02")
    };
    assert_eq!(asked_by(&by).expire_date, date::MAX);
}

#[test]
fn every_wrong_field_is_named() {
    let wrong = NewWriteOff {
        creditor_id: String::new(),
        invoice_id: "a b".into(),
        amount: Some(euro(0)),
        reason: String::new(),
    };
    let fields: Vec<String> = wrong.validate().into_iter().map(|it| it.field).collect();
    assert_eq!(
        fields,
        ["creditor_id", "invoice_id", "amount.minor_units", "reason"]
    );
}

#[test]
fn in_another_currency_it_takes_two() {
    let francs = Money::new(Currency::parse("CHF").unwrap(), 1);
    assert!(needs_two(Some(euro(1_000_000)), francs));
    assert!(!needs_two(None, francs));
}

fn entry(kind: EntryKind, amount: i64) -> Entry {
    Entry {
        entry_id: "e".into(),
        debtor_id: "d".into(),
        kind,
        amount,
        debit: Some(ItemKey::invoice("i1")),
        credit: None,
        value_date: date("2026-03-02"),
        recorded_date: date("2026-03-02"),
        reverses: None,
        number: 1,
    }
}

#[test]
fn write_offs_that_were_undone_do_not_count() {
    let entries = [
        entry(EntryKind::WriteOff, 300),
        entry(EntryKind::Allocation, 50),
        entry(EntryKind::WriteOff, -300),
        entry(EntryKind::WriteOff, 20),
        entry(EntryKind::Discount, 5),
    ];
    assert_eq!(written_off(&entries), 20);
    assert_eq!(written_off(&[]), 0);
}

proptest! {
    /// However a write-off is cut into pieces, one alone does not get above the limit.
    #[test]
    fn pieces_are_counted_together(limit in 0_i64..1_000, pieces in prop::collection::vec(1_i64..400, 1..12)) {
        let mut entries = Vec::new();
        for piece in pieces {
            entries.push(entry(EntryKind::WriteOff, piece));
            if needs_two(Some(euro(limit)), euro(written_off(&entries))) {
                entries.pop();
            }
        }
        prop_assert!(written_off(&entries) <= limit);
    }

    /// Whatever is tried in whatever order: it is granted by another only, in time only, and decided once.
    #[test]
    fn only_another_grants_in_time(tries in prop::collection::vec((0_u8..3, 0_u64..20, any::<bool>()), 1..10)) {
        let mut approval = asked();
        for (who, day, grants) in tries {
            let before = approval.clone();
            let deed = Deed {
                principal: ["clerk", "lead", "third"][usize::from(who)],
                at: 8,
                business_date: before.requested_date + Days::new(day),
            };
            let done = if grants { approval.grant(&deed) } else { approval.refuse(&deed, String::new()) };
            let may = before.state == ApprovalState::Pending && day <= VALID_DAYS && !(grants && who == 0);
            prop_assert_eq!(done.is_ok(), may);
            if done.is_err() {
                prop_assert_eq!(&approval, &before);
            }
        }
        prop_assert!(approval.state != ApprovalState::Granted || approval.decided_by != approval.requested_by);
    }
}
