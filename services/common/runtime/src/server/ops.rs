//! The ops listener: `/healthz` (the process lives), `/readyz` (and is ready, or why not), `/metrics`.

use axum::{
    Router,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{connection::Listener, readiness::State};
use crate::{status::chain, telemetry};

/// The running ops listener.
pub(super) struct Ops {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Ops {
    pub(super) fn spawn(listener: TcpListener, readiness: watch::Receiver<State>) -> Self {
        let stop = CancellationToken::new();
        let router = Router::new()
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/readyz", get(move || ready(readiness.clone())))
            .route("/metrics", get(metrics));
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            let serving = axum::serve(Listener(listener), router);
            tokio::select! {
                ended = serving => if let Err(error) = ended {
                    tracing::error!(error = %error, "ops listener failed");
                },
                // Nobody is owed the end of a scrape.
                () = stopped => {}
            }
        });
        Self { task, stop }
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::warn!("ops listener did not stop cleanly");
        }
    }
}

async fn ready(readiness: watch::Receiver<State>) -> impl IntoResponse {
    let state = readiness.borrow().clone();
    let code = if state.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, format!("{}\n", state.text()))
}

async fn metrics() -> impl IntoResponse {
    match telemetry::metrics_text() {
        Ok(text) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
            text,
        ),
        Err(error) => {
            tracing::error!(error = chain(&error), "metrics cannot be encoded");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                [(header::CONTENT_TYPE, "text/plain")],
                String::new(),
            )
        }
    }
}
