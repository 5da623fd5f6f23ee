//! How much callers use of their limits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mahnwerk_access::{
    Caller,
    limit::{Bucket, Limits},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::error::{Error, Result};

/// When to come again after too many calls at once.
const RETRY_CONCURRENT: Duration = Duration::from_millis(100);
/// Shortest time between two looks for callers that need not be counted any more, microseconds.
const SWEEP: u64 = 100_000;

/// What callers use. Of at most so many at once: the others have to wait until some of these come to rest. Those that
/// have limits are meant; who has none is not counted.
pub(super) struct Usage {
    most: usize,
    counted: Mutex<Counted>,
    began: Instant,
}

#[derive(Default)]
struct Counted {
    callers: HashMap<String, Arc<Used>>,
    swept: Option<u64>,
}

/// How much a caller has used of its limits.
struct Used {
    limits: Limits,
    bucket: Mutex<Option<Bucket>>,
    places: Option<Arc<Semaphore>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Usage {
    pub(super) fn of_at_most(most: usize) -> Self {
        Self {
            most,
            counted: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// Counts a call against the caller's limits. What is returned holds its place among those at once.
    pub(super) fn count(&self, caller: &Caller) -> Result<Option<OwnedSemaphorePermit>> {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.count_at(caller, now)
    }

    fn count_at(&self, caller: &Caller, now: u64) -> Result<Option<OwnedSemaphorePermit>> {
        if caller.limits == Limits::default() {
            return Ok(None);
        }
        let used = self.used(caller, now)?;
        if let Some(bucket) = &mut *lock(&used.bucket) {
            bucket.take(now).map_err(limited)?;
        }
        let Some(places) = &used.places else {
            return Ok(None);
        };
        let place = places.clone().try_acquire_owned();
        place.map(Some).map_err(|_| Error::CallerLimited {
            retry_after: RETRY_CONCURRENT,
        })
    }

    fn used(&self, caller: &Caller, now: u64) -> Result<Arc<Used>> {
        let mut counted = lock(&self.counted);
        match counted.callers.get(&caller.name) {
            Some(used) if used.limits == caller.limits => return Ok(used.clone()),
            Some(_) => {}
            None => counted.make_room(self.most, now)?,
        }
        let used = Arc::new(Used::new(caller.limits, now));
        counted.callers.insert(caller.name.clone(), used.clone());
        Ok(used)
    }
}

fn limited(micros: u64) -> Error {
    Error::CallerLimited {
        retry_after: Duration::from_micros(micros),
    }
}

impl Counted {
    /// Forgets callers at rest if there are too many. To forget others would give them their limits anew.
    fn make_room(&mut self, most: usize, now: u64) -> Result<()> {
        if self.callers.len() < most {
            return Ok(());
        }
        let next = self.swept.map_or(now, |swept| swept.saturating_add(SWEEP));
        if now >= next {
            self.callers.retain(|_, used| !used.is_at_rest(now));
            self.swept = Some(now);
        }
        if self.callers.len() < most {
            return Ok(());
        }
        Err(limited(SWEEP))
    }
}

impl Used {
    fn new(limits: Limits, now: u64) -> Self {
        let places = (limits.concurrent > 0)
            .then(|| Arc::new(Semaphore::new(limits.concurrent.try_into().unwrap_or(1))));
        Self {
            limits,
            bucket: Mutex::new(Bucket::new(limits, now)),
            places,
        }
    }

    /// Whether it is as one that has just been made, and nobody is about to change that.
    fn is_at_rest(self: &Arc<Self>, now: u64) -> bool {
        let all = usize::try_from(self.limits.concurrent).unwrap_or(usize::MAX);
        let has_all_places = self
            .places
            .as_ref()
            .is_none_or(|places| places.available_permits() == all);
        let is_full = lock(&self.bucket).is_none_or(|bucket| bucket.is_full(now));
        Arc::strong_count(self) == 1 && has_all_places && is_full
    }
}

#[cfg(test)]
mod tests {
    use mahnwerk_access::caller::Creditors;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn caller(name: &str, requests_per_second: u32, concurrent: u32) -> Caller {
        Caller {
            name: name.to_owned(),
            scopes: vec![],
            creditors: Creditors::All,
            limits: Limits {
                requests_per_second,
                concurrent,
            },
        }
    }

    fn is_limited(found: Result<Option<OwnedSemaphorePermit>>) -> bool {
        matches!(found, Err(Error::CallerLimited { .. }))
    }

    #[test]
    fn only_callers_at_rest_are_forgotten_and_others_have_to_wait() {
        let usage = Usage::of_at_most(2);
        let busy = usage.count_at(&caller("busy", 0, 1), 0).unwrap();
        assert!(busy.is_some());
        usage.count_at(&caller("eager", 1, 0), 0).unwrap();
        // Both are in use: none of them may begin anew, and nobody else is counted.
        assert!(is_limited(usage.count_at(&caller("next", 1, 0), 0)));
        assert!(is_limited(usage.count_at(&caller("eager", 1, 0), 0)));
        assert!(is_limited(usage.count_at(&caller("busy", 0, 1), 0)));
        // Who has no limits does not care.
        usage.count_at(&caller("free", 0, 0), 0).unwrap();
        // A second later one of them is at rest.
        usage.count_at(&caller("next", 1, 0), SECOND).unwrap();
        assert!(is_limited(usage.count_at(&caller("busy", 0, 1), SECOND)));
        assert!(is_limited(usage.count_at(&caller("eager", 1, 0), SECOND)));
        drop(busy);
        usage.count_at(&caller("eager", 1, 0), 2 * SECOND).unwrap();
        assert_eq!(lock(&usage.counted).callers.len(), 1);
    }

    #[test]
    fn new_limits_hold_at_once() {
        let usage = Usage::of_at_most(1);
        usage.count_at(&caller("shop", 1, 0), 0).unwrap();
        assert!(is_limited(usage.count_at(&caller("shop", 1, 0), 0)));
        usage.count_at(&caller("shop", 2, 0), 0).unwrap();
        usage.count_at(&caller("shop", 2, 0), 0).unwrap();
        assert!(is_limited(usage.count_at(&caller("shop", 2, 0), 0)));
    }
}
