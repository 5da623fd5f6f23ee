//! Serving: the API listener, the ops listener, readiness, and the way out.
//!
//! On the way out health says "not serving" first; after the drain delay nothing new is accepted, connections are told
//! to go away, and every call that has begun is answered before its connection is closed. Streams have no end of their
//! own: their handlers watch [`Shutdown::draining`] and end them with a status from which clients resume.

mod access;
mod body;
mod calls;
mod connection;
mod deadline;
mod fetch;
mod files;
mod issuers;
mod named;
mod observe;
mod ops;
mod readiness;
mod shutdown;
mod tls;
mod usage;

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    config::{CommonSettings, ShutdownSettings},
    db::{Db, Migrations},
    error::{Error, Result},
};

pub use shutdown::{Shutdown, shutdown_on_signals};

/// Largest message received unless configured otherwise, in bytes. Services set it on their generated servers with
/// `max_decoding_message_size`.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Calls on one connection at once. More wait at the client.
const MAX_STREAMS_PER_CONNECTION: u32 = 2_048;
/// How much a client may send ahead on one call and on one connection, in bytes; the defaults of HTTP/2 (64 KiB) slow
/// imports down.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Largest message to the health service, in bytes.
const MAX_HEALTH_BYTES: usize = 1_024;
/// A client that does not answer a ping for this long is gone, and its streams with it.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Least time for background work to end.
const BACKGROUND_GRACE: Duration = Duration::from_secs(2);

/// What is served.
pub struct ServiceSpec {
    /// The service, for example `registry`; its program is called `mahnwerk-registry`.
    pub name: &'static str,
    /// The generated servers.
    pub routes: Routes,
    /// What the schema must contain for the service to be ready.
    pub migrations: Migrations,
    /// The service's database.
    pub db: Db,
    /// Full names of the gRPC services, for health and reflection.
    pub grpc_names: Vec<&'static str>,
}

/// A service that is running.
pub struct Running {
    /// Where the API listens.
    pub api: SocketAddr,
    /// Where probes and metrics are.
    pub ops: SocketAddr,
    task: JoinHandle<Result<()>>,
    background: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    grace: Duration,
}

impl Running {
    /// With work beside the calls that ends on [`Shutdown::stop`] and has something to end or to hand over then.
    #[must_use]
    pub fn with_background(mut self, work: JoinHandle<()>) -> Self {
        self.background.push(work);
        self
    }

    /// Waits until the service has stopped, and its background work with it, which has as long as calls that have begun.
    ///
    /// # Errors
    /// If it did not stop because it was told to.
    pub async fn stopped(self) -> Result<()> {
        let background = async {
            self.stop.cancelled().await;
            let grace = self.grace.max(BACKGROUND_GRACE);
            let ended = tokio::time::timeout(grace, async {
                for work in self.background {
                    // One that failed has ended as well.
                    let _ended = work.await;
                }
            });
            let ended = ended.await;
            if ended.is_err() {
                tracing::warn!("background work cut off");
            }
        };
        let (result, ()) = tokio::join!(self.task, background);
        result.map_err(|error| Error::Internal(Box::new(error)))?
    }
}

/// Opens the listeners and serves until `shutdown`.
///
/// # Errors
/// If an address cannot be listened on, the API listener would not be safe (see [`crate::config::ApiSettings::danger`]), or a certificate
/// or the table of callers cannot be used.
pub async fn start(
    spec: ServiceSpec,
    settings: &CommonSettings,
    shutdown: Shutdown,
) -> Result<Running> {
    // Checked here as well, because tests and the all-in-one process do not load their settings from files.
    if let Some(danger) = settings.api.danger() {
        return Err(Error::internal(danger.description));
    }
    if !settings.api.listen.ip().is_loopback() && settings.api.unprotected {
        tracing::warn!(
            "UNPROTECTED: others than this machine's users can call; for development only"
        );
    }
    let access = access::Access::open(&settings.api, &shutdown.stop).await?;
    let api_listener = bind(settings.api.listen).await?;
    let ops_listener = bind(settings.ops.listen).await?;
    let api = local_address(&api_listener)?;
    let ops = local_address(&ops_listener)?;

    let (health, health_server) = tonic_health::server::health_reporter();
    let monitor = readiness::Monitor::new(&spec, health, access.lacks()).await;
    let readiness = monitor.subscribe();
    let calls = calls::CallLayer::new(&settings.api, access, readiness.clone());
    // Who asks for health need not say who asks, so what is asked is short.
    let health_server = health_server.max_decoding_message_size(MAX_HEALTH_BYTES);
    let mut routes = spec.routes.add_service(health_server);
    if settings.api.reflection {
        routes = routes.add_service(reflection(&spec.grpc_names)?);
    }
    let mut server = Server::builder();
    if settings.api.max_connection_age_s > 0 {
        server = server.max_connection_age(Duration::from_secs(settings.api.max_connection_age_s));
    }
    let server = server
        .tcp_nodelay(true)
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .layer(calls)
        .add_routes(routes.prepare());
    let stop = shutdown.stop.clone().cancelled_owned();
    let serving = if settings.api.tls.is_on() {
        let (tls, stopped) = (&settings.api.tls, shutdown.stop.clone());
        let incoming = tls::listen(spec.name, api_listener, tls, stopped).await?;
        tokio::spawn(server.serve_with_incoming_shutdown(incoming, stop))
    } else {
        let incoming = TcpIncoming::from(api_listener).with_nodelay(Some(true));
        let incoming = incoming.map(|accepted| accepted.map(connection::Connection::new));
        tokio::spawn(server.serve_with_incoming_shutdown(incoming, stop))
    };
    tracing::info!(service = spec.name, api = %api, ops = %ops, "listening");
    let stop = shutdown.stop.clone();
    let task = tokio::spawn(run(
        spec.name,
        serving,
        tokio::spawn(monitor.run(shutdown.draining.clone())),
        ops::Ops::spawn(ops_listener, readiness),
        settings.shutdown.clone(),
        shutdown,
    ));
    Ok(Running {
        api,
        ops,
        task,
        background: Vec::new(),
        stop,
        grace: Duration::from_millis(settings.shutdown.grace_ms),
    })
}

async fn run(
    service: &'static str,
    mut serving: JoinHandle<Result<(), tonic::transport::Error>>,
    monitor: JoinHandle<()>,
    ops: ops::Ops,
    settings: ShutdownSettings,
    shutdown: Shutdown,
) -> Result<()> {
    tokio::select! {
        ended = &mut serving => {
            // Nobody asked for it.
            shutdown.begin();
            shutdown.stop.cancel();
            ops.stop().await;
            return flatten(ended);
        }
        () = shutdown.draining.cancelled() => {}
        () = shutdown.stop.cancelled() => shutdown.begin(),
    }
    tracing::info!(service, "draining");
    // Sets health to "not serving" as its last act.
    if monitor.await.is_err() {
        tracing::warn!(service, "readiness monitor failed");
    }
    let delay = Duration::from_millis(settings.drain_delay_ms);
    let _stopped_early = tokio::time::timeout(delay, shutdown.stop.cancelled()).await;
    shutdown.stop.cancel();
    let grace = Duration::from_millis(settings.grace_ms);
    let result = match tokio::time::timeout(grace, &mut serving).await {
        Ok(ended) => flatten(ended),
        Err(_) => {
            tracing::warn!(service, grace_ms = settings.grace_ms, "calls cut off");
            serving.abort();
            Ok(())
        }
    };
    ops.stop().await;
    tracing::info!(service, "stopped");
    result
}

fn flatten(
    ended: Result<Result<(), tonic::transport::Error>, tokio::task::JoinError>,
) -> Result<()> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Error::Internal(Box::new(error))),
        Err(error) => Err(Error::Internal(Box::new(error))),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Error::internal(format!("cannot listen on {address}: {error}")))
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|error| Error::Internal(Box::new(error)))
}

fn reflection(
    names: &[&'static str],
) -> Result<
    tonic_reflection::server::v1::ServerReflectionServer<
        impl tonic_reflection::server::v1::ServerReflection,
    >,
> {
    let mut builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(mahnwerk_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name("grpc.health.v1.Health");
    for name in names {
        builder = builder.with_service_name(*name);
    }
    builder
        .build_v1()
        .map_err(|error| Error::Internal(Box::new(error)))
}
