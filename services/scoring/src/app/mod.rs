//! Use cases: load, let the core decide, save.

pub mod credit;
pub mod read;
pub mod rescore;

use mahnwerk_feed::{Freshness, Publisher};
use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::error::{Error, Result};
use scoring_core::{
    decision::{CreditPolicy, starter_policy},
    scorecard::{Scorecard, ScorecardKind, starter_scorecards},
};
use std::sync::Arc;

use crate::storage::{
    facts::Creditor,
    score::{Current, Found},
};

/// What the use cases work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The writing side of the feed, and the database.
    pub publisher: Publisher,
    /// Waits for states of the registry.
    pub freshness: Freshness,
    /// The data that decide.
    pub rules: Rules,
}

/// The scorecards and the credit policy in use. Cheap to clone.
#[derive(Clone)]
pub struct Rules {
    scorecards: Arc<[Scorecard]>,
    policy: Arc<CreditPolicy>,
}

impl Rules {
    /// The ones that ship with the program.
    ///
    /// # Errors
    /// If they are not valid, which their tests exclude.
    pub fn starter() -> Result<Self> {
        let scorecards = starter_scorecards().map_err(|error| Error::Internal(Box::new(error)))?;
        let policy = starter_policy().map_err(|error| Error::Internal(Box::new(error)))?;
        Ok(Self {
            scorecards: scorecards.into(),
            policy: Arc::new(policy),
        })
    }

    /// All scorecards, by kind and revision.
    #[must_use]
    pub fn scorecards(&self) -> &[Scorecard] {
        &self.scorecards
    }

    /// The active scorecard of a kind.
    ///
    /// # Errors
    /// If there is none.
    pub fn active(&self, kind: ScorecardKind) -> Result<&Scorecard> {
        self.scorecards
            .iter()
            .filter(|card| card.kind == kind)
            .max_by_key(|card| card.revision)
            .ok_or_else(|| Error::internal("no scorecard of this kind"))
    }

    /// The credit policy.
    #[must_use]
    pub fn policy(&self) -> &CreditPolicy {
        &self.policy
    }
}

/// What was found of a debtor, or why nothing can be said about it.
///
/// # Errors
/// `DEBTOR_PARKED`, `PROJECTION_NOT_READY` or `NotFound`.
pub fn known(found: Found, creditor_id: &str, debtor_id: &str) -> Result<Current> {
    if found.parked {
        return Err(mahnwerk_feed::freshness::parked());
    }
    match (found.current, found.creditor) {
        (Some(current), _) => Ok(current),
        _ if !found.ready => Err(not_ready()),
        (None, Some(_)) => Err(not_found("debtor", debtor_id)),
        (None, None) => Err(not_found("creditor", creditor_id)),
    }
}

/// Why a known debtor has no score.
#[must_use]
pub fn unscored(creditor: &Creditor) -> Error {
    if creditor.business_date.is_none() {
        no_business_day()
    } else {
        not_ready()
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
        "the first snapshot of the registry is not worked through yet",
    )
}

/// Scores are computed as of a business date, and there is none yet.
#[must_use]
pub fn no_business_day() -> Error {
    Error::precondition(
        ErrorReason::NoBusinessDay,
        "the creditor has no open business day yet",
    )
}
