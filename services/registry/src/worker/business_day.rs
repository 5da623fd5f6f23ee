//! Opens the business days of creditors in AUTOMATIC mode, and settles what a day decides.
//!
//! Every replica may run it: the creditor's lock and the rule that business dates only grow make the one harmless, and
//! what is settled is not due any more.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How late a day may be opened.
const INTERVAL: Duration = Duration::from_secs(10);

/// Opens what is due, at once and then again and again, until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = app.open_due_business_days().await {
            tracing::warn!(error = %error, "business days could not be opened; trying again");
        }
        if let Err(error) = app.settle_leftovers().await {
            tracing::warn!(error = %error, "promises and plans could not be settled; trying again");
        }
    }
}
