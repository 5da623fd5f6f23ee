//! Placing everybody by a revision without storing anything.

use mahnwerk_runtime::error::Result;
use segmentation_core::simulate::Simulation;
use tokio::time::Instant;

use super::{App, chunk::Chunk, no_business_day, not_ready, schemes::Active};
use crate::storage::facts;

/// Debtors of one short read.
const PAGE: u64 = 500;

/// A simulation on its way.
pub struct Run {
    app: App,
    creditor_id: String,
    scheme: Active,
    reached: String,
    /// Debtors placed so far.
    pub visited: i64,
    /// Debtors to place, as counted at the begin.
    pub total: i64,
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// The result so far.
    pub result: Simulation,
}

impl App {
    /// Begins to simulate a revision; with number 0 the active one.
    ///
    /// # Errors
    /// `NotFound`, `PROJECTION_NOT_READY`, `NO_BUSINESS_DAY`, or those of the freshness wait.
    pub async fn simulate(
        &self,
        creditor_id: &str,
        scheme_id: &str,
        revision: i32,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Run> {
        let row = self
            .scheme(creditor_id, scheme_id, revision, at_least, deadline)
            .await?;
        let creditor = self.placeable(creditor_id).await?;
        let total = facts::count(self.publisher.db(), creditor_id).await?;
        Ok(Run {
            scheme: self.schemes.compile(&row)?,
            app: self.clone(),
            creditor_id: creditor_id.to_owned(),
            reached: String::new(),
            visited: 0,
            total,
            currency: creditor.reporting_currency,
            result: Simulation::default(),
        })
    }

    /// A creditor all of whose debtors can be placed.
    pub(super) async fn placeable(&self, creditor_id: &str) -> Result<facts::Creditor> {
        let creditor = self.creditor(creditor_id).await?;
        if !facts::all_ready(self.publisher.db()).await? {
            return Err(not_ready());
        }
        if creditor.business_date.is_none() {
            return Err(no_business_day());
        }
        Ok(creditor)
    }

    /// Places the debtors of a page by a revision, for a result; answers the last of them, and how many they are.
    pub(super) async fn simulate_page(
        &self,
        creditor_id: &str,
        scheme: &Active,
        after: &str,
        result: &mut Simulation,
    ) -> Result<Option<(String, i64)>> {
        // One state for everything that decides together.
        let read = self.publisher.db().begin_read().await?;
        let ids = facts::page(&read, creditor_id, after, PAGE).await?;
        let Some(last) = ids.last().cloned() else {
            return Ok(None);
        };
        let chunk = Chunk::load(&read, creditor_id, &ids, Some(&scheme.scheme_id)).await?;
        for (debtor_id, subject) in &chunk.subjects {
            let situation = chunk.situation(debtor_id, &scheme.scheme_id, subject.day);
            let input = situation.input(&subject.facts, subject.day);
            let from = chunk.membership(debtor_id, &scheme.scheme_id);
            let from = from.map(|row| row.at().segment_id.as_str());
            result.add(&scheme.compiled, debtor_id, from, &input);
        }
        let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        Ok(Some((last, count)))
    }
}

impl Run {
    /// Places the next page; false when there is none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn advance(&mut self) -> Result<bool> {
        let page = self
            .app
            .simulate_page(
                &self.creditor_id,
                &self.scheme,
                &self.reached,
                &mut self.result,
            )
            .await?;
        let Some((last, count)) = page else {
            return Ok(false);
        };
        self.reached = last;
        self.visited += count;
        Ok(true)
    }
}
