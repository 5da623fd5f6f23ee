//! Debtors and how to reach them.

use crate::code;
use crate::named::named_enum;
use crate::violation::{Violation, Violations, check_mask};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;

named_enum! {
    /// What a debtor is in law.
    DebtorKind {
        /// A company, association or public body.
        Organisation = "organisation",
        /// A natural person.
        Person = "person",
    }
}

named_enum! {
    /// Whether there has been business already.
    Relationship {
        /// May owe something one day; the first invoice makes it a customer.
        Prospect = "prospect",
        /// Has been invoiced, or may be.
        Customer = "customer",
    }
}

named_enum! {
    /// How invoices are delivered.
    BillingMethod {
        /// Printed and posted.
        Paper = "paper",
        /// PDF by e-mail.
        EmailPdf = "email_pdf",
        /// Structured electronic invoice (EN 16931).
        EInvoice = "e_invoice",
    }
}

named_enum! {
    /// A way to reach a debtor.
    Channel {
        /// Letter.
        Post = "post",
        /// E-mail.
        Email = "email",
        /// Voice call.
        Phone = "phone",
        /// Text message.
        Sms = "sms",
        /// Fax.
        Fax = "fax",
        /// Chat or messenger.
        Chat = "chat",
        /// A customer portal.
        Portal = "portal",
    }
}

named_enum! {
    /// Whether a contact point works.
    ContactState {
        /// Nobody has tried yet.
        Unverified = "unverified",
        /// Known to work.
        Verified = "verified",
        /// The last message came back.
        Bounced = "bounced",
        /// Moved, new address unknown.
        MovedUnknown = "moved_unknown",
    }
}

/// An organisation or natural person that owes, or may owe.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debtor {
    /// The creditor.
    pub creditor_id: String,
    /// The caller's key (customer number).
    pub debtor_id: String,
    /// What it is in law. Fixed at creation.
    pub kind: DebtorKind,
    /// Whether there has been business already.
    pub relationship: Relationship,
    /// Name, 1 to 200 characters. Personal data.
    pub display_name: String,
    /// ISO 639-1 language of correspondence, lower case.
    pub language: String,
    /// ISO 3166-1 alpha-2 country, upper case; empty if unknown.
    pub country: String,
    /// Preferred channel, if there is one.
    pub preferred_channel: Option<Channel>,
    /// How invoices are delivered.
    pub billing_method: BillingMethod,
    /// NACE Rev. 2 code; empty if unknown, always for persons.
    pub sector: String,
    /// `None` if unknown.
    pub customer_since: Option<NaiveDate>,
    /// Whether no more credit is given.
    pub credit_hold: bool,
    /// Why, 1 to 500 characters; empty without a hold.
    pub credit_hold_reason: String,
    /// The day insolvency proceedings were opened; `None` if not insolvent.
    pub insolvent_since: Option<NaiveDate>,
    /// The day of death, or the day it became known; `None` if not known to be deceased, always for organisations.
    pub deceased_since: Option<NaiveDate>,
    /// 1 after creation; grows with every change.
    pub version: i64,
}

/// Hides the name and the free text of the hold.
impl fmt::Debug for Debtor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Debtor")
            .field("creditor_id", &self.creditor_id)
            .field("debtor_id", &self.debtor_id)
            .field("kind", &self.kind)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Debtor {
    /// Fields that an update may name.
    const UPDATABLE: [&str; 8] = [
        "relationship",
        "display_name",
        "language",
        "country",
        "preferred_channel",
        "billing_method",
        "sector",
        "customer_since",
    ];

    /// Everything that is wrong with it.
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Violations::new();
        violations.key("debtor.creditor_id", &self.creditor_id);
        violations.key("debtor.debtor_id", &self.debtor_id);
        violations.text("debtor.display_name", &self.display_name, 1..=200, false);
        violations.require(
            code::is_language(&self.language),
            "debtor.language",
            "must be an ISO 639-1 code in lower case",
        );
        violations.require(
            self.country.is_empty() || code::is_country(&self.country),
            "debtor.country",
            "must be an ISO 3166-1 alpha-2 code in upper case, or empty",
        );
        match self.kind {
            DebtorKind::Person => {
                violations.require(
                    self.sector.is_empty(),
                    "debtor.sector",
                    "must be empty for persons",
                );
            }
            DebtorKind::Organisation => violations.require(
                self.sector.is_empty() || code::is_sector(&self.sector),
                "debtor.sector",
                "must be a NACE Rev. 2 code, or empty",
            ),
        }
        if let Some(date) = self.customer_since {
            violations.date("debtor.customer_since", date);
        }
        if let Some(date) = self.insolvent_since {
            violations.date("insolvent_since", date);
        }
        if let Some(date) = self.deceased_since {
            violations.date("deceased_since", date);
            violations.require(
                self.kind == DebtorKind::Person,
                "debtor_id",
                "must be a natural person",
            );
        }
        let reason_length = if self.credit_hold { 1..=500 } else { 0..=0 };
        violations.text("reason", &self.credit_hold_reason, reason_length, true);
        violations.into_vec()
    }

    /// Takes over the fields named in the mask. The version stays.
    ///
    /// # Errors
    /// Every unknown path and every wrong value; nothing is changed then.
    pub fn apply_update(&mut self, new: &Self, mask: &[String]) -> Result<(), Vec<Violation>> {
        check_mask(mask, &Self::UPDATABLE).into_result()?;
        let mut updated = self.clone();
        for path in mask {
            match path.as_str() {
                "relationship" => updated.relationship = new.relationship,
                "display_name" => updated.display_name.clone_from(&new.display_name),
                "language" => updated.language.clone_from(&new.language),
                "country" => updated.country.clone_from(&new.country),
                "preferred_channel" => updated.preferred_channel = new.preferred_channel,
                "billing_method" => updated.billing_method = new.billing_method,
                "sector" => updated.sector.clone_from(&new.sector),
                _ => updated.customer_since = new.customer_since,
            }
        }
        self.replace_if_valid(updated)
    }

    /// Sets or lifts the credit hold; the reason is dropped when lifting. The version stays.
    ///
    /// # Errors
    /// A reason of not 1 to 500 characters when setting; nothing is changed then.
    pub fn set_credit_hold(&mut self, hold: bool, reason: &str) -> Result<(), Vec<Violation>> {
        let mut updated = self.clone();
        updated.credit_hold = hold;
        updated.credit_hold_reason = if hold {
            reason.to_owned()
        } else {
            String::new()
        };
        self.replace_if_valid(updated)
    }

    /// Sets or, with `None`, lifts the insolvency mark. The version stays.
    ///
    /// # Errors
    /// A date out of range; nothing is changed then.
    pub fn set_insolvency(&mut self, since: Option<NaiveDate>) -> Result<(), Vec<Violation>> {
        let updated = Self {
            insolvent_since: since,
            ..self.clone()
        };
        self.replace_if_valid(updated)
    }

    /// Marks a person as deceased or, with `None`, lifts the mark. The version stays.
    ///
    /// # Errors
    /// An organisation, or a date out of range; nothing is changed then.
    pub fn set_deceased(&mut self, since: Option<NaiveDate>) -> Result<(), Vec<Violation>> {
        let updated = Self {
            deceased_since: since,
            ..self.clone()
        };
        self.replace_if_valid(updated)
    }

    fn replace_if_valid(&mut self, updated: Self) -> Result<(), Vec<Violation>> {
        let violations = updated.validate();
        if !violations.is_empty() {
            return Err(violations);
        }
        *self = updated;
        Ok(())
    }
}

/// A way to reach one debtor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactPoint {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The caller's key within the debtor.
    pub contact_point_id: String,
    /// The channel. Fixed at creation.
    pub channel: Channel,
    /// Postal address (lines separated by line feeds), e-mail address, number or handle; 1 to 500 characters. Personal
    /// data.
    pub address: String,
    /// Whether it works.
    pub state: ContactState,
    /// 1 after creation; grows with every change.
    pub version: i64,
}

/// Hides the address.
impl fmt::Debug for ContactPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ContactPoint")
            .field("creditor_id", &self.creditor_id)
            .field("debtor_id", &self.debtor_id)
            .field("contact_point_id", &self.contact_point_id)
            .field("channel", &self.channel)
            .field("state", &self.state)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl ContactPoint {
    /// Fields that an update may name.
    const UPDATABLE: [&str; 2] = ["address", "state"];

    /// Everything that is wrong with it.
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Violations::new();
        violations.key("contact_point.creditor_id", &self.creditor_id);
        violations.key("contact_point.debtor_id", &self.debtor_id);
        violations.key("contact_point.contact_point_id", &self.contact_point_id);
        violations.text("contact_point.address", &self.address, 1..=500, true);
        violations.into_vec()
    }

    /// Takes over the fields named in the mask. The version stays.
    ///
    /// # Errors
    /// Every unknown path and every wrong value; nothing is changed then.
    pub fn apply_update(&mut self, new: &Self, mask: &[String]) -> Result<(), Vec<Violation>> {
        check_mask(mask, &Self::UPDATABLE).into_result()?;
        let mut updated = self.clone();
        for path in mask {
            match path.as_str() {
                "address" => updated.address.clone_from(&new.address),
                _ => updated.state = new.state,
            }
        }
        let violations = updated.validate();
        if !violations.is_empty() {
            return Err(violations);
        }
        *self = updated;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
