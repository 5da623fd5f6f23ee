//! Dispatch: rounds of notices, creditor by creditor.

use mahnwerk_runtime::{error::Result, status::chain};

use tokio_util::sync::CancellationToken;

use super::Found;
use crate::{app::dispatch::Dispatcher, storage::notice};

/// Sends a round of notices of every creditor that has some to send, until `stop`, and gives up those of which nobody tells.
///
/// # Errors
/// Those of the database.
pub async fn step(dispatcher: &Dispatcher, stop: &CancellationToken) -> Result<Found> {
    let publisher = &dispatcher.app.publisher;
    let mut found = match dispatcher.expire().await? {
        0 => Found::Nothing,
        _ => Found::Work,
    };
    let creditors = notice::with_due(publisher.db(), &publisher.incarnation_id()).await?;
    let mut trouble = false;
    for creditor_id in creditors {
        if stop.is_cancelled() {
            break;
        }
        // The others go on.
        match dispatcher.round(&creditor_id).await {
            Ok(round) if round.tried > 0 && round.postponed == round.tried => trouble = true,
            Ok(round) if round.taken > 0 => found = Found::Work,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(creditor_id, error = %chain(&error), "notices not sent; trying again");
                trouble = true;
            }
        }
    }
    Ok(match found {
        Found::Nothing if trouble => Found::Trouble,
        found => found,
    })
}
