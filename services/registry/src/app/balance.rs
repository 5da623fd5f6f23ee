//! Balances and ageing, of one debtor and of a whole creditor.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_runtime::{
    db::Sql,
    error::{Error, Result},
};
use registry_core::{
    balance::{self, Balance},
    creditor::Creditor,
    currency::Currency,
    date,
    error::DomainError,
};
use tokio::time::Instant;

use super::{App, creditor_of, debtor_of, from_domain};
use crate::storage::{self, item::BucketSum};

/// Unit of the high part of a [`BucketSum`].
const BILLION: i128 = 1_000_000_000;

/// As of which date, as known at which date, and how fresh.
#[derive(Clone, Debug)]
pub struct BalanceQuery<'a> {
    /// By value date, inclusive; the business date if absent.
    pub as_of: Option<NaiveDate>,
    /// Only what was recorded on or before this date; everything if absent.
    pub known_at: Option<NaiveDate>,
    /// A consistency token, or empty.
    pub at_least: &'a str,
    /// When the answer must have been given.
    pub deadline: Option<Instant>,
}

/// Balances by currency code, and the date used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    /// By currency code.
    pub balances: Vec<Balance>,
    /// By value date, inclusive.
    pub as_of: NaiveDate,
}

impl App {
    /// Balances of one debtor.
    ///
    /// # Errors
    /// `NotFound`; `NO_BUSINESS_DAY` without a date; `LIMIT_REACHED` if a sum does not fit 64 bits; those of a
    /// consistency token.
    pub async fn balance(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        query: &BalanceQuery<'_>,
    ) -> Result<Balances> {
        self.freshness
            .debtor(query.at_least, creditor_id, debtor_id, query.deadline)
            .await?;
        let reading = self.publisher.db().begin_read().await?;
        let creditor = creditor_of(&reading, creditor_id).await?;
        debtor_of(&reading, creditor_id, debtor_id).await?;
        let as_of = date_used(&creditor, query.as_of)?;
        let items = storage::item::of_debtor(&reading, creditor_id, debtor_id).await?;
        let entries = storage::entry::of_debtor(&reading, creditor_id, debtor_id).await?;
        let balances =
            balance::balances(&items, &entries, as_of, query.known_at).map_err(from_domain)?;
        Ok(Balances { balances, as_of })
    }

    /// Balances of all debtors of a creditor together, summed up by the database.
    ///
    /// # Errors
    /// Those of [`App::balance`].
    pub async fn portfolio_balance(
        &self,
        creditor_id: &str,
        query: &BalanceQuery<'_>,
    ) -> Result<Balances> {
        self.freshness.all(query.at_least, query.deadline).await?;
        let db = self.publisher.db();
        let creditor = creditor_of(db, creditor_id).await?;
        let as_of = date_used(&creditor, query.as_of)?;
        Ok(Balances {
            balances: portfolio(db, creditor_id, as_of, query.known_at).await?,
            as_of,
        })
    }
}

fn date_used(creditor: &Creditor, stated: Option<NaiveDate>) -> Result<NaiveDate> {
    stated
        .or(creditor.business_date)
        .ok_or_else(|| from_domain(DomainError::NoBusinessDay))
}

async fn portfolio(
    on: &impl Sql,
    creditor_id: &str,
    as_of: NaiveDate,
    known_at: Option<NaiveDate>,
) -> Result<Vec<Balance>> {
    let sums =
        storage::item::bucket_sums(on, creditor_id, as_of, known_at.unwrap_or(date::MAX)).await?;
    let mut currencies: BTreeMap<Currency, Vec<BucketSum>> = BTreeMap::new();
    for sum in sums {
        currencies.entry(sum.currency).or_default().push(sum);
    }
    currencies
        .into_iter()
        .map(|(currency, sums)| balance_of(currency, &sums))
        .collect()
}

fn balance_of(currency: Currency, sums: &[BucketSum]) -> Result<Balance> {
    let amount = |wanted: &dyn Fn(i64) -> bool| {
        let amounts = sums
            .iter()
            .filter(|sum| wanted(sum.bucket))
            .map(|sum| i128::from(sum.high) * BILLION + i128::from(sum.low));
        i64::try_from(amounts.sum::<i128>()).map_err(|_| too_large())
    };
    Ok(Balance {
        currency,
        receivable: amount(&|bucket| bucket >= 0)?,
        unallocated: amount(&|bucket| bucket < 0)?,
        not_due: amount(&|bucket| bucket == 0)?,
        overdue_1_30: amount(&|bucket| bucket == 1)?,
        overdue_31_60: amount(&|bucket| bucket == 2)?,
        overdue_61_90: amount(&|bucket| bucket == 3)?,
        overdue_over_90: amount(&|bucket| bucket == 4)?,
        open_items: sums
            .iter()
            .filter(|sum| sum.bucket >= 0)
            .map(|sum| sum.open_items)
            .sum(),
    })
}

fn too_large() -> Error {
    from_domain(DomainError::LimitReached {
        limit: i64::MAX,
        what: "minor units of a balance",
    })
}
