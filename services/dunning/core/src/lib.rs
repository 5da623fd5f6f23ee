//! The rules of dunning: pure functions, no I/O, no clock, no randomness.

pub mod law;
