//! Use cases of the account: single postings and reads of items.

use mahnwerk_feed::{Begun, Locks, Written};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
};
use registry_core::{
    account::{Entry, ItemKey, ItemKind, Posting, PostingRequest},
    approval::{needs_two, written_off},
    error::DomainError,
    money::Money,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{App, Page, creditor_of, debtor_of, from_domain, not_found, posting::WorkingSet};
use crate::storage::{self, item::ItemFilter};

/// An item with what the wire tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemView {
    /// The item.
    pub item: registry_core::account::Item,
    /// Invoices: the entries that name it, in the order of posting. Otherwise empty.
    pub entries: Vec<Entry>,
}

impl App {
    /// Posts one posting and answers with the item it is about.
    ///
    /// # Errors
    /// `NotFound` for the creditor, the debtor or an item, `NO_BUSINESS_DAY`, every refusal of the ledger, and
    /// `FOUR_EYES_REQUIRED` for a write-off that the creditor does not leave to one.
    pub async fn post(
        &self,
        call: &Call,
        method: &'static str,
        creditor_id: &str,
        request_id: &str,
        posting: Posting,
    ) -> Result<Written<ItemView>> {
        let Some(own) = posting.references().into_iter().next() else {
            return Err(Error::internal("a posting without an item"));
        };
        let new_for = match &posting {
            Posting::Invoice(invoice) => Some(invoice.debtor_id.clone()),
            Posting::CreditNote(credit) | Posting::Payment(credit) => {
                Some(credit.debtor_id.clone())
            }
            _ => None,
        };
        // The debtor of an item never changes. An item that is not there yet has none; the transaction then says so.
        let debtor_id = match &new_for {
            Some(debtor_id) => Some(debtor_id.clone()),
            None => storage::item::get(self.publisher.db(), creditor_id, &own)
                .await?
                .map(|item| item.debtor_id),
        };
        let locks = Locks::debtors(creditor_id, debtor_id.as_deref());
        let begun = self
            .publisher
            .begin_once(call, method, creditor_id, request_id, &posting, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&*once, creditor_id).await?;
        let ids = self.publisher.ids().clone();
        let above = creditor.write_off_above;
        let mut working = WorkingSet::load(&*once, ids, creditor, [&posting], []).await?;
        if new_for.is_none() && working.debtor_of_item(&own) != debtor_id.as_deref() {
            return Err(Error::Contention(None));
        }
        let request = PostingRequest {
            posting,
            recorded_date: None,
        };
        let key = working.post(&request).map_err(from_domain)?;
        let view = working
            .view(&key)
            .ok_or_else(|| Error::internal("a posting left no item"))?;
        if matches!(request.posting, Posting::WriteOff { .. }) {
            let total = Money::new(view.item.currency, written_off(&view.entries));
            if needs_two(above, total) {
                return Err(from_domain(alone()));
            }
        }
        working.save(&mut once).await?;
        once.finish(view).await
    }

    /// Reads one item with its entries.
    ///
    /// # Errors
    /// `NotFound` for the creditor or the item; those of a consistency token.
    pub async fn item(
        &self,
        creditor_id: &str,
        key: &ItemKey,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<ItemView> {
        self.freshness.all(at_least, deadline).await?;
        let reading = self.publisher.db().begin_read().await?;
        let Some(item) = storage::item::get(&reading, creditor_id, key).await? else {
            creditor_of(&reading, creditor_id).await?;
            return Err(not_found(key.kind.name(), &key.id));
        };
        let mut views = with_entries(&reading, creditor_id, vec![item]).await?;
        views
            .pop()
            .ok_or_else(|| Error::internal("an item was lost while reading"))
    }

    /// Lists items with their entries, by kind and id.
    ///
    /// # Errors
    /// `NotFound` for the creditor or the debtor; those of a consistency token.
    pub async fn items(
        &self,
        creditor_id: &str,
        filter: &ItemFilter,
        after: Option<[&str; 2]>,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<ItemView>> {
        match &filter.debtor_id {
            Some(debtor_id) => {
                self.freshness
                    .debtor(at_least, creditor_id, debtor_id, deadline)
                    .await?
            }
            None => self.freshness.all(at_least, deadline).await?,
        }
        let reading = self.publisher.db().begin_read().await?;
        match &filter.debtor_id {
            Some(debtor_id) => {
                debtor_of(&reading, creditor_id, debtor_id).await?;
            }
            None => {
                creditor_of(&reading, creditor_id).await?;
            }
        }
        let items = storage::item::list(&reading, creditor_id, filter, after, limit + 1).await?;
        let Page { rows, more } = Page::cut(items, limit);
        Ok(Page {
            rows: with_entries(&reading, creditor_id, rows).await?,
            more,
        })
    }
}

/// So much is not for one to write off.
fn alone() -> DomainError {
    DomainError::FourEyesRequired {
        what: "nothing was written off: so much needs two; ask for it, and another person must grant it",
        method: "RequestWriteOff",
        principal: String::new(),
    }
}

async fn with_entries(
    on: &impl mahnwerk_runtime::db::Sql,
    creditor_id: &str,
    items: Vec<registry_core::account::Item>,
) -> Result<Vec<ItemView>> {
    let invoices: Vec<_> = items
        .iter()
        .filter(|item| item.key.kind == ItemKind::Invoice)
        .map(|item| (creditor_id, item.key.id.as_str()))
        .collect();
    let mut entries = storage::entry::of_invoices(on, invoices.into_iter()).await?;
    let view = |item: registry_core::account::Item| {
        let key = (creditor_id.to_owned(), item.key.id.clone());
        let own = item.key.kind == ItemKind::Invoice;
        ItemView {
            entries: if own {
                entries.remove(&key).unwrap_or_default()
            } else {
                Vec::new()
            },
            item,
        }
    };
    Ok(items.into_iter().map(view).collect())
}
