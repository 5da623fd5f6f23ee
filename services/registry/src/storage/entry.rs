//! Entries: what settles items, and what undoes that.

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
};
use registry_core::account::{Entry, EntryKind, ItemKey, ItemKind};
use sea_orm::QueryResult;

use super::{day, day_number, item::key_rows, named};

/// Columns of [`read`]; the table is called `e`.
const COLUMNS: &str = "e.entry_id, e.debtor_id, e.kind, e.amount, e.debit_id, e.credit_kind, e.credit_id, \
     e.value_date, e.recorded_date, e.reverses, e.number";

/// Entries of invoices in the order of posting, by creditor and invoice.
pub type EntriesByInvoice = BTreeMap<(String, String), Vec<Entry>>;

fn read(row: &QueryResult) -> Result<Entry> {
    let credit = match column::<Option<String>>(row, "credit_id")? {
        Some(id) => Some(ItemKey::new(
            named(row, "credit_kind", ItemKind::parse)?,
            id,
        )),
        None => None,
    };
    Ok(Entry {
        entry_id: column(row, "entry_id")?,
        debtor_id: column(row, "debtor_id")?,
        kind: named(row, "kind", EntryKind::parse)?,
        amount: column(row, "amount")?,
        debit: column::<Option<String>>(row, "debit_id")?.map(ItemKey::invoice),
        credit,
        value_date: day(row, "value_date")?,
        recorded_date: day(row, "recorded_date")?,
        reverses: column(row, "reverses")?,
        number: column(row, "number")?,
    })
}

/// Reads all entries that name one of the items, be it as debit or as credit. One that names two of them may come twice.
///
/// # Errors
/// Those of the database.
pub async fn of_items(
    on: &impl Sql,
    creditor_id: &str,
    keys: &BTreeSet<ItemKey>,
) -> Result<Vec<Entry>> {
    let rows = on
        .query_rows(
            key_rows(keys.iter()),
            vec![creditor_id.into()],
            |table, next| {
                let as_debit = format!("e.creditor_id = ${next} AND e.debit_id = r.item_id");
                let as_credit = format!(
                    "e.creditor_id = ${next} AND e.credit_kind = r.kind AND e.credit_id = r.item_id"
                );
                format!(
                    "SELECT {COLUMNS} FROM {table} AS r {} AND r.kind = 'invoice' \
                 UNION ALL SELECT {COLUMNS} FROM {table} AS r {} AND r.kind <> 'invoice'",
                    on.lookup("entry", "e", &as_debit),
                    on.lookup("entry", "e", &as_credit)
                )
            },
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Reads all entries of all items of a debtor, each once.
///
/// # Errors
/// Those of the database.
pub async fn of_debtor(on: &impl Sql, creditor_id: &str, debtor_id: &str) -> Result<Vec<Entry>> {
    let as_debit = "e.creditor_id = i.creditor_id AND e.debit_id = i.item_id";
    let as_credit =
        "e.creditor_id = i.creditor_id AND e.credit_kind = i.kind AND e.credit_id = i.item_id";
    // Only the cancellation of a payment or credit note has no debit.
    let sql = format!(
        "SELECT {COLUMNS} FROM item AS i {} AND i.creditor_id = $1 AND i.debtor_id = $2 AND i.kind = 'invoice' \
         UNION ALL SELECT {COLUMNS} FROM item AS i {} AND i.creditor_id = $1 AND i.debtor_id = $2 \
         AND i.kind <> 'invoice' AND e.debit_id IS NULL",
        on.lookup("entry", "e", as_debit),
        on.lookup("entry", "e", as_credit)
    );
    let rows = on
        .query(&sql, vec![creditor_id.into(), debtor_id.into()])
        .await?;
    rows.iter().map(read).collect()
}

/// Reads the entries of invoices, given as creditor and invoice id.
///
/// # Errors
/// Those of the database.
pub async fn of_invoices<'a>(
    on: &impl Sql,
    invoices: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Result<EntriesByInvoice> {
    let rows = Rows::new()
        .text(
            "creditor_id",
            invoices.clone().map(|(creditor_id, _)| creditor_id),
        )
        .text("item_id", invoices.map(|(_, item_id)| item_id));
    let rows = on
        .query_rows(rows, vec![], |table, _| {
            let same = "e.creditor_id = r.creditor_id AND e.debit_id = r.item_id";
            format!(
                "SELECT e.creditor_id, {COLUMNS} FROM {table} AS r {}",
                on.lookup("entry", "e", same)
            )
        })
        .await?;
    let mut entries = EntriesByInvoice::new();
    for row in &rows {
        let invoice = (column(row, "creditor_id")?, column(row, "debit_id")?);
        entries.entry(invoice).or_default().push(read(row)?);
    }
    for entries in entries.values_mut() {
        entries.sort_by_key(|entry| entry.number);
    }
    Ok(entries)
}

/// Writes new entries.
///
/// # Errors
/// Those of the database.
pub async fn insert(on: &impl Sql, creditor_id: &str, entries: &[Entry]) -> Result<()> {
    let credits = || entries.iter().map(|entry| entry.credit.as_ref());
    let rows = Rows::new()
        .text(
            "entry_id",
            entries.iter().map(|entry| entry.entry_id.as_str()),
        )
        .text(
            "debtor_id",
            entries.iter().map(|entry| entry.debtor_id.as_str()),
        )
        .text("kind", entries.iter().map(|entry| entry.kind.name()))
        .int("amount", entries.iter().map(|entry| entry.amount))
        .opt_text(
            "debit_id",
            entries
                .iter()
                .map(|entry| entry.debit.as_ref().map(|key| key.id.as_str())),
        )
        .opt_text(
            "credit_kind",
            credits().map(|key| key.map(|key| key.kind.name())),
        )
        .opt_text(
            "credit_id",
            credits().map(|key| key.map(|key| key.id.as_str())),
        )
        .int(
            "value_date",
            entries.iter().map(|entry| day_number(entry.value_date)),
        )
        .int(
            "recorded_date",
            entries.iter().map(|entry| day_number(entry.recorded_date)),
        )
        .opt_text(
            "reverses",
            entries.iter().map(|entry| entry.reverses.as_deref()),
        )
        .int("number", entries.iter().map(|entry| entry.number));
    on.execute_rows(rows, vec![creditor_id.into()], |table, next| {
        format!(
            "INSERT INTO entry (creditor_id, entry_id, debtor_id, kind, amount, debit_id, credit_kind, credit_id, \
             value_date, recorded_date, reverses, number) SELECT ${next}, r.entry_id, r.debtor_id, r.kind, r.amount, \
             r.debit_id, r.credit_kind, r.credit_id, r.value_date, r.recorded_date, r.reverses, r.number \
             FROM {table} AS r"
        )
    })
    .await?;
    Ok(())
}
