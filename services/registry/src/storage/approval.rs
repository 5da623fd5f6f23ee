//! Approvals: what one asks for and another grants.

use chrono::NaiveDate;
use mahnwerk_runtime::{
    db::{Sql, column},
    error::{Error, Result},
};
use registry_core::{
    approval::{Approval, ApprovalState},
    currency::Currency,
    money::Money,
};
use sea_orm::QueryResult;

use super::{day, day_number, named};

/// The only kind there is.
const WRITE_OFF: &str = "write_off";

const COLUMNS: &str = "creditor_id, approval_id, debtor_id, invoice_id, currency, amount, reason, state, requested_by, \
    requested_at, requested_date, expire_date, decided_by, decided_at, note, version";

/// Which approvals of a creditor are listed.
#[derive(Clone, Debug)]
pub struct ApprovalFilter {
    /// Those of this debtor; empty for all.
    pub debtor_id: String,
    /// Those in this state; `None` for all.
    pub state: Option<ApprovalState>,
}

/// An approval.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str, approval_id: &str) -> Result<Option<Approval>> {
    let sql = format!("SELECT {COLUMNS} FROM approval WHERE creditor_id = $1 AND approval_id = $2");
    let row = on
        .query_one(&sql, vec![creditor_id.into(), approval_id.into()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// The approval of an invoice that nobody has decided, be it in time or not.
///
/// # Errors
/// Those of the database.
pub async fn undecided(
    on: &impl Sql,
    creditor_id: &str,
    invoice_id: &str,
) -> Result<Option<Approval>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM approval WHERE creditor_id = $1 AND invoice_id = $2 AND state = 'pending'"
    );
    let row = on
        .query_one(&sql, vec![creditor_id.into(), invoice_id.into()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// At most `limit` approvals, newest first, before `before`; an empty one begins. States are those of the business date.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    filter: &ApprovalFilter,
    business_date: NaiveDate,
    before: &str,
    limit: u64,
) -> Result<Vec<Approval>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM approval WHERE creditor_id = $1 AND ($2 = '' OR debtor_id = $2) AND ($3 = '' OR \
         CASE WHEN state = 'pending' AND expire_date < $4 THEN 'expired' ELSE state END = $3) \
         AND ($5 = '' OR approval_id < $5) ORDER BY approval_id DESC LIMIT $6"
    );
    let values = vec![
        creditor_id.into(),
        filter.debtor_id.as_str().into(),
        filter.state.map_or("", ApprovalState::name).into(),
        day_number(business_date).into(),
        before.into(),
        limit.cast_signed().into(),
    ];
    on.query(&sql, values).await?.iter().map(read).collect()
}

/// Stores an approval, new or changed by one version. The lock of its debtor must be held.
///
/// # Errors
/// `Contention` if it was changed in the meantime; those of the database.
pub async fn save(on: &impl Sql, approval: &Approval) -> Result<()> {
    let saved = on
        .execute_sql(
            "INSERT INTO approval (creditor_id, approval_id, debtor_id, kind, invoice_id, currency, amount, reason, \
             state, requested_by, requested_at, requested_date, expire_date, decided_by, decided_at, note, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
             ON CONFLICT (creditor_id, approval_id) DO UPDATE SET state = excluded.state, \
             decided_by = excluded.decided_by, decided_at = excluded.decided_at, note = excluded.note, \
             version = excluded.version WHERE approval.version = excluded.version - 1",
            vec![
                approval.creditor_id.as_str().into(),
                approval.approval_id.as_str().into(),
                approval.debtor_id.as_str().into(),
                WRITE_OFF.into(),
                approval.invoice_id.as_str().into(),
                approval.amount.currency.code().into(),
                approval.amount.minor.into(),
                approval.reason.as_str().into(),
                approval.state.name().into(),
                approval.requested_by.as_str().into(),
                approval.requested_at.into(),
                day_number(approval.requested_date).into(),
                day_number(approval.expire_date).into(),
                approval.decided_by.as_str().into(),
                approval.decided_at.into(),
                approval.note.as_str().into(),
                approval.version.into(),
            ],
        )
        .await?;
    if saved == 1 {
        Ok(())
    } else {
        Err(Error::Contention(None))
    }
}

fn read(row: &QueryResult) -> Result<Approval> {
    let currency = named(row, "currency", Currency::parse)?;
    Ok(Approval {
        creditor_id: column(row, "creditor_id")?,
        approval_id: column(row, "approval_id")?,
        debtor_id: column(row, "debtor_id")?,
        invoice_id: column(row, "invoice_id")?,
        amount: Money::new(currency, column(row, "amount")?),
        reason: column(row, "reason")?,
        state: named(row, "state", ApprovalState::parse)?,
        requested_by: column(row, "requested_by")?,
        requested_at: column(row, "requested_at")?,
        requested_date: day(row, "requested_date")?,
        expire_date: day(row, "expire_date")?,
        decided_by: column(row, "decided_by")?,
        decided_at: column(row, "decided_at")?,
        note: column(row, "note")?,
        version: column(row, "version")?,
    })
}
