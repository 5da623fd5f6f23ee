//! Use cases: load, let the core decide, save.

pub mod activate;
pub mod chunk;
pub mod pin;
pub mod place;
pub mod read;
pub mod scheme;
pub mod schemes;
pub mod simulate;

use std::sync::Arc;

use mahnwerk_feed::{Freshness, Publisher};
use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::error::{Error, Result};
use tokio::sync::Notify;

use crate::storage::facts::{self, Creditor, Found};
use schemes::Schemes;

/// What the use cases work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The writing side of the feed, and the database.
    pub publisher: Publisher,
    /// Waits for states of registry and scoring.
    pub freshness: Freshness,
    /// The schemes in use.
    pub schemes: Schemes,
    begun: Arc<Notify>,
}

impl App {
    /// With these.
    #[must_use]
    pub fn new(freshness: Freshness, publisher: Publisher, schemes: Schemes) -> Self {
        Self {
            publisher,
            freshness,
            schemes,
            begun: Arc::default(),
        }
    }

    /// Waits until this process began an activation.
    pub async fn activation_begun(&self) {
        self.begun.notified().await;
    }

    /// A creditor that is known here.
    ///
    /// # Errors
    /// `NotFound`, or `PROJECTION_NOT_READY` if it may yet come.
    pub async fn creditor(&self, creditor_id: &str) -> Result<Creditor> {
        let db = self.publisher.db();
        match facts::creditor(db, creditor_id).await? {
            Some(creditor) => Ok(creditor),
            None if !facts::all_ready(db).await? => Err(not_ready()),
            None => Err(not_found("creditor", creditor_id)),
        }
    }
}

/// Refuses unless the debtor has been placed.
///
/// # Errors
/// `DEBTOR_PARKED`, `PROJECTION_NOT_READY`, `NO_BUSINESS_DAY` or `NotFound`.
pub fn placed(found: Found, creditor_id: &str, debtor_id: &str) -> Result<Creditor> {
    if found.parked {
        return Err(mahnwerk_feed::freshness::parked());
    }
    match found.creditor {
        Some(creditor) if found.known && found.placed => Ok(creditor),
        _ if !found.ready => Err(not_ready()),
        None => Err(not_found("creditor", creditor_id)),
        Some(_) if !found.known => Err(not_found("debtor", debtor_id)),
        Some(creditor) if creditor.business_date.is_none() => Err(no_business_day()),
        // It is being placed.
        Some(_) => Err(not_ready()),
    }
}

/// Something named in a request is not known here.
#[must_use]
pub fn not_found(resource: &'static str, id: &str) -> Error {
    Error::NotFound {
        resource,
        id: id.to_owned(),
    }
}

/// A first snapshot is being taken.
#[must_use]
pub fn not_ready() -> Error {
    Error::precondition(
        ErrorReason::ProjectionNotReady,
        "the first snapshots of registry and scoring are not worked through yet",
    )
}

/// Debtors are placed as of a business date, and there is none yet.
#[must_use]
pub fn no_business_day() -> Error {
    Error::precondition(
        ErrorReason::NoBusinessDay,
        "the creditor has no open business day yet",
    )
}

/// The state of something does not allow what is asked for.
#[must_use]
pub fn wrong_state(message: &str, state: &str) -> Error {
    Error::Precondition {
        reason: ErrorReason::WrongState,
        message: message.to_owned(),
        metadata: vec![("state", state.to_uppercase())],
    }
}
