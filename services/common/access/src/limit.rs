//! How often a caller may call.

use serde::Deserialize;

/// Limits of a caller; 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls per second on average, 0 to 1,000,000. A second's worth may come at once.
    pub requests_per_second: u32,
    /// Calls and streams at once, 0 to 100,000.
    pub concurrent: u32,
}

/// Highest values.
const MAX_RATE: u32 = 1_000_000;
const MAX_CONCURRENT: u32 = 100_000;

impl Limits {
    /// What is wrong with them: fields and rules.
    pub(crate) fn check(self, refuse: &mut dyn FnMut(&str, &str)) {
        if self.requests_per_second > MAX_RATE {
            refuse("limits.requests_per_second", "must be 0 to 1000000");
        }
        if self.concurrent > MAX_CONCURRENT {
            refuse("limits.concurrent", "must be 0 to 100000");
        }
    }
}

/// Meters calls against a rate: a bucket that holds a second's worth and fills steadily.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_second: u64,
    /// What is left, in millionths of a call.
    left: u64,
    /// When it was counted, microseconds since an origin of the caller's choice.
    at: u64,
}

const CALL: u64 = 1_000_000;

impl Bucket {
    /// A full bucket; `None` if the rate is not limited.
    #[must_use]
    pub fn new(limits: Limits, now: u64) -> Option<Self> {
        let per_second = u64::from(limits.requests_per_second);
        (per_second > 0).then_some(Self {
            per_second,
            left: per_second * CALL,
            at: now,
        })
    }

    /// What there is to take at `now`, in millionths of a call.
    fn left_at(&self, now: u64) -> u64 {
        // A clock that went back fills nothing.
        let passed = now.saturating_sub(self.at);
        // A microsecond fills as many millionths as there are calls in a second.
        let filled = passed.saturating_mul(self.per_second);
        self.left.saturating_add(filled).min(self.full())
    }

    fn full(&self) -> u64 {
        self.per_second * CALL
    }

    /// Whether it is as good as new at `now`.
    #[must_use]
    pub fn is_full(&self, now: u64) -> bool {
        self.left_at(now) == self.full()
    }

    /// Takes a call at `now`.
    ///
    /// # Errors
    /// In how many microseconds there is one to take.
    pub fn take(&mut self, now: u64) -> Result<(), u64> {
        self.left = self.left_at(now);
        self.at = self.at.max(now);
        match self.left.checked_sub(CALL) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err((CALL - self.left).div_ceil(self.per_second)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(requests_per_second: u32) -> Bucket {
        let limits = Limits {
            requests_per_second,
            concurrent: 0,
        };
        Bucket::new(limits, 0).unwrap()
    }

    #[test]
    fn no_limit_needs_no_bucket() {
        assert!(Bucket::new(Limits::default(), 0).is_none());
    }

    #[test]
    fn a_second_worth_may_come_at_once_and_the_next_one_has_to_wait() {
        let mut bucket = bucket(2);
        assert_eq!(bucket.take(0), Ok(()));
        assert_eq!(bucket.take(0), Ok(()));
        assert_eq!(bucket.take(0), Err(500_000));
        assert_eq!(bucket.take(499_999), Err(1));
        assert_eq!(bucket.take(500_000), Ok(()));
        assert_eq!(bucket.take(400_000), Err(500_000));
    }

    #[test]
    fn a_bucket_is_full_again_when_nobody_took_from_it_for_long_enough() {
        let mut bucket = bucket(2);
        assert!(bucket.is_full(0));
        bucket.take(0).unwrap();
        assert!(!bucket.is_full(0) && !bucket.is_full(499_999));
        assert!(bucket.is_full(500_000));
    }

    proptest! {
        #[test]
        fn no_window_sees_more_than_its_share_and_a_second(
            rate in 1_u32..1_000,
            gaps in prop::collection::vec(0_u64..50_000, 1..300),
        ) {
            let mut bucket = bucket(rate);
            let mut now = 0;
            let mut taken = 0_u64;
            for gap in gaps {
                now += gap;
                match bucket.take(now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        // The time told is the time needed.
                        let mut early = bucket;
                        prop_assert!(early.take(now + wait - 1).is_err());
                        prop_assert!(bucket.clone().take(now + wait).is_ok());
                    }
                }
            }
            prop_assert!(taken <= u64::from(rate) + now * u64::from(rate) / 1_000_000);
        }
    }
}
