//! The wire: handlers convert and check, call one use case, and convert back.

pub mod convert_notice;
pub mod convert_plan;
mod convert_settings;
mod delivery;
mod pause;
mod procedure;
mod run;
mod task;
mod work;
mod work_explain;

use mahnwerk_proto::dunning::v1::{
    procedure_service_server::{self, ProcedureServiceServer},
    run_service_server::{self, RunServiceServer},
    work_service_server::{self, WorkServiceServer},
};
use tonic::service::Routes;

use crate::app::App;

/// Full names of the services served.
pub const SERVICE_NAMES: &[&str] = &[
    procedure_service_server::SERVICE_NAME,
    run_service_server::SERVICE_NAME,
    work_service_server::SERVICE_NAME,
];

/// Serves all services of dunning.
#[derive(Clone)]
pub struct Api {
    /// The use cases.
    pub app: App,
}

/// The services of dunning; `limit` is the size of the largest message received, in bytes.
pub fn routes(api: &Api, limit: usize) -> Routes {
    Routes::new(ProcedureServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(RunServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(WorkServiceServer::new(api.clone()).max_decoding_message_size(limit))
}
