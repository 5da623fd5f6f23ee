//! Contacts with debtors.

use mahnwerk_feed::partition;
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::{Error, Result},
};
use registry_core::{
    contact::{Contact, ContactPurpose},
    debtor::Channel,
};
use sea_orm::QueryResult;

use super::{day, day_number, named, partitions_after};

const COLUMNS: &str =
    "creditor_id, debtor_id, contact_id, channel, purpose, contact_date, text, reference";

/// A contact.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str, contact_id: &str) -> Result<Option<Contact>> {
    let sql = format!("SELECT {COLUMNS} FROM contact WHERE creditor_id = $1 AND contact_id = $2");
    let row = on
        .query_one(&sql, vec![creditor_id.into(), contact_id.into()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// At most `limit` contacts of a debtor, newest first, behind the one of this day and id.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    (before, after_id): (i64, &str),
    limit: u64,
) -> Result<Vec<Contact>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM contact WHERE creditor_id = $1 AND debtor_id = $2 \
         AND (contact_date < $3 OR (contact_date = $3 AND contact_id > $4)) \
         ORDER BY contact_date DESC, contact_id LIMIT $5"
    );
    let values = vec![
        creditor_id.into(),
        debtor_id.into(),
        before.into(),
        after_id.into(),
        limit.cast_signed().into(),
    ];
    on.query(&sql, values).await?.iter().map(read).collect()
}

/// At most `limit` contacts in the partitions, by partition, creditor and id; `after` is such a key.
///
/// # Errors
/// `InvalidPageToken` if `after` is no key; those of the database.
pub async fn snapshot_page(
    db: &Db,
    partitions: &[i64],
    after: Option<&[String]>,
    limit: u64,
) -> Result<Vec<Contact>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM contact WHERE part = $1 AND (creditor_id, contact_id) > ($2, $3) \
         ORDER BY creditor_id, contact_id LIMIT $4"
    );
    let mut contacts = Vec::new();
    for (part, [creditor_id, contact_id]) in partitions_after(partitions, after)? {
        let room = limit.saturating_sub(contacts.len() as u64);
        if room == 0 {
            break;
        }
        let values = vec![
            part.into(),
            creditor_id.into(),
            contact_id.into(),
            room.cast_signed().into(),
        ];
        for row in db.query(&sql, values).await? {
            contacts.push(read(&row)?);
        }
    }
    Ok(contacts)
}

/// Stores a new contact with its day. The lock of its debtor must be held.
///
/// # Errors
/// `Contention` if another debtor took the id in the meantime; those of the database.
pub async fn insert(on: &impl Sql, contact: &Contact) -> Result<()> {
    let inserted = on.execute_sql(
        "INSERT INTO contact (creditor_id, contact_id, debtor_id, part, channel, purpose, contact_date, text, \
         reference) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        vec![
            contact.creditor_id.as_str().into(),
            contact.contact_id.as_str().into(),
            contact.debtor_id.as_str().into(),
            partition(&contact.creditor_id, &contact.debtor_id).into(),
            contact.channel.map(Channel::name).into(),
            contact.purpose.name().into(),
            contact.date.map(day_number).into(),
            contact.text.as_str().into(),
            contact.reference.as_str().into(),
        ],
    )
    .await?;
    if inserted == 1 {
        Ok(())
    } else {
        Err(Error::Contention(None))
    }
}

fn read(row: &QueryResult) -> Result<Contact> {
    Ok(Contact {
        creditor_id: column(row, "creditor_id")?,
        debtor_id: column(row, "debtor_id")?,
        contact_id: column(row, "contact_id")?,
        channel: match column::<Option<String>>(row, "channel")? {
            Some(_) => Some(named(row, "channel", Channel::parse)?),
            None => None,
        },
        purpose: named(row, "purpose", ContactPurpose::parse)?,
        date: Some(day(row, "contact_date")?),
        text: column(row, "text")?,
        reference: column(row, "reference")?,
    })
}
