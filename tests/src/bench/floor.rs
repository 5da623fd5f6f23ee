//! What the least possible service does: bare tonic, tonic with one read, tonic with one read and a small transaction.

use std::sync::atomic::{AtomicI64, Ordering};

use mahnwerk_proto::scoring::v1::{
    BatchGetScoresRequest, BatchGetScoresResponse, CheckCreditRequest, CheckCreditResponse,
    ExplainScoreRequest, ExplainScoreResponse, GetCreditDecisionRequest, GetCreditDecisionResponse,
    GetScoreRequest, GetScoreResponse, ListCreditDecisionsRequest, ListCreditDecisionsResponse,
    ListScoresRequest, ListScoresResponse,
    scoring_service_server::{ScoringService, ScoringServiceServer},
};
use mahnwerk_runtime::db::{Db, Sql as _, column};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// A score as the services answer it, and the tables that the floors write to.
#[derive(Clone)]
pub struct Floor {
    /// `None`: answers without asking the database.
    pub db: Option<Db>,
    /// The answer to every `GetScore`.
    pub score: GetScoreResponse,
    /// The answer to every `CheckCredit`.
    pub decision: CheckCreditResponse,
}

static NUMBER: AtomicI64 = AtomicI64::new(0);

/// The tables of the two-row transaction.
pub const TABLES: &str = "CREATE TABLE floor_decision (id BIGINT PRIMARY KEY, creditor_id TEXT, debtor_id TEXT, \
    content TEXT); CREATE TABLE floor_event (id BIGINT PRIMARY KEY, creditor_id TEXT, debtor_id TEXT, content TEXT)";

/// As much as a decision holds.
const CONTENT_BYTES: usize = 400;

impl Floor {
    /// Serves on a free port and returns its address.
    pub fn serve(self) -> String {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())
            .expect("a free port")
            .with_nodelay(Some(true));
        let address = incoming.local_addr().expect("its address");
        let service = ScoringServiceServer::new(self);
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        format!("http://{address}")
    }

    /// Reads one row by its primary key.
    async fn read(&self, creditor: &str, debtor: &str) -> Result<(), Status> {
        let Some(db) = &self.db else { return Ok(()) };
        let row = db
            .query_one(
                "SELECT * FROM score WHERE creditor_id = $1 AND debtor_id = $2",
                vec![creditor.into(), debtor.into()],
            )
            .await?;
        let row = row.ok_or_else(|| Status::not_found("no row"))?;
        let _score: i64 =
            column(&row, "score").map_err(|error| Status::internal(error.to_string()))?;
        Ok(())
    }

    async fn write(&self, creditor: &str, debtor: &str) -> Result<(), Status> {
        let Some(db) = &self.db else { return Ok(()) };
        let content = "x".repeat(CONTENT_BYTES);
        let txn = db.begin_write().await?;
        for table in ["floor_decision", "floor_event"] {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            txn.execute_sql(
                &format!("INSERT INTO {table} (id, creditor_id, debtor_id, content) VALUES ($1, $2, $3, $4)"),
                vec![number.into(), creditor.into(), debtor.into(), content.clone().into()],
            )
            .await?;
        }
        Ok(txn.commit().await?)
    }
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not part of the floor"))
}

#[tonic::async_trait]
impl ScoringService for Floor {
    async fn get_score(
        &self,
        request: Request<GetScoreRequest>,
    ) -> Result<Response<GetScoreResponse>, Status> {
        let request = request.into_inner();
        self.read(&request.creditor_id, &request.debtor_id).await?;
        Ok(Response::new(self.score.clone()))
    }

    async fn check_credit(
        &self,
        request: Request<CheckCreditRequest>,
    ) -> Result<Response<CheckCreditResponse>, Status> {
        let request = request.into_inner();
        self.read(&request.creditor_id, &request.debtor_id).await?;
        self.write(&request.creditor_id, &request.debtor_id).await?;
        Ok(Response::new(self.decision.clone()))
    }

    async fn batch_get_scores(
        &self,
        _: Request<BatchGetScoresRequest>,
    ) -> Result<Response<BatchGetScoresResponse>, Status> {
        not_here()
    }

    async fn list_scores(
        &self,
        _: Request<ListScoresRequest>,
    ) -> Result<Response<ListScoresResponse>, Status> {
        not_here()
    }

    async fn explain_score(
        &self,
        _: Request<ExplainScoreRequest>,
    ) -> Result<Response<ExplainScoreResponse>, Status> {
        not_here()
    }

    async fn get_credit_decision(
        &self,
        _: Request<GetCreditDecisionRequest>,
    ) -> Result<Response<GetCreditDecisionResponse>, Status> {
        not_here()
    }

    async fn list_credit_decisions(
        &self,
        _: Request<ListCreditDecisionsRequest>,
    ) -> Result<Response<ListCreditDecisionsResponse>, Status> {
        not_here()
    }
}
