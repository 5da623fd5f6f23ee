//! Bulk import: chunks of rows through the same rules as the single calls, every row accounted for.

use std::collections::{BTreeSet, HashMap};

use mahnwerk_feed::{Cause, Locks, WriteTx};
use mahnwerk_proto::common::v1::ErrorReason;
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
    status::reason_text,
};
use registry_core::{
    account::{Posting, PostingRequest},
    creditor::Creditor,
    debtor::{ContactPoint, Debtor},
    error::DomainError,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{App, Page, contact_point, creditor_of, from_domain, not_found, posting::WorkingSet};
use crate::storage::{self, import::TakenRow};

/// Most debtors of one transaction.
const MAX_DEBTORS: usize = 200;

/// About how many events one transaction may have. A payment of 500 invoices has up to 1,001, and every debtor may become
/// a customer on top, so the limit of the feed is never reached.
const MAX_EVENTS: usize = 1_200;

/// How often a transaction is tried while other writers are in the way.
const ATTEMPTS: usize = 5;

/// Most errors kept of one row, so that the answer to a chunk stays below the message limit.
const MAX_ERRORS: usize = 30;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// Posted.
    Accepted,
    /// Not posted.
    Refused,
}

impl RowState {
    /// As stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }

    /// As stored.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Refused]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// Path within the record; empty if the row as a whole is concerned.
    pub field: String,
    /// The stable reason.
    pub reason: String,
    /// What is wrong, without personal data.
    pub description: String,
}

/// The outcome of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOutcome {
    /// The caller's row number, 1 or more.
    pub row_number: i64,
    /// The outcome.
    pub state: RowState,
    /// Why it was refused.
    pub errors: Vec<RowError>,
    /// What it creates: `debtor`, `contact_point`, `invoice`, `credit_note`, `payment`; empty without a record.
    pub record_type: String,
    /// The id of what it creates; empty without a valid one.
    pub record_id: String,
}

/// What a row creates.
#[derive(Clone, Debug)]
pub enum Record {
    /// A debtor.
    Debtor(Debtor),
    /// A contact point.
    ContactPoint(ContactPoint),
    /// An invoice, credit note or payment.
    Posting(PostingRequest),
}

/// A row whose form has been checked.
#[derive(Clone, Debug)]
pub struct PreparedRow {
    /// The caller's row number, 1 or more.
    pub row_number: i64,
    /// As in [`RowOutcome`].
    pub record_type: &'static str,
    /// As in [`RowOutcome`].
    pub record_id: String,
    /// Tells rows of other content apart.
    pub digest: String,
    /// What it creates, or every error of its form.
    pub record: Result<Record, Vec<RowError>>,
}

/// The outcome of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkOutcome {
    /// Rows posted now.
    pub accepted: i32,
    /// Rows refused, now or before.
    pub refused: Vec<RowOutcome>,
    /// Rows posted before.
    pub skipped: i32,
    /// Highest row number.
    pub last_row_number: i64,
    /// Of the last transaction; empty if nothing was written.
    pub consistency_token: String,
}

/// Counts of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportCounts {
    /// Rows posted.
    pub accepted: i64,
    /// Rows refused.
    pub refused: i64,
    /// Highest row number seen.
    pub last_row_number: i64,
}

/// An import.
#[derive(Clone, Debug)]
pub struct ImportKey {
    /// The creditor.
    pub creditor_id: String,
    /// Chosen by the caller.
    pub import_id: String,
}

impl App {
    /// Refuses an import for an unknown creditor.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn start_import(&self, import: &ImportKey) -> Result<()> {
        creditor_of(self.publisher.db(), &import.creditor_id)
            .await
            .map(|_| ())
    }

    /// Takes the rows of a chunk in their order, in as few transactions as the limits of the feed allow. What is
    /// durable stays so when a later transaction fails; the chunk can be sent again.
    ///
    /// # Errors
    /// `NO_BUSINESS_DAY` if there is something to post but no open day; otherwise those of the database. Refusals of
    /// rows are no errors.
    pub async fn import_chunk(
        &self,
        call: &Call,
        import: &ImportKey,
        rows: &[PreparedRow],
    ) -> Result<ChunkOutcome> {
        let cause = Cause {
            request_id: String::new(),
            ..Cause::from(call)
        };
        let last_row_number = rows.iter().map(|row| row.row_number).max().unwrap_or(0);
        let mut outcome = ChunkOutcome {
            last_row_number,
            ..ChunkOutcome::default()
        };
        for batch in batches(rows) {
            let mut attempt = 1;
            let taken = loop {
                match self.take(&cause, import, batch).await {
                    Err(Error::Contention(_)) if attempt < ATTEMPTS => attempt += 1,
                    other => break other?,
                }
            };
            outcome.accepted += taken.accepted;
            outcome.skipped += taken.skipped;
            outcome.refused.extend(taken.refused);
            if !taken.consistency_token.is_empty() {
                outcome.consistency_token = taken.consistency_token;
            }
        }
        Ok(outcome)
    }

    /// Takes rows in one transaction.
    async fn take(
        &self,
        cause: &Cause,
        import: &ImportKey,
        rows: &[PreparedRow],
    ) -> Result<ChunkOutcome> {
        let ImportKey {
            creditor_id,
            import_id,
        } = import;
        let debtor_ids: BTreeSet<&str> = rows.iter().filter_map(PreparedRow::debtor_id).collect();
        let locks = Locks::debtors(creditor_id, debtor_ids);
        let mut tx = WriteTx::begin(&self.publisher, locks, cause.clone()).await?;
        let numbers = rows.iter().map(|row| row.row_number);
        let taken = storage::import::taken(&tx, creditor_id, import_id, numbers).await?;
        let (mut outcome, fresh) = sort_out(rows, &taken);
        if fresh.is_empty() {
            tx.rollback().await?;
            return Ok(outcome);
        }
        let creditor = creditor_of(&tx, creditor_id).await?;
        let results = self.apply(&mut tx, creditor, &fresh).await?;
        let mut recorded = Vec::with_capacity(fresh.len());
        for (row, result) in fresh.into_iter().zip(results) {
            let row_outcome = row.outcome(result);
            match row_outcome.state {
                RowState::Accepted => outcome.accepted += 1,
                RowState::Refused => outcome.refused.push(row_outcome.clone()),
            }
            recorded.push(TakenRow {
                digest: row.digest.clone(),
                outcome: row_outcome,
            });
        }
        storage::import::record(&tx, creditor_id, import_id, &recorded).await?;
        outcome.consistency_token = tx.commit().await?;
        Ok(outcome)
    }

    /// Applies rows in their order and saves what they did; one result each.
    async fn apply(
        &self,
        tx: &mut WriteTx,
        creditor: Creditor,
        rows: &[&PreparedRow],
    ) -> Result<Vec<Result<(), Vec<RowError>>>> {
        let postings = rows.iter().filter_map(|row| match row.record.as_ref() {
            Ok(Record::Posting(request)) => Some(&request.posting),
            _ => None,
        });
        let debtor_ids = rows.iter().filter_map(|row| row.debtor_id());
        let ids = self.publisher.ids().clone();
        let mut working =
            WorkingSet::load(&*tx, ids, creditor.clone(), postings, debtor_ids).await?;
        let mut results = Vec::with_capacity(rows.len());
        // Nothing depends on a contact point, so these can wait until the debtors are stored.
        let mut contact_points = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            results.push(match row.record.clone() {
                Err(errors) => Err(errors),
                Ok(Record::Debtor(debtor)) => working.add_debtor(debtor).map_err(row_errors),
                Ok(Record::Posting(request)) => {
                    working.post(&request).map(|_| ()).map_err(row_errors)
                }
                Ok(Record::ContactPoint(contact_point)) => {
                    let known = working.require_debtor(&contact_point.debtor_id);
                    contact_points.extend(known.is_ok().then_some((index, contact_point)));
                    known.map_err(row_errors)
                }
            });
        }
        working.save(tx).await?;
        if !contact_points.is_empty() {
            let (indices, contact_points): (Vec<usize>, Vec<ContactPoint>) =
                contact_points.into_iter().unzip();
            let created = contact_point::create_many(tx, &creditor, contact_points).await?;
            for (index, created) in indices.into_iter().zip(created) {
                if let (Err(error), Some(result)) = (created, results.get_mut(index)) {
                    *result = Err(row_errors(error));
                }
            }
        }
        Ok(results)
    }

    /// The counts of an import.
    ///
    /// # Errors
    /// `NotFound`; those of a consistency token.
    pub async fn import_counts(
        &self,
        import: &ImportKey,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<ImportCounts> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        if let Some(counts) =
            storage::import::counts(db, &import.creditor_id, &import.import_id).await?
        {
            return Ok(counts);
        }
        creditor_of(db, &import.creditor_id).await?;
        Err(not_found("import", &import.import_id))
    }

    /// What became of the rows of an import, by row number, after `after`.
    ///
    /// # Errors
    /// Those of [`App::import_counts`].
    pub async fn import_rows(
        &self,
        import: &ImportKey,
        refused_only: bool,
        after: i64,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<RowOutcome>> {
        self.import_counts(import, at_least, deadline).await?;
        let ImportKey {
            creditor_id,
            import_id,
        } = import;
        let db = self.publisher.db();
        let rows =
            storage::import::list_rows(db, creditor_id, import_id, refused_only, after, limit + 1)
                .await?;
        Ok(Page::cut(rows, limit))
    }
}

impl PreparedRow {
    /// The debtor that is locked for the row.
    fn debtor_id(&self) -> Option<&str> {
        match self.record.as_ref().ok()? {
            Record::Debtor(debtor) => Some(&debtor.debtor_id),
            Record::ContactPoint(contact_point) => Some(&contact_point.debtor_id),
            Record::Posting(request) => match &request.posting {
                Posting::Invoice(invoice) => Some(&invoice.debtor_id),
                Posting::CreditNote(credit) | Posting::Payment(credit) => Some(&credit.debtor_id),
                _ => None,
            },
        }
    }

    /// How many events it may have, but for that of a prospect that becomes a customer: one for every item, and one for
    /// the promise or plan that covers an invoice it settles.
    fn events(&self) -> usize {
        match &self.record {
            Err(_) => 0,
            Ok(Record::Debtor(_) | Record::ContactPoint(_)) => 1,
            Ok(Record::Posting(request)) => request.posting.references().len() * 2 - 1,
        }
    }

    fn outcome(&self, result: Result<(), Vec<RowError>>) -> RowOutcome {
        let (state, mut errors) = match result {
            Ok(()) => (RowState::Accepted, Vec::new()),
            Err(errors) => (RowState::Refused, errors),
        };
        if let Some(more) = errors
            .len()
            .checked_sub(MAX_ERRORS)
            .filter(|more| *more > 0)
        {
            errors.truncate(MAX_ERRORS);
            errors.push(RowError {
                field: String::new(),
                reason: reason_text(ErrorReason::InvalidFields).to_owned(),
                description: format!("and {more} more"),
            });
        }
        RowOutcome {
            row_number: self.row_number,
            state,
            errors,
            record_type: self.record_type.to_owned(),
            record_id: self.record_id.clone(),
        }
    }
}

/// Cuts a chunk so that no part has too many debtors or events.
fn batches(rows: &[PreparedRow]) -> Vec<&[PreparedRow]> {
    let mut batches = Vec::new();
    let (mut start, mut events) = (0, 0);
    let mut debtor_ids = BTreeSet::new();
    for (index, row) in rows.iter().enumerate() {
        let more_debtors = usize::from(
            row.debtor_id()
                .is_some_and(|debtor_id| !debtor_ids.contains(debtor_id)),
        );
        if debtor_ids.len() + more_debtors > MAX_DEBTORS || events + row.events() > MAX_EVENTS {
            batches.extend(rows.get(start..index));
            (start, events) = (index, 0);
            debtor_ids.clear();
        }
        events += row.events();
        debtor_ids.extend(row.debtor_id());
    }
    batches.extend(rows.get(start..).filter(|rest| !rest.is_empty()));
    batches
}

/// Tells rows that were taken before, by an earlier stream or earlier in these rows, from fresh ones.
fn sort_out<'a>(
    rows: &'a [PreparedRow],
    taken: &HashMap<i64, TakenRow>,
) -> (ChunkOutcome, Vec<&'a PreparedRow>) {
    let mut outcome = ChunkOutcome::default();
    let mut fresh: Vec<&PreparedRow> = Vec::with_capacity(rows.len());
    let mut digests: HashMap<i64, &str> = HashMap::with_capacity(rows.len());
    for row in rows {
        let before = taken.get(&row.row_number);
        let digest = before
            .map(|taken| taken.digest.as_str())
            .or_else(|| digests.get(&row.row_number).copied());
        match (digest, before) {
            (None, _) => {
                digests.insert(row.row_number, &row.digest);
                fresh.push(row);
            }
            (Some(digest), _) if digest != row.digest => {
                outcome.refused.push(row.outcome(Err(mismatch())))
            }
            (Some(_), Some(taken)) if taken.outcome.state == RowState::Refused => {
                outcome.refused.push(taken.outcome.clone());
            }
            // A twin in the same rows counts as skipped; if the first is refused, that is reported once.
            (Some(_), _) => outcome.skipped += 1,
        }
    }
    (outcome, fresh)
}

/// What a refusal means for a row.
fn row_errors(error: DomainError) -> Vec<RowError> {
    let description = error.to_string();
    let reason = match from_domain(error) {
        Error::Invalid(violations) => return violations.into_iter().map(field_error).collect(),
        Error::NotFound { .. } => ErrorReason::ResourceNotFound,
        Error::Exists { .. } => ErrorReason::ResourceExists,
        Error::Precondition { reason, .. } => reason,
        _ => ErrorReason::Internal,
    };
    vec![RowError {
        field: String::new(),
        reason: reason_text(reason).to_owned(),
        description,
    }]
}

/// A field that is wrong, as an error of a row.
#[must_use]
pub fn field_error(violation: mahnwerk_runtime::error::Violation) -> RowError {
    RowError {
        field: violation.field,
        reason: reason_text(ErrorReason::InvalidFields).to_owned(),
        description: violation.description,
    }
}

fn mismatch() -> Vec<RowError> {
    vec![RowError {
        field: String::new(),
        reason: reason_text(ErrorReason::ImportMismatch).to_owned(),
        description: "the row was taken before with other content".to_owned(),
    }]
}
