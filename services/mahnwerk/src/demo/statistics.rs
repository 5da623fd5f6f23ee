//! Figures from invoices, balances and scores. Whole numbers throughout, so that they are the same everywhere.

use std::collections::{BTreeMap, HashMap};

use chrono::{Datelike as _, NaiveDate};
use mahnwerk_proto::{
    registry::v1::{Balance, EntryKind, Item},
    scoring::v1::{RiskClass, Score},
};

use super::calendar::{month_end, plus};
use crate::output::calendar_date;

/// An invoice counts as bad when it is paid, or still open, so many days after its due date.
pub(crate) const BAD_DAYS: i64 = 60;

/// What became of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) debtor_id: String,
    pub(crate) currency: String,
    pub(crate) amount: i64,
    pub(crate) issued: NaiveDate,
    pub(crate) due: NaiveDate,
    /// The day from which nothing was open any more.
    pub(crate) settled: Option<NaiveDate>,
    /// Whether a payment had a part in it.
    pub(crate) paid: bool,
    pub(crate) written_off: bool,
}

impl Outcome {
    /// `None` if the invoice lacks a date or an amount, which the registry never lets happen.
    pub(crate) fn of(invoice: &Item) -> Option<Self> {
        let amount = invoice.amount.as_ref()?;
        let mut entries: Vec<(NaiveDate, i64)> = Vec::with_capacity(invoice.entries.len());
        let (mut paid, mut written_off) = (0, 0);
        for entry in &invoice.entries {
            let settles = entry.amount.as_ref()?.minor_units;
            entries.push((calendar_date(entry.value_date.as_ref())?, settles));
            match entry.kind() {
                EntryKind::Allocation
                    if entry.credit_kind() == mahnwerk_proto::registry::v1::ItemKind::Payment =>
                {
                    paid += settles;
                }
                EntryKind::WriteOff => written_off += settles,
                _ => {}
            }
        }
        entries.sort_by_key(|(date, _)| *date);
        let total: i64 = entries.iter().map(|(_, settles)| settles).sum();
        let settled = (total == amount.minor_units)
            .then(|| last_completed(&entries, amount.minor_units))
            .flatten();
        Some(Self {
            debtor_id: invoice.debtor_id.clone(),
            currency: amount.currency_code.clone(),
            amount: amount.minor_units,
            issued: calendar_date(invoice.document_date.as_ref())?,
            due: calendar_date(invoice.due_date.as_ref())?,
            settled,
            paid: paid > 0,
            written_off: written_off > 0,
        })
    }

    /// Whether it went bad by the day: far too late, still open, or given up.
    pub(crate) fn is_bad(&self, today: NaiveDate) -> bool {
        self.written_off || (self.settled.unwrap_or(today) - self.due).num_days() >= BAD_DAYS
    }
}

/// The date on which the sum reached the amount for the last time; days are taken as a whole.
fn last_completed(entries: &[(NaiveDate, i64)], amount: i64) -> Option<NaiveDate> {
    let (mut sum, mut completed) = (0, None);
    for day in entries.chunk_by(|left, right| left.0 == right.0) {
        let before = sum;
        sum += day.iter().map(|(_, settles)| settles).sum::<i64>();
        if sum == amount && before != amount {
            completed = day.first().map(|(date, _)| *date);
        }
    }
    completed
}

/// How a portfolio pays.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Practice {
    /// Median of the days from document to settlement of paid invoices.
    pub(crate) median_days: i64,
    /// Per mille of the invoices fallen due that were not settled by then.
    pub(crate) late_permille: i64,
    /// Invoices paid.
    pub(crate) paid: usize,
    /// Invoices fallen due.
    pub(crate) due: usize,
}

/// How the debtors of these invoices paid, by the day.
pub(crate) fn practice(outcomes: &[Outcome], today: NaiveDate) -> Practice {
    let mut days: Vec<i64> = outcomes
        .iter()
        .filter(|it| it.paid && !it.written_off)
        .filter_map(|it| Some((it.settled? - it.issued).num_days()))
        .collect();
    days.sort_unstable();
    let due: Vec<_> = outcomes.iter().filter(|it| it.due < today).collect();
    let late = due
        .iter()
        .filter(|it| it.settled.is_none_or(|settled| settled > it.due))
        .count();
    let size = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Practice {
        median_days: days.get(days.len() / 2).copied().unwrap_or_default(),
        late_permille: size(late) * 1_000 / size(due.len()).max(1),
        paid: days.len(),
        due: due.len(),
    }
}

/// Invoiced amounts by currency and month (its last day).
pub(crate) type Sales = BTreeMap<(String, NaiveDate), i64>;

/// Adds up invoices by currency and month.
pub(crate) fn sales(outcomes: &[Outcome]) -> Sales {
    let mut sales = Sales::new();
    for outcome in outcomes {
        *sales
            .entry((outcome.currency.clone(), month_end(outcome.issued)))
            .or_default() += outcome.amount;
    }
    sales
}

/// Days sales outstanding by the count-back method: how many days of sales, counted back from the end of the month, it
/// takes to make up what is owed. `None` if the sales known do not reach back far enough.
///
/// Source: the usual definition in credit management, for example the Credit Research Foundation's.
pub(crate) fn count_back(
    owed: i64,
    currency: &str,
    end_of_month: NaiveDate,
    sales: &Sales,
) -> Option<i64> {
    let (mut left, mut days, mut month) = (owed, 0, end_of_month);
    loop {
        let sold = *sales.get(&(currency.to_owned(), month))?;
        let length = i64::from(month.day());
        if left <= sold {
            let part = i128::from(left) * i128::from(length) / i128::from(sold.max(1));
            return i64::try_from(part).ok().map(|part| days + part);
        }
        left -= sold;
        days += length;
        month = month_end(plus(month.with_day(1)?, -1));
    }
}

/// What is owed in a currency.
pub(crate) fn owed(balances: &[Balance], currency: &str) -> i64 {
    let amounts = balances
        .iter()
        .filter_map(|balance| balance.receivable.as_ref());
    amounts
        .filter(|money| money.currency_code == currency)
        .map(|money| money.minor_units)
        .sum()
}

/// Debtors of one class, and how many turned out bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassOutcome {
    pub(crate) debtors: i64,
    pub(crate) bad: i64,
    /// Sum of the probabilities that were predicted, in parts per million.
    pub(crate) pd_ppm: i64,
}

/// The predictions against what happened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) classes: BTreeMap<i32, ClassOutcome>,
    /// Area under the ROC curve in thousandths; `None` without both good and bad debtors.
    pub(crate) auc_permille: Option<i64>,
    /// Debtors scored then without an invoice since.
    pub(crate) without_invoice: i64,
}

/// Compares scores with the invoices issued from their day on.
pub(crate) fn check(
    predicted: &[Score],
    outcomes: &[Outcome],
    cut: NaiveDate,
    today: NaiveDate,
) -> Check {
    let mut bad: HashMap<&str, bool> = HashMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.issued >= cut) {
        *bad.entry(&outcome.debtor_id).or_default() |= outcome.is_bad(today);
    }
    let mut check = Check {
        classes: BTreeMap::new(),
        auc_permille: None,
        without_invoice: 0,
    };
    let (mut good_scores, mut bad_scores) = (Vec::new(), Vec::new());
    for score in predicted
        .iter()
        .filter(|score| score.risk_class() != RiskClass::X)
    {
        let Some(is_bad) = bad.get(score.debtor_id.as_str()) else {
            check.without_invoice += 1;
            continue;
        };
        let class = check.classes.entry(score.risk_class).or_default();
        class.debtors += 1;
        class.bad += i64::from(*is_bad);
        class.pd_ppm += i64::from(score.pd_ppm);
        if *is_bad {
            bad_scores.push(score.score)
        } else {
            good_scores.push(score.score)
        }
    }
    check.auc_permille = auc_permille(&mut good_scores, &bad_scores);
    check
}

/// How often a good debtor has the higher score of a good and a bad one, ties counted half, in thousandths.
///
/// Source: the Mann-Whitney form of the area under the ROC curve (Hanley and McNeil, 1982).
fn auc_permille(good: &mut [i32], bad: &[i32]) -> Option<i64> {
    good.sort_unstable();
    let halves: usize = bad
        .iter()
        .map(|score| {
            let lower = good.partition_point(|other| other < score);
            let up_to = good.partition_point(|other| other <= score);
            2 * (good.len() - up_to) + (up_to - lower)
        })
        .sum();
    let pairs = 2 * good.len() * bad.len();
    i64::try_from((halves * 1_000 + pairs / 2).checked_div(pairs)?).ok()
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
