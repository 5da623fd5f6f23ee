//! What segmentation makes of the facts of others, and what it tells.

mod concerned;
mod convert;
mod registry;
mod scoring;
mod snapshot;

use mahnwerk_feed::EntityType;

pub use convert::{
    membership_message, observed_on, period_message, policy_message, score_part, values_message,
};
pub use registry::Registry;
pub use scoring::Scoring;
pub use snapshot::Snapshot;

/// Entity name of memberships.
pub const MEMBERSHIP: &str = "membership";

/// Entity name of revisions of schemes. They are in the audit trail, not on the feed: a membership carries what follows
/// from them.
pub const SCHEME: &str = "scheme";

/// Entity name of pins, which are in the audit trail too; a membership carries its pin.
pub const PIN: &str = "pin";

/// Everything on the feed of segmentation.
pub const ENTITIES: &[EntityType] = &[EntityType {
    entity: MEMBERSHIP,
    type_url: "type.googleapis.com/mahnwerk.segmentation.v1.Membership",
}];
