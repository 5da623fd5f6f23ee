//! `ImportService`.

mod rows;

use futures::future::pending;
use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        GetImportRequest, GetImportResponse, ImportLedgerRequest, ImportLedgerResponse,
        ImportStart, ListImportRowsRequest, ListImportRowsResponse, import_ledger_request::Message,
        import_service_server::ImportService,
    },
};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Violation},
    page::read_page,
    validate::Checker,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

use super::{Api, token_behind};
use crate::app::import::{ChunkOutcome, ImportKey, PreparedRow, RowOutcome};

/// Acknowledgements that a slow caller may leave unread before its import waits.
const UNREAD: usize = 4;

/// When to come back to another replica.
const RETRY_ELSEWHERE: std::time::Duration = std::time::Duration::from_millis(500);

type Answer = Result<ImportLedgerResponse, Status>;
type Prepared = Result<Vec<PreparedRow>, Status>;

#[tonic::async_trait]
impl ImportService for Api {
    type ImportLedgerStream = ReceiverStream<Answer>;

    async fn import_ledger(
        &self,
        request: Request<Streaming<ImportLedgerRequest>>,
    ) -> Result<Response<Self::ImportLedgerStream>, Status> {
        let call = Call::of(&request);
        let (answers, stream) = mpsc::channel(UNREAD);
        let api = self.clone();
        let work = async move {
            if let Err(status) = api.import(&call, request.into_inner(), &answers).await {
                // Nobody listens any more: then nobody needs to know.
                let _ = answers.send(Err(status)).await;
            }
        };
        tokio::spawn(work.in_current_span());
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_import(
        &self,
        request: Request<GetImportRequest>,
    ) -> Result<Response<GetImportResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let import = import_key("", request.creditor_id, request.import_id)?;
        let counts = self
            .app
            .import_counts(&import, &request.at_least, call.deadline)
            .await?;
        Ok(Response::new(GetImportResponse {
            accepted: counts.accepted,
            refused: counts.refused,
            last_row_number: counts.last_row_number,
        }))
    }

    async fn list_import_rows(
        &self,
        request: Request<ListImportRowsRequest>,
    ) -> Result<Response<ListImportRowsResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let import = ImportKey {
            creditor_id: request.creditor_id,
            import_id: request.import_id,
        };
        let refused_only = request.refused_only;
        let parameters = format!("{} {} {refused_only}", import.creditor_id, import.import_id);
        let check = check("", &import);
        let page = read_page(
            check,
            request.page_size,
            &request.page_token,
            "ListImportRows",
            &parameters,
        )?;
        let after = match page.after_parts::<1>()? {
            Some([row_number]) => row_number.parse().map_err(|_| Error::InvalidPageToken)?,
            None => 0,
        };
        let (at_least, deadline) = (&request.at_least, call.deadline);
        let found = self
            .app
            .import_rows(&import, refused_only, after, page.limit, at_least, deadline)
            .await?;
        let key = |row: &RowOutcome| vec![row.row_number.to_string()];
        Ok(Response::new(ListImportRowsResponse {
            next_page_token: token_behind(&found, "ListImportRows", &parameters, key),
            rows: found.rows.into_iter().map(rows::result_message).collect(),
        }))
    }
}

impl Api {
    /// Takes one stream to its end. While a chunk is written, the next one is read and prepared.
    async fn import(
        &self,
        call: &Call,
        mut messages: Streaming<ImportLedgerRequest>,
        answers: &mpsc::Sender<Answer>,
    ) -> Result<(), Status> {
        let first = tokio::select! {
            () = self.draining.cancelled() => return Err(shutting_down()),
            first = messages.message() => first?,
        };
        let import = match first.and_then(|first| first.message) {
            Some(Message::Start(ImportStart {
                creditor_id,
                import_id,
            })) => import_key("start.", creditor_id, import_id)?,
            _ => return Err(wrong_message("start", "must be the first message")),
        };
        self.app.start_import(&import).await?;
        let (prepared, chunks) = mpsc::channel(1);
        let reading = async {
            read(messages, &import, prepared).await;
            pending::<()>().await;
        };
        tokio::select! {
            result = self.take_chunks(call, &import, chunks, answers) => result,
            () = reading => Ok(()),
        }
    }

    async fn take_chunks(
        &self,
        call: &Call,
        import: &ImportKey,
        mut chunks: mpsc::Receiver<Prepared>,
        answers: &mpsc::Sender<Answer>,
    ) -> Result<(), Status> {
        loop {
            let chunk = tokio::select! {
                biased;
                () = self.draining.cancelled() => return Err(shutting_down()),
                chunk = chunks.recv() => chunk,
            };
            let Some(rows) = chunk else { return Ok(()) };
            let outcome = self.app.import_chunk(call, import, &rows?).await?;
            if answers.send(Ok(acknowledgement(outcome))).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Reads and prepares chunks until the caller has sent everything or sends something wrong.
async fn read(
    mut messages: Streaming<ImportLedgerRequest>,
    import: &ImportKey,
    prepared: mpsc::Sender<Prepared>,
) {
    loop {
        let chunk = match messages.message().await {
            Ok(None) => return,
            Ok(Some(ImportLedgerRequest {
                message: Some(Message::Chunk(chunk)),
            })) => rows::prepare(&import.creditor_id, chunk).map_err(Status::from),
            Ok(Some(_)) => Err(wrong_message(
                "chunk",
                "must be every message but the first",
            )),
            Err(status) => Err(status),
        };
        let is_last = chunk.is_err();
        if prepared.send(chunk).await.is_err() || is_last {
            return;
        }
    }
}

fn acknowledgement(outcome: ChunkOutcome) -> ImportLedgerResponse {
    ImportLedgerResponse {
        accepted: outcome.accepted,
        refused: outcome
            .refused
            .into_iter()
            .map(rows::result_message)
            .collect(),
        skipped: outcome.skipped,
        last_row_number: outcome.last_row_number,
        consistency_token: outcome.consistency_token,
    }
}

fn import_key(path: &str, creditor_id: String, import_id: String) -> Result<ImportKey, Error> {
    let import = ImportKey {
        creditor_id,
        import_id,
    };
    check(path, &import).finish()?;
    Ok(import)
}

fn check(path: &str, import: &ImportKey) -> Checker {
    let mut check = Checker::new();
    check.key(&format!("{path}creditor_id"), &import.creditor_id);
    check.key(&format!("{path}import_id"), &import.import_id);
    check
}

fn wrong_message(field: &str, description: &str) -> Status {
    Error::Invalid(vec![Violation::new(field, description)]).into()
}

fn shutting_down() -> Status {
    let error = Error::Unavailable {
        reason: ErrorReason::ShuttingDown,
        message: "the service is shutting down; resume at another replica".to_owned(),
        retry_after: RETRY_ELSEWHERE,
    };
    error.into()
}
