//! Writing the projection: rows of what registry and scoring tell, each only if it is newer than what is stored.

use mahnwerk_feed::{
    StoredRow,
    consume::rows::{self, Stamp, of_creditors, of_debtors, stored_row},
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::Result,
};

/// A creditor to be stored.
pub struct CreditorRow {
    /// ISO 4217.
    pub reporting_currency: String,
    /// Day number.
    pub business_date: Option<i64>,
}

/// A rate to be stored.
pub struct FxRateRow {
    /// ISO 4217.
    pub base: String,
    /// ISO 4217.
    pub quote: String,
    /// Day number.
    pub rate_date: i64,
    /// 1 base = numerator / denominator quote.
    pub numerator: i64,
    /// See `numerator`.
    pub denominator: i64,
}

/// What the registry tells of a debtor, to be stored.
pub struct DebtorRow {
    /// Encoded facts.
    pub facts: String,
}

/// What scoring tells of a debtor, to be stored.
pub struct ScoreRow {
    /// The currency of its amounts: empty if there are none, `*` if they are several.
    pub currency: String,
    /// Encoded state.
    pub state: Vec<u8>,
}

const CREDITOR_KEY: [&str; 1] = ["creditor_id"];
const RATE_KEY: [&str; 4] = ["creditor_id", "base", "quote", "rate_date"];
const DEBTOR_KEY: [&str; 2] = ["creditor_id", "debtor_id"];

/// Stores creditors; of each at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert_creditors(on: &impl Sql, creditors: &[(Stamp, CreditorRow)]) -> Result<()> {
    let each = || creditors.iter().map(|(_, row)| row);
    let rows = of_creditors(creditors.iter().map(|(stamp, _)| stamp))
        .text(
            "reporting_currency",
            each().map(|row| row.reporting_currency.as_str()),
        )
        .opt_int("business_date", each().map(|row| row.business_date));
    rows::upsert(on, "creditor", &CREDITOR_KEY, rows).await
}

/// Stores rates; of each pair and date at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert_rates(on: &impl Sql, rates: &[(Stamp, FxRateRow)]) -> Result<()> {
    let each = || rates.iter().map(|(_, row)| row);
    let rows = of_creditors(rates.iter().map(|(stamp, _)| stamp))
        .text("base", each().map(|row| row.base.as_str()))
        .text("quote", each().map(|row| row.quote.as_str()))
        .int("rate_date", each().map(|row| row.rate_date))
        .int("numerator", each().map(|row| row.numerator))
        .int("denominator", each().map(|row| row.denominator));
    rows::upsert(on, "fx_rate", &RATE_KEY, rows).await
}

/// Stores debtors; of each at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert_debtors(on: &impl Sql, debtors: &[(Stamp, DebtorRow)]) -> Result<()> {
    let rows = of_debtors(debtors.iter().map(|(stamp, _)| stamp))
        .text("facts", debtors.iter().map(|(_, row)| row.facts.as_str()));
    rows::upsert(on, "debtor", &DEBTOR_KEY, rows).await
}

/// Stores scores; of each debtor at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert_scores(on: &impl Sql, scores: Vec<(Stamp, ScoreRow)>) -> Result<()> {
    let rows = of_debtors(scores.iter().map(|(stamp, _)| stamp)).text(
        "currency",
        scores.iter().map(|(_, row)| row.currency.as_str()),
    );
    let rows = rows.opt_bytes("state", scores.into_iter().map(|(_, row)| Some(row.state)));
    rows::upsert(on, "score", &DEBTOR_KEY, rows).await
}

/// Deletes creditors, unless a newer version is stored. Their debtors go by changes of their own.
///
/// # Errors
/// Those of the database.
pub async fn delete_creditors(on: &impl Sql, gone: &[Stamp]) -> Result<()> {
    rows::delete(on, "creditor", &CREDITOR_KEY, of_creditors(gone.iter())).await
}

/// Deletes rates, by pair and day number, unless a newer version is stored.
///
/// # Errors
/// Those of the database.
pub async fn delete_rates(on: &impl Sql, gone: &[(Stamp, (String, String, i64))]) -> Result<()> {
    let rows = of_creditors(gone.iter().map(|(stamp, _)| stamp))
        .text("base", gone.iter().map(|(_, key)| key.0.as_str()))
        .text("quote", gone.iter().map(|(_, key)| key.1.as_str()))
        .int("rate_date", gone.iter().map(|(_, key)| key.2));
    rows::delete(on, "fx_rate", &RATE_KEY, rows).await
}

/// Deletes debtors, unless a newer version is stored.
///
/// # Errors
/// Those of the database.
pub async fn delete_debtors(on: &impl Sql, gone: &[Stamp]) -> Result<()> {
    rows::delete(on, "debtor", &DEBTOR_KEY, of_debtors(gone.iter())).await
}

/// Deletes scores, unless a newer version is stored.
///
/// # Errors
/// Those of the database.
pub async fn delete_scores(on: &impl Sql, gone: &[Stamp]) -> Result<()> {
    rows::delete(on, "score", &DEBTOR_KEY, of_debtors(gone.iter())).await
}

/// Deletes what a completed snapshot of the registry did not contain in a partition; of facts of creditors, with `part`
/// -1. Memberships of debtors that are gone by this go with the sweep that follows a snapshot.
///
/// # Errors
/// Those of the database.
pub async fn remove_stale_registry(on: &impl Sql, part: i64, generation: i64) -> Result<()> {
    let of_creditors: &[&str] = &["creditor", "fx_rate"];
    let targets = if part < 0 { of_creditors } else { &["debtor"] };
    rows::remove_stale(on, targets, part, generation).await
}

/// Deletes what a completed snapshot of scoring did not contain in a partition.
///
/// # Errors
/// Those of the database.
pub async fn remove_stale_scores(on: &impl Sql, part: i64, generation: i64) -> Result<()> {
    rows::remove_stale(on, &["score"], part, generation).await
}

/// Creditors with the version they have.
///
/// # Errors
/// Those of the database.
pub async fn stored_creditors(db: &Db) -> Result<Vec<StoredRow>> {
    let sql =
        "SELECT creditor_id, '' AS debtor_id, creditor_id AS entity_id, version FROM creditor";
    let rows = db.query(sql, vec![]).await?;
    rows.iter().map(|row| stored_row(row, "creditor")).collect()
}

/// Rates with the version they have, and base, quote and day number.
///
/// # Errors
/// Those of the database.
pub async fn stored_rates(db: &Db) -> Result<Vec<(StoredRow, (String, String, i64))>> {
    let sql = "SELECT creditor_id, '' AS debtor_id, '' AS entity_id, version, base, quote, rate_date FROM fx_rate";
    let rows = db.query(sql, vec![]).await?;
    rows.iter()
        .map(|row| {
            let key = (
                column(row, "base")?,
                column(row, "quote")?,
                column(row, "rate_date")?,
            );
            Ok((stored_row(row, "fx_rate")?, key))
        })
        .collect()
}

/// Debtors of a partition with the version they have.
///
/// # Errors
/// Those of the database.
pub async fn stored_debtors(db: &Db, part: i64) -> Result<Vec<StoredRow>> {
    let same = "d.creditor_id = c.creditor_id AND d.part = $1";
    let sql = format!(
        "SELECT d.creditor_id, d.debtor_id, d.debtor_id AS entity_id, d.version FROM creditor AS c {}",
        db.lookup("debtor", "d", same)
    );
    let rows = db.query(&sql, vec![part.into()]).await?;
    rows.iter().map(|row| stored_row(row, "debtor")).collect()
}

/// Scores of a partition with the version they have.
///
/// # Errors
/// Those of the database.
pub async fn stored_scores(db: &Db, part: i64) -> Result<Vec<StoredRow>> {
    let sql =
        "SELECT creditor_id, debtor_id, debtor_id AS entity_id, version FROM score WHERE part = $1";
    let rows = db.query(sql, vec![part.into()]).await?;
    rows.iter().map(|row| stored_row(row, "score")).collect()
}

/// Creditors with debtors here.
///
/// # Errors
/// Those of the database.
pub async fn creditors(db: &Db) -> Result<Vec<String>> {
    let rows = db
        .query(
            "SELECT creditor_id FROM creditor ORDER BY creditor_id",
            vec![],
        )
        .await?;
    rows.iter()
        .map(|row| Ok(column(row, "creditor_id")?))
        .collect()
}

/// Which debtors a sweep visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// All, and those that have been placed but are not known any more.
    All,
    /// Those that time alone may move by the creditor's business date, and those that have never been placed.
    Due,
    /// Those with amounts in another currency than the creditor's reporting currency.
    Foreign,
}

/// Debtors of a creditor in partitions, by partition and id, after `(parts[0], after)`.
///
/// # Errors
/// Those of the database.
pub async fn debtors_in(
    db: &Db,
    creditor_id: &str,
    parts: &[i64],
    after: &str,
    visit: Visit,
    limit: u64,
) -> Result<Vec<(i64, String)>> {
    // Partitions of others are left out afterwards: named in the condition, they would make another statement of every
    // page, because a sweep has fewer partitions left each time.
    let page_of = |source: &str, alias: &str, more: &str| {
        format!(
            "SELECT {alias}.part, {alias}.debtor_id FROM {source} WHERE {alias}.creditor_id = $1 \
             AND ({alias}.part, {alias}.debtor_id) > ($2, $3) AND {alias}.part <= $5 {more} \
             ORDER BY {alias}.part, {alias}.debtor_id LIMIT $4"
        )
    };
    let debtors_with = |other: &str, alias: &str, more: &str| {
        let same =
            format!("{alias}.creditor_id = d.creditor_id AND {alias}.debtor_id = d.debtor_id");
        let joined = db.lookup_or_null(other, alias, &same);
        page_of(&format!("debtor AS d {joined}"), "d", more)
    };
    let sql = match visit {
        Visit::Due => debtors_with(
            "placement",
            "p",
            "AND (p.due_on IS NULL OR p.due_on <= \
             (SELECT c.business_date FROM creditor c WHERE c.creditor_id = $1))",
        ),
        Visit::Foreign => debtors_with(
            "score",
            "s",
            "AND s.currency NOT IN \
             ('', (SELECT c.reporting_currency FROM creditor c WHERE c.creditor_id = $1))",
        ),
        Visit::All => format!(
            "SELECT part, debtor_id FROM ({}) AS known UNION SELECT part, debtor_id FROM ({}) AS placed \
             ORDER BY part, debtor_id LIMIT $4",
            page_of("debtor AS d", "d", ""),
            page_of("placement AS p", "p", ""),
        ),
    };
    let last = parts.iter().max().copied().unwrap_or(0);
    let mut reached = (parts.first().copied().unwrap_or(0), after.to_owned());
    let mut found = Vec::new();
    loop {
        let values = vec![
            creditor_id.into(),
            reached.0.into(),
            reached.1.as_str().into(),
            limit.cast_signed().into(),
            last.into(),
        ];
        let page = db.query(&sql, values).await?;
        for row in &page {
            reached = (column(row, "part")?, column(row, "debtor_id")?);
            if parts.contains(&reached.0) {
                found.push(reached.clone());
            }
            if found.len() as u64 == limit {
                return Ok(found);
            }
        }
        if (page.len() as u64) < limit {
            return Ok(found);
        }
    }
}
