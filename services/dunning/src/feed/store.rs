//! Storing the facts of a batch.

use std::collections::BTreeSet;

use mahnwerk_feed::{WriteTx, consume::rows::Newest};
use mahnwerk_runtime::{error::Result, telemetry};

use crate::storage::{
    facts::{CONTACT, DEBTOR, Fact},
    notice, projection as stored,
};

/// Stores what is newer than what is stored of a feed, and with the notices that wait that it has become known.
pub(super) async fn store(facts: Newest<Fact>, tx: &WriteTx, feed: &str) -> Result<()> {
    let (there, mut gone) = facts.split();
    let traceparent = telemetry::current_traceparent();
    if !traceparent.is_empty() {
        let stamps = there.iter().map(|(stamp, _)| stamp).chain(&gone);
        let debtors: BTreeSet<_> = stamps
            .map(|it| (it.creditor_id.as_str(), it.debtor_id.as_str(), it.part))
            .collect();
        notice::add_cause(tx, &debtors, &traceparent).await?;
    }
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
