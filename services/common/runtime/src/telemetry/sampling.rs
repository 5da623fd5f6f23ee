//! Which spans are sent: those of sampled traces, and every one that ended with an error of ours.
//!
//! `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say which traces are sampled, as everywhere. What they leave out is
//! recorded all the same, as not sampled, and sent if it has the status ERROR when it ends: the span of a call that failed
//! by our fault, and a span within which something was logged as an error. Trace ids, parents and what callees and events
//! are told do not depend on it.
//!
//! Limits: a span is decided on alone when it ends, so one that is kept for its error may lack its parents and children,
//! here and in other services, and counts computed from sampled traces come out too high by these spans. Recording costs
//! what sampling everything would, less the sending. `always_off` is taken at its word: nothing is recorded or sent.

use std::time::Duration;

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanContext, SpanKind, Status, TraceId},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        Config, SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanProcessor,
        TracerProviderBuilder,
    },
};

/// Sends by `exporter` what the environment has sampled, and errors.
pub(super) fn errors_and_samples(
    builder: TracerProviderBuilder,
    exporter: impl SpanProcessor + 'static,
) -> TracerProviderBuilder {
    // The defaults are read from the environment.
    let sampler = Config::default().sampler;
    let nothing = std::env::var("OTEL_TRACES_SAMPLER").is_ok_and(|name| name == "always_off");
    let sampler: Box<dyn ShouldSample> = if nothing {
        sampler
    } else {
        Box::new(Recording(sampler))
    };
    builder
        .with_sampler(sampler)
        .with_span_processor(SampledOrFailed(exporter))
}

/// A sampler that has what it leaves out recorded.
#[derive(Clone, Debug)]
struct Recording(Box<dyn ShouldSample>);

impl ShouldSample for Recording {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        span_kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let asked =
            self.0
                .should_sample(parent_context, trace_id, name, span_kind, attributes, links);
        SamplingResult {
            decision: match asked.decision {
                SamplingDecision::Drop => SamplingDecision::RecordOnly,
                decision => decision,
            },
            ..asked
        }
    }
}

/// Passes on what is sampled, or has failed.
#[derive(Debug)]
struct SampledOrFailed<P>(P);

impl<P: SpanProcessor> SpanProcessor for SampledOrFailed<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        if !span.span_context.is_sampled() {
            if !matches!(span.status, Status::Error { .. }) {
                return;
            }
            // Processors and receivers leave out what says that it is not sampled.
            let context = &span.span_context;
            span.span_context = SpanContext::new(
                context.trace_id(),
                context.span_id(),
                context.trace_flags().with_sampled(true),
                context.is_remote(),
                context.trace_state().clone(),
            );
        }
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{
        Span as _, SpanId, TraceContextExt as _, TraceFlags, TraceState, Tracer as _,
        TracerProvider as _,
    };
    use opentelemetry_sdk::trace::{
        Sampler, SdkTracer, SdkTracerProvider, SimpleSpanProcessor, SpanExporter,
    };

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Memory(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Memory {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    impl Memory {
        fn names(&self) -> Vec<String> {
            let spans = std::mem::take(&mut *self.0.lock().unwrap());
            spans.iter().map(|span| span.name.to_string()).collect()
        }
    }

    fn traced(sampler: Sampler) -> (SdkTracerProvider, SdkTracer, Memory) {
        let memory = Memory::default();
        let exporter = SampledOrFailed(SimpleSpanProcessor::new(memory.clone()));
        let provider = SdkTracerProvider::builder()
            .with_sampler(Recording(sampler.into()))
            .with_span_processor(exporter)
            .build();
        let tracer = provider.tracer("test");
        (provider, tracer, memory)
    }

    fn none() -> Sampler {
        Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.0)))
    }

    #[test]
    fn of_what_is_not_sampled_only_errors_are_sent() {
        let (_provider, tracer, memory) = traced(none());
        tracer.start("fine").end();
        let mut refused = tracer.start("refused");
        refused.set_status(Status::Ok);
        refused.end();
        assert!(memory.names().is_empty());
        let mut failed = tracer.start("failed");
        failed.set_status(Status::error("internal"));
        assert!(
            !failed.span_context().is_sampled(),
            "nobody else samples it"
        );
        failed.end();
        let sent = std::mem::take(&mut *memory.0.lock().unwrap());
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].name, "failed");
        assert!(sent[0].span_context.is_sampled());
    }

    #[test]
    fn what_is_sampled_is_sent_whatever_became_of_it() {
        let (_provider, tracer, memory) = traced(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)));
        let mut failed = tracer.start("failed");
        failed.set_status(Status::error("internal"));
        failed.end();
        tracer.start("fine").end();
        assert_eq!(memory.names(), ["failed", "fine"]);
    }

    #[test]
    fn ids_parents_and_the_decision_of_the_caller_go_through() {
        let (_provider, tracer, memory) = traced(none());
        let caller = |sampled| {
            let flags = TraceFlags::default().with_sampled(sampled);
            let (trace, span) = (TraceId::from(7_u128), SpanId::from(8_u64));
            let state = TraceState::default();
            Context::new()
                .with_remote_span_context(SpanContext::new(trace, span, flags, true, state))
        };
        // The caller samples: so do we, errors or not.
        tracer.start_with_context("sampled", &caller(true)).end();
        assert_eq!(memory.names(), ["sampled"]);
        // It does not: the error and its child are in its trace, the child without an error is not sent.
        let call = tracer.start_with_context("call", &caller(false));
        let context = Context::new().with_span(call);
        tracer.start_with_context("child", &context).end();
        let mut failed = tracer.start_with_context("failed child", &context);
        failed.set_status(Status::error("internal"));
        failed.end();
        context.span().end();
        let sent = std::mem::take(&mut *memory.0.lock().unwrap());
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].name, "failed child");
        assert_eq!(sent[0].span_context.trace_id(), TraceId::from(7_u128));
        assert_eq!(
            sent[0].parent_span_id,
            context.span().span_context().span_id()
        );
    }

    #[test]
    fn a_ratio_is_kept() {
        let (_provider, tracer, memory) = traced(Sampler::TraceIdRatioBased(0.5));
        for _ in 0..1_000 {
            tracer.start("fine").end();
        }
        let sent = memory.names().len();
        assert!((350..650).contains(&sent), "{sent}");
    }
}
