//! Storing the facts of a batch.

use std::collections::BTreeSet;

use mahnwerk_feed::{WriteTx, consume::rows::Newest};
use mahnwerk_runtime::error::Result;

use crate::storage::{
    facts::{CONTACT, DEBTOR, Fact},
    projection as stored,
};

/// Stores what is newer than what is stored of a feed.
pub(super) async fn store(facts: Newest<Fact>, tx: &WriteTx, feed: &str) -> Result<()> {
    let (there, mut gone) = facts.split();
    stored::upsert_facts(tx, feed, &there).await?;
    stored::delete_facts(tx, &gone).await?;
    gone.retain(|stamp| stamp.entity == DEBTOR);
    stored::delete_of_debtors(tx, feed, &gone).await?;
    let contacts = there.iter().filter(|(stamp, _)| stamp.entity == CONTACT);
    let reminded: BTreeSet<_> = contacts
        .map(|(stamp, _)| (stamp.creditor_id.as_str(), stamp.debtor_id.as_str()))
        .collect();
    stored::expire_contacts(tx, &reminded).await
}
