//! Disputes.

use mahnwerk_feed::{Begun, Locks, Written};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
};
use registry_core::{
    account::ItemKey,
    arrangement::{Claim, Dispute, DisputeState},
    error::DomainError,
};
use serde::Serialize;
use tokio::time::Instant;

use super::{App, Page, creditor_of, debtor_of, from_domain, not_found};
use crate::{feed, storage};

/// The end of a dispute.
#[derive(Clone, Debug, Serialize)]
pub struct CloseDispute {
    /// The creditor.
    pub creditor_id: String,
    /// The dispute.
    pub dispute_id: String,
    /// Anything but open.
    pub outcome: DisputeState,
}

impl App {
    /// Opens a dispute about an invoice.
    ///
    /// # Errors
    /// `NotFound` for the creditor or the invoice, `NO_BUSINESS_DAY`, `Exists`, `WRONG_STATE` if nothing is open on the
    /// invoice, `ALREADY_COVERED`, the refusals of [`Claim::open`], `RequestIdReused`, and those of the database.
    pub async fn open_dispute(
        &self,
        call: &Call,
        request_id: &str,
        claim: Claim,
    ) -> Result<Written<Dispute>> {
        let creditor_id = claim.creditor_id.clone();
        let invoice = ItemKey::invoice(&claim.invoice_id);
        let db = self.publisher.db();
        // The debtor of an item never changes. An item that is not there yet has none; the transaction then says so.
        let debtor_id = storage::item::get(db, &creditor_id, &invoice)
            .await?
            .map(|item| item.debtor_id);
        let locks = Locks::debtors(&creditor_id, debtor_id.as_deref());
        let begun = self
            .publisher
            .begin_once(call, "OpenDispute", &creditor_id, request_id, &claim, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, &creditor_id).await?;
        let business_date = creditor
            .business_date
            .ok_or_else(|| from_domain(DomainError::NoBusinessDay))?;
        let item = storage::item::get(&**once, &creditor_id, &invoice).await?;
        if item.as_ref().map(|item| &item.debtor_id) != debtor_id.as_ref() {
            return Err(Error::Contention(None));
        }
        if storage::dispute::get(&**once, &creditor_id, &claim.dispute_id)
            .await?
            .is_some()
        {
            return Err(from_domain(DomainError::Exists {
                kind: "dispute",
                id: claim.dispute_id,
            }));
        }
        let other = storage::dispute::open_of_invoice(&**once, &creditor_id, &invoice.id).await?;
        if let Some(id) = other {
            let kind = "dispute";
            return Err(from_domain(DomainError::AlreadyCovered { kind, id }));
        }
        let dispute = claim
            .open(business_date, item.as_ref())
            .map_err(from_domain)?;
        storage::dispute::save(&**once, &dispute).await?;
        once.append(vec![feed::dispute_event(&creditor, &dispute, "opened")])?;
        once.finish(dispute).await
    }

    /// Closes a dispute.
    ///
    /// # Errors
    /// `NotFound`, `WRONG_STATE` if it is closed, `RequestIdReused`, and those of the database.
    pub async fn close_dispute(
        &self,
        call: &Call,
        request_id: &str,
        close: CloseDispute,
    ) -> Result<Written<Dispute>> {
        let (creditor_id, id) = (close.creditor_id.as_str(), close.dispute_id.as_str());
        let debtor_id = storage::dispute::get(self.publisher.db(), creditor_id, id)
            .await?
            .map(|dispute| dispute.debtor_id);
        let locks = Locks::debtors(creditor_id, debtor_id.as_deref());
        let begun = self
            .publisher
            .begin_once(call, "CloseDispute", creditor_id, request_id, &close, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, creditor_id).await?;
        let Some(mut dispute) = storage::dispute::get(&**once, creditor_id, id).await? else {
            return Err(not_found("dispute", id));
        };
        if debtor_id.as_ref() != Some(&dispute.debtor_id) {
            return Err(Error::Contention(None));
        }
        let business_date = creditor
            .business_date
            .ok_or_else(|| from_domain(DomainError::NoBusinessDay))?;
        dispute
            .close(close.outcome, business_date)
            .map_err(from_domain)?;
        storage::dispute::save(&**once, &dispute).await?;
        let action = dispute.state.name();
        once.append(vec![feed::dispute_event(&creditor, &dispute, action)])?;
        once.finish(dispute).await
    }

    /// Lists the disputes of a debtor by id, after `after`.
    ///
    /// # Errors
    /// `NotFound`; those of [`mahnwerk_feed::Freshness::debtor`] and of the database.
    pub async fn list_disputes(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        after: &str,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<Dispute>> {
        self.freshness
            .debtor(at_least, creditor_id, debtor_id, deadline)
            .await?;
        let db = self.publisher.db();
        let rows = storage::dispute::list(db, creditor_id, debtor_id, after, limit + 1).await?;
        if rows.is_empty() {
            debtor_of(db, creditor_id, debtor_id).await?;
        }
        Ok(Page::cut(rows, limit))
    }
}
