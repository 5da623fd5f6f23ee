//! A channel that every generated client takes.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, header::AUTHORIZATION, request::Parts};
use http_body_util::{BodyExt as _, Full};
use mahnwerk_proto::{
    code_text,
    policy::{self, Method},
    timeout,
};
use opentelemetry::{
    Context as TraceContext, KeyValue, global,
    metrics::{Counter, Histogram},
    propagation::Injector,
};
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};
use tower::{Service, ServiceExt as _};
use tracing::Instrument as _;

use crate::{
    endpoints::Endpoints,
    retry::{self, MAX_ATTEMPTS, Throttle},
    settings::{ConnectError, Settings},
};

/// Histogram, seconds: duration of calls made, repetitions included, by `rpc.method` and `rpc.grpc.status_code`. The list of
/// the services' metrics has it too, word for word, and so the next one.
pub const RPC_CLIENT_DURATION: &str = "rpc.client.duration";

/// Counter: calls repeated, by `rpc.method` and the `rpc.grpc.status_code` that was met.
pub const RPC_CLIENT_REPEATED: &str = "rpc.client.repeated";

/// Time for a unary call whose caller sets none.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);
/// Bounds of the histogram in seconds.
const BOUNDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A channel to all replicas of a service. Clones share their connections.
#[derive(Clone)]
pub struct Channel(Arc<Shared>);

struct Shared {
    endpoints: Arc<Endpoints>,
    throttle: Throttle,
    duration: Histogram<f64>,
    repeated: Counter<u64>,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Channel")
    }
}

/// A channel to the service at `http://HOST:PORT` or `https://HOST:PORT`, or at several such addresses with commas between
/// them, connected when it is first used. Must be called within a tokio runtime.
///
/// # Errors
/// If the address or a file cannot be used, or a token would be sent without TLS to another machine.
pub fn connect(urls: &str, settings: &Settings) -> Result<Channel, ConnectError> {
    let meter = global::meter("mahnwerk");
    Ok(Channel(Arc::new(Shared {
        endpoints: Endpoints::new(urls, settings)?,
        throttle: Throttle::default(),
        repeated: meter
            .u64_counter(RPC_CLIENT_REPEATED)
            .with_unit("{call}")
            .with_description("Calls repeated after an error")
            .build(),
        duration: meter
            .f64_histogram(RPC_CLIENT_DURATION)
            .with_unit("s")
            .with_description("Duration of calls made, repetitions included")
            .with_boundaries(BOUNDS.to_vec())
            .build(),
    })))
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = self.0.clone();
        let known = policy::methods().get_key_value(request.uri().path());
        let path = known.map_or("other", |(path, _)| path.as_str());
        let span = tracing::info_span!(
            "call out",
            otel.name = path.trim_start_matches('/'),
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            rpc.system = "grpc",
            rpc.grpc.status_code = tracing::field::Empty,
        );
        let call = async move {
            let began = Instant::now();
            let response = shared.call(request, known.map(|(_, method)| method)).await;
            let code = code_of(&response);
            shared
                .duration
                .record(began.elapsed().as_secs_f64(), &attributes(path, code));
            let span = tracing::Span::current();
            span.record("rpc.grpc.status_code", code_text(code));
            if matches!(
                code,
                Code::Unavailable | Code::DeadlineExceeded | Code::Internal | Code::Unknown
            ) {
                span.record("otel.status_code", "ERROR");
            }
            Ok(response)
        };
        Box::pin(call.instrument(span))
    }
}

fn attributes(path: &'static str, code: Code) -> [KeyValue; 2] {
    [
        KeyValue::new("rpc.method", path),
        KeyValue::new("rpc.grpc.status_code", code_text(code)),
    ]
}

/// The code of an answer that is an error as a whole; streams that began count as well.
fn code_of(response: &Response<Body>) -> Code {
    response
        .headers()
        .get(Status::GRPC_STATUS)
        .map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

impl Shared {
    async fn call(
        &self,
        request: Request<Body>,
        method: Option<&'static Method>,
    ) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        if let Err(status) = self.prepare(&mut head) {
            return status.into_http();
        }
        let is_unary = method.is_some_and(|method| {
            !method.descriptor.is_client_streaming() && !method.descriptor.is_server_streaming()
        });
        if !is_unary {
            return self.once(Request::from_parts(head, body), &mut None).await;
        }
        // It is in memory already, encoded.
        let Ok(message) = body.collect().await else {
            return Status::internal("the request cannot be encoded").into_http();
        };
        let message = message.to_bytes();
        let told = head.headers.get(timeout::HEADER).and_then(timeout::parse);
        let deadline = Instant::now() + told.unwrap_or(DEFAULT_DEADLINE);
        let mut tried = None;
        let mut attempt = 1;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut request =
                Request::from_parts(head.clone(), Body::new(Full::new(message.clone())));
            request
                .headers_mut()
                .insert(timeout::HEADER, timeout::format(left));
            // The transport minds the deadline only once it is connected.
            let once = tokio::time::timeout_at(deadline, self.once(request, &mut tried));
            let Ok(response) = once.await else {
                if let Some(silent) = &tried {
                    self.endpoints.rest(silent);
                }
                return Status::deadline_exceeded("the deadline passed").into_http();
            };
            let Some(status) = Status::from_header_map(response.headers())
                .filter(|status| status.code() != Code::Ok)
            else {
                self.throttle.succeeded();
                return response;
            };
            let Some(least) = retry::may_succeed_later(&status) else {
                return response;
            };
            attempt += 1;
            let wait = least.saturating_add(retry::pause(attempt));
            let is_late = Instant::now()
                .checked_add(wait)
                .is_none_or(|at| at >= deadline);
            let is_enough = attempt > MAX_ATTEMPTS || is_late;
            if !self.throttle.failed() || is_enough {
                return response;
            }
            let path = method.map_or("other", |method| method.path.as_str());
            self.repeated.add(1, &attributes(path, status.code()));
            tokio::time::sleep(wait).await;
        }
    }

    /// What every call carries: who calls, and the trace it belongs to.
    fn prepare(&self, head: &mut Parts) -> Result<(), Status> {
        if let Some(token) = self.endpoints.token() {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| Status::unauthenticated("the token fits no header"))?;
            value.set_sensitive(true);
            head.headers.insert(AUTHORIZATION, value);
        }
        // A caller that keeps its traces by other means has named it.
        if !head.headers.contains_key("traceparent") {
            global::get_text_map_propagator(|propagator| {
                let current = TraceContext::current();
                propagator.inject_context(&current, &mut Headers(&mut head.headers));
            });
        }
        Ok(())
    }

    /// One attempt at the next replica, which is noted in `tried`. What does not reach it is `UNAVAILABLE`.
    async fn once(
        &self,
        request: Request<Body>,
        tried: &mut Option<Arc<crate::endpoints::Member>>,
    ) -> Response<Body> {
        let Some(member) = self.endpoints.next(tried.as_ref()).await else {
            return Status::unavailable("no address of the service is known").into_http();
        };
        *tried = Some(member.clone());
        let answer = member.channel.clone().oneshot(request).await;
        answer.unwrap_or_else(|error| {
            if is_timeout(&error) {
                return Status::deadline_exceeded("the deadline passed").into_http();
            }
            // Not connected, broken off, or told to go away before it was sent: the transport has many words for it.
            self.endpoints.rest(&member);
            let text = chain(&error);
            tracing::debug!(error = text, "replica not reached");
            Status::unavailable(text).into_http()
        })
    }
}

/// Whether the caller's deadline ended the call.
fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut sources = std::iter::successors(Some(error), |error| error.source());
    sources.any(|error| error.is::<tonic::TimeoutExpired>())
}

/// An error and what caused it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

struct Headers<'a>(&'a mut http::HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = http::HeaderName::from_bytes(key.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
