//! Rows of an import: their form is checked as in the single calls, before anything is locked or written.

use std::fmt::Write as _;

use mahnwerk_proto::registry::v1::{
    CreditNoteRow, ImportChunk, ImportRow, ImportRowError, ImportRowResult, ImportRowState, Item,
    PaymentRow, import_row::Record as Wire,
};
use mahnwerk_runtime::{
    error::{Error, Result, Violation},
    validate::Checker,
};
use prost::Message as _;
use registry_core::{
    account::{Posting, PostingRequest},
    id::valid_key,
};
use sha2::{Digest, Sha256};

use crate::{
    app::import::{PreparedRow, Record, RowError, RowOutcome, RowState, field_error},
    grpc::{
        convert::{self, Fields},
        convert_account,
    },
};

/// Most rows of a chunk.
const MAX_ROWS: usize = 1_000;

/// Bytes of a digest: it tells rows apart, and nobody gains by finding a collision.
const DIGEST_BYTES: usize = 16;

/// Checks the form of the rows of a chunk. What is wrong with a record is kept in its row.
///
/// # Errors
/// `Invalid` if there are no rows or too many, or a row has no number to be reported by.
pub fn prepare(creditor_id: &str, chunk: ImportChunk) -> Result<Vec<PreparedRow>> {
    let mut check = Checker::new();
    if !(1..=MAX_ROWS).contains(&chunk.rows.len()) {
        check.refuse("chunk.rows", "must be 1 to 1,000 rows");
        return check.finish().map(|()| Vec::new());
    }
    for (index, row) in chunk.rows.iter().enumerate() {
        if row.row_number < 1 {
            check.refuse(
                format!("chunk.rows[{index}].row_number"),
                "must be 1 or more",
            );
        }
    }
    check.finish()?;
    Ok(chunk
        .rows
        .into_iter()
        .map(|row| prepare_row(creditor_id, row))
        .collect())
}

fn prepare_row(creditor_id: &str, mut row: ImportRow) -> PreparedRow {
    let row_number = std::mem::take(&mut row.row_number);
    if let Some(record) = &mut row.record {
        set_creditor(record, creditor_id);
    }
    let digest = digest(&row);
    let (record_type, record_id) = name_of(row.record.as_ref());
    let record_id = if valid_key(record_id) {
        record_id.to_owned()
    } else {
        String::new()
    };
    let record = read(row.record).map_err(|violations| errors(record_type, violations));
    PreparedRow {
        row_number,
        record_type,
        record_id,
        digest,
        record,
    }
}

/// The creditor of a record is that of the import, whatever it says.
fn set_creditor(record: &mut Wire, creditor_id: &str) {
    let own = match record {
        Wire::Debtor(debtor) => Some(&mut debtor.creditor_id),
        Wire::ContactPoint(contact_point) => Some(&mut contact_point.creditor_id),
        Wire::Invoice(item) => Some(&mut item.creditor_id),
        Wire::CreditNote(row) => row.credit_note.as_mut().map(|item| &mut item.creditor_id),
        Wire::Payment(row) => row.payment.as_mut().map(|item| &mut item.creditor_id),
    };
    if let Some(own) = own {
        creditor_id.clone_into(own);
    }
}

/// Hex of the first half of SHA-256 over the record.
fn digest(row: &ImportRow) -> String {
    let hash = Sha256::digest(row.encode_to_vec());
    let mut hex = String::with_capacity(2 * DIGEST_BYTES);
    for byte in hash.iter().take(DIGEST_BYTES) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What a record creates, and its id as sent.
fn name_of(record: Option<&Wire>) -> (&'static str, &str) {
    match record {
        None => ("", ""),
        Some(Wire::Debtor(debtor)) => ("debtor", &debtor.debtor_id),
        Some(Wire::ContactPoint(contact_point)) => {
            ("contact_point", &contact_point.contact_point_id)
        }
        Some(Wire::Invoice(item)) => ("invoice", &item.item_id),
        Some(Wire::CreditNote(row)) => (
            "credit_note",
            row.credit_note.as_ref().map_or("", |item| &item.item_id),
        ),
        Some(Wire::Payment(row)) => (
            "payment",
            row.payment.as_ref().map_or("", |item| &item.item_id),
        ),
    }
}

fn read(record: Option<Wire>) -> Result<Record, Vec<Violation>> {
    let mut check = Checker::new();
    let read = match record {
        None => {
            check.refuse("record", "must be given");
            None
        }
        Some(Wire::Debtor(debtor)) => Some(Record::Debtor(convert::debtor(
            &mut check,
            debtor,
            Fields::All,
        ))),
        Some(Wire::ContactPoint(wire)) => Some(Record::ContactPoint(convert::contact_point(
            &mut check,
            wire,
            Fields::All,
        ))),
        Some(Wire::Invoice(item)) => {
            let posting = convert_account::invoice(&mut check, Some(&item));
            request(&mut check, "invoice", Some(&item), posting)
        }
        Some(Wire::CreditNote(CreditNoteRow {
            credit_note,
            allocations,
        })) => {
            let posting =
                convert_account::credit_note(&mut check, credit_note.as_ref(), &allocations);
            request(&mut check, "credit_note", credit_note.as_ref(), posting)
        }
        Some(Wire::Payment(PaymentRow {
            payment,
            allocations,
        })) => {
            let posting = convert_account::payment(&mut check, payment.as_ref(), &allocations);
            request(&mut check, "payment", payment.as_ref(), posting)
        }
    };
    match convert::finish(check, read) {
        Ok(record) => Ok(record),
        Err(Error::Invalid(violations)) => Err(violations),
        Err(_) => Err(vec![Violation::new("record", "cannot be read")]),
    }
}

/// A posting with the day on which it became known, which only imports may state.
fn request(
    check: &mut Checker,
    field: &str,
    item: Option<&Item>,
    posting: Option<Posting>,
) -> Option<Record> {
    let stated = item.and_then(|item| item.recorded_date.as_ref());
    let recorded_date = check.optional_date(&format!("{field}.recorded_date"), stated);
    Some(Record::Posting(PostingRequest {
        posting: posting?,
        recorded_date,
    }))
}

/// Paths within the record: these three records are the message that the single call wraps.
fn errors(record_type: &str, violations: Vec<Violation>) -> Vec<RowError> {
    let wrapped = matches!(record_type, "debtor" | "contact_point" | "invoice");
    let prefix = format!("{record_type}.");
    let within = |mut violation: Violation| {
        if let Some(rest) = violation.field.strip_prefix(&prefix).filter(|_| wrapped) {
            violation.field = rest.to_owned();
        }
        field_error(violation)
    };
    violations.into_iter().map(within).collect()
}

/// The message of an outcome.
pub fn result_message(outcome: RowOutcome) -> ImportRowResult {
    let state = match outcome.state {
        RowState::Accepted => ImportRowState::Accepted,
        RowState::Refused => ImportRowState::Refused,
    };
    let error = |error: RowError| ImportRowError {
        field: error.field,
        reason: error.reason,
        description: error.description,
    };
    ImportRowResult {
        row_number: outcome.row_number,
        state: state.into(),
        errors: outcome.errors.into_iter().map(error).collect(),
        record_type: outcome.record_type,
        record_id: outcome.record_id,
    }
}
