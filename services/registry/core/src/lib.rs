//! The rules of the registry: creditors, debtors and the receivables account.
//!
//! Everything here is a pure function of its arguments: no clock, no randomness, no input or output. Amounts are whole
//! minor units of one currency (`i64`), dates are calendar dates between [`date::MIN`] and [`date::MAX`].

pub mod account;
pub mod approval;
pub mod arrangement;
pub mod balance;
pub mod calendar;
pub mod code;
pub mod contact;
pub mod creditor;
pub mod currency;
pub mod date;
pub mod debtor;
pub mod error;
pub mod id;
pub mod money;
mod named;
pub mod violation;
