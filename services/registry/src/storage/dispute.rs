//! Disputes.

use mahnwerk_feed::partition;
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::{Error, Result},
};
use registry_core::{
    arrangement::{Claim, Dispute, DisputeReason, DisputeState},
    currency::Currency,
    money::Money,
};
use sea_orm::QueryResult;

use super::{day, day_number, named, opt_day, partitions_after};

const COLUMNS: &str = "creditor_id, dispute_id, debtor_id, invoice_id, amount, currency, reason, owner, note, state, \
    opened_date, closed_date, version";

/// A dispute.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str, dispute_id: &str) -> Result<Option<Dispute>> {
    let sql = format!("SELECT {COLUMNS} FROM dispute WHERE creditor_id = $1 AND dispute_id = $2");
    let row = on
        .query_one(&sql, vec![creditor_id.into(), dispute_id.into()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// The id of the open dispute about an invoice.
///
/// # Errors
/// Those of the database.
pub async fn open_of_invoice(
    on: &impl Sql,
    creditor_id: &str,
    invoice_id: &str,
) -> Result<Option<String>> {
    let row = on
        .query_one(
            "SELECT dispute_id FROM dispute WHERE creditor_id = $1 AND invoice_id = $2 AND state = 'open'",
            vec![creditor_id.into(), invoice_id.into()],
        )
        .await?;
    Ok(row
        .map(|row| column::<String>(&row, "dispute_id"))
        .transpose()?)
}

/// At most `limit` disputes of a debtor by id, after `after`.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    after: &str,
    limit: u64,
) -> Result<Vec<Dispute>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM dispute WHERE creditor_id = $1 AND debtor_id = $2 AND dispute_id > $3 \
         ORDER BY dispute_id LIMIT $4"
    );
    let values = vec![
        creditor_id.into(),
        debtor_id.into(),
        after.into(),
        limit.cast_signed().into(),
    ];
    on.query(&sql, values).await?.iter().map(read).collect()
}

/// At most `limit` disputes in the partitions, by partition, creditor and id; `after` is such a key.
///
/// # Errors
/// `InvalidPageToken` if `after` is no key; those of the database.
pub async fn snapshot_page(
    db: &Db,
    partitions: &[i64],
    after: Option<&[String]>,
    limit: u64,
) -> Result<Vec<Dispute>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM dispute WHERE part = $1 AND (creditor_id, dispute_id) > ($2, $3) \
         ORDER BY creditor_id, dispute_id LIMIT $4"
    );
    let mut disputes = Vec::new();
    for (part, [creditor_id, dispute_id]) in partitions_after(partitions, after)? {
        let room = limit.saturating_sub(disputes.len() as u64);
        if room == 0 {
            break;
        }
        let values = vec![
            part.into(),
            creditor_id.into(),
            dispute_id.into(),
            room.cast_signed().into(),
        ];
        for row in db.query(&sql, values).await? {
            disputes.push(read(&row)?);
        }
    }
    Ok(disputes)
}

/// Stores a dispute, new or changed by one version. The lock of its debtor must be held.
///
/// # Errors
/// `Contention` if another debtor took the id in the meantime; those of the database.
pub async fn save(on: &impl Sql, dispute: &Dispute) -> Result<()> {
    let claim = &dispute.claim;
    let saved = on
        .execute_sql(
            "INSERT INTO dispute (creditor_id, dispute_id, debtor_id, part, invoice_id, amount, currency, reason, owner, \
             note, state, opened_date, closed_date, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
             ON CONFLICT (creditor_id, dispute_id) DO UPDATE SET state = excluded.state, \
             closed_date = excluded.closed_date, version = excluded.version \
             WHERE dispute.version = excluded.version - 1",
            vec![
                claim.creditor_id.as_str().into(),
                claim.dispute_id.as_str().into(),
                dispute.debtor_id.as_str().into(),
                partition(&claim.creditor_id, &dispute.debtor_id).into(),
                claim.invoice_id.as_str().into(),
                claim.amount.map(|amount| amount.minor).into(),
                claim.amount.map(|amount| amount.currency.code()).into(),
                claim.reason.name().into(),
                claim.owner.as_str().into(),
                claim.note.as_str().into(),
                dispute.state.name().into(),
                day_number(dispute.opened_date).into(),
                dispute.closed_date.map(day_number).into(),
                dispute.version.into(),
            ],
        )
        .await?;
    if saved == 1 {
        Ok(())
    } else {
        Err(Error::Contention(None))
    }
}

fn read(row: &QueryResult) -> Result<Dispute> {
    let amount = match column::<Option<i64>>(row, "amount")? {
        Some(minor) => Some(Money::new(named(row, "currency", Currency::parse)?, minor)),
        None => None,
    };
    Ok(Dispute {
        claim: Claim {
            creditor_id: column(row, "creditor_id")?,
            dispute_id: column(row, "dispute_id")?,
            invoice_id: column(row, "invoice_id")?,
            amount,
            reason: named(row, "reason", DisputeReason::parse)?,
            owner: column(row, "owner")?,
            note: column(row, "note")?,
        },
        debtor_id: column(row, "debtor_id")?,
        state: named(row, "state", DisputeState::parse)?,
        opened_date: day(row, "opened_date")?,
        closed_date: opt_day(row, "closed_date")?,
        version: column(row, "version")?,
    })
}
