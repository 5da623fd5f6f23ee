//! Contacts and reports about messages, for `DebtorService`.

use mahnwerk_feed::Written;
use mahnwerk_proto::registry::v1::{
    self, ListContactsRequest, ListContactsResponse, RecordContactRequest, RecordContactResponse,
    ReportContactOutcomeRequest, ReportContactOutcomeResponse,
};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
    page::read_page,
    validate::{Checker, from_date},
};
use registry_core::contact::{Contact, ContactOutcome, ContactPurpose};
use tonic::Request;

use super::{
    Api,
    convert::{
        channel_from_wire, channel_to_wire, contact_point_to_wire, finish, refuse_all, same_names,
    },
    debtor::{debtor_key, parameters},
    token_behind,
};
use crate::{
    app::{contact::ReportContactOutcome, contact_point::ContactPointKey},
    storage::day_number,
};

const LIST_CONTACTS: &str = "ListContacts";

same_names!(purpose_to_wire, purpose_from_wire, ContactPurpose, { Reminder, Other, Inbound, Note });

fn outcome_from_wire(check: &mut Checker, value: i32) -> Option<ContactOutcome> {
    match check.enum_value::<v1::ContactOutcome>("outcome", value)? {
        v1::ContactOutcome::Unspecified => None,
        v1::ContactOutcome::Delivered => Some(ContactOutcome::Delivered),
        v1::ContactOutcome::Bounced => Some(ContactOutcome::Bounced),
        v1::ContactOutcome::Moved => Some(ContactOutcome::Moved),
    }
}

/// `RecordContact`.
pub(super) async fn record(
    api: &Api,
    request: Request<RecordContactRequest>,
) -> Result<RecordContactResponse> {
    let call = Call::of(&request);
    let request = request.into_inner();
    let mut check = Checker::new();
    check.request_id(&request.request_id);
    let new = contact(&mut check, request.contact.unwrap_or_default());
    check.finish()?;
    let Written {
        response,
        consistency_token,
    } = api
        .app
        .record_contact(&call, &request.request_id, new)
        .await?;
    Ok(RecordContactResponse {
        contact: Some(contact_to_wire(&response)),
        consistency_token,
    })
}

/// `ListContacts`.
pub(super) async fn list(
    api: &Api,
    request: Request<ListContactsRequest>,
) -> Result<ListContactsResponse> {
    let deadline = Call::of(&request).deadline;
    let ListContactsRequest {
        creditor_id,
        debtor_id,
        page_size,
        page_token,
        at_least,
    } = request.into_inner();
    let check = debtor_key(&creditor_id, &debtor_id);
    let parameters = parameters(&creditor_id, &debtor_id);
    let page = read_page(check, page_size, &page_token, LIST_CONTACTS, &parameters)?;
    let behind = match page.after_parts::<2>()? {
        Some([day, id]) => (day.parse().map_err(|_| Error::InvalidPageToken)?, id),
        None => (i64::MAX, ""),
    };
    let found = api
        .app
        .list_contacts(
            &creditor_id,
            &debtor_id,
            behind,
            page.limit,
            &at_least,
            deadline,
        )
        .await?;
    let key = |each: &Contact| {
        let day = each.date.map_or(i64::MIN, day_number);
        vec![day.to_string(), each.contact_id.clone()]
    };
    Ok(ListContactsResponse {
        next_page_token: token_behind(&found, LIST_CONTACTS, &parameters, key),
        contacts: found.rows.iter().map(contact_to_wire).collect(),
    })
}

/// `ReportContactOutcome`.
pub(super) async fn report(
    api: &Api,
    request: Request<ReportContactOutcomeRequest>,
) -> Result<ReportContactOutcomeResponse> {
    let call = Call::of(&request);
    let request = request.into_inner();
    let mut check = debtor_key(&request.creditor_id, &request.debtor_id);
    check.request_id(&request.request_id);
    check.key("contact_point_id", &request.contact_point_id);
    if request.sent_to_version < 1 {
        check.refuse("sent_to_version", "must be at least 1");
    }
    let outcome = outcome_from_wire(&mut check, request.outcome);
    let outcome = finish(check, outcome)?;
    let report = ReportContactOutcome {
        key: ContactPointKey {
            creditor_id: request.creditor_id,
            debtor_id: request.debtor_id,
            contact_point_id: request.contact_point_id,
        },
        sent_to_version: request.sent_to_version,
        outcome,
    };
    let Written {
        response,
        consistency_token,
    } = api
        .app
        .report_contact_outcome(&call, &request.request_id, report)
        .await?;
    Ok(ReportContactOutcomeResponse {
        contact_point: response.contact_point.as_ref().map(contact_point_to_wire),
        applied: response.applied,
        consistency_token,
    })
}

fn contact(check: &mut Checker, wire: v1::Contact) -> Contact {
    let purpose = purpose_from_wire(check, "contact.purpose", wire.purpose);
    let channel = match wire.channel {
        0 => None,
        channel => channel_from_wire(check, "contact.channel", channel),
    };
    let contact = Contact {
        creditor_id: wire.creditor_id,
        debtor_id: wire.debtor_id,
        contact_id: wire.contact_id,
        channel,
        purpose: purpose.unwrap_or(ContactPurpose::Other),
        date: check.optional_date("contact.contact_date", wire.contact_date.as_ref()),
        text: wire.text,
        reference: wire.reference,
    };
    let mut violations = contact.validate();
    // Whether a channel is needed cannot be said without a purpose, and a wrong one has been named.
    let known = purpose.is_some() && (wire.channel == 0 || channel.is_some());
    violations.retain(|each| known || each.field != "contact.channel");
    refuse_all(check, violations);
    contact
}

/// A contact on the wire.
#[must_use]
pub fn contact_to_wire(contact: &Contact) -> v1::Contact {
    v1::Contact {
        creditor_id: contact.creditor_id.clone(),
        debtor_id: contact.debtor_id.clone(),
        contact_id: contact.contact_id.clone(),
        channel: contact.channel.map_or(0, channel_to_wire),
        purpose: purpose_to_wire(contact.purpose),
        contact_date: contact.date.map(from_date),
        text: contact.text.clone(),
        reference: contact.reference.clone(),
        version: 1,
    }
}
