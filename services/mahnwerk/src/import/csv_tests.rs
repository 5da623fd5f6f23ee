use super::*;

const HEADER: &str = "countryCode,customerID,PaperlessDate,invoiceNumber,InvoiceDate,DueDate,InvoiceAmount,Disputed,\
                      SettledDate,PaperlessBill,DaysToSettle,DaysLate";

fn table(rows: &[&str]) -> Table {
    let mapping = Mapping::from_toml(include_str!("../../mappings/ibm.toml")).unwrap();
    read(
        format!("{HEADER}\n{}\n", rows.join("\n")).as_bytes(),
        &mapping,
    )
    .unwrap()
}

fn shape(table: &Table) -> Vec<(i64, &'static str)> {
    let name = |row: &ImportRow| match row.record {
        Some(Record::Debtor(_)) => "debtor",
        Some(Record::Invoice(_)) => "invoice",
        Some(Record::Payment(_)) => "payment",
        _ => "other",
    };
    table
        .records
        .iter()
        .map(|row| (row.row_number, name(row)))
        .collect()
}

#[test]
fn postings_come_in_the_order_in_which_they_happened() {
    let table = table(&[
        "391,C-2,x,I-2,2/10/2013,3/12/2013,105.92,No,3/17/2013,Electronic,35,5",
        "391,C-1,x,I-1,1/2/2013,2/1/2013,55.94,No,1/15/2013,Paper,13,0",
        "391,C-1,x,I-3,3/17/2013,4/16/2013,1.5,No,3/20/2013,Electronic,3,0",
    ]);
    assert_eq!(
        shape(&table),
        [
            (31, "debtor"),
            (32, "invoice"),
            (33, "payment"),
            (21, "debtor"),
            (22, "invoice"),
            (42, "invoice"),
            (23, "payment"),
            (43, "payment"),
        ]
    );
    assert_eq!(table.debtors, 2);
    let date = |text: &str| text.parse::<NaiveDate>().unwrap();
    assert_eq!(table.dates, Some((date("2013-01-02"), date("2013-03-20"))));
}

#[test]
fn what_was_left_unset_is_counted() {
    let table = table(&[
        "391,C-1,x,I-1,1/2/2013,2/1/2013,55.94,No,1/15/2013,Paper,13,0",
        "391,C-1,x,I-3,3/17/2013,4/16/2013,1.5,No,,Electronic,3,0",
    ]);
    let notes: Vec<_> = table
        .notes
        .iter()
        .map(|(note, count)| (note.as_str(), *count))
        .collect();
    assert_eq!(
        notes,
        [
            ("country left unset: not an ISO 3166-1 country code", 2),
            (
                "debtor described otherwise than in its first row: first one kept",
                1
            ),
            ("no settlement date: the invoice stays open", 1),
        ]
    );
    assert_eq!(shape(&table).len(), 4);
}

#[test]
fn a_row_that_cannot_be_read_names_everything_that_is_wrong_and_stops_no_other() {
    let table = table(&[
        "391,C-1,x,I-1,2013-01-02,2/1/2013,5x,No,1/15/2013,Paper,13,0",
        "391,C-1,x,I-2,1/2/2013,2/1/2013,55.94,No,1/15/2013,Paper,13,0",
        "391,C-1,x",
    ]);
    assert_eq!(table.lines.len(), 3);
    assert_eq!(table.unreadable.keys().copied().collect::<Vec<_>>(), [2, 4]);
    assert_eq!(table.unreadable[&2].len(), 2, "{:?}", table.unreadable);
    assert_eq!(shape(&table).len(), 3);
}

#[test]
fn the_recorded_dates_are_those_of_the_documents() {
    let table = table(&["391,C-1,x,I-1,1/2/2013,2/1/2013,55.94,No,1/15/2013,Paper,13,0"]);
    let recorded: Vec<_> = table
        .records
        .iter()
        .filter_map(|row| match row.record.as_ref()? {
            Record::Invoice(invoice) => invoice.recorded_date,
            Record::Payment(row) => row.payment.as_ref()?.recorded_date,
            _ => None,
        })
        .map(|date| (date.year, date.month, date.day))
        .collect();
    assert_eq!(recorded, [(2013, 1, 2), (2013, 1, 15)]);
}

#[test]
fn a_missing_column_is_named() {
    let mapping = Mapping::from_toml(include_str!("../../mappings/ibm.toml")).unwrap();
    let error = read(b"customerID,invoiceNumber\nC-1,I-1\n", &mapping)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("SettledDate") && error.contains("InvoiceDate"),
        "{error}"
    );
}
