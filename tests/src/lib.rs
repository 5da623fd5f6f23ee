//! What the whole-suite tests stand on: PostgreSQL clusters, running services, calls by descriptor, received traces.
//!
//! Everything here panics where a test would fail: it is test code that several test programs share.

pub mod authority;
pub mod bench;
pub mod clients;
pub mod fleet;
pub mod membership_oracle;
pub mod oracle;
pub mod portfolio;
pub mod postgres;
pub mod process;
pub mod reminders;
pub mod schemes;
pub mod service;
pub mod suite;
pub mod traces;
pub mod wire;
pub mod world;
