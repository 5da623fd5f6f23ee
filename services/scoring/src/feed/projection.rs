//! The projection of the registry: creditors, rates, debtors, invoices and arrangements as they came; scores as
//! consequences.

mod arrangement;

use std::collections::{BTreeMap, BTreeSet};

use mahnwerk_feed::{
    Batch, Change, Projection, StoredRow, WriteTx,
    consume::rows::{Newest, Stamp, state},
};
use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{
        Creditor, Debtor, DebtorKind, Entry, EntryKind, FxRate, Item, ItemKind, Relationship,
    },
};
use mahnwerk_runtime::{
    db::Db,
    error::{Error, Result},
    validate::to_date,
};
use scoring_core::facts::{ItemFacts, Settlement, SettlementKind};

use crate::{
    app::{Rules, rescore::rescore},
    storage::{
        day_number,
        facts::encode_item,
        from_day,
        projection::{
            self as stored, ArrangementRow, CreditorRow, DebtorRow, FxRateRow, ItemRow, Visit,
        },
    },
};

/// The sweep that a new business day starts: whose score may have aged.
const BUSINESS_DAY: &str = "business_day";

/// How the key of an invoice on the feed begins; the rest is its id.
const INVOICE: &str = "invoice/";

/// The projection code's version; raise it when what is stored changes.
const VERSION: i64 = 2;

/// Scoring's projection of the registry.
pub struct Registry {
    rules: Rules,
}

impl Registry {
    /// With these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules }
    }
}

/// The changes of a batch by what they concern.
#[derive(Default)]
struct Sorted {
    creditors: Newest<CreditorRow>,
    rates: Newest<FxRateRow>,
    debtors: Newest<DebtorRow>,
    items: Newest<ItemRow>,
    /// By kind.
    arrangements: BTreeMap<&'static str, Newest<ArrangementRow>>,
    /// Debtors to be scored again, by creditor.
    concerned: BTreeMap<String, BTreeSet<String>>,
}

impl Sorted {
    fn add(&mut self, change: &Change, generation: i64) -> Result<()> {
        match change.entity.as_str() {
            "creditor" => {
                let row = state(change)?.map(creditor_row).transpose()?;
                self.creditors.add(change, generation, row);
            }
            "fx_rate" => {
                let row = state(change)?.map(rate_row).transpose()?;
                self.rates.add(change, generation, row);
            }
            "debtor" => {
                let row = state(change)?.map(debtor_row).transpose()?;
                self.debtors.add(change, generation, row);
                self.concern(change);
            }
            "item" if is_invoice(change) => {
                let row = state(change)?.map(item_row).transpose()?;
                self.items.add(change, generation, row);
                self.concern(change);
            }
            // Contact points, payments and credit notes say nothing that the invoices do not, and what is not known
            // yet is for later programs.
            entity => {
                if let Some((kind, row)) = arrangement::row(entity, change)? {
                    let newest = self.arrangements.entry(kind).or_default();
                    newest.add(change, generation, row);
                    self.concern(change);
                }
            }
        }
        Ok(())
    }

    fn concern(&mut self, change: &Change) {
        self.concerned
            .entry(change.creditor_id.clone())
            .or_default()
            .insert(change.debtor_id.clone());
    }

    /// Stores what is newer than what is stored; answers the debtors concerned.
    async fn store(self, tx: &mut WriteTx) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let (there, gone) = self.creditors.split();
        stored::upsert_creditors(tx, &there).await?;
        stored::delete_creditors(tx, &gone).await?;
        let (there, gone) = self.rates.split();
        stored::upsert_rates(tx, &there).await?;
        let gone = gone
            .into_iter()
            .map(|stamp| rate_key(&stamp.entity_id).map(|key| (stamp, key)))
            .collect::<Result<Vec<_>>>()?;
        stored::delete_rates(tx, &gone).await?;
        let (there, gone_debtors) = self.debtors.split();
        stored::upsert_debtors(tx, &there).await?;
        let (there, gone) = self.items.split();
        stored::upsert_items(tx, there).await?;
        stored::delete_items(tx, &gone.iter().map(invoice_key).collect::<Vec<_>>()).await?;
        for (kind, arrangements) in self.arrangements {
            let (there, gone) = arrangements.split();
            stored::upsert_arrangements(tx, kind, &there).await?;
            stored::delete_arrangements(tx, kind, &gone).await?;
        }
        // Last, because it takes what belongs to the debtors along.
        stored::delete_debtors(tx, &gone_debtors).await?;
        Ok(self.concerned)
    }
}

#[async_trait::async_trait]
impl Projection for Registry {
    fn feed(&self) -> &'static str {
        "registry"
    }

    fn version(&self) -> i64 {
        VERSION
    }

    fn sweep_of(&self, change: &Change) -> Option<&'static str> {
        // Limits and exposure convert at the time of a decision, so a new rate changes no score.
        (change.entity == "creditor").then_some(BUSINESS_DAY)
    }

    async fn apply(&self, tx: &mut WriteTx, batch: Batch<'_>) -> Result<()> {
        let mut sorted = Sorted::default();
        for change in batch.changes {
            sorted.add(change, batch.generation(change))?;
        }
        let concerned = sorted.store(tx).await?;
        if batch.consequences {
            for (creditor_id, debtors) in concerned {
                let debtors: Vec<_> = debtors.into_iter().collect();
                rescore(tx, &self.rules, &creditor_id, &debtors).await?;
            }
        }
        Ok(())
    }

    async fn remove_stale(&self, tx: &mut WriteTx, part: i64, generation: i64) -> Result<()> {
        stored::remove_stale(tx, part, generation).await
    }

    fn keeps(&self, change: &Change) -> bool {
        match change.entity.as_str() {
            "item" => is_invoice(change),
            "creditor" | "fx_rate" | "debtor" => true,
            entity => stored::ARRANGEMENTS.contains(&entity),
        }
    }

    async fn stored(&self, db: &Db, part: i64) -> Result<Vec<StoredRow>> {
        if part < 0 {
            let mut rows = stored::stored_creditors(db).await?;
            for (row, key) in stored::stored_rates(db).await? {
                rows.push(StoredRow {
                    entity_id: rate_id(&key)?,
                    ..row
                });
            }
            return Ok(rows);
        }
        let mut rows = stored::stored_debtors(db, part).await?;
        let items = stored::stored_items(db, part).await?;
        rows.extend(items.into_iter().map(|row| StoredRow {
            entity_id: format!("{INVOICE}{}", row.entity_id),
            ..row
        }));
        rows.extend(stored::stored_arrangements(db, part).await?);
        Ok(rows)
    }

    async fn creditors(&self, db: &Db) -> Result<Vec<String>> {
        stored::creditors(db).await
    }

    async fn sweep_candidates(
        &self,
        db: &Db,
        kind: &str,
        creditor_id: &str,
        parts: &[i64],
        after: &str,
        limit: u64,
    ) -> Result<Vec<(i64, String)>> {
        let visit = if kind == BUSINESS_DAY {
            Visit::Stale
        } else {
            Visit::All
        };
        stored::debtors_in(db, creditor_id, parts, after, visit, limit).await
    }

    async fn sweep(
        &self,
        tx: &mut WriteTx,
        _kind: &str,
        creditor_id: &str,
        debtors: &[String],
    ) -> Result<()> {
        rescore(tx, &self.rules, creditor_id, debtors).await
    }
}

fn creditor_row(creditor: Creditor) -> Result<CreditorRow> {
    Ok(CreditorRow {
        business_date: opt_day(creditor.business_date.as_ref())?,
        reporting_currency: creditor.reporting_currency,
    })
}

fn rate_row(rate: FxRate) -> Result<FxRateRow> {
    Ok(FxRateRow {
        rate_date: day(rate.rate_date.as_ref())?,
        base: rate.base_currency,
        quote: rate.quote_currency,
        numerator: rate.numerator,
        denominator: rate.denominator,
    })
}

/// The key of a rate from its id on the feed, for example `EUR/USD/2026-01-31`.
fn rate_key(id: &str) -> Result<(String, String, i64)> {
    let mut parts = id.splitn(3, '/');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let (base, quote, date) = (next(), next(), next());
    let date: chrono::NaiveDate = date
        .parse()
        .map_err(|_| Error::internal("the id of a rate does not end with a date"))?;
    Ok((base, quote, day_number(date)))
}

/// The id on the feed of a rate by its key.
fn rate_id((base, quote, day): &(String, String, i64)) -> Result<String> {
    Ok(format!("{base}/{quote}/{}", from_day(*day)?))
}

/// An invoice that is gone, with its id.
fn invoice_key(gone: &Stamp) -> (&Stamp, &str) {
    let id = gone.entity_id.strip_prefix(INVOICE);
    (gone, id.unwrap_or(&gone.entity_id))
}

/// Of the items only invoices are kept: they say what settled them.
fn is_invoice(change: &Change) -> bool {
    change.entity_id.starts_with(INVOICE)
}

fn debtor_row(debtor: Debtor) -> Result<DebtorRow> {
    Ok(DebtorRow {
        person: debtor.kind() == DebtorKind::Person,
        prospect: debtor.relationship() == Relationship::Prospect,
        customer_since: opt_day(debtor.customer_since.as_ref())?,
        insolvent_since: opt_day(debtor.insolvent_since.as_ref())?,
        deceased_since: opt_day(debtor.deceased_since.as_ref())?,
        credit_hold: debtor.credit_hold,
    })
}

fn item_row(item: Item) -> Result<ItemRow> {
    Ok(ItemRow {
        facts: encode_item(&item_facts(&item)?),
        item_id: item.item_id,
    })
}

fn item_facts(item: &Item) -> Result<ItemFacts> {
    let settlements = item.entries.iter().map(settlement).collect::<Result<_>>()?;
    Ok(ItemFacts {
        item_id: item.item_id.clone(),
        currency: money(item.amount.as_ref())?.currency_code.clone(),
        amount: money(item.amount.as_ref())?.minor_units,
        document_date: date(item.document_date.as_ref())?,
        due_date: date(item.due_date.as_ref())?,
        recorded_date: date(item.recorded_date.as_ref())?,
        settlements,
    })
}

fn settlement(entry: &Entry) -> Result<Settlement> {
    let kind = match (entry.kind(), entry.credit_kind()) {
        (EntryKind::Allocation, ItemKind::CreditNote) => SettlementKind::CreditNote,
        (EntryKind::Allocation, _) => SettlementKind::Payment,
        (EntryKind::Discount, _) => SettlementKind::Discount,
        (EntryKind::WriteOff, _) => SettlementKind::WriteOff,
        (EntryKind::Cancellation, _) => SettlementKind::Cancellation,
        (EntryKind::Unspecified, _) => return Err(Error::internal("an entry of no known kind")),
    };
    Ok(Settlement {
        amount: money(entry.amount.as_ref())?.minor_units,
        value_date: date(entry.value_date.as_ref())?,
        recorded_date: date(entry.recorded_date.as_ref())?,
        kind,
    })
}

fn money(money: Option<&Money>) -> Result<&Money> {
    money.ok_or_else(|| Error::internal("an amount is missing"))
}

fn date(date: Option<&Date>) -> Result<chrono::NaiveDate> {
    date.and_then(to_date)
        .ok_or_else(|| Error::internal("a date is missing or none"))
}

fn day(value: Option<&Date>) -> Result<i64> {
    date(value).map(day_number)
}

fn opt_day(value: Option<&Date>) -> Result<Option<i64>> {
    value.map(|value| day(Some(value))).transpose()
}
