//! What the service promises, as functions that tests call, each on a migrated, empty database of its own on which no
//! service runs.
//!
//! Other services' feeds are forged by [`world::World`]; the wire is tried on [`crate::grpc::Api`] itself.

pub mod dispatching;
pub mod explain;
pub mod facts;
pub mod four_eyes;
pub mod inputs;
pub mod measures;
pub mod pauses;
pub mod procedures;
pub mod runner;
pub mod runs;
pub mod setbacks;
pub mod tasks;
pub mod world;

use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::status::reason_text;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

/// Result of a suite.
pub type Outcome = Result<(), Status>;

/// The stable reason of a refusal; empty if it has none.
pub(crate) fn reason_of(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

/// Asserts that a call was refused with this code and reason.
#[track_caller]
pub(crate) fn assert_refused<T>(
    result: &Result<Response<T>, Status>,
    code: Code,
    reason: ErrorReason,
) {
    let refused = result
        .as_ref()
        .err()
        .map(|status| (status.code(), reason_of(status)));
    assert_eq!(refused, Some((code, reason_text(reason).to_owned())));
}

/// Asserts that something named in the request was not found, and what.
#[track_caller]
pub(crate) fn assert_not_found<T>(result: &Result<Response<T>, Status>, resource: &str) {
    assert_refused(result, Code::NotFound, ErrorReason::ResourceNotFound);
    let named = result
        .as_ref()
        .err()
        .and_then(StatusExt::get_details_error_info)
        .and_then(|info| info.metadata.get("resource").cloned());
    assert_eq!(named.as_deref(), Some(resource));
}

/// Asserts that a call was refused for exactly these fields, in any order.
#[track_caller]
pub(crate) fn assert_violates<T>(result: &Result<Response<T>, Status>, fields: &[&str]) {
    let status = result.as_ref().err();
    assert_eq!(status.map(Status::code), Some(Code::InvalidArgument));
    let mut found: Vec<_> = status
        .and_then(StatusExt::get_details_bad_request)
        .map(|details| details.field_violations)
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect();
    let mut expected: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
