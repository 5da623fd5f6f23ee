//! How far items have been dunned, and when debtors were last contacted from here.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use dunning_core::input::{Channel, DunningState};
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};

use super::{day_number, facts::CONTACT_DAYS, from_day};

/// Stores states of items, by debtor and item; of each item at most one. The debtors must be locked.
///
/// # Errors
/// Those of the database.
pub async fn record_states(
    tx: &impl Sql,
    creditor_id: &str,
    states: &[(String, String, DunningState)],
) -> Result<()> {
    let encoded: Vec<String> = states
        .iter()
        .map(|(_, _, state)| serde_json::to_string(state))
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Internal(Box::new(error)))?;
    let rows = Rows::new()
        .text(
            "debtor_id",
            states.iter().map(|(debtor_id, _, _)| debtor_id.as_str()),
        )
        .text(
            "item_id",
            states.iter().map(|(_, item_id, _)| item_id.as_str()),
        )
        .text("state", encoded);
    tx.execute_rows(rows, vec![creditor_id.into()], |table, n| {
        format!(
            "INSERT INTO item_state (creditor_id, debtor_id, item_id, state) \
             SELECT ${n}, r.debtor_id, r.item_id, r.state FROM {table} AS r WHERE true \
             ON CONFLICT (creditor_id, debtor_id, item_id) DO UPDATE SET state = excluded.state"
        )
    })
    .await?;
    Ok(())
}

/// States of items, of those that have one, by debtor and item.
///
/// # Errors
/// Those of the database.
pub async fn states(
    on: &impl Sql,
    creditor_id: &str,
    items: &[(&str, &str)],
) -> Result<BTreeMap<(String, String), DunningState>> {
    let rows = Rows::new()
        .text("debtor_id", items.iter().map(|(debtor_id, _)| *debtor_id))
        .text("item_id", items.iter().map(|(_, item_id)| *item_id));
    let rows = on
        .query_rows(rows, vec![creditor_id.into()], |table, n| {
            let same = format!(
                "s.creditor_id = ${n} AND s.debtor_id = r.debtor_id AND s.item_id = r.item_id"
            );
            format!(
                "SELECT s.debtor_id, s.item_id, s.state FROM {table} AS r {}",
                on.lookup("item_state", "s", &same)
            )
        })
        .await?;
    rows.iter()
        .map(|row| {
            let state: String = column(row, "state")?;
            let state =
                serde_json::from_str(&state).map_err(|error| Error::Internal(Box::new(error)))?;
            Ok(((column(row, "debtor_id")?, column(row, "item_id")?), state))
        })
        .collect()
}

/// A contact made by a notice, so that the next evaluation counts it before the registry tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentContact {
    /// The debtor.
    pub debtor_id: String,
    /// The notice; its second attempt over another channel is the same contact.
    pub notice_id: String,
    /// The business date.
    pub on: NaiveDate,
    /// Over which channel.
    pub channel: Channel,
}

/// Stores contacts, of each notice at most one, and forgets those of the same debtors that count no more.
///
/// # Errors
/// Those of the database.
pub async fn record_contacts(
    tx: &impl Sql,
    creditor_id: &str,
    contacts: &[SentContact],
) -> Result<()> {
    let each = || contacts.iter();
    let rows = || {
        Rows::new()
            .text("debtor_id", each().map(|it| it.debtor_id.as_str()))
            .text("notice_id", each().map(|it| it.notice_id.as_str()))
            .int("sent_on", each().map(|it| day_number(it.on)))
            .text("channel", each().map(|it| it.channel.reached_by().name()))
    };
    tx.execute_rows(rows(), vec![creditor_id.into()], |table, n| {
        format!(
            "INSERT INTO sent_contact (creditor_id, debtor_id, notice_id, sent_on, channel) \
             SELECT ${n}, r.debtor_id, r.notice_id, r.sent_on, r.channel FROM {table} AS r WHERE true \
             ON CONFLICT (creditor_id, debtor_id, notice_id) DO UPDATE SET sent_on = excluded.sent_on, \
             channel = excluded.channel"
        )
    })
    .await?;
    let values = vec![creditor_id.into(), CONTACT_DAYS.into()];
    tx.execute_rows(rows(), values, |table, n| {
        let same = format!("t.creditor_id = ${n} AND t.debtor_id = r.debtor_id");
        format!(
            "DELETE FROM sent_contact WHERE (creditor_id, debtor_id, notice_id) IN \
             (SELECT t.creditor_id, t.debtor_id, t.notice_id FROM {table} AS r {} AND t.sent_on + ${} < r.sent_on)",
            tx.lookup("sent_contact", "t", &same),
            n + 1
        )
    })
    .await?;
    Ok(())
}

/// Removes contacts, named by debtor and notice.
///
/// # Errors
/// Those of the database.
pub async fn forget_contacts(
    tx: &impl Sql,
    creditor_id: &str,
    contacts: &[(String, String)],
) -> Result<()> {
    let rows = Rows::new()
        .text("debtor_id", contacts.iter().map(|(id, _)| id.as_str()))
        .text("notice_id", contacts.iter().map(|(_, id)| id.as_str()));
    tx.execute_rows(rows, vec![creditor_id.into()], |table, n| {
        format!(
            "DELETE FROM sent_contact WHERE creditor_id = ${n} AND (debtor_id, notice_id) IN \
             (SELECT r.debtor_id, r.notice_id FROM {table} AS r)"
        )
    })
    .await?;
    Ok(())
}

/// Contacts that notices made, by debtor.
///
/// # Errors
/// Those of the database.
pub async fn contacts(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<String, Vec<(NaiveDate, Channel)>>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!("s.creditor_id = ${n} AND s.debtor_id = r.debtor_id");
                format!(
                    "SELECT s.debtor_id, s.sent_on, s.channel FROM {table} AS r {}",
                    on.lookup("sent_contact", "s", &same)
                )
            },
        )
        .await?;
    let mut contacts: BTreeMap<String, Vec<(NaiveDate, Channel)>> = BTreeMap::new();
    for row in &rows {
        let name: String = column(row, "channel")?;
        let channel = serde_json::from_value(name.into())
            .map_err(|error| Error::Internal(Box::new(error)))?;
        let on = from_day(column(row, "sent_on")?)?;
        contacts
            .entry(column(row, "debtor_id")?)
            .or_default()
            .push((on, channel));
    }
    Ok(contacts)
}
