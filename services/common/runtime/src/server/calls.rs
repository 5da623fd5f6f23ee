//! What every call passes on its way in: observation, who calls and whether that caller may, load shedding, deadline.

use std::{
    convert::Infallible,
    future::pending,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Request, Response};
use mahnwerk_access::{
    caller::Creditors,
    creditor::{Places, places_in},
};
use mahnwerk_proto::{
    common::v1::ErrorReason,
    is_key,
    policy::{self, Policy},
};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::{
    access::{self, Access, Identity},
    body::{End, ObservedBody, Place, asked_until, keeping},
    deadline,
    named::Check,
    observe::{self, Instruments, Observation},
    readiness::State,
};
use crate::{
    clock::SystemClock,
    config::ApiSettings,
    context::{CALL_ID_HEADER, Call},
    error::Error,
    ids::{IdSource, SystemIds},
    telemetry::{self, KeyValue, names},
};

/// Services of the transport, which declare no policy and are not observed. Nobody says who calls them, so that they are
/// limited by themselves.
const EXEMPT: [&str; 2] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
];
/// Such calls at once, and as many such streams; what is above is refused.
const MAX_EXEMPT: usize = 1_024;
/// Time for such a call, or for such a stream to begin.
const EXEMPT_TIME: Duration = Duration::from_secs(5);
/// How the calls among them end that are no streams.
const EXEMPT_CALLS: [&str; 2] = ["/Check", "/List"];
/// How paths that nobody knows are called in metrics.
const UNKNOWN_METHOD: &str = "other";
/// When to ask again a service whose schema is not ready.
const RETRY_NOT_READY: Duration = Duration::from_secs(1);

/// The gate, as a layer.
#[derive(Clone)]
pub(super) struct CallLayer(Arc<Gate>);

struct Gate {
    access: Access,
    max_message_bytes: usize,
    /// Longest time for a unary call.
    max_deadline: Duration,
    readiness: watch::Receiver<State>,
    /// Unary calls and streams are counted apart: feeds that stay open for days must not take the places of calls.
    unary_places: Arc<Semaphore>,
    stream_places: Arc<Semaphore>,
    exempt_places: Arc<Semaphore>,
    exempt_stream_places: Arc<Semaphore>,
    instruments: Instruments,
    ids: SystemIds,
}

/// What the descriptors say about the method of a call.
#[derive(Clone, Copy)]
struct Method {
    path: &'static str,
    is_unary: bool,
    /// Whether the request is one message.
    asks_once: bool,
    policy: Option<&'static Policy>,
    /// Where requests name their creditors.
    places: Option<&'static Places>,
}

impl Method {
    fn of(path: &str) -> Self {
        match policy::methods().get_key_value(path) {
            Some((path, method)) => Self {
                path,
                is_unary: !method.descriptor.is_client_streaming()
                    && !method.descriptor.is_server_streaming(),
                asks_once: !method.descriptor.is_client_streaming(),
                policy: method.policy.as_ref(),
                places: places_in(path),
            },
            None => Self {
                path: UNKNOWN_METHOD,
                is_unary: true,
                asks_once: true,
                policy: None,
                places: None,
            },
        }
    }
}

impl CallLayer {
    pub(super) fn new(
        settings: &ApiSettings,
        access: Access,
        readiness: watch::Receiver<State>,
    ) -> Self {
        let places = settings.max_concurrent_requests.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Gate {
            access,
            max_message_bytes: settings.max_message_bytes,
            max_deadline: Duration::from_secs(settings.max_deadline_s),
            readiness,
            unary_places: Arc::new(Semaphore::new(places)),
            stream_places: Arc::new(Semaphore::new(places)),
            exempt_places: Arc::new(Semaphore::new(MAX_EXEMPT)),
            exempt_stream_places: Arc::new(Semaphore::new(MAX_EXEMPT)),
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
        // The clone has not been polled for readiness; the original has.
        let fresh = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, fresh);
        let gate = self.gate.clone();
        let path = request.uri().path();
        if EXEMPT.iter().any(|exempt| path.starts_with(exempt)) {
            tracing::debug!(method = path, "exempt call");
            return Box::pin(handle_exempt(gate, inner, request));
        }
        let method = Method::of(path);
        let span = observe::span(&request, method.path);
        Box::pin(handle(gate, inner, request, method, span.clone()).instrument(span))
    }
}

async fn handle_exempt<S>(
    gate: Arc<Gate>,
    mut inner: S,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let path = request.uri().path();
    // Watches that stay open must not take the places of checks.
    let places = if EXEMPT_CALLS.iter().any(|name| path.ends_with(name)) {
        &gate.exempt_places
    } else {
        &gate.exempt_stream_places
    };
    let Ok(place) = places.clone().try_acquire_owned() else {
        return Ok(Status::from(Error::Overloaded).into_http());
    };
    match tokio::time::timeout(EXEMPT_TIME, inner.call(request)).await {
        Ok(answer) => Ok(answer?.map(|body| keeping(place, body))),
        Err(_) => Ok(Status::from(Error::Deadline).into_http()),
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
    // From here on all of it takes its time: what is sent slowly, who calls, and the work.
    let now = Instant::now();
    let of_one = now.checked_add(deadline::of_one(request.headers(), gate.max_deadline));
    let deadline = if method.is_unary {
        of_one
    } else {
        deadline::of_stream(request.headers()).and_then(|time| now.checked_add(time))
    };
    let identity = gate.access.identify(&request);
    let principal = identity
        .as_ref()
        .map_or("", |identity| &identity.caller.name);
    let call = gate.call(&request, principal, deadline);
    let request_id = call.request_id.clone();
    let mut observation = Observation::start(span, method.path, &call, gate.instruments.clone());
    let mut place = None;
    let mut asking = None;
    // A unary answer is complete when it begins; only what streams can still be late, or outlive who it is for.
    let mut end = if method.is_unary {
        End::never()
    } else {
        let identity = identity.as_ref().ok();
        asking = gate.limit_asking(method, &mut request, of_one, deadline, identity);
        gate.end(deadline, identity)
    };
    let work = async {
        place = Some(gate.admit(method, identity?, &mut request).await?);
        request.extensions_mut().insert(call);
        Ok(inner.call(request).await)
    };
    let answer = tokio::select! {
        biased;
        error = &mut end => Err(error),
        answer = work => answer,
        () = deadline::passed(deadline) => Err(Error::Deadline),
    };
    let mut response = match answer {
        Ok(answer) => answer?,
        Err(error) => Status::from(error).into_http(),
    };
    observation.read_code(response.headers());
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(CALL_ID_HEADER), value);
    }
    Ok(response.map(|body| Body::new(ObservedBody::new(body, observation, end, place, asking))))
}

impl Gate {
    fn call(&self, request: &Request<Body>, principal: &str, deadline: Option<Instant>) -> Call {
        let named = request
            .headers()
            .get(CALL_ID_HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_key(id));
        let traceparent = telemetry::current_traceparent();
        Call {
            principal: principal.to_owned(),
            request_id: named.map_or_else(|| self.ids.next().to_string(), ToOwned::to_owned),
            traceparent,
            deadline,
        }
    }

    /// When a stream has to be over though nobody ended it: at its deadline, or when who it is for may not have it any more.
    fn end(&self, deadline: Option<Instant>, identity: Option<&Identity>) -> End {
        let lapse = identity.map(|identity| self.access.lapse(identity.clone()));
        let lapsed = async move {
            match lapse {
                Some(lapse) => lapse.await,
                None => pending().await,
            }
        };
        End::when(async move {
            tokio::select! {
                () = deadline::passed(deadline) => Error::Deadline,
                () = lapsed => Error::Unauthenticated(ErrorReason::CredentialsExpired),
            }
        })
    }

    /// Limits how long the request of a stream is read: one message to the time that a unary call would have, a stream of
    /// them to the answer's end. Handlers may read in tasks of their own, of which the answer knows nothing; what is
    /// returned ends them with it.
    fn limit_asking(
        &self,
        method: Method,
        request: &mut Request<Body>,
        of_one: Option<Instant>,
        deadline: Option<Instant>,
        identity: Option<&Identity>,
    ) -> Option<DropGuard> {
        let body = std::mem::take(request.body_mut());
        if method.asks_once {
            let late = async move {
                deadline::passed(of_one).await;
                Error::Deadline
            };
            *request.body_mut() = asked_until(End::when(late), body);
            return None;
        }
        let answered = CancellationToken::new();
        let guard = answered.clone().drop_guard();
        let end = self.end(deadline, identity);
        let over = async move {
            tokio::select! {
                () = answered.cancelled() => Error::Deadline,
                error = end => error,
            }
        };
        *request.body_mut() = asked_until(End::when(over), body);
        Some(guard)
    }

    /// Whether the call may be worked on, and its place if so. Nothing is done for a caller that may not call.
    async fn admit(
        &self,
        method: Method,
        identity: Identity,
        request: &mut Request<Body>,
    ) -> Result<Place, Error> {
        let caller = identity.caller;
        access::may_call(&caller, method.policy, method.places.is_some())?;
        let of_caller = self.access.count(&caller).inspect_err(|_| {
            let method = KeyValue::new(names::METHOD, method.path);
            telemetry::count(&names::RPC_LIMITED, 1, &[method]);
        })?;
        let places = if method.is_unary {
            &self.unary_places
        } else {
            &self.stream_places
        };
        let place = places
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::Overloaded)?;
        if let State::MigrationsMissing(message) = &*self.readiness.borrow() {
            return Err(Error::Unavailable {
                reason: ErrorReason::DatabaseUnavailable,
                message: message.clone(),
                retry_after: RETRY_NOT_READY,
            });
        }
        if let Some(places) = method.places.filter(|_| caller.creditors != Creditors::All) {
            let check = Check::new(caller, places, self.max_message_bytes);
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = if method.asks_once {
                check.one(body).await?
            } else {
                check.each(body)
            };
        }
        Ok(Place {
            _of_all: place,
            _of_caller: of_caller,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

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
        let settings = ApiSettings {
            max_concurrent_requests: 1,
            ..ApiSettings::default()
        };
        let access = Access::open(&settings, &CancellationToken::new())
            .await
            .unwrap();
        let mut calls = CallLayer::new(&settings, access, readiness).layer(never);
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
