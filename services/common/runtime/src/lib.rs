//! What every Mahnwerk service needs to run, free of domain words.
//!
//! A service is wired from these parts: [`config`] reads its settings, [`telemetry`] starts logs, traces and metrics,
//! [`db`] connects and migrates its database, [`server`] opens the API listener and the ops listener and drains them,
//! [`cli`] makes a program of it, and [`error`] is its one error type, mapped to a gRPC status in [`status`].

pub mod about;
pub mod cli;
pub mod clock;
pub mod config;
#[doc(hidden)]
pub mod conformance;
pub mod context;
pub mod db;
pub mod error;
pub mod idempotency;
pub mod ids;
pub mod page;
pub mod server;
pub mod status;
pub mod telemetry;
pub mod token;
pub mod validate;

/// Rows and messages are many small allocations: a third of the time of a snapshot went into the allocator of the C
/// library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
