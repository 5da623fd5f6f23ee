//! The projection of the registry: creditors, rates and debtors as they came; memberships as consequences.

use mahnwerk_feed::{
    Batch, Change, Projection, StoredRow, WriteTx,
    consume::rows::{Newest, state},
};
use mahnwerk_proto::registry::v1::{self, Creditor, Debtor, FxRate};
use mahnwerk_runtime::{
    db::Db,
    error::{Error, Result},
};
use segmentation_core::facts::{
    BillingMethod, Channel, DebtorKind, Relationship, build::RegistryPart,
};

use super::{
    concerned::Concerned,
    convert::{date, opt_date},
};
use crate::{
    app::{place::place, schemes::Schemes},
    storage::{
        day_number, from_day,
        projection::{self as stored, CreditorRow, DebtorRow, FxRateRow, Visit},
        to_json,
    },
};

/// The sweep that a new business day starts: whom time alone may move.
const BUSINESS_DAY: &str = "business_day";

/// The sweep that a rate starts: whose amounts may differ.
const RATES: &str = "rates";

/// The projection code's version; raise it when what is stored changes.
const VERSION: i64 = 1;

/// Segmentation's projection of the registry.
pub struct Registry {
    schemes: Schemes,
}

impl Registry {
    /// With these schemes.
    #[must_use]
    pub fn new(schemes: Schemes) -> Self {
        Self { schemes }
    }
}

/// The changes of a batch by what they concern.
#[derive(Default)]
struct Sorted {
    creditors: Newest<CreditorRow>,
    rates: Newest<FxRateRow>,
    debtors: Newest<DebtorRow>,
    concerned: Concerned,
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
                self.concerned.add(change);
            }
            // Items speak through scoring; contact points and contacts say nothing about where a debtor belongs.
            _ => {}
        }
        Ok(())
    }

    /// Stores what is newer than what is stored; answers the debtors concerned.
    async fn store(self, tx: &mut WriteTx, schemes: &Schemes) -> Result<Concerned> {
        let (there, gone) = self.creditors.split();
        stored::upsert_creditors(tx, &there).await?;
        let creditors = there.iter().map(|(stamp, _)| stamp.creditor_id.as_str());
        schemes.begin_with(tx, creditors).await?;
        stored::delete_creditors(tx, &gone).await?;
        let (there, gone) = self.rates.split();
        stored::upsert_rates(tx, &there).await?;
        let gone = gone
            .into_iter()
            .map(|stamp| rate_key(&stamp.entity_id).map(|key| (stamp, key)))
            .collect::<Result<Vec<_>>>()?;
        stored::delete_rates(tx, &gone).await?;
        let (there, gone) = self.debtors.split();
        stored::upsert_debtors(tx, &there).await?;
        stored::delete_debtors(tx, &gone).await?;
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
        match change.entity.as_str() {
            "creditor" => Some(BUSINESS_DAY),
            "fx_rate" => Some(RATES),
            _ => None,
        }
    }

    async fn apply(&self, tx: &mut WriteTx, batch: Batch<'_>) -> Result<()> {
        let mut sorted = Sorted::default();
        for change in batch.changes {
            sorted.add(change, batch.generation(change))?;
        }
        let concerned = sorted.store(tx, &self.schemes).await?;
        if batch.consequences {
            concerned.place(tx, &self.schemes).await?;
        }
        Ok(())
    }

    async fn remove_stale(&self, tx: &mut WriteTx, part: i64, generation: i64) -> Result<()> {
        stored::remove_stale_registry(tx, part, generation).await
    }

    fn keeps(&self, change: &Change) -> bool {
        matches!(change.entity.as_str(), "creditor" | "fx_rate" | "debtor")
    }

    async fn stored(&self, db: &Db, part: i64) -> Result<Vec<StoredRow>> {
        if part >= 0 {
            return stored::stored_debtors(db, part).await;
        }
        let mut rows = stored::stored_creditors(db).await?;
        for (row, key) in stored::stored_rates(db).await? {
            rows.push(StoredRow {
                entity_id: rate_id(&key)?,
                ..row
            });
        }
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
        let visit = match kind {
            BUSINESS_DAY => Visit::Due,
            RATES => Visit::Foreign,
            _ => Visit::All,
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
        place(tx, &self.schemes, creditor_id, debtors, None).await?;
        Ok(())
    }
}

fn creditor_row(creditor: Creditor) -> Result<CreditorRow> {
    Ok(CreditorRow {
        business_date: opt_date(creditor.business_date.as_ref())?.map(day_number),
        reporting_currency: creditor.reporting_currency,
    })
}

fn rate_row(rate: FxRate) -> Result<FxRateRow> {
    Ok(FxRateRow {
        rate_date: date(rate.rate_date.as_ref()).map(day_number)?,
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

fn debtor_row(debtor: Debtor) -> Result<DebtorRow> {
    Ok(DebtorRow {
        facts: to_json(&registry_part(&debtor)?)?,
    })
}

fn registry_part(debtor: &Debtor) -> Result<RegistryPart> {
    let is_lower = |byte: u8| byte.is_ascii_lowercase();
    let is_upper = |byte: u8| byte.is_ascii_uppercase();
    let is_nace = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'.';
    let language = code(&debtor.language, 2..=2, is_lower)?;
    Ok(RegistryPart {
        kind: match debtor.kind() {
            v1::DebtorKind::Organisation => DebtorKind::Organisation,
            v1::DebtorKind::Person => DebtorKind::Person,
            v1::DebtorKind::Unspecified => {
                return Err(Error::internal("a debtor of no known kind"));
            }
        },
        relationship: match debtor.relationship() {
            v1::Relationship::Prospect => Relationship::Prospect,
            _ => Relationship::Customer,
        },
        language: language.ok_or_else(|| Error::internal("a debtor without a language"))?,
        country: code(&debtor.country, 2..=2, is_upper)?,
        sector: code(&debtor.sector, 1..=5, is_nace)?,
        billing_method: match debtor.billing_method() {
            v1::BillingMethod::EmailPdf => BillingMethod::EmailPdf,
            v1::BillingMethod::EInvoice => BillingMethod::EInvoice,
            _ => BillingMethod::Paper,
        },
        preferred_channel: channel(debtor.preferred_channel()),
        customer_since: opt_date(debtor.customer_since.as_ref())?,
        insolvent_since: opt_date(debtor.insolvent_since.as_ref())?,
        deceased_since: opt_date(debtor.deceased_since.as_ref())?,
        credit_hold: debtor.credit_hold,
    })
}

/// A code of a public list by its form; `None` if it is empty.
fn code(
    text: &str,
    length: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(u8) -> bool,
) -> Result<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    if !length.contains(&text.len()) || !text.bytes().all(allowed) {
        return Err(Error::internal("a language, country or sector is no code"));
    }
    Ok(Some(text.to_owned()))
}

fn channel(channel: v1::Channel) -> Option<Channel> {
    match channel {
        v1::Channel::Unspecified => None,
        v1::Channel::Post => Some(Channel::Post),
        v1::Channel::Email => Some(Channel::Email),
        v1::Channel::Phone => Some(Channel::Phone),
        v1::Channel::Sms => Some(Channel::Sms),
        v1::Channel::Fax => Some(Channel::Fax),
        v1::Channel::Chat => Some(Channel::Chat),
        v1::Channel::Portal => Some(Channel::Portal),
    }
}
