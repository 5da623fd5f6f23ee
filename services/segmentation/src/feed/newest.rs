//! The changes of a batch, sorted out.

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_feed::{Change, WriteTx};
use mahnwerk_runtime::error::{Error, Result};
use prost::Message;

use crate::{
    app::{place::place, schemes::Schemes},
    storage::projection::Stamp,
};

/// Debtors to be placed again, by creditor.
#[derive(Default)]
pub struct Concerned(BTreeMap<String, BTreeSet<String>>);

impl Concerned {
    pub fn add(&mut self, change: &Change) {
        let debtors = self.0.entry(change.creditor_id.clone()).or_default();
        debtors.insert(change.debtor_id.clone());
    }

    /// Places them.
    pub async fn place(self, tx: &mut WriteTx, schemes: &Schemes) -> Result<()> {
        for (creditor_id, debtors) in self.0 {
            let debtors: Vec<_> = debtors.into_iter().collect();
            place(tx, schemes, &creditor_id, &debtors, None).await?;
        }
        Ok(())
    }
}

/// Rows with their key and age.
type Stamped<R> = Vec<(Stamp, R)>;

/// The newest state of each key in a batch; `None` if it was deleted. One statement may touch a row only once.
pub struct Newest<R>(BTreeMap<(String, String), (Stamp, Option<R>)>);

impl<R> Default for Newest<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R> Newest<R> {
    pub fn add(&mut self, change: &Change, generation: i64, row: Option<R>) {
        let stamp = Stamp {
            creditor_id: change.creditor_id.clone(),
            debtor_id: change.debtor_id.clone(),
            part: i64::from(change.partition),
            generation,
            version: change.version,
        };
        let key = (change.creditor_id.clone(), change.entity_id.clone());
        let stored = self.0.get(&key);
        if stored.is_none_or(|(stored, _)| stored.version < stamp.version) {
            self.0.insert(key, (stamp, row));
        }
    }

    /// What is there, and what is gone with its key.
    pub fn split(self) -> (Stamped<R>, Stamped<String>) {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for ((_, id), (stamp, row)) in self.0 {
            match row {
                Some(row) => there.push((stamp, row)),
                None => gone.push((stamp, id)),
            }
        }
        (there, gone)
    }
}

/// The state of a change; `None` if the entity was deleted.
pub fn state<M: Message + Default>(change: &Change) -> Result<Option<M>> {
    let decoded = change
        .state
        .as_ref()
        .map(|state| M::decode(state.value.as_slice()));
    decoded
        .transpose()
        .map_err(|error| Error::Internal(Box::new(error)))
}
