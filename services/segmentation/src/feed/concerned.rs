//! The debtors that a batch concerns.

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_feed::{Change, WriteTx};
use mahnwerk_runtime::error::Result;

use crate::app::{place::place, schemes::Schemes};

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
