//! The rules of dunning: pure functions, no I/O, no clock, no randomness.
//!
//! The way of a debtor through this crate: [`input`] as the service froze it → [`evaluate()`] by a [`procedure`], with
//! [`pause`]s, a [`calendar`] and [`charges`] (by [`law`]) → a [`plan`] of notices and of reasons, one per open item → edits in
//! [`review`] → the release ([`four_eyes`]) → the check before sending in [`withdraw`] → what sending leaves behind in [`record`].
//!
//! Amounts are whole minor units of one currency (`i64`); currencies never mix. Dates are calendar dates.

pub mod calendar;
pub mod charges;
pub mod evaluate;
pub mod four_eyes;
pub mod in_flight;
pub mod input;
pub mod law;
pub mod pause;
pub mod plan;
pub mod procedure;
pub mod record;
pub mod review;
mod sentence;
pub mod unevaluated;
pub mod violation;
pub mod withdraw;

/// Whether a field need not be written: what is stored of a million items is worth a little care.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub use evaluate::{Rules, evaluate};
pub use input::Input;
pub use plan::Plan;
pub use procedure::Procedure;
