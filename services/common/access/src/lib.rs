//! Who calls, and what that caller may do. Without I/O, clock or randomness: files are read and the time is told by the
//! runtime.
//!
//! - [`table`]: the file that names issuers of tokens and callers;
//! - [`keys`]: the public keys of an issuer, as a JSON Web Key Set (RFC 7517);
//! - [`token`]: whether a JSON Web Token (RFC 7519) is good, and who it speaks for;
//! - [`caller`]: a caller with its scopes and creditors, and the one decision on a call;
//! - [`certificate`]: until when a certificate holds;
//! - [`creditor`]: which creditors an encoded request names;
//! - [`limit`]: how often a caller may call.

pub mod caller;
pub mod certificate;
pub mod creditor;
pub mod keys;
pub mod limit;
mod ring_provider;
pub mod table;
pub mod token;

pub use caller::{Caller, Refusal};
pub use table::Table;
