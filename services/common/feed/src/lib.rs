//! Events and change feeds: the one mechanism that must be flawless.
//!
//! A state change and its events are one transaction ([`write`]), which takes its transaction id only after it holds
//! the locks of everything it touches, so that per debtor the order of transaction ids is the order of commits. A feed
//! reads below the transaction horizon ([`tailer`]), so nothing that commits late is ever passed over. A consumer
//! ([`consume`]) applies a batch, its consequences and the new cursor in one transaction, which makes the effect exactly
//! once. Because transactions are never split, a cursor is a single number: every transaction below it is contained.

mod admin;
mod audit;
pub mod consume;
mod event;
pub mod freshness;
mod incarnation;
pub mod key;
pub mod locks;
mod measure;
pub mod once;
mod retention;
mod serve;
pub mod service;
pub mod snapshot;
mod tailer;
pub mod write;

pub use admin::FeedAdmin;
pub use audit::Audit;
pub use consume::{Batch, Consumer, ConsumerSettings, Projection, StoredRow};
pub use event::NewEvent;
pub use freshness::Freshness;
pub use key::{PARTITIONS, partition};
pub use locks::Locks;
pub use mahnwerk_proto::common::v1::{Change, Position};
pub use measure::{Measure, begin_measuring};
pub use once::{Begun, OnceTx, Written};
pub use retention::{Expired, RETENTION, Retention, expire_events, keep_retention};
pub use serve::FeedServer;
pub use service::Service;
pub use snapshot::{SnapshotRow, SnapshotSource};
pub use tailer::{Tailer, timestamp};
pub use write::{Cause, EntityType, Insert, Publisher, WriteTx};

/// The tables of this crate; every service that writes or consumes events applies it first.
pub const MIGRATION: mahnwerk_runtime::db::Migration = mahnwerk_runtime::db::Migration {
    name: "m20261121_000001_create_feed",
    sql: include_str!("schema.sql"),
};
