//! When a call must have been answered.

use std::time::Duration;

use mahnwerk_proto::timeout;

/// Time for a unary call whose caller sets none.
const DEFAULT: Duration = Duration::from_secs(30);
/// The transport has a timer of its own for the caller's timeout, and so has the caller; both would say `CANCELLED`.
/// Answering this much earlier, at most, says `DEADLINE_EXCEEDED` instead.
const HEAD_START: Duration = Duration::from_millis(50);

/// Time for a call; `None` for a stream whose caller sets none.
pub(super) fn time_for(headers: &http::HeaderMap, unary: bool) -> Option<Duration> {
    match headers.get(timeout::HEADER).and_then(timeout::parse) {
        Some(timeout) => Some(timeout - (timeout / 10).min(HEAD_START)),
        None => unary.then_some(DEFAULT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(header: &'static str, unary: bool) -> Option<Duration> {
        let headers = [(
            http::HeaderName::from_static("grpc-timeout"),
            http::HeaderValue::from_static(header),
        )];
        time_for(&headers.into_iter().collect(), unary)
    }

    #[test]
    fn the_callers_timeout_is_taken_a_little_early() {
        assert_eq!(time("100m", true), Some(Duration::from_millis(90)));
        assert_eq!(time("10S", true), Some(Duration::from_millis(9_950)));
        assert_eq!(
            time("99999999H", false).unwrap().as_secs() / 3_600,
            99_999_998
        );
        assert_eq!(time("0m", true), Some(Duration::ZERO));
    }

    #[test]
    fn without_a_valid_timeout_unary_calls_have_thirty_seconds_and_streams_none() {
        assert_eq!(time("ten", true), Some(DEFAULT));
        assert_eq!(time("ten", false), None);
    }
}
