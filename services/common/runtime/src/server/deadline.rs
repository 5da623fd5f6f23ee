//! When a call must have been answered.

use std::{future::pending, time::Duration};

use mahnwerk_proto::timeout;
use tokio::time::{Instant, sleep_until};

/// Time for a unary call whose caller sets none.
pub(super) const DEFAULT: Duration = Duration::from_secs(30);
/// The transport has a timer of its own for the caller's timeout, and so has the caller; both would say `CANCELLED`.
/// Answering this much earlier, at most, says `DEADLINE_EXCEEDED` instead.
const HEAD_START: Duration = Duration::from_millis(50);

/// Time from the first byte of a request to its answer, if that is one message; or for a request of one message to arrive.
/// At most `most`, whatever the caller says: it occupies a place meanwhile.
pub(super) fn of_one(headers: &http::HeaderMap, most: Duration) -> Duration {
    told(headers).unwrap_or(DEFAULT).min(most)
}

/// Time for a stream; `None` if its caller sets none.
pub(super) fn of_stream(headers: &http::HeaderMap) -> Option<Duration> {
    told(headers)
}

fn told(headers: &http::HeaderMap) -> Option<Duration> {
    let timeout = headers.get(timeout::HEADER).and_then(timeout::parse)?;
    Some(timeout - (timeout / 10).min(HEAD_START))
}

/// Waits for a point in time; for ever if there is none.
pub(super) async fn passed(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(600);

    fn headers(timeout: &'static str) -> http::HeaderMap {
        let headers = [(
            http::HeaderName::from_static("grpc-timeout"),
            http::HeaderValue::from_static(timeout),
        )];
        headers.into_iter().collect()
    }

    #[test]
    fn the_callers_timeout_is_taken_a_little_early() {
        let time = |text| of_one(&headers(text), MOST);
        assert_eq!(time("100m"), Duration::from_millis(90));
        assert_eq!(time("10S"), Duration::from_millis(9_950));
        assert_eq!(time("0m"), Duration::ZERO);
        let stream = of_stream(&headers("99999999H")).unwrap();
        assert_eq!(stream.as_secs() / 3_600, 99_999_998);
    }

    #[test]
    fn a_unary_call_has_no_more_than_the_settings_allow() {
        assert_eq!(of_one(&headers("99999999H"), MOST), MOST);
        let short = Duration::from_secs(5);
        assert_eq!(of_one(&headers("10S"), short), short);
        assert_eq!(of_one(&headers("ten"), short), short);
    }

    #[test]
    fn without_a_valid_timeout_unary_calls_have_thirty_seconds_and_streams_none() {
        assert_eq!(of_one(&headers("ten"), MOST), DEFAULT);
        assert_eq!(of_stream(&headers("ten")), None);
    }
}
