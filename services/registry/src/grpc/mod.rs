//! The wire: handlers convert and check, call one use case, and convert back.

pub mod account;
pub mod approval;
pub mod arrangement;
pub mod contact;
pub mod convert;
pub mod convert_account;
pub mod convert_arrangement;
pub mod creditor;
pub mod debtor;
pub mod import;

use mahnwerk_proto::registry::v1::{
    account_service_server::{self, AccountServiceServer},
    approval_service_server::{self, ApprovalServiceServer},
    arrangement_service_server::{self, ArrangementServiceServer},
    creditor_service_server::{self, CreditorServiceServer},
    debtor_service_server::{self, DebtorServiceServer},
    import_service_server::{self, ImportServiceServer},
};
use mahnwerk_runtime::page::next_token;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::app::{App, Page};

/// Full names of the services served.
pub const SERVICE_NAMES: &[&str] = &[
    creditor_service_server::SERVICE_NAME,
    debtor_service_server::SERVICE_NAME,
    account_service_server::SERVICE_NAME,
    approval_service_server::SERVICE_NAME,
    arrangement_service_server::SERVICE_NAME,
    import_service_server::SERVICE_NAME,
];

/// Serves all services of the registry.
#[derive(Clone)]
pub struct Api {
    /// The use cases.
    pub app: App,
    /// Streams end when it is cancelled.
    pub draining: CancellationToken,
}

/// The services of the registry; `limit` is the size of the largest message received, in bytes.
pub fn routes(api: &Api, limit: usize) -> Routes {
    Routes::new(CreditorServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(DebtorServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(AccountServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(ApprovalServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(ArrangementServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(ImportServiceServer::new(api.clone()).max_decoding_message_size(limit))
}

/// The token of the page behind this one; empty if there is none.
pub(crate) fn token_behind<T>(
    page: &Page<T>,
    method: &str,
    parameters: &str,
    key: impl Fn(&T) -> Vec<String>,
) -> String {
    match page.rows.last() {
        Some(last) if page.more => next_token(method, parameters, &key(last)),
        _ => String::new(),
    }
}
