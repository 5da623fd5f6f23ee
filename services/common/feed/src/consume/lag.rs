//! How far a consumer is behind, told whenever somebody asks: a change that waits and an interruption grow older by
//! themselves.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use mahnwerk_runtime::{
    clock::SharedClock,
    telemetry::{KeyValue, names, observe},
};

/// What the metrics tell.
#[derive(Clone, Default)]
pub(super) struct Lag(Arc<Behind>);

#[derive(Default)]
struct Behind {
    /// Microseconds; 0 while nothing is known to be missing.
    since: AtomicI64,
    waiting: AtomicU64,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics need no exact microseconds and changes"
)]
impl Lag {
    /// Something that happened at `micros` is not applied yet; what was known before counts on.
    pub fn behind_since(&self, micros: i64) {
        let _known = self
            .0
            .since
            .compare_exchange(0, micros, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Changes received and not yet applied.
    pub fn waiting(&self, changes: usize) {
        self.0.waiting.store(changes as u64, Ordering::Relaxed);
    }

    /// All that was received is applied.
    pub fn caught_up(&self) {
        self.0.since.store(0, Ordering::Relaxed);
        self.waiting(0);
    }

    /// Makes the metrics; they are there for as long as this.
    pub fn publish(&self, labels: [KeyValue; 2], clock: SharedClock) {
        let own = labels.clone();
        observe(&names::FEED_LAG, &self.0, move |behind, tell| {
            let since = behind.since.load(Ordering::Relaxed);
            let age = if since == 0 { 0 } else { clock.now() - since };
            tell(age.max(0) as f64 / 1e6, &own);
        });
        observe(&names::FEED_BATCH, &self.0, move |behind, tell| {
            tell(behind.waiting.load(Ordering::Relaxed) as f64, &labels);
        });
    }
}
