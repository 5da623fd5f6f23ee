//! Sums over the items of a debtor, and the features that follow.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{BPS, DAYS_3M, DAYS_12M, DAYS_24M, Features, months_between, within};
use crate::facts::{ArrangementKind, Arrangements, DebtorFacts, ItemFacts};
use crate::observation::{Observation, Paid};

/// The disputes of a debtor as of a date.
pub(super) struct Disputes<'a> {
    by_item: BTreeMap<&'a str, ItemDisputes>,
    open: i64,
}

/// The disputes about one item.
#[derive(Default)]
pub(super) struct ItemDisputes {
    upheld: bool,
    /// Asked for by those that are open; more than anything when they mean all that is open.
    open_amount: i128,
}

impl<'a> Disputes<'a> {
    pub(super) fn of(arrangements: &'a Arrangements, as_of: NaiveDate) -> Self {
        let mut disputes = Self {
            by_item: BTreeMap::new(),
            open: 0,
        };
        let opened = arrangements.disputes.iter();
        for dispute in opened.filter(|it| it.opened_date <= as_of) {
            let item = disputes.by_item.entry(&dispute.item_id).or_default();
            if dispute.closed_date.is_some_and(|date| date <= as_of) {
                item.upheld |= dispute.upheld;
            } else {
                item.open_amount += i128::from(dispute.amount.unwrap_or(i64::MAX));
                disputes.open += 1;
            }
        }
        disputes
    }

    pub(super) fn of_item(&self, item_id: &str) -> Option<&ItemDisputes> {
        self.by_item.get(item_id)
    }
}

/// Sums over the items of a debtor.
#[derive(Default)]
pub(super) struct Totals<'a> {
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
    disputed_items_12m: i64,
    upheld_items_12m: i64,
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
    disputed: i128,
    turnover: i128,
}

impl<'a> Totals<'a> {
    pub(super) fn add(
        &mut self,
        item: &'a ItemFacts,
        observed: &Observation,
        disputes: Option<&ItemDisputes>,
        as_of: NaiveDate,
    ) {
        let is_recent = within(item.document_date, as_of, DAYS_12M);
        if is_recent {
            self.items_12m += 1;
            self.disputed_items_12m += i64::from(disputes.is_some());
            self.upheld_items_12m += i64::from(disputes.is_some_and(|it| it.upheld));
        }
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
        currency.disputed += disputes.map_or(0, |it| it.open_amount.min(observed.open));
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
                disputed: 0,
                turnover: 0,
            });
        }
        &mut self.by_currency[index]
    }

    pub(super) fn into_features(
        self,
        debtor: &DebtorFacts,
        disputes: &Disputes<'_>,
        as_of: NaiveDate,
    ) -> Features {
        let year = &self.paid_12m;
        let share = |count: i64| (count * BPS).checked_div_euclid(year.dbt.items);
        let share_of_items = |count: i64| (count * BPS).checked_div_euclid(self.items_12m);
        let broken = |kind| broken_12m(&debtor.arrangements, kind, as_of);
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
            dispute_share_12m_bps: share_of_items(self.disputed_items_12m),
            upheld_dispute_share_12m_bps: share_of_items(self.upheld_items_12m),
            open_disputes: disputes.open,
            broken_promises_12m: broken(ArrangementKind::Promise),
            broken_plans_12m: broken(ArrangementKind::InstalmentPlan),
            turnover_12m: amounts(|totals| totals.turnover),
            open_by_currency: amounts(|totals| totals.open),
            overdue_by_currency: amounts(|totals| totals.overdue),
            disputed_by_currency: amounts(|totals| totals.disputed),
        }
    }
}

fn broken_12m(arrangements: &Arrangements, kind: ArrangementKind, as_of: NaiveDate) -> i64 {
    let mut count = 0;
    for broken in arrangements.broken.iter().filter(|it| it.kind == kind) {
        count += i64::from(within(broken.on, as_of, DAYS_12M));
    }
    count
}

fn saturated(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}
