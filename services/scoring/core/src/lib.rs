//! The rules of scoring: pure functions, no I/O, no clock, no randomness.
//!
//! The way of a debtor through this crate: [`facts`] as the registry states them → [`features`] as of a date →
//! [`score`] by a [`scorecard`] → [`decision`] on an order by a credit policy, with [`fx`] for other currencies and
//! [`text`] for what a person reads.

pub mod decision;
pub mod facts;
pub mod features;
pub mod fx;
pub mod history;
mod observation;
pub mod score;
pub mod scorecard;
pub mod text;

pub use history::History;

#[cfg(test)]
mod tests;
