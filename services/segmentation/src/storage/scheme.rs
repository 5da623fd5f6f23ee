//! Schemes: revisions that never change but for their state.

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use sea_orm::QueryResult;
use segmentation_core::scheme::Scheme;
use serde::{Deserialize, Serialize};

use super::{json, limit, small, to_json};

/// Where a revision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Written, never active.
    Draft,
    /// Places debtors.
    Active,
    /// Was active before.
    Retired,
}

impl State {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    fn of(name: &str) -> Result<Self> {
        match name {
            "draft" => Ok(Self::Draft),
            "active" => Ok(Self::Active),
            "retired" => Ok(Self::Retired),
            _ => Err(Error::internal("a stored scheme in no known state")),
        }
    }
}

/// A revision as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemeRow {
    /// The creditor.
    pub creditor_id: String,
    /// From 1.
    pub revision: i32,
    /// Where it stands.
    pub state: State,
    /// Microseconds.
    pub created_at: i64,
    /// What it says.
    pub definition: Scheme,
}

/// A revision without what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// The scheme.
    pub scheme_id: String,
    /// The revision.
    pub revision: i32,
    /// Microseconds. A database put back may give the same number to another revision, but not at the same time.
    pub created_at: i64,
}

const COLUMNS: &str = "s.creditor_id, s.revision, s.state, s.created_at, s.definition";

fn scheme_row(row: &QueryResult) -> Result<SchemeRow> {
    Ok(SchemeRow {
        creditor_id: column(row, "creditor_id")?,
        revision: small(row, "revision")?,
        state: State::of(&column::<String>(row, "state")?)?,
        created_at: column(row, "created_at")?,
        definition: json(row, "definition")?,
    })
}

/// The active revisions of a creditor, by scheme.
///
/// # Errors
/// Those of the database.
pub async fn active(on: &impl Sql, creditor_id: &str) -> Result<Vec<Head>> {
    let rows = on
        .query(
            "SELECT scheme_id, revision, created_at FROM scheme WHERE creditor_id = $1 AND state = 'active' \
             ORDER BY scheme_id",
            vec![creditor_id.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Head {
                scheme_id: column(row, "scheme_id")?,
                revision: small(row, "revision")?,
                created_at: column(row, "created_at")?,
            })
        })
        .collect()
}

/// Revisions by scheme and number.
///
/// # Errors
/// Those of the database.
pub async fn get_many(
    on: &impl Sql,
    creditor_id: &str,
    keys: &[(&str, i32)],
) -> Result<Vec<SchemeRow>> {
    let rows = Rows::new()
        .text("scheme_id", keys.iter().map(|key| key.0))
        .int("revision", keys.iter().map(|key| i64::from(key.1)));
    let rows = on
        .query_rows(rows, vec![creditor_id.into()], |table, n| {
            let same = format!(
                "s.creditor_id = ${n} AND s.scheme_id = r.scheme_id AND s.revision = r.revision"
            );
            format!(
                "SELECT {COLUMNS} FROM {table} AS r {}",
                on.lookup("scheme", "s", &same)
            )
        })
        .await?;
    rows.iter().map(scheme_row).collect()
}

/// A revision; with number 0 the active one.
///
/// # Errors
/// Those of the database.
pub async fn get(
    on: &impl Sql,
    creditor_id: &str,
    scheme_id: &str,
    revision: i32,
) -> Result<Option<SchemeRow>> {
    let which = if revision == 0 {
        "s.state = 'active' AND $3 = 0"
    } else {
        "s.revision = $3"
    };
    let row = on
        .query_one(
            &format!(
                "SELECT {COLUMNS} FROM scheme s WHERE s.creditor_id = $1 AND s.scheme_id = $2 AND {which}"
            ),
            vec![
                creditor_id.into(),
                scheme_id.into(),
                i64::from(revision).into(),
            ],
        )
        .await?;
    row.map(|row| scheme_row(&row)).transpose()
}

/// The latest revision of a scheme, 0 if there is none, and the creditor's number of other schemes.
///
/// # Errors
/// Those of the database.
pub async fn latest(on: &impl Sql, creditor_id: &str, scheme_id: &str) -> Result<(i32, i64)> {
    let row = on
        .query_one(
            "SELECT CAST(coalesce(max(CASE WHEN scheme_id = $2 THEN revision ELSE 0 END), 0) AS BIGINT) AS revision, \
             CAST(count(DISTINCT CASE WHEN scheme_id = $2 THEN NULL ELSE scheme_id END) AS BIGINT) AS others \
             FROM scheme WHERE creditor_id = $1",
            vec![creditor_id.into(), scheme_id.into()],
        )
        .await?
        .ok_or_else(|| Error::internal("a query without a row"))?;
    Ok((small(&row, "revision")?, column(&row, "others")?))
}

/// Scheme and number of revisions by scheme and number, after such a key, with the size of each in characters.
///
/// # Errors
/// Those of the database.
pub async fn keys(
    on: &impl Sql,
    creditor_id: &str,
    after: (&str, i32),
    most: u64,
) -> Result<Vec<(String, i32, i64)>> {
    let rows = on
        .query(
            "SELECT scheme_id, revision, CAST(length(definition) AS BIGINT) AS size FROM scheme \
             WHERE creditor_id = $1 AND (scheme_id, revision) > ($2, $3) ORDER BY scheme_id, revision LIMIT $4",
            vec![
                creditor_id.into(),
                after.0.into(),
                i64::from(after.1).into(),
                limit(most),
            ],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                column(row, "scheme_id")?,
                small(row, "revision")?,
                column(row, "size")?,
            ))
        })
        .collect()
}

/// Stores revisions that are not there yet; answers those stored, as creditor and scheme.
///
/// # Errors
/// Those of the database.
pub async fn insert(on: &impl Sql, schemes: &[SchemeRow]) -> Result<Vec<(String, String)>> {
    let each = || schemes.iter();
    let definitions = each().map(|row| to_json(&row.definition));
    let rows = Rows::new()
        .text("creditor_id", each().map(|row| row.creditor_id.as_str()))
        .text("scheme_id", each().map(|row| row.definition.id.as_str()))
        .int("revision", each().map(|row| i64::from(row.revision)))
        .text("state", each().map(|row| row.state.name()))
        .int("created_at", each().map(|row| row.created_at))
        .text("definition", definitions.collect::<Result<Vec<_>>>()?);
    let rows = on
        .query_rows(rows, vec![], |table, _| {
            format!(
                "INSERT INTO scheme (creditor_id, scheme_id, revision, state, created_at, definition) \
                 SELECT r.creditor_id, r.scheme_id, r.revision, r.state, r.created_at, r.definition \
                 FROM {table} AS r WHERE true ON CONFLICT (creditor_id, scheme_id, revision) DO NOTHING \
                 RETURNING creditor_id, scheme_id"
            )
        })
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "creditor_id")?, column(row, "scheme_id")?)))
        .collect()
}

/// Makes a revision the active one; answers the one that was, if any.
///
/// # Errors
/// Those of the database.
pub async fn activate(
    on: &impl Sql,
    creditor_id: &str,
    scheme_id: &str,
    revision: i32,
) -> Result<Option<i32>> {
    let retired = on
        .query_one(
            "UPDATE scheme SET state = 'retired' WHERE creditor_id = $1 AND scheme_id = $2 AND state = 'active' \
             RETURNING revision",
            vec![creditor_id.into(), scheme_id.into()],
        )
        .await?;
    on.execute_sql(
        "UPDATE scheme SET state = 'active' WHERE creditor_id = $1 AND scheme_id = $2 AND revision = $3",
        vec![
            creditor_id.into(),
            scheme_id.into(),
            i64::from(revision).into(),
        ],
    )
    .await?;
    retired.map(|row| small(&row, "revision")).transpose()
}
