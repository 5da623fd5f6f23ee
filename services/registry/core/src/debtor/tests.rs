use super::*;

fn debtor() -> Debtor {
    Debtor {
        creditor_id: "acme".into(),
        debtor_id: "D-1".into(),
        kind: DebtorKind::Organisation,
        relationship: Relationship::Customer,
        display_name: "Secret Name GmbH".into(),
        language: "de".into(),
        country: "DE".into(),
        preferred_channel: Some(Channel::Email),
        billing_method: BillingMethod::EInvoice,
        sector: "47.91".into(),
        customer_since: None,
        credit_hold: false,
        credit_hold_reason: String::new(),
        insolvent_since: None,
        deceased_since: None,
        version: 1,
    }
}

fn contact_point() -> ContactPoint {
    ContactPoint {
        creditor_id: "acme".into(),
        debtor_id: "D-1".into(),
        contact_point_id: "mail".into(),
        channel: Channel::Email,
        address: "secret@example.org".into(),
        state: ContactState::Unverified,
        version: 1,
    }
}

fn fields(violations: Vec<Violation>) -> Vec<String> {
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[test]
fn valid_records_have_no_violations() {
    assert_eq!(debtor().validate(), []);
    assert_eq!(contact_point().validate(), []);
    assert_eq!(
        Debtor {
            country: String::new(),
            sector: String::new(),
            ..debtor()
        }
        .validate(),
        []
    );
}

#[test]
fn every_wrong_field_of_a_debtor_is_named() {
    let wrong = Debtor {
        creditor_id: String::new(),
        debtor_id: "a b".into(),
        display_name: "x".repeat(201),
        language: "DE".into(),
        country: "391".into(),
        sector: "retail".into(),
        customer_since: Some(NaiveDate::MIN),
        ..debtor()
    };
    let expected = [
        "creditor_id",
        "debtor_id",
        "display_name",
        "language",
        "country",
        "sector",
        "customer_since",
    ];
    assert_eq!(
        fields(wrong.validate()),
        expected.map(|field| format!("debtor.{field}"))
    );
}

#[test]
fn a_person_has_no_sector() {
    let person = Debtor {
        kind: DebtorKind::Person,
        ..debtor()
    };
    assert_eq!(fields(person.validate()), ["debtor.sector"]);
}

#[test]
fn an_update_changes_exactly_the_named_fields() {
    let new = Debtor {
        relationship: Relationship::Prospect,
        display_name: "Other".into(),
        language: "nl".into(),
        country: "NL".into(),
        preferred_channel: None,
        billing_method: BillingMethod::Paper,
        sector: "F".into(),
        customer_since: NaiveDate::from_ymd_opt(2020, 1, 1),
        version: 77,
        ..debtor()
    };
    let mut all = debtor();
    all.apply_update(&new, &Debtor::UPDATABLE.map(str::to_owned))
        .unwrap();
    assert_eq!(
        all,
        Debtor {
            version: 1,
            ..new.clone()
        }
    );
    let mut one = debtor();
    one.apply_update(&new, &["language".into()]).unwrap();
    assert_eq!(
        one,
        Debtor {
            language: "nl".into(),
            ..debtor()
        }
    );
}

#[test]
fn an_update_to_a_wrong_value_or_of_an_unknown_field_changes_nothing() {
    let mut stored = debtor();
    let new = Debtor {
        country: "XX".into(),
        language: "nl".into(),
        ..debtor()
    };
    let violations = stored
        .apply_update(&new, &["language".into(), "country".into()])
        .unwrap_err();
    assert_eq!(fields(violations), ["debtor.country"]);
    let violations = stored
        .apply_update(
            &new,
            &["language".into(), "kind".into(), "credit_hold".into()],
        )
        .unwrap_err();
    assert_eq!(fields(violations), ["update_mask[1]", "update_mask[2]"]);
    assert_eq!(stored, debtor());
}

#[test]
fn a_credit_hold_needs_a_reason_and_lifting_it_drops_the_reason() {
    let mut stored = debtor();
    assert_eq!(
        fields(stored.set_credit_hold(true, "").unwrap_err()),
        ["reason"]
    );
    assert_eq!(
        fields(stored.set_credit_hold(true, &"x".repeat(501)).unwrap_err()),
        ["reason"]
    );
    stored.set_credit_hold(true, "limit exceeded").unwrap();
    assert!(stored.credit_hold);
    stored.set_credit_hold(false, "ignored").unwrap();
    assert_eq!(stored, debtor());
}

#[test]
fn an_insolvency_date_must_be_in_range() {
    let mut stored = debtor();
    assert_eq!(
        fields(stored.set_insolvency(Some(NaiveDate::MAX)).unwrap_err()),
        ["insolvent_since"]
    );
    let date = NaiveDate::from_ymd_opt(2026, 2, 3);
    stored.set_insolvency(date).unwrap();
    assert_eq!(stored.insolvent_since, date);
    stored.set_insolvency(None).unwrap();
    assert_eq!(stored, debtor());
}

#[test]
fn contact_points_update_address_and_state_only() {
    let new = ContactPoint {
        address: "Street 1\nTown".into(),
        state: ContactState::Bounced,
        ..contact_point()
    };
    let mut stored = contact_point();
    stored
        .apply_update(&new, &["address".into(), "state".into()])
        .unwrap();
    assert_eq!(stored, new);
    assert_eq!(
        fields(stored.apply_update(&new, &["channel".into()]).unwrap_err()),
        ["update_mask[0]"]
    );
    let empty = ContactPoint {
        address: String::new(),
        ..contact_point()
    };
    assert_eq!(
        fields(
            stored
                .apply_update(&empty, &["address".into()])
                .unwrap_err()
        ),
        ["contact_point.address"]
    );
}

#[test]
fn debug_output_shows_neither_names_nor_addresses() {
    let held = Debtor {
        credit_hold: true,
        credit_hold_reason: "Secret story".into(),
        ..debtor()
    };
    assert!(!format!("{held:?}").contains("Secret"));
    assert!(!format!("{:?}", contact_point()).contains("secret"));
}
