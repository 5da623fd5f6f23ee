//! Contacts, reports about messages, the deceased mark and bank imports.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        Channel as ContactChannel, Contact, ContactOutcome, ContactPurpose, ContactState,
        CreateContactPointRequest, DebtorKind, DeleteContactPointRequest, GetDebtorRequest,
        ListContactsRequest, OpenBusinessDayRequest, RecordBankImportRequest, RecordContactRequest,
        ReportContactOutcomeRequest, SetDeceasedRequest, UpdateContactPointRequest,
        creditor_service_client::CreditorServiceClient, debtor_service_client::DebtorServiceClient,
    },
};
use tonic::{Code, Status, transport::Channel};

use super::{
    Outcome, assert_refused, assert_violates, contact_point::sample_contact_point, create_debtor,
    date, open_creditor, sample_debtor,
};

type Client = DebtorServiceClient<Channel>;

/// Everything below, one after the other.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn suite(channel: Channel) -> Outcome {
    contacts_are_recorded_once_and_listed_newest_first(channel.clone()).await?;
    a_report_moves_the_state_of_the_address_it_is_about(channel.clone()).await?;
    only_persons_die(channel.clone()).await?;
    bank_imports_only_move_forward(channel).await
}

/// A contact as a caller would record it: a call about an open item.
#[must_use]
pub fn sample_contact(creditor_id: &str, debtor_id: &str, id: &str) -> Contact {
    Contact {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        contact_id: id.to_owned(),
        channel: ContactChannel::Phone.into(),
        purpose: ContactPurpose::Reminder.into(),
        contact_date: None,
        text: "asked for a copy".to_owned(),
        reference: "R-1".to_owned(),
        version: 0,
    }
}

fn record(request_id: &str, contact: Contact) -> RecordContactRequest {
    RecordContactRequest {
        request_id: request_id.to_owned(),
        contact: Some(contact),
    }
}

async fn listed(
    client: &mut Client,
    creditor_id: &str,
    page_size: i32,
) -> Result<Vec<String>, Status> {
    let mut request = ListContactsRequest {
        creditor_id: creditor_id.to_owned(),
        debtor_id: "d".to_owned(),
        page_size,
        ..ListContactsRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let page = client.list_contacts(request.clone()).await?.into_inner();
        found.extend(page.contacts.into_iter().map(|each| each.contact_id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(found);
        }
    }
}

/// A contact has a natural key that outlives every request id; notes have no channel.
///
/// # Errors
/// Those of the service.
pub async fn contacts_are_recorded_once_and_listed_newest_first(channel: Channel) -> Outcome {
    let creditor = "contacts";
    open_creditor(&channel, creditor, date(2026, 3, 10)).await?;
    create_debtor(&channel, sample_debtor(creditor, "d")).await?;
    let mut client = DebtorServiceClient::new(channel.clone());
    let first = sample_contact(creditor, "d", "C-1");
    let stored = client
        .record_contact(record("r1", first.clone()))
        .await?
        .into_inner();
    let stored = stored.contact.unwrap_or_default();
    assert_eq!(stored.contact_date, Some(date(2026, 3, 10)));
    assert_eq!(stored.version, 1);
    for day in [5, 9] {
        let earlier = Contact {
            contact_date: Some(date(2026, 3, day)),
            ..sample_contact(creditor, "d", &format!("C-day-{day}"))
        };
        client
            .record_contact(record(&format!("r-{day}"), earlier))
            .await?;
    }
    let note = Contact {
        channel: ContactChannel::Unspecified.into(),
        purpose: ContactPurpose::Note.into(),
        ..sample_contact(creditor, "d", "C-0")
    };
    client.record_contact(record("r2", note)).await?;
    for page_size in [0, 1, 2] {
        let ids = listed(&mut client, creditor, page_size).await?;
        assert_eq!(ids, ["C-0", "C-1", "C-day-9", "C-day-5"]);
    }

    // Under another request id, even on a later day, it is the same contact; with other content it is not.
    let mut creditors = CreditorServiceClient::new(channel.clone());
    creditors
        .open_business_day(OpenBusinessDayRequest {
            request_id: "next-day".to_owned(),
            creditor_id: creditor.to_owned(),
            business_date: Some(date(2026, 3, 11)),
        })
        .await?;
    let again = client
        .record_contact(record("r3", first.clone()))
        .await?
        .into_inner();
    assert_eq!(again.contact, Some(stored));
    let other = Contact {
        text: "something else".to_owned(),
        ..first
    };
    assert_refused(
        client.record_contact(record("r4", other)).await,
        Code::AlreadyExists,
        ErrorReason::ResourceExists,
    );
    let late = Contact {
        contact_date: Some(date(2026, 3, 12)),
        ..sample_contact(creditor, "d", "C-9")
    };
    assert_violates(
        client.record_contact(record("r5", late)).await,
        &["contact.contact_date"],
    );
    let wrong = Contact {
        creditor_id: "a b".to_owned(),
        debtor_id: String::new(),
        purpose: 0,
        channel: 77,
        text: "x".repeat(2_001),
        reference: "x".repeat(141),
        ..sample_contact(creditor, "d", "?")
    };
    assert_violates(
        client.record_contact(record("", wrong)).await,
        &[
            "request_id",
            "contact.creditor_id",
            "contact.debtor_id",
            "contact.contact_id",
            "contact.purpose",
            "contact.channel",
            "contact.text",
            "contact.reference",
        ],
    );
    assert_eq!(listed(&mut client, creditor, 0).await?.len(), 4);
    Ok(())
}

/// A report says something of the address that the message went to, and of no other.
///
/// # Errors
/// Those of the service.
pub async fn a_report_moves_the_state_of_the_address_it_is_about(channel: Channel) -> Outcome {
    let creditor = "reports";
    open_creditor(&channel, creditor, date(2026, 3, 10)).await?;
    create_debtor(&channel, sample_debtor(creditor, "d")).await?;
    let mut client = DebtorServiceClient::new(channel.clone());
    client
        .create_contact_point(CreateContactPointRequest {
            request_id: "c".to_owned(),
            contact_point: Some(sample_contact_point(creditor, "d", "p")),
        })
        .await?;
    let report =
        |request_id: &str, sent_to_version, outcome: ContactOutcome| ReportContactOutcomeRequest {
            request_id: request_id.to_owned(),
            creditor_id: creditor.to_owned(),
            debtor_id: "d".to_owned(),
            contact_point_id: "p".to_owned(),
            sent_to_version,
            outcome: outcome.into(),
        };
    let expected = [
        (ContactOutcome::Delivered, ContactState::Verified, 2),
        (ContactOutcome::Bounced, ContactState::Bounced, 3),
        (ContactOutcome::Bounced, ContactState::Bounced, 3),
        (ContactOutcome::Moved, ContactState::MovedUnknown, 4),
    ];
    for (number, (outcome, state, version)) in expected.into_iter().enumerate() {
        let request = report(&format!("r{number}"), 1, outcome);
        let answer = client.report_contact_outcome(request).await?.into_inner();
        assert!(answer.applied);
        let stored = answer.contact_point.unwrap_or_default();
        assert_eq!((stored.state(), stored.version), (state, version));
    }
    let mut moved = sample_contact_point(creditor, "d", "p");
    moved.address = "Neuer Weg 2\n12345 Musterstadt".to_owned();
    let update = UpdateContactPointRequest {
        request_id: "u".to_owned(),
        contact_point: Some(moved),
        update_mask: vec!["address".to_owned(), "state".to_owned()],
    };
    let updated = client.update_contact_point(update).await?.into_inner();
    let updated = updated.contact_point.unwrap_or_default();
    assert_eq!(
        (updated.state(), updated.version),
        (ContactState::Unverified, 5)
    );
    let old = client
        .report_contact_outcome(report("late", 4, ContactOutcome::Bounced))
        .await?
        .into_inner();
    assert!(!old.applied);
    assert_eq!(old.contact_point, Some(updated));
    let new = client
        .report_contact_outcome(report("new", 5, ContactOutcome::Delivered))
        .await?
        .into_inner();
    assert!(new.applied);

    let wrong = ReportContactOutcomeRequest {
        contact_point_id: String::new(),
        sent_to_version: 0,
        outcome: 0,
        ..report("", 1, ContactOutcome::Bounced)
    };
    assert_violates(
        client.report_contact_outcome(wrong).await,
        &[
            "request_id",
            "contact_point_id",
            "sent_to_version",
            "outcome",
        ],
    );
    let unknown = ReportContactOutcomeRequest {
        contact_point_id: "q".to_owned(),
        ..report("q", 1, ContactOutcome::Bounced)
    };
    assert_refused(
        client.report_contact_outcome(unknown).await,
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    client
        .delete_contact_point(DeleteContactPointRequest {
            request_id: "x".to_owned(),
            creditor_id: creditor.to_owned(),
            debtor_id: "d".to_owned(),
            contact_point_id: "p".to_owned(),
        })
        .await?;
    let gone = client
        .report_contact_outcome(report("gone", 6, ContactOutcome::Bounced))
        .await?
        .into_inner();
    assert!(!gone.applied && gone.contact_point.is_none());
    Ok(())
}

/// The deceased mark is for natural persons.
///
/// # Errors
/// Those of the service.
pub async fn only_persons_die(channel: Channel) -> Outcome {
    let creditor = "deceased";
    open_creditor(&channel, creditor, date(2026, 3, 10)).await?;
    let mut person = sample_debtor(creditor, "person");
    person.kind = DebtorKind::Person.into();
    create_debtor(&channel, person).await?;
    create_debtor(&channel, sample_debtor(creditor, "company")).await?;
    let mut client = DebtorServiceClient::new(channel.clone());
    let set = |request_id: &str, debtor_id: &str, since| SetDeceasedRequest {
        request_id: request_id.to_owned(),
        creditor_id: creditor.to_owned(),
        debtor_id: debtor_id.to_owned(),
        deceased_since: since,
    };
    let day = Some(date(2026, 3, 1));
    let marked = client
        .set_deceased(set("s1", "person", day))
        .await?
        .into_inner();
    assert_eq!(marked.debtor.unwrap_or_default().deceased_since, day);
    let lifted = client
        .set_deceased(set("s2", "person", None))
        .await?
        .into_inner();
    assert_eq!(lifted.debtor.unwrap_or_default().deceased_since, None);
    assert_violates(
        client.set_deceased(set("s3", "company", day)).await,
        &["debtor_id"],
    );
    let read = GetDebtorRequest {
        creditor_id: creditor.to_owned(),
        debtor_id: "company".to_owned(),
        at_least: String::new(),
    };
    let company = client.get_debtor(read).await?.into_inner();
    assert_eq!(company.debtor.unwrap_or_default().version, 1);
    Ok(())
}

/// The last import is the latest day that was reported.
///
/// # Errors
/// Those of the service.
pub async fn bank_imports_only_move_forward(channel: Channel) -> Outcome {
    let creditor = "bank";
    let opened = open_creditor(&channel, creditor, date(2026, 3, 10)).await?;
    assert_eq!(opened.last_bank_import, None);
    let mut client = CreditorServiceClient::new(channel.clone());
    let import = |request_id: &str, day| RecordBankImportRequest {
        request_id: request_id.to_owned(),
        creditor_id: creditor.to_owned(),
        import_date: Some(date(2026, 3, day)),
    };
    let steps = [("i1", 6, 6, 1), ("i2", 4, 6, 1), ("i3", 10, 10, 2)];
    for (request_id, day, stored, changes) in steps {
        let answer = client.record_bank_import(import(request_id, day)).await?;
        let answer = answer.into_inner().creditor.unwrap_or_default();
        assert_eq!(answer.last_bank_import, Some(date(2026, 3, stored)));
        assert_eq!(answer.version, opened.version + changes);
    }
    assert_violates(
        client.record_bank_import(import("i4", 11)).await,
        &["import_date"],
    );
    let wrong = RecordBankImportRequest {
        request_id: String::new(),
        creditor_id: "a b".to_owned(),
        import_date: None,
    };
    assert_violates(
        client.record_bank_import(wrong).await,
        &["request_id", "creditor_id", "import_date"],
    );
    Ok(())
}
