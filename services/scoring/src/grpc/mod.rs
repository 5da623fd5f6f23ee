//! The wire: handlers convert and check, call one use case, and convert back.

mod convert;
mod scorecard;
mod scoring;

use mahnwerk_proto::{
    common::v1::{feed_admin_service_server, feed_service_server},
    scoring::v1::{
        scorecard_service_server::{self, ScorecardServiceServer},
        scoring_service_server::{self, ScoringServiceServer},
    },
};
use mahnwerk_runtime::{
    error::{Error, Result},
    page::PageRequest,
    validate::Checker,
};
use tonic::service::Routes;

use crate::app::App;

/// Rows of a page unless asked otherwise.
const DEFAULT_PAGE: u32 = 100;

/// Most rows of a page.
const MAX_PAGE: u32 = 1_000;

/// Full names of the services served.
pub const SERVICE_NAMES: &[&str] = &[
    scoring_service_server::SERVICE_NAME,
    scorecard_service_server::SERVICE_NAME,
    feed_service_server::SERVICE_NAME,
    feed_admin_service_server::SERVICE_NAME,
];

/// Serves all services of scoring.
#[derive(Clone)]
pub struct Api {
    /// The use cases.
    pub app: App,
}

/// The services of scoring; `limit` is the size of the largest message received, in bytes.
pub fn routes(api: &Api, limit: usize) -> Routes {
    Routes::new(ScoringServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(ScorecardServiceServer::new(api.clone()).max_decoding_message_size(limit))
}

/// Ends the check and reads which page is asked for; a wrong page size is named with everything else.
fn read_page(
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
