//! How one debtor lives: buys, pays, answers reminders, fails.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use mahnwerk_proto::registry::v1::{DebtorKind, DisputeState};

use super::{
    behaviour::{Answer, Habits, Payer},
    calendar::{Period, on_or_after, plus},
    dice::Dice,
    ledger::{DISCOUNT_BPS, Event, Invoice, Part, Reminder},
    population::Debtor,
};

const DISCOUNT_DAYS: i64 = 10;
/// Deliveries stop when the oldest invoice is overdue by more.
const HOLD_AFTER_DAYS: i64 = 70;
/// Invoices overdue by more are given up, if their debtor has stopped paying.
const WRITE_OFF_AFTER_DAYS: i64 = 150;
/// From the last payment of a debtor that fails to its insolvency.
const INSOLVENT_AFTER_DAYS: i64 = 75;

/// Streams of chance beside the one that makes a debtor up: what it buys on a day is the same whatever else happens.
const PURCHASES: u64 = 1 << 32;
const PAYMENTS: u64 = 1 << 62;
const REACTIONS: u64 = 1 << 61;
/// More days than the demo can have.
const DAYS: u64 = 1 << 16;

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
    /// Promised or disputed before.
    spoken_for: bool,
}

impl Open {
    /// At the latest on the day.
    fn pay_by(&mut self, day: NaiveDate) {
        self.pay_on = Some(self.pay_on.map_or(day, |planned| planned.min(day)));
    }
}

/// A direct debit that the bank will take back.
struct Bounce {
    on: NaiveDate,
    payment: String,
    invoice: String,
    amount: i64,
}

/// A dispute waiting for its outcome.
struct Complaint {
    id: String,
    invoice: String,
    decide_on: NaiveDate,
}

/// One debtor, lived day by day.
pub(crate) struct Life {
    debtor: Debtor,
    habits: Habits,
    seed: u64,
    stream: u64,
    payments_dice: Dice,
    reactions_dice: Dice,
    open: Vec<Open>,
    bounces: Vec<Bounce>,
    complaints: Vec<Complaint>,
    invoices: u32,
    payments: u32,
    words: u32,
    held: bool,
    insolvent: bool,
    /// Of today.
    events: Vec<Event>,
}

impl Life {
    /// A debtor on its first day; `stream` is its own source of chance.
    pub(crate) fn new(debtor: Debtor, habits: Habits, seed: u64, stream: u64) -> Self {
        Self {
            debtor,
            habits,
            seed,
            stream,
            payments_dice: Dice::new(seed, PAYMENTS + stream),
            reactions_dice: Dice::new(seed, REACTIONS + stream),
            open: Vec::new(),
            bounces: Vec::new(),
            complaints: Vec::new(),
            invoices: 0,
            payments: 0,
            words: 0,
            held: false,
            insolvent: false,
            events: Vec::new(),
        }
    }

    pub(crate) fn debtor(&self) -> &Debtor {
        &self.debtor
    }

    /// What happens on a business day; days come in order.
    pub(crate) fn live(&mut self, day: NaiveDate, period: &Period) -> Vec<Event> {
        if day == self.debtor.joins_on {
            self.events.push(Event::Registered);
        }
        if day >= self.debtor.joins_on && !self.debtor.prospect {
            self.trade(day, period);
        }
        std::mem::take(&mut self.events)
    }

    fn trade(&mut self, day: NaiveDate, period: &Period) {
        if !self.held && !self.insolvent {
            let today = u64::try_from((day - period.first()).num_days()).unwrap_or_default();
            let stream = PURCHASES + self.stream * DAYS + today;
            let mut dice = Dice::new(self.seed, stream);
            if self.habits.buys(day, &mut dice) {
                self.issue(day, &mut dice);
            }
        }
        self.credit(day);
        self.pay(day);
        self.take_back(day);
        self.decide(day);
        self.fail(day);
        if period.opens_month(day) {
            self.review(day);
        }
        self.open.retain(|invoice| invoice.open > 0);
        self.forget_what_is_settled();
    }

    /// Nobody promises to pay, or disputes, what it has paid on the same day.
    fn forget_what_is_settled(&mut self) {
        let open: BTreeSet<&str> = self.open.iter().map(|it| it.id.as_str()).collect();
        let complaints = &mut self.complaints;
        self.events.retain_mut(|event| match event {
            Event::Promised { invoices, .. } => {
                invoices.retain(|id| open.contains(id.as_str()));
                !invoices.is_empty()
            }
            Event::Disputed { id, invoice } => {
                let stands = open.contains(invoice.as_str());
                complaints.retain(|complaint| stands || complaint.id != *id);
                stands
            }
            _ => true,
        });
    }

    fn issue(&mut self, day: NaiveDate, dice: &mut Dice) {
        self.invoices += 1;
        let id = format!("{}-{:04}", self.debtor.id.replace("D-", "R"), self.invoices);
        let amount = self.habits.amount(dice);
        let discount_until = self.habits.discount.then(|| plus(day, DISCOUNT_DAYS));
        let credited = dice.chance(25);
        let credit_on = credited.then(|| on_or_after(plus(day, dice.between(3, 12))));
        let due = plus(day, self.habits.terms);
        self.open.push(Open {
            pay_on: self.habits.plan(day, discount_until.is_some(), dice),
            id: id.clone(),
            amount,
            open: amount,
            due,
            discount_until,
            credit_on,
            spoken_for: false,
        });
        self.events.push(Event::Invoice(Invoice {
            id,
            amount,
            due,
            discount_until,
        }));
    }

    /// Goods sent back or prices put right; one in six is credited in full.
    fn credit(&mut self, day: NaiveDate) {
        for invoice in &mut self.open {
            if invoice.credit_on != Some(day) || invoice.open < invoice.amount {
                continue;
            }
            let percent = if self.payments_dice.chance(167) {
                100
            } else {
                self.payments_dice.between(5, 30)
            };
            let amount = (invoice.amount * percent / 100).max(1);
            invoice.open -= amount;
            let event = Event::CreditNote {
                id: format!("G{}", invoice.id.trim_start_matches('R')),
                invoice: invoice.id.clone(),
                amount,
            };
            self.events.push(event);
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
            if untouched && self.habits.pays_a_part(&mut self.payments_dice) {
                let amount = (invoice.open * self.payments_dice.between(30, 70) / 100).max(1);
                invoice.open -= amount;
                invoice.pay_on = Some(on_or_after(plus(day, self.payments_dice.between(14, 40))));
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
            && self.payments_dice.chance(30)
        {
            let on = on_or_after(plus(day, self.payments_dice.between(2, 6)));
            let (invoice, amount) = (part.invoice.clone(), part.amount);
            self.bounces.push(Bounce {
                on,
                payment: id.clone(),
                invoice,
                amount,
            });
        }
        self.events.push(Event::Payment { id, parts });
    }

    /// Returned direct debits open their invoices again; these are paid some weeks later.
    fn take_back(&mut self, day: NaiveDate) {
        let (returned, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.bounces)
            .into_iter()
            .partition(|bounce| bounce.on == day);
        self.bounces = waiting;
        for bounce in returned {
            let again = on_or_after(plus(day, self.payments_dice.between(8, 30)));
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
                    spoken_for: false,
                }),
            }
            self.events.push(Event::Returned {
                payment: bounce.payment,
            });
        }
    }

    fn fail(&mut self, day: NaiveDate) {
        let fails = self.habits.payer == Payer::Defaulting && self.habits.fails;
        let over = day >= plus(self.habits.turn, INSOLVENT_AFTER_DAYS);
        if fails && over && !self.insolvent {
            self.insolvent = true;
            self.events.push(Event::Insolvent);
        }
    }

    /// What a reminder makes of the debtor's plans. Nothing happens on the day itself.
    pub(crate) fn react(&mut self, day: NaiveDate, reminder: &Reminder) {
        if self.insolvent {
            return;
        }
        let stopped = self.has_stopped(day);
        let answer = self
            .habits
            .answer(reminder, stopped, &mut self.reactions_dice);
        let named: BTreeSet<&str> = reminder.invoices.iter().map(String::as_str).collect();
        let (soon, promised) = (
            self.reactions_dice.between(2, 8),
            self.reactions_dice.between(7, 16),
        );
        let keeps = self.reactions_dice.chance(550);
        let named = self
            .open
            .iter_mut()
            .filter(|it| it.open > 0 && named.contains(it.id.as_str()));
        match answer {
            Answer::Silence => {}
            Answer::Pays => named.for_each(|invoice| invoice.pay_by(on_or_after(plus(day, soon)))),
            Answer::Promises => {
                let by = on_or_after(plus(day, promised));
                let mut invoices = Vec::new();
                for invoice in named.filter(|it| !it.spoken_for) {
                    invoice.spoken_for = true;
                    if keeps {
                        invoice.pay_by(by);
                    }
                    invoices.push(invoice.id.clone());
                }
                self.promise(invoices, by);
            }
            Answer::Disputes => {
                let first = named.take(1).filter(|it| !it.spoken_for).map(|invoice| {
                    invoice.spoken_for = true;
                    invoice.pay_on = None;
                    invoice.id.clone()
                });
                let first: Vec<_> = first.collect();
                self.dispute(first, day);
            }
        }
    }

    fn promise(&mut self, invoices: Vec<String>, by: NaiveDate) {
        if !invoices.is_empty() {
            self.words += 1;
            let id = format!("{}-{:03}", self.debtor.id.replace("D-", "V"), self.words);
            self.events.push(Event::Promised { id, invoices, by });
        }
    }

    fn dispute(&mut self, invoices: Vec<String>, day: NaiveDate) {
        for invoice in invoices {
            self.words += 1;
            let id = format!("{}-{:03}", self.debtor.id.replace("D-", "S"), self.words);
            self.complaints.push(Complaint {
                id: id.clone(),
                invoice: invoice.clone(),
                decide_on: on_or_after(plus(day, self.reactions_dice.between(10, 30))),
            });
            self.events.push(Event::Disputed { id, invoice });
        }
    }

    /// Two of five complaints are right and end in a credit note; the others are paid some days later.
    fn decide(&mut self, day: NaiveDate) {
        let (due, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.complaints)
            .into_iter()
            .partition(|complaint| complaint.decide_on <= day);
        self.complaints = waiting;
        for complaint in due {
            let right = self.reactions_dice.chance(400);
            let on = on_or_after(plus(day, self.reactions_dice.between(3, 9)));
            let invoice = self.open.iter_mut().find(|it| it.id == complaint.invoice);
            if let Some(invoice) = invoice {
                if right {
                    invoice.credit_on = Some(on);
                    invoice.amount = invoice.open;
                }
                invoice.pay_on = Some(plus(on, 5));
            }
            let outcome = if right {
                DisputeState::Upheld
            } else {
                DisputeState::Rejected
            };
            self.events.push(Event::Decided {
                id: complaint.id,
                outcome,
            });
        }
    }

    fn has_stopped(&self, day: NaiveDate) -> bool {
        self.habits.payer == Payer::Defaulting && day > self.habits.turn
    }

    /// The credit manager looks at the account once a month.
    fn review(&mut self, day: NaiveDate) {
        let stopped = self.has_stopped(day);
        for invoice in &mut self.open {
            let overdue = (day - invoice.due).num_days();
            if stopped && overdue > WRITE_OFF_AFTER_DAYS && invoice.open > 0 {
                invoice.open = 0;
                self.events.push(Event::WrittenOff {
                    invoice: invoice.id.clone(),
                });
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
            self.events.push(Event::Hold(true));
        } else if self.held && overdue <= 0 && !stopped {
            self.held = false;
            self.events.push(Event::Hold(false));
        }
    }
}
