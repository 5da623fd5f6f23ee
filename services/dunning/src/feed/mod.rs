//! What dunning makes of the facts of registry, scoring and segmentation, and what it tells others.

mod registry;
mod scoring;
mod segmentation;
mod snapshot;
mod store;

use mahnwerk_feed::EntityType;
use mahnwerk_proto::common::v1::Date;
use mahnwerk_runtime::{
    error::{Error, Result},
    validate::to_date,
};

use crate::storage::day_number;

pub use registry::Registry;
pub use scoring::Scoring;
pub use segmentation::Segmentation;
pub use snapshot::Snapshot;

/// Entity name of notices.
pub const NOTICE: &str = "notice";

/// Entity name of tasks.
pub const TASK: &str = "task";

/// Everything on the feed of dunning. Runs, procedures, settings and pauses are in the audit trail only.
pub const ENTITIES: &[EntityType] = &[
    EntityType {
        entity: NOTICE,
        type_url: "type.googleapis.com/mahnwerk.dunning.v1.Notice",
    },
    EntityType {
        entity: TASK,
        type_url: "type.googleapis.com/mahnwerk.dunning.v1.Task",
    },
];

fn day(date: Option<&Date>) -> Result<i64> {
    let date = date.and_then(to_date);
    let date = date.ok_or_else(|| Error::internal("a date is missing or none"))?;
    Ok(day_number(date))
}

fn opt_day(date: Option<&Date>) -> Result<Option<i64>> {
    date.map(|date| day(Some(date))).transpose()
}
