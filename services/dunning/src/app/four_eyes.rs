//! Four eyes: whoever releases a run has read it as it is, and had no part in making it so.

use dunning_core::four_eyes::two_agree;
use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::{
    context::{Call, somebody},
    db::Sql,
    error::{Error, Result},
};

use super::invalid;
use crate::storage::run::{self, RunRow};

/// Refuses unless the caller is the second who looks at the run. Whether the etag is the current one is not looked at.
///
/// # Errors
/// `FOUR_EYES_REQUIRED`, `Invalid` without an etag, and those of the database.
pub(super) async fn require(on: &impl Sql, run: &RunRow, call: &Call, etag: &str) -> Result<()> {
    if !two_agree(somebody(&run.principal), somebody(&call.principal)) {
        let why = "whoever proposed the run may not release it: another person must";
        return Err(needs_another(why, &run.principal));
    }
    if run::has_editor(on, run, &call.principal).await? {
        let why = "whoever edited the run may not release it: another person must";
        return Err(needs_another(why, &call.principal));
    }
    if etag.is_empty() {
        return Err(invalid(
            "etag",
            "must be given: whoever releases the run must have read it",
        ));
    }
    Ok(())
}

fn needs_another(why: &str, barred: &str) -> Error {
    Error::Precondition {
        reason: ErrorReason::FourEyesRequired,
        message: why.to_owned(),
        metadata: vec![
            ("method", "ReleaseRun".to_owned()),
            ("principal", barred.to_owned()),
        ],
    }
}
