//! Feed torture with the real services: registry and scoring as processes of their own on real PostgreSQL, and what can
//! happen to the databases and the feed between them. After every scene, and again after further payments, every open
//! amount and every score equals what follows from the registry's lists alone, and scoring stores nothing besides.
//!
//! What SIGKILL does is in `torture.rs`; what the feed does with every order of writers, in the tests of its crate.

mod offline;
mod poison;
mod replays;
mod restores;
mod stage;
mod stated;
mod versions;
