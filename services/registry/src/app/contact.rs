//! Contacts with debtors, and what became of messages to them.

use mahnwerk_feed::{Begun, Locks, Written};
use mahnwerk_runtime::{context::Call, error::Result};
use registry_core::{
    contact::{Contact, ContactOutcome},
    debtor::ContactPoint,
    error::DomainError,
    violation::Violation,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    App, Page, contact_point::ContactPointKey, creditor_of, debtor_of, from_domain, from_violations,
};
use crate::{feed, storage};

/// A report about a message.
#[derive(Clone, Debug, Serialize)]
pub struct ReportContactOutcome {
    /// Where it was sent.
    pub key: ContactPointKey,
    /// The version that the contact point had then.
    pub sent_to_version: i64,
    /// What became of it.
    pub outcome: ContactOutcome,
}

/// What a report changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reported {
    /// As stored; `None` if it was deleted since.
    pub contact_point: Option<ContactPoint>,
    /// Whether the report was about the address that is stored.
    pub applied: bool,
}

impl App {
    /// Records a contact. One recorded before with the same content is answered as it is.
    ///
    /// # Errors
    /// `NotFound`, `NO_BUSINESS_DAY`, `Invalid`, `Exists` if the id has other content, `RequestIdReused`, and those of the
    /// database.
    pub async fn record_contact(
        &self,
        call: &Call,
        request_id: &str,
        new: Contact,
    ) -> Result<Written<Contact>> {
        let creditor_id = new.creditor_id.clone();
        let locks = Locks::debtor(&creditor_id, &new.debtor_id);
        let begun = self
            .publisher
            .begin_once(call, "RecordContact", &creditor_id, request_id, &new, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, &creditor_id).await?;
        debtor_of(&**once, &creditor_id, &new.debtor_id).await?;
        let business_date = creditor
            .business_date
            .ok_or_else(|| from_domain(DomainError::NoBusinessDay))?;
        let stored = storage::contact::get(&**once, &creditor_id, &new.contact_id).await?;
        if let Some(stored) = stored {
            let same = Contact {
                // Said again on a later day without naming the day, it is still the same.
                date: new.date.or(stored.date),
                ..new.clone()
            };
            if same != stored {
                return Err(from_domain(DomainError::Exists {
                    kind: "contact",
                    id: new.contact_id,
                }));
            }
            return once.finish(stored).await;
        }
        let contact = new.dated(business_date).map_err(from_violations)?;
        storage::contact::insert(&**once, &contact).await?;
        once.append(vec![feed::contact_event(&creditor, &contact)])?;
        once.finish(contact).await
    }

    /// Lists the contacts of a debtor, newest first, behind the one of this day and id.
    ///
    /// # Errors
    /// `NotFound`; those of [`mahnwerk_feed::Freshness::debtor`] and of the database.
    pub async fn list_contacts(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        behind: (i64, &str),
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<Contact>> {
        self.freshness
            .debtor(at_least, creditor_id, debtor_id, deadline)
            .await?;
        let db = self.publisher.db();
        let rows = storage::contact::list(db, creditor_id, debtor_id, behind, limit + 1).await?;
        if rows.is_empty() {
            debtor_of(db, creditor_id, debtor_id).await?;
        }
        Ok(Page::cut(rows, limit))
    }

    /// Takes in what became of a message to a contact point.
    ///
    /// # Errors
    /// `NotFound` if there has never been such a contact point, `RequestIdReused`, and those of the database.
    pub async fn report_contact_outcome(
        &self,
        call: &Call,
        request_id: &str,
        report: ReportContactOutcome,
    ) -> Result<Written<Reported>> {
        let key = &report.key;
        let locks = Locks::debtor(&key.creditor_id, &key.debtor_id);
        let begun = self
            .publisher
            .begin_once(
                call,
                "ReportContactOutcome",
                &key.creditor_id,
                request_id,
                &report,
                locks,
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, &key.creditor_id).await?;
        let ids = (key.debtor_id.as_str(), key.contact_point_id.as_str());
        let found = storage::contact_point::get_many(&**once, &key.creditor_id, &[ids]).await?;
        let Some(stored) = found.into_values().next() else {
            debtor_of(&**once, &key.creditor_id, ids.0).await?;
            return Err(super::not_found("contact_point", ids.1));
        };
        if report.sent_to_version > stored.contact_point.version {
            return Err(from_violations(vec![Violation {
                field: "sent_to_version".to_owned(),
                description: "must not be after the current version".to_owned(),
            }]));
        }
        if stored.deleted {
            let nothing = Reported {
                contact_point: None,
                applied: false,
            };
            return once.finish(nothing).await;
        }
        let mut contact_point = stored.contact_point;
        let applied = report.sent_to_version >= stored.address_version;
        let state = report.outcome.state();
        if applied && contact_point.state != state {
            contact_point.state = state;
            contact_point.version += 1;
            let changed = std::slice::from_ref(&contact_point);
            super::contact_point::save(&mut once, &creditor, changed, report.outcome.name())
                .await?;
        }
        let reported = Reported {
            contact_point: Some(contact_point),
            applied,
        };
        once.finish(reported).await
    }
}
