//! The same write, sent twice, has one effect: answers are stored by request id and given again.
//!
//! Both looking up and [`store`] run inside the transaction of the write, after its locks, so that a concurrent twin
//! either waits for the first one and finds its answer, or collides in [`store`] and is retried.

use std::fmt::Write as _;

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    clock::Micros,
    db::{Db, Migration, Sql, column},
    error::{Error, Result},
};

/// The table; every service with unary writes lists it among its migrations.
pub const MIGRATION: Migration = Migration {
    name: "m20260101_000001_create_idempotency",
    sql: "CREATE TABLE idempotency (
            principal TEXT NOT NULL,
            creditor_id TEXT NOT NULL,
            method TEXT NOT NULL,
            request_id TEXT NOT NULL,
            digest TEXT NOT NULL,
            response TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            PRIMARY KEY (principal, creditor_id, method, request_id)
          );
          CREATE INDEX idempotency_created_at ON idempotency (created_at);",
};

/// How long answers are kept, in microseconds: 30 days.
pub const RETENTION: Micros = 30 * 24 * 60 * 60 * 1_000_000;

/// What makes two calls the same call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Who calls.
    pub principal: String,
    /// The tenant; empty for methods that concern none.
    pub creditor_id: String,
    /// The method, for example `CreateDebtor`.
    pub method: &'static str,
    /// Chosen by the caller.
    pub request_id: String,
}

impl RequestKey {
    /// The key's columns, in the order of [`stored_expression`].
    #[must_use]
    pub fn values(&self) -> Vec<sea_orm::Value> {
        vec![
            self.principal.as_str().into(),
            self.creditor_id.as_str().into(),
            self.method.into(),
            self.request_id.as_str().into(),
        ]
    }
}

/// Hex SHA-256 of the command as canonical JSON: keys sorted, nulls left out, so that a command that gains an optional
/// field keeps its digest.
///
/// # Errors
/// If the command cannot be written as JSON.
pub fn digest<C: Serialize>(command: &C) -> Result<String> {
    let value = serde_json::to_value(command).map_err(|error| Error::Internal(Box::new(error)))?;
    let mut text = String::new();
    write_canonical(&value, &mut text);
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

fn write_canonical(value: &serde_json::Value, into: &mut String) {
    match value {
        serde_json::Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .collect();
            fields.sort_by_key(|(name, _)| *name);
            into.push('{');
            for (name, value) in fields {
                let _ = write!(into, "{name:?}:");
                write_canonical(value, into);
                into.push(',');
            }
            into.push('}');
        }
        serde_json::Value::Array(values) => {
            into.push('[');
            for value in values {
                write_canonical(value, into);
                into.push(',');
            }
            into.push(']');
        }
        other => {
            let _ = write!(into, "{other}");
        }
    }
}

/// The stored answer to this call, if it was made before.
///
/// # Errors
/// [`Error::RequestIdReused`] if it was made with other content; otherwise if the database fails or the stored answer
/// cannot be read.
pub async fn stored<R: DeserializeOwned>(
    on: &impl Sql,
    key: &RequestKey,
    digest: &str,
) -> Result<Option<R>> {
    let sql = format!("SELECT {} AS answered", stored_expression(1));
    match on.query_one(&sql, key.values()).await? {
        Some(row) => read_stored(column(&row, "answered")?, digest),
        None => Ok(None),
    }
}

/// What is stored under a key as an SQL expression, for a statement that has more to do: [`read_stored`] reads it. Its
/// parameters are [`RequestKey::values`], beginning with number `first`.
#[must_use]
pub fn stored_expression(first: usize) -> String {
    format!(
        "(SELECT i.digest || i.response FROM idempotency AS i WHERE i.principal = ${first} AND i.creditor_id = ${} \
         AND i.method = ${} AND i.request_id = ${})",
        first + 1,
        first + 2,
        first + 3
    )
}

/// The answer in what [`stored_expression`] found.
///
/// # Errors
/// [`Error::RequestIdReused`] if the call had other content; otherwise if the answer cannot be read.
pub fn read_stored<R: DeserializeOwned>(found: Option<String>, digest: &str) -> Result<Option<R>> {
    let Some(found) = found else {
        return Ok(None);
    };
    let response = found.strip_prefix(digest).ok_or(Error::RequestIdReused)?;
    serde_json::from_str(response)
        .map(Some)
        .map_err(|error| Error::Internal(Box::new(error)))
}

/// Stores the answer to this call.
///
/// # Errors
/// [`Error::Contention`] if a twin was faster: roll back and start again, [`stored`] then finds its answer. Otherwise
/// if the database fails.
pub async fn store<R: Serialize>(
    on: &impl Sql,
    key: &RequestKey,
    digest: &str,
    response: &R,
    now: Micros,
) -> Result<()> {
    let values = store_values(key, digest, response, now)?;
    match on.execute_sql(&store_statement(1), values).await? {
        0 => Err(Error::Contention(None)),
        _ => Ok(()),
    }
}

/// The insert behind [`store`], for a statement that has more to do. It writes nothing if a twin was faster. Its
/// parameters are [`store_values`], beginning with number `first`.
#[must_use]
pub fn store_statement(first: usize) -> String {
    format!(
        "INSERT INTO idempotency (principal, creditor_id, method, request_id, digest, response, created_at) \
         VALUES (${first}, ${}, ${}, ${}, ${}, ${}, ${}) ON CONFLICT DO NOTHING",
        first + 1,
        first + 2,
        first + 3,
        first + 4,
        first + 5,
        first + 6
    )
}

/// The parameters of [`store_statement`].
///
/// # Errors
/// If the response cannot be written as JSON.
pub fn store_values<R: Serialize>(
    key: &RequestKey,
    digest: &str,
    response: &R,
    now: Micros,
) -> Result<Vec<sea_orm::Value>> {
    let response =
        serde_json::to_string(response).map_err(|error| Error::Internal(Box::new(error)))?;
    let mut values = key.values();
    values.extend([digest.into(), response.into(), now.into()]);
    Ok(values)
}

/// Deletes at most `limit` answers stored before `before` and says how many; to be called until it says fewer. Not
/// part of any write on the feed.
///
/// # Errors
/// If the database fails.
pub async fn expire(db: &Db, before: Micros, limit: u32) -> Result<u64> {
    db.execute(
        "DELETE FROM idempotency WHERE (principal, creditor_id, method, request_id) IN \
         (SELECT principal, creditor_id, method, request_id FROM idempotency \
          WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        vec![before.into(), i64::from(limit).into()],
    )
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_and_absent_options_do_not_change_the_digest() {
        let one = digest(&json!({"b": 1, "a": [1, "x"], "c": null})).unwrap();
        let other = digest(&json!({"a": [1, "x"], "b": 1})).unwrap();
        assert_eq!(one, other);
        assert_eq!(one.len(), 64);
    }

    #[test]
    fn other_content_has_another_digest() {
        let values = [
            json!({"a": "1"}),
            json!({"a": 1}),
            json!({"a": ["1"]}),
            json!({"a": "1", "b": ""}),
            json!({"a\":\"1\",\"b": ""}),
            json!([]),
            json!({}),
        ];
        let digests: std::collections::BTreeSet<_> =
            values.iter().map(|value| digest(value).unwrap()).collect();
        assert_eq!(digests.len(), values.len());
    }
}
