//! What a service says of itself beside its answers to operators, as metadata: its version, and its time.

use tonic::{
    Response,
    metadata::{MetadataMap, MetadataValue},
};

use crate::clock::{Clock, Micros};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const VERSION_KEY: &str = "mahnwerk-version";
/// Microseconds since 1970.
const TIME_KEY: &str = "mahnwerk-time";

/// What a service said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its version; empty if it did not say.
    pub version: String,
    /// Its time when it answered.
    pub time: Option<Micros>,
}

/// An answer that says of the service what [`About::of`] reads.
#[must_use]
pub fn announced<T>(message: T, clock: &dyn Clock) -> Response<T> {
    let mut response = Response::new(message);
    let metadata = response.metadata_mut();
    metadata.insert(VERSION_KEY, MetadataValue::from_static(VERSION));
    metadata.insert(TIME_KEY, MetadataValue::from(clock.now()));
    response
}

impl About {
    /// What an answer says of the service.
    #[must_use]
    pub fn of(metadata: &MetadataMap) -> Self {
        let text = |key: &str| metadata.get(key).and_then(|value| value.to_str().ok());
        Self {
            version: text(VERSION_KEY).unwrap_or_default().to_owned(),
            time: text(TIME_KEY).and_then(|value| value.parse().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn what_is_announced_is_read_and_nothing_else_is_made_up() {
        let response = announced((), &ManualClock::at(1_234_567));
        let about = About::of(response.metadata());
        assert_eq!(about.version, VERSION);
        assert_eq!(about.time, Some(1_234_567));
        assert_eq!(About::of(&MetadataMap::new()), About::default());
    }
}
