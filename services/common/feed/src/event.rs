//! Events before they are written.

use mahnwerk_runtime::db::Rows;
use prost::Message;

use crate::key::partition;

/// An event to be written.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor; empty for a fact of the creditor.
    pub debtor_id: String,
    /// One of the service's [`EntityType`](crate::EntityType)s; any other name is for the audit trail only.
    pub entity: &'static str,
    /// Key within the creditor.
    pub entity_id: String,
    /// Version after the change.
    pub version: i64,
    /// What was done, for the timeline.
    pub action: &'static str,
    /// The creditor's business date as a day number.
    pub business_date: Option<i64>,
    /// The full new state, encoded; `None` if the entity was deleted.
    pub state: Option<Vec<u8>>,
}

impl NewEvent {
    /// The full new state of an entity.
    #[must_use]
    pub fn encode(state: &impl Message) -> Option<Vec<u8>> {
        Some(state.encode_to_vec())
    }
}

/// Their rows, without what all of a transaction share.
pub(crate) fn event_rows(events: Vec<NewEvent>) -> Rows {
    let text = |field: fn(&NewEvent) -> &str| events.iter().map(field);
    Rows::new()
        .int(
            "part",
            events
                .iter()
                .map(|event| partition(&event.creditor_id, &event.debtor_id)),
        )
        .text("creditor_id", text(|event| &event.creditor_id))
        .text("debtor_id", text(|event| &event.debtor_id))
        .text("entity", text(|event| event.entity))
        .text("entity_id", text(|event| &event.entity_id))
        .int("version", events.iter().map(|event| event.version))
        .text("action", text(|event| event.action))
        .opt_int(
            "business_date",
            events.iter().map(|event| event.business_date),
        )
        .int(
            "deleted",
            events.iter().map(|event| i64::from(event.state.is_none())),
        )
        .opt_bytes("state", events.into_iter().map(|event| event.state))
}
