//! Traces reach a receiver over OTLP. One test, because telemetry is started once per process.

use mahnwerk_runtime::{config::LogSettings, telemetry};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

struct Receiver(UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let _ = self.0.send(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_sends_what_was_not_sent_yet() {
    let (sender, mut received) = unbounded_channel();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    tokio::spawn(
        Server::builder()
            .add_service(TraceServiceServer::new(Receiver(sender)))
            .serve_with_incoming(incoming),
    );
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(format!("http://{address}"))
        .build()
        .unwrap();
    let guard = telemetry::install(
        "sample",
        &LogSettings::default(),
        SdkTracerProvider::builder().with_batch_exporter(exporter),
    )
    .unwrap();
    tracing::info_span!(target: "mahnwerk::test", "work").in_scope(|| {});
    tracing::info_span!(target: "somebody::else", "noise").in_scope(|| {});
    guard.shutdown().await;

    let batch = received.recv().await.unwrap();
    let spans: Vec<_> = batch
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| &scope.spans)
        .map(|span| span.name.as_str())
        .collect();
    assert_eq!(spans, ["work"]);
    let resource = batch.resource_spans[0].resource.as_ref().unwrap();
    let name = resource
        .attributes
        .iter()
        .find(|attribute| attribute.key == "service.name")
        .unwrap();
    assert!(format!("{name:?}").contains("sample"), "{name:?}");
}
