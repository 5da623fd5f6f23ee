//! The rules of segmentation: pure functions, no I/O, no clock, no randomness.
//!
//! The way of a debtor through this crate: its [`facts`] (amounts by [`money`]) are read by the conditions ([`rule`]) of a [`scheme`], which
//! [`assign`]s it to a segment whose [`policy`] other services follow, once a business date ([`opening`]). [`explain`] says why, [`simulate`] what another
//! scheme would change, and [`starter`] holds the schemes to begin with.

pub mod assign;
pub mod explain;
pub mod facts;
pub mod money;
pub mod opening;
pub mod policy;
pub mod rule;
pub mod scheme;
pub mod simulate;
pub mod starter;
mod violation;

pub use violation::Violation;

#[cfg(test)]
mod tests;
