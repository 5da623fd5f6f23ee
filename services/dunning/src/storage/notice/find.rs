//! Reading notices.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use dunning_core::input::{Item, TakenStep};
use mahnwerk_feed::partition;
use mahnwerk_proto::dunning::v1::NoticeState;
use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column, now_micros},
    error::{Error, Result},
};
use sea_orm::{ConnectionTrait as _, QueryResult};

use super::{COLUMNS, NoticeRow, notice_row, notice_rows, state_name};
use crate::storage::day_number;

/// Which notices to list: of a run, of a debtor, or both; an empty id is for all.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// The creditor.
    pub creditor_id: &'a str,
    /// The run.
    pub run_id: &'a str,
    /// The debtor.
    pub debtor_id: &'a str,
    /// The state; unspecified for all.
    pub state: NoticeState,
}

fn cap(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Reads a notice.
///
/// # Errors
/// Those of the database.
pub async fn get(on: &impl Sql, creditor_id: &str, notice_id: &str) -> Result<Option<NoticeRow>> {
    let sql =
        format!("SELECT {COLUMNS} FROM notice AS n WHERE n.creditor_id = $1 AND n.notice_id = $2");
    let row = on
        .query_one(&sql, vec![creditor_id.into(), notice_id.into()])
        .await?;
    row.as_ref().map(notice_row).transpose()
}

/// Reads notices of a creditor, by id.
///
/// # Errors
/// Those of the database.
pub async fn get_many(
    on: &impl Sql,
    creditor_id: &str,
    notice_ids: &[&str],
) -> Result<Vec<NoticeRow>> {
    let rows = on
        .query_rows(
            Rows::new().text("notice_id", notice_ids.iter().copied()),
            vec![creditor_id.into()],
            |table, n| {
                let found = on.lookup(
                    "notice",
                    "n",
                    &format!("n.creditor_id = ${n} AND n.notice_id = r.notice_id"),
                );
                format!("SELECT {COLUMNS} FROM {table} AS r {found} ORDER BY n.notice_id")
            },
        )
        .await?;
    notice_rows(&rows)
}

/// Lists notices by id, after one, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    filter: Filter<'_>,
    after: &str,
    limit: u64,
) -> Result<Vec<NoticeRow>> {
    let state = match filter.state {
        NoticeState::Unspecified => "",
        state => state_name(state),
    };
    // Each of the two conditions alone has an index by which the ids come in order.
    let of_debtor = if filter.debtor_id.is_empty() {
        "$3 = '' AND $6 < 0"
    } else {
        "n.part = $6 AND n.debtor_id = $3"
    };
    let of_run = if filter.run_id.is_empty() {
        "$2 = ''"
    } else {
        "n.run_id = $2"
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM notice AS n WHERE n.creditor_id = $1 AND {of_run} AND {of_debtor} \
         AND ($4 = '' OR n.state = $4) AND n.notice_id > $5 ORDER BY n.notice_id LIMIT $7"
    );
    let values = vec![
        filter.creditor_id.into(),
        filter.run_id.into(),
        filter.debtor_id.into(),
        state.into(),
        after.into(),
        partition(filter.creditor_id, filter.debtor_id).into(),
        cap(limit).into(),
    ];
    notice_rows(&on.query(&sql, values).await?)
}

/// Notices of debtors that are released and not sent yet, by id.
///
/// # Errors
/// Those of the database.
pub async fn standing(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: impl Iterator<Item = &str>,
) -> Result<Vec<NoticeRow>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids),
            vec![creditor_id.into()],
            |table, n| {
                let found = on.lookup(
                    "notice",
                    "n",
                    &format!(
                        "n.creditor_id = ${n} AND n.debtor_id = r.debtor_id AND n.state IN ('RELEASED', 'SENDING')"
                    ),
                );
                format!("SELECT {COLUMNS} FROM {table} AS r {found} ORDER BY n.notice_id")
            },
        )
        .await?;
    notice_rows(&rows)
}

/// Which notices hold steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Any that does.
    ByAny,
    /// Only those that are released.
    ByReleased,
}

/// The latest steps of items, beyond what their states tell, that notices hold; by item.
///
/// # Errors
/// Those of the database.
pub async fn taken(
    on: &impl Sql,
    creditor_id: &str,
    items: impl Iterator<Item = &Item> + Clone,
    held: Held,
) -> Result<BTreeMap<String, TakenStep>> {
    let of_proposed = match held {
        Held::ByAny => "",
        Held::ByReleased => {
            "AND NOT EXISTS (SELECT 1 FROM notice AS n WHERE n.creditor_id = s.creditor_id \
             AND n.notice_id = s.notice_id AND n.state = 'PROPOSED')"
        }
    };
    let rows = Rows::new()
        .text("item_id", items.clone().map(|it| it.id.as_str()))
        .int("cycle", items.clone().map(|it| i64::from(it.state.cycle)))
        .int("level", items.map(|it| i64::from(it.state.level)));
    let rows = on
        .query_rows(rows, vec![creditor_id.into()], |table, n| {
            let beyond = format!(
                "s.creditor_id = ${n} AND s.item_id = r.item_id AND (s.cycle, s.level) > (r.cycle, r.level)"
            );
            let found = on.lookup("notice_step", "s", &beyond);
            format!("SELECT s.item_id, s.cycle, s.level, s.notice_id FROM {table} AS r {found} {of_proposed}")
        })
        .await?;
    let mut taken: BTreeMap<String, TakenStep> = BTreeMap::new();
    for row in &rows {
        let out_of_range = |_| Error::internal("a step out of range");
        let step = TakenStep {
            cycle: u32::try_from(column::<i64>(row, "cycle")?).map_err(out_of_range)?,
            level: u8::try_from(column::<i64>(row, "level")?).map_err(out_of_range)?,
            notice: column(row, "notice_id")?,
        };
        let item_id: String = column(row, "item_id")?;
        if taken.get(&item_id).is_none_or(|latest| *latest < step) {
            taken.insert(item_id, step);
        }
    }
    Ok(taken)
}

/// Notices of a debtor that are released and not sent yet, and those sent whose pay-by date is not over, by id.
///
/// # Errors
/// Those of the database.
pub async fn current(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    today: NaiveDate,
) -> Result<Vec<NoticeRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notice AS n WHERE n.part = $1 AND n.creditor_id = $2 AND n.debtor_id = $3 \
         AND (n.state IN ('RELEASED', 'SENDING') OR (n.state IN ('SENT', 'UNCERTAIN') AND n.pay_by >= $4)) \
         ORDER BY n.notice_id"
    );
    let values = vec![
        partition(creditor_id, debtor_id).into(),
        creditor_id.into(),
        debtor_id.into(),
        day_number(today).into(),
    ];
    notice_rows(&on.query(&sql, values).await?)
}

/// Proposed notices of a run, of the partitions from the first to the last, at most `limit`: id and debtor.
///
/// # Errors
/// Those of the database.
pub async fn proposed(
    on: &impl Sql,
    run: (&str, &str),
    parts: (i64, i64),
    limit: u64,
) -> Result<Vec<(String, String)>> {
    let rows = on
        .query(
            "SELECT notice_id, debtor_id FROM notice WHERE creditor_id = $1 AND run_id = $2 AND state = 'PROPOSED' \
             AND part BETWEEN $3 AND $4 ORDER BY part LIMIT $5",
            vec![
                run.0.into(),
                run.1.into(),
                parts.0.into(),
                parts.1.into(),
                cap(limit).into(),
            ],
        )
        .await?;
    keys(&rows)
}

fn keys(rows: &[QueryResult]) -> Result<Vec<(String, String)>> {
    rows.iter()
        .map(|row| Ok((column(row, "notice_id")?, column(row, "debtor_id")?)))
        .collect()
}

/// Whether a notice of a run is released and not sent yet.
///
/// # Errors
/// Those of the database.
pub async fn has_pending(on: &impl Sql, creditor_id: &str, run_id: &str) -> Result<bool> {
    let sql = "SELECT 1 AS one FROM notice WHERE creditor_id = $1 AND run_id = $2 \
               AND state IN ('RELEASED', 'SENDING') LIMIT 1";
    let values = vec![creditor_id.into(), run_id.into()];
    Ok(on.query_one(sql, values).await?.is_some())
}

/// Creditors of whom notices are to be sent now.
///
/// # Errors
/// Those of the database.
pub async fn with_due(on: &impl Sql, incarnation: &str) -> Result<Vec<String>> {
    let now = now_micros(on.on().get_database_backend());
    let rows = on
        .query(
            &format!(
                "SELECT d.creditor_id FROM dispatch AS d WHERE d.enabled = 1 AND d.incarnation = $1 AND EXISTS \
                 (SELECT 1 FROM notice AS n WHERE n.creditor_id = d.creditor_id AND n.state = 'RELEASED' \
                 AND n.next_at <= {now} AND n.lease <= {now}) ORDER BY d.creditor_id"
            ),
            vec![incarnation.into()],
        )
        .await?;
    rows.iter()
        .map(|row| Ok(column(row, "creditor_id")?))
        .collect()
}

/// Takes notices of a creditor that are to be sent now, at most `limit`, for `lease` microseconds: notice and debtor.
///
/// # Errors
/// Those of the database.
pub async fn lease_due(
    db: &Db,
    creditor_id: &str,
    limit: u64,
    lease: i64,
) -> Result<Vec<(String, String)>> {
    let now = now_micros(db.backend());
    let skip = if db.is_postgres() {
        "FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let txn = db.begin_write().await?;
    // As a plain subquery it could be run more than once, and take more than it may.
    let rows = txn
        .query(
            &format!(
                "WITH due AS MATERIALIZED (SELECT notice_id AS id FROM notice WHERE creditor_id = $1 \
                 AND state = 'RELEASED' AND next_at <= {now} AND lease <= {now} ORDER BY next_at LIMIT $3 {skip}) \
                 UPDATE notice SET lease = {now} + $2 FROM due WHERE creditor_id = $1 AND notice_id = due.id \
                 RETURNING notice_id, debtor_id"
            ),
            vec![creditor_id.into(), lease.into(), cap(limit).into()],
        )
        .await?;
    txn.commit().await?;
    keys(&rows)
}

/// Notices whose sending began and of whose outcome nobody tells any more, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn expired(on: &impl Sql, limit: u64) -> Result<Vec<NoticeRow>> {
    let now = now_micros(on.on().get_database_backend());
    let sql = format!(
        "SELECT {COLUMNS} FROM notice AS n WHERE n.state = 'SENDING' AND n.lease <= {now} \
         ORDER BY n.creditor_id, n.notice_id LIMIT $1"
    );
    notice_rows(&on.query(&sql, vec![cap(limit).into()]).await?)
}

/// Notices of a partition for the snapshot of the feed, by creditor, debtor and id: those that were released once.
///
/// # Errors
/// Those of the database.
pub async fn page(
    on: &impl Sql,
    part: i64,
    after: (&str, &str, &str),
    limit: u64,
) -> Result<Vec<NoticeRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notice AS n WHERE n.part = $1 \
         AND (n.creditor_id, n.debtor_id, n.notice_id) > ($2, $3, $4) AND n.state NOT IN ('PROPOSED', 'EXCLUDED') \
         ORDER BY n.creditor_id, n.debtor_id, n.notice_id LIMIT $5"
    );
    let values = vec![
        part.into(),
        after.0.into(),
        after.1.into(),
        after.2.into(),
        cap(limit).into(),
    ];
    notice_rows(&on.query(&sql, values).await?)
}
