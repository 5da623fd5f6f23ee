//! The one error type of a service, free of transport, and its one mapping to a gRPC status.
//!
//! `Display` tells what may be told to a caller; what went wrong inside is the `source` and goes to the log only.

use std::time::Duration;

use mahnwerk_proto::common::v1::ErrorReason;
use sea_orm::DbErr;

use crate::telemetry::{self, names};

/// A field that is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field within the request, for example `invoice.amount.currency_code`.
    pub field: String,
    /// What is wrong, without personal data.
    pub description: String,
}

impl Violation {
    /// A violation of `field`.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }
}

/// What can go wrong in a use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// At least one field is wrong; every one is named.
    #[error("invalid request")]
    Invalid(Vec<Violation>),
    /// A page token that was not made for this call.
    #[error("invalid page token")]
    InvalidPageToken,
    /// Something named in the request does not exist.
    #[error("{resource} not found")]
    NotFound {
        /// What kind of thing, for example `debtor`.
        resource: &'static str,
        /// Its id.
        id: String,
    },
    /// Something with this id exists already.
    #[error("{resource} exists already")]
    Exists {
        /// What kind of thing.
        resource: &'static str,
        /// Its id.
        id: String,
    },
    /// The request id was used before with other content.
    #[error("the request id was used before with other content")]
    RequestIdReused,
    /// The state does not allow it; repeating the call does not help.
    #[error("{message}")]
    Precondition {
        /// The stable reason.
        reason: ErrorReason,
        /// What is wrong, without personal data.
        message: String,
        /// Facts for programs, for example `limit`.
        metadata: Vec<(&'static str, String)>,
    },
    /// The etag is not the current one.
    #[error("the resource has changed since it was read")]
    EtagMismatch,
    /// Another writer was in the way; the same call may be retried.
    #[error("another writer was in the way")]
    Contention(#[source] Option<DbErr>),
    /// Not now; the same call may be retried after `retry_after`.
    #[error("{message}")]
    Unavailable {
        /// The stable reason.
        reason: ErrorReason,
        /// Why.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// Too much at once.
    #[error("overloaded")]
    Overloaded,
    /// The feed cursor is too old or of another incarnation.
    #[error("the cursor has expired: take a new snapshot")]
    CursorExpired,
    /// The call does not say who calls, or not in a way that can be believed.
    #[error("not authenticated")]
    Unauthenticated(ErrorReason),
    /// The caller may not do this.
    #[error("not allowed")]
    Denied {
        /// The stable reason.
        reason: ErrorReason,
        /// The scope that the method demands, if it declares one.
        scope: &'static str,
    },
    /// The caller reached its own limit.
    #[error("the caller's limit is reached")]
    CallerLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The deadline passed.
    #[error("deadline exceeded")]
    Deadline,
    /// A defect.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failed precondition without metadata.
    pub fn precondition(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::Precondition {
            reason,
            message: message.into(),
            metadata: Vec::new(),
        }
    }

    /// A defect, described for the log.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal(message.into().into())
    }

    /// The database cannot be reached.
    #[must_use]
    pub fn database_unavailable() -> Self {
        Self::Unavailable {
            reason: ErrorReason::DatabaseUnavailable,
            message: "the database cannot be reached".to_owned(),
            retry_after: Duration::from_millis(500),
        }
    }

    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Contention(_)
            | Self::Unavailable { .. }
            | Self::Overloaded
            | Self::CallerLimited { .. }
            | Self::Deadline => true,
            Self::Invalid(_)
            | Self::InvalidPageToken
            | Self::NotFound { .. }
            | Self::Exists { .. }
            | Self::RequestIdReused
            | Self::Precondition { .. }
            | Self::EtagMismatch
            | Self::CursorExpired
            | Self::Unauthenticated(_)
            | Self::Denied { .. }
            | Self::Internal(_) => false,
        }
    }
}

/// What a database error means for the caller. Nothing of the driver's text reaches it.
impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => {
                return Self::unavailable_because(&error);
            }
            DbErr::Exec(runtime) | DbErr::Query(runtime) => {
                if let Some(meaning) = meaning_of(runtime) {
                    return match meaning {
                        Meaning::Contention => Self::Contention(Some(error)),
                        Meaning::Gone => Self::unavailable_because(&error),
                        Meaning::TooSlow => {
                            tracing::warn!(error = %error, "statement cancelled by a time limit");
                            Self::Overloaded
                        }
                    };
                }
            }
            _ => {}
        }
        Self::Internal(Box::new(error))
    }
}

impl Error {
    fn unavailable_because(error: &DbErr) -> Self {
        if is_pool_timeout(error) {
            telemetry::count(&names::POOL_TIMEOUTS, 1, &[]);
        }
        tracing::warn!(error = %error, "database unavailable");
        Self::database_unavailable()
    }
}

/// Whether all connections were in use for too long.
fn is_pool_timeout(error: &DbErr) -> bool {
    use sea_orm::{ConnAcquireErr, RuntimeErr, sqlx::Error as Sqlx};
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => true,
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            matches!(error.as_ref(), Sqlx::PoolTimedOut)
        }
        _ => false,
    }
}

enum Meaning {
    Contention,
    Gone,
    TooSlow,
}

fn meaning_of(error: &sea_orm::RuntimeErr) -> Option<Meaning> {
    use sea_orm::sqlx::Error as Sqlx;
    let sea_orm::RuntimeErr::SqlxError(error) = error else {
        return None;
    };
    match error.as_ref() {
        Sqlx::Io(_)
        | Sqlx::PoolClosed
        | Sqlx::PoolTimedOut
        | Sqlx::WorkerCrashed
        | Sqlx::Tls(_) => Some(Meaning::Gone),
        Sqlx::Database(database) => match database.code().as_deref() {
            // PostgreSQL: serialization failure, deadlock, lock timeout. SQLite: busy, locked, busy snapshot.
            Some("40001" | "40P01" | "55P03" | "5" | "6" | "261" | "517" | "773") => {
                Some(Meaning::Contention)
            }
            // PostgreSQL: shutting down, starting up, too many connections, idle in transaction timeout.
            Some("57P01" | "57P02" | "57P03" | "53300" | "25P03" | "08006" | "08003" | "08000") => {
                Some(Meaning::Gone)
            }
            Some("57014") => Some(Meaning::TooSlow),
            _ => None,
        },
        _ => None,
    }
}
