//! Writing scores.

use mahnwerk_runtime::{
    db::{Rows, Sql},
    error::Result,
};

use super::{NewScore, ScoreRow, encode};

fn rows_of<'a>(scores: impl Iterator<Item = &'a ScoreRow> + Clone) -> Result<Rows> {
    let reasons = scores
        .clone()
        .map(|row| encode(&row.reasons))
        .collect::<Result<Vec<_>>>()?;
    Ok(Rows::new()
        .text(
            "creditor_id",
            scores.clone().map(|row| row.creditor_id.as_str()),
        )
        .text(
            "debtor_id",
            scores.clone().map(|row| row.debtor_id.as_str()),
        )
        .int("part", scores.clone().map(|row| row.part))
        .int("version", scores.clone().map(|row| row.version))
        .int("score", scores.clone().map(|row| i64::from(row.score)))
        .int("pd_ppm", scores.clone().map(|row| i64::from(row.pd_ppm)))
        .text("class", scores.clone().map(|row| row.class.as_str()))
        .text("kind", scores.clone().map(|row| row.kind.as_str()))
        .int(
            "revision",
            scores.clone().map(|row| i64::from(row.revision)),
        )
        .int(
            "observation_date",
            scores.clone().map(|row| row.observation_date),
        )
        .int("settled_items", scores.clone().map(|row| row.settled_items))
        .text("reasons", reasons)
        .int("scored_at", scores.map(|row| row.scored_at)))
}

/// Stores scores, and those that grade differently in the history.
///
/// # Errors
/// Those of the database.
pub async fn save(on: &impl Sql, scores: &[NewScore]) -> Result<()> {
    let features = scores.iter().map(|score| score.encoded_features.as_str());
    let rows = rows_of(scores.iter().map(|score| &score.row))?
        .text("features", features)
        .int("stale_on", scores.iter().map(|score| score.stale_on));
    on.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO score (creditor_id, debtor_id, part, version, score, pd_ppm, class, kind, revision, \
             observation_date, settled_items, reasons, features, stale_on, scored_at) \
             SELECT r.creditor_id, r.debtor_id, r.part, r.version, r.score, r.pd_ppm, r.class, r.kind, r.revision, \
             r.observation_date, r.settled_items, r.reasons, r.features, r.stale_on, r.scored_at FROM {table} AS r \
             WHERE true ON CONFLICT (creditor_id, debtor_id) DO UPDATE SET version = excluded.version, \
             score = excluded.score, pd_ppm = excluded.pd_ppm, class = excluded.class, kind = excluded.kind, \
             revision = excluded.revision, observation_date = excluded.observation_date, \
             settled_items = excluded.settled_items, reasons = excluded.reasons, features = excluded.features, \
             stale_on = excluded.stale_on, scored_at = excluded.scored_at"
        )
    })
    .await?;
    let historic = scores
        .iter()
        .filter(|score| score.historic)
        .map(|score| &score.row);
    on.execute_rows(rows_of(historic)?, vec![], |table, _| {
        format!(
            "INSERT INTO score_history (creditor_id, debtor_id, version, score, pd_ppm, class, kind, revision, \
             observation_date, settled_items, reasons, scored_at) SELECT r.creditor_id, r.debtor_id, r.version, \
             r.score, r.pd_ppm, r.class, r.kind, r.revision, r.observation_date, r.settled_items, r.reasons, \
             r.scored_at FROM {table} AS r WHERE true ON CONFLICT (creditor_id, debtor_id, version) DO NOTHING"
        )
    })
    .await?;
    Ok(())
}

/// Removes scores and history of debtors that are not known any more.
///
/// # Errors
/// Those of the database.
pub async fn remove(on: &impl Sql, creditor_id: &str, debtor_ids: &[String]) -> Result<()> {
    for table in ["score", "score_history"] {
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
