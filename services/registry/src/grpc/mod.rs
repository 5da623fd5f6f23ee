//! The wire: handlers convert and check, call one use case, and convert back.

pub mod account;
pub mod convert;
pub mod convert_account;
pub mod creditor;
pub mod debtor;
pub mod import;

use mahnwerk_proto::{
    common::v1::{feed_admin_service_server, feed_service_server},
    registry::v1::{
        account_service_server::{self, AccountServiceServer},
        creditor_service_server::{self, CreditorServiceServer},
        debtor_service_server::{self, DebtorServiceServer},
        import_service_server::{self, ImportServiceServer},
    },
};
use mahnwerk_runtime::{
    error::{Error, Result},
    page::{PageRequest, next_token},
    validate::Checker,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::app::{App, Page};

/// Rows of a page unless asked otherwise.
const DEFAULT_PAGE: u32 = 100;

/// Most rows of a page.
const MAX_PAGE: u32 = 1_000;

/// Full names of the services served.
pub const SERVICE_NAMES: &[&str] = &[
    creditor_service_server::SERVICE_NAME,
    debtor_service_server::SERVICE_NAME,
    account_service_server::SERVICE_NAME,
    import_service_server::SERVICE_NAME,
    feed_service_server::SERVICE_NAME,
    feed_admin_service_server::SERVICE_NAME,
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
        .add_service(ImportServiceServer::new(api.clone()).max_decoding_message_size(limit))
}

/// Ends the check and reads which page is asked for; a wrong page size is named with everything else.
pub(crate) fn read_page(
    mut check: Checker,
    page_size: i32,
    page_token: &str,
    method: &str,
    parameters: &str,
) -> Result<PageRequest> {
    let page = PageRequest::parse(
        page_size,
        page_token,
        DEFAULT_PAGE,
        MAX_PAGE,
        method,
        parameters,
    );
    if let Err(Error::Invalid(violations)) = &page {
        for violation in violations {
            check.refuse(violation.field.clone(), violation.description.clone());
        }
    }
    check.finish()?;
    page
}

/// The one-part key after which a page starts; empty for the first page.
pub(crate) fn after_id(page: &PageRequest) -> Result<&str> {
    Ok(page.after_parts::<1>()?.map_or("", |[id]| id))
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
