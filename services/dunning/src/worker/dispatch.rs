//! Dispatch: rounds of notices, creditor by creditor.

use mahnwerk_runtime::error::Result;

use super::Found;
use crate::{app::dispatch::Dispatcher, storage::notice};

/// Sends a round of notices of every creditor that has some to send, and gives up those of which nobody tells.
///
/// # Errors
/// Those of the database.
pub async fn step(dispatcher: &Dispatcher) -> Result<Found> {
    let publisher = &dispatcher.app.publisher;
    let mut found = match dispatcher.expire().await? {
        0 => Found::Nothing,
        _ => Found::Work,
    };
    let creditors = notice::with_due(publisher.db(), &publisher.incarnation_id()).await?;
    for creditor_id in creditors {
        let round = dispatcher.round(&creditor_id).await?;
        // Nothing leaves: others need not be tried at once.
        if round.tried > 0 && round.postponed == round.tried {
            return Ok(Found::Trouble);
        }
        if round.taken > 0 {
            found = Found::Work;
        }
    }
    Ok(found)
}
