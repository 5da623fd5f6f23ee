//! Runs: evaluated, rendered and ended, partition by partition.

use mahnwerk_proto::dunning::v1::RunState;
use mahnwerk_runtime::error::Result;

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

/// Looks at every run that is worked on and does one step of each; `lease` is for how many microseconds a partition is
/// kept from other workers.
///
/// # Errors
/// Those of the database; what was done before stays done.
pub async fn step(app: &App, lease: i64) -> Result<Found> {
    let mut found = Found::Nothing;
    let mut after = (String::new(), String::new());
    loop {
        let runs = run::working(app.publisher.db(), (&after.0, &after.1), RUNS).await?;
        for row in &runs {
            if work(app, row, lease).await? {
                found = Found::Work;
            }
        }
        let Some(last) = runs.last() else {
            return Ok(found);
        };
        after = (last.creditor_id.clone(), last.run_id.clone());
    }
}

/// Does a step of a run; answers whether there was one to do.
async fn work(app: &App, row: &RunRow, lease: i64) -> Result<bool> {
    let db = app.publisher.db();
    match row.state {
        RunState::Proposing if !row.opened => app.open_run(row).await,
        RunState::Dispatching => {
            if notice::has_pending(db, &row.creditor_id, &row.run_id).await? {
                return Ok(false);
            }
            app.move_run(row, RunState::Done, "done").await
        }
        RunState::Proposing | RunState::Released | RunState::Cancelled => {
            if let Some(chunk) = run::lease_chunk(db, row, lease).await? {
                partition(app, row, chunk, lease).await?;
                return Ok(true);
            }
            if run::has_undone(db, row).await? {
                return Ok(false);
            }
            match row.state {
                RunState::Proposing => app.move_run(row, RunState::Proposed, "evaluated").await,
                RunState::Released => app.move_run(row, RunState::Dispatching, "rendered").await,
                _ => app.move_run(row, RunState::Cancelled, "swept").await,
            }
        }
        _ => Ok(false),
    }
}

async fn partition(app: &App, row: &RunRow, mut chunk: Chunk, lease: i64) -> Result<()> {
    match row.state {
        RunState::Proposing => {
            let db = app.publisher.db();
            let rules = Configuration::load(db, &app.law, &row.facts, &[]).await?;
            while app.propose_step(row, &rules, &mut chunk, lease).await? {}
        }
        RunState::Released => while app.render_step(row, &chunk, lease).await? {},
        _ => while app.exclude_step(row, &chunk, lease).await? {},
    }
    Ok(())
}
