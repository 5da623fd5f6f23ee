//! How debtors buy and pay.
//!
//! The mix is set so that the portfolio as a whole looks like published payment practice: statutory reports of large
//! companies in the United Kingdom, 2017 to 2026 (about 120,000 reports, Open Government Licence), have yearly medians
//! of 31 to 36 days to pay and of 15 to 26 percent of invoices not paid within terms.

use chrono::{Datelike as _, NaiveDate, Weekday};
use mahnwerk_proto::registry::v1::DebtorKind;

use super::{
    calendar::{CALENDAR, Period, month_end, months_between, on_or_after, plus},
    dice::Dice,
    ledger::Reminder,
    population::Debtor,
};

/// Median days to pay in the published reports, lowest and highest year.
pub(crate) const PUBLISHED_MEDIAN_DAYS: (i64, i64) = (31, 36);
/// Median percentage of invoices not paid within terms, lowest and highest year.
pub(crate) const PUBLISHED_LATE_PERCENT: (i64, i64) = (15, 26);
/// Where the two come from.
pub(crate) const PUBLISHED_SOURCE: &str =
    "UK statutory payment practice reports, yearly medians 2017-2026";

/// What kind of payer a debtor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payer {
    /// On the due date or a little before.
    Prompt,
    /// Some days or weeks late, nearly always.
    Slow,
    /// On the last business day of the month that is nearest to the due date.
    MonthEnd,
    /// As late as possible, often in parts.
    Stalling,
    /// Prompt at first, then later every month.
    Deteriorating,
    /// Prompt at first, then later, then not at all.
    Defaulting,
    /// Prompt, but late in summer and around the new year.
    Seasonal,
}

/// The habits of one debtor.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) payer: Payer,
    /// Days from document to due date.
    pub(crate) terms: i64,
    /// Whether 2 percent are offered for payment within 10 days.
    pub(crate) discount: bool,
    /// Pays on this weekday only.
    run: Option<Weekday>,
    /// Pays everything of a day at once.
    pub(crate) bulk: bool,
    /// Invoices of a thousand months.
    rate: i64,
    /// A usual amount, in minor units.
    scale: i64,
    /// From here on a deteriorating debtor pays later and later, a defaulting one not at all.
    pub(crate) turn: NaiveDate,
    /// Whether a default ends in insolvency.
    pub(crate) fails: bool,
    /// Days that a deteriorating debtor gets later in a month.
    drift: i64,
}

/// A defaulting debtor gets later for so many days before it stops paying.
const SIGNS_DAYS: i64 = 150;

impl Habits {
    /// The habits of a debtor.
    pub(crate) fn of(debtor: &Debtor, dice: &mut Dice, period: &Period) -> Self {
        let person = debtor.kind == DebtorKind::Person;
        let payer = if person {
            dice.weighted(&PERSONS, Payer::Prompt)
        } else {
            dice.weighted(&ORGANISATIONS, Payer::Prompt)
        };
        let terms = if person {
            dice.weighted(&[(4, 14), (4, 30), (1, 7)], 14)
        } else {
            dice.weighted(&[(8, 30), (1, 21), (5, 40), (3, 45), (3, 60)], 30)
        };
        let weekdays = [Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];
        let length = (period.last() - period.first()).num_days();
        Self {
            payer,
            terms,
            discount: !person && terms >= 30 && dice.chance(200),
            run: (!person && dice.chance(450)).then(|| dice.pick(&weekdays, Weekday::Thu)),
            bulk: !person && dice.chance(450),
            rate: if person {
                dice.between(150, 700)
            } else {
                dice.around(300, 2_400)
            },
            scale: if person {
                dice.between(3_000, 40_000)
            } else {
                dice.between(8, 80) * dice.between(1_500, 12_000)
            },
            turn: plus(period.first(), dice.between(length / 4, length - 50)),
            fails: dice.chance(450),
            drift: dice.between(3, 7),
        }
    }

    /// Whether an invoice is issued on the day: more on Fridays and at the end of the month, fewer on Mondays.
    pub(crate) fn buys(&self, day: NaiveDate, dice: &mut Dice) -> bool {
        let weekly = match day.weekday() {
            Weekday::Mon => 70,
            Weekday::Fri => 130,
            _ => 95,
        };
        let monthly = if (month_end(day) - day).num_days() < 3 {
            250
        } else {
            90
        };
        let yearly = match (self.payer, day.month()) {
            (Payer::Seasonal, 5 | 6 | 11) => 160,
            (_, 8) => 80,
            _ => 100,
        };
        // 21 business days in a month; the weights are percentages, the rate is in thousandths.
        let weight = self.rate * weekly * monthly * yearly / 1_000_000 / 21;
        dice.chance(weight)
    }

    /// The amount of an invoice, in minor units.
    pub(crate) fn amount(&self, dice: &mut Dice) -> i64 {
        (self.scale * dice.around(25, 240) / 100).max(100)
    }

    /// The day on which the debtor means to pay an invoice; `None` if never. A business day.
    pub(crate) fn plan(
        &self,
        issued: NaiveDate,
        discount: bool,
        dice: &mut Dice,
    ) -> Option<NaiveDate> {
        let due = plus(issued, self.terms);
        let early = match self.payer {
            Payer::Prompt | Payer::Seasonal if discount && dice.chance(700) => {
                return Some(
                    CALENDAR.latest_business_day_on_or_before(plus(issued, dice.between(7, 10))),
                );
            }
            Payer::Prompt => self.prompt(due, 5, dice),
            Payer::MonthEnd => return Some(month_end_near(due, issued)),
            Payer::Slow if dice.chance(25) => plus(due, dice.between(60, 100)),
            Payer::Slow => plus(due, dice.around(1, 24)),
            Payer::Stalling => plus(due, dice.around(12, 85)),
            Payer::Deteriorating => {
                let months = months_between(self.turn, due).max(0);
                plus(self.prompt(due, 8, dice), months * self.drift)
            }
            Payer::Defaulting if due >= self.turn => return None,
            Payer::Defaulting => {
                let signs = (due - plus(self.turn, -SIGNS_DAYS)).num_days().max(0);
                plus(
                    self.prompt(due, 8, dice),
                    signs * dice.between(15, 35) / 100,
                )
            }
            Payer::Seasonal if matches!(due.month(), 7 | 8 | 12) => plus(due, dice.around(-6, 26)),
            Payer::Seasonal => self.prompt(due, 6, dice),
        };
        Some(self.on_a_run(early, early <= due))
    }

    /// On the due date or some days before; now and then an invoice is forgotten.
    fn prompt(&self, due: NaiveDate, forgotten_permille: i64, dice: &mut Dice) -> NaiveDate {
        if dice.chance(forgotten_permille) {
            return plus(due, dice.between(30, 90));
        }
        if dice.chance(30) {
            return plus(due, dice.between(1, 6));
        }
        let most = (self.terms / 15).clamp(1, 3);
        plus(due, -dice.between(0, most))
    }

    /// The business day, of the debtor's payment run if it has one: the last one before if it means to be in time.
    fn on_a_run(&self, day: NaiveDate, in_time: bool) -> NaiveDate {
        let step = if in_time { -1 } else { 1 };
        let mut chosen = day;
        for _ in 0..14 {
            let run = self.run.is_none_or(|weekday| chosen.weekday() == weekday);
            if run && CALENDAR.is_business_day(chosen) {
                return chosen;
            }
            chosen = plus(chosen, step);
        }
        on_or_after(day)
    }

    /// What a debtor does about a reminder. `stopped`: it cannot pay any more.
    ///
    /// In so many of a thousand reminders of the first, second and each later level it pays within days; a call makes it
    /// a hundred more. These figures are made up; the report states them.
    pub(crate) fn answer(&self, reminder: &Reminder, stopped: bool, dice: &mut Dice) -> Answer {
        let permille = PAYS_PERMILLE
            .iter()
            .find(|(payer, _)| *payer == self.payer)
            .map_or([0; 3], |(_, permille)| *permille);
        let [first, second, later] = permille;
        let by_level = match reminder.level {
            ..=1 => first,
            2 => second,
            _ => later,
        };
        let pays = by_level + if reminder.by_phone { 100 } else { 0 };
        let throw = dice.between(0, 999);
        let promises = PROMISES_PERMILLE + if reminder.by_phone { 150 } else { 0 };
        match throw {
            _ if stopped => Answer::Silence,
            throw if throw < pays => Answer::Pays,
            throw if throw < pays + promises => Answer::Promises,
            throw if throw < pays + promises + DISPUTES_PERMILLE => Answer::Disputes,
            _ => Answer::Silence,
        }
    }

    /// Whether a payment covers only a part.
    pub(crate) fn pays_a_part(&self, dice: &mut Dice) -> bool {
        dice.chance(match self.payer {
            Payer::Stalling => 300,
            Payer::Deteriorating | Payer::Defaulting => 120,
            Payer::Slow => 60,
            Payer::Prompt | Payer::MonthEnd | Payer::Seasonal => 8,
        })
    }
}

/// What a debtor does about a reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing that it had not planned.
    Silence,
    /// It pays within days.
    Pays,
    /// It promises to pay, and keeps its word more often than not.
    Promises,
    /// It disputes an invoice.
    Disputes,
}

/// Of a thousand reminders of the first, second and each later level: after how many the debtor pays within days.
pub(crate) const PAYS_PERMILLE: [(Payer, [i64; 3]); 7] = [
    (Payer::Prompt, [600, 700, 800]),
    (Payer::MonthEnd, [100, 200, 400]),
    (Payer::Slow, [250, 350, 500]),
    (Payer::Stalling, [80, 150, 350]),
    (Payer::Deteriorating, [200, 300, 400]),
    (Payer::Defaulting, [200, 250, 300]),
    (Payer::Seasonal, [400, 500, 600]),
];
/// Of a thousand reminders: after how many it promises.
pub(crate) const PROMISES_PERMILLE: i64 = 70;
/// Of a thousand reminders: after how many it disputes an invoice.
pub(crate) const DISPUTES_PERMILLE: i64 = 25;

const ORGANISATIONS: [(i64, Payer); 7] = [
    (70, Payer::Prompt),
    (6, Payer::MonthEnd),
    (6, Payer::Slow),
    (3, Payer::Stalling),
    (4, Payer::Deteriorating),
    (4, Payer::Defaulting),
    (8, Payer::Seasonal),
];
const PERSONS: [(i64, Payer); 6] = [
    (72, Payer::Prompt),
    (8, Payer::Slow),
    (4, Payer::Stalling),
    (5, Payer::Deteriorating),
    (6, Payer::Defaulting),
    (6, Payer::Seasonal),
];

/// The last business day of the month nearest to the due date, at least a week after the invoice.
fn month_end_near(due: NaiveDate, issued: NaiveDate) -> NaiveDate {
    let this = CALENDAR.latest_business_day_on_or_before(month_end(due));
    let first = due.with_day(1).unwrap_or(due);
    let before = CALENDAR.latest_business_day_on_or_before(plus(first, -1));
    let before_is_nearer = due - before < this - due;
    if before_is_nearer && before >= plus(issued, 7) {
        before
    } else {
        this
    }
}
