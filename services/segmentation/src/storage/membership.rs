//! Memberships: where every debtor is now.

use std::collections::BTreeMap;

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::{Error, Result},
};
use sea_orm::QueryResult;
use segmentation_core::{
    assign::{Membership, Source},
    facts::Value,
    opening::Record,
    policy::Policy,
};
use serde::{Deserialize, Serialize};

use super::{day_number, from_day, from_json, json, limit, pin::PinRow, to_json};

/// How a debtor came into its segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The revision that placed it.
    pub revision: i32,
    /// The place of the rule; `None` for a pin.
    pub rule: Option<i32>,
    /// The fields that the rule and those before it name, as they were.
    pub values: BTreeMap<String, Value>,
}

/// Why a debtor is kept where it is although a rule would not put it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// It has not stayed long enough.
    MinimumStay,
    /// A condition could not be evaluated.
    HeldByError,
}

/// What may change while a debtor stays in its segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What holds it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Why a condition could not be evaluated; empty if all could.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// The pin that has not expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<PinRow>,
    /// How it is treated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// A stay in a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// Where, since when, and how the debtor came there.
    pub at: Membership,
    /// The placing that put it there.
    pub placed: Placed,
}

/// A membership as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipRow {
    /// The creditor.
    pub creditor_id: String,
    /// The debtor.
    pub debtor_id: String,
    /// The scheme.
    pub scheme_id: String,
    /// Partition of the debtor.
    pub part: i64,
    /// Where it is, and where it was when the business date of its latest move began.
    pub record: Record<Stay>,
    /// Grows with every change.
    pub version: i64,
    /// What holds it there, and how it is treated.
    pub standing: Standing,
}

impl MembershipRow {
    /// Where the debtor is.
    #[must_use]
    pub fn at(&self) -> &Membership {
        &self.record.stay.at
    }
}

/// How many debtors are in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The segment.
    pub segment_id: String,
    /// How many.
    pub debtors: i64,
    /// Those of them that an error holds there.
    pub held_by_error: i64,
}

const COLUMNS: &str = "m.creditor_id, m.debtor_id, m.scheme_id, m.part, m.segment_id, m.since, m.source, m.version, \
    m.placed, m.opening, m.standing";

/// The stable name of a source.
#[must_use]
pub fn source_name(source: Source) -> &'static str {
    match source {
        Source::Rule => "rule",
        Source::Pin => "pin",
        Source::Unclassified => "unclassified",
        Source::Migration => "migration",
    }
}

/// The source of a name.
///
/// # Errors
/// `Internal` if it names none.
pub fn source_of(name: &str) -> Result<Source> {
    match name {
        "rule" => Ok(Source::Rule),
        "pin" => Ok(Source::Pin),
        "unclassified" => Ok(Source::Unclassified),
        "migration" => Ok(Source::Migration),
        _ => Err(Error::internal("a stored source of no known name")),
    }
}

fn membership_row(row: &QueryResult) -> Result<MembershipRow> {
    Ok(MembershipRow {
        creditor_id: column(row, "creditor_id")?,
        debtor_id: column(row, "debtor_id")?,
        scheme_id: column(row, "scheme_id")?,
        part: column(row, "part")?,
        record: Record {
            stay: Stay {
                at: Membership {
                    segment_id: column(row, "segment_id")?,
                    since: from_day(column(row, "since")?)?,
                    source: source_of(&column::<String>(row, "source")?)?,
                },
                placed: json(row, "placed")?,
            },
            opening: column::<Option<String>>(row, "opening")?
                .map(|text| from_json(&text))
                .transpose()?,
        },
        version: column(row, "version")?,
        standing: json(row, "standing")?,
    })
}

/// Memberships of debtors, in one scheme or in all, by debtor and scheme.
///
/// # Errors
/// Those of the database.
pub async fn of_debtors(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
    scheme_id: Option<&str>,
) -> Result<BTreeMap<String, BTreeMap<String, MembershipRow>>> {
    let mut values = vec![creditor_id.into()];
    values.extend(scheme_id.map(sea_orm::Value::from));
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            values,
            |table, n| {
                // The scheme stays outside the look-up: within it, PostgreSQL may go by the index of segments, and so
                // read the whole scheme for each debtor.
                let same = format!("m.creditor_id = ${n} AND m.debtor_id = r.debtor_id");
                let of_scheme = match scheme_id {
                    Some(_) => format!(" AND m.scheme_id = ${}", n + 1),
                    None => String::new(),
                };
                format!(
                    "SELECT {COLUMNS} FROM {table} AS r {}{of_scheme}",
                    on.lookup("membership", "m", &same)
                )
            },
        )
        .await?;
    let mut found: BTreeMap<String, BTreeMap<String, MembershipRow>> = BTreeMap::new();
    for row in &rows {
        let row = membership_row(row)?;
        let schemes = found.entry(row.debtor_id.clone()).or_default();
        schemes.insert(row.scheme_id.clone(), row);
    }
    Ok(found)
}

/// Memberships in a scheme, by debtor, after a debtor.
///
/// # Errors
/// Those of the database.
pub async fn in_scheme(
    on: &impl Sql,
    creditor_id: &str,
    scheme_id: &str,
    after: &str,
    most: u64,
) -> Result<Vec<MembershipRow>> {
    let same = "m.creditor_id = $1 AND m.debtor_id = d.debtor_id";
    let sql = format!(
        "SELECT {COLUMNS} FROM debtor AS d {} AND m.scheme_id = $2 AND d.creditor_id = $1 AND d.debtor_id > $3 \
         ORDER BY d.debtor_id LIMIT $4",
        on.lookup("membership", "m", same)
    );
    let values = vec![
        creditor_id.into(),
        scheme_id.into(),
        after.into(),
        limit(most),
    ];
    let rows = on.query(&sql, values).await?;
    rows.iter().map(membership_row).collect()
}

/// Memberships in a segment, by debtor, after a debtor.
///
/// # Errors
/// Those of the database.
pub async fn in_segment(
    on: &impl Sql,
    creditor_id: &str,
    scheme_id: &str,
    segment_id: &str,
    after: &str,
    most: u64,
) -> Result<Vec<MembershipRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM membership m WHERE m.creditor_id = $1 AND m.scheme_id = $2 AND m.segment_id = $3 \
         AND m.debtor_id > $4 ORDER BY m.debtor_id LIMIT $5"
    );
    let values = vec![
        creditor_id.into(),
        scheme_id.into(),
        segment_id.into(),
        after.into(),
        limit(most),
    ];
    let rows = on.query(&sql, values).await?;
    rows.iter().map(membership_row).collect()
}

/// At most `most` memberships in a partition, by creditor, debtor and scheme, after such a key.
///
/// # Errors
/// Those of the database.
pub async fn in_partition(
    on: &impl Sql,
    part: i64,
    after: (&str, &str, &str),
    most: u64,
) -> Result<Vec<MembershipRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM membership m WHERE m.part = $1 AND (m.creditor_id, m.debtor_id, m.scheme_id) > \
         ($2, $3, $4) ORDER BY m.creditor_id, m.debtor_id, m.scheme_id LIMIT $5"
    );
    let values = vec![
        part.into(),
        after.0.into(),
        after.1.into(),
        after.2.into(),
        limit(most),
    ];
    let rows = on.query(&sql, values).await?;
    rows.iter().map(membership_row).collect()
}

/// How many debtors are in each segment of a scheme, by segment.
///
/// # Errors
/// Those of the database.
pub async fn sizes(on: &impl Sql, creditor_id: &str, scheme_id: &str) -> Result<Vec<Size>> {
    // Each count reads its own index and no row.
    let rows = on
        .query(
            "SELECT a.segment_id, a.n, h.n AS held FROM (SELECT segment_id, CAST(count(*) AS BIGINT) AS n \
             FROM membership WHERE creditor_id = $1 AND scheme_id = $2 GROUP BY segment_id) AS a \
             LEFT JOIN (SELECT segment_id, CAST(count(*) AS BIGINT) AS n FROM membership WHERE creditor_id = $1 \
             AND scheme_id = $2 AND held_by_error = 1 GROUP BY segment_id) AS h ON h.segment_id = a.segment_id \
             ORDER BY a.segment_id",
            vec![creditor_id.into(), scheme_id.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Size {
                segment_id: column(row, "segment_id")?,
                debtors: column(row, "n")?,
                held_by_error: column::<Option<i64>>(row, "held")?.unwrap_or(0),
            })
        })
        .collect()
}

/// Stores memberships.
///
/// # Errors
/// Those of the database.
pub async fn save(on: &impl Sql, memberships: &[MembershipRow]) -> Result<()> {
    let each = || memberships.iter();
    let placed = each().map(|row| to_json(&row.record.stay.placed));
    let opening = each().map(|row| row.record.opening.as_ref().map(to_json).transpose());
    let standing = each().map(|row| to_json(&row.standing));
    let held = each().map(|row| i64::from(row.standing.hold == Some(Hold::HeldByError)));
    let rows = Rows::new()
        .text("creditor_id", each().map(|row| row.creditor_id.as_str()))
        .text("debtor_id", each().map(|row| row.debtor_id.as_str()))
        .text("scheme_id", each().map(|row| row.scheme_id.as_str()))
        .int("part", each().map(|row| row.part))
        .text("segment_id", each().map(|row| row.at().segment_id.as_str()))
        .int("since", each().map(|row| day_number(row.at().since)))
        .text("source", each().map(|row| source_name(row.at().source)))
        .int("held_by_error", held)
        .int("version", each().map(|row| row.version))
        .text("placed", placed.collect::<Result<Vec<_>>>()?)
        .opt_text("opening", opening.collect::<Result<Vec<_>>>()?)
        .text("standing", standing.collect::<Result<Vec<_>>>()?);
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO membership (creditor_id, debtor_id, scheme_id, part, segment_id, since, source, \
             held_by_error, version, placed, opening, standing) SELECT r.creditor_id, r.debtor_id, r.scheme_id, r.part, \
             r.segment_id, r.since, r.source, r.held_by_error, r.version, r.placed, r.opening, r.standing FROM {table} AS r \
             WHERE true ON CONFLICT (creditor_id, debtor_id, scheme_id) DO UPDATE SET \
             segment_id = excluded.segment_id, since = excluded.since, source = excluded.source, \
             held_by_error = excluded.held_by_error, version = excluded.version, placed = excluded.placed, \
             opening = excluded.opening, standing = excluded.standing"
        )
    })
    .await?;
    Ok(())
}

/// Remembers until when debtors need not be looked at: creditor, debtor, partition, day number.
///
/// # Errors
/// Those of the database.
pub async fn save_due(on: &impl Sql, creditor_id: &str, due: &[(String, i64, i64)]) -> Result<()> {
    let rows = Rows::new()
        .text(
            "debtor_id",
            due.iter().map(|(debtor_id, ..)| debtor_id.as_str()),
        )
        .int("part", due.iter().map(|(_, part, _)| *part))
        .int("due_on", due.iter().map(|(.., due_on)| *due_on));
    on.execute_rows(rows, vec![creditor_id.into()], |table, n| {
        format!(
            "INSERT INTO placement (creditor_id, debtor_id, part, due_on) SELECT ${n}, r.debtor_id, r.part, r.due_on \
             FROM {table} AS r WHERE true ON CONFLICT (creditor_id, debtor_id) DO UPDATE SET due_on = excluded.due_on"
        )
    })
    .await?;
    Ok(())
}

/// Removes everything of debtors that are not known any more.
///
/// # Errors
/// Those of the database.
pub async fn remove(on: &impl Sql, creditor_id: &str, debtor_ids: &[String]) -> Result<()> {
    for table in ["membership", "membership_history", "placement", "pin"] {
        on.execute_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |rows, n| {
                format!(
                    "DELETE FROM {table} WHERE creditor_id = ${n} AND debtor_id IN (SELECT r.debtor_id FROM {rows} AS r)"
                )
            },
        )
        .await?;
    }
    Ok(())
}

/// The highest version told of debtors that have no membership now, so that versions go on growing when one comes back.
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
                    "e.creditor_id = ${n} AND e.debtor_id = r.debtor_id AND e.entity = 'membership'"
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
