//! The upstream's own snapshot.

use mahnwerk_feed::{SnapshotRow, SnapshotSource};
use mahnwerk_runtime::{
    db::{Db, Rows, Sql, column},
    error::Result,
};
use prost::Message;

use super::money;

pub(super) struct Things;

#[async_trait::async_trait]
impl SnapshotSource for Things {
    fn entities(&self) -> &'static [&'static str] {
        &["rate", "thing"]
    }

    async fn page(
        &self,
        db: &Db,
        entity: &'static str,
        partitions: &[i64],
        after: Option<&[String]>,
        limit: u64,
    ) -> Result<Vec<SnapshotRow>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let after = |index: usize| {
            after
                .and_then(|key| key.get(index))
                .cloned()
                .unwrap_or_default()
        };
        if entity == "rate" {
            let rows = db
                .query(
                    "SELECT creditor_id, version, value FROM rate WHERE creditor_id > $1 ORDER BY creditor_id LIMIT $2",
                    vec![after(0).into(), limit.into()],
                )
                .await?;
            return rows
                .iter()
                .map(|row| {
                    let creditor: String = column(row, "creditor_id")?;
                    Ok(SnapshotRow {
                        debtor_id: String::new(),
                        entity_id: creditor.clone(),
                        version: column(row, "version")?,
                        state: money("rate", column(row, "value")?).encode_to_vec(),
                        key: vec![creditor.clone()],
                        creditor_id: creditor,
                    })
                })
                .collect();
        }
        let rows = db
            .query_rows(
                Rows::new().int("part", partitions.iter().copied()),
                vec![after(0).into(), after(1).into(), after(2).into(), limit.into()],
                |table, n| {
                    format!(
                        "SELECT t.creditor_id, t.debtor_id, t.thing_id, t.version, t.value FROM thing t \
                         WHERE t.part IN (SELECT r.part FROM {table} AS r) \
                         AND (t.creditor_id, t.debtor_id, t.thing_id) > (${n}, ${}, ${}) \
                         ORDER BY t.creditor_id, t.debtor_id, t.thing_id LIMIT ${}",
                        n + 1,
                        n + 2,
                        n + 3
                    )
                },
            )
            .await?;
        rows.iter()
            .map(|row| {
                let creditor_id: String = column(row, "creditor_id")?;
                let debtor_id: String = column(row, "debtor_id")?;
                let thing: String = column(row, "thing_id")?;
                Ok(SnapshotRow {
                    entity_id: format!("{debtor_id}/{thing}"),
                    version: column(row, "version")?,
                    state: money(&thing, column(row, "value")?).encode_to_vec(),
                    key: vec![creditor_id.clone(), debtor_id.clone(), thing],
                    creditor_id,
                    debtor_id,
                })
            })
            .collect()
    }
}
