//! Use cases: load, let the core decide, save.

pub mod broken;
pub mod calendar;
pub mod deliver;
pub mod dispatch;
pub mod explain;
mod four_eyes;
pub mod inputs;
pub mod letter;
pub mod outbox;
pub mod pause;
pub mod procedure;
pub mod propose;
pub mod release;
pub mod replay;
pub mod review;
pub mod run;
pub mod settings;
pub mod task;

use std::sync::Arc;

use dunning_core::law::LawPacks;
use mahnwerk_feed::{Freshness, OnceTx, Publisher, Written};
use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::{
    db::Sql,
    error::{Error, Result, Violation},
};
use serde::Serialize;
use tokio::sync::Notify;

use crate::storage::facts;
use inputs::{CreditorFacts, Subject};

/// What the use cases work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The writing side of the feed, and the database.
    pub publisher: Publisher,
    /// Waits for states of this service, registry, scoring and segmentation.
    pub freshness: Freshness,
    /// Interest and flat sums by law.
    pub law: Arc<LawPacks>,
    /// Whether this process has a way out of e-mails.
    pub emails: bool,
    /// Wakes the background of this process, because there may be something to do.
    pub wake: Arc<Notify>,
}

/// The feeds that are consumed.
const FEEDS: i64 = 3;

impl App {
    /// Ends a write that gives the background something to do.
    pub(crate) async fn finish<T: Serialize + Send>(
        &self,
        once: Box<OnceTx>,
        answer: T,
    ) -> Result<Written<T>> {
        let written = once.finish(answer).await?;
        self.wake.notify_waiters();
        Ok(written)
    }

    /// What is known of a creditor.
    ///
    /// # Errors
    /// `NotFound`, or `PROJECTION_NOT_READY` if it may yet come.
    pub async fn creditor(&self, on: &impl Sql, creditor_id: &str) -> Result<CreditorFacts> {
        match inputs::creditor(on, creditor_id).await? {
            Some(creditor) => Ok(creditor),
            None if !facts::ready(on, FEEDS).await? => Err(not_ready()),
            None => Err(not_found("creditor", creditor_id)),
        }
    }

    /// Refuses unless a creditor is known here.
    ///
    /// # Errors
    /// Those of [`App::creditor`].
    pub async fn require_creditor(&self, on: &impl Sql, creditor_id: &str) -> Result<()> {
        self.creditor(on, creditor_id).await.map(|_| ())
    }

    /// What is known of a debtor.
    ///
    /// # Errors
    /// `DEBTOR_PARKED`, `NO_BUSINESS_DAY`, `NotFound`, or `PROJECTION_NOT_READY` if it may yet come.
    pub async fn subject(
        &self,
        on: &impl Sql,
        creditor: &CreditorFacts,
        debtor_id: &str,
    ) -> Result<Subject> {
        let ids = [debtor_id.to_owned()];
        let mut found = inputs::load(on, creditor, &ids).await?;
        if let Some(subject) = found.pop() {
            return Ok(subject);
        }
        if !inputs::parked(on, &creditor.creditor_id, &ids)
            .await?
            .is_empty()
        {
            return Err(mahnwerk_feed::freshness::parked());
        }
        if !facts::ready(on, FEEDS).await? {
            return Err(not_ready());
        }
        Err(not_found("debtor", debtor_id))
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

/// First snapshots are being taken.
#[must_use]
pub fn not_ready() -> Error {
    Error::precondition(
        ErrorReason::ProjectionNotReady,
        "the first snapshots of the other services are not worked through yet",
    )
}

/// Everything here is as of a business date, and there is none yet.
#[must_use]
pub fn no_business_day() -> Error {
    Error::precondition(
        ErrorReason::NoBusinessDay,
        "the creditor has no open business day yet",
    )
}

/// Something is wrong with one field, found out after the others were checked.
#[must_use]
pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Error {
    Error::Invalid(vec![Violation::new(field, description)])
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

/// A number of things is bounded, and reached.
#[must_use]
pub fn limit_reached(limit: i64, message: &str) -> Error {
    Error::Precondition {
        reason: ErrorReason::LimitReached,
        message: message.to_owned(),
        metadata: vec![("limit", limit.to_string())],
    }
}
