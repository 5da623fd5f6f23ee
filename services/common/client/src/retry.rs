//! When a call is repeated, and when no more.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Most attempts of one call, the first included.
pub(crate) const MAX_ATTEMPTS: u32 = 6;
/// Longest pause before the second attempt; it doubles from there on.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait at least before the same call may succeed, if it may; by the status it met.
pub(crate) fn may_succeed_later(status: &Status) -> Option<Duration> {
    let details = status.get_error_details();
    let told = details.retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        Code::Unavailable => Some(told.unwrap_or_default()),
        // Without the advice it is not ours, or not meant to be repeated: an etag that does not match never will.
        Code::Aborted | Code::ResourceExhausted => told,
        _ => None,
    }
}

/// The pause before attempt `attempt` (2 and up): random, so that those who failed together do not come again together.
pub(crate) fn pause(attempt: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(2).min(16));
    let random = RandomState::new().build_hasher().finish() % 1_000;
    let share = u32::try_from(random).unwrap_or(0);
    doubled.min(MAX_PAUSE) * share / 1_000
}

/// Stops repetitions while most calls fail, so that they do not keep a service down that is trying to come up: each
/// failure takes a token, ten successes give one back, and below half nothing is repeated.
pub(crate) struct Throttle(AtomicU32);

/// In tenths of a token.
const FULL: u32 = 1_000;
const FAILURE: u32 = 10;

impl Default for Throttle {
    fn default() -> Self {
        Self(AtomicU32::new(FULL))
    }
}

impl Throttle {
    pub(crate) fn succeeded(&self) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                (left < FULL).then_some(left + 1)
            });
    }

    /// Whether a failed call may be repeated.
    pub(crate) fn failed(&self) -> bool {
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(FAILURE))
            });
        before.unwrap_or(0) > FULL / 2
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn what_may_succeed_later_is_repeated_and_nothing_else() {
        let bare = |code| may_succeed_later(&Status::new(code, ""));
        assert_eq!(bare(Code::Unavailable), Some(Duration::ZERO));
        for code in [
            Code::Aborted,
            Code::ResourceExhausted,
            Code::InvalidArgument,
            Code::DeadlineExceeded,
            Code::Internal,
            Code::Unauthenticated,
            Code::PermissionDenied,
        ] {
            assert_eq!(bare(code), None, "{code:?}");
        }
        let told = |code| {
            let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(50)));
            may_succeed_later(&Status::with_error_details(code, "", details))
        };
        for code in [Code::Unavailable, Code::Aborted, Code::ResourceExhausted] {
            assert_eq!(told(code), Some(Duration::from_millis(50)), "{code:?}");
        }
        assert_eq!(told(Code::Internal), None);
    }

    #[test]
    fn pauses_grow_and_end() {
        for attempt in 2..100 {
            let most = FIRST_PAUSE
                .saturating_mul(1 << (attempt - 2).min(16))
                .min(MAX_PAUSE);
            assert!(pause(attempt) <= most);
        }
    }

    #[test]
    fn when_most_calls_fail_nothing_is_repeated() {
        let throttle = Throttle::default();
        let repeated = (0..100).filter(|_| throttle.failed()).count();
        assert_eq!(repeated, 50);
        assert!(!throttle.failed());
        for _ in 0..FULL {
            throttle.succeeded();
        }
        assert!(throttle.failed());
    }
}
