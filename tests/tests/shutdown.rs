//! SIGTERM while much is going on: nothing that was begun is lost, and streams can be resumed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use e2e::{
    process::Program,
    suite::{Clients, Databases, Engine, Service, channel},
    world::invoice,
};
use mahnwerk_proto::{
    common::v1::{
        ListSnapshotRequest, Position, WatchRequest, WatchResponse,
        feed_service_client::FeedServiceClient,
    },
    registry::v1::CreateInvoiceRequest,
};
use serde_json::Value;
use tokio::sync::watch;
use tonic::{Code, Request, Status, Streaming, transport::Channel};

/// Callers at once, on so many connections.
const CALLERS: usize = 240;
const CONNECTIONS: usize = 4;
/// Calls that must be in flight when the signal comes.
const IN_FLIGHT: usize = 100;
/// Calls answered before the signal is sent.
const WARM: usize = 500;

/// What became of the calls, by call id.
type Outcomes = BTreeMap<String, Result<(), Status>>;

/// Posts invoices without a pause until a call fails.
async fn caller(number: usize, channel: Channel, answered: Arc<watch::Sender<usize>>) -> Outcomes {
    let mut clients = Clients::new(&channel, &channel);
    let mut outcomes = Outcomes::new();
    for turn in 0.. {
        let id = format!("call-{number}-{turn}");
        let mut request = Request::new(CreateInvoiceRequest {
            request_id: id.clone(),
            invoice: Some(invoice("c1", &format!("d{}", number % 20), &id, 500)),
        });
        let header = id.parse().expect("a header");
        request.metadata_mut().insert("x-request-id", header);
        let outcome = clients.accounts.create_invoice(request).await.map(|_| ());
        let is_over = outcome.is_err();
        outcomes.insert(id, outcome);
        if is_over {
            break;
        }
        answered.send_modify(|count| *count += 1);
    }
    outcomes
}

/// Reads a stream to its end.
async fn read_to_end(
    mut stream: Streaming<WatchResponse>,
    from: Position,
) -> (Seen, Position, Status) {
    let mut seen = Seen::new();
    let (mut complete, mut position) = (Seen::new(), from);
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                seen.extend(message.changes.into_iter().map(|change| change.entity_id));
                if let Some(reached) = message.position {
                    position = reached;
                    complete.append(&mut seen);
                }
            }
            Ok(None) => return (complete, position, Status::ok("ended without a status")),
            Err(status) => return (complete, position, status),
        }
    }
}

type Seen = BTreeSet<String>;

async fn watch_from(channel: &Channel, from: &Position) -> Streaming<WatchResponse> {
    FeedServiceClient::new(channel.clone())
        .watch(WatchRequest {
            consumer: "test".to_owned(),
            partitions: (0..64).collect(),
            from: Some(from.clone()),
        })
        .await
        .expect("a stream")
        .into_inner()
}

async fn start_of_feed(channel: &Channel) -> Position {
    let mut client = FeedServiceClient::new(channel.clone());
    let request = ListSnapshotRequest {
        partitions: (0..64).collect(),
        ..ListSnapshotRequest::default()
    };
    let page = client.list_snapshot(request).await.expect("a page");
    page.into_inner().start.expect("a position")
}

/// Calls that the log says were started, and how many of them had not ended when the draining began.
fn started_calls(log: &[Value]) -> (BTreeSet<String>, usize) {
    let mut started = BTreeSet::new();
    let (mut open, mut open_at_signal) = (0_usize, None);
    for line in log {
        let is_ours = line["method"]
            .as_str()
            .is_some_and(|method| method.ends_with("/CreateInvoice"));
        match line["message"].as_str() {
            Some("call started") if is_ours => {
                open += 1;
                started.insert(line["request_id"].as_str().expect("an id").to_owned());
            }
            Some("call") if is_ours => open -= 1,
            Some("draining") => open_at_signal = Some(open),
            _ => {}
        }
    }
    (
        started,
        open_at_signal.expect("the log says when draining began"),
    )
}

async fn nothing_begun_is_lost(engine: Engine) {
    let databases = Databases::new(engine, Service::Registry);
    let program = Program::new(Service::Registry, databases.url(Service::Registry))
        .set("log.filter", "info,mahnwerk::call=debug");
    let process = program.start().await;
    let first = channel(&process.url);
    let mut clients = Clients::new(&first, &first);
    clients.open_creditor("c1").await;
    for debtor in 0..20 {
        clients.add_debtor("c1", &format!("d{debtor}")).await;
    }
    let start = start_of_feed(&first).await;
    let stream = watch_from(&first, &start).await;
    let watcher = tokio::spawn(read_to_end(stream, start));

    let (answered, mut progress) = watch::channel(0_usize);
    let answered = Arc::new(answered);
    let channels: Vec<_> = (0..CONNECTIONS).map(|_| channel(&process.url)).collect();
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            tokio::spawn(caller(
                number,
                channels[number % CONNECTIONS].clone(),
                answered.clone(),
            ))
        })
        .collect();
    progress
        .wait_for(|count| *count >= WARM)
        .await
        .expect("callers at work");
    let (log, url) = (process.log(), process.url.clone());
    process.terminate().await;

    let mut outcomes = Outcomes::new();
    for caller in callers {
        outcomes.extend(caller.await.expect("a caller's outcomes"));
    }
    let (mut seen, position, end) = watcher.await.expect("the watcher's end");
    process.stopped().await;
    log.ended().await;

    let (started, in_flight) = started_calls(&log.lines());
    let lost: Vec<_> = started
        .iter()
        .filter_map(|id| match outcomes.get(id) {
            Some(Ok(())) => None,
            other => Some(format!("{id}: {other:?}")),
        })
        .collect();
    println!(
        "{engine:?}: {} calls started, {in_flight} in flight at SIGTERM, {} lost; the stream ended with {:?}",
        started.len(),
        lost.len(),
        end.code()
    );
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(
        in_flight >= IN_FLIGHT,
        "only {in_flight} calls were in flight"
    );
    assert_eq!(end.code(), Code::Unavailable, "{end}");

    let process = program.start_again(&url).await;
    let again = channel(&process.url);
    let stream = watch_from(&again, &position).await;
    let posted: Seen = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_ok())
        .map(|(id, _)| format!("invoice/{id}"))
        .collect();
    read_until_all(stream, &mut seen, &posted).await;
    process.kill().await;
}

/// Reads on until everything posted has been seen.
async fn read_until_all(mut stream: Streaming<WatchResponse>, seen: &mut Seen, posted: &Seen) {
    while !posted.is_subset(seen) {
        let message = stream
            .message()
            .await
            .expect("the resumed stream")
            .expect("goes on");
        seen.extend(message.changes.into_iter().map(|change| change.entity_id));
    }
    println!("{} invoices seen over both streams", posted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_at_sigterm_end_well_and_streams_resume_on_sqlite() {
    nothing_begun_is_lost(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_at_sigterm_end_well_and_streams_resume_on_postgres() {
    nothing_begun_is_lost(Engine::Postgres).await;
}
