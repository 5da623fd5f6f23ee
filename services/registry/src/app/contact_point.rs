//! Contact points.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use mahnwerk_feed::{Begun, Locks, WriteTx, Written};
use mahnwerk_runtime::{context::Call, db::Sql, error::Result};
use registry_core::{creditor::Creditor, debtor::ContactPoint, error::DomainError};
use serde::Serialize;
use tokio::time::Instant;

use super::{App, Page, creditor_of, debtor_of, from_domain, from_violations, not_found};
use crate::{feed, storage};

/// Most contact points of one debtor.
pub const MAX_CONTACT_POINTS: i64 = 50;

/// A change of a contact point.
#[derive(Clone, Debug, Serialize)]
pub struct UpdateContactPoint {
    /// The new values of the fields in the mask; its ids say which contact point.
    pub new: ContactPoint,
    /// The fields to change.
    pub mask: Vec<String>,
}

/// Names one contact point.
#[derive(Clone, Debug, Serialize)]
pub struct ContactPointKey {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The contact point.
    pub contact_point_id: String,
}

/// Creates contact points of debtors of one creditor, in order; one result each. At most 1,000, all debtors locked.
///
/// # Errors
/// Those of the database. A debtor that does not exist, a contact point that does, and one too many are results.
pub async fn create_many(
    tx: &mut WriteTx,
    creditor: &Creditor,
    new: Vec<ContactPoint>,
) -> Result<Vec<Result<ContactPoint, DomainError>>> {
    let creditor_id = creditor.creditor_id.as_str();
    let keys: Vec<_> = new.iter().map(key_of).collect();
    let debtor_ids: Vec<_> = keys
        .iter()
        .map(|key| key.0)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let debtors = storage::debtor::get_many(&*tx, creditor_id, &debtor_ids).await?;
    let counts = storage::contact_point::counts(&*tx, creditor_id, &debtor_ids).await?;
    let unique: Vec<_> = keys
        .iter()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let stored = storage::contact_point::get_many(&*tx, creditor_id, &unique).await?;
    let mut admission = Admission {
        taken: stored
            .into_iter()
            .map(|(key, stored)| (key, (stored.contact_point.version, !stored.deleted)))
            .collect(),
        counts: debtors
            .into_keys()
            .map(|id| {
                let count = counts.get(&id).copied().unwrap_or(0);
                (id, count)
            })
            .collect(),
    };
    let results: Vec<_> = new.into_iter().map(|each| admission.admit(each)).collect();
    let created: Vec<_> = results
        .iter()
        .filter_map(|each| each.as_ref().ok())
        .cloned()
        .collect();
    save(tx, creditor, &created, "created").await?;
    Ok(results)
}

/// What decides whether a contact point may be created.
struct Admission {
    /// Version and existence by debtor and id.
    taken: BTreeMap<(String, String), (i64, bool)>,
    /// Number of contact points by debtor; debtors that do not exist are missing.
    counts: BTreeMap<String, i64>,
}

impl Admission {
    fn admit(&mut self, mut new: ContactPoint) -> Result<ContactPoint, DomainError> {
        let Some(count) = self.counts.get_mut(&new.debtor_id) else {
            return Err(DomainError::NotFound {
                kind: "debtor",
                id: new.debtor_id,
            });
        };
        let key = (new.debtor_id.clone(), new.contact_point_id.clone());
        let entry = self.taken.entry(key);
        if matches!(&entry, Entry::Occupied(taken) if taken.get().1) {
            return Err(DomainError::Exists {
                kind: "contact_point",
                id: new.contact_point_id,
            });
        }
        if *count >= MAX_CONTACT_POINTS {
            return Err(DomainError::LimitReached {
                limit: MAX_CONTACT_POINTS,
                what: "contact points",
            });
        }
        *count += 1;
        let taken = entry.or_insert((0, false));
        *taken = (taken.0 + 1, true);
        new.version = taken.0;
        Ok(new)
    }
}

/// Stores contact points, and tells what was done to them.
pub(super) async fn save(
    tx: &mut WriteTx,
    creditor: &Creditor,
    contact_points: &[ContactPoint],
    action: &'static str,
) -> Result<()> {
    storage::contact_point::save_many(&*tx, contact_points).await?;
    let event = |each| feed::contact_point_event(creditor, each, action, true);
    tx.append(contact_points.iter().map(event).collect())
}

impl App {
    /// Adds a contact point.
    ///
    /// # Errors
    /// `NotFound`, `Exists`, `LIMIT_REACHED`, `RequestIdReused`, and those of the database.
    pub async fn create_contact_point(
        &self,
        call: &Call,
        request_id: &str,
        new: ContactPoint,
    ) -> Result<Written<ContactPoint>> {
        let locks = Locks::debtor(&new.creditor_id, &new.debtor_id);
        let begun = self
            .publisher
            .begin_once(
                call,
                "CreateContactPoint",
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
        let mut created = new.clone();
        for result in create_many(&mut once, &creditor, vec![new]).await? {
            created = result.map_err(from_domain)?;
        }
        once.finish(created).await
    }

    /// Changes the address or the state of a contact point.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `RequestIdReused`, and those of the database.
    pub async fn update_contact_point(
        &self,
        call: &Call,
        request_id: &str,
        update: UpdateContactPoint,
    ) -> Result<Written<ContactPoint>> {
        let new = &update.new;
        let locks = Locks::debtor(&new.creditor_id, &new.debtor_id);
        let begun = self
            .publisher
            .begin_once(
                call,
                "UpdateContactPoint",
                &new.creditor_id,
                request_id,
                &update,
                locks,
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, &new.creditor_id).await?;
        let mut contact_point = contact_point_of(&**once, &new.creditor_id, key_of(new)).await?;
        contact_point
            .apply_update(new, &update.mask)
            .map_err(from_violations)?;
        contact_point.version += 1;
        save(
            &mut once,
            &creditor,
            std::slice::from_ref(&contact_point),
            "updated",
        )
        .await?;
        once.finish(contact_point).await
    }

    /// Deletes a contact point.
    ///
    /// # Errors
    /// `NotFound`, `RequestIdReused`, and those of the database.
    pub async fn delete_contact_point(
        &self,
        call: &Call,
        request_id: &str,
        key: ContactPointKey,
    ) -> Result<Written<()>> {
        let locks = Locks::debtor(&key.creditor_id, &key.debtor_id);
        let begun = self
            .publisher
            .begin_once(
                call,
                "DeleteContactPoint",
                &key.creditor_id,
                request_id,
                &key,
                locks,
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let ids = (key.debtor_id.as_str(), key.contact_point_id.as_str());
        let creditor = creditor_of(&**once, &key.creditor_id).await?;
        let mut contact_point = contact_point_of(&**once, &key.creditor_id, ids).await?;
        contact_point.version += 1;
        storage::contact_point::delete(
            &**once,
            &key.creditor_id,
            ids.0,
            ids.1,
            contact_point.version,
        )
        .await?;
        let event = feed::contact_point_event(&creditor, &contact_point, "deleted", false);
        once.append(vec![event])?;
        once.finish(()).await
    }

    /// Lists the contact points of a debtor by id, after `after`.
    ///
    /// # Errors
    /// `NotFound`; those of [`mahnwerk_feed::Freshness::debtor`] and of the database.
    pub async fn list_contact_points(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        after: &str,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<ContactPoint>> {
        self.freshness
            .debtor(at_least, creditor_id, debtor_id, deadline)
            .await?;
        let db = self.publisher.db();
        let rows =
            storage::contact_point::list(db, creditor_id, debtor_id, after, limit + 1).await?;
        if rows.is_empty() {
            debtor_of(db, creditor_id, debtor_id).await?;
        }
        Ok(Page::cut(rows, limit))
    }
}

fn key_of(contact_point: &ContactPoint) -> (&str, &str) {
    (&contact_point.debtor_id, &contact_point.contact_point_id)
}

/// The contact point; `NotFound` names the debtor or creditor if that is missing already.
async fn contact_point_of(
    on: &impl Sql,
    creditor_id: &str,
    key: (&str, &str),
) -> Result<ContactPoint> {
    let found = storage::contact_point::get_many(on, creditor_id, &[key]).await?;
    if let Some(stored) = found.into_values().find(|stored| !stored.deleted) {
        return Ok(stored.contact_point);
    }
    debtor_of(on, creditor_id, key.0).await?;
    Err(not_found("contact_point", key.1))
}
