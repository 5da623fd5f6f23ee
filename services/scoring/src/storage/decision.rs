//! Credit decisions with all they rested on.

use mahnwerk_feed::Insert;
use mahnwerk_runtime::{
    db::{Sql, column},
    error::{Error, Result},
};

use crate::app::credit::{DecisionInputs, StoredDecision};

fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Internal(Box::new(error)))
}

fn encode(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(Box::new(error)))
}

/// Stores a decision.
///
/// # Errors
/// None that is known: it can be encoded.
pub fn insert(decision: &StoredDecision, inputs: &DecisionInputs) -> Result<Insert> {
    Ok(Insert {
        sql: |n| {
            format!(
                "INSERT INTO credit_decision (creditor_id, decision_id, debtor_id, decided_at, decision, inputs) \
                 VALUES (${n}, ${}, ${}, ${}, ${}, ${})",
                n + 1,
                n + 2,
                n + 3,
                n + 4,
                n + 5
            )
        },
        values: vec![
            decision.creditor_id.as_str().into(),
            decision.decision_id.as_str().into(),
            decision.debtor_id.as_str().into(),
            decision.decided_at.into(),
            encode(decision)?.into(),
            encode(inputs)?.into(),
        ],
    })
}

/// Reads a decision.
///
/// # Errors
/// Those of the database.
pub async fn get(
    on: &impl Sql,
    creditor_id: &str,
    decision_id: &str,
) -> Result<Option<StoredDecision>> {
    let row = on
        .query_one(
            "SELECT decision FROM credit_decision WHERE creditor_id = $1 AND decision_id = $2",
            vec![creditor_id.into(), decision_id.into()],
        )
        .await?;
    row.map(|row| decode(&column::<String>(&row, "decision")?))
        .transpose()
}

/// Decisions on a debtor, newest first, before a time and id.
///
/// # Errors
/// Those of the database.
pub async fn list(
    on: &impl Sql,
    creditor_id: &str,
    debtor_id: &str,
    before: (i64, &str),
    limit: u64,
) -> Result<Vec<StoredDecision>> {
    let rows = on
        .query(
            "SELECT decision FROM credit_decision WHERE creditor_id = $1 AND debtor_id = $2 \
             AND (decided_at, decision_id) < ($3, $4) ORDER BY decided_at DESC, decision_id DESC LIMIT $5",
            vec![
                creditor_id.into(),
                debtor_id.into(),
                before.0.into(),
                before.1.into(),
                i64::try_from(limit).unwrap_or(i64::MAX).into(),
            ],
        )
        .await?;
    rows.iter()
        .map(|row| decode(&column::<String>(row, "decision")?))
        .collect()
}
