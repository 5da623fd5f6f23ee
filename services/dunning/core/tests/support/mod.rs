//! A small language for situations, so that a golden file reads like a specification.
//!
//! One fact per line; amounts in major units with two digits. `world.rs` reads, `text.rs` prints.

#![expect(dead_code, reason = "each test binary uses its part")]

pub mod charges;
pub mod golden;
pub mod text;
pub mod world;
