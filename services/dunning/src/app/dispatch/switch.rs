//! The switch: whether notices of a creditor are being sent.

use mahnwerk_feed::{Begun, Locks, NewEvent, Written};
use mahnwerk_runtime::{context::Call, error::Result};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    app::App,
    storage::delivery::{self, Switch},
};

/// Name of the switch in the audit trail.
const DISPATCH: &str = "dispatch";

/// Whether notices of a creditor are being sent, and what waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchView {
    /// The creditor.
    pub creditor_id: String,
    /// Whether they are.
    pub enabled: bool,
    /// Why not.
    pub reason: String,
    /// Notices that wait.
    pub waiting: i64,
    /// Notices of which nobody knows.
    pub uncertain: i64,
    /// Grows with every change.
    pub version: i64,
}

impl App {
    /// Whether a switch is on: it goes off by itself when the database got another history, because what was sent since
    /// the backup is not known then.
    pub(super) fn is_sending(&self, switch: &Switch) -> bool {
        switch.enabled && switch.incarnation == self.publisher.incarnation_id()
    }

    fn switch_view(&self, creditor_id: &str, switch: Switch, waits: (i64, i64)) -> SwitchView {
        let enabled = self.is_sending(&switch);
        let restored = switch.enabled && !enabled;
        SwitchView {
            creditor_id: creditor_id.to_owned(),
            enabled,
            reason: if restored {
                "the database was restored".to_owned()
            } else {
                switch.reason
            },
            waiting: waits.0,
            uncertain: waits.1,
            version: switch.version,
        }
    }

    /// Whether notices of a creditor are being sent.
    ///
    /// # Errors
    /// `NotFound`, or those of the freshness wait.
    pub async fn dispatch(
        &self,
        creditor_id: &str,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<SwitchView> {
        self.freshness.all(at_least, deadline).await?;
        let db = self.publisher.db();
        self.require_creditor(db, creditor_id).await?;
        let switch = delivery::switch(db, creditor_id).await?;
        let waits = delivery::waiting(db, creditor_id).await?;
        Ok(self.switch_view(creditor_id, switch, waits))
    }

    /// Stops or resumes the sending of notices of a creditor. What is on its way is not called back.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn set_dispatch(
        &self,
        call: &Call,
        request_id: &str,
        creditor_id: &str,
        enabled: bool,
        reason: &str,
    ) -> Result<Written<SwitchView>> {
        // With the creditor locked no intent to send is being stored: after this nothing begins.
        let begun = self
            .publisher
            .begin_once(
                call,
                "SetDispatch",
                creditor_id,
                request_id,
                &(enabled, reason),
                Locks::creditor(creditor_id),
            )
            .await?;
        let mut once = match begun {
            Begun::Replayed(written) => return Ok(written),
            Begun::Fresh(once) => once,
        };
        self.require_creditor(&*once, creditor_id).await?;
        let before = delivery::switch(&*once, creditor_id).await?;
        let switch = Switch {
            enabled,
            reason: if enabled {
                String::new()
            } else {
                reason.to_owned()
            },
            incarnation: self.publisher.incarnation_id(),
            version: before.version + 1,
        };
        delivery::set_switch(&*once, creditor_id, &switch).await?;
        once.append(vec![NewEvent {
            creditor_id: creditor_id.to_owned(),
            debtor_id: String::new(),
            entity: DISPATCH,
            entity_id: creditor_id.to_owned(),
            version: switch.version,
            action: if enabled { "resumed" } else { "stopped" },
            business_date: None,
            state: None,
        }])?;
        let waits = delivery::waiting(&*once, creditor_id).await?;
        let view = self.switch_view(creditor_id, switch, waits);
        self.finish(once, view).await
    }
}
