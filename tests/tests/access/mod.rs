//! Who may call what: every method of every service with every kind of bad credentials, and the ways in which good ones
//! change or end.

mod audit;
mod changes;
mod fetched;
mod four_eyes;
mod matrix;
mod scene;
mod streams;
mod suite;
