//! Items: invoices, credit notes and payments.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use mahnwerk_feed::{SnapshotRow, partition};
use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column},
    error::{Error, Result},
};
use prost::Message as _;
use registry_core::{
    account::{Item, ItemKey, ItemKind},
    currency::Currency,
};
use sea_orm::{QueryResult, Value};

use super::{day, day_number, entry, named, opt_day, partitions_after};
use crate::{app::account::ItemView, grpc::convert_account};

/// Columns of [`read`]; the table is called `i`.
const COLUMNS: &str = "i.kind, i.item_id, i.debtor_id, i.currency, i.amount, i.open, i.document_date, \
     i.due_date, i.value_date, i.discount_date, i.discount_bps, i.reference, i.recorded_date, i.reversed, i.version";

/// Which items to list.
#[derive(Clone, Debug, Default)]
pub struct ItemFilter {
    /// Only of this debtor.
    pub debtor_id: Option<String>,
    /// Only of this kind.
    pub kind: Option<ItemKind>,
    /// Only with an open amount.
    pub open_only: bool,
}

/// Reads an item from a row with [`COLUMNS`].
fn read(row: &QueryResult) -> Result<Item> {
    let discount_bps: i64 = column(row, "discount_bps")?;
    Ok(Item {
        debtor_id: column(row, "debtor_id")?,
        key: ItemKey::new(
            named(row, "kind", ItemKind::parse)?,
            column::<String>(row, "item_id")?,
        ),
        currency: named(row, "currency", Currency::parse)?,
        amount: column(row, "amount")?,
        open: column(row, "open")?,
        document_date: day(row, "document_date")?,
        due_date: opt_day(row, "due_date")?,
        value_date: day(row, "value_date")?,
        discount_date: opt_day(row, "discount_date")?,
        discount_bps: i32::try_from(discount_bps)
            .map_err(|_| Error::internal("a stored discount is out of range"))?,
        reference: column(row, "reference")?,
        recorded_date: day(row, "recorded_date")?,
        reversed: column::<i64>(row, "reversed")? == 1,
        version: column(row, "version")?,
    })
}

/// The keys as a table with `kind` and `item_id`.
pub(crate) fn key_rows<'a>(keys: impl Iterator<Item = &'a ItemKey> + Clone) -> Rows {
    Rows::new()
        .text("kind", keys.clone().map(|key| key.kind.name()))
        .text("item_id", keys.map(|key| key.id.as_str()))
}

/// Reads the items that exist among the keys.
///
/// # Errors
/// Those of the database.
pub async fn get_many(
    on: &impl Sql,
    creditor_id: &str,
    keys: &BTreeSet<ItemKey>,
) -> Result<Vec<Item>> {
    let rows = on
        .query_rows(
            key_rows(keys.iter()),
            vec![creditor_id.into()],
            |table, next| {
                let same = format!(
                    "i.creditor_id = ${next} AND i.kind = r.kind AND i.item_id = r.item_id"
                );
                format!(
                    "SELECT {COLUMNS} FROM {table} AS r {}",
                    on.lookup("item", "i", &same)
                )
            },
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Reads one item.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str, key: &ItemKey) -> Result<Option<Item>> {
    let values: Vec<Value> = vec![
        creditor_id.into(),
        key.kind.name().into(),
        key.id.as_str().into(),
    ];
    on.query_one(
        &format!("SELECT {COLUMNS} FROM item AS i WHERE i.creditor_id = $1 AND i.kind = $2 AND i.item_id = $3"),
        values,
    )
    .await?
    .as_ref()
    .map(read)
    .transpose()
}

/// Reads all items of a debtor.
///
/// # Errors
/// Those of the database.
pub async fn of_debtor(on: &impl Sql, creditor_id: &str, debtor_id: &str) -> Result<Vec<Item>> {
    let rows = on
        .query(
            &format!(
                "SELECT {COLUMNS} FROM item AS i WHERE i.creditor_id = $1 AND i.debtor_id = $2"
            ),
            vec![creditor_id.into(), debtor_id.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Reads a page of items, by kind and id.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    filter: &ItemFilter,
    after: Option<[&str; 2]>,
    limit: u64,
) -> Result<Vec<Item>> {
    let mut values: Vec<Value> = vec![
        creditor_id.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let mut conditions = String::new();
    if let Some(debtor_id) = &filter.debtor_id {
        values.push(debtor_id.as_str().into());
        conditions.push_str(&format!(" AND i.debtor_id = ${}", values.len()));
    }
    if let Some(kind) = filter.kind {
        values.push(kind.name().into());
        conditions.push_str(&format!(" AND i.kind = ${}", values.len()));
    }
    if filter.open_only {
        conditions.push_str(" AND i.open > 0");
    }
    if let Some([kind, item_id]) = after {
        values.extend([Value::from(kind), Value::from(item_id)]);
        conditions.push_str(&format!(
            " AND (i.kind, i.item_id) > (${}, ${})",
            values.len() - 1,
            values.len()
        ));
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM item AS i WHERE i.creditor_id = $1{conditions} ORDER BY i.kind, i.item_id LIMIT $2"
    );
    on.query(&sql, values).await?.iter().map(read).collect()
}

/// Writes new items and what can change of others: what is open, whether it is reversed, and the version, which grows by
/// one.
///
/// # Errors
/// `Contention` if the key of a new item was taken in the meantime, by a writer of another debtor; otherwise those of the
/// database.
pub async fn save(on: &impl Sql, creditor_id: &str, items: &[Item]) -> Result<()> {
    let rows = key_rows(items.iter().map(|item| &item.key))
        .text(
            "debtor_id",
            items.iter().map(|item| item.debtor_id.as_str()),
        )
        .int(
            "part",
            items
                .iter()
                .map(|item| partition(creditor_id, &item.debtor_id)),
        )
        .text("currency", items.iter().map(|item| item.currency.code()))
        .int("amount", items.iter().map(|item| item.amount))
        .int("open", items.iter().map(|item| item.open))
        .int(
            "document_date",
            items.iter().map(|item| day_number(item.document_date)),
        )
        .opt_int(
            "due_date",
            items.iter().map(|item| item.due_date.map(day_number)),
        )
        .int(
            "value_date",
            items.iter().map(|item| day_number(item.value_date)),
        )
        .opt_int(
            "discount_date",
            items.iter().map(|item| item.discount_date.map(day_number)),
        )
        .int("discount_bps", items.iter().map(|item| item.discount_bps))
        .text(
            "reference",
            items.iter().map(|item| item.reference.as_str()),
        )
        .int(
            "recorded_date",
            items.iter().map(|item| day_number(item.recorded_date)),
        )
        .int(
            "reversed",
            items.iter().map(|item| i64::from(item.reversed)),
        )
        .int("version", items.iter().map(|item| item.version));
    // A new item has version 1 and so never overwrites one that is there.
    let saved = on
        .execute_rows(rows, vec![creditor_id.into()], |table, next| {
            format!(
                "INSERT INTO item (creditor_id, kind, item_id, debtor_id, part, currency, amount, open, document_date, \
                 due_date, value_date, discount_date, discount_bps, reference, recorded_date, reversed, version) \
                 SELECT ${next}, r.kind, r.item_id, r.debtor_id, r.part, r.currency, r.amount, r.open, \
                 r.document_date, r.due_date, r.value_date, r.discount_date, r.discount_bps, r.reference, \
                 r.recorded_date, r.reversed, r.version FROM {table} AS r WHERE true \
                 ON CONFLICT (creditor_id, kind, item_id) DO UPDATE SET open = excluded.open, \
                 reversed = excluded.reversed, version = excluded.version \
                 WHERE item.version = excluded.version - 1"
            )
        })
        .await?;
    if saved == items.len() as u64 {
        Ok(())
    } else {
        Err(Error::Contention(None))
    }
}

/// A page of the snapshot: items of the partitions with their entries, by partition, creditor, kind and id. Items and
/// entries are of one moment.
///
/// # Errors
/// `InvalidPageToken` if `after` is no key of a row; otherwise those of the database.
pub async fn snapshot_page(
    db: &Db,
    partitions: &[i64],
    after: Option<&[String]>,
    limit: u64,
) -> Result<Vec<SnapshotRow>> {
    let sql = format!(
        "SELECT i.creditor_id, {COLUMNS} FROM item AS i WHERE i.part = $1 \
         AND (i.creditor_id, i.kind, i.item_id) > ($2, $3, $4) \
         ORDER BY i.creditor_id, i.kind, i.item_id LIMIT $5"
    );
    let read_only = db.begin_read().await?;
    let mut found = Vec::new();
    for (part, [creditor_id, kind, item_id]) in partitions_after(partitions, after)? {
        let room = limit.saturating_sub(found.len() as u64);
        if room == 0 {
            break;
        }
        let values: Vec<Value> = vec![
            part.into(),
            creditor_id.into(),
            kind.into(),
            item_id.into(),
            room.cast_signed().into(),
        ];
        for row in &read_only.query(&sql, values).await? {
            found.push((part, column::<String>(row, "creditor_id")?, read(row)?));
        }
    }
    let invoices = found
        .iter()
        .filter(|(_, _, item)| item.key.kind == ItemKind::Invoice)
        .map(|(_, creditor_id, item)| (creditor_id.as_str(), item.key.id.as_str()));
    let mut entries = entry::of_invoices(&read_only, invoices).await?;
    drop(read_only);
    let row = |(part, creditor_id, item): (i64, String, Item)| {
        let entries = match item.key.kind {
            ItemKind::Invoice => entries.remove(&(creditor_id.clone(), item.key.id.clone())),
            ItemKind::CreditNote | ItemKind::Payment => None,
        };
        let view = ItemView {
            item,
            entries: entries.unwrap_or_default(),
        };
        snapshot_row(part, creditor_id, &view)
    };
    Ok(found.into_iter().map(row).collect())
}

fn snapshot_row(part: i64, creditor_id: String, view: &ItemView) -> SnapshotRow {
    let ItemKey { kind, id } = &view.item.key;
    SnapshotRow {
        debtor_id: view.item.debtor_id.clone(),
        entity_id: convert_account::entity_id(&view.item.key),
        version: view.item.version,
        state: convert_account::item_message(&creditor_id, view).encode_to_vec(),
        key: vec![
            part.to_string(),
            creditor_id.clone(),
            kind.name().to_owned(),
            id.clone(),
        ],
        creditor_id,
    }
}

/// What is open of one currency in one bucket. Sums of many amounts of 10^15 do not fit 64 bits, so the amount is
/// `high` * 10^9 + `low`.
#[derive(Clone, Debug)]
pub struct BucketSum {
    /// The currency.
    pub currency: Currency,
    /// 0 (not due), 1 (1 to 30 days overdue), 2 (31 to 60), 3 (61 to 90), 4 (over 90); -1 for payments and credit notes.
    pub bucket: i64,
    /// Sum of the billions.
    pub high: i64,
    /// Sum of what is below a billion.
    pub low: i64,
    /// Number of items with an open amount.
    pub open_items: i64,
}

/// Sums up what is open of all items of a creditor, by currency and bucket: items and entries count from their value
/// date on, if they were recorded at `known_at` or before. The same rules as `registry_core::balance`.
///
/// # Errors
/// Those of the database.
pub async fn bucket_sums(
    on: &impl Sql,
    creditor_id: &str,
    as_of: NaiveDate,
    known_at: NaiveDate,
) -> Result<Vec<BucketSum>> {
    let sql = "SELECT currency, CAST(bucket AS BIGINT) AS bucket, CAST(SUM(open / 1000000000) AS BIGINT) AS high, \
         CAST(SUM(open % 1000000000) AS BIGINT) AS low, \
         CAST(SUM(CASE WHEN open <> 0 THEN 1 ELSE 0 END) AS BIGINT) AS open_items FROM ( \
         SELECT i.currency AS currency, i.amount - COALESCE(u.used, 0) AS open, \
         CASE WHEN i.kind <> 'invoice' THEN -1 \
         WHEN $2 - COALESCE(i.due_date, i.document_date) <= 0 THEN 0 \
         WHEN $2 - COALESCE(i.due_date, i.document_date) <= 30 THEN 1 \
         WHEN $2 - COALESCE(i.due_date, i.document_date) <= 60 THEN 2 \
         WHEN $2 - COALESCE(i.due_date, i.document_date) <= 90 THEN 3 ELSE 4 END AS bucket \
         FROM item AS i LEFT JOIN ( \
         SELECT kind, item_id, CAST(SUM(amount) AS BIGINT) AS used FROM ( \
         SELECT 'invoice' AS kind, debit_id AS item_id, amount FROM entry WHERE creditor_id = $1 \
         AND debit_id IS NOT NULL AND value_date <= $2 AND recorded_date <= $3 \
         UNION ALL SELECT credit_kind AS kind, credit_id AS item_id, amount FROM entry WHERE creditor_id = $1 \
         AND credit_id IS NOT NULL AND kind IN ('allocation', 'cancellation') \
         AND value_date <= $2 AND recorded_date <= $3) AS part_used GROUP BY kind, item_id) AS u \
         ON u.kind = i.kind AND u.item_id = i.item_id \
         WHERE i.creditor_id = $1 AND i.value_date <= $2 AND i.recorded_date <= $3) AS open_item \
         GROUP BY currency, bucket";
    let values = vec![
        creditor_id.into(),
        day_number(as_of).into(),
        day_number(known_at).into(),
    ];
    let read = |row: &QueryResult| {
        Ok(BucketSum {
            currency: named(row, "currency", Currency::parse)?,
            bucket: column(row, "bucket")?,
            high: column(row, "high")?,
            low: column(row, "low")?,
            open_items: column(row, "open_items")?,
        })
    };
    on.query(sql, values).await?.iter().map(read).collect()
}
