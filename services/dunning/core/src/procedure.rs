//! Procedures: versioned ladders of steps, as data.

mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::input::{Channel, DebtorFacts, DebtorKind};
use crate::violation::Violation;

/// One revision of a procedure. Revisions never change; a new revision of the same id keeps the meaning of its level
/// numbers, another ladder is another procedure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// Its key, the same for all revisions.
    pub id: String,
    /// From 1.
    pub revision: u32,
    /// Name for people, 1 to 200 characters.
    pub name: String,
    /// Days after the due date, and again after each pay-by date, during which nothing happens; 0 to 90.
    pub grace_days: u16,
    /// Least days between two contacts over all channels; 0 to 90, 0 for no limit.
    pub contact_interval_days: u16,
    /// Whether unallocated payments and credit notes are set off.
    pub credits: Credits,
    /// What a step waits for.
    pub escalation: Escalation,
    /// Where an item enters.
    pub entry: Entry,
    /// How many notices.
    pub grouping: Grouping,
    /// Whether each item goes its own way.
    pub level_mode: LevelMode,
    /// Where reminder fees are posted.
    pub fee_posting: FeePosting,
    /// What becomes of items that another procedure has begun to dun.
    #[serde(default)]
    pub in_flight: InFlight,
    /// By level, from 1, 1 to 20.
    pub steps: Vec<Step>,
}

/// One rung of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From 1, without gaps.
    pub level: u8,
    /// When it is due.
    pub trigger: Trigger,
    /// Channels in order of preference, 1 to 8, each once.
    pub channels: Vec<Channel>,
    /// How it is worded.
    pub tone: Tone,
    /// Key of the template.
    pub template: String,
    /// Calendar days from the notice to the pay-by date printed on it, before moving to a business day; 0 to 90.
    pub pay_by_days: u16,
    /// The reminder fee.
    #[serde(default)]
    pub fee: FeeRule,
    /// Whether default interest is claimed.
    #[serde(default)]
    pub interest: bool,
    /// What happens with its notice.
    #[serde(default)]
    pub follow_up: FollowUp,
    /// Whether a person must approve its notices.
    #[serde(default)]
    pub approval: bool,
    /// The notices that statutes demand first, of which this step is one: see [`Statutory`].
    #[serde(default)]
    pub statutory: Vec<Statutory>,
    /// Least amount per currency, in minor units; currencies without an entry have no minimum.
    #[serde(default)]
    pub minimum: BTreeMap<String, i64>,
    /// Least share of everything open in the currency, in basis points (10,000 is all of it).
    #[serde(default)]
    pub minimum_share_bps: u16,
}

/// When a step is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// So many effective days past due (1 to 3,650), and never before the pay-by date of the previous notice and the
    /// grace days are over.
    PastDue(u16),
    /// So many days (0 to 365) after the pay-by date of the previous notice and the grace days are over.
    AfterPrevious(u16),
}

/// Whether unallocated payments and credit notes are set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Credits {
    /// They reduce what is dunned: the item they name, else the oldest.
    Net,
    /// They change nothing.
    Ignore,
}

/// What a step waits for, beside its trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Escalation {
    /// Nothing else.
    ByAge,
    /// Until the previous step is really done: sent, or its call made.
    StepByStep,
}

/// Where an item enters the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Entry {
    /// At level 1, however old.
    FirstLevel,
    /// At the highest level that its days past due have reached, short of leaving the ladder.
    LevelByAge,
}

/// How the items of a debtor and currency are spread over notices. A statutory notice is always one of its own, for all
/// items that are due for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Grouping {
    /// One notice.
    Debtor,
    /// One per level.
    Level,
    /// One per item.
    Item,
}

/// Whether each item goes its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LevelMode {
    /// Whatever item is due for a step leads to a notice.
    Item,
    /// The longest overdue item decides when there is a notice and how it is worded; the others go along when they
    /// are due for a step of their own, and keep their own levels.
    Account,
}

/// Where reminder fees are posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FeePosting {
    /// Nowhere: the notice shows them, cumulated.
    NoticeOnly,
    /// As a memo beside the account; the notice shows them, cumulated.
    Memo,
    /// As charges on the account; earlier ones are items of their own, so the notice adds its own fee only.
    Receivable,
}

/// What becomes of items that another procedure has begun to dun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InFlight {
    /// The level number stays; the next notice is the next number.
    Keep,
    /// The next notice is the one that fits the days past due, above what was sent, short of leaving the ladder
    /// unless that is the next number.
    #[default]
    Map,
    /// A new cycle from the entry.
    Restart,
    /// None until a person has decided.
    Manual,
}

/// The reminder fee of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeRule {
    /// None.
    #[default]
    None,
    /// By contract: minor units per currency, once per notice; none in other currencies.
    Flat(BTreeMap<String, i64>),
    /// The flat sum of the law, once per claim.
    Statutory,
}

/// How a notice is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// It may have slipped your mind.
    Friendly,
    /// Please pay by the date.
    Firm,
    /// The last one before consequences.
    Final,
}

/// What happens with the notice of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FollowUp {
    /// Nothing.
    #[default]
    None,
    /// A call, on the first business day after the pay-by date.
    CallTask,
    /// No more credit.
    CreditHold,
    /// The items leave the ladder for a collection agency or the courts.
    Handover,
    /// The items leave the ladder.
    End,
}

/// A notice that a statute demands before a consumer may be charged anything.
///
/// Whom it protects gets the step marked with it in writing, free, and with the period of the law, whatever the step
/// says; no entry, mapping or reviewer skips it; and nothing is charged on an item before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Statutory {
    /// Belgium, consumers: the first reminder is free, and 14 days pass before anything is charged, from the day after
    /// an electronic one, from the third working day after a posted one (Code of Economic Law, art. XIX.2).
    BeFreeReminder,
    /// Netherlands, consumers: a letter that grants 14 days from the day after its receipt, and names the costs of
    /// collection that follow (Civil Code, art. 6:96(6)): one letter, and one sum, for all claims (art. 6:96(7)).
    NlFourteenDayLetter,
}

impl Statutory {
    /// The notice that must come first for this debtor; `None` if no statute that we know demands one.
    #[must_use]
    pub fn protecting(debtor: &DebtorFacts) -> Option<Self> {
        match (debtor.kind, debtor.country.as_str()) {
            (DebtorKind::Person, "BE") => Some(Self::BeFreeReminder),
            (DebtorKind::Person, "NL") => Some(Self::NlFourteenDayLetter),
            _ => None,
        }
    }

    /// Whether the notice must name what the debtor will owe on top if its period passes.
    #[must_use]
    pub fn names_costs(self) -> bool {
        matches!(self, Self::NlFourteenDayLetter)
    }

    /// Least calendar days from sending to the pay-by date: 14, or by post three weeks, which the Hoge Raad calls safe
    /// (ECLI:NL:HR:2016:2704) and which also cover three Belgian working days and 14 days more.
    #[must_use]
    pub fn least_days(self, channel: Channel) -> u16 {
        if channel.is_posted() { 21 } else { 14 }
    }
}

impl Step {
    /// Whether its notice takes the items out of the ladder.
    #[must_use]
    pub fn leaves_ladder(&self) -> bool {
        matches!(self.follow_up, FollowUp::Handover | FollowUp::End)
    }
}

/// Why a procedure is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProcedureError {
    /// The text is not a procedure.
    #[error("procedure is not readable: {0}")]
    Unreadable(String),
    /// It is one, but not a sound one.
    #[error("procedure has {} violations", .0.len())]
    Invalid(Vec<Violation>),
}

impl Procedure {
    /// Reads and validates a procedure.
    ///
    /// # Errors
    ///
    /// See [`ProcedureError`].
    pub fn from_toml(text: &str) -> Result<Self, ProcedureError> {
        let procedure: Self = toml::from_str(text)
            .map_err(|error| ProcedureError::Unreadable(error.message().to_owned()))?;
        procedure.validate().map_err(ProcedureError::Invalid)?;
        Ok(procedure)
    }

    /// The step of a level; `None` beyond the last and for level 0.
    #[must_use]
    pub fn step(&self, level: u8) -> Option<&Step> {
        let index = usize::from(level).checked_sub(1)?;
        self.steps.get(index)
    }

    /// The last level.
    #[must_use]
    pub fn last_level(&self) -> u8 {
        u8::try_from(self.steps.len()).unwrap_or(u8::MAX)
    }

    /// The level of the notice that a statute demands for this debtor; `None` if no statute does, or no step is marked.
    #[must_use]
    pub fn statutory_level(&self, debtor: &DebtorFacts) -> Option<u8> {
        let notice = Statutory::protecting(debtor)?;
        let step = self
            .steps
            .iter()
            .find(|it| it.statutory.contains(&notice))?;
        Some(step.level)
    }

    /// Days past due at which an item that never waited would reach a level: what entry by age and mapping go by.
    /// `None` for a level there is not.
    #[must_use]
    pub fn age_of(&self, level: u8) -> Option<i64> {
        let mut age = 0;
        let mut pay_by_days = 0;
        for step in self
            .steps
            .get(..usize::from(level))
            .filter(|it| !it.is_empty())?
        {
            age = match step.trigger {
                Trigger::PastDue(days) => i64::from(days).max(age),
                Trigger::AfterPrevious(days) => age + pay_by_days + self.days_after_pay_by(days),
            };
            pay_by_days = i64::from(step.pay_by_days);
        }
        Some(age)
    }

    /// The highest level that so many days past due reach; 0 if none. Never a step that takes items out of the ladder:
    /// nobody is handed over without the notice before it.
    #[must_use]
    pub fn level_by_age(&self, age: i64) -> u8 {
        (1..=self.last_level())
            .take_while(|level| self.age_of(*level).is_some_and(|needed| needed <= age))
            .take_while(|level| !self.step(*level).is_some_and(Step::leaves_ladder))
            .last()
            .unwrap_or(0)
    }

    /// Days after a pay-by date until a step that follows it by `days` is due: at least the day after grace.
    pub(crate) fn days_after_pay_by(&self, days: u16) -> i64 {
        i64::from(self.grace_days) + i64::from(days).max(1)
    }
}

/// The procedures that apply where a creditor has none of its own: courteous, standard, strict, new customer.
///
/// # Errors
///
/// None in a build that passed its tests: they are part of the program.
pub fn starter_procedures() -> Result<Vec<Procedure>, ProcedureError> {
    STARTERS.into_iter().map(Procedure::from_toml).collect()
}

const STARTERS: [&str; 4] = [
    include_str!("../data/courteous.toml"),
    include_str!("../data/standard.toml"),
    include_str!("../data/strict.toml"),
    include_str!("../data/new_customer.toml"),
];

#[cfg(test)]
mod tests;
