//! Promises to pay and instalment plans.

use std::collections::BTreeMap;

use mahnwerk_feed::partition;
use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column},
    error::{Error, Result},
};
use registry_core::{
    arrangement::{Arrangement, ArrangementKind, ArrangementState},
    currency::Currency,
};
use sea_orm::QueryResult;
use serde::{Serialize, de::DeserializeOwned};

use super::{day, day_number, named, opt_day, partitions_after};

/// Columns of [`read`]; the table is called `a`.
const COLUMNS: &str = "a.creditor_id, a.kind, a.arrangement_id, a.debtor_id, a.currency, a.invoices, a.instalments, \
    a.tolerance_days, a.state, a.paid, a.created_date, a.closed_date, a.version";

/// What tells promises and plans of a creditor apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArrangementKey {
    /// What it is.
    pub kind: ArrangementKind,
    /// The caller's key.
    pub id: String,
}

/// Those of the arrangements that exist.
///
/// # Errors
/// Those of the database.
pub async fn get_many(
    on: &impl Sql,
    creditor_id: &str,
    keys: &[ArrangementKey],
) -> Result<Vec<Arrangement>> {
    let rows = Rows::new()
        .text("kind", keys.iter().map(|key| key.kind.name()))
        .text("arrangement_id", keys.iter().map(|key| key.id.as_str()));
    let rows = on
        .query_rows(rows, vec![creditor_id.into()], |table, next| {
            let same = format!(
                "a.creditor_id = ${next} AND a.kind = r.kind AND a.arrangement_id = r.arrangement_id"
            );
            format!(
                "SELECT {COLUMNS} FROM {table} AS r {}",
                on.lookup("arrangement", "a", &same)
            )
        })
        .await?;
    rows.iter().map(read).collect()
}

/// The open arrangements that cover invoices, by invoice.
///
/// # Errors
/// Those of the database.
pub async fn covering<'a>(
    on: &impl Sql,
    creditor_id: &str,
    invoice_ids: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeMap<String, ArrangementKey>> {
    let rows = on
        .query_rows(
            Rows::new().text("invoice_id", invoice_ids),
            vec![creditor_id.into()],
            |table, next| {
                let same = format!("c.creditor_id = ${next} AND c.invoice_id = r.invoice_id");
                format!(
                    "SELECT c.invoice_id, c.kind, c.arrangement_id FROM {table} AS r {}",
                    on.lookup("covered_invoice", "c", &same)
                )
            },
        )
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "invoice_id")?, read_key(row)?)))
        .collect()
}

/// At most `limit` arrangements of a creditor that its business date decides, the longest due first, with their debtors.
///
/// # Errors
/// Those of the database.
pub async fn due(
    on: &impl Sql,
    creditor_id: &str,
    limit: u64,
) -> Result<Vec<(ArrangementKey, String)>> {
    let sql = "SELECT kind, arrangement_id, debtor_id FROM arrangement WHERE creditor_id = $1 AND next_due < \
               (SELECT business_date FROM creditor WHERE creditor_id = $1) \
               ORDER BY next_due LIMIT $2";
    let values = vec![creditor_id.into(), limit.cast_signed().into()];
    on.query(sql, values)
        .await?
        .iter()
        .map(|row| Ok((read_key(row)?, column(row, "debtor_id")?)))
        .collect()
}

/// The creditors with an arrangement that their business date decides.
///
/// # Errors
/// Those of the database.
pub async fn creditors_with_due(on: &impl Sql) -> Result<Vec<String>> {
    let sql = "SELECT c.creditor_id FROM creditor AS c WHERE EXISTS (SELECT 1 FROM arrangement AS a \
               WHERE a.creditor_id = c.creditor_id AND a.next_due < c.business_date) ORDER BY c.creditor_id";
    let rows = on.query(sql, vec![]).await?;
    rows.iter()
        .map(|row| Ok(column(row, "creditor_id")?))
        .collect()
}

/// At most `limit` arrangements of a debtor by id, those of the kind of `after` and behind it.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    after: &ArrangementKey,
    limit: u64,
) -> Result<Vec<Arrangement>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM arrangement AS a WHERE a.creditor_id = $1 AND a.debtor_id = $2 AND a.kind = $3 \
         AND a.arrangement_id > $4 ORDER BY a.arrangement_id LIMIT $5"
    );
    let values = vec![
        creditor_id.into(),
        debtor_id.into(),
        after.kind.name().into(),
        after.id.as_str().into(),
        limit.cast_signed().into(),
    ];
    on.query(&sql, values).await?.iter().map(read).collect()
}

/// At most `limit` arrangements of a kind in the partitions, by partition, creditor and id; `after` is such a key.
///
/// # Errors
/// `InvalidPageToken` if `after` is no key; those of the database.
pub async fn snapshot_page(
    db: &Db,
    kind: ArrangementKind,
    partitions: &[i64],
    after: Option<&[String]>,
    limit: u64,
) -> Result<Vec<Arrangement>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM arrangement AS a WHERE a.kind = $1 AND a.part = $2 \
         AND (a.creditor_id, a.arrangement_id) > ($3, $4) ORDER BY a.creditor_id, a.arrangement_id LIMIT $5"
    );
    let mut arrangements = Vec::new();
    for (part, [creditor_id, id]) in partitions_after(partitions, after)? {
        let room = limit.saturating_sub(arrangements.len() as u64);
        if room == 0 {
            break;
        }
        let values = vec![
            kind.name().into(),
            part.into(),
            creditor_id.into(),
            id.into(),
            room.cast_signed().into(),
        ];
        for row in db.query(&sql, values).await? {
            arrangements.push(read(&row)?);
        }
    }
    Ok(arrangements)
}

/// Stores arrangements of one creditor, new or changed by one version, and which invoices the open ones cover. The locks
/// of their debtors must be held.
///
/// # Errors
/// `Contention` if another debtor took an id in the meantime; those of the database.
pub async fn save(on: &impl Sql, creditor_id: &str, arrangements: &[Arrangement]) -> Result<()> {
    let saved = on
        .execute_rows(rows(arrangements)?, vec![creditor_id.into()], |table, next| {
            format!(
                "INSERT INTO arrangement (creditor_id, kind, arrangement_id, debtor_id, part, currency, invoices, \
                 instalments, tolerance_days, state, paid, next_due, created_date, closed_date, version) \
                 SELECT ${next}, r.kind, r.arrangement_id, r.debtor_id, r.part, r.currency, r.invoices, r.instalments, \
                 r.tolerance_days, r.state, r.paid, r.next_due, r.created_date, r.closed_date, r.version \
                 FROM {table} AS r WHERE true ON CONFLICT (creditor_id, kind, arrangement_id) DO UPDATE SET \
                 invoices = excluded.invoices, state = excluded.state, paid = excluded.paid, \
                 next_due = excluded.next_due, closed_date = excluded.closed_date, version = excluded.version \
                 WHERE arrangement.version = excluded.version - 1"
            )
        })
        .await?;
    if saved != arrangements.len() as u64 {
        return Err(Error::Contention(None));
    }
    let (new, closed): (Vec<&Arrangement>, Vec<&Arrangement>) = arrangements
        .iter()
        .filter(|each| each.version == 1 || each.state != ArrangementState::Open)
        .partition(|each| each.state == ArrangementState::Open);
    cover(on, creditor_id, &new).await?;
    uncover(on, creditor_id, &closed).await
}

async fn cover(on: &impl Sql, creditor_id: &str, arrangements: &[&Arrangement]) -> Result<()> {
    let covered = || {
        arrangements
            .iter()
            .flat_map(|each| each.invoices.iter().map(move |invoice| (each, invoice)))
    };
    let rows = Rows::new()
        .text(
            "invoice_id",
            covered().map(|(_, invoice)| invoice.invoice_id.as_str()),
        )
        .text("kind", covered().map(|(each, _)| each.kind.name()))
        .text(
            "arrangement_id",
            covered().map(|(each, _)| each.id.as_str()),
        );
    on.execute_rows(rows, vec![creditor_id.into()], |table, next| {
        format!(
            "INSERT INTO covered_invoice (creditor_id, invoice_id, kind, arrangement_id) \
             SELECT ${next}, r.invoice_id, r.kind, r.arrangement_id FROM {table} AS r"
        )
    })
    .await?;
    Ok(())
}

async fn uncover(on: &impl Sql, creditor_id: &str, arrangements: &[&Arrangement]) -> Result<()> {
    let invoices = arrangements.iter().flat_map(|each| &each.invoices);
    let rows = Rows::new().text(
        "invoice_id",
        invoices.map(|invoice| invoice.invoice_id.as_str()),
    );
    on.execute_rows(rows, vec![creditor_id.into()], |table, next| {
        format!(
            "DELETE FROM covered_invoice WHERE creditor_id = ${next} AND invoice_id IN \
             (SELECT r.invoice_id FROM {table} AS r)"
        )
    })
    .await?;
    Ok(())
}

fn rows(arrangements: &[Arrangement]) -> Result<Rows> {
    let all = || arrangements.iter();
    let invoices: Vec<String> = all()
        .map(|each| to_json(&each.invoices))
        .collect::<Result<_>>()?;
    let instalments: Vec<String> = all()
        .map(|each| to_json(&each.instalments))
        .collect::<Result<_>>()?;
    Ok(Rows::new()
        .text("kind", all().map(|each| each.kind.name()))
        .text("arrangement_id", all().map(|each| each.id.as_str()))
        .text("debtor_id", all().map(|each| each.debtor_id.as_str()))
        .int(
            "part",
            all().map(|each| partition(&each.creditor_id, &each.debtor_id)),
        )
        .text("currency", all().map(|each| each.currency.code()))
        .text("invoices", invoices)
        .text("instalments", instalments)
        .int("tolerance_days", all().map(|each| each.tolerance_days))
        .text("state", all().map(|each| each.state.name()))
        .int("paid", all().map(|each| each.paid))
        .opt_int(
            "next_due",
            all().map(|each| each.next_due().map(day_number)),
        )
        .int(
            "created_date",
            all().map(|each| day_number(each.created_date)),
        )
        .opt_int(
            "closed_date",
            all().map(|each| each.closed_date.map(day_number)),
        )
        .int("version", all().map(|each| each.version)))
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.into()))
}

fn from_json<T: DeserializeOwned>(row: &QueryResult, name: &'static str) -> Result<T> {
    let text: String = column(row, name)?;
    serde_json::from_str(&text).map_err(|error| Error::Internal(error.into()))
}

fn read_key(row: &QueryResult) -> Result<ArrangementKey> {
    Ok(ArrangementKey {
        kind: named(row, "kind", ArrangementKind::parse)?,
        id: column(row, "arrangement_id")?,
    })
}

fn read(row: &QueryResult) -> Result<Arrangement> {
    let tolerance_days: i64 = column(row, "tolerance_days")?;
    Ok(Arrangement {
        creditor_id: column(row, "creditor_id")?,
        debtor_id: column(row, "debtor_id")?,
        kind: named(row, "kind", ArrangementKind::parse)?,
        id: column(row, "arrangement_id")?,
        currency: named(row, "currency", Currency::parse)?,
        invoices: from_json(row, "invoices")?,
        instalments: from_json(row, "instalments")?,
        tolerance_days: i32::try_from(tolerance_days)
            .map_err(|_| Error::internal("a stored tolerance is out of range"))?,
        state: named(row, "state", ArrangementState::parse)?,
        paid: column(row, "paid")?,
        created_date: day(row, "created_date")?,
        closed_date: opt_day(row, "closed_date")?,
        version: column(row, "version")?,
    })
}
