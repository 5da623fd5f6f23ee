//! The outbox: commands that the registry carries out.

use std::time::Duration;

use dunning_core::input::Channel as Way;
use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        Channel, Contact, ContactOutcome, ContactPurpose, RecordContactRequest,
        ReportContactOutcomeRequest, SetCreditHoldRequest,
        debtor_service_client::DebtorServiceClient,
    },
};
use mahnwerk_runtime::{error::Result, status::reason_text, validate::from_date};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::Found;
use crate::app::{
    App,
    outbox::{Command, Failure, Order, Outcome, Registry},
};

/// Longest time for one command.
const PATIENCE: Duration = Duration::from_secs(5);

/// Carries out what is due; `lease` is for how many microseconds a command is kept from other workers.
///
/// # Errors
/// Those of the database.
pub async fn step(app: &App, registry: &dyn Registry, lease: i64) -> Result<Found> {
    Ok(match app.carry_out(registry, lease).await? {
        0 => Found::Nothing,
        _ => Found::Work,
    })
}

/// The registry behind a channel.
#[derive(Clone, Debug)]
pub struct Remote {
    debtors: DebtorServiceClient<mahnwerk_client::Channel>,
}

impl Remote {
    /// The registry that `channel` leads to.
    #[must_use]
    pub fn new(channel: mahnwerk_client::Channel) -> Self {
        Self {
            debtors: DebtorServiceClient::new(channel),
        }
    }
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

#[async_trait::async_trait]
impl Registry for Remote {
    async fn carry_out(&self, command: &Command) -> Result<(), Failure> {
        let mut debtors = self.debtors.clone();
        let request_id = command.command_id.clone();
        let creditor_id = command.creditor_id.clone();
        let debtor_id = command.debtor_id.clone();
        let done = match &command.order {
            Order::RecordContact {
                contact_id,
                channel,
                on,
                notice_id,
            } => {
                let contact = Contact {
                    creditor_id,
                    debtor_id,
                    contact_id: contact_id.clone(),
                    channel: wire(*channel).into(),
                    purpose: ContactPurpose::Reminder.into(),
                    contact_date: Some(from_date(*on)),
                    text: String::new(),
                    reference: format!("notice {notice_id}"),
                    version: 0,
                };
                let request = RecordContactRequest {
                    request_id,
                    contact: Some(contact),
                };
                debtors.record_contact(timed(request)).await.map(drop)
            }
            Order::ReportContactOutcome {
                contact_point_id,
                version,
                outcome,
            } => {
                let outcome = match outcome {
                    Outcome::Delivered => ContactOutcome::Delivered,
                    Outcome::Bounced => ContactOutcome::Bounced,
                    Outcome::Moved => ContactOutcome::Moved,
                };
                let request = ReportContactOutcomeRequest {
                    request_id,
                    creditor_id,
                    debtor_id,
                    contact_point_id: contact_point_id.clone(),
                    sent_to_version: *version,
                    outcome: outcome.into(),
                };
                debtors
                    .report_contact_outcome(timed(request))
                    .await
                    .map(drop)
            }
            Order::SetCreditHold { notice_id } => {
                let request = SetCreditHoldRequest {
                    request_id,
                    creditor_id,
                    debtor_id,
                    credit_hold: true,
                    reason: format!("dunning notice {notice_id}"),
                };
                debtors.set_credit_hold(timed(request)).await.map(drop)
            }
        };
        done.map_err(|status| failure(&status))
    }
}

/// Whether the same command may succeed later.
fn failure(status: &Status) -> Failure {
    let reason = status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default();
    let waits = [ErrorReason::DebtorParked, ErrorReason::NoBusinessDay]
        .into_iter()
        .any(|each| reason == reason_text(each));
    let refused = matches!(
        status.code(),
        Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition
    );
    match refused && !waits {
        true if reason.is_empty() => Failure::Refused(format!("{:?}", status.code())),
        true => Failure::Refused(reason),
        false => Failure::Later,
    }
}

fn wire(channel: Way) -> Channel {
    match channel {
        Way::Post | Way::Registered => Channel::Post,
        Way::Email => Channel::Email,
        Way::Phone => Channel::Phone,
        Way::Sms => Channel::Sms,
        Way::Fax => Channel::Fax,
        Way::Chat => Channel::Chat,
        Way::Portal => Channel::Portal,
    }
}
