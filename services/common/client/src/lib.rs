//! Calling Mahnwerk services.
//!
//! [`connect`] gives a [`Channel`] that every generated client takes:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mahnwerk_client::{Settings, connect};
//! use mahnwerk_proto::scoring::v1::scoring_service_client::ScoringServiceClient;
//!
//! let settings = Settings {
//!     ca_file: "/etc/mahnwerk/ca.pem".to_owned(),
//!     token_file: "/var/run/secrets/mahnwerk/token".to_owned(),
//!     ..Settings::default()
//! };
//! let scoring = ScoringServiceClient::new(connect("https://scoring:7102", &settings)?);
//! # Ok(())
//! # }
//! ```
//!
//! - **Balancing**: the host is looked up again every few seconds, and calls go round all its addresses, as behind a
//!   headless service of Kubernetes. An address that fails rests for a second.
//! - **TLS, tokens**: files are read again as often, so certificates and projected tokens may change.
//! - **Deadlines**: a unary call without one gets 30 seconds.
//! - **Retries**: unary calls of known methods (a read has no effect, a write carries a `request_id`) are repeated within
//!   their deadline after `UNAVAILABLE`, a collision with another writer, and where the service says when to come again.
//!   Streams are not: who reads them knows from where to resume.
//! - **Errors**: [`reason`] is the stable reason to branch on.

mod certificates;
mod channel;
mod endpoints;
mod retry;
mod settings;

pub use certificates::{Shown, certificates};
pub use channel::{Channel, RPC_CLIENT_DURATION, RPC_CLIENT_REPEATED, connect};
pub use settings::{ConnectError, Settings};

use tonic_types::StatusExt as _;

/// The stable reason of an error (`ErrorReason` without its prefix), for example `NOT_YET`; empty if the status does not
/// come from a Mahnwerk service.
#[must_use]
pub fn reason(status: &tonic::Status) -> String {
    status
        .get_details_error_info()
        .map_or_else(String::new, |info| info.reason)
}
