//! Activations: everybody is placed without storing anything; if the conditions hold up, the revision becomes the active
//! one; then everybody is placed by it.
//!
//! Where an activation stands is a row. Whoever carries it on reads the row, does one step and writes the row in the
//! transaction of the step, if it is still as it was read. So a crash loses at most a step, and two workers at once do
//! each step once.

use mahnwerk_feed::{Begun, Cause, Locks, WriteTx, Written};
use mahnwerk_runtime::{context::Call, error::Result, status::chain};
use segmentation_core::simulate::Simulation;
use serde::Serialize;
use tokio::time::Instant;

use super::{App, not_found, place::place_anew, schemes::event, wrong_state};
use crate::storage::{
    activation::{self as stored, ActivationRow, State},
    facts, scheme,
};

/// Debtors moved in one transaction: as many as it may lock.
const CHUNK: u64 = 256;

/// What is to be activated.
#[derive(Clone, Debug, Serialize)]
pub struct Activate {
    /// The creditor.
    pub creditor_id: String,
    /// The scheme.
    pub scheme_id: String,
    /// The revision.
    pub revision: i32,
    /// Most debtors in a million whose conditions may fail.
    pub max_error_ppm: i32,
}

impl App {
    /// Begins to make a revision the active one, once per request id.
    ///
    /// # Errors
    /// `NotFound`, `WRONG_STATE`, `PROJECTION_NOT_READY`, `NO_BUSINESS_DAY`, `RequestIdReused`.
    pub async fn activate(
        &self,
        call: &Call,
        request_id: &str,
        command: Activate,
    ) -> Result<Written<ActivationRow>> {
        let creditor_id = command.creditor_id.as_str();
        self.placeable(creditor_id).await?;
        let begun = self
            .publisher
            .begin_once(
                call,
                "ActivateScheme",
                creditor_id,
                request_id,
                &command,
                Locks::creditor(creditor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let Activate {
            scheme_id,
            revision,
            ..
        } = &command;
        let found = scheme::get(&*once, creditor_id, scheme_id, *revision).await?;
        let row = found.ok_or_else(|| not_found("scheme", scheme_id))?;
        if row.state != scheme::State::Draft {
            let message = "only a draft can be activated";
            return Err(wrong_state(message, row.state.name()));
        }
        let latest = stored::get(&*once, creditor_id, scheme_id).await?;
        if let Some(running) = latest.filter(|latest| latest.ended_at.is_none()) {
            let message = "another activation of the scheme is running";
            return Err(wrong_state(message, running.state.name()));
        }
        let total = facts::count(&*once, creditor_id).await?;
        let row = ActivationRow {
            creditor_id: creditor_id.to_owned(),
            scheme_id: scheme_id.clone(),
            revision: *revision,
            state: State::Checking,
            reached: String::new(),
            visited: 0,
            total,
            moved: 0,
            evaluated: 0,
            errors: 0,
            max_error_ppm: command.max_error_ppm,
            started_at: once.recorded_at(),
            ended_at: None,
        };
        stored::insert(&*once, &row).await?;
        once.append(vec![event(
            creditor_id,
            scheme_id,
            *revision,
            "activation_begun",
        )])?;
        let written = once.finish(row).await?;
        self.begun.notify_one();
        Ok(written)
    }

    /// The latest activation of a scheme.
    ///
    /// # Errors
    /// `NotFound`, `PROJECTION_NOT_READY`, or those of the freshness wait.
    pub async fn activation(
        &self,
        creditor_id: &str,
        scheme_id: &str,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<ActivationRow> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        if let Some(row) = stored::get(db, creditor_id, scheme_id).await? {
            return Ok(row);
        }
        self.creditor(creditor_id).await?;
        Err(not_found("activation", scheme_id))
    }

    /// One step of every activation that runs. False if none does, or none can go on now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn advance_activations(&self) -> Result<bool> {
        let mut more = false;
        for row in stored::running(self.publisher.db()).await? {
            let step = match row.state {
                State::Checking => self.check_some(&row).await,
                _ => self.move_some(&row).await,
            };
            match step {
                Ok(()) => more = true,
                // The others go on.
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "an activation stands still; trying again");
                }
            }
        }
        Ok(more)
    }

    /// Places a page without storing anything, or decides if there is none.
    async fn check_some(&self, from: &ActivationRow) -> Result<()> {
        let db = self.publisher.db();
        let found = scheme::get(db, &from.creditor_id, &from.scheme_id, from.revision).await?;
        let row = found.ok_or_else(|| not_found("scheme", &from.scheme_id))?;
        let scheme = self.schemes.compile(&row)?;
        let mut result = Simulation::default();
        let page = self
            .simulate_page(&from.creditor_id, &scheme, &from.reached, &mut result)
            .await?;
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let Some((last, visited)) = page else {
            return self.decide(from).await;
        };
        let to = ActivationRow {
            reached: last,
            visited: from.visited + visited,
            evaluated: from.evaluated + count(result.evaluated),
            errors: from.errors + count(result.errors),
            ..from.clone()
        };
        let txn = db.begin_write().await?;
        if !stored::advance(&txn, from, &to).await? {
            return txn.rollback().await;
        }
        txn.commit().await
    }

    /// Refuses, or switches. From the commit on every placing is by the new revision, because every placing holds a lock
    /// that excludes this one and asks for the active revisions once it has it.
    async fn decide(&self, from: &ActivationRow) -> Result<()> {
        let mut tx = self.begin(Locks::creditor(&from.creditor_id)).await?;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let checked = Simulation {
            evaluated: count(from.evaluated),
            errors: count(from.errors),
            ..Simulation::default()
        };
        let most = u32::try_from(from.max_error_ppm).unwrap_or(0);
        let refused = checked.exceeds_error_rate(most);
        let to = if refused {
            ActivationRow {
                state: State::Refused,
                ended_at: Some(tx.recorded_at()),
                ..from.clone()
            }
        } else {
            ActivationRow {
                state: State::Moving,
                reached: String::new(),
                visited: 0,
                total: facts::count(&tx, &from.creditor_id).await?,
                ..from.clone()
            }
        };
        if !stored::advance(&tx, from, &to).await? {
            return tx.rollback().await;
        }
        let told = |revision, action| event(&from.creditor_id, &from.scheme_id, revision, action);
        if refused {
            tx.append(vec![told(from.revision, "activation_refused")])?;
        } else {
            let ActivationRow {
                creditor_id,
                scheme_id,
                revision,
                ..
            } = from;
            let before = scheme::activate(&tx, creditor_id, scheme_id, *revision).await?;
            let retired = before.map(|before| told(before, "retired"));
            tx.append(retired.into_iter().collect())?;
            tx.append(vec![told(*revision, "activated")])?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Places a chunk by the active revision, or ends the activation if there is none.
    async fn move_some(&self, from: &ActivationRow) -> Result<()> {
        let db = self.publisher.db();
        let creditor_id = from.creditor_id.as_str();
        let ids = facts::page(db, creditor_id, &from.reached, CHUNK).await?;
        let Some(last) = ids.last() else {
            return self.end(from).await;
        };
        let locks = Locks::debtors(creditor_id, ids.iter().map(String::as_str));
        let mut tx = self.begin(locks).await?;
        let mut to = ActivationRow {
            reached: last.clone(),
            visited: from.visited + i64::try_from(ids.len()).unwrap_or(0),
            ..from.clone()
        };
        // First, so that of two workers one turns back before it has done the work.
        if !stored::advance(&tx, from, &to).await? {
            return tx.rollback().await;
        }
        let moved = place_anew(&mut tx, &self.schemes, creditor_id, &ids, &from.scheme_id).await?;
        if let Some(moved) = moved.get(&from.scheme_id) {
            let counted = to.clone();
            to.moved += moved;
            stored::advance(&tx, &counted, &to).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn end(&self, from: &ActivationRow) -> Result<()> {
        let mut tx = self.begin(Locks::creditor(&from.creditor_id)).await?;
        let to = ActivationRow {
            state: State::Done,
            ended_at: Some(tx.recorded_at()),
            ..from.clone()
        };
        if !stored::advance(&tx, from, &to).await? {
            return tx.rollback().await;
        }
        tx.append(vec![event(
            &from.creditor_id,
            &from.scheme_id,
            from.revision,
            "activation_done",
        )])?;
        tx.commit().await?;
        Ok(())
    }

    async fn begin(&self, locks: Locks) -> Result<WriteTx> {
        let cause = Cause {
            principal: "activation".to_owned(),
            ..Cause::default()
        };
        WriteTx::begin(&self.publisher, locks, cause).await
    }
}
