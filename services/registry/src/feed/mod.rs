//! What others are told: domain values as events and as rows of a snapshot.

mod snapshot;

use mahnwerk_feed::{EntityType, NewEvent};
use prost::Message as _;
use registry_core::{
    approval::Approval,
    arrangement::{Arrangement, ArrangementKind, Dispute},
    contact::Contact,
    creditor::{Creditor, FxRate},
    debtor::{ContactPoint, Debtor},
};

use crate::{
    grpc::{contact::contact_to_wire, convert, convert_arrangement},
    storage::day_number,
};

pub use snapshot::Snapshot;

/// Entity name of [`Creditor`].
pub const CREDITOR: &str = "creditor";
/// Entity name of [`FxRate`].
pub const FX_RATE: &str = "fx_rate";
/// Entity name of [`Debtor`].
pub const DEBTOR: &str = "debtor";
/// Entity name of [`ContactPoint`].
pub const CONTACT_POINT: &str = "contact_point";
/// Entity name of [`Contact`].
pub const CONTACT: &str = "contact";
/// Entity name of [`Dispute`].
pub const DISPUTE: &str = "dispute";
/// Entity name of promises to pay.
pub const PROMISE: &str = ArrangementKind::Promise.name();
/// Entity name of instalment plans.
pub const INSTALMENT_PLAN: &str = ArrangementKind::Plan.name();
/// Entity name of items of the account.
pub const ITEM: &str = "item";

/// Name of approvals in the audit trail. They are not on the feed: nobody's state follows from them.
const APPROVAL: &str = "approval";

/// Everything on the feed of the registry.
pub const ENTITIES: &[EntityType] = &[
    EntityType {
        entity: CREDITOR,
        type_url: "type.googleapis.com/mahnwerk.registry.v1.Creditor",
    },
    EntityType {
        entity: FX_RATE,
        type_url: "type.googleapis.com/mahnwerk.registry.v1.FxRate",
    },
    EntityType {
        entity: DEBTOR,
        type_url: "type.googleapis.com/mahnwerk.registry.v1.Debtor",
    },
    EntityType {
        entity: CONTACT_POINT,
        type_url: "type.googleapis.com/mahnwerk.registry.v1.ContactPoint",
    },
    EntityType {
        entity: CONTACT,
        type_url: "type.googleapis.com/mahnwerk.registry.v1.Contact",
    },
    EntityType {
        entity: DISPUTE,
        type_url: "type.googleapis.com/mahnwerk.registry.v1.Dispute",
    },
    EntityType {
        entity: PROMISE,
        type_url: "type.googleapis.com/mahnwerk.registry.v1.Promise",
    },
    EntityType {
        entity: INSTALMENT_PLAN,
        type_url: "type.googleapis.com/mahnwerk.registry.v1.InstalmentPlan",
    },
    EntityType {
        entity: ITEM,
        type_url: "type.googleapis.com/mahnwerk.registry.v1.Item",
    },
];

/// A creditor was created, changed, or has a new business day.
#[must_use]
pub fn creditor_event(creditor: &Creditor, action: &'static str) -> NewEvent {
    NewEvent {
        creditor_id: creditor.creditor_id.clone(),
        debtor_id: String::new(),
        entity: CREDITOR,
        entity_id: creditor.creditor_id.clone(),
        version: creditor.version,
        action,
        business_date: creditor.business_date.map(day_number),
        state: NewEvent::encode(&convert::creditor_to_wire(creditor)),
    }
}

/// A rate of the creditor was set.
#[must_use]
pub fn fx_rate_event(creditor: &Creditor, rate: &FxRate) -> NewEvent {
    NewEvent {
        creditor_id: creditor.creditor_id.clone(),
        debtor_id: String::new(),
        entity: FX_RATE,
        entity_id: fx_rate_id(rate),
        version: rate.version,
        action: "set",
        business_date: creditor.business_date.map(day_number),
        state: NewEvent::encode(&convert::fx_rate_to_wire(rate)),
    }
}

/// A debtor of the creditor was created or changed.
#[must_use]
pub fn debtor_event(creditor: &Creditor, debtor: &Debtor, action: &'static str) -> NewEvent {
    NewEvent {
        creditor_id: debtor.creditor_id.clone(),
        debtor_id: debtor.debtor_id.clone(),
        entity: DEBTOR,
        entity_id: debtor.debtor_id.clone(),
        version: debtor.version,
        action,
        business_date: creditor.business_date.map(day_number),
        state: NewEvent::encode(&convert::debtor_to_wire(debtor)),
    }
}

/// A contact point of a debtor of the creditor was created or changed, or, without `exists`, deleted.
#[must_use]
pub fn contact_point_event(
    creditor: &Creditor,
    contact_point: &ContactPoint,
    action: &'static str,
    exists: bool,
) -> NewEvent {
    let state = exists.then(|| convert::contact_point_to_wire(contact_point));
    NewEvent {
        creditor_id: contact_point.creditor_id.clone(),
        debtor_id: contact_point.debtor_id.clone(),
        entity: CONTACT_POINT,
        entity_id: contact_point_id(contact_point),
        version: contact_point.version,
        action,
        business_date: creditor.business_date.map(day_number),
        state: state.and_then(|state| NewEvent::encode(&state)),
    }
}

/// A contact with a debtor of the creditor was recorded.
#[must_use]
pub fn contact_event(creditor: &Creditor, contact: &Contact) -> NewEvent {
    NewEvent {
        creditor_id: contact.creditor_id.clone(),
        debtor_id: contact.debtor_id.clone(),
        entity: CONTACT,
        entity_id: contact.contact_id.clone(),
        version: 1,
        action: "recorded",
        business_date: creditor.business_date.map(day_number),
        state: NewEvent::encode(&contact_to_wire(contact)),
    }
}

/// An approval was asked for, decided, or found expired.
#[must_use]
pub fn approval_event(creditor: &Creditor, approval: &Approval, action: &'static str) -> NewEvent {
    NewEvent {
        creditor_id: approval.creditor_id.clone(),
        debtor_id: approval.debtor_id.clone(),
        entity: APPROVAL,
        entity_id: approval.approval_id.clone(),
        version: approval.version,
        action,
        business_date: creditor.business_date.map(day_number),
        state: None,
    }
}

/// A dispute was opened or closed.
#[must_use]
pub fn dispute_event(creditor: &Creditor, dispute: &Dispute, action: &'static str) -> NewEvent {
    NewEvent {
        creditor_id: dispute.claim.creditor_id.clone(),
        debtor_id: dispute.debtor_id.clone(),
        entity: DISPUTE,
        entity_id: dispute.claim.dispute_id.clone(),
        version: dispute.version,
        action,
        business_date: creditor.business_date.map(day_number),
        state: NewEvent::encode(&convert_arrangement::dispute_to_wire(dispute)),
    }
}

/// A promise or plan was made or changed.
#[must_use]
pub fn arrangement_event(
    creditor: &Creditor,
    arrangement: &Arrangement,
    action: &'static str,
) -> NewEvent {
    NewEvent {
        creditor_id: arrangement.creditor_id.clone(),
        debtor_id: arrangement.debtor_id.clone(),
        entity: arrangement.kind.name(),
        entity_id: arrangement.id.clone(),
        version: arrangement.version,
        action,
        business_date: creditor.business_date.map(day_number),
        state: Some(arrangement_state(arrangement)),
    }
}

/// A promise or plan, encoded.
fn arrangement_state(arrangement: &Arrangement) -> Vec<u8> {
    match arrangement.kind {
        ArrangementKind::Promise => {
            convert_arrangement::promise_to_wire(arrangement).encode_to_vec()
        }
        ArrangementKind::Plan => convert_arrangement::plan_to_wire(arrangement).encode_to_vec(),
    }
}

/// Key of a rate within its creditor: `EUR/USD/2026-01-31`.
fn fx_rate_id(rate: &FxRate) -> String {
    format!("{}/{}/{}", rate.base, rate.quote, rate.date)
}

/// Key of a contact point within its creditor.
fn contact_point_id(contact_point: &ContactPoint) -> String {
    format!(
        "{}/{}",
        contact_point.debtor_id, contact_point.contact_point_id
    )
}
