//! Sending rows to the registry and going on where a stream broke.

use std::collections::VecDeque;

use mahnwerk_proto::registry::v1::{
    ImportChunk, ImportLedgerRequest, ImportLedgerResponse, ImportRow, ImportRowResult,
    ImportStart, import_ledger_request::Message,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::client::{Clients, Failure, Result};

/// Rows sent at once.
pub(crate) const CHUNK_ROWS: usize = 500;
/// Chunks on the way: while one is posted the next one travels.
const CHUNKS_IN_FLIGHT: usize = 3;
/// Streams that break without an answer to anything, one after the other, before it is given up.
const FRUITLESS_STREAMS: usize = 5;

/// What became of the rows sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Posted now.
    pub(crate) accepted: u64,
    /// Posted by an earlier stream of the same import.
    pub(crate) skipped: u64,
    /// Refused, with the reasons.
    pub(crate) refused: Vec<ImportRowResult>,
    /// Token of the last write; empty without one.
    pub(crate) consistency_token: String,
}

impl Sent {
    fn add(&mut self, answer: ImportLedgerResponse) {
        let count = |number: i32| u64::try_from(number).unwrap_or_default();
        self.accepted += count(answer.accepted);
        self.skipped += count(answer.skipped);
        self.refused.extend(answer.refused);
        if !answer.consistency_token.is_empty() {
            self.consistency_token = answer.consistency_token;
        }
    }
}

/// An open import stream.
pub(crate) struct Import {
    requests: mpsc::Sender<ImportLedgerRequest>,
    answers: Streaming<ImportLedgerResponse>,
}

impl Import {
    /// Opens a stream of the import.
    ///
    /// # Errors
    /// If the registry refuses or cannot be reached.
    pub(crate) async fn open(
        clients: &Clients,
        creditor_id: &str,
        import_id: &str,
    ) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT + 1);
        let start = ImportStart {
            creditor_id: creditor_id.to_owned(),
            import_id: import_id.to_owned(),
        };
        let named = requests
            .send(ImportLedgerRequest {
                message: Some(Message::Start(start)),
            })
            .await;
        named.map_err(|_| broken())?;
        let answers = clients
            .imports()
            .import_ledger(ReceiverStream::new(receiver))
            .await?
            .into_inner();
        Ok(Self { requests, answers })
    }

    /// Sends a chunk of 1 to 1,000 rows.
    ///
    /// # Errors
    /// If the stream is broken.
    pub(crate) async fn send(&mut self, rows: Vec<ImportRow>) -> Result<(), Status> {
        let chunk = ImportLedgerRequest {
            message: Some(Message::Chunk(ImportChunk { rows })),
        };
        if self.requests.send(chunk).await.is_ok() {
            return Ok(());
        }
        // The reason is in the answers.
        Err(self.answer().await.err().unwrap_or_else(broken))
    }

    /// Waits until the oldest chunk without an answer is durable.
    ///
    /// # Errors
    /// If the stream is broken.
    pub(crate) async fn answer(&mut self) -> Result<ImportLedgerResponse, Status> {
        self.answers.message().await?.ok_or_else(broken)
    }
}

fn broken() -> Status {
    Status::unavailable("the import stream ended early")
}

/// Imports all rows; `progress` is told how many were answered.
///
/// # Errors
/// If the registry refuses the import as a whole, or cannot be reached again and again.
pub(crate) async fn all(
    clients: &Clients,
    creditor_id: &str,
    import_id: &str,
    rows: &[ImportRow],
    progress: impl Fn(u64),
) -> Result<Sent> {
    let mut sent = Sent::default();
    let mut left: VecDeque<&[ImportRow]> = rows.chunks(CHUNK_ROWS).collect();
    let mut fruitless = 0;
    while !left.is_empty() {
        let before = left.len();
        let Err(status) = stream(
            clients,
            creditor_id,
            import_id,
            &mut left,
            &mut sent,
            &progress,
        )
        .await
        else {
            break;
        };
        fruitless = if left.len() == before {
            fruitless + 1
        } else {
            0
        };
        if status.code() != tonic::Code::Unavailable || fruitless >= FRUITLESS_STREAMS {
            return Err(Failure::from(status));
        }
    }
    Ok(sent)
}

/// One stream: takes chunks off the list as they are answered.
async fn stream(
    clients: &Clients,
    creditor_id: &str,
    import_id: &str,
    left: &mut VecDeque<&[ImportRow]>,
    sent: &mut Sent,
    progress: &impl Fn(u64),
) -> Result<(), Status> {
    let mut import = Import::open(clients, creditor_id, import_id).await?;
    let mut in_flight = 0;
    while !left.is_empty() {
        while in_flight < CHUNKS_IN_FLIGHT
            && let Some(rows) = left.get(in_flight)
        {
            import.send(rows.to_vec()).await?;
            in_flight += 1;
        }
        sent.add(import.answer().await?);
        in_flight -= 1;
        if let Some(rows) = left.pop_front() {
            progress(u64::try_from(rows.len()).unwrap_or_default());
        }
    }
    Ok(())
}
