//! The wire: handlers convert and check, call one use case, and convert back.

mod convert;
mod scorecard;
mod scoring;

use mahnwerk_proto::scoring::v1::{
    scorecard_service_server::{self, ScorecardServiceServer},
    scoring_service_server::{self, ScoringServiceServer},
};
use tonic::service::Routes;

use crate::app::App;

/// Full names of the services served.
pub const SERVICE_NAMES: &[&str] = &[
    scoring_service_server::SERVICE_NAME,
    scorecard_service_server::SERVICE_NAME,
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
