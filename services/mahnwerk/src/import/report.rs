//! What became of every row of a table.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Serialize;

use super::{
    csv::{Table, line_of},
    send::Sent,
};
use crate::{
    client::{Failure, Result},
    output::{count_text, facts, print_json, right, table},
};

/// So many refused rows are shown to people; programs get all.
const SHOWN: usize = 20;

/// The account of an import. Every row is in exactly one of `accepted`, `accepted_in_part` and `refused`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    creditor_id: String,
    import_id: String,
    business_date: Option<NaiveDate>,
    first_date: Option<NaiveDate>,
    last_date: Option<NaiveDate>,
    /// Rows of the table, without the header.
    rows: usize,
    /// Rows of which every record is posted, now or by an earlier run of the same import.
    accepted: usize,
    /// Rows of which some records are posted and some refused.
    accepted_in_part: usize,
    /// Rows of which nothing is posted.
    refused: usize,
    debtors: usize,
    /// Records (debtors, invoices, payments) posted now.
    records_posted: u64,
    /// Records that an earlier run had posted.
    records_skipped: u64,
    notes: Vec<Note>,
    errors: Vec<RowError>,
    consistency_token: String,
}

/// What was left unset or passed over.
#[derive(Debug, Serialize)]
struct Note {
    note: String,
    rows: u64,
}

/// Why a row, or a part of it, was refused.
#[derive(Debug, Serialize)]
struct RowError {
    line: u64,
    record: String,
    field: String,
    reason: String,
    description: String,
}

impl Report {
    pub(super) fn new(
        creditor_id: &str,
        import_id: &str,
        business_date: Option<NaiveDate>,
        table: &Table,
        sent: &Sent,
    ) -> Self {
        let mut records_of: BTreeMap<u64, usize> = BTreeMap::new();
        for record in &table.records {
            *records_of.entry(line_of(record.row_number)).or_default() += 1;
        }
        let mut refused_of: BTreeMap<u64, usize> = BTreeMap::new();
        for row in &sent.refused {
            *refused_of.entry(line_of(row.row_number)).or_default() += 1;
        }
        let nothing_posted = |line: &&u64| records_of.get(*line) == refused_of.get(*line);
        let wholly_refused: BTreeSet<u64> =
            refused_of.keys().filter(nothing_posted).copied().collect();
        let refused = table.unreadable.len() + wholly_refused.len();
        let accepted_in_part = refused_of.len() - wholly_refused.len();
        Self {
            creditor_id: creditor_id.to_owned(),
            import_id: import_id.to_owned(),
            business_date,
            first_date: table.dates.map(|(first, _)| first),
            last_date: table.dates.map(|(_, last)| last),
            rows: table.lines.len(),
            accepted: table.lines.len() - refused - accepted_in_part,
            accepted_in_part,
            refused,
            debtors: table.debtors,
            records_posted: sent.accepted,
            records_skipped: sent.skipped,
            notes: table
                .notes
                .iter()
                .map(|(note, rows)| Note {
                    note: note.clone(),
                    rows: *rows,
                })
                .collect(),
            errors: errors(table, sent),
            consistency_token: sent.consistency_token.clone(),
        }
    }

    /// Done, or how many rows were not taken in full.
    pub(super) fn outcome(&self) -> Result<()> {
        match self.refused + self.accepted_in_part {
            0 => Ok(()),
            rows => Err(Failure::RowsRefused(rows)),
        }
    }

    pub(super) fn print(&self, json: bool) {
        if json {
            return print_json(&serde_json::json!(self));
        }
        let date = |date: Option<NaiveDate>| date.map_or_else(String::new, |date| date.to_string());
        let period = format!("{} to {}", date(self.first_date), date(self.last_date));
        let shown = facts(&[
            ("Creditor", self.creditor_id.clone()),
            ("Import", self.import_id.clone()),
            ("Dates", period),
            ("Business date", date(self.business_date)),
            ("Rows", count(self.rows)),
            ("  accepted", count(self.accepted)),
            ("  accepted in part", count(self.accepted_in_part)),
            ("  refused", count(self.refused)),
            ("Debtors", count(self.debtors)),
            ("Records posted", count_text(self.records_posted)),
            ("Records posted before", count_text(self.records_skipped)),
            ("Consistency token", self.consistency_token.clone()),
        ]);
        say!("{shown}");
        if !self.notes.is_empty() {
            let mut notes = table(&["Rows", "Note"]);
            for Note { note, rows } in &self.notes {
                notes.add_row([count_text(*rows), note.clone()]);
            }
            right(&mut notes, [0]);
            say!("\n{notes}");
        }
        self.print_errors();
    }

    fn print_errors(&self) {
        if self.errors.is_empty() {
            return;
        }
        let mut errors = table(&["Line", "Record", "Field", "Reason", "What is wrong"]);
        for error in self.errors.iter().take(SHOWN) {
            errors.add_row([
                count_text(error.line),
                error.record.clone(),
                error.field.clone(),
                error.reason.clone(),
                error.description.clone(),
            ]);
        }
        right(&mut errors, [0]);
        say!("\n{errors}");
        if self.errors.len() > SHOWN {
            say!(
                "and {} more; --output json shows all",
                count(self.errors.len() - SHOWN)
            );
        }
    }
}

fn count(number: usize) -> String {
    count_text(i64::try_from(number).unwrap_or(i64::MAX))
}

fn errors(table: &Table, sent: &Sent) -> Vec<RowError> {
    let unreadable = table.unreadable.iter().flat_map(|(line, wrong)| {
        wrong.iter().map(|description| RowError {
            line: *line,
            record: "row".to_owned(),
            field: String::new(),
            reason: "UNREADABLE".to_owned(),
            description: description.clone(),
        })
    });
    let refused = sent.refused.iter().flat_map(|row| {
        row.errors.iter().map(|error| RowError {
            line: line_of(row.row_number),
            record: row.record_type.clone(),
            field: error.field.clone(),
            reason: error.reason.clone(),
            description: error.description.clone(),
        })
    });
    let mut all: Vec<_> = unreadable.chain(refused).collect();
    all.sort_by_key(|error| error.line);
    all
}

#[cfg(test)]
mod tests {
    use mahnwerk_proto::registry::v1::{ImportRow, ImportRowError, ImportRowResult};

    use super::*;

    #[test]
    fn every_row_is_counted_exactly_once() {
        let row = |row_number| ImportRow {
            row_number,
            record: None,
        };
        let table = Table {
            records: [21, 22, 23, 32, 33, 42, 43].map(row).to_vec(),
            lines: (2..=5).collect(),
            unreadable: BTreeMap::from([(5, vec!["is not a date".to_owned()])]),
            ..Table::default()
        };
        let refused = |row_number| ImportRowResult {
            row_number,
            errors: vec![ImportRowError::default()],
            ..ImportRowResult::default()
        };
        let sent = Sent {
            accepted: 4,
            refused: [23, 42, 43].map(refused).to_vec(),
            ..Sent::default()
        };
        let report = Report::new("C", "I", None, &table, &sent);
        assert_eq!(
            (
                report.rows,
                report.accepted,
                report.accepted_in_part,
                report.refused
            ),
            (4, 1, 1, 2)
        );
        assert_eq!(
            report
                .errors
                .iter()
                .map(|error| error.line)
                .collect::<Vec<_>>(),
            [2, 4, 4, 5]
        );
        assert!(matches!(report.outcome(), Err(Failure::RowsRefused(3))));
    }
}
