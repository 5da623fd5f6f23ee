//! Debtors and their timeline.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_feed::{Begun, Locks, WriteTx, Written};
use mahnwerk_runtime::{context::Call, error::Result};
use registry_core::{creditor::Creditor, debtor::Debtor, error::DomainError, violation::Violation};
use serde::Serialize;
use tokio::time::Instant;

use super::{App, Page, check_etag, creditor_of, debtor_of, from_domain, from_violations};
use crate::{
    feed,
    storage::{self, timeline::TimelineEntry},
};

/// A change of a debtor.
#[derive(Clone, Debug, Serialize)]
pub struct UpdateDebtor {
    /// The new values of the fields in the mask; its ids say which debtor.
    pub new: Debtor,
    /// The fields to change.
    pub mask: Vec<String>,
    /// The etag it must have; empty for any.
    pub etag: String,
}

/// Setting or lifting the credit hold.
#[derive(Clone, Debug, Serialize)]
pub struct SetCreditHold {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// Set or lift.
    pub hold: bool,
    /// Why; empty when lifted.
    pub reason: String,
}

/// Setting or lifting the insolvency mark.
#[derive(Clone, Debug, Serialize)]
pub struct SetInsolvency {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The day the proceedings were opened; `None` lifts the mark.
    pub since: Option<NaiveDate>,
}

/// Marking a person as deceased, or lifting the mark.
#[derive(Clone, Debug, Serialize)]
pub struct SetDeceased {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The day of death, or the day it became known; `None` lifts the mark.
    pub since: Option<NaiveDate>,
}

/// Creates debtors of one creditor, in order; one result each. At most 1,000, all of them locked.
///
/// # Errors
/// Those of the database. A debtor that exists, or was named before, is an `Exists` of its own.
pub async fn create_many(
    tx: &mut WriteTx,
    creditor: &Creditor,
    new: Vec<Debtor>,
) -> Result<Vec<Result<Debtor, DomainError>>> {
    let ids: Vec<_> = new.iter().map(|debtor| debtor.debtor_id.as_str()).collect();
    let mut taken: BTreeMap<String, ()> =
        storage::debtor::get_many(&*tx, &creditor.creditor_id, &ids)
            .await?
            .into_keys()
            .map(|id| (id, ()))
            .collect();
    let results: Vec<_> = new
        .into_iter()
        .map(|debtor| match taken.insert(debtor.debtor_id.clone(), ()) {
            None => Ok(debtor),
            Some(()) => Err(DomainError::Exists {
                kind: "debtor",
                id: debtor.debtor_id,
            }),
        })
        .collect();
    let created: Vec<_> = results
        .iter()
        .filter_map(|each| each.as_ref().ok())
        .cloned()
        .collect();
    save(tx, creditor, &created, "created").await?;
    Ok(results)
}

/// Stores debtors of one creditor, each once, with an event each. All of them are locked.
///
/// # Errors
/// Those of the database.
pub async fn save(
    tx: &mut WriteTx,
    creditor: &Creditor,
    debtors: &[Debtor],
    action: &'static str,
) -> Result<()> {
    storage::debtor::save_many(&*tx, debtors).await?;
    let event = |debtor| feed::debtor_event(creditor, debtor, action);
    tx.append(debtors.iter().map(event).collect())
}

impl App {
    /// Creates a debtor.
    ///
    /// # Errors
    /// `NotFound`, `Exists`, `RequestIdReused`, and those of the database.
    pub async fn create_debtor(
        &self,
        call: &Call,
        request_id: &str,
        new: Debtor,
    ) -> Result<Written<Debtor>> {
        let locks = Locks::debtor(&new.creditor_id, &new.debtor_id);
        let begun = self
            .publisher
            .begin_once(
                call,
                "CreateDebtor",
                &new.creditor_id,
                request_id,
                &new,
                locks,
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, &new.creditor_id).await?;
        for result in create_many(&mut once, &creditor, vec![new.clone()]).await? {
            result.map_err(from_domain)?;
        }
        once.finish(new).await
    }

    /// Reads a debtor.
    ///
    /// # Errors
    /// `NotFound`; those of [`mahnwerk_feed::Freshness::debtor`] and of the database.
    pub async fn get_debtor(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Debtor> {
        self.freshness
            .debtor(at_least, creditor_id, debtor_id, deadline)
            .await?;
        debtor_of(self.publisher.db(), creditor_id, debtor_id).await
    }

    /// Lists the debtors of a creditor by id, after `after`.
    ///
    /// # Errors
    /// `NotFound`; those of [`mahnwerk_feed::Freshness::all`] and of the database.
    pub async fn list_debtors(
        &self,
        creditor_id: &str,
        after: &str,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<Debtor>> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        let rows = storage::debtor::list(db, creditor_id, after, limit + 1).await?;
        if rows.is_empty() {
            creditor_of(db, creditor_id).await?;
        }
        Ok(Page::cut(rows, limit))
    }

    /// Changes fields of a debtor.
    ///
    /// # Errors
    /// `NotFound`, `EtagMismatch`, `Invalid`, `RequestIdReused`, and those of the database.
    pub async fn update_debtor(
        &self,
        call: &Call,
        request_id: &str,
        update: UpdateDebtor,
    ) -> Result<Written<Debtor>> {
        let key = (
            update.new.creditor_id.as_str(),
            update.new.debtor_id.as_str(),
        );
        self.change(call, "UpdateDebtor", request_id, &update, key, |debtor| {
            check_etag(&update.etag, debtor.version)?;
            debtor
                .apply_update(&update.new, &update.mask)
                .map_err(from_violations)?;
            Ok("updated")
        })
        .await
    }

    /// Sets or lifts the credit hold.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `RequestIdReused`, and those of the database.
    pub async fn set_credit_hold(
        &self,
        call: &Call,
        request_id: &str,
        command: SetCreditHold,
    ) -> Result<Written<Debtor>> {
        let key = (command.creditor_id.as_str(), command.debtor_id.as_str());
        self.change(call, "SetCreditHold", request_id, &command, key, |debtor| {
            let set = debtor.set_credit_hold(command.hold, &command.reason);
            done(set, command.hold, "credit_hold_set", "credit_hold_lifted")
        })
        .await
    }

    /// Sets or lifts the insolvency mark.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `RequestIdReused`, and those of the database.
    pub async fn set_insolvency(
        &self,
        call: &Call,
        request_id: &str,
        command: SetInsolvency,
    ) -> Result<Written<Debtor>> {
        let key = (command.creditor_id.as_str(), command.debtor_id.as_str());
        self.change(call, "SetInsolvency", request_id, &command, key, |debtor| {
            let set = debtor.set_insolvency(command.since);
            done(
                set,
                command.since.is_some(),
                "insolvency_set",
                "insolvency_lifted",
            )
        })
        .await
    }

    /// Marks a person as deceased, or lifts the mark.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` for an organisation, `RequestIdReused`, and those of the database.
    pub async fn set_deceased(
        &self,
        call: &Call,
        request_id: &str,
        command: SetDeceased,
    ) -> Result<Written<Debtor>> {
        let key = (command.creditor_id.as_str(), command.debtor_id.as_str());
        self.change(call, "SetDeceased", request_id, &command, key, |debtor| {
            let set = debtor.set_deceased(command.since);
            let since = command.since.is_some();
            done(set, since, "deceased_set", "deceased_lifted")
        })
        .await
    }

    /// Changes one debtor; `apply` says what was done.
    async fn change<C: Serialize>(
        &self,
        call: &Call,
        method: &'static str,
        request_id: &str,
        command: &C,
        (creditor_id, debtor_id): (&str, &str),
        apply: impl FnOnce(&mut Debtor) -> Result<&'static str>,
    ) -> Result<Written<Debtor>> {
        let locks = Locks::debtor(creditor_id, debtor_id);
        let begun = self
            .publisher
            .begin_once(call, method, creditor_id, request_id, command, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, creditor_id).await?;
        let mut debtor = debtor_of(&**once, creditor_id, debtor_id).await?;
        let action = apply(&mut debtor)?;
        debtor.version += 1;
        save(&mut once, &creditor, std::slice::from_ref(&debtor), action).await?;
        once.finish(debtor).await
    }

    /// What has happened with a debtor before the entry with the number `before`, newest first.
    ///
    /// # Errors
    /// `NotFound`; those of [`mahnwerk_feed::Freshness::debtor`] and of the database.
    pub async fn list_timeline(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        before: i64,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<TimelineEntry>> {
        self.freshness
            .debtor(at_least, creditor_id, debtor_id, deadline)
            .await?;
        let db = self.publisher.db();
        let rows = storage::timeline::list(db, creditor_id, debtor_id, before, limit + 1).await?;
        if rows.is_empty() {
            debtor_of(db, creditor_id, debtor_id).await?;
        }
        Ok(Page::cut(rows, limit))
    }
}

fn done(
    applied: Result<(), Vec<Violation>>,
    set: bool,
    when_set: &'static str,
    when_lifted: &'static str,
) -> Result<&'static str> {
    applied.map_err(from_violations)?;
    Ok(if set { when_set } else { when_lifted })
}
