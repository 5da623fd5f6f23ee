//! Use cases: locks, load, decide by the rules of `registry_core`, save state and events in one transaction.
//!
//! Arguments are domain values whose form the caller has checked; what depends on stored state is checked here.

pub mod account;
pub mod approval;
pub mod arrangement;
pub mod balance;
pub mod contact;
pub mod contact_point;
pub mod creditor;
pub mod debtor;
pub mod dispute;
pub mod import;
pub mod posting;

use mahnwerk_feed::{Freshness, Publisher};
use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::{
    db::Sql,
    error::{Error, Result, Violation},
};
use registry_core::{creditor::Creditor, debtor::Debtor, error::DomainError, violation};

use crate::storage;

/// The use cases of the registry. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The writing side of the feed, with database, clock and ids.
    pub publisher: Publisher,
    /// Waits for what a consistency token names.
    pub freshness: Freshness,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, at most as many as asked for.
    pub rows: Vec<T>,
    /// Whether there are more behind them.
    pub more: bool,
}

impl<T> Page<T> {
    /// A page of `limit` rows out of up to `limit + 1` that were read.
    pub(crate) fn cut(mut rows: Vec<T>, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        Self { rows, more }
    }
}

/// The etag of a version. Callers must not read anything from it.
#[must_use]
pub fn etag(version: i64) -> String {
    format!("v{version}")
}

/// Refuses unless the etag is empty or the current one.
pub(crate) fn check_etag(sent: &str, version: i64) -> Result<()> {
    if sent.is_empty() || sent == etag(version) {
        Ok(())
    } else {
        Err(Error::EtagMismatch)
    }
}

/// The creditor; `NotFound` if there is none.
pub(crate) async fn creditor_of(on: &impl Sql, creditor_id: &str) -> Result<Creditor> {
    storage::creditor::get(on, creditor_id)
        .await?
        .ok_or_else(|| not_found("creditor", creditor_id))
}

/// The debtor; `NotFound` names the creditor if that is missing already.
pub(crate) async fn debtor_of(on: &impl Sql, creditor_id: &str, debtor_id: &str) -> Result<Debtor> {
    if let Some(debtor) = storage::debtor::get(on, creditor_id, debtor_id).await? {
        return Ok(debtor);
    }
    creditor_of(on, creditor_id).await?;
    Err(not_found("debtor", debtor_id))
}

pub(crate) fn not_found(resource: &'static str, id: &str) -> Error {
    Error::NotFound {
        resource,
        id: id.to_owned(),
    }
}

/// What is wrong with fields, as the runtime tells callers.
pub fn from_violations(violations: Vec<violation::Violation>) -> Error {
    let convert = |each: violation::Violation| Violation::new(each.field, each.description);
    Error::Invalid(violations.into_iter().map(convert).collect())
}

/// What a refusal of the rules means to a caller.
pub fn from_domain(error: DomainError) -> Error {
    let message = error.to_string();
    let precondition = |reason, metadata| Error::Precondition {
        reason,
        message,
        metadata,
    };
    match error {
        DomainError::Invalid(violations) => from_violations(violations),
        DomainError::NotFound { kind, id } => Error::NotFound { resource: kind, id },
        DomainError::Exists { kind, id } => Error::Exists { resource: kind, id },
        DomainError::EtagMismatch => Error::EtagMismatch,
        DomainError::NoBusinessDay => precondition(ErrorReason::NoBusinessDay, vec![]),
        DomainError::BusinessDayRefused { date, reason } => precondition(
            ErrorReason::BusinessDayRefused,
            vec![("date", date.to_string()), ("cause", reason.to_owned())],
        ),
        DomainError::ExceedsOpenAmount { item, open, wanted } => precondition(
            ErrorReason::ExceedsOpenAmount,
            vec![
                ("kind", item.kind.name().to_owned()),
                ("id", item.id),
                ("open", open.to_string()),
                ("wanted", wanted.to_string()),
            ],
        ),
        DomainError::ItemsDoNotMatch { item, difference } => precondition(
            ErrorReason::ItemsDoNotMatch,
            vec![
                ("kind", item.kind.name().to_owned()),
                ("id", item.id),
                ("difference", difference.to_owned()),
            ],
        ),
        DomainError::AlreadyReversed { kind, id } => precondition(
            ErrorReason::AlreadyReversed,
            vec![("kind", kind.to_owned()), ("id", id)],
        ),
        DomainError::HasAllocations { item } => precondition(
            ErrorReason::HasAllocations,
            vec![("kind", item.kind.name().to_owned()), ("id", item.id)],
        ),
        DomainError::AlreadyCovered { kind, id } => precondition(
            ErrorReason::AlreadyCovered,
            vec![("kind", kind.to_owned()), ("id", id)],
        ),
        DomainError::WrongState { kind, id, state } => precondition(
            ErrorReason::WrongState,
            vec![
                ("kind", kind.to_owned()),
                ("id", id),
                ("state", state.to_owned()),
            ],
        ),
        DomainError::FourEyesRequired {
            method, principal, ..
        } => {
            let barred = (!principal.is_empty()).then_some(("principal", principal));
            let method = [("method", method.to_owned())];
            precondition(
                ErrorReason::FourEyesRequired,
                method.into_iter().chain(barred).collect(),
            )
        }
        DomainError::LimitReached { limit, what } => precondition(
            ErrorReason::LimitReached,
            vec![("limit", limit.to_string()), ("what", what.to_owned())],
        ),
    }
}
