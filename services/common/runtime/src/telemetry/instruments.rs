//! Counting and telling, by the names of [`names`].

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Meter},
};

use super::names::{self, Kind, Metric};

/// All counters of the process, by name. They are made together once telemetry runs, so that whoever counts something
/// need not hold an instrument.
static COUNTERS: OnceLock<BTreeMap<&'static str, Counter<u64>>> = OnceLock::new();

/// Makes the counters.
pub(super) fn start(meter: &Meter) {
    let counters = names::ALL.iter().filter(|it| it.kind == Kind::Counter);
    let counters = counters.map(|it| {
        let counter = meter
            .u64_counter(it.name)
            .with_unit(it.unit)
            .with_description(it.description);
        (it.name, counter.build())
    });
    let _first = COUNTERS.set(counters.collect());
}

/// Counts. Of what a transaction does, only once it is committed; `WriteTx::count` of the feed sees to that.
pub fn count(metric: &Metric, number: u64, labels: &[KeyValue]) {
    if let Some(counter) = COUNTERS.get().and_then(|all| all.get(metric.name)) {
        counter.add(number, labels);
    }
}

/// Shows a counter at 0 for each value of its label, so that its first event is seen as an increase.
pub fn announce(metric: &Metric, label: &'static str, values: &[&'static str]) {
    for value in values {
        count(metric, 0, &[KeyValue::new(label, *value)]);
    }
}

/// Tells a gauge whenever somebody asks, for as long as `owner` lives. `tell` is given what to call with each value and
/// its labels; what it does not call it for is not shown.
pub fn observe<T: Send + Sync + 'static>(
    metric: &Metric,
    owner: &Arc<T>,
    tell: impl Fn(&T, &dyn Fn(f64, &[KeyValue])) + Send + Sync + 'static,
) {
    let owner = Arc::downgrade(owner);
    super::meter()
        .f64_observable_gauge(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.description)
        .with_callback(move |observer| {
            if let Some(owner) = owner.upgrade() {
                tell(&owner, &|value, labels| observer.observe(value, labels));
            }
        })
        .build();
}
