//! One test per kind of error: code, reason and details.

use tonic_types::StatusExt as _;

use super::*;

fn check(error: Error, code: Code, reason: &str) -> Status {
    let status = Status::from(error);
    assert_eq!(status.code(), code);
    let info = status.get_details_error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        (reason, "mahnwerk")
    );
    status
}

fn delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

fn fields(status: &Status) -> Vec<String> {
    let request = status.get_details_bad_request().unwrap();
    request
        .field_violations
        .into_iter()
        .map(|each| each.field)
        .collect()
}

#[test]
fn invalid_names_every_field() {
    let violations = vec![Violation::new("a", "x"), Violation::new("b.c", "y")];
    let status = check(
        Error::Invalid(violations),
        Code::InvalidArgument,
        "INVALID_FIELDS",
    );
    assert_eq!(fields(&status), ["a", "b.c"]);
    assert_eq!(delay(&status), None);
}

#[test]
fn a_thousand_violations_still_fit_into_headers() {
    let violations = vec![Violation::new("f".repeat(500), "ä".repeat(500)); 1_000];
    let status = check(
        Error::Invalid(violations),
        Code::InvalidArgument,
        "INVALID_FIELDS",
    );
    assert_eq!(fields(&status).len(), MAX_VIOLATIONS + 1);
    let mut headers = http::HeaderMap::new();
    status.add_header(&mut headers).unwrap();
    let size: usize = headers.values().map(http::HeaderValue::len).sum();
    assert!(size < 16 * 1024, "{size} bytes");
}

#[test]
fn an_invalid_page_token_is_a_violation_of_page_token() {
    let status = check(
        Error::InvalidPageToken,
        Code::InvalidArgument,
        "INVALID_PAGE_TOKEN",
    );
    assert_eq!(fields(&status), ["page_token"]);
}

#[test]
fn not_found_says_what() {
    let error = Error::NotFound {
        resource: "debtor",
        id: "d1".to_owned(),
    };
    let status = check(error, Code::NotFound, "RESOURCE_NOT_FOUND");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!((&*metadata["resource"], &*metadata["id"]), ("debtor", "d1"));
}

#[test]
fn exists_says_what() {
    let error = Error::Exists {
        resource: "invoice",
        id: "i1".to_owned(),
    };
    let status = check(error, Code::AlreadyExists, "RESOURCE_EXISTS");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(
        (&*metadata["resource"], &*metadata["id"]),
        ("invoice", "i1")
    );
}

#[test]
fn a_reused_request_id_exists_already() {
    check(
        Error::RequestIdReused,
        Code::AlreadyExists,
        "REQUEST_ID_REUSED",
    );
}

#[test]
fn a_precondition_carries_its_reason_and_facts() {
    let error = Error::Precondition {
        reason: ErrorReason::LimitReached,
        message: "too many contact points".to_owned(),
        metadata: vec![("limit", "20".to_owned())],
    };
    let status = check(error, Code::FailedPrecondition, "LIMIT_REACHED");
    assert_eq!(status.message(), "too many contact points");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["limit"], "20");
}

#[test]
fn an_etag_mismatch_is_aborted_without_a_delay() {
    let status = check(Error::EtagMismatch, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(delay(&status), None);
}

#[test]
fn contention_is_aborted_and_retried() {
    let status = check(Error::Contention(None), Code::Aborted, "CONTENTION");
    assert_eq!(delay(&status), Some(RETRY_CONTENTION));
}

#[test]
fn unavailable_says_when_to_retry() {
    let error = Error::Unavailable {
        reason: ErrorReason::NotYet,
        message: "not here yet".to_owned(),
        retry_after: Duration::from_millis(123),
    };
    let status = check(error, Code::Unavailable, "NOT_YET");
    assert_eq!(delay(&status), Some(Duration::from_millis(123)));
    check(
        Error::database_unavailable(),
        Code::Unavailable,
        "DATABASE_UNAVAILABLE",
    );
}

#[test]
fn overload_is_resource_exhausted_and_retried() {
    let status = check(Error::Overloaded, Code::ResourceExhausted, "OVERLOADED");
    assert_eq!(delay(&status), Some(RETRY_OVERLOADED));
}

#[test]
fn an_expired_cursor_is_out_of_range() {
    check(Error::CursorExpired, Code::OutOfRange, "CURSOR_EXPIRED");
}

#[test]
fn denial_is_permission_denied() {
    check(
        Error::Denied {
            reason: ErrorReason::ScopeMissing,
            scope: "registry.debtor.read",
        },
        Code::PermissionDenied,
        "SCOPE_MISSING",
    );
    check(
        Error::Unauthenticated(ErrorReason::CredentialsMissing),
        Code::Unauthenticated,
        "CREDENTIALS_MISSING",
    );
    let retry_after = Duration::from_millis(20);
    check(
        Error::CallerLimited { retry_after },
        Code::ResourceExhausted,
        "CALLER_LIMITED",
    );
}

#[test]
fn a_passed_deadline_is_deadline_exceeded() {
    check(Error::Deadline, Code::DeadlineExceeded, "DEADLINE");
}

#[test]
fn internal_tells_the_caller_nothing_and_the_log_everything_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer secret")]
    struct Outer(#[source] std::io::Error);

    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let status = tracing::subscriber::with_default(subscriber, || {
        let inner = std::io::Error::other("inner secret");
        check(
            Error::Internal(Box::new(Outer(inner))),
            Code::Internal,
            "INTERNAL",
        )
    });
    assert!(!format!("{status:?}").contains("secret"), "{status:?}");
    assert!(status.message().starts_with("internal error"));
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        text.matches("outer secret: inner secret").count(),
        1,
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
