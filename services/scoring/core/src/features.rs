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
//! - A dispute counts from the day it was opened, its outcome from the day it was closed, a broken arrangement from the
//!   day it was found broken. An item is *disputed* if it ever was, however often.
//! - `None` means that there is nothing to compute from; it is a state of its own, never a zero.

mod feature;
mod totals;

use std::collections::BTreeMap;

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::facts::{Arrangements, DebtorFacts, ItemFacts};
use crate::observation::{self, Observation, Scratch};

pub use feature::Feature;
use totals::{Disputes, Totals};

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
    /// Share of the items with a document date in the last 12 months that are or were disputed, in bps. `None` without
    /// such an item.
    pub dispute_share_12m_bps: Option<i64>,
    /// Share of the items with a document date in the last 12 months of which a dispute was upheld, in bps. `None`
    /// without such an item.
    pub upheld_dispute_share_12m_bps: Option<i64>,
    /// Disputes without an outcome, whatever is open on their items.
    #[serde(default)]
    pub open_disputes: i64,
    /// Promises to pay that were broken in the last 12 months.
    #[serde(default)]
    pub broken_promises_12m: i64,
    /// Instalment plans that were broken in the last 12 months.
    #[serde(default)]
    pub broken_plans_12m: i64,
    /// Amounts of the items with a document date in the last 12 months, less credit notes and cancellations, in minor
    /// units by currency. Sums beyond the range of `i64` are held at its end, here and below.
    pub turnover_12m: BTreeMap<String, i64>,
    /// Open amounts in minor units by currency, without currencies in which nothing is open.
    pub open_by_currency: BTreeMap<String, i64>,
    /// The part of [`Features::open_by_currency`] whose due date has passed, without currencies in which nothing is
    /// overdue.
    #[serde(default)]
    pub overdue_by_currency: BTreeMap<String, i64>,
    /// The part of [`Features::open_by_currency`] that is disputed, of no item more than what is open on it, without
    /// currencies in which nothing is disputed.
    #[serde(default)]
    pub disputed_by_currency: BTreeMap<String, i64>,
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
        let disputes = Disputes::of(&debtor.arrangements, as_of);
        let mut totals = Totals::default();
        let mut scratch = Scratch::new();
        for item in items {
            if observation::is_known(item, as_of) {
                let observed = observation::observe(item, as_of, &mut scratch);
                totals.add(item, &observed, disputes.of_item(&item.item_id), as_of);
            }
        }
        totals.into_features(debtor, &disputes, as_of)
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
            Feature::DisputeShare12mBps => self.dispute_share_12m_bps,
            Feature::UpheldDisputeShare12mBps => self.upheld_dispute_share_12m_bps,
            Feature::OpenDisputes => Some(self.open_disputes),
            Feature::BrokenPromises12m => Some(self.broken_promises_12m),
            Feature::BrokenPlans12m => Some(self.broken_plans_12m),
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
        next.for_arrangements(&debtor.arrangements);
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

    fn for_arrangements(&mut self, arrangements: &Arrangements) {
        for dispute in &arrangements.disputes {
            self.at(dispute.opened_date);
            if let Some(closed_date) = dispute.closed_date {
                self.at(closed_date);
            }
        }
        for broken in &arrangements.broken {
            self.at(broken.on);
            self.days_after(broken.on, DAYS_12M);
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
