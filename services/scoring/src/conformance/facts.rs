//! A registry left to chance: creditors, rates, debtors, invoices and arrangements that change as the feed would tell
//! it.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use mahnwerk_feed::{Change, partition};
use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{
        Creditor, Debtor, DebtorKind as WireKind, Entry, EntryKind, FxRate as WireRate, Item,
        ItemKind, Relationship,
    },
};
use mahnwerk_runtime::validate::from_date;
use prost::Message;
use prost_types::Any;
use scoring_core::{
    facts::{Arrangements, DebtorFacts, DebtorKind, ItemFacts, Settlement, SettlementKind},
    fx::FxRate,
};

use super::arrangements::{Arrangement, KINDS, seen};

/// Numbers that look like chance and are the same for the same seed: splitmix64 by Steele, Lea and Flood (2014).
pub struct Dice(pub u64);

impl Dice {
    /// 0 to `sides` - 1.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides.max(1)
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// 0 to `end` - 1.
    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap_or(0)
    }

    /// One of few, so that amounts often meet.
    pub fn amount(&mut self) -> i64 {
        (self.below(4).cast_signed() + 1) * 1_000
    }
}

/// What an entity is, within its creditor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Creditor,
    Rate(NaiveDate),
    Debtor(String),
    Item(String, String),
    /// Debtor, kind, id.
    Arrangement(String, &'static str, String),
}

/// Creditor and subject.
pub type Key = (String, Subject);

/// The state of an entity.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Its business date.
    Creditor(Option<NaiveDate>),
    Rate(FxRate),
    /// Without its arrangements, which are states of their own.
    Debtor(DebtorFacts),
    Item(ItemFacts),
    Arrangement(Arrangement),
}

/// All current states.
#[derive(Default)]
pub struct World {
    pub states: BTreeMap<Key, Fact>,
    versions: BTreeMap<Key, i64>,
    past: BTreeMap<Key, Vec<Change>>,
}

fn first_day() -> NaiveDate {
    NaiveDate::default() + Days::new(20_000)
}

impl World {
    /// The open business day of a creditor.
    pub fn day(&self, creditor_id: &str) -> Option<NaiveDate> {
        match self
            .states
            .get(&(creditor_id.to_owned(), Subject::Creditor))
        {
            Some(Fact::Creditor(day)) => *day,
            _ => None,
        }
    }

    /// The creditors, whose states are facts of their own.
    pub fn creditors(&self) -> Vec<String> {
        let creditors = self
            .states
            .keys()
            .filter(|(_, subject)| *subject == Subject::Creditor);
        creditors
            .map(|(creditor_id, _)| creditor_id.clone())
            .collect()
    }

    /// The debtors of a creditor.
    pub fn debtors(&self, creditor_id: &str) -> BTreeMap<String, DebtorFacts> {
        let own = self
            .states
            .iter()
            .filter(|((creditor, _), _)| creditor == creditor_id);
        own.filter_map(|((_, subject), fact)| match (subject, fact) {
            (Subject::Debtor(debtor_id), Fact::Debtor(facts)) => {
                let arrangements = seen(self.arrangements(creditor_id, debtor_id));
                let facts = DebtorFacts {
                    arrangements,
                    ..facts.clone()
                };
                Some((debtor_id.clone(), facts))
            }
            _ => None,
        })
        .collect()
    }

    fn arrangements<'a>(
        &'a self,
        creditor_id: &'a str,
        debtor_id: &'a str,
    ) -> impl Iterator<Item = &'a Arrangement> {
        let own = self
            .states
            .iter()
            .filter(move |((creditor, _), _)| creditor == creditor_id);
        own.filter_map(move |((_, subject), fact)| match (subject, fact) {
            (Subject::Arrangement(debtor, ..), Fact::Arrangement(it)) if debtor == debtor_id => {
                Some(it)
            }
            _ => None,
        })
    }

    /// The invoices of a debtor, by id.
    pub fn items(&self, creditor_id: &str, debtor_id: &str) -> Vec<ItemFacts> {
        let own = self
            .states
            .iter()
            .filter(|((creditor, _), _)| creditor == creditor_id);
        own.filter_map(|((_, subject), fact)| match (subject, fact) {
            (Subject::Item(debtor, _), Fact::Item(item)) if debtor == debtor_id => {
                Some(item.clone())
            }
            _ => None,
        })
        .collect()
    }

    /// The change that tells the current state of an entity.
    pub fn change(&self, key: &Key) -> Change {
        let (creditor_id, subject) = key;
        let (debtor_id, entity, entity_id) = match subject {
            Subject::Creditor => ("", "creditor", creditor_id.clone()),
            Subject::Rate(date) => ("", "fx_rate", format!("USD/EUR/{date}")),
            Subject::Debtor(debtor_id) => (debtor_id.as_str(), "debtor", debtor_id.clone()),
            Subject::Item(debtor_id, item_id) => {
                (debtor_id.as_str(), "item", format!("invoice/{item_id}"))
            }
            Subject::Arrangement(debtor_id, kind, id) => (debtor_id.as_str(), *kind, id.clone()),
        };
        Change {
            partition: i32::try_from(partition(creditor_id, debtor_id)).unwrap_or(-1),
            creditor_id: creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            entity: entity.to_owned(),
            entity_id,
            version: self.versions.get(key).copied().unwrap_or(0),
            state: self.states.get(key).map(|fact| Any {
                type_url: String::new(),
                value: encode(creditor_id, debtor_id, fact),
            }),
            ..Change::default()
        }
    }

    fn set(&mut self, key: Key, fact: Option<Fact>) -> Change {
        *self.versions.entry(key.clone()).or_insert(0) += 1;
        match fact {
            Some(fact) => self.states.insert(key.clone(), fact),
            None => self.states.remove(&key),
        };
        let change = self.change(&key);
        self.past.entry(key).or_default().push(change.clone());
        change
    }

    /// Something that was told of an entity that is still there, perhaps long ago.
    pub fn recollection(&self, dice: &mut Dice) -> Option<Change> {
        let (key, _) = self.states.iter().nth(dice.index(self.states.len()))?;
        let past = self.past.get(key)?;
        past.get(dice.index(past.len())).cloned()
    }

    /// Something happens.
    pub fn step(&mut self, dice: &mut Dice) -> Vec<Change> {
        let creditor_id = if dice.one_in(3) { "c2" } else { "c1" }.to_owned();
        let debtor_id = format!("d{}", dice.below(6));
        let creditor = (creditor_id.clone(), Subject::Creditor);
        if !self.states.contains_key(&creditor) {
            return vec![self.set(creditor, Some(Fact::Creditor(None)))];
        }
        let day = self.day(&creditor_id);
        let today = day.unwrap_or_else(first_day);
        let debtor = (creditor_id.clone(), Subject::Debtor(debtor_id.clone()));
        let known = self.states.contains_key(&debtor);
        match dice.below(20) {
            0 | 1 => {
                let next = today + Days::new(1 + dice.below(60));
                vec![self.set(creditor, Some(Fact::Creditor(Some(next))))]
            }
            2 => {
                let date = today - Days::new(dice.below(5));
                let rate = some_rate(dice, date);
                vec![self.set((creditor_id, Subject::Rate(date)), Some(Fact::Rate(rate)))]
            }
            3 if known => self.forget_debtor(dice, &creditor_id, &debtor_id),
            4 if known => vec![about_nothing(&creditor_id, &debtor_id)],
            5 if known => {
                let item_id = format!("{debtor_id}-{}", dice.below(5));
                let item = (creditor_id, Subject::Item(debtor_id, item_id));
                match self.states.contains_key(&item) {
                    true => vec![self.set(item, None)],
                    false => Vec::new(),
                }
            }
            6..16 if known => {
                let item_id = format!("{debtor_id}-{}", dice.below(5));
                let key = (creditor_id, Subject::Item(debtor_id, item_id.clone()));
                let item = match self.states.get(&key) {
                    Some(Fact::Item(item)) => settled_further(dice, item.clone(), today),
                    _ => some_invoice(dice, item_id, today),
                };
                vec![self.set(key, Some(Fact::Item(item)))]
            }
            16..20 if known => self.arrange(dice, creditor_id, debtor_id, today),
            _ => vec![self.set(debtor, Some(Fact::Debtor(some_debtor(dice, today))))],
        }
    }

    /// An arrangement begins, ends, or was a mistake.
    fn arrange(
        &mut self,
        dice: &mut Dice,
        creditor_id: String,
        debtor_id: String,
        today: NaiveDate,
    ) -> Vec<Change> {
        let kind = KINDS[dice.index(KINDS.len())];
        let id = format!("{debtor_id}-{}", dice.below(4));
        let subject = Subject::Arrangement(debtor_id.clone(), kind, id.clone());
        let key = (creditor_id, subject);
        let next = match self.states.get(&key).cloned() {
            Some(Fact::Arrangement(_)) if dice.one_in(8) => None,
            Some(Fact::Arrangement(it)) => Some(it.closed(dice, today)),
            _ => Some(Arrangement::begun(dice, kind, &debtor_id, &id, today)),
        };
        vec![self.set(key, next.map(Fact::Arrangement))]
    }

    /// A debtor goes, and all that is its own, told one by one before or after it.
    fn forget_debtor(
        &mut self,
        dice: &mut Dice,
        creditor_id: &str,
        debtor_id: &str,
    ) -> Vec<Change> {
        let is_its_own = |(creditor, subject): &&Key| match subject {
            Subject::Creditor | Subject::Rate(_) => false,
            Subject::Debtor(debtor)
            | Subject::Item(debtor, _)
            | Subject::Arrangement(debtor, ..) => creditor == creditor_id && debtor == debtor_id,
        };
        let keys: Vec<Key> = self.states.keys().filter(is_its_own).cloned().collect();
        let mut changes: Vec<_> = keys.into_iter().map(|key| self.set(key, None)).collect();
        if dice.one_in(2) {
            changes.reverse();
        }
        changes
    }

    /// A backup is restored: some of what was there is not, days are earlier, and versions begin anew.
    pub fn restore(&mut self, dice: &mut Dice) {
        let lost_creditor = dice.one_in(4);
        let all: Vec<_> = self.states.keys().cloned().collect();
        for key in all {
            let (creditor_id, subject) = &key;
            let lost = match subject {
                Subject::Creditor => false,
                Subject::Item(debtor_id, _) | Subject::Arrangement(debtor_id, ..) => {
                    let debtor = (creditor_id.clone(), Subject::Debtor(debtor_id.clone()));
                    !self.states.contains_key(&debtor) || dice.one_in(4)
                }
                Subject::Rate(_) | Subject::Debtor(_) => dice.one_in(4),
            };
            if lost || (lost_creditor && creditor_id == "c2") {
                self.states.remove(&key);
            }
        }
        for fact in self.states.values_mut() {
            if let Fact::Creditor(day) = fact {
                *day = match day.as_ref() {
                    Some(day) if !dice.one_in(6) => Some(*day - Days::new(dice.below(40))),
                    _ => None,
                };
            }
        }
        self.versions = self.states.keys().map(|key| (key.clone(), 1)).collect();
        self.past.clear();
    }
}

fn some_rate(dice: &mut Dice, date: NaiveDate) -> FxRate {
    FxRate {
        base: "USD".to_owned(),
        quote: "EUR".to_owned(),
        date,
        numerator: dice.amount(),
        denominator: dice.amount(),
    }
}

fn some_debtor(dice: &mut Dice, today: NaiveDate) -> DebtorFacts {
    DebtorFacts {
        kind: if dice.one_in(3) {
            DebtorKind::Person
        } else {
            DebtorKind::Organisation
        },
        prospect: dice.one_in(2),
        customer_since: dice.one_in(2).then(|| today - Days::new(dice.below(900))),
        insolvent_since: dice.one_in(5).then_some(today),
        deceased_since: dice.one_in(9).then_some(today),
        credit_hold: dice.one_in(5),
        arrangements: Arrangements::default(),
    }
}

fn some_invoice(dice: &mut Dice, item_id: String, today: NaiveDate) -> ItemFacts {
    let document_date = today - Days::new(dice.below(500)) + Days::new(dice.below(20));
    ItemFacts {
        item_id,
        currency: if dice.one_in(4) { "USD" } else { "EUR" }.to_owned(),
        amount: dice.amount(),
        document_date,
        due_date: document_date + Days::new(dice.below(60)),
        recorded_date: today - Days::new(dice.below(3)),
        settlements: Vec::new(),
    }
}

/// Amounts are few, so that invoices are often settled exactly.
fn settled_further(dice: &mut Dice, mut item: ItemFacts, today: NaiveDate) -> ItemFacts {
    let undone = item.settlements.last().filter(|_| dice.one_in(5));
    let settlement = match undone {
        Some(last) => Settlement {
            amount: -last.amount,
            recorded_date: today,
            ..last.clone()
        },
        None => Settlement {
            amount: item.amount.min(dice.amount()),
            value_date: today - Days::new(dice.below(120)) + Days::new(dice.below(10)),
            recorded_date: today,
            kind: match dice.below(10) {
                0 => SettlementKind::CreditNote,
                1 => SettlementKind::Discount,
                2 => SettlementKind::WriteOff,
                3 => SettlementKind::Cancellation,
                _ => SettlementKind::Payment,
            },
        },
    };
    item.settlements.push(settlement);
    item
}

/// A change that says nothing to scoring.
fn about_nothing(creditor_id: &str, debtor_id: &str) -> Change {
    Change {
        partition: i32::try_from(partition(creditor_id, debtor_id)).unwrap_or(-1),
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        entity: "item".to_owned(),
        entity_id: "payment/p1".to_owned(),
        version: 1,
        ..Change::default()
    }
}

fn encode(creditor_id: &str, debtor_id: &str, fact: &Fact) -> Vec<u8> {
    match fact {
        Fact::Creditor(day) => Creditor {
            creditor_id: creditor_id.to_owned(),
            reporting_currency: "EUR".to_owned(),
            business_date: day.map(from_date),
            ..Creditor::default()
        }
        .encode_to_vec(),
        Fact::Rate(rate) => WireRate {
            creditor_id: creditor_id.to_owned(),
            base_currency: rate.base.clone(),
            quote_currency: rate.quote.clone(),
            rate_date: Some(from_date(rate.date)),
            numerator: rate.numerator,
            denominator: rate.denominator,
            ..WireRate::default()
        }
        .encode_to_vec(),
        Fact::Debtor(facts) => debtor_message(creditor_id, debtor_id, facts).encode_to_vec(),
        Fact::Item(item) => item_message(creditor_id, debtor_id, item).encode_to_vec(),
        Fact::Arrangement(arrangement) => arrangement.encode(),
    }
}

pub fn debtor_message(creditor_id: &str, debtor_id: &str, facts: &DebtorFacts) -> Debtor {
    let kind = match facts.kind {
        DebtorKind::Organisation => WireKind::Organisation,
        DebtorKind::Person => WireKind::Person,
    };
    let relationship = if facts.prospect {
        Relationship::Prospect
    } else {
        Relationship::Customer
    };
    Debtor {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        kind: kind.into(),
        relationship: relationship.into(),
        customer_since: facts.customer_since.map(from_date),
        insolvent_since: facts.insolvent_since.map(from_date),
        deceased_since: facts.deceased_since.map(from_date),
        credit_hold: facts.credit_hold,
        ..Debtor::default()
    }
}

pub fn item_message(creditor_id: &str, debtor_id: &str, item: &ItemFacts) -> Item {
    let date = |date: NaiveDate| -> Option<Date> { Some(from_date(date)) };
    let money = |minor_units| {
        Some(Money {
            currency_code: item.currency.clone(),
            minor_units,
        })
    };
    let entries = item.settlements.iter().map(|settlement| {
        let (kind, credit_kind) = match settlement.kind {
            SettlementKind::Payment => (EntryKind::Allocation, ItemKind::Payment),
            SettlementKind::CreditNote => (EntryKind::Allocation, ItemKind::CreditNote),
            SettlementKind::Discount => (EntryKind::Discount, ItemKind::Payment),
            SettlementKind::WriteOff => (EntryKind::WriteOff, ItemKind::Unspecified),
            SettlementKind::Cancellation => (EntryKind::Cancellation, ItemKind::Unspecified),
        };
        Entry {
            kind: kind.into(),
            credit_kind: credit_kind.into(),
            amount: money(settlement.amount),
            value_date: date(settlement.value_date),
            recorded_date: date(settlement.recorded_date),
            ..Entry::default()
        }
    });
    Item {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        kind: ItemKind::Invoice.into(),
        item_id: item.item_id.clone(),
        amount: money(item.amount),
        document_date: date(item.document_date),
        due_date: date(item.due_date),
        recorded_date: date(item.recorded_date),
        entries: entries.collect(),
        ..Item::default()
    }
}
