//! What the service promises, as functions that tests call with a migrated and otherwise empty database of each engine.
//! They ask over gRPC; what registry and scoring would tell is forged and applied as a consumer would.

pub mod activation;
pub mod chance;
pub mod feed;
pub mod pins;
pub mod placing;
pub mod reading;
pub mod schemes;
mod told;
mod world;

use mahnwerk_proto::common::v1::{Date, ErrorReason};
use mahnwerk_runtime::status::reason_text;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use world::World;

/// Result of a suite.
pub type Outcome = Result<(), Status>;

fn date(year: i32, month: i32, day: i32) -> Date {
    Date { year, month, day }
}

/// Asserts that a call was refused with this code and reason.
#[track_caller]
fn assert_refused<T>(result: &Result<Response<T>, Status>, code: Code, reason: ErrorReason) {
    let refused = result.as_ref().err().map(|status| {
        let info = status.get_details_error_info();
        (status.code(), info.map(|info| info.reason))
    });
    assert_eq!(refused, Some((code, Some(reason_text(reason).to_owned()))));
}

/// Asserts that something named in the request was not found, and what.
#[track_caller]
fn assert_not_found<T>(result: &Result<Response<T>, Status>, resource: &str) {
    assert_refused(result, Code::NotFound, ErrorReason::ResourceNotFound);
    let named = result
        .as_ref()
        .err()
        .and_then(StatusExt::get_details_error_info)
        .and_then(|info| info.metadata.get("resource").cloned());
    assert_eq!(named.as_deref(), Some(resource));
}

/// Field and description of everything that was wrong, by field.
#[track_caller]
fn violations<T>(result: &Result<Response<T>, Status>) -> Vec<(String, String)> {
    let status = result.as_ref().err();
    assert_eq!(status.map(Status::code), Some(Code::InvalidArgument));
    let mut found: Vec<_> = status
        .and_then(StatusExt::get_details_bad_request)
        .map(|details| details.field_violations)
        .unwrap_or_default()
        .into_iter()
        .map(|violation| (violation.field, violation.description))
        .collect();
    found.sort_unstable();
    found
}

/// Asserts that a call was refused for exactly these fields, in any order.
#[track_caller]
fn assert_violates<T>(result: &Result<Response<T>, Status>, fields: &[&str]) {
    let found: Vec<_> = violations(result).into_iter().map(|each| each.0).collect();
    let mut expected: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
