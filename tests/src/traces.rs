//! A receiver of OTLP traces and metrics over gRPC, as a collector would be.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::any_value::Value,
    trace::v1::span::Link,
};
use prost::Message as _;
use tokio::sync::watch;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// Longest wait for a span.
const PATIENCE: Duration = Duration::from_secs(30);

/// A span that was received.
#[derive(Clone, Debug)]
pub struct Span {
    /// `service.name` of its process.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Trace id, hexadecimal.
    pub trace_id: String,
    /// Span id, hexadecimal.
    pub span_id: String,
    /// Span id of the parent, hexadecimal; empty for a root.
    pub parent_span_id: String,
    /// Trace and span ids that it links to, hexadecimal.
    pub links: Vec<(String, String)>,
}

/// The receiver. Stops with the runtime of the test.
pub struct Collector {
    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: String,
    spans: watch::Receiver<Vec<Span>>,
    messages: Messages,
}

/// Messages as they came, for whoever looks for what should not be in them.
#[derive(Clone, Default)]
struct Messages {
    traces: Arc<Mutex<Vec<Vec<u8>>>>,
    metrics: Arc<Mutex<Vec<Vec<u8>>>>,
}

struct Receiver {
    spans: Mutex<watch::Sender<Vec<Span>>>,
    messages: Messages,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        let message = request.encode_to_vec();
        self.messages.traces.lock().unwrap().push(message);
        let received = spans(request);
        self.spans
            .lock()
            .unwrap()
            .send_modify(|spans| spans.extend(received));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

struct MetricsReceiver(Messages);

#[tonic::async_trait]
impl MetricsService for MetricsReceiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let message = request.into_inner().encode_to_vec();
        self.0.metrics.lock().unwrap().push(message);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut found = Vec::new();
    for resource_spans in request.resource_spans {
        let service = resource_spans
            .resource
            .iter()
            .flat_map(|resource| &resource.attributes)
            .filter(|attribute| attribute.key == "service.name")
            .find_map(
                |attribute| match attribute.value.as_ref()?.value.as_ref()? {
                    Value::StringValue(name) => Some(name.clone()),
                    _ => None,
                },
            )
            .unwrap_or_default();
        for span in resource_spans
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            let link = |link: Link| (hex(&link.trace_id), hex(&link.span_id));
            found.push(Span {
                service: service.clone(),
                name: span.name,
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_span_id: hex(&span.parent_span_id),
                links: span.links.into_iter().map(link).collect(),
            });
        }
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _never_fails = write!(text, "{byte:02x}");
        text
    })
}

impl Collector {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let (sender, spans) = watch::channel(Vec::new());
        let address = ([127, 0, 0, 1], 0).into();
        let incoming = TcpIncoming::bind(address).expect("a free port");
        let address = incoming.local_addr().expect("its address");
        let messages = Messages::default();
        let traces = TraceServiceServer::new(Receiver {
            spans: Mutex::new(sender),
            messages: messages.clone(),
        });
        let metrics = MetricsServiceServer::new(MetricsReceiver(messages.clone()));
        tokio::spawn(
            Server::builder()
                .add_service(traces)
                .add_service(metrics)
                .serve_with_incoming(incoming),
        );
        Self {
            endpoint: format!("http://{address}"),
            spans,
            messages,
        }
    }

    /// The messages with spans so far, encoded.
    #[must_use]
    pub fn trace_messages(&self) -> Vec<Vec<u8>> {
        self.messages.traces.lock().unwrap().clone()
    }

    /// The messages with metrics so far, encoded.
    #[must_use]
    pub fn metric_messages(&self) -> Vec<Vec<u8>> {
        self.messages.metrics.lock().unwrap().clone()
    }

    /// What has been received so far.
    #[must_use]
    pub fn received(&self) -> Vec<Span> {
        self.spans.borrow().clone()
    }

    /// Waits for a span. Fails with the names of those received when it does not come.
    pub async fn wait_for(&self, what: &str, matches: impl Fn(&Span) -> bool) -> Span {
        let mut spans = self.spans.clone();
        let found =
            tokio::time::timeout(PATIENCE, spans.wait_for(|all| all.iter().any(&matches))).await;
        let all = match found {
            Ok(Ok(all)) => all.clone(),
            _ => {
                let names: Vec<_> = self
                    .spans
                    .borrow()
                    .iter()
                    .map(|span| format!("{} {} {:?}", span.service, span.name, span.links))
                    .collect();
                panic!("no span {what} among {names:#?}");
            }
        };
        all.into_iter()
            .find(|span| matches(span))
            .expect("found before")
    }
}
