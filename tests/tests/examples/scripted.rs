//! A scoring service that answers by a script, and notes what it was asked.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use mahnwerk_proto::scoring::v1::{
    BatchGetScoresRequest, BatchGetScoresResponse, CheckCreditRequest, CheckCreditResponse,
    ExplainScoreRequest, ExplainScoreResponse, GetCreditDecisionRequest, GetCreditDecisionResponse,
    GetScoreRequest, GetScoreResponse, ListCreditDecisionsRequest, ListCreditDecisionsResponse,
    ListScoresRequest, ListScoresResponse,
    scoring_service_server::{ScoringService, ScoringServiceServer},
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// A call as it arrived.
pub struct Heard {
    /// The message.
    pub request: CheckCreditRequest,
    /// The header `authorization`.
    pub authorization: Option<String>,
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Scripted {
    answers: Arc<Mutex<VecDeque<Result<CheckCreditResponse, Status>>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    token_file: PathBuf,
}

impl Scripted {
    /// Gives these answers to `CheckCredit`, one after another, and puts `token-1`, `token-2`, … into `token_file`:
    /// the first at once, the next with every call.
    pub fn new(
        answers: impl IntoIterator<Item = Result<CheckCreditResponse, Status>>,
        token_file: PathBuf,
    ) -> Self {
        let scripted = Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            heard: Arc::default(),
            token_file,
        };
        scripted.issue(1);
        scripted
    }

    /// Serves on a free port and returns its address.
    pub fn serve(&self) -> SocketAddr {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = incoming.local_addr().expect("its address");
        tokio::spawn(
            Server::builder()
                .add_service(ScoringServiceServer::new(self.clone()))
                .serve_with_incoming(incoming),
        );
        address
    }

    /// All calls since this was asked last.
    pub fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock().expect("no panic before"))
    }

    fn issue(&self, number: usize) {
        // With the line end that an editor, or `echo`, leaves in such a file.
        std::fs::write(&self.token_file, format!("token-{number}\n")).expect("a token file");
    }
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not part of the script"))
}

#[tonic::async_trait]
impl ScoringService for Scripted {
    async fn check_credit(
        &self,
        request: Request<CheckCreditRequest>,
    ) -> Result<Response<CheckCreditResponse>, Status> {
        let authorization = request.metadata().get("authorization");
        let heard = Heard {
            authorization: authorization.and_then(|text| text.to_str().ok().map(str::to_owned)),
            request: request.into_inner(),
        };
        let calls = {
            let mut all = self.heard.lock().expect("no panic before");
            all.push(heard);
            all.len()
        };
        self.issue(calls + 1);
        let mut answers = self.answers.lock().expect("no panic before");
        let answer = answers.pop_front().expect("another answer");
        answer.map(Response::new)
    }

    async fn get_score(
        &self,
        _: Request<GetScoreRequest>,
    ) -> Result<Response<GetScoreResponse>, Status> {
        not_here()
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
