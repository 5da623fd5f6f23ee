//! Payment behaviour of a debtor as of a date, as integers with their unit in the name.
//!
//! Rules that hold for every feature:
//!
//! - Only what was known counts: an item with document and recorded date, a settlement with value and recorded date on
//!   or before the date (`as_of`).
//! - `DBT` (days beyond terms) is settlement date minus due date, negative when paid early. The settlement date is the
//!   value date that brought the open amount to zero for the last time, days taken as a whole and write-offs since undone
//!   left aside.
//! - An item is *paid* when nothing is open, at least one payment stands, and nothing is written off. Written-off items
//!   count in [`Features::written_off_items_24m`] only; items settled by credit notes or cancellation alone say
//!   nothing about payment. Items of zero or less are ignored.
//! - Windows end with `as_of` included: 3 months are 91 days, 12 months 365, 24 months 730.
//! - Averages and shares are rounded down (towards negative infinity). Months are whole calendar months; a month is
//!   full on the same day of the month, or on its last day where that day is missing.
//! - `None` means that there is nothing to compute from; it is a state of its own, never a zero.

mod feature;

use std::collections::BTreeMap;

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::facts::{DebtorFacts, ItemFacts};
use crate::observation::{self, Observation, Paid, Scratch};

pub use feature::Feature;

const DAYS_3M: i64 = 91;
const DAYS_12M: i64 = 365;
const DAYS_24M: i64 = 730;
const BPS: i64 = 10_000;

/// Payment behaviour as of a date. See the module for the rules that all fields share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Items paid in full, over all time.
    pub settled_items: i64,
    /// Average DBT of the items paid in the last 12 months, in days. `None` without such an item.
    pub avg_dbt_12m_days: Option<i64>,
    /// The same, weighted by item amounts taken as bare numbers of minor units.
    pub weighted_dbt_12m_days: Option<i64>,
    /// Average days from document date to settlement of the items paid in the last 12 months. `None` without any.
    pub avg_days_to_pay_12m_days: Option<i64>,
    /// Share of the items paid in the last 12 months that were paid after the due date, in bps. `None` without any.
    pub share_late_12m_bps: Option<i64>,
    /// Share of the items paid in the last 12 months with a DBT over 30 days, in bps. `None` without any.
    pub share_late_over_30_12m_bps: Option<i64>,
    /// Highest DBT of the items paid in the last 24 months, in days. `None` without such an item.
    pub worst_dbt_24m_days: Option<i64>,
    /// Average DBT of the items paid in the last 3 months, less that of the 9 months before, in days: above zero is
    /// getting slower. `None` unless both have an item.
    pub dbt_trend_days: Option<i64>,
    /// Share of the items paid in the last 12 months that took two or more payments, in bps. `None` without any.
    pub partial_payment_share_12m_bps: Option<i64>,
    /// Items with a standing write-off (of any part) whose latest value date is in the last 24 months.
    pub written_off_items_24m: i64,
    /// Items with an open amount whose due date has passed.
    pub overdue_items: i64,
    /// Overdue part of the open amount in bps, of the currency in which it is highest. `None` if nothing is open.
    pub overdue_share_bps: Option<i64>,
    /// Days since the due date of the oldest overdue item, at least 1. `None` if nothing is overdue.
    pub oldest_overdue_days: Option<i64>,
    /// Months since the earliest document date. `None` without items.
    pub months_since_first_item: Option<i64>,
    /// Months since the latest document date. `None` without items.
    pub months_since_last_item: Option<i64>,
    /// Items with a document date in the last 12 months, per month, in thousandths. `None` without items at all.
    pub items_per_month_12m_milli: Option<i64>,
    /// Months since the day given as the first as a customer. `None` if none is given or it is yet to come.
    pub months_as_customer: Option<i64>,
    /// Amounts of the items with a document date in the last 12 months, less credit notes and cancellations, in minor
    /// units by currency. Sums beyond the range of `i64` are held at its end, here and below.
    pub turnover_12m: BTreeMap<String, i64>,
    /// Open amounts in minor units by currency, without currencies in which nothing is open.
    pub open_by_currency: BTreeMap<String, i64>,
}

impl Features {
    /// Computes the features as of a date, in one pass over items and settlements.
    #[must_use]
    pub fn compute(debtor: &DebtorFacts, items: &[ItemFacts], as_of: NaiveDate) -> Self {
        Self::compute_from(debtor, items, as_of)
    }

    /// As [`Features::compute`], from items that do not lie in one slice. Their order does not matter.
    pub fn compute_from<'a>(
        debtor: &DebtorFacts,
        items: impl IntoIterator<Item = &'a ItemFacts>,
        as_of: NaiveDate,
    ) -> Self {
        let mut totals = Totals::default();
        let mut scratch = Scratch::new();
        for item in items {
            if observation::is_known(item, as_of) {
                let observed = observation::observe(item, as_of, &mut scratch);
                totals.add(item, &observed, as_of);
            }
        }
        totals.into_features(debtor, as_of)
    }

    /// The value of a feature.
    #[must_use]
    pub fn value(&self, feature: Feature) -> Option<i64> {
        match feature {
            Feature::SettledItems => Some(self.settled_items),
            Feature::AvgDbt12mDays => self.avg_dbt_12m_days,
            Feature::WeightedDbt12mDays => self.weighted_dbt_12m_days,
            Feature::AvgDaysToPay12mDays => self.avg_days_to_pay_12m_days,
            Feature::ShareLate12mBps => self.share_late_12m_bps,
            Feature::ShareLateOver30Of12mBps => self.share_late_over_30_12m_bps,
            Feature::WorstDbt24mDays => self.worst_dbt_24m_days,
            Feature::DbtTrendDays => self.dbt_trend_days,
            Feature::PartialPaymentShare12mBps => self.partial_payment_share_12m_bps,
            Feature::WrittenOffItems24m => Some(self.written_off_items_24m),
            Feature::OverdueItems => Some(self.overdue_items),
            Feature::OverdueShareBps => self.overdue_share_bps,
            Feature::OldestOverdueDays => self.oldest_overdue_days,
            Feature::MonthsSinceFirstItem => self.months_since_first_item,
            Feature::MonthsSinceLastItem => self.months_since_last_item,
            Feature::ItemsPerMonth12mMilli => self.items_per_month_12m_milli,
            Feature::MonthsAsCustomer => self.months_as_customer,
        }
    }

    /// The first date after `as_of` on which the features may differ although no further fact arrives: windows end,
    /// due dates pass, overdue items age, months fill up, facts dated ahead come true. Never later than the first real
    /// change, sometimes earlier; [`NaiveDate::MAX`] if nothing will change.
    #[must_use]
    pub fn unchanged_until(
        debtor: &DebtorFacts,
        items: &[ItemFacts],
        as_of: NaiveDate,
    ) -> NaiveDate {
        Self::unchanged_until_from(debtor, items, as_of)
    }

    /// As [`Features::unchanged_until`], from items that do not lie in one slice.
    pub fn unchanged_until_from<'a>(
        debtor: &DebtorFacts,
        items: impl IntoIterator<Item = &'a ItemFacts>,
        as_of: NaiveDate,
    ) -> NaiveDate {
        let mut next = NextChange {
            as_of,
            date: NaiveDate::MAX,
        };
        let mut scratch = Scratch::new();
        let mut first_document: Option<NaiveDate> = None;
        let mut last_document: Option<NaiveDate> = None;
        for item in items {
            if item.amount <= 0 {
                continue;
            }
            item.settlements
                .iter()
                .for_each(|it| next.at(observation::settlement_known_from(it)));
            next.at(observation::known_from(item));
            if !observation::is_known(item, as_of) {
                continue;
            }
            let observed = observation::observe(item, as_of, &mut scratch);
            next.for_item(item, &observed);
            first_document = Some(
                first_document.map_or(item.document_date, |date| date.min(item.document_date)),
            );
            last_document = last_document.max(Some(item.document_date));
        }
        next.at_full_month_since(first_document);
        next.at_full_month_since(last_document);
        next.at_full_month_since(debtor.customer_since);
        next.date
    }
}

/// Finds the first of the dates after `as_of`.
struct NextChange {
    as_of: NaiveDate,
    date: NaiveDate,
}

impl NextChange {
    fn at(&mut self, date: NaiveDate) {
        if date > self.as_of {
            self.date = self.date.min(date);
        }
    }

    fn days_after(&mut self, date: NaiveDate, days: i64) {
        if let Some(later) = u64::try_from(days)
            .ok()
            .and_then(|days| date.checked_add_days(Days::new(days)))
        {
            self.at(later);
        }
    }

    fn for_item(&mut self, item: &ItemFacts, observed: &Observation) {
        self.days_after(item.document_date, DAYS_12M);
        if observed.open > 0 {
            let overdue_since = item.due_date.max(self.as_of);
            self.days_after(overdue_since, 1);
        }
        if let Some(paid) = &observed.paid {
            for days in [DAYS_3M, DAYS_12M, DAYS_24M] {
                self.days_after(paid.on, days);
            }
        }
        if let Some(written_off_on) = observed.written_off_on {
            self.days_after(written_off_on, DAYS_24M);
        }
    }

    fn at_full_month_since(&mut self, date: Option<NaiveDate>) {
        let Some(date) = date else { return };
        if date > self.as_of {
            return self.at(date);
        }
        let next_full = u32::try_from(months_between(date, self.as_of) + 1).ok();
        if let Some(later) =
            next_full.and_then(|months| date.checked_add_months(Months::new(months)))
        {
            self.at(later);
        }
    }
}

/// Sums over the items of a debtor.
#[derive(Default)]
struct Totals<'a> {
    settled_items: i64,
    paid_12m: PaidTotals,
    paid_3m: DbtSum,
    paid_9m_before: DbtSum,
    worst_dbt_24m: Option<i64>,
    written_off_items_24m: i64,
    overdue_items: i64,
    oldest_overdue_days: Option<i64>,
    first_document: Option<NaiveDate>,
    last_document: Option<NaiveDate>,
    items_12m: i64,
    by_currency: Vec<CurrencyTotals<'a>>,
}

/// Sums over the items paid in the last 12 months.
#[derive(Default)]
struct PaidTotals {
    dbt: DbtSum,
    amount: i128,
    amount_times_dbt: i128,
    days_to_pay: i64,
    late: i64,
    late_over_30: i64,
    in_parts: i64,
}

#[derive(Default)]
struct DbtSum {
    items: i64,
    days: i64,
}

impl DbtSum {
    fn add(&mut self, dbt: i64) {
        self.items += 1;
        self.days += dbt;
    }

    fn average(&self) -> Option<i64> {
        self.days.checked_div_euclid(self.items)
    }
}

struct CurrencyTotals<'a> {
    currency: &'a str,
    open: i128,
    overdue: i128,
    turnover: i128,
}

impl<'a> Totals<'a> {
    fn add(&mut self, item: &'a ItemFacts, observed: &Observation, as_of: NaiveDate) {
        let is_recent = within(item.document_date, as_of, DAYS_12M);
        self.items_12m += i64::from(is_recent);
        self.first_document = Some(
            self.first_document
                .map_or(item.document_date, |date| date.min(item.document_date)),
        );
        self.last_document = self.last_document.max(Some(item.document_date));

        let days_overdue = (as_of - item.due_date).num_days();
        let is_overdue = observed.open > 0 && days_overdue > 0;
        if is_overdue {
            self.overdue_items += 1;
            self.oldest_overdue_days = self.oldest_overdue_days.max(Some(days_overdue));
        }
        let currency = self.currency(&item.currency);
        currency.open += observed.open;
        currency.overdue += if is_overdue { observed.open } else { 0 };
        currency.turnover += if is_recent { observed.sold } else { 0 };

        if observed
            .written_off_on
            .is_some_and(|date| within(date, as_of, DAYS_24M))
        {
            self.written_off_items_24m += 1;
        }
        if let Some(paid) = &observed.paid {
            self.add_paid(item, paid, as_of);
        }
    }

    fn add_paid(&mut self, item: &ItemFacts, paid: &Paid, as_of: NaiveDate) {
        self.settled_items += 1;
        let dbt = (paid.on - item.due_date).num_days();
        if within(paid.on, as_of, DAYS_24M) {
            self.worst_dbt_24m = self.worst_dbt_24m.max(Some(dbt));
        }
        if !within(paid.on, as_of, DAYS_12M) {
            return;
        }
        if within(paid.on, as_of, DAYS_3M) {
            self.paid_3m.add(dbt);
        } else {
            self.paid_9m_before.add(dbt);
        }
        let year = &mut self.paid_12m;
        year.dbt.add(dbt);
        year.amount += i128::from(item.amount);
        year.amount_times_dbt += i128::from(item.amount) * i128::from(dbt);
        year.days_to_pay += (paid.on - item.document_date).num_days();
        year.late += i64::from(dbt > 0);
        year.late_over_30 += i64::from(dbt > 30);
        year.in_parts += i64::from(paid.payments >= 2);
    }

    /// Debtors have one currency, seldom more: a short list is faster than a map.
    fn currency(&mut self, currency: &'a str) -> &mut CurrencyTotals<'a> {
        let found = self
            .by_currency
            .iter()
            .position(|totals| totals.currency == currency);
        let index = found.unwrap_or(self.by_currency.len());
        if found.is_none() {
            self.by_currency.push(CurrencyTotals {
                currency,
                open: 0,
                overdue: 0,
                turnover: 0,
            });
        }
        &mut self.by_currency[index]
    }

    fn into_features(self, debtor: &DebtorFacts, as_of: NaiveDate) -> Features {
        let year = &self.paid_12m;
        let share = |count: i64| (count * BPS).checked_div_euclid(year.dbt.items);
        let months_since = |date: Option<NaiveDate>| date.map(|date| months_between(date, as_of));
        let amounts = |amount_of: fn(&CurrencyTotals<'_>) -> i128| {
            let nonzero = self
                .by_currency
                .iter()
                .filter(|totals| amount_of(totals) != 0);
            nonzero
                .map(|totals| (totals.currency.to_owned(), saturated(amount_of(totals))))
                .collect()
        };
        let overdue_shares = self
            .by_currency
            .iter()
            .filter_map(|it| (it.overdue * i128::from(BPS)).checked_div_euclid(it.open));
        Features {
            settled_items: self.settled_items,
            avg_dbt_12m_days: year.dbt.average(),
            weighted_dbt_12m_days: year
                .amount_times_dbt
                .checked_div_euclid(year.amount)
                .map(saturated),
            avg_days_to_pay_12m_days: year.days_to_pay.checked_div_euclid(year.dbt.items),
            share_late_12m_bps: share(year.late),
            share_late_over_30_12m_bps: share(year.late_over_30),
            worst_dbt_24m_days: self.worst_dbt_24m,
            dbt_trend_days: self
                .paid_3m
                .average()
                .zip(self.paid_9m_before.average())
                .map(|(recent, before)| recent - before),
            partial_payment_share_12m_bps: share(year.in_parts),
            written_off_items_24m: self.written_off_items_24m,
            overdue_items: self.overdue_items,
            overdue_share_bps: overdue_shares.max().map(saturated),
            oldest_overdue_days: self.oldest_overdue_days,
            months_since_first_item: months_since(self.first_document),
            months_since_last_item: months_since(self.last_document),
            items_per_month_12m_milli: self.first_document.map(|_| self.items_12m * 1_000 / 12),
            months_as_customer: months_since(debtor.customer_since.filter(|since| *since <= as_of)),
            turnover_12m: amounts(|totals| totals.turnover),
            open_by_currency: amounts(|totals| totals.open),
        }
    }
}

/// Whether a date lies in the window of so many days that ends with `as_of`.
fn within(date: NaiveDate, as_of: NaiveDate, days: i64) -> bool {
    (0..days).contains(&(as_of - date).num_days())
}

/// Whole months from one date to a date that is not earlier.
fn months_between(from: NaiveDate, to: NaiveDate) -> i64 {
    let started =
        i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month());
    let end = u32::try_from(started)
        .ok()
        .and_then(|months| from.checked_add_months(Months::new(months)));
    if end.is_some_and(|end| end > to) {
        started - 1
    } else {
        started
    }
}

fn saturated(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}
