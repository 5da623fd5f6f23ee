//! Contacts with a debtor: what was said, when and how.

use crate::debtor::{Channel, ContactState};
use crate::named::named_enum;
use crate::violation::{Violation, Violations};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;

named_enum! {
    /// What a contact was about.
    ContactPurpose {
        /// Reminding of an open item; it counts against the contact budget of dunning.
        Reminder = "reminder",
        /// Anything else said to the debtor.
        Other = "other",
        /// The debtor got in touch.
        Inbound = "inbound",
        /// Nobody was in touch: a note about the debtor.
        Note = "note",
    }
}

named_enum! {
    /// What became of a message to a contact point.
    ContactOutcome {
        /// It arrived.
        Delivered = "delivered",
        /// It came back.
        Bounced = "bounced",
        /// It came back because the addressee has moved.
        Moved = "moved",
    }
}

impl ContactOutcome {
    /// What it says of the contact point.
    #[must_use]
    pub fn state(self) -> ContactState {
        match self {
            Self::Delivered => ContactState::Verified,
            Self::Bounced => ContactState::Bounced,
            Self::Moved => ContactState::MovedUnknown,
        }
    }
}

/// One contact with a debtor. It never changes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The caller's key, unique per creditor.
    pub contact_id: String,
    /// How; `None` for a note, and only for one.
    pub channel: Option<Channel>,
    /// What about.
    pub purpose: ContactPurpose,
    /// The day; `None` in a request means the business date.
    pub date: Option<NaiveDate>,
    /// What was said, 0 to 2,000 characters. Personal data.
    pub text: String,
    /// What it belongs to, 0 to 140 characters.
    pub reference: String,
}

/// Hides the text.
impl fmt::Debug for Contact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Contact")
            .field("creditor_id", &self.creditor_id)
            .field("debtor_id", &self.debtor_id)
            .field("contact_id", &self.contact_id)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

impl Contact {
    /// Everything that is wrong with it; whether its day is over is for [`Contact::dated`].
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Violations::new();
        violations.key("contact.creditor_id", &self.creditor_id);
        violations.key("contact.debtor_id", &self.debtor_id);
        violations.key("contact.contact_id", &self.contact_id);
        violations.require(
            self.channel.is_none() == (self.purpose == ContactPurpose::Note),
            "contact.channel",
            "must be given, but for a note",
        );
        if let Some(date) = self.date {
            violations.date("contact.contact_date", date);
        }
        violations.text("contact.text", &self.text, 0..=2_000, true);
        violations.text("contact.reference", &self.reference, 0..=140, false);
        violations.into_vec()
    }

    /// With its day, which is the business date if none is given.
    ///
    /// # Errors
    /// The day is after the business date.
    pub fn dated(self, business_date: NaiveDate) -> Result<Self, Vec<Violation>> {
        let date = self.date.unwrap_or(business_date);
        let mut violations = Violations::new();
        violations.require(
            date <= business_date,
            "contact.contact_date",
            "must not be after the business date",
        );
        let violations = violations.into_vec();
        if !violations.is_empty() {
            return Err(violations);
        }
        Ok(Self {
            date: Some(date),
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(purpose: ContactPurpose, channel: Option<Channel>) -> Contact {
        Contact {
            creditor_id: "acme".to_owned(),
            debtor_id: "4711".to_owned(),
            contact_id: "N-1".to_owned(),
            channel,
            purpose,
            date: None,
            text: "asked for a copy of the invoice".to_owned(),
            reference: String::new(),
        }
    }

    #[test]
    fn only_a_note_has_no_channel() {
        let fields = |contact: Contact| {
            let violations = contact.validate();
            violations
                .into_iter()
                .map(|each| each.field)
                .collect::<Vec<_>>()
        };
        assert!(fields(contact(ContactPurpose::Note, None)).is_empty());
        assert!(fields(contact(ContactPurpose::Reminder, Some(Channel::Phone))).is_empty());
        let without = contact(ContactPurpose::Reminder, None);
        assert_eq!(fields(without), ["contact.channel"]);
        let with = contact(ContactPurpose::Note, Some(Channel::Phone));
        assert_eq!(fields(with), ["contact.channel"]);
    }

    #[test]
    fn a_contact_is_of_today_unless_it_says_so_and_never_of_tomorrow() {
        let day = |number| NaiveDate::from_ymd_opt(2026, 3, number).unwrap();
        let note = contact(ContactPurpose::Note, None);
        assert_eq!(note.clone().dated(day(10)).unwrap().date, Some(day(10)));
        let early = Contact {
            date: Some(day(3)),
            ..note.clone()
        };
        assert_eq!(early.dated(day(10)).unwrap().date, Some(day(3)));
        let late = Contact {
            date: Some(day(11)),
            ..note
        };
        let refused = late.dated(day(10)).unwrap_err();
        assert_eq!(refused[0].field, "contact.contact_date");
    }

    #[test]
    fn what_was_said_is_not_in_debug_output() {
        let text = format!("{:?}", contact(ContactPurpose::Note, None));
        assert!(!text.contains("invoice"), "{text}");
    }
}
