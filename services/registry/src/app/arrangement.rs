//! Promises to pay and instalment plans: making, cancelling and listing them, and settling what a business day decides.

use std::collections::{BTreeSet, HashMap};

use mahnwerk_feed::{Begun, Cause, Locks, NewEvent, WriteTx, Written};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
};
use registry_core::{
    account::ItemKey,
    arrangement::{Arrangement, ArrangementKind, NewArrangement},
    creditor::Creditor,
    error::DomainError,
};
use tokio::time::Instant;

use super::{App, Page, creditor_of, debtor_of, from_domain, not_found};
use crate::{
    feed,
    storage::{self, arrangement::ArrangementKey},
};

/// Most arrangements settled in one transaction, each of them perhaps of a debtor of its own.
const CHUNK: u64 = 256;

/// How often a chunk is tried while other writers are in the way.
const ATTEMPTS: usize = 5;

impl App {
    /// Makes a promise or plan.
    ///
    /// # Errors
    /// `NotFound` for the creditor, the debtor or an invoice, `NO_BUSINESS_DAY`, `Exists`, `ALREADY_COVERED` if another one
    /// covers an invoice, the refusals of [`NewArrangement::agree`], `RequestIdReused`, and those of the database.
    pub async fn create_arrangement(
        &self,
        call: &Call,
        request_id: &str,
        new: NewArrangement,
    ) -> Result<Written<Arrangement>> {
        let method = match new.kind() {
            ArrangementKind::Promise => "CreatePromise",
            ArrangementKind::Plan => "CreateInstalmentPlan",
        };
        let creditor_id = new.creditor_id.clone();
        let locks = Locks::debtor(&creditor_id, &new.debtor_id);
        let begun = self
            .publisher
            .begin_once(call, method, &creditor_id, request_id, &new, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, &creditor_id).await?;
        debtor_of(&**once, &creditor_id, &new.debtor_id).await?;
        let business_date = creditor
            .business_date
            .ok_or_else(|| from_domain(DomainError::NoBusinessDay))?;
        let key = ArrangementKey {
            kind: new.kind(),
            id: new.id.clone(),
        };
        let same = storage::arrangement::get_many(&**once, &creditor_id, &[key]).await?;
        if !same.is_empty() {
            return Err(from_domain(DomainError::Exists {
                kind: new.kind().name(),
                id: new.id,
            }));
        }
        let invoice_ids = new.invoice_ids.iter().map(String::as_str);
        let covering = storage::arrangement::covering(&**once, &creditor_id, invoice_ids).await?;
        let mut other = new.invoice_ids.iter().filter_map(|id| covering.get(id));
        if let Some(other) = other.next() {
            return Err(from_domain(DomainError::AlreadyCovered {
                kind: other.kind.name(),
                id: other.id.clone(),
            }));
        }
        let invoices = new.invoice_ids.iter().map(ItemKey::invoice).collect();
        let items = storage::item::get_many(&**once, &creditor_id, &invoices).await?;
        let agreed = new
            .agree(creditor.calendar, business_date, &items)
            .map_err(from_domain)?;
        storage::arrangement::save(&**once, &creditor_id, std::slice::from_ref(&agreed)).await?;
        once.append(vec![feed::arrangement_event(&creditor, &agreed, "created")])?;
        once.finish(agreed).await
    }

    /// Ends a promise or plan without a verdict.
    ///
    /// # Errors
    /// `NotFound`, `WRONG_STATE` unless it is open, `RequestIdReused`, and those of the database.
    pub async fn cancel_arrangement(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        key: ArrangementKey,
    ) -> Result<Written<Arrangement>> {
        let method = match key.kind {
            ArrangementKind::Promise => "CancelPromise",
            ArrangementKind::Plan => "CancelInstalmentPlan",
        };
        let keys = std::slice::from_ref(&key);
        let db = self.publisher.db();
        // The debtor of an arrangement never changes.
        let known = storage::arrangement::get_many(db, creditor_id, keys).await?;
        let debtor_id = known.first().map(|each| each.debtor_id.as_str());
        let locks = Locks::debtors(creditor_id, debtor_id);
        let begun = self
            .publisher
            .begin_once(call, method, creditor_id, request_id, &key.id, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, creditor_id).await?;
        let found = storage::arrangement::get_many(&**once, creditor_id, keys).await?;
        let Some(mut arrangement) = found.into_iter().next() else {
            return Err(not_found(key.kind.name(), &key.id));
        };
        if debtor_id != Some(arrangement.debtor_id.as_str()) {
            return Err(Error::Contention(None));
        }
        let business_date = creditor
            .business_date
            .ok_or_else(|| from_domain(DomainError::NoBusinessDay))?;
        arrangement.cancel(business_date).map_err(from_domain)?;
        let changed = std::slice::from_ref(&arrangement);
        storage::arrangement::save(&**once, creditor_id, changed).await?;
        let action = arrangement.state.name();
        once.append(vec![feed::arrangement_event(
            &creditor,
            &arrangement,
            action,
        )])?;
        once.finish(arrangement).await
    }

    /// Lists the promises or plans of a debtor by id, after `after`, which also says which of both.
    ///
    /// # Errors
    /// `NotFound`; those of [`mahnwerk_feed::Freshness::debtor`] and of the database.
    pub async fn list_arrangements(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        after: &ArrangementKey,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<Arrangement>> {
        self.freshness
            .debtor(at_least, creditor_id, debtor_id, deadline)
            .await?;
        let db = self.publisher.db();
        let rows = storage::arrangement::list(db, creditor_id, debtor_id, after, limit + 1).await?;
        if rows.is_empty() {
            debtor_of(db, creditor_id, debtor_id).await?;
        }
        Ok(Page::cut(rows, limit))
    }

    /// Settles what the business dates of all creditors have decided: what a process that ended left behind. A creditor
    /// that fails is logged and left for the next time.
    ///
    /// # Errors
    /// If the creditors cannot be read.
    pub async fn settle_leftovers(&self) -> Result<()> {
        let cause = Cause::from(&Call::internal("business_day"));
        for creditor_id in storage::arrangement::creditors_with_due(self.publisher.db()).await? {
            if let Err(error) = self.settle_arrangements(&creditor_id, &cause).await {
                tracing::warn!(
                    creditor_id,
                    error = %error,
                    "promises and plans could not be settled; trying again"
                );
            }
        }
        Ok(())
    }

    /// Settles what the business date of a creditor has decided, in chunks of debtors. Answers with the consistency token
    /// of the last transaction; `None` if there was nothing to settle. What is settled stays so when a later chunk fails.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn settle_arrangements(
        &self,
        creditor_id: &str,
        cause: &Cause,
    ) -> Result<Option<String>> {
        let mut token = None;
        loop {
            let due = storage::arrangement::due(self.publisher.db(), creditor_id, CHUNK).await?;
            if due.is_empty() {
                return Ok(token);
            }
            let mut attempt = 1;
            token = loop {
                match self.settle_chunk(creditor_id, cause, &due).await {
                    Err(Error::Contention(_)) if attempt < ATTEMPTS => attempt += 1,
                    other => break Some(other?),
                }
            };
        }
    }

    /// Settles these, unless somebody else was faster; the token then is behind theirs.
    async fn settle_chunk(
        &self,
        creditor_id: &str,
        cause: &Cause,
        due: &[(ArrangementKey, String)],
    ) -> Result<String> {
        let debtor_ids = due.iter().map(|(_, debtor_id)| debtor_id.as_str());
        let locks = Locks::debtors(creditor_id, debtor_ids);
        let mut tx = WriteTx::begin(&self.publisher, locks, cause.clone()).await?;
        let creditor = creditor_of(&tx, creditor_id).await?;
        let business_date = creditor
            .business_date
            .ok_or_else(|| from_domain(DomainError::NoBusinessDay))?;
        let keys: Vec<ArrangementKey> = due.iter().map(|(key, _)| key.clone()).collect();
        let arrangements = storage::arrangement::get_many(&tx, creditor_id, &keys).await?;
        let pass = |each: &mut Arrangement| each.pass(business_date);
        let events = change(&tx, &creditor, arrangements, pass).await?;
        tx.append(events)?;
        tx.commit().await
    }
}

/// Takes what is open now on these invoices into the open promises and plans that cover them, and answers with the events
/// of those that changed. The items must be stored, and the locks of their debtors held.
pub(super) async fn recount<'a>(
    tx: &WriteTx,
    creditor: &Creditor,
    invoice_ids: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<NewEvent>> {
    let creditor_id = &creditor.creditor_id;
    let covering = storage::arrangement::covering(tx, creditor_id, invoice_ids).await?;
    let Some(business_date) = creditor.business_date.filter(|_| !covering.is_empty()) else {
        return Ok(Vec::new());
    };
    let keys: BTreeSet<ArrangementKey> = covering.into_values().collect();
    let keys: Vec<ArrangementKey> = keys.into_iter().collect();
    let arrangements = storage::arrangement::get_many(tx, creditor_id, &keys).await?;
    let invoices = arrangements
        .iter()
        .flat_map(|each| &each.invoices)
        .map(|invoice| ItemKey::invoice(&invoice.invoice_id))
        .collect();
    let items = storage::item::get_many(tx, creditor_id, &invoices).await?;
    let open: HashMap<&str, i64> = items
        .iter()
        .map(|item| (item.key.id.as_str(), item.open))
        .collect();
    let open = |invoice_id: &str| open.get(invoice_id).copied().unwrap_or_default();
    let count = |each: &mut Arrangement| each.count(open, business_date);
    change(tx, creditor, arrangements, count).await
}

/// Changes arrangements, saves those to which something has happened, and answers with their events.
async fn change(
    tx: &WriteTx,
    creditor: &Creditor,
    arrangements: Vec<Arrangement>,
    change: impl Fn(&mut Arrangement) -> Option<&'static str>,
) -> Result<Vec<NewEvent>> {
    let (mut changed, mut events) = (Vec::new(), Vec::new());
    for mut arrangement in arrangements {
        if let Some(action) = change(&mut arrangement) {
            events.push(feed::arrangement_event(creditor, &arrangement, action));
            changed.push(arrangement);
        }
    }
    storage::arrangement::save(tx, &creditor.creditor_id, &changed).await?;
    Ok(events)
}
