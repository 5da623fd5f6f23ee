//! The projection of the registry: creditors, debtors, what they owe, dispute and promise, and when they were reminded.
//!
//! Of facts nothing follows at once but a task for each promise and plan that breaks: runs and explanations evaluate from
//! what is stored.

use std::collections::BTreeMap;

use mahnwerk_feed::{
    Batch, Change, Projection, StoredRow, WriteTx,
    consume::rows::{Newest, state},
};
use mahnwerk_proto::{
    common::v1::Money,
    registry::v1::{
        Channel, Contact, ContactPoint, ContactPurpose, Creditor, Debtor, DebtorKind, Dispute,
        DisputeState, InstalmentPlan, InstalmentPlanState, Item, Promise, PromiseState,
    },
};
use mahnwerk_runtime::{
    db::Db,
    error::{Error, Result},
};

use super::{day, opt_day, store::store};
use crate::{
    app::{
        broken::{self, Broken},
        calendar::business_calendar,
    },
    storage::{
        facts::{
            CONTACT, CONTACT_POINT, CreditorRow, DEBTOR, DISPUTE, Fact, INSTALMENT_PLAN, INVOICE,
            ITEM, PROMISE, StoredArrangement, StoredContact, StoredContactPoint, StoredCover,
            StoredCredit, StoredDebtor, StoredInvoice, StoredPrincipal,
        },
        from_day, procedure, projection as stored,
    },
};

/// The projection code's version; raise it when what is stored changes.
const VERSION: i64 = 1;

/// Name of the feed.
const FEED: &str = "registry";

/// Entity of creditors on the feed.
const CREDITOR: &str = "creditor";

/// Entities of debtors that leave rows here.
const ENTITIES: &[&str] = &[
    DEBTOR,
    CONTACT_POINT,
    ITEM,
    DISPUTE,
    PROMISE,
    INSTALMENT_PLAN,
    CONTACT,
];

/// Those that are compared with the registry's own state. Contacts never change, and the registry may leave old ones
/// out of its snapshots at any time.
const COMPARED: &[&str] = &[
    DEBTOR,
    CONTACT_POINT,
    ITEM,
    DISPUTE,
    PROMISE,
    INSTALMENT_PLAN,
];

/// Dunning's projection of the registry.
pub struct Registry;

#[async_trait::async_trait]
impl Projection for Registry {
    fn feed(&self) -> &'static str {
        FEED
    }

    fn version(&self) -> i64 {
        VERSION
    }

    fn sweep_of(&self, _change: &Change) -> Option<&'static str> {
        None
    }

    async fn apply(&self, tx: &mut WriteTx, batch: Batch<'_>) -> Result<()> {
        let mut creditors = Newest::default();
        let mut facts = Newest::default();
        for change in batch.changes {
            let generation = batch.generation(change);
            if change.entity == CREDITOR {
                let row = state(change)?.map(creditor_row).transpose()?;
                creditors.add(change, generation, row);
            } else if ENTITIES.contains(&change.entity.as_str()) {
                facts.add(change, generation, fact(change)?);
            }
            // What is not known yet is for later programs.
        }
        store_creditors(tx, creditors).await?;
        store(facts, tx, FEED).await?;
        if !batch.consequences {
            return Ok(());
        }
        let broken = batch
            .changes
            .iter()
            .filter_map(|it| what_broke(it).transpose());
        let broken: Vec<Broken> = broken.collect::<Result<_>>()?;
        broken::ask(tx, &broken).await
    }

    async fn remove_stale(&self, tx: &mut WriteTx, part: i64, generation: i64) -> Result<()> {
        if part < 0 {
            return stored::remove_stale_creditors(tx, generation).await;
        }
        stored::remove_stale_facts(tx, FEED, part, generation).await
    }

    fn keeps(&self, change: &Change) -> bool {
        let entity = change.entity.as_str();
        entity == CREDITOR || (COMPARED.contains(&entity) && !matches!(fact(change), Ok(None)))
    }

    async fn stored(&self, db: &Db, part: i64) -> Result<Vec<StoredRow>> {
        if part < 0 {
            return stored::stored_creditors(db).await;
        }
        stored::stored_facts(db, FEED, part, COMPARED).await
    }

    async fn creditors(&self, db: &Db) -> Result<Vec<String>> {
        stored::creditors(db).await
    }

    async fn sweep_candidates(
        &self,
        _db: &Db,
        _kind: &str,
        _creditor_id: &str,
        _parts: &[i64],
        _after: &str,
        _limit: u64,
    ) -> Result<Vec<(i64, String)>> {
        Ok(Vec::new())
    }

    async fn sweep(
        &self,
        _tx: &mut WriteTx,
        _kind: &str,
        _creditor_id: &str,
        _debtors: &[String],
    ) -> Result<()> {
        Ok(())
    }
}

/// Stores creditors; one that appears gets the starter procedures.
async fn store_creditors(tx: &WriteTx, creditors: Newest<CreditorRow>) -> Result<()> {
    let (there, gone) = creditors.split();
    stored::upsert_creditors(tx, &there).await?;
    let ids: Vec<_> = there
        .into_iter()
        .map(|(stamp, _)| stamp.creditor_id)
        .collect();
    procedure::insert_starters(tx, &ids, tx.recorded_at()).await?;
    stored::delete_creditors(tx, &gone).await
}

/// A calendar that is not known here parks the creditor: without it no date could be told.
fn creditor_row(creditor: Creditor) -> Result<CreditorRow> {
    business_calendar(&creditor.calendar)?;
    Ok(CreditorRow {
        business_date: opt_day(creditor.business_date.as_ref())?,
        last_bank_import: opt_day(creditor.last_bank_import.as_ref())?,
        display_name: creditor.display_name,
        calendar: creditor.calendar,
    })
}

/// What is kept of a change; `None` if it was deleted or says nothing to dunning.
fn fact(change: &Change) -> Result<Option<Fact>> {
    Ok(match change.entity.as_str() {
        DEBTOR => state(change)?.map(debtor).transpose()?,
        CONTACT_POINT => state(change)?.and_then(contact_point),
        ITEM if change.entity_id.starts_with(INVOICE) => match state(change)? {
            Some(item) => invoice(&item)?,
            None => None,
        },
        ITEM => match state(change)? {
            Some(item) => credit(&item)?,
            None => None,
        },
        DISPUTE => state(change)?.and_then(dispute),
        PROMISE => match state(change)? {
            Some(promise) => self::promise(&promise)?,
            None => None,
        },
        INSTALMENT_PLAN => match state(change)? {
            Some(plan) => self::plan(&plan)?,
            None => None,
        },
        CONTACT => match state(change)? {
            Some(contact) => self::contact(&contact)?,
            None => None,
        },
        _ => None,
    })
}

fn debtor(debtor: Debtor) -> Result<Fact> {
    Ok(Fact::Debtor(StoredDebtor {
        person: debtor.kind() == DebtorKind::Person,
        insolvent_since: opt_day(debtor.insolvent_since.as_ref())?,
        deceased_since: opt_day(debtor.deceased_since.as_ref())?,
        display_name: debtor.display_name,
        language: debtor.language,
        country: debtor.country,
        preferred_channel: debtor.preferred_channel,
    }))
}

/// A contact point of a channel that is not known here cannot be used.
fn contact_point(point: ContactPoint) -> Option<Fact> {
    if point.channel() == Channel::Unspecified {
        return None;
    }
    Some(Fact::ContactPoint(StoredContactPoint {
        id: point.contact_point_id,
        channel: point.channel,
        address: point.address,
        state: point.state,
    }))
}

/// An invoice as long as something is open.
fn invoice(item: &Item) -> Result<Option<Fact>> {
    let open = money(item.open_amount.as_ref())?;
    if open.minor_units <= 0 {
        return Ok(None);
    }
    Ok(Some(Fact::Invoice(StoredInvoice {
        currency: open.currency_code.clone(),
        open: open.minor_units,
        document_date: day(item.document_date.as_ref())?,
        due_date: day(item.due_date.as_ref())?,
        history: history(item)?,
    })))
}

/// What was open from each value date on; empty if the amount never changed, which says as much. Entries may come in any
/// order of their dates, so what they make of the amount in between is kept within it.
fn history(item: &Item) -> Result<Vec<StoredPrincipal>> {
    if item.entries.is_empty() {
        return Ok(Vec::new());
    }
    let amount = money(item.amount.as_ref())?.minor_units;
    let document_date = day(item.document_date.as_ref())?;
    let mut settled: BTreeMap<i64, i64> = BTreeMap::from([(document_date, 0)]);
    for entry in &item.entries {
        let on = day(entry.value_date.as_ref())?.max(document_date);
        let minor = money(entry.amount.as_ref())?.minor_units;
        let sum = settled.entry(on).or_default();
        *sum = sum.saturating_add(minor);
    }
    let mut open = amount;
    let mut history: Vec<StoredPrincipal> = Vec::with_capacity(settled.len());
    for (on, settled) in settled {
        open = open.saturating_sub(settled);
        let point = StoredPrincipal {
            on,
            open: open.clamp(0, amount),
        };
        if history
            .last()
            .is_none_or(|before| before.open != point.open)
        {
            history.push(point);
        }
    }
    Ok(if history.len() > 1 {
        history
    } else {
        Vec::new()
    })
}

/// A payment or credit note as long as something of it is not allocated.
fn credit(item: &Item) -> Result<Option<Fact>> {
    let open = money(item.open_amount.as_ref())?;
    Ok((open.minor_units > 0).then(|| {
        Fact::Credit(StoredCredit {
            currency: open.currency_code.clone(),
            open: open.minor_units,
        })
    }))
}

/// An open dispute.
fn dispute(dispute: Dispute) -> Option<Fact> {
    (dispute.state() == DisputeState::Open).then(|| {
        let minor = dispute.amount.as_ref().map(|amount| amount.minor_units);
        Fact::Dispute(StoredArrangement {
            covered: vec![StoredCover {
                item_id: dispute.invoice_id,
                minor,
            }],
            broken_on: None,
        })
    })
}

/// An open promise.
fn promise(promise: &Promise) -> Result<Option<Fact>> {
    if promise.state() != PromiseState::Open {
        return Ok(None);
    }
    Ok(Some(Fact::Promise(StoredArrangement {
        covered: covered(&promise.invoice_ids, &promise.covered_amounts)?,
        broken_on: None,
    })))
}

/// An active plan; of a broken one, which invoices begin their ladder anew.
fn plan(plan: &InstalmentPlan) -> Result<Option<Fact>> {
    Ok(match plan.state() {
        InstalmentPlanState::Active => Some(Fact::Plan(StoredArrangement {
            covered: covered(&plan.invoice_ids, &plan.covered_amounts)?,
            broken_on: None,
        })),
        InstalmentPlanState::Broken => {
            let cover = |item_id: &String| StoredCover {
                item_id: item_id.clone(),
                minor: Some(0),
            };
            Some(Fact::Plan(StoredArrangement {
                covered: plan.invoice_ids.iter().map(cover).collect(),
                broken_on: Some(day(plan.closed_date.as_ref())?),
            }))
        }
        _ => None,
    })
}

/// What a change tells to be broken: also a promise of which only a part came in time.
fn what_broke(change: &Change) -> Result<Option<Broken>> {
    let (invoice_ids, closed_date) = match change.entity.as_str() {
        PROMISE => match state::<Promise>(change)? {
            Some(it) if matches!(it.state(), PromiseState::Broken | PromiseState::PartlyKept) => {
                (it.invoice_ids, it.closed_date)
            }
            _ => return Ok(None),
        },
        INSTALMENT_PLAN => match state::<InstalmentPlan>(change)? {
            Some(it) if it.state() == InstalmentPlanState::Broken => {
                (it.invoice_ids, it.closed_date)
            }
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(Broken {
        creditor_id: change.creditor_id.clone(),
        debtor_id: change.debtor_id.clone(),
        reference: format!("{}/{}", change.entity, change.entity_id),
        item_ids: invoice_ids,
        on: from_day(day(closed_date.as_ref())?)?,
    }))
}

fn covered(invoice_ids: &[String], amounts: &[Money]) -> Result<Vec<StoredCover>> {
    if invoice_ids.len() != amounts.len() {
        return Err(Error::internal("not one covered amount per invoice"));
    }
    let cover = |(item_id, amount): (&String, &Money)| StoredCover {
        item_id: item_id.clone(),
        minor: Some(amount.minor_units),
    };
    Ok(invoice_ids.iter().zip(amounts).map(cover).collect())
}

/// A reminder; other contacts do not count.
fn contact(contact: &Contact) -> Result<Option<Fact>> {
    if contact.purpose() != ContactPurpose::Reminder || contact.channel() == Channel::Unspecified {
        return Ok(None);
    }
    Ok(Some(Fact::Contact(StoredContact {
        on: day(contact.contact_date.as_ref())?,
        channel: contact.channel,
    })))
}

fn money(money: Option<&Money>) -> Result<&Money> {
    money.ok_or_else(|| Error::internal("an amount is missing"))
}
