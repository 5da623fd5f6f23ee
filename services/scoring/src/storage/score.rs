//! Scores: the current one of every debtor, and every one that differed from the one before.

mod save;

use std::collections::BTreeMap;

use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column},
    error::{Error, Result},
};
use scoring_core::{facts::DebtorFacts, features::Features};
use sea_orm::QueryResult;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::facts::{Creditor, DEBTOR_COLUMNS, debtor_facts};

pub use save::{remove, save};

/// A characteristic that cost points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Code of the feature.
    pub characteristic: String,
    /// Label of the bin.
    pub bin: String,
    /// The value; `None` when missing.
    pub value: Option<i64>,
    /// Points lost against the best bin.
    pub points_lost: i32,
}

/// A score as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreRow {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// Partition of the debtor.
    pub part: i64,
    /// Grows when the score or a feature differs from before.
    pub version: i64,
    /// Points.
    pub score: i32,
    /// Parts per million.
    pub pd_ppm: i32,
    /// `A` to `E`.
    pub class: String,
    /// `organisation`, `person`, `prospect`.
    pub kind: String,
    /// Revision of the scorecard.
    pub revision: i32,
    /// Day number.
    pub observation_date: i64,
    /// Invoices settled in full.
    pub settled_items: i64,
    /// What cost most.
    pub reasons: Vec<Reason>,
    /// Microseconds.
    pub scored_at: i64,
}

impl ScoreRow {
    fn grade(&self) -> (i32, &str, &str, i32) {
        (self.score, &self.class, &self.kind, self.revision)
    }

    /// Whether points, class or scorecard differ.
    #[must_use]
    pub fn grades_differently(&self, other: &Self) -> bool {
        self.grade() != other.grade()
    }

    /// Whether anything differs but when it was computed.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        self.grades_differently(other)
            || (self.pd_ppm, self.settled_items) != (other.pd_ppm, other.settled_items)
            || self.reasons != other.reasons
    }
}

/// A score with the features it rests on as they are stored, so that they can be compared without being read.
pub struct StoredScore {
    /// The score.
    pub row: ScoreRow,
    /// The features, encoded.
    pub features: String,
}

impl StoredScore {
    /// The features.
    ///
    /// # Errors
    /// If something else is stored.
    pub fn features(&self) -> Result<Features> {
        decode(&self.features)
    }
}

/// Features as they are stored. Equal ones are encoded alike, and differently from those of an older shape.
///
/// # Errors
/// None that is known: they can be encoded.
pub fn encode_features(features: &Features) -> Result<String> {
    encode(features)
}

fn encode(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(Box::new(error)))
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Internal(Box::new(error)))
}

/// A score to be stored.
pub struct NewScore {
    /// The score.
    pub row: ScoreRow,
    /// The features it rests on.
    pub features: Features,
    /// The same as [`encode_features`] puts them.
    pub encoded_features: String,
    /// Day number from which it may differ without a new fact.
    pub stale_on: i64,
    /// Whether it, or a feature, differs from before: then others are told.
    pub changed: bool,
    /// Whether points, class or scorecard differ: then it belongs to the history.
    pub historic: bool,
}

/// What is stored of a debtor.
pub struct Current {
    /// The debtor, without its arrangements: what follows from them is in the features.
    pub debtor: DebtorFacts,
    /// Its creditor.
    pub creditor: Creditor,
    /// Its score; `None` before the creditor's first business day, and until a first snapshot has been worked through.
    pub score: Option<ScoreRow>,
    /// The features of the score.
    pub features: Option<Features>,
}

/// What a read of one debtor finds.
pub struct Found {
    /// The creditor, if it is known.
    pub creditor: Option<Creditor>,
    /// The debtor, if it is known.
    pub current: Option<Current>,
    /// Whether a change of it could not be applied.
    pub parked: bool,
    /// Whether the first snapshot of its partition is complete.
    pub ready: bool,
}

/// What a read of many debtors finds of one.
pub struct FoundScore {
    /// The debtor asked for.
    pub debtor_id: String,
    /// Its score.
    pub score: Option<ScoreRow>,
    /// Whether the debtor is known.
    pub known: bool,
    /// The creditor, if it is known.
    pub creditor: Option<Creditor>,
    /// Whether a change of it could not be applied.
    pub parked: bool,
    /// Whether the first snapshot of its partition is complete.
    pub ready: bool,
}

/// Whether a debtor is parked, or its whole creditor, as an expression that is 0 or 1.
fn parked_expression(creditor_id: &str, debtor_id: &str) -> String {
    format!(
        "CASE WHEN EXISTS (SELECT 1 FROM feed_parked p WHERE p.feed = 'registry' AND p.creditor_id = {creditor_id} \
         AND p.debtor_id IN ({debtor_id}, '')) THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END"
    )
}

const COLUMNS: &str = "s.creditor_id, s.debtor_id, s.version, s.score, s.pd_ppm, s.class, s.kind, s.revision, \
    s.observation_date, s.settled_items, s.reasons, s.scored_at";

fn small(row: &QueryResult, name: &str) -> Result<i32> {
    i32::try_from(column::<i64>(row, name)?)
        .map_err(|_| Error::internal(format!("column {name} is out of range")))
}

fn json<T: DeserializeOwned>(row: &QueryResult, name: &str) -> Result<T> {
    decode(&column::<String>(row, name)?)
}

fn stored_score(row: &QueryResult) -> Result<StoredScore> {
    Ok(StoredScore {
        row: score_row(row)?,
        features: column(row, "features")?,
    })
}

fn score_row(row: &QueryResult) -> Result<ScoreRow> {
    let creditor_id: String = column(row, "creditor_id")?;
    let debtor_id: String = column(row, "debtor_id")?;
    Ok(ScoreRow {
        part: mahnwerk_feed::partition(&creditor_id, &debtor_id),
        creditor_id,
        debtor_id,
        version: column(row, "version")?,
        score: small(row, "score")?,
        pd_ppm: small(row, "pd_ppm")?,
        class: column(row, "class")?,
        kind: column(row, "kind")?,
        revision: small(row, "revision")?,
        observation_date: column(row, "observation_date")?,
        settled_items: column(row, "settled_items")?,
        reasons: json(row, "reasons")?,
        scored_at: column(row, "scored_at")?,
    })
}

fn creditor(row: &QueryResult) -> Result<Option<Creditor>> {
    let currency: Option<String> = column(row, "reporting_currency")?;
    currency
        .map(|reporting_currency| {
            Ok(Creditor {
                reporting_currency,
                business_date: column(row, "business_date")?,
            })
        })
        .transpose()
}

/// The current score of a debtor and whether it is parked; by key and nothing else, because checkouts wait for it.
///
/// # Errors
/// Those of the database.
pub async fn current(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
) -> Result<Option<(ScoreRow, bool)>> {
    let row = on
        .query_one(
            &format!(
                "SELECT {COLUMNS}, {} AS parked FROM score s WHERE s.creditor_id = $1 AND s.debtor_id = $2",
                parked_expression("$1", "$2")
            ),
            vec![creditor_id.into(), debtor_id.into()],
        )
        .await?;
    row.map(|row| Ok((score_row(&row)?, column::<i64>(&row, "parked")? == 1)))
        .transpose()
}

/// Everything about one debtor that a use case needs, in one statement.
///
/// # Errors
/// Those of the database.
pub async fn find(on: &impl Sql, creditor_id: &str, debtor_id: &str) -> Result<Found> {
    let row = on
        .query_one(
            &format!(
                "SELECT c.reporting_currency, c.business_date, d.debtor_id AS known, {DEBTOR_COLUMNS}, s.features, \
                 s.debtor_id AS scored, {COLUMNS}, {} AS parked, \
                 (SELECT f.ready FROM feed_cursor f WHERE f.feed = 'registry' AND f.part = $3) AS ready \
                 FROM (SELECT 1 AS one) AS o LEFT JOIN creditor c ON c.creditor_id = $1 \
                 LEFT JOIN debtor d ON d.creditor_id = $1 AND d.debtor_id = $2 \
                 LEFT JOIN score s ON s.creditor_id = $1 AND s.debtor_id = $2",
                parked_expression("$1", "$2")
            ),
            vec![
                creditor_id.into(),
                debtor_id.into(),
                mahnwerk_feed::partition(creditor_id, debtor_id).into(),
            ],
        )
        .await?
        .ok_or_else(|| Error::internal("a query without a row"))?;
    let creditor = creditor(&row)?;
    let known: Option<String> = column(&row, "known")?;
    let scored: Option<String> = column(&row, "scored")?;
    let current = match (&creditor, known) {
        (Some(creditor), Some(_)) => Some(Current {
            debtor: debtor_facts(&row)?,
            creditor: creditor.clone(),
            score: scored.as_ref().map(|_| score_row(&row)).transpose()?,
            features: scored.map(|_| json(&row, "features")).transpose()?,
        }),
        _ => None,
    };
    Ok(Found {
        creditor,
        current,
        parked: column::<i64>(&row, "parked")? == 1,
        ready: column::<Option<i64>>(&row, "ready")? == Some(1),
    })
}

/// What is found of each of the debtors, by debtor id, in one statement.
///
/// # Errors
/// Those of the database.
pub async fn find_many(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<Vec<FoundScore>> {
    let part = |debtor_id: &String| mahnwerk_feed::partition(creditor_id, debtor_id);
    let keys = Rows::new()
        .text("debtor_id", debtor_ids.iter().map(String::as_str))
        .int("part", debtor_ids.iter().map(part));
    let rows = on
        .query_rows(keys, vec![creditor_id.into()], |table, n| {
            let same_debtor = |alias: &str| {
                format!("{alias}.creditor_id = ${n} AND {alias}.debtor_id = r.debtor_id")
            };
            format!(
                "SELECT r.debtor_id AS asked, c.reporting_currency, c.business_date, d.debtor_id AS known, \
                 s.debtor_id AS scored, {COLUMNS}, {} AS parked, f.ready FROM {table} AS r \
                 LEFT JOIN creditor c ON c.creditor_id = ${n} \
                 {} {} LEFT JOIN feed_cursor f ON f.feed = 'registry' AND f.part = r.part ORDER BY r.debtor_id",
                parked_expression(&format!("${n}"), "r.debtor_id"),
                on.lookup_or_null("debtor", "d", &same_debtor("d")),
                on.lookup_or_null("score", "s", &same_debtor("s"))
            )
        })
        .await?;
    rows.iter()
        .map(|row| {
            let known = column::<Option<String>>(row, "known")?.is_some();
            let scored = column::<Option<String>>(row, "scored")?.is_some();
            Ok(FoundScore {
                debtor_id: column(row, "asked")?,
                score: (known && scored).then(|| score_row(row)).transpose()?,
                known,
                creditor: creditor(row)?,
                parked: column::<i64>(row, "parked")? == 1,
                ready: column::<Option<i64>>(row, "ready")? == Some(1),
            })
        })
        .collect()
}

/// Current scores of debtors, by debtor id.
///
/// # Errors
/// Those of the database.
pub async fn get_many(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<String, StoredScore>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!("s.creditor_id = ${n} AND s.debtor_id = r.debtor_id");
                format!(
                    "SELECT {COLUMNS}, s.features FROM {table} AS r {}",
                    on.lookup("score", "s", &same)
                )
            },
        )
        .await?;
    rows.iter()
        .map(|row| {
            let score = stored_score(row)?;
            Ok((score.row.debtor_id.clone(), score))
        })
        .collect()
}

/// Scores a debtor has had, newest first, before a version.
///
/// # Errors
/// Those of the database.
pub async fn history(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    before: i64,
    limit: u64,
) -> Result<Vec<ScoreRow>> {
    let rows = on
        .query(
            &format!(
                "SELECT {COLUMNS} FROM score_history s WHERE s.creditor_id = $1 AND s.debtor_id = $2 \
                 AND s.version < $3 ORDER BY s.version DESC LIMIT $4"
            ),
            vec![
                creditor_id.into(),
                debtor_id.into(),
                before.into(),
                i64::try_from(limit).unwrap_or(i64::MAX).into(),
            ],
        )
        .await?;
    rows.iter().map(score_row).collect()
}

/// At most `limit` scores in a partition, by creditor and debtor, after such a key.
///
/// # Errors
/// Those of the database.
pub async fn page(
    on: &impl Sql,
    part: i64,
    after: (&str, &str),
    limit: u64,
) -> Result<Vec<StoredScore>> {
    let rows = on
        .query(
            &format!(
                "SELECT {COLUMNS}, s.features FROM score s WHERE s.part = $1 \
                 AND (s.creditor_id, s.debtor_id) > ($2, $3) ORDER BY s.creditor_id, s.debtor_id LIMIT $4"
            ),
            vec![
                part.into(),
                after.0.into(),
                after.1.into(),
                limit.cast_signed().into(),
            ],
        )
        .await?;
    rows.iter().map(stored_score).collect()
}

/// The version last told of debtors that have no score now, so that versions go on growing when one comes back.
///
/// # Errors
/// Those of the database.
pub async fn last_versions(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<String, i64>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!(
                    "e.creditor_id = ${n} AND e.debtor_id = r.debtor_id AND e.entity = 'score'"
                );
                format!(
                    "SELECT r.debtor_id, max(e.version) AS version FROM {table} AS r {} GROUP BY r.debtor_id",
                    on.lookup("event", "e", &same)
                )
            },
        )
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "debtor_id")?, column(row, "version")?)))
        .collect()
}

/// Whether the first snapshot of all partitions is complete.
///
/// # Errors
/// Those of the database.
pub async fn all_ready(db: &Db) -> Result<bool> {
    let row = db
        .query_one(
            "SELECT CAST(count(*) AS BIGINT) AS n FROM feed_cursor WHERE feed = 'registry' AND ready = 1",
            vec![],
        )
        .await?;
    let ready: i64 = match row {
        Some(row) => column(&row, "n")?,
        None => 0,
    };
    Ok(ready == mahnwerk_feed::PARTITIONS)
}
