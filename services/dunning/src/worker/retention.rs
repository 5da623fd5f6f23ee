//! Retention of what only the outbox needed. Runs stay with their inputs: they are evidence of why somebody was reminded.

use std::time::Duration;

use mahnwerk_runtime::error::Result;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How late something may be forgotten.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Rows in one transaction: few enough that it stays well under a second.
const BATCH: u64 = 2_000;

/// Forgets what is due, at once and then every hour, until `stop`. Every replica does so: what one has deleted the others
/// do not find.
pub(super) async fn keep(app: App, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = forget(&app, &stop).await {
            tracing::warn!(error = %error, "retention of commands failed; trying again");
        }
    }
}

async fn forget(app: &App, stop: &CancellationToken) -> Result<()> {
    while !stop.is_cancelled() && app.forget_commands(BATCH).await? >= BATCH {}
    Ok(())
}
