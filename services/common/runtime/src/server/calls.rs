//! What every call passes on its way in: observation, policy, load shedding, deadline.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Request, Response};
use mahnwerk_proto::{common::v1::ErrorReason, policy};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};
use tonic::{Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::{
    body::ObservedBody,
    deadline,
    observe::{self, Instruments, Observation},
    readiness::State,
};
use crate::{
    clock::SystemClock,
    context::{CALL_ID_HEADER, Call, LOCAL_PRINCIPAL},
    error::Error,
    ids::{IdSource, SystemIds},
    telemetry,
};

/// Services of the transport, which declare no policy and are not observed.
const EXEMPT: [&str; 2] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
];
/// How paths that nobody knows are called in metrics.
const UNKNOWN_METHOD: &str = "other";
/// When to ask again a service whose schema is not ready.
const RETRY_NOT_READY: Duration = Duration::from_secs(1);

/// The gate, as a layer.
#[derive(Clone)]
pub(super) struct CallLayer(Arc<Gate>);

struct Gate {
    readiness: watch::Receiver<State>,
    /// Unary calls and streams are counted apart: feeds that stay open for days must not take the places of calls.
    unary_places: Arc<Semaphore>,
    stream_places: Arc<Semaphore>,
    instruments: Instruments,
    ids: SystemIds,
}

/// What the descriptors say about the method of a call.
#[derive(Clone, Copy)]
struct Method {
    path: &'static str,
    is_unary: bool,
    is_allowed: bool,
}

impl Method {
    fn of(path: &str) -> Self {
        match policy::methods().get_key_value(path) {
            Some((path, method)) => Self {
                path,
                is_unary: !method.descriptor.is_client_streaming()
                    && !method.descriptor.is_server_streaming(),
                is_allowed: method.policy.is_some(),
            },
            None => Self {
                path: UNKNOWN_METHOD,
                is_unary: true,
                is_allowed: false,
            },
        }
    }
}

impl CallLayer {
    pub(super) fn new(max_concurrent: usize, readiness: watch::Receiver<State>) -> Self {
        let places = max_concurrent.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Gate {
            readiness,
            unary_places: Arc::new(Semaphore::new(places)),
            stream_places: Arc::new(Semaphore::new(places)),
            instruments: Instruments::new(),
            ids: SystemIds(Arc::new(SystemClock)),
        }))
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls {
            inner,
            gate: self.0.clone(),
        }
    }
}

/// The gate in front of the handlers.
#[derive(Clone)]
pub(super) struct Calls<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> Service<Request<Body>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Send
        + Clone
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if EXEMPT.iter().any(|exempt| path.starts_with(exempt)) {
            tracing::debug!(method = path, "exempt call");
            return Box::pin(self.inner.call(request));
        }
        let method = Method::of(path);
        let span = observe::span(&request, method.path);
        // The clone has not been polled for readiness; the original has.
        let fresh = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, fresh);
        let gate = self.gate.clone();
        Box::pin(handle(gate, inner, request, method, span.clone()).instrument(span))
    }
}

async fn handle<S>(
    gate: Arc<Gate>,
    mut inner: S,
    mut request: Request<Body>,
    method: Method,
    span: tracing::Span,
) -> Result<Response<Body>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let deadline = deadline::time_for(request.headers(), method.is_unary)
        .and_then(|time| Instant::now().checked_add(time));
    let call = gate.call(&request, deadline);
    let request_id = call.request_id.clone();
    let mut observation = Observation::start(span, method.path, &call, gate.instruments.clone());
    let mut place = None;
    let mut response = match gate.admit(method) {
        Ok(taken) => {
            place = Some(taken);
            request.extensions_mut().insert(call);
            let answer = inner.call(request);
            match deadline {
                Some(at) => match tokio::time::timeout_at(at, answer).await {
                    Ok(answer) => answer?,
                    Err(_) => refusal(Error::Deadline),
                },
                None => answer.await?,
            }
        }
        Err(error) => refusal(error),
    };
    observation.read_code(response.headers());
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(CALL_ID_HEADER), value);
    }
    // A unary answer is complete by now; only what streams can still be late.
    let deadline = deadline.filter(|_| !method.is_unary);
    Ok(response.map(|body| Body::new(ObservedBody::new(body, observation, deadline, place))))
}

fn refusal(error: Error) -> Response<Body> {
    Status::from(error).into_http()
}

impl Gate {
    fn call(&self, request: &Request<Body>, deadline: Option<Instant>) -> Call {
        let named = request
            .headers()
            .get(CALL_ID_HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_key(id));
        let traceparent = telemetry::current_traceparent();
        Call {
            principal: LOCAL_PRINCIPAL.to_owned(),
            request_id: named.map_or_else(|| self.ids.next().to_string(), ToOwned::to_owned),
            traceparent,
            deadline,
        }
    }

    /// Whether the call may be worked on, and its place if so.
    fn admit(&self, method: Method) -> Result<OwnedSemaphorePermit, Error> {
        let places = if method.is_unary {
            &self.unary_places
        } else {
            &self.stream_places
        };
        let place = places
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::Overloaded)?;
        if !method.is_allowed {
            return Err(Error::Denied);
        }
        if let State::MigrationsMissing(message) = &*self.readiness.borrow() {
            return Err(Error::Unavailable {
                reason: ErrorReason::DatabaseUnavailable,
                message: message.clone(),
                retry_after: RETRY_NOT_READY,
            });
        }
        Ok(place)
    }
}

fn is_key(text: &str) -> bool {
    let mut check = crate::validate::Checker::new();
    check.key("", text);
    check.is_clean()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNARY: &str = "/mahnwerk.common.v1.FeedService/ListSnapshot";

    /// Tells when the work on a call is over.
    struct Working(watch::Sender<bool>);

    impl Drop for Working {
        fn drop(&mut self) {
            self.0.send_replace(false);
        }
    }

    #[tokio::test]
    async fn a_deadline_that_passes_is_deadline_exceeded_and_ends_the_work() {
        let is_working = watch::Sender::new(true);
        let seen = is_working.clone();
        let never = tower::service_fn(move |_: Request<Body>| {
            let working = Working(is_working.clone());
            async move {
                let _working = working;
                std::future::pending::<Result<Response<Body>, Infallible>>().await
            }
        });
        let (_state, readiness) = watch::channel(State::Ready);
        let mut calls = CallLayer::new(1, readiness).layer(never);
        // Twice: the first one must have given its place back.
        for _ in 0..2 {
            let request = Request::post(UNARY)
                .header("grpc-timeout", "10m")
                .body(Body::empty())
                .unwrap();
            let response = calls.call(request).await.unwrap();
            let status = Status::from_header_map(response.headers()).unwrap();
            assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
            let reason = tonic_types::StatusExt::get_details_error_info(&status)
                .unwrap()
                .reason;
            assert_eq!(reason, "DEADLINE");
            assert!(!*seen.borrow());
        }
    }
}
