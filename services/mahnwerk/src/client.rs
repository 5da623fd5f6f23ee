//! Talking to the services, and saying what went wrong.

use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

pub(crate) use mahnwerk_client::reason;
use mahnwerk_client::{Channel, Settings};
use mahnwerk_proto::{
    code_text,
    common::v1::{
        audit_service_client::AuditServiceClient,
        feed_admin_service_client::FeedAdminServiceClient, feed_service_client::FeedServiceClient,
    },
    dunning::v1::{
        procedure_service_client::ProcedureServiceClient, run_service_client::RunServiceClient,
        work_service_client::WorkServiceClient,
    },
    registry::v1::{
        account_service_client::AccountServiceClient,
        approval_service_client::ApprovalServiceClient,
        arrangement_service_client::ArrangementServiceClient,
        creditor_service_client::CreditorServiceClient, debtor_service_client::DebtorServiceClient,
        import_service_client::ImportServiceClient,
    },
    scoring::v1::scoring_service_client::ScoringServiceClient,
    segmentation::v1::{
        membership_service_client::MembershipServiceClient,
        scheme_service_client::SchemeServiceClient,
    },
};
use mahnwerk_runtime::{
    clock::SystemClock,
    ids::{IdSource as _, SystemIds},
};
use tonic::{Code, Request, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::cli::{Service, Urls};

/// Time for one call. Reads with a consistency token wait a part of it.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// So often a read is repeated whose state has not arrived yet; each waits two seconds in the service.
const NOT_YET_ATTEMPTS: usize = 300;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A service answered with an error, or could not be reached.
    #[error("the service refused")]
    Refused(#[from] Box<Status>),
    /// An argument, a mapping or a table is wrong.
    #[error("{0}")]
    Input(String),
    /// A file cannot be used.
    #[error("cannot use {path}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A service in this process failed.
    #[error("a service failed")]
    Service(#[from] mahnwerk_runtime::error::Error),
    /// Something that the services promise did not hold.
    #[error("{0}")]
    Unexpected(String),
    /// A service took the order, and found out later that it may not be carried out.
    #[error("{0}")]
    NotAllowed(String),
    /// An import is done, but not all rows were taken.
    #[error("{0} rows were refused or posted only in part")]
    RowsRefused(usize),
    /// Told to stop.
    #[error("interrupted")]
    Interrupted,
}

/// What commands answer.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl Failure {
    /// The exit code, as documented in the help.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) | Self::File { .. } => 2,
            Self::NotAllowed(_) => 3,
            Self::RowsRefused(_) => 6,
            Self::Interrupted => 130,
            Self::Service(_) | Self::Unexpected(_) => 1,
            Self::Refused(status) => match status.code() {
                Code::InvalidArgument
                | Code::AlreadyExists
                | Code::FailedPrecondition
                | Code::PermissionDenied
                | Code::Aborted
                | Code::OutOfRange => 3,
                Code::NotFound => 4,
                Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => 5,
                _ => 1,
            },
        }
    }
}

/// The failure in words: for a refusal the code, the reason and every wrong field.
pub(crate) fn describe(failure: &Failure) -> String {
    let mut text = String::new();
    let Failure::Refused(status) = failure else {
        let _ = writeln!(text, "error: {}", mahnwerk_runtime::status::chain(failure));
        return text;
    };
    let details = status.get_error_details();
    let reason = details.error_info().map_or("", |info| info.reason.as_str());
    let separator = if reason.is_empty() { "" } else { "/" };
    let _ = writeln!(
        text,
        "error: {}{separator}{reason}: {}",
        code_text(status.code()),
        status.message()
    );
    for violation in details
        .bad_request()
        .into_iter()
        .flat_map(|bad| &bad.field_violations)
    {
        let _ = writeln!(text, "  {}: {}", violation.field, violation.description);
    }
    let mut metadata: Vec<_> = details
        .error_info()
        .into_iter()
        .flat_map(|info| &info.metadata)
        .collect();
    metadata.sort();
    for (key, value) in metadata {
        let _ = writeln!(text, "  {key} = {value}");
    }
    if status.code() == Code::Unavailable && reason.is_empty() {
        let _ = writeln!(
            text,
            "  is the service running? `mahnwerk up` starts all of them"
        );
    }
    text
}

/// Channels to the services. Nothing is connected before the first call.
#[derive(Clone)]
pub(crate) struct Clients {
    registry: Channel,
    scoring: Channel,
    segmentation: Channel,
    dunning: Channel,
}

impl Clients {
    /// Channels to these addresses, showing and trusting what `settings` say.
    ///
    /// # Errors
    /// If an address is not a URL, or a file cannot be used.
    pub(crate) fn new(urls: &Urls, settings: &Settings) -> Result<Self> {
        let channel = |url| {
            mahnwerk_client::connect(url, settings)
                .map_err(|error| Failure::Input(error.to_string()))
        };
        Ok(Self {
            registry: channel(&urls.registry)?,
            scoring: channel(&urls.scoring)?,
            segmentation: channel(&urls.segmentation)?,
            dunning: channel(&urls.dunning)?,
        })
    }

    pub(crate) fn creditors(&self) -> CreditorServiceClient<Channel> {
        CreditorServiceClient::new(self.registry.clone())
    }

    pub(crate) fn debtors(&self) -> DebtorServiceClient<Channel> {
        DebtorServiceClient::new(self.registry.clone())
    }

    pub(crate) fn accounts(&self) -> AccountServiceClient<Channel> {
        AccountServiceClient::new(self.registry.clone())
    }

    pub(crate) fn approvals(&self) -> ApprovalServiceClient<Channel> {
        ApprovalServiceClient::new(self.registry.clone())
    }

    pub(crate) fn arrangements(&self) -> ArrangementServiceClient<Channel> {
        ArrangementServiceClient::new(self.registry.clone())
    }

    pub(crate) fn imports(&self) -> ImportServiceClient<Channel> {
        ImportServiceClient::new(self.registry.clone())
    }

    pub(crate) fn scores(&self) -> ScoringServiceClient<Channel> {
        ScoringServiceClient::new(self.scoring.clone())
    }

    pub(crate) fn schemes(&self) -> SchemeServiceClient<Channel> {
        SchemeServiceClient::new(self.segmentation.clone())
    }

    pub(crate) fn memberships(&self) -> MembershipServiceClient<Channel> {
        MembershipServiceClient::new(self.segmentation.clone())
    }

    pub(crate) fn procedures(&self) -> ProcedureServiceClient<Channel> {
        ProcedureServiceClient::new(self.dunning.clone())
    }

    pub(crate) fn runs(&self) -> RunServiceClient<Channel> {
        RunServiceClient::new(self.dunning.clone())
    }

    pub(crate) fn work(&self) -> WorkServiceClient<Channel> {
        WorkServiceClient::new(self.dunning.clone())
    }

    pub(crate) fn feed(&self, service: Service) -> FeedServiceClient<Channel> {
        FeedServiceClient::new(self.channel(service))
    }

    pub(crate) fn feed_admin(&self, service: Service) -> FeedAdminServiceClient<Channel> {
        FeedAdminServiceClient::new(self.channel(service))
    }

    pub(crate) fn audit(&self, service: Service) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel(service))
    }

    pub(crate) fn health(&self, service: Service) -> HealthClient<Channel> {
        HealthClient::new(self.channel(service))
    }

    fn channel(&self, service: Service) -> Channel {
        match service {
            Service::Registry => &self.registry,
            Service::Scoring => &self.scoring,
            Service::Segmentation => &self.segmentation,
            Service::Dunning => &self.dunning,
        }
        .clone()
    }
}

/// A unary call with a deadline.
pub(crate) fn call<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

/// A request id that was never used before.
pub(crate) fn new_request_id() -> String {
    SystemIds(Arc::new(SystemClock)).next().to_string()
}

/// Repeats a read that carries a consistency token until that state has arrived; the waiting happens in the service.
///
/// # Errors
/// Any other refusal, and if it does not arrive within ten minutes.
pub(crate) async fn once_arrived<T>(
    mut read: impl AsyncFnMut() -> Result<tonic::Response<T>, Status>,
) -> Result<T> {
    let mut attempt = 1;
    loop {
        match read().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if attempt < NOT_YET_ATTEMPTS && reason(&status) == "NOT_YET" => {
                attempt += 1
            }
            Err(status) => return Err(status.into()),
        }
    }
}
