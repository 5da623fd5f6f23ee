//! Contact points.

use std::collections::BTreeMap;

use mahnwerk_feed::partition;
use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column},
    error::Result,
};
use registry_core::debtor::{Channel, ContactPoint, ContactState};
use sea_orm::QueryResult;

use super::{named, partitions_after};

const COLUMNS: &str = "c.creditor_id, c.debtor_id, c.contact_point_id, c.channel, c.address, c.state, c.deleted, \
    c.address_version, c.version";

/// A contact point that exists, or did.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The contact point; without an address if it was deleted.
    pub contact_point: ContactPoint,
    /// Whether it was deleted; then it only keeps the version from starting again.
    pub deleted: bool,
    /// The version with which its address came.
    pub address_version: i64,
}

/// Contact points by debtor id and contact point id, deleted ones included; at most 1,000 keys in one call.
///
/// # Errors
/// Those of the database.
pub async fn get_many(
    on: &impl Sql,
    creditor_id: &str,
    keys: &[(&str, &str)],
) -> Result<BTreeMap<(String, String), Stored>> {
    let rows = Rows::new()
        .text("debtor_id", keys.iter().map(|key| key.0))
        .text("contact_point_id", keys.iter().map(|key| key.1));
    let found = on
        .query_rows(rows, vec![creditor_id.into()], |table, n| {
            let same = format!(
                "c.creditor_id = ${n} AND c.debtor_id = r.debtor_id AND c.contact_point_id = r.contact_point_id"
            );
            format!(
                "SELECT {COLUMNS} FROM {table} AS r {}",
                on.lookup("contact_point", "c", &same)
            )
        })
        .await?;
    found
        .iter()
        .map(|row| {
            let contact_point = read(row)?;
            let key = (
                contact_point.debtor_id.clone(),
                contact_point.contact_point_id.clone(),
            );
            let deleted = column::<i64>(row, "deleted")? != 0;
            let address_version = column(row, "address_version")?;
            Ok((
                key,
                Stored {
                    contact_point,
                    deleted,
                    address_version,
                },
            ))
        })
        .collect()
}

/// How many contact points each of the debtors has; debtors without are left out. At most 1,000 debtors in one call.
///
/// # Errors
/// Those of the database.
pub async fn counts(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[&str],
) -> Result<BTreeMap<String, i64>> {
    let keys = Rows::new().text("debtor_id", debtor_ids.iter().copied());
    let rows = on
        .query_rows(keys, vec![creditor_id.into()], |table, n| {
            let same = format!("c.creditor_id = ${n} AND c.debtor_id = r.debtor_id");
            format!(
                "SELECT r.debtor_id AS debtor_id, count(*) AS n FROM {table} AS r {} AND c.deleted = 0 \
                 GROUP BY r.debtor_id",
                on.lookup("contact_point", "c", &same)
            )
        })
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "debtor_id")?, column(row, "n")?)))
        .collect()
}

/// At most `limit` contact points of a debtor by id, after `after`.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    after: &str,
    limit: u64,
) -> Result<Vec<ContactPoint>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM contact_point AS c WHERE c.creditor_id = $1 AND c.debtor_id = $2 \
         AND c.contact_point_id > $3 AND c.deleted = 0 ORDER BY c.contact_point_id LIMIT $4"
    );
    let values = vec![
        creditor_id.into(),
        debtor_id.into(),
        after.into(),
        limit.cast_signed().into(),
    ];
    on.query(&sql, values).await?.iter().map(read).collect()
}

/// At most `limit` contact points in the partitions, by partition, creditor, debtor and id; `after` is such a key.
///
/// # Errors
/// `InvalidPageToken` if `after` is no key; those of the database.
pub async fn snapshot_page(
    db: &Db,
    partitions: &[i64],
    after: Option<&[String]>,
    limit: u64,
) -> Result<Vec<ContactPoint>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM contact_point AS c WHERE c.part = $1 \
         AND (c.creditor_id, c.debtor_id, c.contact_point_id) > ($2, $3, $4) AND c.deleted = 0 \
         ORDER BY c.creditor_id, c.debtor_id, c.contact_point_id LIMIT $5"
    );
    let mut contact_points = Vec::new();
    for (part, [creditor_id, debtor_id, id]) in partitions_after(partitions, after)? {
        let room = limit.saturating_sub(contact_points.len() as u64);
        if room == 0 {
            break;
        }
        let values = vec![
            part.into(),
            creditor_id.into(),
            debtor_id.into(),
            id.into(),
            room.cast_signed().into(),
        ];
        for row in db.query(&sql, values).await? {
            contact_points.push(read(&row)?);
        }
    }
    Ok(contact_points)
}

/// Stores contact points, new or changed, each once. The locks of their debtors must be held.
///
/// # Errors
/// Those of the database.
pub async fn save_many(on: &impl Sql, contact_points: &[ContactPoint]) -> Result<()> {
    let text = |field: fn(&ContactPoint) -> &str| contact_points.iter().map(field);
    let rows = Rows::new()
        .text("creditor_id", text(|each| &each.creditor_id))
        .text("debtor_id", text(|each| &each.debtor_id))
        .text("contact_point_id", text(|each| &each.contact_point_id))
        .int(
            "part",
            contact_points
                .iter()
                .map(|each| partition(&each.creditor_id, &each.debtor_id)),
        )
        .text("channel", text(|each| each.channel.name()))
        .text("address", text(|each| &each.address))
        .text("state", text(|each| each.state.name()))
        .int("version", contact_points.iter().map(|each| each.version));
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO contact_point (creditor_id, debtor_id, contact_point_id, part, channel, address, state, \
             deleted, address_version, version) SELECT creditor_id, debtor_id, contact_point_id, part, channel, \
             address, state, 0, version, version FROM {table} AS r WHERE true \
             ON CONFLICT (creditor_id, debtor_id, contact_point_id) DO UPDATE SET channel = excluded.channel, \
             address = excluded.address, state = excluded.state, deleted = 0, version = excluded.version, \
             address_version = CASE WHEN excluded.address = contact_point.address \
             THEN contact_point.address_version ELSE excluded.version END"
        )
    })
    .await?;
    Ok(())
}

/// Deletes a contact point but for its key and `version`. The lock of its debtor must be held.
///
/// # Errors
/// Those of the database.
pub async fn delete(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    contact_point_id: &str,
    version: i64,
) -> Result<()> {
    on.execute_sql(
        "UPDATE contact_point SET deleted = 1, address = '', version = $4 \
         WHERE creditor_id = $1 AND debtor_id = $2 AND contact_point_id = $3",
        vec![
            creditor_id.into(),
            debtor_id.into(),
            contact_point_id.into(),
            version.into(),
        ],
    )
    .await?;
    Ok(())
}

fn read(row: &QueryResult) -> Result<ContactPoint> {
    Ok(ContactPoint {
        creditor_id: column(row, "creditor_id")?,
        debtor_id: column(row, "debtor_id")?,
        contact_point_id: column(row, "contact_point_id")?,
        channel: named(row, "channel", Channel::parse)?,
        address: column(row, "address")?,
        state: named(row, "state", ContactState::parse)?,
        version: column(row, "version")?,
    })
}
