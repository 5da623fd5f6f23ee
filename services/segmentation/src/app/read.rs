//! Reading memberships.

use std::{collections::BTreeMap, sync::Arc};

use mahnwerk_runtime::{db::Sql, error::Result};
use segmentation_core::{
    explain::{Explanation, explain},
    facts::{Field, FieldSet, Value, build::next_date},
    scheme::CompiledScheme,
};
use tokio::time::Instant;

use super::{
    App,
    chunk::{Chunk, Situation, Subject},
    not_found, not_ready, placed,
    schemes::Active,
};
use crate::storage::{
    facts::{self, Creditor},
    history::{self, Period},
    membership::{self as stored, MembershipRow, Size},
    scheme,
};

/// A read of one debtor: which, and what it must contain.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// The creditor.
    pub creditor_id: &'a str,
    /// The debtor.
    pub debtor_id: &'a str,
    /// A consistency token, or empty.
    pub at_least: &'a str,
    /// When the answer must have been given.
    pub deadline: Option<Instant>,
}

/// A read of a scheme: which, and what it must contain.
#[derive(Clone, Copy, Debug)]
pub struct In<'a> {
    /// The creditor.
    pub creditor_id: &'a str,
    /// The scheme.
    pub scheme_id: &'a str,
    /// A consistency token, or empty.
    pub at_least: &'a str,
    /// When the answer must have been given.
    pub deadline: Option<Instant>,
}

/// Why a debtor is where it is.
pub struct Explained {
    /// Where it is; `None` if the scheme is so new that it has not been placed by it.
    pub membership: Option<MembershipRow>,
    /// The active revision.
    pub scheme: Arc<CompiledScheme>,
    subject: Subject,
    situation: Situation,
}

impl Explained {
    /// Every segment in order, with what became of it.
    #[must_use]
    pub fn explanation(&self) -> Explanation<'_> {
        explain(
            &self.scheme,
            &self.situation.input(&self.subject.facts, self.subject.day),
        )
    }

    /// All facts in the order of the table, without those that are absent.
    pub fn facts(&self) -> impl Iterator<Item = (&'static str, Value)> {
        Field::all().filter_map(|field| {
            let value = field.value(&self.subject.facts)?;
            Some((field.info().name, value.into()))
        })
    }

    /// The next date on which the debtor may move although no fact changes.
    #[must_use]
    pub fn next_date(&self) -> Option<chrono::NaiveDate> {
        let decision = self.explanation().decision;
        let named = |fields: FieldSet| next_date(&self.subject.registry, fields, self.subject.day);
        let dates = [
            decision.next_date,
            named(decision.fields),
            self.subject.next_rate,
        ];
        dates.into_iter().flatten().min()
    }
}

impl App {
    async fn find(&self, on: &impl Sql, of: Of<'_>) -> Result<Creditor> {
        let found = facts::find(on, of.creditor_id, of.debtor_id).await?;
        placed(found, of.creditor_id, of.debtor_id)
    }

    async fn wait(&self, of: Of<'_>) -> Result<()> {
        self.freshness
            .debtor(of.at_least, of.creditor_id, of.debtor_id, of.deadline)
            .await
    }

    /// The memberships of a debtor, by scheme.
    ///
    /// # Errors
    /// `NotFound`, `DEBTOR_PARKED`, `PROJECTION_NOT_READY`, `NO_BUSINESS_DAY`, or those of the freshness wait.
    pub async fn memberships(&self, of: Of<'_>) -> Result<Vec<MembershipRow>> {
        self.wait(of).await?;
        let db = self.publisher.db();
        self.find(db, of).await?;
        let ids = [of.debtor_id.to_owned()];
        let found = stored::of_debtors(db, of.creditor_id, &ids, None).await?;
        Ok(found
            .into_values()
            .flat_map(BTreeMap::into_values)
            .collect())
    }

    /// Where a debtor has been in a scheme, newest first, before a version.
    ///
    /// # Errors
    /// As [`App::memberships`].
    pub async fn membership_history(
        &self,
        of: Of<'_>,
        scheme_id: &str,
        before: i64,
        limit: u64,
    ) -> Result<Vec<Period>> {
        self.wait(of).await?;
        let db = self.publisher.db();
        self.find(db, of).await?;
        self.require_scheme(of.creditor_id, scheme_id).await?;
        history::list(db, of.creditor_id, of.debtor_id, scheme_id, before, limit).await
    }

    /// Places a debtor without storing anything.
    ///
    /// # Errors
    /// As [`App::memberships`].
    pub async fn explain(&self, of: Of<'_>, scheme_id: &str) -> Result<Explained> {
        self.wait(of).await?;
        // One state for everything that is explained together.
        let read = self.publisher.db().begin_read().await?;
        self.find(&read, of).await?;
        let active = self.active(&read, of.creditor_id, scheme_id).await?;
        let ids = [of.debtor_id.to_owned()];
        let mut chunk = Chunk::load(&read, of.creditor_id, &ids, Some(scheme_id)).await?;
        let subject = chunk.subjects.remove(of.debtor_id).ok_or_else(not_ready)?;
        Ok(Explained {
            situation: chunk.situation(of.debtor_id, scheme_id, subject.day),
            membership: chunk.membership(of.debtor_id, scheme_id).cloned(),
            subject,
            scheme: active.compiled,
        })
    }

    /// Memberships in a scheme, or in one of its segments, by debtor, after a debtor.
    ///
    /// # Errors
    /// `NotFound`, `PROJECTION_NOT_READY`, or those of the freshness wait.
    pub async fn members(
        &self,
        of: In<'_>,
        segment_id: &str,
        after: &str,
        limit: u64,
    ) -> Result<Vec<MembershipRow>> {
        self.freshness.all(of.at_least, of.deadline).await?;
        self.require_scheme(of.creditor_id, of.scheme_id).await?;
        let db = self.publisher.db();
        if segment_id.is_empty() {
            return stored::in_scheme(db, of.creditor_id, of.scheme_id, after, limit).await;
        }
        let found =
            stored::in_segment(db, of.creditor_id, of.scheme_id, segment_id, after, limit).await?;
        if found.is_empty() && after.is_empty() {
            let active = self.active(db, of.creditor_id, of.scheme_id).await?;
            let segment = active.compiled.segment_id(segment_id);
            segment.ok_or_else(|| not_found("segment", segment_id))?;
        }
        Ok(found)
    }

    /// How many debtors are in each segment, with its name: in the order of the active revision, segments that it does
    /// not have last.
    ///
    /// # Errors
    /// As [`App::members`].
    pub async fn segment_sizes(&self, of: In<'_>) -> Result<Vec<(Size, String)>> {
        self.freshness.all(of.at_least, of.deadline).await?;
        self.require_scheme(of.creditor_id, of.scheme_id).await?;
        let db = self.publisher.db();
        let sizes = stored::sizes(db, of.creditor_id, of.scheme_id).await?;
        let mut sizes: BTreeMap<_, _> = sizes
            .into_iter()
            .map(|size| (size.segment_id.clone(), size))
            .collect();
        let active = self.active(db, of.creditor_id, of.scheme_id).await?;
        let scheme = active.compiled.scheme();
        let conditional = scheme.segments.iter().map(|it| (&it.id, &it.display_name));
        let last = [&scheme.default, &scheme.unclassified];
        let known = conditional.chain(last.map(|it| (&it.id, &it.display_name)));
        let mut told: Vec<_> = known
            .map(|(segment_id, name)| {
                let none = || Size {
                    segment_id: segment_id.clone(),
                    debtors: 0,
                    held_by_error: 0,
                };
                (sizes.remove(segment_id).unwrap_or_else(none), name.clone())
            })
            .collect();
        told.extend(sizes.into_values().map(|size| (size, String::new())));
        Ok(told)
    }

    async fn active(&self, on: &impl Sql, creditor_id: &str, scheme_id: &str) -> Result<Active> {
        let active = self.schemes.active(on, creditor_id).await?;
        active
            .into_iter()
            .find(|active| active.scheme_id == scheme_id)
            .ok_or_else(|| not_found("scheme", scheme_id))
    }

    /// Refuses unless a scheme has an active revision.
    async fn require_scheme(&self, creditor_id: &str, scheme_id: &str) -> Result<()> {
        let heads = scheme::active(self.publisher.db(), creditor_id).await?;
        if heads.iter().any(|head| head.scheme_id == scheme_id) {
            return Ok(());
        }
        self.creditor(creditor_id).await?;
        Err(not_found("scheme", scheme_id))
    }
}
