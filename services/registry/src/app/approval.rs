//! Four eyes: asking for what needs two, granting and refusing it.

use mahnwerk_feed::{Begun, Locks, OnceTx, Written};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
};
use registry_core::{
    account::{ItemKey, PostingRequest},
    approval::{Approval, ApprovalState, Deed, NewWriteOff},
    creditor::Creditor,
    date,
    error::DomainError,
    money::Money,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    App, Page, account::ItemView, creditor_of, debtor_of, from_domain, not_found,
    posting::WorkingSet,
};
use crate::{
    feed,
    storage::{self, approval::ApprovalFilter},
};

/// What a grant leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The approval.
    pub approval: Approval,
    /// The invoice with the write-off.
    pub invoice: ItemView,
}

/// An approval about to be decided, with its debtor locked.
struct Deciding {
    once: Box<OnceTx>,
    creditor: Creditor,
    approval: Approval,
}

impl App {
    /// Asks for a write-off. It is tried on the books as they are; nothing of that is kept.
    ///
    /// # Errors
    /// `NotFound` for the creditor or the invoice, `NO_BUSINESS_DAY`, every refusal of the ledger, `ALREADY_COVERED` if an
    /// approval is pending for the invoice, `RequestIdReused`, and those of the database.
    pub async fn request_write_off(
        &self,
        call: &Call,
        request_id: &str,
        new: NewWriteOff,
    ) -> Result<Written<Approval>> {
        let creditor_id = new.creditor_id.clone();
        let invoice = ItemKey::invoice(&new.invoice_id);
        let db = self.publisher.db();
        // The debtor of an item never changes. An item that is not there yet has none; the transaction then says so.
        let debtor_id = storage::item::get(db, &creditor_id, &invoice)
            .await?
            .map(|item| item.debtor_id);
        let locks = Locks::debtors(&creditor_id, debtor_id.as_deref());
        let method = "RequestWriteOff";
        let begun = self
            .publisher
            .begin_once(call, method, &creditor_id, request_id, &new, locks)
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, &creditor_id).await?;
        let posting = new.posting();
        let ids = self.publisher.ids().clone();
        let mut working = WorkingSet::load(&**once, ids, creditor.clone(), [&posting], []).await?;
        if working.debtor_of_item(&invoice) != debtor_id.as_deref() {
            return Err(Error::Contention(None));
        }
        let item = working.view(&invoice).map(|view| view.item);
        let request = PostingRequest {
            posting,
            recorded_date: None,
        };
        working.post(&request).map_err(from_domain)?;
        let item = item.ok_or_else(|| not_found("invoice", &invoice.id))?;
        let deed = deed(call, &once, &creditor)?;
        let before = storage::approval::undecided(&**once, &creditor_id, &invoice.id).await?;
        if let Some(mut before) = before {
            if before.state_on(deed.business_date) == ApprovalState::Pending {
                let (kind, id) = ("approval", before.approval_id);
                return Err(from_domain(DomainError::AlreadyCovered { kind, id }));
            }
            before.expire();
            storage::approval::save(&**once, &before).await?;
            once.append(vec![feed::approval_event(&creditor, &before, "expired")])?;
        }
        let amount = new.amount.unwrap_or(Money::new(item.currency, item.open));
        let approval = new.ask(once.new_id(), item.debtor_id, amount, &deed);
        storage::approval::save(&**once, &approval).await?;
        once.append(vec![feed::approval_event(
            &creditor,
            &approval,
            "requested",
        )])?;
        once.finish(approval).await
    }

    /// Grants a pending approval and posts what it asks for.
    ///
    /// # Errors
    /// `NotFound`, `NO_BUSINESS_DAY`, `WRONG_STATE` unless it is pending, `FOUR_EYES_REQUIRED` for whoever asked, every
    /// refusal of the ledger, `RequestIdReused`, and those of the database.
    pub async fn grant_approval(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        approval_id: &str,
    ) -> Result<Written<Granted>> {
        let of = (creditor_id, approval_id);
        let begun = self.begin_deciding(call, "GrantApproval", request_id, of, &approval_id);
        let Deciding {
            mut once,
            creditor,
            mut approval,
        } = match begun.await? {
            Ok(deciding) => deciding,
            Err(written) => return Ok(written),
        };
        let deed = deed(call, &once, &creditor)?;
        approval.grant(&deed).map_err(from_domain)?;
        let posting = approval.posting();
        let ids = self.publisher.ids().clone();
        let mut working = WorkingSet::load(&**once, ids, creditor.clone(), [&posting], []).await?;
        let request = PostingRequest {
            posting,
            recorded_date: None,
        };
        let key = working.post(&request).map_err(from_domain)?;
        let invoice = working
            .view(&key)
            .ok_or_else(|| Error::internal("a posting left no item"))?;
        working.save(&mut once).await?;
        storage::approval::save(&**once, &approval).await?;
        once.append(vec![feed::approval_event(&creditor, &approval, "granted")])?;
        once.finish(Granted { approval, invoice }).await
    }

    /// Refuses a pending approval.
    ///
    /// # Errors
    /// `NotFound`, `NO_BUSINESS_DAY`, `WRONG_STATE` unless it is pending, `RequestIdReused`, and those of the database.
    pub async fn refuse_approval(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        approval_id: &str,
        note: String,
    ) -> Result<Written<Approval>> {
        let (of, command) = ((creditor_id, approval_id), (approval_id, &note));
        let begun = self.begin_deciding(call, "RefuseApproval", request_id, of, &command);
        let Deciding {
            mut once,
            creditor,
            mut approval,
        } = match begun.await? {
            Ok(deciding) => deciding,
            Err(written) => return Ok(written),
        };
        let deed = deed(call, &once, &creditor)?;
        approval.refuse(&deed, note).map_err(from_domain)?;
        storage::approval::save(&**once, &approval).await?;
        once.append(vec![feed::approval_event(&creditor, &approval, "refused")])?;
        once.finish(approval).await
    }

    /// Begins a decision on an approval, or answers what was answered before.
    async fn begin_deciding<C: Serialize + Sync, R: DeserializeOwned + Send>(
        &self,
        call: &Call,
        method: &'static str,
        request_id: &str,
        (creditor_id, approval_id): (&str, &str),
        command: &C,
    ) -> Result<Result<Deciding, Written<R>>> {
        // Its debtor never changes.
        let debtor_id = storage::approval::get(self.publisher.db(), creditor_id, approval_id)
            .await?
            .map(|approval| approval.debtor_id);
        let locks = Locks::debtors(creditor_id, debtor_id.as_deref());
        let begun = self
            .publisher
            .begin_once(call, method, creditor_id, request_id, command, locks)
            .await?;
        let once = match begun {
            Begun::Replayed(written) => return Ok(Err(written)),
            Begun::Fresh(once) => once,
        };
        let creditor = creditor_of(&**once, creditor_id).await?;
        let approval = storage::approval::get(&**once, creditor_id, approval_id).await?;
        let approval = approval.ok_or_else(|| not_found("approval", approval_id))?;
        if debtor_id.as_ref() != Some(&approval.debtor_id) {
            return Err(Error::Contention(None));
        }
        Ok(Ok(Deciding {
            once,
            creditor,
            approval,
        }))
    }

    /// Reads an approval, as it stands on the business date.
    ///
    /// # Errors
    /// `NotFound` for the creditor or the approval; those of a consistency token.
    pub async fn approval(
        &self,
        creditor_id: &str,
        approval_id: &str,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Approval> {
        self.freshness.all(at_least, deadline).await?;
        let reading = self.publisher.db().begin_read().await?;
        let creditor = creditor_of(&reading, creditor_id).await?;
        let approval = storage::approval::get(&reading, creditor_id, approval_id).await?;
        let approval = approval.ok_or_else(|| not_found("approval", approval_id))?;
        Ok(approval.as_of(today(&creditor)))
    }

    /// Lists approvals as they stand on the business date, newest first, before `before`.
    ///
    /// # Errors
    /// `NotFound` for the creditor or the debtor; those of a consistency token.
    pub async fn approvals(
        &self,
        creditor_id: &str,
        filter: &ApprovalFilter,
        before: &str,
        limit: u64,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Page<Approval>> {
        self.freshness.all(at_least, deadline).await?;
        let reading = self.publisher.db().begin_read().await?;
        let creditor = creditor_of(&reading, creditor_id).await?;
        if !filter.debtor_id.is_empty() {
            debtor_of(&reading, creditor_id, &filter.debtor_id).await?;
        }
        let today = today(&creditor);
        let rows = storage::approval::list(&reading, creditor_id, filter, today, before, limit + 1)
            .await?;
        let Page { rows, more } = Page::cut(rows, limit);
        let rows = rows.into_iter().map(|each| each.as_of(today)).collect();
        Ok(Page { rows, more })
    }
}

/// Who decides, and when.
fn deed<'a>(call: &'a Call, once: &OnceTx, creditor: &Creditor) -> Result<Deed<'a>> {
    let no_day = || from_domain(DomainError::NoBusinessDay);
    Ok(Deed {
        principal: &call.principal,
        at: once.recorded_at(),
        business_date: creditor.business_date.ok_or_else(no_day)?,
    })
}

/// The business date; before the first one nothing can have expired.
fn today(creditor: &Creditor) -> chrono::NaiveDate {
    creditor.business_date.unwrap_or(date::MIN)
}
