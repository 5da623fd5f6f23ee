//! Debtors.

use std::collections::BTreeMap;

use mahnwerk_feed::partition;
use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column},
    error::Result,
};
use registry_core::debtor::{BillingMethod, Channel, Debtor, DebtorKind, Relationship};
use sea_orm::QueryResult;

use super::{day_number, named, opt_day, partitions_after};

const COLUMNS: &str = "d.creditor_id, d.debtor_id, d.kind, d.relationship, d.display_name, d.language, d.country, \
    d.preferred_channel, d.billing_method, d.sector, d.customer_since, d.credit_hold, d.credit_hold_reason, \
    d.insolvent_since, d.deceased_since, d.version";

/// A debtor.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str, debtor_id: &str) -> Result<Option<Debtor>> {
    let sql =
        format!("SELECT {COLUMNS} FROM debtor AS d WHERE d.creditor_id = $1 AND d.debtor_id = $2");
    let row = on
        .query_one(&sql, vec![creditor_id.into(), debtor_id.into()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Those of the debtors that exist, by id; at most 1,000 ids in one call.
///
/// # Errors
/// Those of the database.
pub async fn get_many(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[&str],
) -> Result<BTreeMap<String, Debtor>> {
    let keys = Rows::new().text("debtor_id", debtor_ids.iter().copied());
    let rows = on
        .query_rows(keys, vec![creditor_id.into()], |table, n| {
            let same = format!("d.creditor_id = ${n} AND d.debtor_id = r.debtor_id");
            format!(
                "SELECT {COLUMNS} FROM {table} AS r {}",
                on.lookup("debtor", "d", &same)
            )
        })
        .await?;
    rows.iter()
        .map(|row| read(row).map(|debtor| (debtor.debtor_id.clone(), debtor)))
        .collect()
}

/// At most `limit` debtors of a creditor by id, after `after`.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    after: &str,
    limit: u64,
) -> Result<Vec<Debtor>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM debtor AS d WHERE d.creditor_id = $1 AND d.debtor_id > $2 \
         ORDER BY d.debtor_id LIMIT $3"
    );
    let values = vec![creditor_id.into(), after.into(), limit.cast_signed().into()];
    on.query(&sql, values).await?.iter().map(read).collect()
}

/// At most `limit` debtors in the partitions, by partition, creditor and id; `after` is such a key.
///
/// # Errors
/// `InvalidPageToken` if `after` is no key; those of the database.
pub async fn snapshot_page(
    db: &Db,
    partitions: &[i64],
    after: Option<&[String]>,
    limit: u64,
) -> Result<Vec<Debtor>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM debtor AS d WHERE d.part = $1 AND (d.creditor_id, d.debtor_id) > ($2, $3) \
         ORDER BY d.creditor_id, d.debtor_id LIMIT $4"
    );
    let mut debtors = Vec::new();
    for (part, [creditor_id, debtor_id]) in partitions_after(partitions, after)? {
        let room = limit.saturating_sub(debtors.len() as u64);
        if room == 0 {
            break;
        }
        let values = vec![
            part.into(),
            creditor_id.into(),
            debtor_id.into(),
            room.cast_signed().into(),
        ];
        for row in db.query(&sql, values).await? {
            debtors.push(read(&row)?);
        }
    }
    Ok(debtors)
}

/// Stores debtors, new or changed, each once. Their locks must be held.
///
/// # Errors
/// Those of the database.
pub async fn save_many(on: &impl Sql, debtors: &[Debtor]) -> Result<()> {
    let text = |field: fn(&Debtor) -> &str| debtors.iter().map(field);
    let rows = Rows::new()
        .text("creditor_id", text(|debtor| &debtor.creditor_id))
        .text("debtor_id", text(|debtor| &debtor.debtor_id))
        .int(
            "part",
            debtors
                .iter()
                .map(|debtor| partition(&debtor.creditor_id, &debtor.debtor_id)),
        )
        .text("kind", text(|debtor| debtor.kind.name()))
        .text("relationship", text(|debtor| debtor.relationship.name()))
        .text("display_name", text(|debtor| &debtor.display_name))
        .text("language", text(|debtor| &debtor.language))
        .text("country", text(|debtor| &debtor.country))
        .opt_text(
            "preferred_channel",
            debtors
                .iter()
                .map(|debtor| debtor.preferred_channel.map(Channel::name)),
        )
        .text(
            "billing_method",
            text(|debtor| debtor.billing_method.name()),
        )
        .text("sector", text(|debtor| &debtor.sector))
        .opt_int(
            "customer_since",
            debtors
                .iter()
                .map(|debtor| debtor.customer_since.map(day_number)),
        )
        .int(
            "credit_hold",
            debtors.iter().map(|debtor| debtor.credit_hold),
        )
        .text(
            "credit_hold_reason",
            text(|debtor| &debtor.credit_hold_reason),
        )
        .opt_int(
            "insolvent_since",
            debtors
                .iter()
                .map(|debtor| debtor.insolvent_since.map(day_number)),
        )
        .opt_int(
            "deceased_since",
            debtors
                .iter()
                .map(|debtor| debtor.deceased_since.map(day_number)),
        )
        .int("version", debtors.iter().map(|debtor| debtor.version));
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO debtor (creditor_id, debtor_id, part, kind, relationship, display_name, language, country, \
             preferred_channel, billing_method, sector, customer_since, credit_hold, credit_hold_reason, \
             insolvent_since, deceased_since, version) \
             SELECT creditor_id, debtor_id, part, kind, relationship, display_name, language, country, \
             preferred_channel, billing_method, sector, customer_since, credit_hold, credit_hold_reason, \
             insolvent_since, deceased_since, version FROM {table} AS r WHERE true \
             ON CONFLICT (creditor_id, debtor_id) DO UPDATE SET relationship = excluded.relationship, \
             display_name = excluded.display_name, language = excluded.language, country = excluded.country, \
             preferred_channel = excluded.preferred_channel, billing_method = excluded.billing_method, \
             sector = excluded.sector, customer_since = excluded.customer_since, \
             credit_hold = excluded.credit_hold, credit_hold_reason = excluded.credit_hold_reason, \
             insolvent_since = excluded.insolvent_since, \
             deceased_since = excluded.deceased_since, version = excluded.version"
        )
    })
    .await?;
    Ok(())
}

fn read(row: &QueryResult) -> Result<Debtor> {
    Ok(Debtor {
        creditor_id: column(row, "creditor_id")?,
        debtor_id: column(row, "debtor_id")?,
        kind: named(row, "kind", DebtorKind::parse)?,
        relationship: named(row, "relationship", Relationship::parse)?,
        display_name: column(row, "display_name")?,
        language: column(row, "language")?,
        country: column(row, "country")?,
        preferred_channel: match column::<Option<String>>(row, "preferred_channel")? {
            Some(_) => Some(named(row, "preferred_channel", Channel::parse)?),
            None => None,
        },
        billing_method: named(row, "billing_method", BillingMethod::parse)?,
        sector: column(row, "sector")?,
        customer_since: opt_day(row, "customer_since")?,
        credit_hold: column::<i64>(row, "credit_hold")? != 0,
        credit_hold_reason: column(row, "credit_hold_reason")?,
        insolvent_since: opt_day(row, "insolvent_since")?,
        deceased_since: opt_day(row, "deceased_since")?,
        version: column(row, "version")?,
    })
}
