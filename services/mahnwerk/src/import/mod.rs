//! `mahnwerk import ledger`: any accounts-receivable table with invoice, customer, dates, amount and settlement.

pub(crate) mod csv;
mod mapping;
mod report;
pub(crate) mod send;

use std::path::Path;

use chrono::NaiveDate;
use indicatif::{ProgressBar, ProgressStyle};
use mahnwerk_proto::registry::v1::{
    BusinessDayMode, CreateCreditorRequest, Creditor, GetCreditorRequest, OpenBusinessDayRequest,
};
use registry_core::calendar::Calendar;
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::{
    cli::ImportLedgerArgs,
    client::{Clients, Failure, Result, call},
    commands::Context,
    output::{calendar_date, proto_date},
};
use mapping::Mapping;
use report::Report;

/// Imports a table and reports what became of every row.
///
/// # Errors
/// If files are wrong or the registry refuses; [`Failure::RowsRefused`] if only some rows were refused.
pub(crate) async fn run(context: &Context, args: &ImportLedgerArgs) -> Result<()> {
    let mapping_bytes = read_file(&args.mapping)?;
    let table_bytes = read_file(&args.table)?;
    let mapping_text = std::str::from_utf8(&mapping_bytes)
        .map_err(|_| Failure::Input("the mapping is not UTF-8 text".to_owned()))?;
    let mapping = Mapping::from_toml(mapping_text)?;
    let table = csv::read(&table_bytes, &mapping)?;
    let import_id = args
        .import_id
        .clone()
        .unwrap_or_else(|| content_id(&mapping_bytes, &table_bytes));

    let creditor = creditor(&context.clients, args, &mapping, &import_id).await?;
    let business_date = match table.dates {
        Some((_, last)) => open_day_after(&context.clients, &creditor, last, &import_id).await?,
        None => calendar_date(creditor.business_date.as_ref()),
    };
    let bar = progress_bar(table.records.len());
    let sent = send::all(
        &context.clients,
        &args.creditor,
        &import_id,
        &table.records,
        |rows| bar.inc(rows),
    )
    .await;
    bar.finish_and_clear();
    let report = Report::new(&args.creditor, &import_id, business_date, &table, &sent?);
    report.print(context.json);
    report.outcome()
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Failure::File {
        path: path.to_owned(),
        source,
    })
}

/// The same files make the same id, so that an import that is started again posts nothing twice.
fn content_id(mapping: &[u8], table: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(mapping)
        .chain_update([0])
        .chain_update(table)
        .finalize();
    digest
        .iter()
        .take(8)
        .fold("ledger-".to_owned(), |text, byte| {
            format!("{text}{byte:02x}")
        })
}

/// The creditor, created if that is asked for.
async fn creditor(
    clients: &Clients,
    args: &ImportLedgerArgs,
    mapping: &Mapping,
    import_id: &str,
) -> Result<Creditor> {
    let mut creditors = clients.creditors();
    let request = GetCreditorRequest {
        creditor_id: args.creditor.clone(),
        at_least: String::new(),
    };
    match creditors.get_creditor(call(request)).await {
        Ok(answer) => return Ok(answer.into_inner().creditor.unwrap_or_default()),
        Err(status) if status.code() == Code::NotFound && args.create => {}
        Err(status) if status.code() == Code::NotFound => {
            return Err(Failure::Input(format!(
                "the creditor {} does not exist; --create creates it as the mapping describes it",
                args.creditor
            )));
        }
        Err(status) => return Err(status.into()),
    }
    let creditor = Creditor {
        creditor_id: args.creditor.clone(),
        display_name: mapping.creditor.display_name.clone(),
        time_zone: mapping.creditor.time_zone.clone(),
        calendar: mapping.creditor.calendar.clone(),
        reporting_currency: mapping.creditor.reporting_currency.clone(),
        // The table is history: its days must not be overtaken by the calendar.
        business_day_mode: BusinessDayMode::Manual.into(),
        ..Creditor::default()
    };
    let request = CreateCreditorRequest {
        request_id: format!("{import_id}.creditor"),
        creditor: Some(creditor),
    };
    let created = creditors.create_creditor(call(request)).await?.into_inner();
    Ok(created.creditor.unwrap_or_default())
}

/// Opens the business day after the last date of the table, unless it or a later one is open already. Recorded dates
/// may not be after the business date, so this comes before the rows.
async fn open_day_after(
    clients: &Clients,
    creditor: &Creditor,
    last: NaiveDate,
    import_id: &str,
) -> Result<Option<NaiveDate>> {
    let calendar = Calendar::parse(&creditor.calendar).unwrap_or(Calendar::Weekdays);
    let day = calendar.next_business_day_after(last);
    let open = calendar_date(creditor.business_date.as_ref());
    if open.is_some_and(|open| open >= day) {
        return Ok(open);
    }
    let request = OpenBusinessDayRequest {
        request_id: format!("{import_id}.day"),
        creditor_id: creditor.creditor_id.clone(),
        business_date: Some(proto_date(day)),
    };
    clients.creditors().open_business_day(call(request)).await?;
    Ok(Some(day))
}

fn progress_bar(records: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::try_from(records).unwrap_or_default()).with_style(style)
}
