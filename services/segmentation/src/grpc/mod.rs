//! The wire: handlers convert and check, call one use case, and convert back.

mod convert;
mod definition;
mod membership;
mod scheme;

use mahnwerk_proto::segmentation::v1::{
    membership_service_server::{self, MembershipServiceServer},
    scheme_service_server::{self, SchemeServiceServer},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::app::App;

/// Full names of the services served.
pub const SERVICE_NAMES: &[&str] = &[
    scheme_service_server::SERVICE_NAME,
    membership_service_server::SERVICE_NAME,
];

/// Serves all services of segmentation.
#[derive(Clone)]
pub struct Api {
    /// The use cases.
    pub app: App,
    /// Streams end when it is cancelled.
    pub draining: CancellationToken,
}

/// The services of segmentation; `limit` is the size of the largest message received, in bytes.
pub fn routes(api: &Api, limit: usize) -> Routes {
    Routes::new(SchemeServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(MembershipServiceServer::new(api.clone()).max_decoding_message_size(limit))
}
