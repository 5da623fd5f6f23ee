//! The facts of a batch, each once.

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_feed::{Change, WriteTx};
use mahnwerk_runtime::error::Result;

use crate::storage::{
    facts::{CONTACT, DEBTOR, Fact},
    projection::{self as stored, Stamp},
};

/// The age and key of a change.
pub(super) fn stamp(change: &Change, entity: &'static str, generation: i64) -> Stamp {
    Stamp {
        creditor_id: change.creditor_id.clone(),
        debtor_id: change.debtor_id.clone(),
        entity,
        entity_id: change.entity_id.clone(),
        part: i64::from(change.partition),
        generation,
        version: change.version,
    }
}

/// Creditor, entity and key within it.
type Key = (String, &'static str, String);

/// The newest state of each key in a batch; `None` if nothing is to be kept of it. One statement may touch a row only
/// once.
#[derive(Default)]
pub(super) struct Newest(BTreeMap<Key, (Stamp, Option<Fact>)>);

impl Newest {
    pub(super) fn add(&mut self, stamp: Stamp, fact: Option<Fact>) {
        let key = (
            stamp.creditor_id.clone(),
            stamp.entity,
            stamp.entity_id.clone(),
        );
        let before = self.0.get(&key);
        if before.is_none_or(|(before, _)| before.version < stamp.version) {
            self.0.insert(key, (stamp, fact));
        }
    }

    /// Stores what is newer than what is stored.
    pub(super) async fn store(self, tx: &WriteTx, feed: &str) -> Result<()> {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for (stamp, fact) in self.0.into_values() {
            match fact {
                Some(fact) => there.push((stamp, fact)),
                None => gone.push(stamp),
            }
        }
        stored::upsert_facts(tx, feed, &there).await?;
        stored::delete_facts(tx, &gone).await?;
        gone.retain(|stamp| stamp.entity == DEBTOR);
        stored::delete_of_debtors(tx, feed, &gone).await?;
        let reminded: BTreeSet<_> = there
            .iter()
            .filter(|(stamp, _)| stamp.entity == CONTACT)
            .map(|(stamp, _)| (stamp.creditor_id.as_str(), stamp.debtor_id.as_str()))
            .collect();
        stored::expire_contacts(tx, &reminded).await
    }
}
