//! What happens in the demo, day by day: every debtor is played through on its own, then all are put together.

use chrono::NaiveDate;
use mahnwerk_proto::registry::v1::DebtorKind;

use super::{
    behaviour::{Habits, Payer},
    calendar::{CALENDAR, Period, on_or_after, plus},
    dice::Dice,
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

/// All that happens.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) period: Period,
    pub(crate) debtors: Vec<Debtor>,
    /// By date; of one date first what can be imported, in the order of debtors, then the rest.
    pub(crate) events: Vec<Dated>,
}

/// Discount for payment within 10 days, in hundredths of a percent.
pub(crate) const DISCOUNT_BPS: i32 = 200;
const DISCOUNT_DAYS: i64 = 10;
/// Deliveries stop when the oldest invoice is overdue by more.
const HOLD_AFTER_DAYS: i64 = 70;
/// Invoices overdue by more are given up, if their debtor has stopped paying.
const WRITE_OFF_AFTER_DAYS: i64 = 150;
/// From the last payment of a debtor that fails to its insolvency.
const INSOLVENT_AFTER_DAYS: i64 = 75;

impl Story {
    /// Plays a number of debtors through the months before 2026-01-01. The same arguments give the same story.
    pub(crate) fn new(seed: u64, debtors: usize, months: u32) -> Self {
        let period = Period::new(months);
        let mut story = Self {
            period,
            debtors: Vec::with_capacity(debtors),
            events: Vec::new(),
        };
        for index in 0..debtors {
            let stream = u64::try_from(index).unwrap_or(u64::MAX);
            let mut dice = Dice::new(seed, stream);
            let debtor = population::debtor(index, &mut dice, &story.period);
            let habits = Habits::of(&debtor, &mut dice, &story.period);
            let events = Play::new(&debtor, &habits, &mut dice, &story.period).run();
            story.debtors.push(debtor);
            story
                .events
                .extend(events.into_iter().map(|(date, event)| Dated {
                    date,
                    debtor: index,
                    event,
                }));
        }
        story
            .events
            .sort_by_key(|dated| (dated.date, !dated.event.is_importable(), dated.debtor));
        story
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

/// An invoice while it is played.
struct Open {
    id: String,
    amount: i64,
    open: i64,
    due: NaiveDate,
    discount_until: Option<NaiveDate>,
    /// `None`: never.
    pay_on: Option<NaiveDate>,
    credit_on: Option<NaiveDate>,
}

/// A direct debit that the bank will take back.
struct Bounce {
    on: NaiveDate,
    payment: String,
    invoice: String,
    amount: i64,
}

/// One debtor being played.
struct Play<'a> {
    debtor: &'a Debtor,
    habits: &'a Habits,
    dice: &'a mut Dice,
    period: &'a Period,
    open: Vec<Open>,
    bounces: Vec<Bounce>,
    invoices: u32,
    payments: u32,
    held: bool,
    insolvent: bool,
    events: Vec<(NaiveDate, Event)>,
}

impl<'a> Play<'a> {
    fn new(debtor: &'a Debtor, habits: &'a Habits, dice: &'a mut Dice, period: &'a Period) -> Self {
        Self {
            debtor,
            habits,
            dice,
            period,
            open: Vec::new(),
            bounces: Vec::new(),
            invoices: 0,
            payments: 0,
            held: false,
            insolvent: false,
            events: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<(NaiveDate, Event)> {
        let period = self.period;
        for day in period
            .days
            .iter()
            .copied()
            .filter(|day| *day >= self.debtor.joins_on)
        {
            if day == self.debtor.joins_on {
                self.events.push((day, Event::Registered));
            }
            if self.debtor.prospect {
                break;
            }
            if !self.held && !self.insolvent && self.habits.buys(day, self.dice) {
                self.issue(day);
            }
            self.credit(day);
            self.pay(day);
            self.take_back(day);
            self.fail(day);
            if period.opens_month(day) {
                self.review(day);
            }
            self.open.retain(|invoice| invoice.open > 0);
        }
        self.events
    }

    fn issue(&mut self, day: NaiveDate) {
        self.invoices += 1;
        let id = format!("{}-{:04}", self.debtor.id.replace("D-", "R"), self.invoices);
        let amount = self.habits.amount(self.dice);
        let discount_until = self.habits.discount.then(|| plus(day, DISCOUNT_DAYS));
        let credited = self.dice.chance(25);
        let credit_on = credited.then(|| on_or_after(plus(day, self.dice.between(3, 12))));
        let due = plus(day, self.habits.terms);
        self.open.push(Open {
            pay_on: self.habits.plan(day, discount_until.is_some(), self.dice),
            id: id.clone(),
            amount,
            open: amount,
            due,
            discount_until,
            credit_on,
        });
        self.events.push((
            day,
            Event::Invoice(Invoice {
                id,
                amount,
                due,
                discount_until,
            }),
        ));
    }

    /// Goods sent back or prices put right; one in six is credited in full.
    fn credit(&mut self, day: NaiveDate) {
        for invoice in &mut self.open {
            if invoice.credit_on != Some(day) || invoice.open < invoice.amount {
                continue;
            }
            let percent = if self.dice.chance(167) {
                100
            } else {
                self.dice.between(5, 30)
            };
            let amount = (invoice.amount * percent / 100).max(1);
            invoice.open -= amount;
            let event = Event::CreditNote {
                id: format!("G{}", invoice.id.trim_start_matches('R')),
                invoice: invoice.id.clone(),
                amount,
            };
            self.events.push((day, event));
        }
    }

    fn pay(&mut self, day: NaiveDate) {
        if self.insolvent {
            return;
        }
        let mut parts = Vec::new();
        for invoice in &mut self.open {
            if invoice.open == 0 || invoice.pay_on.is_none_or(|planned| planned > day) {
                continue;
            }
            let untouched = invoice.open == invoice.amount;
            if untouched && self.habits.pays_a_part(self.dice) {
                let amount = (invoice.open * self.dice.between(30, 70) / 100).max(1);
                invoice.open -= amount;
                invoice.pay_on = Some(on_or_after(plus(day, self.dice.between(14, 40))));
                parts.push(Part {
                    invoice: invoice.id.clone(),
                    amount,
                    discount: 0,
                });
                continue;
            }
            let in_time = untouched && invoice.discount_until.is_some_and(|until| day <= until);
            let discount = if in_time {
                invoice.open * i64::from(DISCOUNT_BPS) / 10_000
            } else {
                0
            };
            parts.push(Part {
                invoice: invoice.id.clone(),
                amount: invoice.open - discount,
                discount,
            });
            invoice.open = 0;
        }
        if self.habits.bulk && !parts.is_empty() {
            return self.post(day, parts);
        }
        for part in parts {
            self.post(day, vec![part]);
        }
    }

    fn post(&mut self, day: NaiveDate, parts: Vec<Part>) {
        self.payments += 1;
        let id = format!("{}-{:04}", self.debtor.id.replace("D-", "P"), self.payments);
        if let [part] = parts.as_slice()
            && self.debtor.kind == DebtorKind::Person
            && part.discount == 0
            && self.dice.chance(30)
        {
            let on = on_or_after(plus(day, self.dice.between(2, 6)));
            let (invoice, amount) = (part.invoice.clone(), part.amount);
            self.bounces.push(Bounce {
                on,
                payment: id.clone(),
                invoice,
                amount,
            });
        }
        self.events.push((day, Event::Payment { id, parts }));
    }

    /// Returned direct debits open their invoices again; these are paid some weeks later.
    fn take_back(&mut self, day: NaiveDate) {
        let (returned, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.bounces)
            .into_iter()
            .partition(|bounce| bounce.on == day);
        self.bounces = waiting;
        for bounce in returned {
            let again = on_or_after(plus(day, self.dice.between(8, 30)));
            match self
                .open
                .iter_mut()
                .find(|invoice| invoice.id == bounce.invoice)
            {
                Some(invoice) => {
                    invoice.open += bounce.amount;
                    invoice.pay_on = Some(again);
                }
                None => self.open.push(Open {
                    id: bounce.invoice,
                    // Nothing that looks at the full amount happens to it any more.
                    amount: bounce.amount,
                    open: bounce.amount,
                    due: day,
                    discount_until: None,
                    pay_on: Some(again),
                    credit_on: None,
                }),
            }
            self.events.push((
                day,
                Event::Returned {
                    payment: bounce.payment,
                },
            ));
        }
    }

    fn fail(&mut self, day: NaiveDate) {
        let fails = self.habits.payer == Payer::Defaulting && self.habits.fails;
        let over = day >= plus(self.habits.turn, INSOLVENT_AFTER_DAYS);
        if fails && over && !self.insolvent {
            self.insolvent = true;
            self.events.push((day, Event::Insolvent));
        }
    }

    /// The credit manager looks at the account once a month.
    fn review(&mut self, day: NaiveDate) {
        let stopped = self.habits.payer == Payer::Defaulting && day > self.habits.turn;
        for invoice in &mut self.open {
            let overdue = (day - invoice.due).num_days();
            if stopped && overdue > WRITE_OFF_AFTER_DAYS && invoice.open > 0 {
                invoice.open = 0;
                self.events.push((
                    day,
                    Event::WrittenOff {
                        invoice: invoice.id.clone(),
                    },
                ));
            }
        }
        let oldest = self
            .open
            .iter()
            .filter(|it| it.open > 0)
            .map(|it| (day - it.due).num_days())
            .max();
        let overdue = oldest.unwrap_or(0);
        if !self.held && overdue > HOLD_AFTER_DAYS {
            self.held = true;
            self.events.push((day, Event::Hold(true)));
        } else if self.held && overdue <= 0 && !stopped {
            self.held = false;
            self.events.push((day, Event::Hold(false)));
        }
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
