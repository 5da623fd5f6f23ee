//! The switch: whether notices of a creditor are being sent.

use mahnwerk_feed::{Begun, Locks, NewEvent, Written};
use mahnwerk_runtime::{context::Call, db::Sql, error::Result};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    app::App,
    storage::{
        delivery::{self, Switch, Waiting},
        notice, settings,
    },
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
    /// Why not, or why e-mails wait although they are.
    pub reason: String,
    /// What waits.
    pub waiting: Waiting,
    /// Grows with every change.
    pub version: i64,
}

impl App {
    /// Whether a switch is on: it goes off by itself when the database got another history, because what was sent since
    /// the backup is not known then.
    pub(super) fn is_sending(&self, switch: &Switch) -> bool {
        switch.enabled && switch.incarnation == self.publisher.incarnation_id()
    }

    async fn switch_view(
        &self,
        on: &impl Sql,
        creditor_id: &str,
        switch: Switch,
    ) -> Result<SwitchView> {
        let enabled = self.is_sending(&switch);
        let settings = settings::get(on, creditor_id).await?;
        let reason = if switch.enabled && !enabled {
            "the database was restored or failed over, and what was sent since may not be known"
        } else if enabled && !self.emails {
            "e-mails wait: the service has neither an SMTP server nor a maildir"
        } else if enabled && settings.email_from.is_empty() {
            "e-mails wait: the settings name no email_from"
        } else {
            &switch.reason
        };
        Ok(SwitchView {
            creditor_id: creditor_id.to_owned(),
            enabled,
            reason: reason.to_owned(),
            waiting: delivery::waiting(on, creditor_id).await?,
            version: switch.version,
        })
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
        self.switch_view(db, creditor_id, switch).await
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
        if enabled {
            notice::hurry(&*once, creditor_id).await?;
        }
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
        let view = self.switch_view(&*once, creditor_id, switch).await?;
        self.finish(once, view).await
    }
}
