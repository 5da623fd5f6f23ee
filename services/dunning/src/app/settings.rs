//! What holds for all runs of a creditor.

use mahnwerk_feed::{Begun, Locks, NewEvent, Written};
use mahnwerk_runtime::{context::Call, error::Result};

use super::App;
use crate::storage::{
    day_number, notice,
    settings::{self as stored, DunningSettings},
};

/// Entity name of settings in the audit trail.
const DUNNING_SETTINGS: &str = "dunning_settings";

impl App {
    /// Stores settings, all of them, once per request id; the version counts for nothing.
    ///
    /// # Errors
    /// `NotFound` for the creditor, `RequestIdReused`.
    pub async fn set_dunning_settings(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        settings: DunningSettings,
    ) -> Result<Written<DunningSettings>> {
        let settings = DunningSettings {
            version: 0,
            ..settings
        };
        let begun = self
            .publisher
            .begin_once(
                call,
                "SetDunningSettings",
                creditor_id,
                request_id,
                &settings,
                Locks::creditor(creditor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = self.creditor(&*once, creditor_id).await?;
        let settings = DunningSettings {
            version: stored::get(&*once, creditor_id).await?.version + 1,
            ..settings
        };
        stored::put(&*once, creditor_id, &settings).await?;
        // E-mails may have a sender now.
        notice::hurry(&*once, creditor_id).await?;
        once.append(vec![NewEvent {
            creditor_id: creditor_id.to_owned(),
            debtor_id: String::new(),
            entity: DUNNING_SETTINGS,
            entity_id: creditor_id.to_owned(),
            version: settings.version,
            action: "set",
            business_date: creditor.business_date.map(day_number),
            state: None,
        }])?;
        self.finish(once, settings).await
    }

    /// The settings of a creditor.
    ///
    /// # Errors
    /// `NotFound` for the creditor, or those of the freshness wait.
    pub async fn dunning_settings(
        &self,
        call: &Call,
        creditor_id: &str,
        at_least: &str,
    ) -> Result<DunningSettings> {
        self.freshness.all(at_least, call.deadline).await?;
        let db = self.publisher.db();
        self.require_creditor(db, creditor_id).await?;
        stored::get(db, creditor_id).await
    }
}
