//! What holds for all runs of a creditor.

use mahnwerk_feed::{Begun, Locks, NewEvent, Written};
use mahnwerk_runtime::{context::Call, error::Result};
use serde::Serialize;

use super::{App, check_etag};
use crate::storage::{
    day_number, notice,
    settings::{self as stored, DunningSettings},
};

/// Entity name of settings in the audit trail.
const DUNNING_SETTINGS: &str = "dunning_settings";

/// Fields that a change may name.
pub const UPDATABLE: [&str; 6] = [
    "max_bank_import_age_days",
    "when_stale",
    "sender",
    "payment_details",
    "email_from",
    "four_eyes_release",
];

/// A change of settings.
#[derive(Clone, Debug, Serialize)]
pub struct UpdateSettings {
    /// The new values of the fields in the mask.
    pub new: DunningSettings,
    /// The fields to change, all of them [`UPDATABLE`].
    pub mask: Vec<String>,
    /// The etag that the settings must have; empty for any.
    pub etag: String,
}

impl UpdateSettings {
    /// Settings with the fields in the mask taken over. The version stays.
    fn applied_to(self, mut settings: DunningSettings) -> DunningSettings {
        let new = self.new;
        for path in &self.mask {
            match path.as_str() {
                "max_bank_import_age_days" => {
                    settings.max_bank_import_age_days = new.max_bank_import_age_days;
                }
                "when_stale" => settings.when_stale = new.when_stale,
                "sender" => settings.sender.clone_from(&new.sender),
                "payment_details" => settings.payment_details.clone_from(&new.payment_details),
                "email_from" => settings.email_from.clone_from(&new.email_from),
                "four_eyes_release" => settings.four_eyes_release = new.four_eyes_release,
                _ => {}
            }
        }
        settings
    }
}

impl App {
    /// Changes fields of the settings, once per request id; their version counts for nothing.
    ///
    /// # Errors
    /// `NotFound` for the creditor, `EtagMismatch`, `RequestIdReused`.
    pub async fn set_dunning_settings(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        update: UpdateSettings,
    ) -> Result<Written<DunningSettings>> {
        let begun = self
            .publisher
            .begin_once(
                call,
                "SetDunningSettings",
                creditor_id,
                request_id,
                &update,
                Locks::creditor(creditor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        let creditor = self.creditor(&*once, creditor_id).await?;
        let before = stored::get(&*once, creditor_id).await?;
        check_etag(&update.etag, before.version)?;
        let mut settings = update.applied_to(before);
        settings.version += 1;
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
