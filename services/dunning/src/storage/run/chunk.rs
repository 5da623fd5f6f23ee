//! The pieces of a run that workers share.

use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column, now_micros},
    error::Result,
};
use sea_orm::ConnectionTrait as _;

use super::{RunRow, state_name};

/// Adjacent partitions that are worked on together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The first partition, and the key within the run.
    pub first: i64,
    /// The last partition.
    pub last: i64,
    /// Debtors that owed something when the run began.
    pub debtors: i64,
}

/// A piece of a run that somebody works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The first partition, and the key within the run.
    pub first: i64,
    /// The last partition.
    pub last: i64,
    /// The last debtor done, with its partition; the first partition and nobody before the first.
    pub at: (i64, String),
}

/// What a step moved a piece by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The last debtor done, with its partition.
    pub to: (i64, String),
    /// Whether nobody is left.
    pub done: bool,
    /// Debtors evaluated.
    pub evaluated: i64,
    /// Debtors left out.
    pub parked: i64,
    /// Whether a plan was marked as resting on a stale ledger.
    pub stale: bool,
}

/// How many debtors of a creditor owe something, by partition; those where nobody does are left out.
///
/// # Errors
/// Those of the database.
pub async fn owing_by_part(on: &impl Sql, creditor_id: &str) -> Result<Vec<(i64, i64)>> {
    let counted = on
        .query(
            "SELECT part, CAST(count(*) AS BIGINT) AS debtors FROM \
             (SELECT DISTINCT part, debtor_id FROM fact WHERE creditor_id = $1 AND owed = 1) AS owing \
             GROUP BY part ORDER BY part",
            vec![creditor_id.into()],
        )
        .await?;
    counted
        .iter()
        .map(|row| Ok((column(row, "part")?, column(row, "debtors")?)))
        .collect()
}

/// Lays the pieces of a run out.
///
/// # Errors
/// Those of the database.
pub async fn open_chunks(on: &impl Sql, run: &RunRow, pieces: &[Piece]) -> Result<()> {
    let rows = Rows::new()
        .int("part", pieces.iter().map(|it| it.first))
        .int("last_part", pieces.iter().map(|it| it.last))
        .int("debtors", pieces.iter().map(|it| it.debtors));
    on.execute_rows(
        rows,
        vec![run.creditor_id.as_str().into(), run.run_id.as_str().into()],
        |table, n| {
            format!(
                "INSERT INTO run_chunk (creditor_id, run_id, part, last_part, debtors, evaluated, parked, stale, at_part, \
                 at_debtor, done, until) SELECT ${n}, ${}, r.part, r.last_part, r.debtors, 0, 0, 0, r.part, '', 0, 0 \
                 FROM {table} AS r",
                n + 1
            )
        },
    )
    .await?;
    Ok(())
}

/// Makes every piece with a notice that is still proposed to be worked on again, for the run's next state.
///
/// # Errors
/// Those of the database.
pub async fn reset_chunks(on: &impl Sql, run: &RunRow) -> Result<()> {
    on.execute_sql(
        "UPDATE run_chunk SET at_part = part, at_debtor = '', until = 0, done = CASE WHEN EXISTS \
         (SELECT 1 FROM notice AS n WHERE n.creditor_id = $1 AND n.run_id = $2 AND n.state = 'PROPOSED' \
         AND n.part BETWEEN run_chunk.part AND run_chunk.last_part) THEN 0 ELSE 1 END \
         WHERE creditor_id = $1 AND run_id = $2",
        vec![run.creditor_id.as_str().into(), run.run_id.as_str().into()],
    )
    .await?;
    Ok(())
}

/// Takes a piece that is not done and that nobody works on, for `lease` microseconds, if the run is still in `run.state`.
///
/// # Errors
/// Those of the database.
pub async fn lease_chunk(db: &Db, run: &RunRow, lease: i64) -> Result<Option<Chunk>> {
    let now = now_micros(db.backend());
    let skip = if db.is_postgres() {
        "FOR UPDATE OF c SKIP LOCKED"
    } else {
        ""
    };
    let free = format!(
        "SELECT c.part FROM run_chunk AS c WHERE c.creditor_id = $1 AND c.run_id = $2 AND c.done = 0 \
         AND c.until <= {now} AND EXISTS (SELECT 1 FROM run AS r WHERE r.creditor_id = $1 AND r.run_id = $2 \
         AND r.state = $3) ORDER BY c.part LIMIT 1"
    );
    let values = vec![
        run.creditor_id.as_str().into(),
        run.run_id.as_str().into(),
        state_name(run.state).into(),
    ];
    // Whoever only looks keeps nobody from writing.
    if db.query_one(&free, values.clone()).await?.is_none() {
        return Ok(None);
    }
    let txn = db.begin_write().await?;
    let row = txn
        .query_one(
            &format!(
                "UPDATE run_chunk SET until = {now} + $4 WHERE creditor_id = $1 AND run_id = $2 AND part = \
                 ({free} {skip}) RETURNING part, last_part, at_part, at_debtor"
            ),
            [values, vec![lease.into()]].concat(),
        )
        .await?;
    txn.commit().await?;
    row.map(|row| {
        Ok(Chunk {
            first: column(&row, "part")?,
            last: column(&row, "last_part")?,
            at: (column(&row, "at_part")?, column(&row, "at_debtor")?),
        })
    })
    .transpose()
}

/// Whether a piece is not done.
///
/// # Errors
/// Those of the database.
pub async fn has_undone(on: &impl Sql, run: &RunRow) -> Result<bool> {
    let sql = "SELECT 1 AS one FROM run_chunk WHERE creditor_id = $1 AND run_id = $2 AND done = 0 LIMIT 1";
    let values = vec![run.creditor_id.as_str().into(), run.run_id.as_str().into()];
    Ok(on.query_one(sql, values).await?.is_some())
}

/// Moves a piece from where `chunk` stood, and keeps it leased; `false` if somebody else moved it, or the run is not in
/// `run.state` any more: then nothing may be stored.
///
/// # Errors
/// Those of the database.
pub async fn advance(
    on: &impl Sql,
    run: &RunRow,
    chunk: &Chunk,
    step: &Step,
    lease: i64,
) -> Result<bool> {
    let now = now_micros(on.on().get_database_backend());
    let moved = on
        .execute_sql(
            &format!(
                "UPDATE run_chunk SET at_part = $6, at_debtor = $7, done = $8, evaluated = evaluated + $9, \
                 parked = parked + $10, stale = CASE WHEN $11 = 1 THEN 1 ELSE stale END, until = {now} + $12 \
                 WHERE creditor_id = $1 AND run_id = $2 AND part = $3 AND at_part = $4 AND at_debtor = $5 AND done = 0 \
                 AND EXISTS (SELECT 1 FROM run WHERE creditor_id = $1 AND run_id = $2 AND state = $13)"
            ),
            vec![
                run.creditor_id.as_str().into(),
                run.run_id.as_str().into(),
                chunk.first.into(),
                chunk.at.0.into(),
                chunk.at.1.as_str().into(),
                step.to.0.into(),
                step.to.1.as_str().into(),
                i64::from(step.done).into(),
                step.evaluated.into(),
                step.parked.into(),
                i64::from(step.stale).into(),
                lease.into(),
                state_name(run.state).into(),
            ],
        )
        .await?;
    Ok(moved == 1)
}
