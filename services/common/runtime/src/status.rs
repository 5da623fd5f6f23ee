//! The one mapping from [`Error`] to a gRPC status.
//!
//! Every status carries `google.rpc.ErrorInfo` with a stable reason; wrong fields are in `google.rpc.BadRequest`, and
//! where the same call may succeed later, `google.rpc.RetryInfo` says when.

use std::{collections::HashMap, time::Duration};

use mahnwerk_proto::common::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    error::{Error, Violation},
    telemetry,
};

/// `google.rpc.ErrorInfo.domain` of every error.
pub const DOMAIN: &str = "mahnwerk";

/// Most violations in one answer: a status travels in HTTP/2 headers, which clients limit to 16 KiB.
const MAX_VIOLATIONS: usize = 32;
/// Most bytes of a field path or description in an answer, for the same reason.
const MAX_TEXT_BYTES: usize = 160;
/// When to retry after a collision with another writer.
const RETRY_CONTENTION: Duration = Duration::from_millis(50);
/// When to retry after having been shed.
const RETRY_OVERLOADED: Duration = Duration::from_millis(500);

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Invalid(violations) => {
                let mut details = info(ErrorReason::InvalidFields, []);
                add_violations(&mut details, &violations);
                Self::with_error_details(Code::InvalidArgument, message, details)
            }
            Error::InvalidPageToken => {
                let mut details = info(ErrorReason::InvalidPageToken, []);
                details.add_bad_request_violation(
                    "page_token",
                    "was not made by this method for these parameters",
                );
                Self::with_error_details(Code::InvalidArgument, message, details)
            }
            Error::NotFound { resource, id } => {
                let details = info(
                    ErrorReason::ResourceNotFound,
                    [("resource", resource.to_owned()), ("id", shorten(&id))],
                );
                Self::with_error_details(Code::NotFound, message, details)
            }
            Error::Exists { resource, id } => {
                let details = info(
                    ErrorReason::ResourceExists,
                    [("resource", resource.to_owned()), ("id", shorten(&id))],
                );
                Self::with_error_details(Code::AlreadyExists, message, details)
            }
            Error::RequestIdReused => {
                let details = info(ErrorReason::RequestIdReused, []);
                Self::with_error_details(Code::AlreadyExists, message, details)
            }
            Error::Precondition {
                reason, metadata, ..
            } => {
                let details = info(reason, metadata);
                Self::with_error_details(Code::FailedPrecondition, message, details)
            }
            Error::EtagMismatch => {
                let details = info(ErrorReason::EtagMismatch, []);
                Self::with_error_details(Code::Aborted, message, details)
            }
            Error::Contention(_) => {
                let details = retryable(ErrorReason::Contention, RETRY_CONTENTION);
                Self::with_error_details(Code::Aborted, message, details)
            }
            Error::Unavailable {
                reason,
                retry_after,
                ..
            } => {
                let details = retryable(reason, retry_after);
                Self::with_error_details(Code::Unavailable, message, details)
            }
            Error::Overloaded => {
                let details = retryable(ErrorReason::Overloaded, RETRY_OVERLOADED);
                Self::with_error_details(Code::ResourceExhausted, message, details)
            }
            Error::CursorExpired => {
                let details = info(ErrorReason::CursorExpired, []);
                Self::with_error_details(Code::OutOfRange, message, details)
            }
            Error::Unauthenticated(reason) => {
                Self::with_error_details(Code::Unauthenticated, message, info(reason, []))
            }
            Error::Denied { reason, scope } => {
                let scope = (!scope.is_empty()).then(|| ("scope", scope.to_owned()));
                Self::with_error_details(Code::PermissionDenied, message, info(reason, scope))
            }
            Error::CallerLimited { retry_after } => {
                let details = retryable(ErrorReason::CallerLimited, retry_after);
                Self::with_error_details(Code::ResourceExhausted, message, details)
            }
            Error::Deadline => {
                let details = info(ErrorReason::Deadline, []);
                Self::with_error_details(Code::DeadlineExceeded, message, details)
            }
            Error::Internal(source) => internal(source.as_ref()),
        }
    }
}

/// The caller learns nothing but where to look; the log gets everything, once.
fn internal(source: &(dyn std::error::Error + 'static)) -> Status {
    let trace_id = telemetry::current_trace_id();
    tracing::error!(error = chain(source), "internal error");
    let details = info(ErrorReason::Internal, [("trace_id", trace_id.clone())]);
    let message = if trace_id.is_empty() {
        "internal error".to_owned()
    } else {
        format!("internal error, trace id {trace_id}")
    };
    Status::with_error_details(Code::Internal, message, details)
}

/// An error and all its sources, for the log.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

fn info(
    reason: ErrorReason,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> ErrorDetails {
    let metadata: HashMap<String, String> = metadata
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    ErrorDetails::with_error_info(reason_text(reason), DOMAIN, metadata)
}

fn retryable(reason: ErrorReason, after: Duration) -> ErrorDetails {
    let mut details = info(reason, []);
    details.set_retry_info(Some(after));
    details
}

fn add_violations(details: &mut ErrorDetails, violations: &[Violation]) {
    for each in violations.iter().take(MAX_VIOLATIONS) {
        details.add_bad_request_violation(shorten(&each.field), shorten(&each.description));
    }
    if let Some(more) = violations.len().checked_sub(MAX_VIOLATIONS + 1) {
        details.add_bad_request_violation("*", format!("and {} more", more + 1));
    }
}

fn shorten(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
}

/// The reason as it travels, for example `RESOURCE_NOT_FOUND`.
#[must_use]
pub fn reason_text(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
