//! Revisions of schemes.

use mahnwerk_feed::{Begun, Locks, Written};
use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
};
use segmentation_core::scheme::{CompiledScheme, Scheme};
use tokio::time::Instant;

use super::{
    App, not_found,
    schemes::{MAX_SCHEMES, event},
};
use crate::storage::scheme::{self as stored, SchemeRow, State};

/// Most characters of schemes in one answer; what does not fit comes with the next page.
const PAGE_CHARS: i64 = 2 * 1024 * 1024;

/// A page of revisions.
pub struct Page {
    /// By scheme and number.
    pub rows: Vec<SchemeRow>,
    /// Whether there are more.
    pub more: bool,
}

impl App {
    /// What the next revision would be, stored nowhere.
    ///
    /// # Errors
    /// `NotFound` or `PROJECTION_NOT_READY`.
    pub async fn draft(&self, creditor_id: &str, definition: Scheme) -> Result<SchemeRow> {
        self.creditor(creditor_id).await?;
        Ok(SchemeRow {
            creditor_id: creditor_id.to_owned(),
            revision: 0,
            state: State::Draft,
            created_at: self.publisher.clock().now(),
            definition,
        })
    }

    /// Stores the next revision of a scheme as a draft, once per request id.
    ///
    /// # Errors
    /// `NotFound`, `PROJECTION_NOT_READY`, `LIMIT_REACHED`, `RequestIdReused`.
    pub async fn create_revision(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        compiled: &CompiledScheme,
    ) -> Result<Written<SchemeRow>> {
        self.creditor(creditor_id).await?;
        let definition = compiled.scheme();
        let begun = self
            .publisher
            .begin_once(
                call,
                "CreateSchemeRevision",
                creditor_id,
                request_id,
                definition,
                Locks::creditor(creditor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let (latest, others) = stored::latest(&*once, creditor_id, &definition.id).await?;
        if latest == 0 && others >= MAX_SCHEMES {
            return Err(Error::Precondition {
                reason: ErrorReason::LimitReached,
                message: format!("a creditor has at most {MAX_SCHEMES} schemes"),
                metadata: vec![("limit", MAX_SCHEMES.to_string())],
            });
        }
        let row = SchemeRow {
            creditor_id: creditor_id.to_owned(),
            revision: latest + 1,
            state: State::Draft,
            created_at: once.recorded_at(),
            definition: definition.clone(),
        };
        stored::insert(&*once, std::slice::from_ref(&row)).await?;
        once.append(vec![event(
            creditor_id,
            &definition.id,
            row.revision,
            "created",
        )])?;
        once.finish(row).await
    }

    /// A revision; with number 0 the active one.
    ///
    /// # Errors
    /// `NotFound`, `PROJECTION_NOT_READY`, or those of the freshness wait.
    pub async fn scheme(
        &self,
        creditor_id: &str,
        scheme_id: &str,
        revision: i32,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<SchemeRow> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        if let Some(row) = stored::get(db, creditor_id, scheme_id, revision).await? {
            return Ok(row);
        }
        self.creditor(creditor_id).await?;
        Err(not_found("scheme", scheme_id))
    }

    /// Revisions by scheme and number, after such a key, as many as fit into an answer.
    ///
    /// # Errors
    /// As [`App::scheme`].
    pub async fn scheme_list(
        &self,
        creditor_id: &str,
        after: (&str, i32),
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page> {
        self.freshness.all(at_least, deadline).await?;
        self.creditor(creditor_id).await?;
        let db = self.publisher.db();
        let keys = stored::keys(db, creditor_id, after, limit).await?;
        let mut room = PAGE_CHARS;
        let shown = keys.iter().take_while(|(.., size)| {
            let is_first = room == PAGE_CHARS;
            room -= size;
            is_first || room >= 0
        });
        let shown: Vec<_> = shown.collect();
        let names: Vec<_> = shown.iter().map(|key| (key.0.as_str(), key.1)).collect();
        let mut rows = stored::get_many(db, creditor_id, &names).await?;
        rows.sort_by(|left, right| {
            let key = |row: &SchemeRow| (row.definition.id.clone(), row.revision);
            key(left).cmp(&key(right))
        });
        let more = shown.len() < keys.len() || keys.len() as u64 == limit;
        Ok(Page { rows, more })
    }
}
