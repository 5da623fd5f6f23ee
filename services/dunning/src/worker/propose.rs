//! Runs: evaluated, rendered and ended, piece by piece.

use mahnwerk_proto::dunning::v1::RunState;
use mahnwerk_runtime::{error::Result, status::chain};

use super::Found;
use crate::{
    app::{App, inputs::Configuration},
    storage::{
        notice,
        run::{self, Chunk, RunRow},
    },
};

/// Runs looked at together.
const RUNS: u64 = 100;

/// Looks at every run that is worked on and does one piece of each; `lease` is for how many microseconds a piece is kept
/// from other workers.
///
/// # Errors
/// Those of the database; what was done before stays done.
pub async fn step(app: &App, lease: i64) -> Result<Found> {
    let (mut found, mut trouble) = (Found::Nothing, false);
    let mut after = (String::new(), String::new());
    loop {
        let runs = run::working(app.publisher.db(), (&after.0, &after.1), RUNS).await?;
        for row in &runs {
            match work(app, row, lease).await {
                Ok(true) => found = Found::Work,
                Ok(false) => {}
                Err(error) if error.is_transient() => return Err(error),
                // The others go on.
                Err(error) => {
                    let (creditor_id, run_id) = (&row.creditor_id, &row.run_id);
                    tracing::error!(creditor_id, run_id, error = %chain(&error), "a run stands still; trying again");
                    trouble = true;
                }
            }
        }
        let Some(last) = runs.last() else {
            return Ok(match found {
                Found::Nothing if trouble => Found::Trouble,
                found => found,
            });
        };
        after = (last.creditor_id.clone(), last.run_id.clone());
    }
}

/// Does a piece of a run; answers whether there was something to do.
async fn work(app: &App, row: &RunRow, lease: i64) -> Result<bool> {
    match row.state {
        RunState::Proposing if !row.opened => app.open_run(row).await,
        RunState::Proposing | RunState::Released | RunState::Cancelled => {
            let leased = run::lease_chunk(app.publisher.db(), row, lease).await?;
            let worked = leased.is_some();
            if let Some(chunk) = leased {
                piece(app, row, chunk, lease).await?;
            }
            Ok(move_on(app, row).await? || worked)
        }
        RunState::Dispatching => move_on(app, row).await,
        _ => Ok(false),
    }
}

async fn piece(app: &App, row: &RunRow, mut chunk: Chunk, lease: i64) -> Result<()> {
    match row.state {
        RunState::Proposing => {
            let db = app.publisher.db();
            let rules = Configuration::load(db, &app.law, &row.facts).await?;
            while app.propose_step(row, &rules, &mut chunk, lease).await? {}
        }
        RunState::Released => while app.render_step(row, &chunk, lease).await? {},
        _ => while app.exclude_step(row, &chunk, lease).await? {},
    }
    Ok(())
}

/// Moves a run to its next state if nothing is left to do in this one; answers whether it did.
async fn move_on(app: &App, row: &RunRow) -> Result<bool> {
    let db = app.publisher.db();
    let sends = || notice::has_pending(db, &row.creditor_id, &row.run_id);
    if run::has_undone(db, row).await? {
        return Ok(false);
    }
    let (to, action) = match row.state {
        RunState::Proposing => (RunState::Proposed, "evaluated"),
        RunState::Released if sends().await? => (RunState::Dispatching, "rendered"),
        RunState::Dispatching if sends().await? => return Ok(false),
        RunState::Released | RunState::Dispatching => (RunState::Done, "done"),
        _ => (RunState::Cancelled, "swept"),
    };
    app.move_run(row, to, action).await
}
