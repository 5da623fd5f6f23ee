//! What is told about a call: its span, its line in the log, its metrics.

use http::{HeaderMap, Request};
use mahnwerk_proto::code_text;
use opentelemetry::{
    KeyValue,
    metrics::{Histogram, UpDownCounter},
};
use tokio::time::Instant;
use tonic::Code;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{
    context::Call,
    telemetry::{self, names},
};

/// Bounds of the duration histogram in seconds.
const BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Rate, errors and duration per method.
#[derive(Clone)]
pub(super) struct Instruments {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
}

impl Instruments {
    pub(super) fn new() -> Self {
        let meter = telemetry::meter();
        let (duration, active) = (names::RPC_DURATION, names::RPC_ACTIVE);
        Self {
            duration: meter
                .f64_histogram(duration.name)
                .with_unit(duration.unit)
                .with_description(duration.description)
                .with_boundaries(BOUNDS.to_vec())
                .build(),
            active: meter
                .i64_up_down_counter(active.name)
                .with_unit(active.unit)
                .with_description(active.description)
                .build(),
        }
    }
}

/// The span of a call, child of the caller's.
pub(super) fn span<B>(request: &Request<B>, method: &'static str) -> Span {
    let span = tracing::info_span!(
        "call",
        otel.name = method.trim_start_matches('/'),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        rpc.system = "grpc",
        rpc.grpc.status_code = tracing::field::Empty,
    );
    // Before the span is entered: later it has no effect. Fails where no layer makes spans of it, which is fine.
    let _ = span.set_parent(telemetry::extract(request.headers()));
    span
}

/// A call under observation. Its end is told when this is dropped, whatever the way.
pub(super) struct Observation {
    pub(super) span: Span,
    method: &'static str,
    request_id: String,
    principal: String,
    instruments: Instruments,
    started: Instant,
    /// `None` until the caller was answered.
    code: Option<Code>,
}

impl Observation {
    pub(super) fn start(
        span: Span,
        method: &'static str,
        call: &Call,
        instruments: Instruments,
    ) -> Self {
        instruments
            .active
            .add(1, &[KeyValue::new(names::METHOD, method)]);
        tracing::debug!(
            target: names::CALL_LOG,
            method,
            request_id = call.request_id,
            "call started"
        );
        Self {
            span,
            method,
            request_id: call.request_id.clone(),
            principal: call.principal.clone(),
            instruments,
            started: Instant::now(),
            code: None,
        }
    }

    /// Reads the code from headers or trailers, if it is in them.
    pub(super) fn read_code(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(tonic::Status::GRPC_STATUS) {
            self.code = Some(Code::from_bytes(code.as_bytes()));
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let code = match self.code {
            Some(code) => code,
            None if std::thread::panicking() => Code::Internal,
            // The caller went away, or the connection was cut.
            None => Code::Cancelled,
        };
        let elapsed = self.started.elapsed();
        let code_text = code_text(code);
        let method = KeyValue::new(names::METHOD, self.method);
        self.instruments
            .active
            .add(-1, std::slice::from_ref(&method));
        self.instruments.duration.record(
            elapsed.as_secs_f64(),
            &[method, KeyValue::new(names::CODE, code_text)],
        );
        self.span.record("rpc.grpc.status_code", code_text);
        if is_our_fault(code) {
            self.span.record("otel.status_code", "ERROR");
        }
        let _entered = self.span.enter();
        tracing::info!(
            target: names::CALL_LOG,
            method = self.method,
            code = code_text,
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            request_id = self.request_id,
            principal = self.principal,
            "call"
        );
    }
}

fn is_our_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
