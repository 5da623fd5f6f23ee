//! Reading the projection: what the rules need to know about debtors, a chunk a statement.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mahnwerk_feed::{PARTITIONS, partition};
use mahnwerk_proto::scoring::v1::ScoreState;
use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use prost::Message;
use segmentation_core::{
    facts::build::{RegistryPart, ScorePart},
    money::FxRate,
};

use super::{from_day, from_json, limit, opt_day};
use crate::feed::{observed_on, score_part};

/// What is known of a creditor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creditor {
    /// ISO 4217.
    pub reporting_currency: String,
    /// The open business day.
    pub business_date: Option<NaiveDate>,
}

/// What is known of a debtor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the registry tells.
    pub registry: RegistryPart,
    /// What scoring tells; `None` if nothing yet.
    pub score: Option<ScorePart>,
    /// The business date as of which scoring told it.
    pub observed_on: Option<NaiveDate>,
    /// Day number from which time alone may move it; `None` if it has never been placed.
    pub due_on: Option<i64>,
}

/// What a read of one debtor finds.
pub struct Found {
    /// The creditor, if it is known.
    pub creditor: Option<Creditor>,
    /// Whether the debtor is known.
    pub known: bool,
    /// Whether it has been placed.
    pub placed: bool,
    /// Whether a change of it could not be applied.
    pub parked: bool,
    /// Whether the first snapshots of its partition are complete.
    pub ready: bool,
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
            business_date: opt_day(column(&row, "business_date")?)?,
        })
    })
    .transpose()
}

/// Debtors that exist, by id.
///
/// # Errors
/// Those of the database.
pub async fn debtors(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<String, Known>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = |alias: &str| {
                    format!("{alias}.creditor_id = ${n} AND {alias}.debtor_id = r.debtor_id")
                };
                format!(
                    "SELECT r.debtor_id, d.facts, s.state, p.due_on FROM {table} AS r {} {} {} \
                     WHERE d.facts IS NOT NULL",
                    on.lookup_or_null("debtor", "d", &same("d")),
                    on.lookup_or_null("score", "s", &same("s")),
                    on.lookup_or_null("placement", "p", &same("p")),
                )
            },
        )
        .await?;
    rows.iter()
        .map(|row| {
            let state: Option<Vec<u8>> = column(row, "state")?;
            let state = state.as_deref().map(decode_score).transpose()?;
            let observed_on = state.as_ref().map(observed_on).transpose()?;
            let known = Known {
                registry: from_json(&column::<String>(row, "facts")?)?,
                score: state.as_ref().map(score_part).transpose()?,
                observed_on: observed_on.flatten(),
                due_on: column(row, "due_on")?,
            };
            Ok((column(row, "debtor_id")?, known))
        })
        .collect()
}

fn decode_score(bytes: &[u8]) -> Result<ScoreState> {
    ScoreState::decode(bytes).map_err(|error| Error::Internal(Box::new(error)))
}

/// Ids of debtors of a creditor, after an id.
///
/// # Errors
/// Those of the database.
pub async fn page(on: &impl Sql, creditor_id: &str, after: &str, most: u64) -> Result<Vec<String>> {
    let rows = on
        .query(
            "SELECT debtor_id FROM debtor WHERE creditor_id = $1 AND debtor_id > $2 ORDER BY debtor_id LIMIT $3",
            vec![creditor_id.into(), after.into(), limit(most)],
        )
        .await?;
    rows.iter()
        .map(|row| Ok(column(row, "debtor_id")?))
        .collect()
}

/// How many debtors a creditor has.
///
/// # Errors
/// Those of the database.
pub async fn count(on: &impl Sql, creditor_id: &str) -> Result<i64> {
    let row = on
        .query_one(
            "SELECT CAST(count(*) AS BIGINT) AS n FROM debtor WHERE creditor_id = $1",
            vec![creditor_id.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| Ok(column(&row, "n")?))
}

/// Between each of the currencies and `to`, in either direction: the latest rate on or before a day, and the first one
/// after it.
///
/// # Errors
/// Those of the database.
pub async fn rates(
    on: &impl Sql,
    creditor_id: &str,
    currencies: &BTreeSet<&str>,
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
            let same = |alias: &str| {
                format!(
                    "{alias}.creditor_id = ${n} AND {alias}.base = r.base AND {alias}.quote = r.quote"
                )
            };
            let (own, other, day) = (same("f"), same("l"), n + 1);
            let nearest = format!(
                "{own} AND f.rate_date IN \
                 ((SELECT max(l.rate_date) FROM fx_rate l WHERE {other} AND l.rate_date <= ${day}), \
                  (SELECT min(l.rate_date) FROM fx_rate l WHERE {other} AND l.rate_date > ${day}))"
            );
            format!(
                "SELECT f.base, f.quote, f.rate_date, f.numerator, f.denominator FROM {table} AS r {}",
                on.lookup("fx_rate", "f", &nearest)
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

/// Partitions of which the first snapshot of both feeds is complete.
///
/// # Errors
/// Those of the database.
pub async fn ready_parts(on: &impl Sql) -> Result<BTreeSet<i64>> {
    let rows = on
        .query(
            "SELECT part FROM feed_cursor WHERE feed IN ('registry', 'scoring') AND ready = 1 \
             GROUP BY part HAVING count(*) = 2",
            vec![],
        )
        .await?;
    rows.iter().map(|row| Ok(column(row, "part")?)).collect()
}

/// Whether the first snapshot of all partitions of both feeds is complete.
///
/// # Errors
/// Those of the database.
pub async fn all_ready(on: &impl Sql) -> Result<bool> {
    let ready = ready_parts(on).await?;
    Ok(i64::try_from(ready.len()) == Ok(PARTITIONS))
}

/// What is known of one debtor, in one statement.
///
/// # Errors
/// Those of the database.
pub async fn find(on: &impl Sql, creditor_id: &str, debtor_id: &str) -> Result<Found> {
    let row = on
        .query_one(
            "SELECT c.reporting_currency, c.business_date, d.debtor_id AS known, p.due_on, \
             (SELECT CAST(count(*) AS BIGINT) FROM feed_parked f WHERE f.creditor_id = $1 \
              AND f.debtor_id IN ($2, '')) AS parked, \
             (SELECT CAST(count(*) AS BIGINT) FROM feed_cursor f WHERE f.feed IN ('registry', 'scoring') \
              AND f.part = $3 AND f.ready = 1) AS ready \
             FROM (SELECT 1 AS one) AS o LEFT JOIN creditor c ON c.creditor_id = $1 \
             LEFT JOIN debtor d ON d.creditor_id = $1 AND d.debtor_id = $2 \
             LEFT JOIN placement p ON p.creditor_id = $1 AND p.debtor_id = $2",
            vec![
                creditor_id.into(),
                debtor_id.into(),
                partition(creditor_id, debtor_id).into(),
            ],
        )
        .await?
        .ok_or_else(|| Error::internal("a query without a row"))?;
    let currency: Option<String> = column(&row, "reporting_currency")?;
    let business_date = opt_day(column(&row, "business_date")?)?;
    Ok(Found {
        creditor: currency.map(|reporting_currency| Creditor {
            reporting_currency,
            business_date,
        }),
        known: column::<Option<String>>(&row, "known")?.is_some(),
        placed: column::<Option<i64>>(&row, "due_on")?.is_some(),
        parked: column::<i64>(&row, "parked")? > 0,
        ready: column::<i64>(&row, "ready")? == 2,
    })
}
