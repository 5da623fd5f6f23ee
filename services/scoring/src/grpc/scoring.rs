//! `ScoringService`.

use std::collections::BTreeSet;

use mahnwerk_proto::scoring::v1::{
    BatchGetScoresRequest, BatchGetScoresResponse, CheckCreditRequest, CheckCreditResponse,
    ExplainScoreRequest, ExplainScoreResponse, GetCreditDecisionRequest, GetCreditDecisionResponse,
    GetScoreRequest, GetScoreResponse, ListCreditDecisionsRequest, ListCreditDecisionsResponse,
    ListScoresRequest, ListScoresResponse, scoring_service_server::ScoringService,
};
use mahnwerk_runtime::{
    context::Call,
    error::Error,
    page::{next_token, read_page},
    validate::Checker,
};
use tonic::{Request, Response, Status};

use super::{Api, convert};
use crate::{
    app::{credit::Order, read::Of},
    feed::score_message,
};

/// Most debtors of one `BatchGetScores`.
const MAX_BATCH: usize = 1_000;

fn debtor_check(creditor_id: &str, debtor_id: &str) -> Checker {
    let mut check = Checker::new();
    check.key("creditor_id", creditor_id);
    check.key("debtor_id", debtor_id);
    check
}

#[tonic::async_trait]
impl ScoringService for Api {
    async fn get_score(
        &self,
        request: Request<GetScoreRequest>,
    ) -> Result<Response<GetScoreResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let mut check = debtor_check(&r.creditor_id, &r.debtor_id);
        let language = convert::language(&mut check, &r.language);
        check.finish()?;
        let row = self
            .app
            .score(Of {
                creditor_id: &r.creditor_id,
                debtor_id: &r.debtor_id,
                at_least: &r.at_least,
                deadline,
            })
            .await?;
        Ok(Response::new(GetScoreResponse {
            score: Some(score_message(&row, Some(language))),
        }))
    }

    async fn batch_get_scores(
        &self,
        request: Request<BatchGetScoresRequest>,
    ) -> Result<Response<BatchGetScoresResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        let different: BTreeSet<_> = r.debtor_ids.iter().collect();
        if r.debtor_ids.is_empty()
            || r.debtor_ids.len() > MAX_BATCH
            || different.len() < r.debtor_ids.len()
        {
            check.refuse("debtor_ids", "must be 1 to 1,000 different ids");
        } else {
            for (index, debtor_id) in r.debtor_ids.iter().enumerate() {
                check.key(&format!("debtor_ids[{index}]"), debtor_id);
            }
        }
        let language = convert::language(&mut check, &r.language);
        check.finish()?;
        let found = self
            .app
            .scores(&r.creditor_id, &r.debtor_ids, &r.at_least, deadline)
            .await?;
        let scores = found.scores.iter();
        Ok(Response::new(BatchGetScoresResponse {
            scores: scores
                .map(|row| score_message(row, Some(language)))
                .collect(),
            not_found: found.not_found,
            parked: found.parked,
        }))
    }

    async fn list_scores(
        &self,
        request: Request<ListScoresRequest>,
    ) -> Result<Response<ListScoresResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let mut check = debtor_check(&r.creditor_id, &r.debtor_id);
        let language = convert::language(&mut check, &r.language);
        let method = "ListScores";
        let parameters = format!("{}/{}", r.creditor_id, r.debtor_id);
        let page = read_page(check, r.page_size, &r.page_token, method, &parameters)?;
        let before = match page.after_parts::<1>()? {
            Some([version]) => version.parse().map_err(|_| Error::InvalidPageToken)?,
            None => i64::MAX,
        };
        let of = Of {
            creditor_id: &r.creditor_id,
            debtor_id: &r.debtor_id,
            at_least: &r.at_least,
            deadline,
        };
        let rows = self.app.score_history(of, before, page.limit).await?;
        let next_page_token = match rows.last() {
            Some(last) if rows.len() as u64 == page.limit => {
                next_token(method, &parameters, &[last.version.to_string()])
            }
            _ => String::new(),
        };
        let scores = rows.iter().map(|row| score_message(row, Some(language)));
        Ok(Response::new(ListScoresResponse {
            scores: scores.collect(),
            next_page_token,
        }))
    }

    async fn explain_score(
        &self,
        request: Request<ExplainScoreRequest>,
    ) -> Result<Response<ExplainScoreResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let mut check = debtor_check(&r.creditor_id, &r.debtor_id);
        let language = convert::language(&mut check, &r.language);
        let as_of = check.optional_date("as_of", r.as_of.as_ref());
        check.finish()?;
        let of = Of {
            creditor_id: &r.creditor_id,
            debtor_id: &r.debtor_id,
            at_least: &r.at_least,
            deadline,
        };
        let explained = self.app.explain(of, as_of).await?;
        Ok(Response::new(convert::explanation(&explained, language)))
    }

    async fn check_credit(
        &self,
        request: Request<CheckCreditRequest>,
    ) -> Result<Response<CheckCreditResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = debtor_check(&r.creditor_id, &r.debtor_id);
        check.request_id(&r.request_id);
        check.key("order_id", &r.order_id);
        let language = convert::language(&mut check, &r.language);
        let (currency, amount) = convert::money(&mut check, "amount", r.amount);
        check.finish()?;
        let order = Order {
            creditor_id: r.creditor_id,
            debtor_id: r.debtor_id,
            order_id: r.order_id,
            amount,
            currency,
        };
        let written = self
            .app
            .check_credit(&call, &r.request_id, order, &r.at_least)
            .await?;
        Ok(Response::new(CheckCreditResponse {
            decision: Some(convert::decision(written.response, language)),
            consistency_token: written.consistency_token,
        }))
    }

    async fn get_credit_decision(
        &self,
        request: Request<GetCreditDecisionRequest>,
    ) -> Result<Response<GetCreditDecisionResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        check.key("decision_id", &r.decision_id);
        let language = convert::language(&mut check, &r.language);
        check.finish()?;
        let stored = self
            .app
            .credit_decision(&call, &r.creditor_id, &r.decision_id, &r.at_least)
            .await?;
        Ok(Response::new(GetCreditDecisionResponse {
            decision: Some(convert::decision(stored, language)),
        }))
    }

    async fn list_credit_decisions(
        &self,
        request: Request<ListCreditDecisionsRequest>,
    ) -> Result<Response<ListCreditDecisionsResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let mut check = debtor_check(&r.creditor_id, &r.debtor_id);
        let language = convert::language(&mut check, &r.language);
        let method = "ListCreditDecisions";
        let parameters = format!("{}/{}", r.creditor_id, r.debtor_id);
        let page = read_page(check, r.page_size, &r.page_token, method, &parameters)?;
        let before = match page.after_parts::<2>()? {
            Some([time, id]) => (time.parse().map_err(|_| Error::InvalidPageToken)?, id),
            None => (i64::MAX, ""),
        };
        let of = Of {
            creditor_id: &r.creditor_id,
            debtor_id: &r.debtor_id,
            at_least: &r.at_least,
            deadline,
        };
        let rows = self.app.credit_decisions(of, before, page.limit).await?;
        let next_page_token = match rows.last() {
            Some(last) if rows.len() as u64 == page.limit => {
                let key = [last.decided_at.to_string(), last.decision_id.clone()];
                next_token(method, &parameters, &key)
            }
            _ => String::new(),
        };
        let decisions = rows.into_iter().map(|row| convert::decision(row, language));
        Ok(Response::new(ListCreditDecisionsResponse {
            decisions: decisions.collect(),
            next_page_token,
        }))
    }
}
