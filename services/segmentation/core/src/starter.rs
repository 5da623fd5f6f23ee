//! The schemes that a creditor begins with, as data of the program.
//!
//! The treatment scheme combines the others by repeating their conditions, not by reading their segments. So a scheme
//! depends on facts alone: no order between schemes, no circle, no second evaluation when another scheme moves a
//! debtor, and the values that decided are facts, not names whose meaning another revision may change.

use crate::scheme::{Scheme, SchemeError};

/// Payer speed, risk, value, lifecycle and treatment, in this order.
///
/// # Errors
/// None in a build that passed its tests: the schemes are part of the program.
pub fn starter_schemes() -> Result<Vec<Scheme>, SchemeError> {
    [
        include_str!("../data/payer_speed.toml"),
        include_str!("../data/risk.toml"),
        include_str!("../data/value.toml"),
        include_str!("../data/lifecycle.toml"),
        include_str!("../data/treatment.toml"),
    ]
    .into_iter()
    .map(Scheme::from_toml)
    .collect()
}
