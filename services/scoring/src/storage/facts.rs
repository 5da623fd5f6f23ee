//! Reading the projection: what the rules need to know about debtors, a chunk a statement.

use std::collections::BTreeMap;

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use prost::Message;
use scoring_core::{
    facts::{
        ArrangementKind, Arrangements, BrokenFacts, DebtorFacts, DebtorKind, DisputeFacts,
        ItemFacts, Settlement, SettlementKind,
    },
    fx::FxRate,
};
use sea_orm::QueryResult;

use super::{
    day_number, from_day, opt_day,
    projection::{DISPUTE, INSTALMENT_PLAN, PROMISE},
};

/// What is known of a creditor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creditor {
    /// ISO 4217.
    pub reporting_currency: String,
    /// Day number of the open business day.
    pub business_date: Option<i64>,
}

/// An invoice as stored in `item.facts`.
#[derive(Clone, PartialEq, Message)]
pub struct StoredItem {
    /// ISO 4217.
    #[prost(string, tag = "1")]
    pub currency: String,
    /// Minor units.
    #[prost(int64, tag = "2")]
    pub amount: i64,
    /// Day number.
    #[prost(sint64, tag = "3")]
    pub document_date: i64,
    /// Day number.
    #[prost(sint64, tag = "4")]
    pub due_date: i64,
    /// Day number.
    #[prost(sint64, tag = "5")]
    pub recorded_date: i64,
    /// In the order of posting.
    #[prost(message, repeated, tag = "6")]
    pub settlements: Vec<StoredSettlement>,
}

/// A settlement as stored in `item.facts`.
#[derive(Clone, PartialEq, Message)]
pub struct StoredSettlement {
    /// Minor units; negative undoes.
    #[prost(sint64, tag = "1")]
    pub amount: i64,
    /// Day number.
    #[prost(sint64, tag = "2")]
    pub value_date: i64,
    /// Day number.
    #[prost(sint64, tag = "3")]
    pub recorded_date: i64,
    /// 1 payment, 2 credit note, 3 discount, 4 write-off, 5 cancellation.
    #[prost(uint32, tag = "4")]
    pub kind: u32,
}

/// Encodes an invoice.
#[must_use]
pub fn encode_item(item: &ItemFacts) -> Vec<u8> {
    let settlements = item.settlements.iter().map(|settlement| StoredSettlement {
        amount: settlement.amount,
        value_date: day_number(settlement.value_date),
        recorded_date: day_number(settlement.recorded_date),
        kind: match settlement.kind {
            SettlementKind::Payment => 1,
            SettlementKind::CreditNote => 2,
            SettlementKind::Discount => 3,
            SettlementKind::WriteOff => 4,
            SettlementKind::Cancellation => 5,
        },
    });
    StoredItem {
        currency: item.currency.clone(),
        amount: item.amount,
        document_date: day_number(item.document_date),
        due_date: day_number(item.due_date),
        recorded_date: day_number(item.recorded_date),
        settlements: settlements.collect(),
    }
    .encode_to_vec()
}

fn decode_item(item_id: String, bytes: &[u8]) -> Result<ItemFacts> {
    let stored = StoredItem::decode(bytes).map_err(|error| Error::Internal(Box::new(error)))?;
    let settlements = stored
        .settlements
        .iter()
        .map(|settlement| {
            Ok(Settlement {
                amount: settlement.amount,
                value_date: from_day(settlement.value_date)?,
                recorded_date: from_day(settlement.recorded_date)?,
                kind: match settlement.kind {
                    1 => SettlementKind::Payment,
                    2 => SettlementKind::CreditNote,
                    3 => SettlementKind::Discount,
                    4 => SettlementKind::WriteOff,
                    5 => SettlementKind::Cancellation,
                    _ => return Err(Error::internal("a stored settlement of no known kind")),
                },
            })
        })
        .collect::<Result<_>>()?;
    Ok(ItemFacts {
        item_id,
        currency: stored.currency,
        amount: stored.amount,
        document_date: from_day(stored.document_date)?,
        due_date: from_day(stored.due_date)?,
        recorded_date: from_day(stored.recorded_date)?,
        settlements,
    })
}

/// Reads a creditor.
///
/// # Errors
/// Those of the database.
pub async fn creditor(on: &impl Sql, creditor_id: &str) -> Result<Option<Creditor>> {
    let row = on
        .query_one(
            "SELECT reporting_currency, business_date FROM creditor WHERE creditor_id = $1",
            vec![creditor_id.into()],
        )
        .await?;
    row.map(|row| {
        Ok(Creditor {
            reporting_currency: column(&row, "reporting_currency")?,
            business_date: column(&row, "business_date")?,
        })
    })
    .transpose()
}

/// The columns that [`debtor_facts`] reads, of a table called `d`.
pub const DEBTOR_COLUMNS: &str = "d.kind AS debtor_kind, d.prospect, d.customer_since, d.insolvent_since, \
     d.deceased_since, d.credit_hold";

/// A debtor from a row with [`DEBTOR_COLUMNS`], without its arrangements.
///
/// # Errors
/// If the row holds something else.
pub fn debtor_facts(row: &QueryResult) -> Result<DebtorFacts> {
    let kind: String = column(row, "debtor_kind")?;
    Ok(DebtorFacts {
        kind: if kind == "person" {
            DebtorKind::Person
        } else {
            DebtorKind::Organisation
        },
        prospect: column::<i64>(row, "prospect")? == 1,
        customer_since: opt_day(column(row, "customer_since")?)?,
        insolvent_since: opt_day(column(row, "insolvent_since")?)?,
        deceased_since: opt_day(column(row, "deceased_since")?)?,
        credit_hold: column::<i64>(row, "credit_hold")? == 1,
        arrangements: Arrangements::default(),
    })
}

/// Facts of debtors that exist, with their arrangements.
///
/// # Errors
/// Those of the database.
pub async fn debtors(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<String, DebtorFacts>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!("d.creditor_id = ${n} AND d.debtor_id = r.debtor_id");
                format!(
                    "SELECT d.debtor_id, {DEBTOR_COLUMNS} FROM {table} AS r {}",
                    on.lookup("debtor", "d", &same)
                )
            },
        )
        .await?;
    let mut arrangements = arrangements(on, creditor_id, debtor_ids).await?;
    rows.iter()
        .map(|row| {
            let debtor_id: String = column(row, "debtor_id")?;
            let mut facts = debtor_facts(row)?;
            facts.arrangements = arrangements.remove(&debtor_id).unwrap_or_default();
            Ok((debtor_id, facts))
        })
        .collect()
}

/// Disputes and broken arrangements of debtors, grouped.
///
/// # Errors
/// Those of the database.
pub async fn arrangements(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<String, Arrangements>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!(
                    "a.creditor_id = ${n} AND a.debtor_id = r.debtor_id AND (a.kind = '{DISPUTE}' OR a.broken = 1)"
                );
                format!(
                    "SELECT a.debtor_id, a.kind, a.item_id, a.amount, a.opened, a.closed, a.upheld \
                     FROM {table} AS r {}",
                    on.lookup("arrangement", "a", &same)
                )
            },
        )
        .await?;
    let mut grouped: BTreeMap<String, Arrangements> = BTreeMap::new();
    for row in &rows {
        let own = grouped.entry(column(row, "debtor_id")?).or_default();
        let closed_date = opt_day(column(row, "closed")?)?;
        let kind = match column::<String>(row, "kind")?.as_str() {
            DISPUTE => {
                own.disputes.push(DisputeFacts {
                    item_id: column(row, "item_id")?,
                    amount: column(row, "amount")?,
                    opened_date: from_day(column(row, "opened")?)?,
                    closed_date,
                    upheld: column::<i64>(row, "upheld")? == 1,
                });
                continue;
            }
            PROMISE => ArrangementKind::Promise,
            INSTALMENT_PLAN => ArrangementKind::InstalmentPlan,
            _ => return Err(Error::internal("a stored arrangement of no known kind")),
        };
        let on =
            closed_date.ok_or_else(|| Error::internal("a broken arrangement without a day"))?;
        own.broken.push(BrokenFacts { kind, on });
    }
    Ok(grouped)
}

/// Invoices of debtors, grouped.
///
/// # Errors
/// Those of the database.
pub async fn items(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<String, Vec<ItemFacts>>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!("i.creditor_id = ${n} AND i.debtor_id = r.debtor_id");
                format!(
                    "SELECT i.debtor_id, i.item_id, i.facts FROM {table} AS r {}",
                    on.lookup("item", "i", &same)
                )
            },
        )
        .await?;
    let mut grouped: BTreeMap<String, Vec<ItemFacts>> = BTreeMap::new();
    for row in &rows {
        let facts: Vec<u8> = column(row, "facts")?;
        let item = decode_item(column(row, "item_id")?, &facts)?;
        grouped
            .entry(column(row, "debtor_id")?)
            .or_default()
            .push(item);
    }
    Ok(grouped)
}

/// The latest rate on or before a day between each of the currencies and `to`, in either direction.
///
/// # Errors
/// Those of the database.
pub async fn latest_rates(
    on: &impl Sql,
    creditor_id: &str,
    currencies: &[&str],
    to: &str,
    day: i64,
) -> Result<Vec<FxRate>> {
    let both = || currencies.iter().copied();
    let others = std::iter::repeat_n(to, currencies.len());
    let pairs = Rows::new()
        .text("base", both().chain(others.clone()))
        .text("quote", others.chain(both()));
    let rows = on
        .query_rows(pairs, vec![creditor_id.into(), day.into()], |table, n| {
            let latest = format!(
                "f.creditor_id = ${n} AND f.base = r.base AND f.quote = r.quote AND f.rate_date = \
                 (SELECT max(l.rate_date) FROM fx_rate l WHERE l.creditor_id = ${n} AND l.base = r.base \
                  AND l.quote = r.quote AND l.rate_date <= ${})",
                n + 1
            );
            format!(
                "SELECT f.base, f.quote, f.rate_date, f.numerator, f.denominator FROM {table} AS r {}",
                on.lookup("fx_rate", "f", &latest)
            )
        })
        .await?;
    rows.iter()
        .map(|row| {
            Ok(FxRate {
                base: column(row, "base")?,
                quote: column(row, "quote")?,
                date: from_day(column(row, "rate_date")?)?,
                numerator: column(row, "numerator")?,
                denominator: column(row, "denominator")?,
            })
        })
        .collect()
}
