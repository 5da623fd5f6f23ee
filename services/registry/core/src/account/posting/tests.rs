use super::*;
use crate::currency::Currency;

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 1).unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(Currency::parse("EUR").unwrap(), minor)
}

fn invoice() -> NewInvoice {
    NewInvoice {
        debtor_id: "D1".into(),
        item_id: "R1".into(),
        amount: eur(0),
        document_date: day(),
        due_date: day(),
        discount_date: None,
        discount_bps: 0,
        reference: "order 7".into(),
    }
}

fn part(invoice_id: &str) -> Allocation {
    Allocation {
        invoice_id: invoice_id.into(),
        amount: eur(1),
        discount: None,
    }
}

fn credit(allocations: Vec<Allocation>) -> NewCredit {
    NewCredit {
        debtor_id: "D1".into(),
        item_id: "P1".into(),
        amount: eur(1),
        document_date: day(),
        value_date: day(),
        reference: String::new(),
        allocations,
    }
}

fn fields(posting: &Posting) -> Vec<String> {
    posting
        .validate()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[test]
fn every_wrong_field_of_an_invoice_is_named() {
    let wrong = NewInvoice {
        debtor_id: String::new(),
        item_id: "a/b".into(),
        amount: eur(crate::money::MAX_AMOUNT + 1),
        document_date: NaiveDate::MIN,
        due_date: NaiveDate::MAX,
        discount_date: Some(NaiveDate::MAX),
        discount_bps: 10_001,
        reference: "x".repeat(141),
    };
    let expected = [
        "debtor_id",
        "item_id",
        "amount.minor_units",
        "document_date",
        "due_date",
        "discount_date",
        "discount_bps",
        "reference",
    ];
    assert_eq!(
        fields(&Posting::Invoice(wrong)),
        expected.map(|field| format!("invoice.{field}"))
    );
    assert_eq!(fields(&Posting::Invoice(invoice())), [""; 0]);
}

#[test]
fn a_discount_needs_both_a_date_and_a_rate() {
    let only_rate = NewInvoice {
        discount_bps: 200,
        ..invoice()
    };
    let only_date = NewInvoice {
        discount_date: Some(day()),
        ..invoice()
    };
    let both = NewInvoice {
        discount_bps: 200,
        ..only_date.clone()
    };
    assert_eq!(
        fields(&Posting::Invoice(only_rate)),
        ["invoice.discount_bps"]
    );
    assert_eq!(
        fields(&Posting::Invoice(only_date)),
        ["invoice.discount_bps"]
    );
    assert_eq!(fields(&Posting::Invoice(both)), [""; 0]);
}

#[test]
fn payments_and_credit_notes_are_greater_than_zero() {
    let nothing = NewCredit {
        amount: eur(0),
        ..credit(vec![])
    };
    assert_eq!(
        fields(&Posting::Payment(nothing.clone())),
        ["payment.amount.minor_units"]
    );
    assert_eq!(
        fields(&Posting::CreditNote(nothing)),
        ["credit_note.amount.minor_units"]
    );
}

#[test]
fn every_wrong_allocation_is_named_by_its_position() {
    let allocations = vec![
        part("R1"),
        Allocation {
            amount: eur(0),
            ..part("R1")
        },
        Allocation {
            discount: Some(eur(-1)),
            ..part("a b")
        },
    ];
    let expected = [
        "allocations[1].invoice_id",
        "allocations[1].amount.minor_units",
        "allocations[2].invoice_id",
        "allocations[2].discount.minor_units",
    ];
    assert_eq!(fields(&Posting::Payment(credit(allocations))), expected);
}

#[test]
fn credit_notes_grant_no_discount() {
    let discounted = Allocation {
        discount: Some(eur(1)),
        ..part("R1")
    };
    assert_eq!(
        fields(&Posting::CreditNote(credit(vec![discounted.clone()]))),
        ["allocations[0].discount"]
    );
    let credit = ItemKey::new(ItemKind::CreditNote, "C1");
    assert_eq!(
        fields(&Posting::Allocate {
            credit,
            allocations: vec![discounted]
        }),
        ["allocations[0].discount"]
    );
}

#[test]
fn an_allocation_call_names_a_credit_and_1_to_500_invoices() {
    let credit = ItemKey::new(ItemKind::Payment, "P1");
    let allocate = |credit: &ItemKey, count: usize| {
        let allocations = (0..count)
            .map(|number| part(&format!("R{number}")))
            .collect();
        fields(&Posting::Allocate {
            credit: credit.clone(),
            allocations,
        })
    };
    assert_eq!(allocate(&credit, 500), [""; 0]);
    assert_eq!(allocate(&credit, 501), ["allocations"]);
    assert_eq!(allocate(&credit, 0), ["allocations"]);
    assert_eq!(allocate(&ItemKey::invoice("R1"), 1), ["credit_kind"]);
}

#[test]
fn the_form_of_reversals_and_write_offs_is_checked() {
    let value_date = Some(NaiveDate::MAX);
    let (invoice_id, entry_id) = (String::new(), "x y".to_owned());
    assert_eq!(
        fields(&Posting::ReverseItem {
            key: ItemKey::invoice(""),
            value_date
        }),
        ["item_id", "value_date"]
    );
    assert_eq!(
        fields(&Posting::ReverseEntry {
            invoice_id: invoice_id.clone(),
            entry_id,
            value_date
        }),
        ["invoice_id", "entry_id", "value_date"]
    );
    assert_eq!(
        fields(&Posting::WriteOff {
            invoice_id,
            amount: Some(eur(0))
        }),
        ["invoice_id", "amount.minor_units"]
    );
}

#[test]
fn references_are_the_own_key_and_all_invoices_named() {
    let payment = Posting::Payment(credit(vec![part("R1"), part("R2")]));
    let expected = [
        ItemKey::new(ItemKind::Payment, "P1"),
        ItemKey::invoice("R1"),
        ItemKey::invoice("R2"),
    ];
    assert_eq!(payment.references(), expected);
    assert_eq!(
        Posting::Invoice(invoice()).references(),
        [ItemKey::invoice("R1")]
    );
}

#[test]
fn reversals_of_credits_and_entries_need_the_other_side() {
    let reverse = |kind| Posting::ReverseItem {
        key: ItemKey::new(kind, "1"),
        value_date: None,
    };
    assert!(reverse(ItemKind::Payment).needs_counterparts());
    assert!(reverse(ItemKind::CreditNote).needs_counterparts());
    assert!(!reverse(ItemKind::Invoice).needs_counterparts());
    let entry = Posting::ReverseEntry {
        invoice_id: "R1".into(),
        entry_id: "e".into(),
        value_date: None,
    };
    assert!(entry.needs_counterparts());
    assert!(!Posting::Payment(credit(vec![part("R1")])).needs_counterparts());
}
