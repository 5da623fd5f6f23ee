//! Everything that decides on some debtors of a creditor, read with a constant number of statements.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mahnwerk_feed::partition;
use mahnwerk_runtime::{db::Sql, error::Result};
use segmentation_core::{
    assign::{Input, Membership, Pin, Source},
    facts::{
        DebtorFacts,
        build::{RegistryPart, build},
    },
    money::{Conversion, FxRate},
};

use crate::storage::{
    day_number,
    facts::{self, Known},
    membership::{self, MembershipRow},
    pin::{self, PinRow},
};

/// A debtor that can be placed.
pub struct Subject {
    /// Its business date: the creditor's, or a later one that scoring has told of before the registry did.
    pub day: NaiveDate,
    /// What rules read.
    pub facts: DebtorFacts,
    /// What the registry tells, for what time alone changes.
    pub registry: RegistryPart,
    /// When a rate that is known already comes into force for one of its amounts.
    pub next_rate: Option<NaiveDate>,
    /// Day number from which time alone may move it; `None` if it has never been placed.
    pub due_on: Option<i64>,
}

/// What decides on some debtors.
pub struct Chunk {
    /// The creditor's business date; without one nobody can be placed.
    pub day: Option<NaiveDate>,
    /// ISO 4217; empty for an unknown creditor.
    pub currency: String,
    /// Those that can be placed. Of the others, some are not known, and of some not everything is known yet.
    pub subjects: BTreeMap<String, Subject>,
    /// Those asked for that are not known, or whose creditor has no business day.
    pub gone: Vec<String>,
    /// Where debtors are, by debtor and scheme.
    pub memberships: BTreeMap<String, BTreeMap<String, MembershipRow>>,
    /// Pins by debtor and scheme, in force or not.
    pub pins: BTreeMap<(String, String), PinRow>,
}

/// Where a debtor was when the business date began, and what people want, for the core.
#[derive(Default)]
pub struct Situation {
    current: Option<Membership>,
    pin: Option<Pin>,
    pin_lifted: bool,
}

impl Situation {
    /// The input of a decision.
    #[must_use]
    pub fn input<'a>(&'a self, facts: &'a DebtorFacts, business_date: NaiveDate) -> Input<'a> {
        Input {
            facts,
            current: self.current.as_ref(),
            pin: self.pin.as_ref(),
            business_date,
        }
    }

    /// Where the debtor was when the business date began.
    #[must_use]
    pub fn current(&self) -> Option<&Membership> {
        self.current.as_ref()
    }

    /// A pin is lifted on this date: no minimum stay holds the debtor back, as if the pin had left it where it was.
    pub fn lift_pin(&mut self) {
        self.pin_lifted = true;
        if let Some(current) = &mut self.current {
            current.source = Source::Pin;
        }
    }

    /// Whether a pin is lifted on this date.
    #[must_use]
    pub fn pin_lifted(&self) -> bool {
        self.pin_lifted
    }
}

impl Chunk {
    /// Reads what decides on debtors of a creditor, in one scheme or in all.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn load(
        on: &impl Sql,
        creditor_id: &str,
        debtor_ids: &[String],
        scheme_id: Option<&str>,
    ) -> Result<Self> {
        let creditor = facts::creditor(on, creditor_id).await?;
        let memberships = membership::of_debtors(on, creditor_id, debtor_ids, scheme_id).await?;
        let day = creditor.as_ref().and_then(|each| each.business_date);
        let currency = creditor.map_or_else(String::new, |each| each.reporting_currency);
        let mut chunk = Self {
            day,
            currency,
            subjects: BTreeMap::new(),
            gone: Vec::new(),
            memberships,
            pins: BTreeMap::new(),
        };
        let Some(day) = day else {
            chunk.gone = debtor_ids.to_vec();
            return Ok(chunk);
        };
        chunk.pins = pin::of_debtors(on, creditor_id, debtor_ids).await?;
        let known = facts::debtors(on, creditor_id, debtor_ids).await?;
        let is_gone = |debtor_id: &&String| !known.contains_key(*debtor_id);
        chunk.gone = debtor_ids.iter().filter(is_gone).cloned().collect();
        let ready = facts::ready_parts(on).await?;
        let rates = rates(on, creditor_id, &known, &chunk.currency, day).await?;
        let conversion = Conversion {
            to: &chunk.currency,
            rates: &rates,
        };
        let subjects = known
            .into_iter()
            .filter(|(debtor_id, _)| ready.contains(&partition(creditor_id, debtor_id)))
            .map(|(debtor_id, known)| (debtor_id, subject(known, &conversion, day)));
        chunk.subjects = subjects.collect();
        Ok(chunk)
    }

    /// Where a debtor was in a scheme when the date began, and its pin there. On the date on which a pin was lifted no
    /// minimum stay holds it.
    #[must_use]
    pub fn situation(&self, debtor_id: &str, scheme_id: &str, day: NaiveDate) -> Situation {
        let record = self.membership(debtor_id, scheme_id).map(|row| &row.record);
        let current = record.and_then(|record| record.at_opening(day));
        let pin = self.pin(debtor_id, scheme_id).map(|pin| Pin {
            segment_id: pin.segment_id.clone(),
            until: pin.until,
        });
        let mut situation = Situation {
            current: current.map(|stay| stay.at.clone()),
            pin,
            pin_lifted: false,
        };
        if record.is_some_and(|record| record.pin_lifted(day)) {
            situation.lift_pin();
        }
        situation
    }

    /// The stored membership of a debtor in a scheme.
    #[must_use]
    pub fn membership(&self, debtor_id: &str, scheme_id: &str) -> Option<&MembershipRow> {
        self.memberships.get(debtor_id)?.get(scheme_id)
    }

    /// The stored pin of a debtor in a scheme.
    #[must_use]
    pub fn pin(&self, debtor_id: &str, scheme_id: &str) -> Option<&PinRow> {
        if self.pins.is_empty() {
            return None;
        }
        self.pins.get(&(debtor_id.to_owned(), scheme_id.to_owned()))
    }
}

async fn rates(
    on: &impl Sql,
    creditor_id: &str,
    known: &BTreeMap<String, Known>,
    to: &str,
    day: NaiveDate,
) -> Result<Vec<FxRate>> {
    let scores = known.values().filter_map(|known| known.score.as_ref());
    let currencies: BTreeSet<&str> = scores
        .flat_map(|score| &score.accounts)
        .map(|account| account.currency.as_str())
        .filter(|currency| *currency != to)
        .collect();
    let later = known.values().filter_map(|known| known.observed_on);
    let days: BTreeSet<_> = later.filter(|each| *each > day).chain([day]).collect();
    let mut rates = Vec::new();
    for day in days {
        rates.extend(facts::rates(on, creditor_id, &currencies, to, day_number(day)).await?);
    }
    Ok(rates)
}

fn subject(known: Known, conversion: &Conversion<'_>, day: NaiveDate) -> Subject {
    let day = known.observed_on.map_or(day, |observed| day.max(observed));
    let score = known.score.as_ref();
    let concerns = |rate: &&FxRate| {
        let mut accounts = score.into_iter().flat_map(|score| &score.accounts);
        rate.date > day
            && accounts.any(|account| [&rate.base, &rate.quote].contains(&&account.currency))
    };
    let facts = build(&known.registry, score, conversion, day);
    let next_rate = conversion.rates.iter().filter(concerns);
    let next_rate = next_rate.map(|rate| rate.date).min();
    Subject {
        day,
        facts,
        next_rate,
        due_on: known.due_on,
        registry: known.registry,
    }
}
