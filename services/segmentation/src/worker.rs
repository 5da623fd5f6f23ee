//! Carries activations on. Every replica may: a step counts only from where the activation was, so what two do at once is
//! done once, and what one leaves unfinished the next goes on with.

use std::time::Duration;

use mahnwerk_runtime::status::chain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How late an activation is noticed that another replica began, or left unfinished.
const INTERVAL: Duration = Duration::from_secs(1);

/// Carries on what runs, again and again, until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut more = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = std::future::ready(()), if more => {}
            () = app.activation_begun() => {}
            _ = ticks.tick() => {}
        }
        more = match app.advance_activations().await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "activations stand still; trying again");
                false
            }
        };
    }
}
