//! Creditors and debtors: wire types to domain values and back.
//!
//! Reading goes on after a wrong value, with a placeholder for it, so that everything that is wrong is found; the
//! checker then refuses the whole. What is read has passed the rules of `registry_core`.

use mahnwerk_proto::registry::v1;
use mahnwerk_runtime::{
    error::{Error, Result},
    validate::{Checker, from_date},
};
use registry_core::{
    calendar::Calendar,
    creditor::{BusinessDayMode, Creditor, FxRate},
    currency::Currency,
    date,
    debtor::{
        BillingMethod, Channel, ContactPoint, ContactState, Debtor, DebtorKind, Relationship,
    },
    violation::Violation,
};

use super::convert_account::{money_message, optional_money};
use crate::{
    app::{creditor::time_zone, etag},
    storage::timeline::TimelineEntry,
};

/// Converts an enumeration whose variants have the same names on both sides.
macro_rules! same_names {
    ($to_wire:ident, $from_wire:ident, $name:ident, { $($variant:ident),+ $(,)? }) => {
        pub(super) fn $to_wire(value: $name) -> i32 {
            let wire = match value {
                $($name::$variant => v1::$name::$variant,)+
            };
            wire.into()
        }

        pub(super) fn $from_wire(check: &mut Checker, field: &str, value: i32) -> Option<$name> {
            match check.enum_value::<v1::$name>(field, value)? {
                v1::$name::Unspecified => None,
                $(v1::$name::$variant => Some($name::$variant),)+
            }
        }
    };
}

pub(super) use same_names;

same_names!(mode_to_wire, mode_from_wire, BusinessDayMode, { Automatic, Manual });
same_names!(kind_to_wire, kind_from_wire, DebtorKind, { Organisation, Person });
same_names!(relationship_to_wire, relationship_from_wire, Relationship, { Prospect, Customer });
same_names!(billing_to_wire, billing_from_wire, BillingMethod, { Paper, EmailPdf, EInvoice });
same_names!(channel_to_wire, channel_from_wire, Channel, { Post, Email, Phone, Sms, Fax, Chat, Portal });
same_names!(state_to_wire, state_from_wire, ContactState, { Unverified, Verified, Bounced, MovedUnknown });

/// What stands for a text that is not looked at.
const PLACEHOLDER: &str = "-";

/// Which fields of a message are meant.
#[derive(Clone, Copy, Debug)]
pub enum Fields<'a> {
    /// All that a caller may set: a create.
    All,
    /// Those named, and the ids: an update.
    Named(&'a [String]),
}

impl Fields<'_> {
    fn has(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(mask) => mask.iter().any(|path| path == name),
        }
    }

    /// The text if it is meant, else a placeholder.
    fn text(self, name: &str, text: String, placeholder: &str) -> String {
        if self.has(name) {
            text
        } else {
            placeholder.to_owned()
        }
    }
}

/// Adds what the rules found.
pub fn refuse_all(check: &mut Checker, violations: Vec<Violation>) {
    for violation in violations {
        check.refuse(violation.field, violation.description);
    }
}

/// Ends the check; the value is there if nothing was wrong.
///
/// # Errors
/// Everything that was wrong.
pub fn finish<T>(check: Checker, value: Option<T>) -> Result<T> {
    check.finish()?;
    value.ok_or_else(|| Error::internal("a value was refused without being named"))
}

/// A currency with a minor unit.
pub fn currency(check: &mut Checker, field: &str, code: &str) -> Option<Currency> {
    let currency = Currency::parse(code);
    if currency.is_none() {
        check.refuse(
            field,
            "must be an ISO 4217 code of a currency with a minor unit",
        );
    }
    currency
}

/// Refuses what is wrong with an update mask; what is wrong with the values has been found by validation.
fn refuse_mask(check: &mut Checker, applied: Result<(), Vec<Violation>>) {
    let violations = applied.err().unwrap_or_default();
    let of_mask = |each: &Violation| each.field.starts_with("update_mask");
    refuse_all(check, violations.into_iter().filter(of_mask).collect());
}

/// A creditor as a caller may set it.
pub fn creditor(check: &mut Checker, wire: v1::Creditor, fields: Fields) -> Option<Creditor> {
    let zone = fields.text("time_zone", wire.time_zone, "UTC");
    if time_zone(&zone).is_none() {
        check.refuse(
            "creditor.time_zone",
            "must be an IANA time zone, for example Europe/Berlin",
        );
    }
    let calendar = if fields.has("calendar") {
        &wire.calendar
    } else {
        Calendar::Weekdays.name()
    };
    let calendar = Calendar::parse(calendar).unwrap_or_else(|| {
        let names: Vec<_> = Calendar::ALL.iter().map(|each| each.name()).collect();
        check.refuse(
            "creditor.calendar",
            format!("must be one of {}", names.join(", ")),
        );
        Calendar::Weekdays
    });
    let four_eyes = wire.four_eyes.filter(|_| fields.has("four_eyes"));
    let write_off_above = four_eyes.and_then(|it| it.write_off_above);
    let field = "creditor.four_eyes.write_off_above";
    let write_off_above = optional_money(check, field, write_off_above.as_ref());
    let reporting_currency = match fields {
        Fields::All => currency(
            check,
            "creditor.reporting_currency",
            &wire.reporting_currency,
        ),
        // Whoever knows the creditor holds the limit against its currency.
        Fields::Named(_) => None,
    };
    let of_limit = write_off_above.map(|above| above.currency);
    let placeholder = of_limit.or_else(|| Currency::parse("EUR"));
    let mode = if fields.has("business_day_mode") {
        mode_from_wire(check, "creditor.business_day_mode", wire.business_day_mode)
    } else {
        None
    };
    let creditor = Creditor {
        creditor_id: wire.creditor_id,
        display_name: fields.text("display_name", wire.display_name, PLACEHOLDER),
        time_zone: zone,
        calendar,
        reporting_currency: reporting_currency.or(placeholder)?,
        business_day_mode: mode.unwrap_or(BusinessDayMode::Manual),
        business_date: None,
        last_bank_import: None,
        write_off_above,
        version: 1,
    };
    let mut violations = creditor.validate();
    violations.retain(|each| each.field != "creditor.time_zone");
    refuse_all(check, violations);
    if let Fields::Named(mask) = fields {
        refuse_mask(check, creditor.clone().apply_update(&creditor, mask));
    }
    Some(creditor)
}

/// A creditor on the wire.
#[must_use]
pub fn creditor_to_wire(creditor: &Creditor) -> v1::Creditor {
    v1::Creditor {
        creditor_id: creditor.creditor_id.clone(),
        display_name: creditor.display_name.clone(),
        time_zone: creditor.time_zone.clone(),
        calendar: creditor.calendar.name().to_owned(),
        reporting_currency: creditor.reporting_currency.code().to_owned(),
        business_day_mode: mode_to_wire(creditor.business_day_mode),
        business_date: creditor.business_date.map(from_date),
        last_bank_import: creditor.last_bank_import.map(from_date),
        four_eyes: creditor.write_off_above.map(|above| v1::FourEyes {
            write_off_above: Some(money_message(above)),
        }),
        version: creditor.version,
        etag: etag(creditor.version),
    }
}

/// An exchange rate as a caller may set it.
pub fn fx_rate(check: &mut Checker, wire: v1::FxRate) -> Option<FxRate> {
    let base = currency(check, "fx_rate.base_currency", &wire.base_currency);
    let quote = currency(check, "fx_rate.quote_currency", &wire.quote_currency);
    let date = check.date("fx_rate.rate_date", wire.rate_date.as_ref());
    let placeholder = Currency::parse("EUR");
    let rate = FxRate {
        creditor_id: wire.creditor_id,
        base: base.or(placeholder)?,
        quote: quote.or(placeholder)?,
        date: date.unwrap_or(date::MIN),
        numerator: wire.numerator,
        denominator: wire.denominator,
        source: wire.source,
        version: 1,
    };
    let mut violations = rate.validate();
    // Whether the pair differs cannot be said of placeholders.
    let known = base.is_some() && quote.is_some();
    violations.retain(|each| known || each.field != "fx_rate.quote_currency");
    refuse_all(check, violations);
    Some(rate)
}

/// An exchange rate on the wire.
#[must_use]
pub fn fx_rate_to_wire(rate: &FxRate) -> v1::FxRate {
    v1::FxRate {
        creditor_id: rate.creditor_id.clone(),
        base_currency: rate.base.code().to_owned(),
        quote_currency: rate.quote.code().to_owned(),
        rate_date: Some(from_date(rate.date)),
        numerator: rate.numerator,
        denominator: rate.denominator,
        source: rate.source.clone(),
        version: rate.version,
    }
}

/// A debtor as a caller may set it: without hold and insolvency.
pub fn debtor(check: &mut Checker, wire: v1::Debtor, fields: Fields) -> Debtor {
    let kind = match fields {
        Fields::All => kind_from_wire(check, "debtor.kind", wire.kind),
        Fields::Named(_) => None,
    };
    let relationship = fields
        .has("relationship")
        .then(|| relationship_from_wire(check, "debtor.relationship", wire.relationship));
    let billing_method = fields
        .has("billing_method")
        .then(|| billing_from_wire(check, "debtor.billing_method", wire.billing_method));
    let preferred_channel = if fields.has("preferred_channel") && wire.preferred_channel != 0 {
        channel_from_wire(check, "debtor.preferred_channel", wire.preferred_channel)
    } else {
        None
    };
    let customer_since = if fields.has("customer_since") {
        check.optional_date("debtor.customer_since", wire.customer_since.as_ref())
    } else {
        None
    };
    let debtor = Debtor {
        creditor_id: wire.creditor_id,
        debtor_id: wire.debtor_id,
        kind: kind.unwrap_or(DebtorKind::Organisation),
        relationship: relationship.flatten().unwrap_or(Relationship::Prospect),
        display_name: fields.text("display_name", wire.display_name, PLACEHOLDER),
        language: fields.text("language", wire.language, "en"),
        country: fields.text("country", wire.country, ""),
        preferred_channel,
        billing_method: billing_method.flatten().unwrap_or(BillingMethod::Paper),
        sector: fields.text("sector", wire.sector, ""),
        customer_since,
        credit_hold: false,
        credit_hold_reason: String::new(),
        insolvent_since: None,
        deceased_since: None,
        version: 1,
    };
    refuse_all(check, debtor.validate());
    if let Fields::Named(mask) = fields {
        refuse_mask(check, debtor.clone().apply_update(&debtor, mask));
    }
    debtor
}

/// A debtor on the wire.
#[must_use]
pub fn debtor_to_wire(debtor: &Debtor) -> v1::Debtor {
    v1::Debtor {
        creditor_id: debtor.creditor_id.clone(),
        debtor_id: debtor.debtor_id.clone(),
        kind: kind_to_wire(debtor.kind),
        relationship: relationship_to_wire(debtor.relationship),
        display_name: debtor.display_name.clone(),
        language: debtor.language.clone(),
        country: debtor.country.clone(),
        preferred_channel: debtor.preferred_channel.map_or(0, channel_to_wire),
        billing_method: billing_to_wire(debtor.billing_method),
        sector: debtor.sector.clone(),
        customer_since: debtor.customer_since.map(from_date),
        credit_hold: debtor.credit_hold,
        credit_hold_reason: debtor.credit_hold_reason.clone(),
        insolvent_since: debtor.insolvent_since.map(from_date),
        deceased_since: debtor.deceased_since.map(from_date),
        version: debtor.version,
        etag: etag(debtor.version),
    }
}

/// A contact point as a caller may set it.
pub fn contact_point(check: &mut Checker, wire: v1::ContactPoint, fields: Fields) -> ContactPoint {
    let channel = match fields {
        Fields::All => channel_from_wire(check, "contact_point.channel", wire.channel),
        Fields::Named(_) => None,
    };
    let state = fields
        .has("state")
        .then(|| state_from_wire(check, "contact_point.state", wire.state));
    let contact_point = ContactPoint {
        creditor_id: wire.creditor_id,
        debtor_id: wire.debtor_id,
        contact_point_id: wire.contact_point_id,
        channel: channel.unwrap_or(Channel::Post),
        address: fields.text("address", wire.address, PLACEHOLDER),
        state: state.flatten().unwrap_or(ContactState::Unverified),
        version: 1,
    };
    refuse_all(check, contact_point.validate());
    if let Fields::Named(mask) = fields {
        refuse_mask(
            check,
            contact_point.clone().apply_update(&contact_point, mask),
        );
    }
    contact_point
}

/// A contact point on the wire.
#[must_use]
pub fn contact_point_to_wire(contact_point: &ContactPoint) -> v1::ContactPoint {
    v1::ContactPoint {
        creditor_id: contact_point.creditor_id.clone(),
        debtor_id: contact_point.debtor_id.clone(),
        contact_point_id: contact_point.contact_point_id.clone(),
        channel: channel_to_wire(contact_point.channel),
        address: contact_point.address.clone(),
        state: state_to_wire(contact_point.state),
        version: contact_point.version,
    }
}

/// A change on the wire.
#[must_use]
pub fn timeline_entry_to_wire(entry: TimelineEntry) -> v1::TimelineEntry {
    v1::TimelineEntry {
        record_time: Some(mahnwerk_feed::timestamp(entry.recorded_at)),
        business_date: entry.business_date.map(from_date),
        entity: entry.entity,
        entity_id: entry.entity_id,
        action: entry.action,
        version: entry.version,
        principal: entry.principal,
        request_id: entry.request_id,
    }
}
