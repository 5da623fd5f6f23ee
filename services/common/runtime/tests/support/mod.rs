//! A server on a free port with a feed service whose answers are commanded by the page token of the request.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
};

use mahnwerk_proto::common::v1::{
    ListSnapshotRequest, ListSnapshotResponse, WatchRequest, WatchResponse,
    feed_service_client::FeedServiceClient,
    feed_service_server::{FeedService, FeedServiceServer},
};
use mahnwerk_runtime::{
    config::CommonSettings,
    context::Call,
    db::{DatabaseSettings, Db, Migrations},
    idempotency,
    server::{Running, ServiceSpec, Shutdown, start},
    telemetry,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::WatchStream};
use tonic::{
    Request, Response, Status,
    service::Routes,
    transport::{Channel, Endpoint},
};

pub const SERVICE: &str = "mahnwerk.common.v1.FeedService";

/// What the handlers share with the test.
pub struct Script {
    /// Calls with the token `wait` are answered once this is true.
    pub gate: watch::Sender<bool>,
    /// How many calls reached a handler.
    pub entered: watch::Sender<usize>,
    /// The ids of all calls that reached a handler.
    pub calls: Mutex<Vec<Call>>,
    shutdown: Shutdown,
}

#[derive(Clone)]
struct Feed(Arc<Script>);

impl Feed {
    fn enter<T>(&self, request: &Request<T>) {
        self.0.calls.lock().unwrap().push(Call::of(request));
        self.0.entered.send_modify(|entered| *entered += 1);
    }
}

#[tonic::async_trait]
impl FeedService for Feed {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    /// One message, then nothing until the server drains.
    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.enter(&request);
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let draining = self.0.shutdown.draining.clone();
        tokio::spawn(async move {
            let _ = sender.send(Ok(WatchResponse::default())).await;
            tokio::select! {
                () = draining.cancelled() => {
                    let _ = sender.send(Err(Status::unavailable("draining"))).await;
                }
                () = sender.closed() => {}
            }
        });
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_snapshot(
        &self,
        request: Request<ListSnapshotRequest>,
    ) -> Result<Response<ListSnapshotResponse>, Status> {
        self.enter(&request);
        match request.get_ref().page_token.as_str() {
            "wait" => {
                let mut gate = WatchStream::new(self.0.gate.subscribe());
                while gate.next().await == Some(false) {}
            }
            "forever" => std::future::pending().await,
            "yield" => {
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
            }
            "fail" => Err(mahnwerk_runtime::error::Error::internal("a secret"))?,
            "panic" => panic!("on purpose"),
            _ => {}
        }
        Ok(Response::new(ListSnapshotResponse {
            next_page_token: telemetry::current_traceparent(),
            ..ListSnapshotResponse::default()
        }))
    }
}

/// A running server.
pub struct Host {
    pub running: Running,
    pub script: Arc<Script>,
    pub shutdown: Shutdown,
    pub db: Db,
    _directory: TempDir,
}

/// The migrations of the server.
pub fn migrations() -> Migrations {
    Migrations(vec![idempotency::MIGRATION])
}

/// Starts a server; `is_migrated` says whether its schema is current.
pub async fn host(settings: CommonSettings, is_migrated: bool) -> Host {
    let directory = TempDir::new().unwrap();
    let db = Db::connect(&DatabaseSettings {
        url: format!("sqlite://{}/test.db?mode=rwc", directory.path().display()),
        ..DatabaseSettings::default()
    })
    .await
    .unwrap();
    if is_migrated {
        migrations().apply(&db).await.unwrap();
    }
    let shutdown = Shutdown::new();
    let script = Arc::new(Script {
        gate: watch::Sender::new(false),
        entered: watch::Sender::new(0),
        calls: Mutex::default(),
        shutdown: shutdown.clone(),
    });
    let spec = ServiceSpec {
        name: "sample",
        routes: Routes::new(FeedServiceServer::new(Feed(script.clone()))),
        migrations: migrations(),
        db: db.clone(),
        grpc_names: vec![SERVICE],
    };
    let running = start(spec, &settings, shutdown.clone()).await.unwrap();
    Host {
        running,
        script,
        shutdown,
        db,
        _directory: directory,
    }
}

impl Host {
    /// A connection of its own.
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.running.api))
            .unwrap()
            .connect_lazy()
    }

    /// A client on a connection of its own.
    pub fn client(&self) -> FeedServiceClient<Channel> {
        FeedServiceClient::new(self.channel())
    }

    /// Waits until `count` calls have reached a handler.
    pub async fn entered(&self, count: usize) {
        let mut entered = self.script.entered.subscribe();
        entered.wait_for(|entered| *entered >= count).await.unwrap();
    }
}

/// A request that makes the handler do `what`.
pub fn list(what: &str) -> Request<ListSnapshotRequest> {
    Request::new(ListSnapshotRequest {
        page_token: what.to_owned(),
        ..ListSnapshotRequest::default()
    })
}

/// Status line, headers and body of an HTTP/1.1 answer.
pub async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
