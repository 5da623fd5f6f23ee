//! Identifiers, injected: UUIDs of version 7, so that keys made later sort later.

use std::sync::Arc;

use crate::clock::SharedClock;

/// A source of identifiers.
pub trait IdSource: Send + Sync + 'static {
    /// A new identifier, different from every other one.
    fn next(&self) -> uuid::Uuid;
}

/// A shared source of identifiers.
pub type SharedIds = Arc<dyn IdSource>;

/// UUIDs of version 7 from the clock and the random source of the operating system.
pub struct SystemIds(pub SharedClock);

impl IdSource for SystemIds {
    fn next(&self) -> uuid::Uuid {
        let micros = u64::try_from(self.0.now()).unwrap_or(0);
        let mut random = [0_u8; 10];
        if getrandom::fill(&mut random).is_err() {
            // Without an operating system random source nothing else would be safe either.
            std::process::abort();
        }
        uuid::Builder::from_unix_timestamp_millis(micros / 1000, &random).into_uuid()
    }
}
