//! How far a consumer is behind, told whenever somebody asks: a change that waits and an interruption grow older by
//! themselves.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use mahnwerk_runtime::clock::SharedClock;
use opentelemetry::KeyValue;

/// What the metrics tell.
#[derive(Clone, Default)]
pub(super) struct Lag {
    /// Microseconds; 0 while nothing is known to be missing.
    since: Arc<AtomicI64>,
    waiting: Arc<AtomicU64>,
}

impl Lag {
    /// Something that happened at `micros` is not applied yet; what was known before counts on.
    pub fn behind_since(&self, micros: i64) {
        let _known = self
            .since
            .compare_exchange(0, micros, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Changes received and not yet applied.
    pub fn waiting(&self, changes: usize) {
        self.waiting.store(changes as u64, Ordering::Relaxed);
    }

    /// All that was received is applied.
    pub fn caught_up(&self) {
        self.since.store(0, Ordering::Relaxed);
        self.waiting(0);
    }

    /// Makes the metrics.
    pub fn publish(&self, labels: [KeyValue; 2], clock: SharedClock) {
        let meter = opentelemetry::global::meter("mahnwerk");
        let (since, own) = (self.since.clone(), labels.clone());
        #[expect(
            clippy::cast_precision_loss,
            reason = "a lag needs no exact microseconds"
        )]
        meter
            .f64_observable_gauge("feed.consumer.lag")
            .with_unit("s")
            .with_description(
                "Age of the oldest change that is not applied, or of the interruption",
            )
            .with_callback(move |observer| {
                let since = since.load(Ordering::Relaxed);
                let age = if since == 0 { 0 } else { clock.now() - since };
                observer.observe(age.max(0) as f64 / 1e6, &own);
            })
            .build();
        let waiting = self.waiting.clone();
        meter
            .u64_observable_gauge("feed.consumer.batch")
            .with_unit("{change}")
            .with_description("Changes received and not yet applied")
            .with_callback(move |observer| {
                observer.observe(waiting.load(Ordering::Relaxed), &labels);
            })
            .build();
    }
}
