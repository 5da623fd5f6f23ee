//! Logs, traces and metrics, started once per process.
//!
//! Traces and metrics go out by OTLP where the standard `OTEL_*` variables name an endpoint; without one nothing is
//! sent, but calls have trace ids all the same. Metrics are also at `/metrics` of the ops listener. All of them are in
//! [`names`]; they are counted by [`count`] and told by [`observe`] and [`Figures`], after [`init`]: before it, nothing is
//! measured. Which traces are sent is decided in `sampling`.

mod figures;
mod format;
mod instruments;
pub mod names;
mod propagation;
mod sampling;

use std::{io::IsTerminal as _, sync::Arc};

pub use opentelemetry::KeyValue;
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    propagation::TraceContextPropagator,
    trace::{BatchSpanProcessor, SdkTracerProvider, TracerProviderBuilder},
};
use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, FilterFn},
    layer::SubscriberExt as _,
};

pub use figures::{Figure, Figures};
pub use instruments::{announce, count, observe};
pub use propagation::{current_trace_id, current_traceparent, extract, link_to};

use crate::{
    clock::SystemClock,
    config::{LogFormat, LogSettings},
    error::{Error, Result},
};

/// All crates of the workspace have the same.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Targets of our own crates begin with this.
const OWN_TARGETS: &str = "mahnwerk";
/// Targets that say too much at info.
const NOISY_TARGETS: [&str; 7] = [
    "sqlx",
    "sea_orm",
    "h2",
    "hyper",
    "tonic",
    "tower",
    "opentelemetry",
];

/// Keeps telemetry running; [`TelemetryGuard::shutdown`] sends what is left.
#[must_use = "what was not sent yet is lost without a shutdown"]
pub struct TelemetryGuard {
    tracer: SdkTracerProvider,
    meter: SdkMeterProvider,
}

impl TelemetryGuard {
    /// Sends what is left and stops. Telemetry that cannot be sent is not worth an error; it is logged.
    pub async fn shutdown(self) {
        let stop = move || {
            if let Err(error) = self.tracer.shutdown() {
                tracing::warn!(error = %error, "traces were not all sent");
            }
            if let Err(error) = self.meter.shutdown() {
                tracing::warn!(error = %error, "metrics were not all sent");
            }
        };
        // Both wait for their exporters, which need the runtime meanwhile.
        if tokio::task::spawn_blocking(stop).await.is_err() {
            tracing::warn!("telemetry did not stop cleanly");
        }
    }
}

/// Starts logs, traces and metrics for the process. `service` is its name unless `OTEL_SERVICE_NAME` gives another.
/// Must be called within a tokio runtime, once.
///
/// # Errors
/// If the log filter cannot be read, an exporter cannot be made, or telemetry was started before.
pub fn init(service: &'static str, settings: &LogSettings) -> Result<TelemetryGuard> {
    let mut builder = SdkTracerProvider::builder();
    if endpoint_is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .build()
            .map_err(|error| Error::Internal(Box::new(error)))?;
        let exporter = BatchSpanProcessor::builder(exporter).build();
        builder = sampling::errors_and_samples(builder, exporter);
    }
    install(service, settings, builder)
}

/// As [`init`], with the trace exporters of the caller: for tests that look at spans.
///
/// # Errors
/// As [`init`].
#[doc(hidden)]
pub fn install(
    service: &'static str,
    settings: &LogSettings,
    traces: TracerProviderBuilder,
) -> Result<TelemetryGuard> {
    let resource = resource(service);
    let tracer = traces.with_resource(resource.clone()).build();
    let meter = meter_provider(resource)?;
    global::set_text_map_propagator(TraceContextPropagator::new());

    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer.tracer(names::METER))
        .with_filter(FilterFn::new(is_traced).with_max_level_hint(LevelFilter::INFO));
    let filter = EnvFilter::try_new(&settings.filter)
        .map_err(|error| Error::Internal(Box::new(error)))?
        .and(FilterFn::new(is_within_cap).with_max_level_hint(LevelFilter::TRACE));
    let lines = tracing_subscriber::fmt::layer()
        .event_format(format::Lines {
            json: settings.format == LogFormat::Json,
            clock: Arc::new(SystemClock),
        })
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_filter(filter);
    let subscriber = tracing_subscriber::registry().with(spans).with(lines);
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|error| Error::Internal(Box::new(error)))?;
    global::set_tracer_provider(tracer.clone());
    global::set_meter_provider(meter.clone());
    instruments::start(&self::meter());
    tell_build();
    Ok(TelemetryGuard { tracer, meter })
}

/// The meter of all our crates.
#[must_use]
pub fn meter() -> opentelemetry::metrics::Meter {
    global::meter(names::METER)
}

fn tell_build() {
    let build = names::BUILD;
    let gauge = meter()
        .u64_gauge(build.name)
        .with_unit(build.unit)
        .with_description(build.description)
        .build();
    gauge.record(1, &[KeyValue::new(names::VERSION, VERSION)]);
    count(&names::POOL_TIMEOUTS, 0, &[]);
}

/// All metrics of the process in the Prometheus text format.
///
/// # Errors
/// If they cannot be encoded.
pub fn metrics_text() -> Result<String> {
    prometheus::TextEncoder::new()
        .encode_to_string(&prometheus::gather())
        .map_err(|error| Error::Internal(Box::new(error)))
}

fn resource(service: &'static str) -> Resource {
    // The builder's detectors read OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES; what is given here would win.
    let mut builder = Resource::builder().with_attribute(KeyValue::new("service.version", VERSION));
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        builder = builder.with_service_name(service);
    }
    builder.build()
}

fn meter_provider(resource: Resource) -> Result<SdkMeterProvider> {
    let prometheus = opentelemetry_prometheus::exporter()
        .with_registry(prometheus::default_registry().clone())
        .without_target_info()
        .build()
        .map_err(|error| Error::Internal(Box::new(error)))?;
    let mut builder = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(prometheus);
    if endpoint_is_set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") {
        let exporter = opentelemetry_otlp::MetricExporter::builder()
            .with_tonic()
            .build()
            .map_err(|error| Error::Internal(Box::new(error)))?;
        builder = builder.with_periodic_exporter(exporter);
    }
    Ok(builder.build())
}

fn endpoint_is_set(own_variable: &str) -> bool {
    [own_variable, "OTEL_EXPORTER_OTLP_ENDPOINT"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Spans, and what went wrong in them; other events are for the log only.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    let least = if metadata.is_span() {
        tracing::Level::INFO
    } else {
        tracing::Level::WARN
    };
    metadata.target().starts_with(OWN_TARGETS) && *metadata.level() <= least
}

fn is_within_cap(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    if target.starts_with(OWN_TARGETS) {
        return true;
    }
    let cap = if NOISY_TARGETS.iter().any(|noisy| target.starts_with(noisy)) {
        tracing::Level::WARN
    } else {
        tracing::Level::INFO
    };
    *metadata.level() <= cap
}
