//! Clients of the services.

use mahnwerk_proto::{
    common::v1::{
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
use tonic::transport::Channel;

/// Clients of registry and scoring. Cheap to clone.
#[derive(Clone)]
pub struct Clients {
    /// Creditors.
    pub creditors: CreditorServiceClient<Channel>,
    /// Debtors.
    pub debtors: DebtorServiceClient<Channel>,
    /// The account.
    pub accounts: AccountServiceClient<Channel>,
    /// Four eyes.
    pub approvals: ApprovalServiceClient<Channel>,
    /// Disputes, promises and plans.
    pub arrangements: ArrangementServiceClient<Channel>,
    /// Imports.
    pub imports: ImportServiceClient<Channel>,
    /// The registry's feed.
    pub feed: FeedServiceClient<Channel>,
    /// The operator's side of the registry's feed.
    pub registry_admin: FeedAdminServiceClient<Channel>,
    /// Scoring's feed.
    pub scoring_feed: FeedServiceClient<Channel>,
    /// The feeds scoring consumes.
    pub scoring_admin: FeedAdminServiceClient<Channel>,
    /// Scores.
    pub scores: ScoringServiceClient<Channel>,
}

impl Clients {
    /// On these channels.
    #[must_use]
    pub fn new(registry: &Channel, scoring: &Channel) -> Self {
        Self {
            creditors: CreditorServiceClient::new(registry.clone()),
            debtors: DebtorServiceClient::new(registry.clone()),
            accounts: AccountServiceClient::new(registry.clone()),
            approvals: ApprovalServiceClient::new(registry.clone()),
            arrangements: ArrangementServiceClient::new(registry.clone()),
            imports: ImportServiceClient::new(registry.clone()),
            feed: FeedServiceClient::new(registry.clone()),
            registry_admin: FeedAdminServiceClient::new(registry.clone()),
            scoring_feed: FeedServiceClient::new(scoring.clone()),
            scoring_admin: FeedAdminServiceClient::new(scoring.clone()),
            scores: ScoringServiceClient::new(scoring.clone()),
        }
    }
}

/// Clients of segmentation. Cheap to clone.
#[derive(Clone)]
pub struct SegmentationClients {
    /// Schemes.
    pub schemes: SchemeServiceClient<Channel>,
    /// Memberships.
    pub memberships: MembershipServiceClient<Channel>,
}

impl SegmentationClients {
    /// On this channel.
    #[must_use]
    pub fn new(channel: &Channel) -> Self {
        Self {
            schemes: SchemeServiceClient::new(channel.clone()),
            memberships: MembershipServiceClient::new(channel.clone()),
        }
    }
}

/// Clients of dunning. Cheap to clone.
#[derive(Clone)]
pub struct DunningClients {
    /// Procedures and settings.
    pub procedures: ProcedureServiceClient<Channel>,
    /// Runs and notices.
    pub runs: RunServiceClient<Channel>,
    /// Explanations, pauses, tasks, dispatch.
    pub work: WorkServiceClient<Channel>,
}

impl DunningClients {
    /// On this channel.
    #[must_use]
    pub fn new(channel: &Channel) -> Self {
        Self {
            procedures: ProcedureServiceClient::new(channel.clone()),
            runs: RunServiceClient::new(channel.clone()),
            work: WorkServiceClient::new(channel.clone()),
        }
    }
}
