//! Amounts of money.

use crate::currency::Currency;
use serde::{Deserialize, Serialize};

/// The largest amount of an item, allocation or write-off, in minor units.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000_000;

/// An amount in one currency. Amounts of different currencies are never added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// The currency.
    pub currency: Currency,
    /// Minor units of the currency: 12.34 EUR is 1234.
    pub minor: i64,
}

impl Money {
    /// An amount of so many minor units.
    pub const fn new(currency: Currency, minor: i64) -> Self {
        Self { currency, minor }
    }
}
