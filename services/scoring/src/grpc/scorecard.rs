//! `ScorecardService`.

use mahnwerk_proto::scoring::v1::{
    self, GetScorecardRequest, GetScorecardResponse, ListScorecardsRequest, ListScorecardsResponse,
    scorecard_service_server::ScorecardService,
};
use mahnwerk_runtime::{
    error::Error,
    page::{next_token, read_page},
    validate::Checker,
};
use scoring_core::scorecard::{Scorecard, ScorecardKind};
use tonic::{Request, Response, Status};

use super::{Api, convert};

/// Cards come by kind and revision.
fn key(card: &Scorecard) -> (ScorecardKind, i32) {
    (card.kind, card.revision)
}

#[tonic::async_trait]
impl ScorecardService for Api {
    async fn list_scorecards(
        &self,
        request: Request<ListScorecardsRequest>,
    ) -> Result<Response<ListScorecardsResponse>, Status> {
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        let method = "ListScorecards";
        let page = read_page(check, r.page_size, &r.page_token, method, &r.creditor_id)?;
        self.app.require_creditor(&r.creditor_id).await?;
        let skip: usize = match page.after_parts::<1>()? {
            Some([count]) => count.parse().map_err(|_| Error::InvalidPageToken)?,
            None => 0,
        };
        let mut cards: Vec<_> = self.app.rules.scorecards().iter().collect();
        cards.sort_by_key(|card| key(card));
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let shown = cards.iter().skip(skip).take(limit);
        let next = skip + limit;
        Ok(Response::new(ListScorecardsResponse {
            scorecards: shown.map(|card| convert::scorecard(card)).collect(),
            next_page_token: if next < cards.len() {
                next_token(method, &r.creditor_id, &[next.to_string()])
            } else {
                String::new()
            },
        }))
    }

    async fn get_scorecard(
        &self,
        request: Request<GetScorecardRequest>,
    ) -> Result<Response<GetScorecardResponse>, Status> {
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        if r.revision < 0 {
            check.refuse("revision", "must not be negative");
        }
        let kind = match check.enum_value::<v1::ScorecardKind>("kind", r.kind) {
            Some(v1::ScorecardKind::Person) => ScorecardKind::Person,
            Some(v1::ScorecardKind::Prospect) => ScorecardKind::Prospect,
            _ => ScorecardKind::Organisation,
        };
        check.finish()?;
        self.app.require_creditor(&r.creditor_id).await?;
        let rules = &self.app.rules;
        let card = if r.revision == 0 {
            Some(rules.active(kind)?)
        } else {
            rules
                .scorecards()
                .iter()
                .find(|card| key(card) == (kind, r.revision))
        };
        let card = card.ok_or_else(|| Error::NotFound {
            resource: "scorecard",
            id: r.revision.to_string(),
        })?;
        Ok(Response::new(GetScorecardResponse {
            scorecard: Some(convert::scorecard(card)),
        }))
    }
}
