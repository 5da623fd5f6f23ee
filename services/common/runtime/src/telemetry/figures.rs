//! What a service reads from its database now and then, told whenever somebody asks.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::KeyValue;
use tokio::time::Instant;

use super::{instruments::observe, names::Metric};

/// A figure that was not read again for so long is not told any more: a gap says that nothing is known, an old number
/// that all is well.
const LASTS: Duration = Duration::from_secs(60);

/// A value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The metric.
    pub metric: Metric,
    /// Its labels.
    pub labels: Vec<KeyValue>,
    /// Its value when it was read.
    pub value: f64,
    /// Whether it grows by a second every second until it is read again.
    pub ages: bool,
}

impl Figure {
    /// A number of things.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
    pub fn number(metric: Metric, labels: Vec<KeyValue>, number: i64) -> Self {
        Self {
            metric,
            labels,
            value: number as f64,
            ages: false,
        }
    }

    /// A share of a whole.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share needs no exact counts")]
    pub fn share(metric: Metric, labels: Vec<KeyValue>, part: i64, whole: i64) -> Self {
        Self {
            metric,
            labels,
            value: part as f64 / whole.max(1) as f64,
            ages: false,
        }
    }

    /// For how long something has been waiting, in microseconds by the clock that noted when it began; `None` if nothing
    /// does.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "an age needs no exact microseconds"
    )]
    pub fn age(metric: Metric, labels: Vec<KeyValue>, micros: Option<i64>) -> Self {
        Self {
            metric,
            labels,
            value: micros.unwrap_or(0).max(0) as f64 / 1e6,
            ages: micros.is_some(),
        }
    }

    fn after(&self, elapsed: Duration) -> f64 {
        if self.ages {
            self.value + elapsed.as_secs_f64()
        } else {
            self.value
        }
    }
}

/// The latest figures of a service.
#[derive(Default)]
pub struct Figures(Mutex<State>);

#[derive(Default)]
struct State {
    figures: Vec<Figure>,
    read_at: Option<Instant>,
    /// Names of the metrics that are told.
    told: BTreeSet<&'static str>,
}

impl Figures {
    /// Tells these from now on.
    pub fn update(self: &Arc<Self>, figures: Vec<Figure>) {
        let new: Vec<Metric> = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let metrics = figures.iter().map(|it| it.metric);
            let new = metrics.filter(|it| state.told.insert(it.name)).collect();
            state.figures = figures;
            state.read_at = Some(Instant::now());
            new
        };
        for metric in new {
            observe(&metric, self, move |figures, tell| {
                for (value, labels) in figures.current(metric.name, Instant::now()) {
                    tell(value, &labels);
                }
            });
        }
    }

    /// What is known of a metric at a time.
    fn current(&self, name: &str, now: Instant) -> Vec<(f64, Vec<KeyValue>)> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(read_at) = state.read_at else {
            return Vec::new();
        };
        let elapsed = now.saturating_duration_since(read_at);
        if elapsed > LASTS {
            return Vec::new();
        }
        let figures = state.figures.iter();
        let figures = figures.filter(|it| it.metric.name == name);
        figures
            .map(|it| (it.after(elapsed), it.labels.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names;

    #[test]
    fn ages_grow_numbers_stand_still_and_both_vanish_when_they_are_old() {
        let figures = Arc::new(Figures::default());
        let name = names::OUTBOX_AGE.name;
        assert!(figures.current(name, Instant::now()).is_empty());
        figures.update(vec![
            Figure::age(names::OUTBOX_AGE, vec![], Some(2_500_000)),
            Figure::age(names::DISPATCH_LAG, vec![], None),
            Figure::number(names::OUTBOX_COMMANDS, vec![], 7),
            Figure::share(names::RUN_PROGRESS, vec![], 3, 4),
        ]);
        let read_at = figures.0.lock().unwrap().read_at.unwrap();
        let after = |seconds, metric: &Metric| {
            let now = read_at + Duration::from_secs(seconds);
            let told = figures.current(metric.name, now);
            told.iter().map(|(value, _)| *value).collect::<Vec<_>>()
        };
        assert_eq!(after(30, &names::OUTBOX_AGE), [32.5]);
        assert_eq!(after(30, &names::DISPATCH_LAG), [0.0]);
        assert_eq!(after(60, &names::OUTBOX_COMMANDS), [7.0]);
        assert_eq!(after(60, &names::RUN_PROGRESS), [0.75]);
        for metric in [names::OUTBOX_AGE, names::OUTBOX_COMMANDS] {
            assert!(after(61, &metric).is_empty());
        }
    }
}
