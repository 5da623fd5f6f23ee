//! Reading a table row by row: what can be posted, what cannot, and what was left unset.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{Days, NaiveDate};
use mahnwerk_proto::{
    common::v1::Money,
    registry::v1::{
        Allocation, BillingMethod, Debtor, DebtorKind, ImportRow, Item, PaymentRow, Relationship,
        import_row::Record,
    },
};
use registry_core::code;

use super::mapping::{Mapping, Order, Source, billing_method, debtor_kind};
use crate::{
    client::{Failure, Result},
    output::{parse_amount, proto_date},
};

/// Row numbers of the import are line numbers times this, plus what the record is.
const RECORDS_PER_LINE: i64 = 10;
const DEBTOR: i64 = 1;
const INVOICE: i64 = 2;
const PAYMENT: i64 = 3;

/// More cannot be one accounts-receivable table.
const MAX_ROWS: usize = 5_000_000;

/// A table, ready to be sent.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// In the order of posting.
    pub(crate) records: Vec<ImportRow>,
    /// Lines of all data rows.
    pub(crate) lines: BTreeSet<u64>,
    /// Rows that cannot be read: line and what is wrong with it.
    pub(crate) unreadable: BTreeMap<u64, Vec<String>>,
    /// What was left unset or passed over, with the number of rows.
    pub(crate) notes: BTreeMap<String, u64>,
    /// Earliest and latest date of all postings.
    pub(crate) dates: Option<(NaiveDate, NaiveDate)>,
    /// Number of debtors.
    pub(crate) debtors: usize,
}

/// The line of the table that a row of the import comes from.
pub(crate) fn line_of(row_number: i64) -> u64 {
    u64::try_from(row_number / RECORDS_PER_LINE).unwrap_or_default()
}

/// One row of the table, understood.
struct Row {
    line: u64,
    debtor: Debtor,
    invoice: Item,
    issued: NaiveDate,
    settled: Option<NaiveDate>,
}

/// Reads a whole table.
///
/// # Errors
/// If it is not a table, or lacks a column.
pub(crate) fn read(bytes: &[u8], mapping: &Mapping) -> Result<Table> {
    let delimiter = u8::try_from(mapping.file.delimiter).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(bytes);
    let unusable = |error: csv::Error| Failure::Input(format!("the table cannot be read: {error}"));
    let header = reader.headers().map_err(unusable)?.clone();
    let columns: HashMap<&str, usize> = header
        .iter()
        .enumerate()
        .map(|(index, name)| (name, index))
        .collect();
    let missing: Vec<_> = mapping
        .columns()
        .into_iter()
        .filter(|column| !columns.contains_key(column))
        .collect();
    if !missing.is_empty() {
        return Err(Failure::Input(format!(
            "the table has no column {}",
            missing.join(", ")
        )));
    }
    let (mut table, mut rows) = (Table::default(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(unusable)?;
        let line = record.position().map_or(0, csv::Position::line);
        if table.lines.len() >= MAX_ROWS {
            return Err(Failure::Input(format!(
                "the table has more than {MAX_ROWS} rows"
            )));
        }
        table.lines.insert(line);
        let mut cells = Cells {
            record: &record,
            columns: &columns,
            wrong: Vec::new(),
            notes: Vec::new(),
        };
        let row = cells.row(line, mapping);
        for note in cells.notes {
            *table.notes.entry(note).or_default() += 1;
        }
        match row {
            Some(row) if cells.wrong.is_empty() => rows.push(row),
            _ => drop(table.unreadable.insert(line, cells.wrong)),
        }
    }
    table.arrange(rows, mapping.file.order);
    Ok(table)
}

/// The cells of one row.
struct Cells<'a> {
    record: &'a csv::StringRecord,
    columns: &'a HashMap<&'a str, usize>,
    /// What cannot be read.
    wrong: Vec<String>,
    notes: Vec<String>,
}

impl<'a> Cells<'a> {
    fn cell(&self, column: &str) -> &'a str {
        self.columns
            .get(column)
            .and_then(|index| self.record.get(*index))
            .unwrap_or_default()
    }

    fn value(&self, source: &'a Source) -> &'a str {
        match source {
            Source::Constant(constant) => &constant.constant,
            Source::Column(column) => {
                let cell = self.cell(&column.column);
                column.values.get(cell).map_or(cell, String::as_str)
            }
        }
    }

    fn date(&mut self, column: &str, format: &str) -> Option<NaiveDate> {
        let date = NaiveDate::parse_from_str(self.cell(column), format).ok();
        if date.is_none() {
            self.wrong
                .push(format!("{column}: is not a date of the form {format}"));
        }
        date
    }

    fn row(&mut self, line: u64, mapping: &'a Mapping) -> Option<Row> {
        let format = &mapping.file.date_format;
        let debtor = self.debtor(mapping);
        let issued = self.date(&mapping.invoice.document_date, format);
        let due = self.due(issued, mapping);
        let settled = match &mapping.settlement {
            Some(settlement) if self.cell(&settlement.date).is_empty() => {
                self.notes
                    .push("no settlement date: the invoice stays open".to_owned());
                None
            }
            Some(settlement) => self.date(&settlement.date, format),
            None => None,
        };
        let amount = self.amount(mapping);
        let (issued, due, amount) = (issued?, due?, amount?);
        let invoice = Item {
            debtor_id: debtor.debtor_id.clone(),
            item_id: self.cell(&mapping.invoice.id).to_owned(),
            amount: Some(amount),
            document_date: Some(proto_date(issued)),
            due_date: Some(proto_date(due)),
            recorded_date: Some(proto_date(issued)),
            reference: mapping
                .invoice
                .reference
                .as_ref()
                .map(|it| self.cell(it).to_owned())
                .unwrap_or_default(),
            ..Item::default()
        };
        Some(Row {
            line,
            debtor,
            invoice,
            issued,
            settled,
        })
    }

    fn due(&mut self, issued: Option<NaiveDate>, mapping: &'a Mapping) -> Option<NaiveDate> {
        if let Some(column) = &mapping.invoice.due_date {
            return self.date(column, &mapping.file.date_format);
        }
        let Ok(days) = self
            .value(mapping.invoice.terms_days.as_ref()?)
            .parse::<u16>()
        else {
            self.wrong
                .push("terms_days: is not a number of days".to_owned());
            return None;
        };
        issued?.checked_add_days(Days::new(days.into()))
    }

    fn amount(&mut self, mapping: &'a Mapping) -> Option<Money> {
        let text = self.cell(&mapping.invoice.amount);
        let currency = self.value(&mapping.invoice.currency);
        match parse_amount(text, currency, mapping.file.decimal_separator) {
            Ok(amount) => Some(amount),
            Err(error) => {
                self.wrong
                    .push(format!("{}: {error}", mapping.invoice.amount));
                None
            }
        }
    }

    fn debtor(&mut self, mapping: &'a Mapping) -> Debtor {
        let columns = &mapping.debtor;
        let debtor_id = self.cell(&columns.id).to_owned();
        let kind = debtor_kind(self.value(&columns.kind)).unwrap_or_else(|| {
            self.wrong
                .push("debtor kind: is neither ORGANISATION nor PERSON".to_owned());
            DebtorKind::Unspecified
        });
        let name = columns.name.as_ref().map_or("", |column| self.cell(column));
        Debtor {
            kind: kind.into(),
            relationship: Relationship::Customer.into(),
            display_name: if name.is_empty() {
                debtor_id.clone()
            } else {
                name.to_owned()
            },
            language: self.value(&columns.language).to_owned(),
            country: columns
                .country
                .as_ref()
                .map(|source| self.country(source))
                .unwrap_or_default(),
            billing_method: columns
                .billing_method
                .as_ref()
                .map_or(BillingMethod::Paper, |source| self.billing_method(source))
                .into(),
            debtor_id,
            ..Debtor::default()
        }
    }

    fn country(&mut self, source: &'a Source) -> String {
        let country = self.value(source);
        if code::is_country(country) {
            return country.to_owned();
        }
        let shown = if country.is_empty() {
            "no country"
        } else {
            "not an ISO 3166-1 country code"
        };
        self.notes.push(format!("country left unset: {shown}"));
        String::new()
    }

    fn billing_method(&mut self, source: &'a Source) -> BillingMethod {
        billing_method(self.value(source)).unwrap_or_else(|| {
            self.notes
                .push("billing method unknown: paper assumed".to_owned());
            BillingMethod::Paper
        })
    }
}

impl Table {
    /// Turns rows into records in the order of posting: each debtor before its first invoice, each invoice before its
    /// payment.
    fn arrange(&mut self, rows: Vec<Row>, order: Order) {
        let mut postings = Vec::with_capacity(rows.len() * 2);
        for (place, row) in rows.iter().enumerate() {
            postings.push((row.issued, INVOICE, place));
            if let Some(settled) = row.settled {
                // A payment that came before its invoice can only be posted after it.
                postings.push((settled.max(row.issued), PAYMENT, place));
            }
        }
        match order {
            Order::ByDate => postings.sort_unstable(),
            Order::ByRow => postings.sort_unstable_by_key(|(_, what, place)| (*place, *what)),
        }
        let latest = postings.iter().map(|(date, ..)| *date).max();
        self.dates = postings.iter().map(|(date, ..)| *date).min().zip(latest);
        let mut first_rows: HashMap<&str, &Debtor> = HashMap::new();
        let mut differing: HashSet<u64> = HashSet::new();
        for (_, what, place) in postings {
            let Some(row) = rows.get(place) else { continue };
            if what == PAYMENT {
                self.records.push(payment(row));
                continue;
            }
            match first_rows.get(row.debtor.debtor_id.as_str()) {
                None => {
                    first_rows.insert(&row.debtor.debtor_id, &row.debtor);
                    self.records.push(numbered(
                        row.line,
                        DEBTOR,
                        Record::Debtor(row.debtor.clone()),
                    ));
                }
                Some(first) if **first != row.debtor => drop(differing.insert(row.line)),
                Some(_) => {}
            }
            self.records.push(numbered(
                row.line,
                INVOICE,
                Record::Invoice(row.invoice.clone()),
            ));
        }
        self.debtors = first_rows.len();
        if !differing.is_empty() {
            let count = u64::try_from(differing.len()).unwrap_or(u64::MAX);
            self.notes.insert(
                "debtor described otherwise than in its first row: first one kept".to_owned(),
                count,
            );
        }
    }
}

/// The payment of the whole amount, with the number of its invoice.
fn payment(row: &Row) -> ImportRow {
    let settled = row.settled.map(proto_date);
    let payment = Item {
        debtor_id: row.invoice.debtor_id.clone(),
        item_id: row.invoice.item_id.clone(),
        amount: row.invoice.amount.clone(),
        value_date: settled,
        recorded_date: settled,
        ..Item::default()
    };
    let allocation = Allocation {
        invoice_id: row.invoice.item_id.clone(),
        amount: row.invoice.amount.clone(),
        discount: None,
    };
    numbered(
        row.line,
        PAYMENT,
        Record::Payment(PaymentRow {
            payment: Some(payment),
            allocations: vec![allocation],
        }),
    )
}

fn numbered(line: u64, what: i64, record: Record) -> ImportRow {
    let line = i64::try_from(line).unwrap_or(i64::MAX / RECORDS_PER_LINE);
    ImportRow {
        row_number: line * RECORDS_PER_LINE + what,
        record: Some(record),
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
