//! What is under way: notices that are not sent yet, and steps that notices hold.

use std::collections::BTreeMap;

use dunning_core::{
    input::{Channel, Contact},
    record,
};
use mahnwerk_runtime::{db::Sql, error::Result};

use super::Subject;
use crate::storage::notice::{self, Held, NoticeRow};

/// Lets inputs see what is under way, so that nothing of it is proposed again: notices that are released and not sent yet
/// as if they were sent today, and steps that a notice holds though no state tells of them. With `held` either all of
/// these, or only those that no review can take off any more. Two statements.
///
/// # Errors
/// Those of the database.
pub async fn add_under_way(
    on: &impl Sql,
    creditor_id: &str,
    subjects: &mut [Subject],
    held: Held,
) -> Result<()> {
    let debtors = subjects.iter().map(|it| it.debtor_id.as_str());
    let standing = notice::standing(on, creditor_id, debtors).await?;
    count_standing(subjects, &standing);
    let items = subjects.iter().flat_map(|it| &it.input.items);
    let taken = notice::taken(on, creditor_id, items, held).await?;
    for item in subjects.iter_mut().flat_map(|it| &mut it.input.items) {
        item.taken = taken.get(&item.id).cloned();
    }
    Ok(())
}

fn count_standing(subjects: &mut [Subject], standing: &[NoticeRow]) {
    let mut by_debtor: BTreeMap<&str, Vec<&NoticeRow>> = BTreeMap::new();
    for row in standing {
        by_debtor.entry(&row.debtor_id).or_default().push(row);
    }
    for subject in subjects {
        let Some(rows) = by_debtor.get(subject.debtor_id.as_str()) else {
            continue;
        };
        for row in rows {
            let today = subject.input.business_date;
            let before = subject.input.items.iter();
            let before = before.map(|item| (item.id.as_str(), &item.state)).collect();
            let states = record::sent(&row.procedure.id, today, &row.content, &before);
            let states: BTreeMap<String, _> = states
                .into_iter()
                .map(|(item_id, state)| (item_id.to_owned(), state))
                .collect();
            for item in &mut subject.input.items {
                if let Some(state) = states.get(&item.id) {
                    item.state = state.clone();
                    item.state.pay_by = item.state.pay_by.max(Some(today));
                }
            }
            let channel = row.content.channel.channel;
            if channel != Channel::Phone {
                let contact = Contact { on: today, channel };
                subject.input.recent_contacts.push(contact);
            }
        }
        subject.input.canonicalise();
    }
}
