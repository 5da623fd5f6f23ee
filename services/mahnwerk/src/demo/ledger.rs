//! What happens in the demo, day by day: every debtor lives on its own, and reacts to the reminders it gets.

use chrono::NaiveDate;
use mahnwerk_proto::registry::v1::DisputeState;

use super::{
    behaviour::Habits,
    calendar::{CALENDAR, Period, plus},
    dice::Dice,
    life::Life,
    population::{self, Debtor},
};

/// Something that happens to one debtor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The debtor is registered.
    Registered,
    /// An invoice is issued.
    Invoice(Invoice),
    /// A part of an invoice is credited.
    CreditNote {
        id: String,
        invoice: String,
        amount: i64,
    },
    /// Money arrives.
    Payment { id: String, parts: Vec<Part> },
    /// The bank takes a direct debit back.
    Returned { payment: String },
    /// The rest of an invoice is given up.
    WrittenOff { invoice: String },
    /// Deliveries are stopped, or go on.
    Hold(bool),
    /// Insolvency proceedings are opened.
    Insolvent,
    /// The debtor promises to pay invoices by a day.
    Promised {
        id: String,
        invoices: Vec<String>,
        by: NaiveDate,
    },
    /// The debtor disputes an invoice.
    Disputed { id: String, invoice: String },
    /// A dispute is decided.
    Decided { id: String, outcome: DisputeState },
}

/// An invoice as issued. Amounts are minor units of the debtor's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) due: NaiveDate,
    /// Last day of the discount of [`DISCOUNT_BPS`].
    pub(crate) discount_until: Option<NaiveDate>,
}

/// What of a payment goes to one invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) invoice: String,
    pub(crate) amount: i64,
    pub(crate) discount: i64,
}

/// An event with its day and debtor (its place in [`Story::debtors`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dated {
    pub(crate) date: NaiveDate,
    pub(crate) debtor: usize,
    pub(crate) event: Event,
}

/// All that happened.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) period: Period,
    pub(crate) debtors: Vec<Debtor>,
    /// By date; of one date first what can be imported, in the order of debtors, then the rest.
    pub(crate) events: Vec<Dated>,
}

/// A notice that reaches a debtor.
#[derive(Clone, Debug)]
pub(crate) struct Reminder {
    pub(crate) level: i32,
    pub(crate) by_phone: bool,
    pub(crate) invoices: Vec<String>,
}

/// The debtors while they live.
pub(crate) struct World {
    pub(crate) period: Period,
    lives: Vec<Life>,
}

/// Discount for payment within 10 days, in hundredths of a percent.
pub(crate) const DISCOUNT_BPS: i32 = 200;
impl World {
    /// Debtors to be lived through the months before 2026-01-01. The same arguments make the same debtors.
    pub(crate) fn new(seed: u64, debtors: usize, months: u32) -> Self {
        let period = Period::new(months);
        let life = |index| {
            let stream = u64::try_from(index).unwrap_or(u64::MAX);
            let mut dice = Dice::new(seed, stream);
            let debtor = population::debtor(index, &mut dice, &period);
            let habits = Habits::of(&debtor, &mut dice, &period);
            Life::new(debtor, habits, seed, stream)
        };
        Self {
            lives: (0..debtors).map(life).collect(),
            period,
        }
    }

    /// What happens on a business day; days come in order. First what can be imported, in the order of debtors.
    pub(crate) fn live(&mut self, day: NaiveDate) -> Vec<Dated> {
        let mut events = Vec::new();
        for (debtor, life) in self.lives.iter_mut().enumerate() {
            let today = life.live(day, &self.period);
            events.extend(today.into_iter().map(|event| Dated {
                date: day,
                debtor,
                event,
            }));
        }
        events.sort_by_key(|dated| (!dated.event.is_importable(), dated.debtor));
        events
    }

    /// A debtor gets a reminder, and reacts to it on later days.
    pub(crate) fn remind(&mut self, debtor_id: &str, day: NaiveDate, reminder: &Reminder) {
        if let Some(index) = population::index_of(debtor_id)
            && let Some(life) = self.lives.get_mut(index)
        {
            life.react(day, reminder);
        }
    }

    /// Whether the debtor's e-mail address does not exist.
    pub(crate) fn mail_bounces(&self, debtor_id: &str) -> bool {
        let life = population::index_of(debtor_id).and_then(|index| self.lives.get(index));
        life.is_some_and(|life| life.debtor().email_bounces)
    }

    /// The debtors.
    pub(crate) fn debtors(&self) -> Vec<Debtor> {
        self.lives
            .iter()
            .map(|life| life.debtor().clone())
            .collect()
    }
}

impl Story {
    /// What happens when nobody is reminded.
    pub(crate) fn undisturbed(seed: u64, debtors: usize, months: u32) -> Self {
        let mut world = World::new(seed, debtors, months);
        let days = world.period.days.clone();
        Self {
            events: days.into_iter().flat_map(|day| world.live(day)).collect(),
            debtors: world.debtors(),
            period: world.period,
        }
    }
}

impl Event {
    /// Whether it goes through the bulk import; everything else is a call of its own.
    pub(crate) fn is_importable(&self) -> bool {
        matches!(
            self,
            Self::Registered | Self::Invoice(_) | Self::CreditNote { .. } | Self::Payment { .. }
        )
    }
}

/// The exchange rates of a month, as (currency, numerator) over 10,000: euros for one unit.
pub(crate) fn rates(seed: u64, month: NaiveDate) -> [(&'static str, i64); 2] {
    let stream = u64::MAX - u64::try_from((month - NaiveDate::MIN).num_days()).unwrap_or(0);
    let mut dice = Dice::new(seed, stream);
    [
        ("CHF", 10_550 + dice.around(-120, 120)),
        ("USD", 9_050 + dice.around(-350, 350)),
    ]
}

/// The business day that is open before the story begins.
pub(crate) fn eve(period: &Period) -> NaiveDate {
    CALENDAR.latest_business_day_on_or_before(plus(period.first(), -1))
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
