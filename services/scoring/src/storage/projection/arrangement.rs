//! Disputes, promises and instalment plans.

use mahnwerk_feed::{
    StoredRow,
    consume::rows::{self, Stamp, of_debtors, stored_row},
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::Result,
};

/// A dispute, by its entity name on the feed.
pub const DISPUTE: &str = "dispute";

/// A promise to pay, likewise.
pub const PROMISE: &str = "promise";

/// An instalment plan, likewise.
pub const INSTALMENT_PLAN: &str = "instalment_plan";

/// All kinds of arrangements.
pub const ARRANGEMENTS: [&str; 3] = [DISPUTE, PROMISE, INSTALMENT_PLAN];

const KEY: [&str; 4] = ["creditor_id", "debtor_id", "kind", "arrangement_id"];

/// A dispute, promise or plan to be stored.
pub struct ArrangementRow {
    /// Its id among those of its kind.
    pub arrangement_id: String,
    /// The disputed invoice; empty for promises and plans.
    pub item_id: String,
    /// The disputed part in minor units; `None` for all of it, and for promises and plans.
    pub amount: Option<i64>,
    /// Day number.
    pub opened: i64,
    /// Day number; `None` while open.
    pub closed: Option<i64>,
    /// Whether it is a dispute in which the debtor was right.
    pub upheld: bool,
    /// Whether it is a promise or plan that the debtor broke.
    pub broken: bool,
}

/// Stores arrangements of a kind; of each at most one.
///
/// # Errors
/// Those of the database.
pub async fn upsert_arrangements(
    on: &impl Sql,
    kind: &str,
    arrangements: &[(Stamp, ArrangementRow)],
) -> Result<()> {
    let all = || arrangements.iter().map(|(_, row)| row);
    let rows = of_debtors(arrangements.iter().map(|(stamp, _)| stamp))
        .text("kind", all().map(|_| kind))
        .text(
            "arrangement_id",
            all().map(|row| row.arrangement_id.as_str()),
        )
        .text("item_id", all().map(|row| row.item_id.as_str()))
        .opt_int("amount", all().map(|row| row.amount))
        .int("opened", all().map(|row| row.opened))
        .opt_int("closed", all().map(|row| row.closed))
        .int("upheld", all().map(|row| i64::from(row.upheld)))
        .int("broken", all().map(|row| i64::from(row.broken)));
    rows::upsert(on, "arrangement", &KEY, rows).await
}

/// Deletes arrangements of a kind, unless a newer version is stored.
///
/// # Errors
/// Those of the database.
pub async fn delete_arrangements(on: &impl Sql, kind: &str, gone: &[Stamp]) -> Result<()> {
    let rows = of_debtors(gone.iter())
        .text("kind", gone.iter().map(|_| kind))
        .text(
            "arrangement_id",
            gone.iter().map(|stamp| stamp.entity_id.as_str()),
        );
    rows::delete(on, "arrangement", &KEY, rows).await
}

/// Arrangements of a partition with the version they have.
///
/// # Errors
/// Those of the database.
pub async fn stored_arrangements(db: &Db, part: i64) -> Result<Vec<StoredRow>> {
    let sql = "SELECT creditor_id, debtor_id, kind, arrangement_id AS entity_id, version FROM arrangement \
               WHERE part = $1";
    let rows = db.query(sql, vec![part.into()]).await?;
    let mut stored = Vec::with_capacity(rows.len());
    for row in &rows {
        let kind: String = column(row, "kind")?;
        if let Some(entity) = ARRANGEMENTS.into_iter().find(|entity| *entity == kind) {
            stored.push(stored_row(row, entity)?);
        }
    }
    Ok(stored)
}
