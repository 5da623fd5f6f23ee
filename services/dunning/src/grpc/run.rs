//! `RunService`.

use std::pin::Pin;

use futures::Stream;
use mahnwerk_feed::{Written, timestamp};
use mahnwerk_proto::dunning::v1::{
    self, CancelRunRequest, CancelRunResponse, GetNoticeRequest, GetNoticeResponse, GetRunRequest,
    GetRunResponse, ListNoticesRequest, ListNoticesResponse, ListRunsRequest, ListRunsResponse,
    NoticeState, PreviewNoticeRequest, PreviewNoticeResponse, ProposeRunRequest,
    ProposeRunResponse, ReleaseRunRequest, ReleaseRunResponse, ReplayRunRequest, ReplayRunResponse,
    ReviewNoticeRequest, ReviewNoticeResponse, run_service_server::RunService,
};
use mahnwerk_runtime::{
    context::Call,
    page::{next_token, read_page},
    validate::{Checker, from_date},
};
use tonic::{Request, Response, Status};

use super::{
    Api,
    convert_notice::{edit, notice_message},
};
use crate::{
    app::{
        etag,
        replay::{Replay, Replayed},
        run::RunView,
    },
    storage::notice::Filter,
};

/// Languages that notices are written in.
const LANGUAGES: [&str; 3] = ["en", "de", "nl"];

fn keys(creditor_id: &str, field: &str, id: &str) -> Checker {
    let mut check = Checker::new();
    check.key("creditor_id", creditor_id);
    check.key(field, id);
    check
}

fn run_message(view: RunView) -> v1::Run {
    let notices = view.notices.into_iter();
    let reasons = view.reasons.into_iter();
    v1::Run {
        creditor_id: view.creditor_id,
        run_id: view.run_id,
        business_date: Some(from_date(view.business_date)),
        state: view.state,
        debtors: view.debtors,
        evaluated: view.evaluated,
        parked: view.parked,
        stale_ledger: view.stale,
        notices: notices
            .map(|(state, notices)| v1::NoticeCount { state, notices })
            .collect(),
        reasons: reasons
            .map(|(reason, items)| v1::ReasonCount { reason, items })
            .collect(),
        create_time: Some(timestamp(view.created_at)),
        principal: view.principal,
        version: view.version,
        released_by: view.released_by,
        etag: etag(view.version),
    }
}

fn written(run: Written<RunView>) -> (Option<v1::Run>, String) {
    (Some(run_message(run.response)), run.consistency_token)
}

#[tonic::async_trait]
impl RunService for Api {
    async fn propose_run(
        &self,
        request: Request<ProposeRunRequest>,
    ) -> Result<Response<ProposeRunResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&r.request_id);
        check.key("creditor_id", &r.creditor_id);
        let date = check.optional_date("business_date", r.business_date.as_ref());
        check.finish()?;
        let proposed = self
            .app
            .propose_run(&call, &r.request_id, &r.creditor_id, date)
            .await?;
        let (run, consistency_token) = written(proposed);
        Ok(Response::new(ProposeRunResponse {
            run,
            consistency_token,
        }))
    }

    async fn get_run(
        &self,
        request: Request<GetRunRequest>,
    ) -> Result<Response<GetRunResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        keys(&r.creditor_id, "run_id", &r.run_id).finish()?;
        let view = self
            .app
            .run(&r.creditor_id, &r.run_id, &r.at_least, deadline)
            .await?;
        Ok(Response::new(GetRunResponse {
            run: Some(run_message(view)),
        }))
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        let method = "ListRuns";
        let page = read_page(check, r.page_size, &r.page_token, method, &r.creditor_id)?;
        let before = page.after_id()?;
        let views = self
            .app
            .runs(&r.creditor_id, before, page.limit, &r.at_least, deadline)
            .await?;
        let next_page_token = match views.last() {
            Some(last) if views.len() as u64 == page.limit => {
                next_token(method, &r.creditor_id, std::slice::from_ref(&last.run_id))
            }
            _ => String::new(),
        };
        Ok(Response::new(ListRunsResponse {
            runs: views.into_iter().map(run_message).collect(),
            next_page_token,
        }))
    }

    async fn list_notices(
        &self,
        request: Request<ListNoticesRequest>,
    ) -> Result<Response<ListNoticesResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        check.optional_key("run_id", &r.run_id);
        check.optional_key("debtor_id", &r.debtor_id);
        if r.run_id.is_empty() && r.debtor_id.is_empty() {
            check.refuse("run_id", "must be given without a debtor");
        }
        let state = NoticeState::try_from(r.state);
        if state.is_err() {
            check.refuse("state", "is not a known value");
        }
        let method = "ListNotices";
        let parameters = format!("{}/{}/{}/{}", r.creditor_id, r.run_id, r.debtor_id, r.state);
        let page = read_page(check, r.page_size, &r.page_token, method, &parameters)?;
        let filter = Filter {
            creditor_id: &r.creditor_id,
            run_id: &r.run_id,
            debtor_id: &r.debtor_id,
            state: state.unwrap_or_default(),
        };
        let after = page.after_id()?;
        let rows = self
            .app
            .notices(filter, after, page.limit, &r.at_least, deadline)
            .await?;
        let next_page_token = match rows.last() {
            Some(last) if rows.len() as u64 == page.limit => {
                next_token(method, &parameters, std::slice::from_ref(&last.notice_id))
            }
            _ => String::new(),
        };
        Ok(Response::new(ListNoticesResponse {
            notices: rows.iter().map(|row| notice_message(row, None)).collect(),
            next_page_token,
        }))
    }

    async fn get_notice(
        &self,
        request: Request<GetNoticeRequest>,
    ) -> Result<Response<GetNoticeResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        keys(&r.creditor_id, "notice_id", &r.notice_id).finish()?;
        let (row, text) = self
            .app
            .notice(&r.creditor_id, &r.notice_id, &r.at_least, deadline)
            .await?;
        Ok(Response::new(GetNoticeResponse {
            notice: Some(notice_message(&row, text.as_ref())),
        }))
    }

    async fn preview_notice(
        &self,
        request: Request<PreviewNoticeRequest>,
    ) -> Result<Response<PreviewNoticeResponse>, Status> {
        let r = request.into_inner();
        let mut check = keys(&r.creditor_id, "notice_id", &r.notice_id);
        if !r.language.is_empty() && !LANGUAGES.contains(&r.language.as_str()) {
            check.refuse("language", "must be en, de or nl");
        }
        check.finish()?;
        let text = self
            .app
            .preview(&r.creditor_id, &r.notice_id, &r.language)
            .await?;
        Ok(Response::new(PreviewNoticeResponse {
            subject: text.subject,
            text: text.text,
            html: text.html,
        }))
    }

    async fn review_notice(
        &self,
        request: Request<ReviewNoticeRequest>,
    ) -> Result<Response<ReviewNoticeResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = keys(&r.creditor_id, "notice_id", &r.notice_id);
        check.request_id(&r.request_id);
        let edit = edit(&mut check, r.edit);
        check.finish()?;
        let Some(edit) = edit else {
            return Err(Status::internal("an edit that was checked is missing"));
        };
        let reviewed = self
            .app
            .review_notice(&call, &r.request_id, &r.creditor_id, &r.notice_id, edit)
            .await?;
        Ok(Response::new(ReviewNoticeResponse {
            notice: Some(notice_message(&reviewed.response, None)),
            consistency_token: reviewed.consistency_token,
        }))
    }

    async fn release_run(
        &self,
        request: Request<ReleaseRunRequest>,
    ) -> Result<Response<ReleaseRunResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = keys(&r.creditor_id, "run_id", &r.run_id);
        check.request_id(&r.request_id);
        check.finish()?;
        let released = self
            .app
            .release_run(&call, &r.request_id, &r.creditor_id, &r.run_id, &r.etag)
            .await?;
        let (run, consistency_token) = written(released);
        Ok(Response::new(ReleaseRunResponse {
            run,
            consistency_token,
        }))
    }

    async fn cancel_run(
        &self,
        request: Request<CancelRunRequest>,
    ) -> Result<Response<CancelRunResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = keys(&r.creditor_id, "run_id", &r.run_id);
        check.request_id(&r.request_id);
        check.finish()?;
        let cancelled = self
            .app
            .cancel_run(&call, &r.request_id, &r.creditor_id, &r.run_id)
            .await?;
        let (run, consistency_token) = written(cancelled);
        Ok(Response::new(CancelRunResponse {
            run,
            consistency_token,
        }))
    }

    type ReplayRunStream =
        Pin<Box<dyn Stream<Item = Result<ReplayRunResponse, Status>> + Send + 'static>>;

    async fn replay_run(
        &self,
        request: Request<ReplayRunRequest>,
    ) -> Result<Response<Self::ReplayRunStream>, Status> {
        let r = request.into_inner();
        keys(&r.creditor_id, "run_id", &r.run_id).finish()?;
        let replay = self.app.replay(&r.creditor_id, &r.run_id).await?;
        let stream = futures::stream::unfold(Some(replay), next_replayed);
        Ok(Response::new(Box::pin(stream)))
    }
}

/// The next message of a replay; after the one with the digest, and after an error, there is none.
async fn next_replayed(
    replay: Option<Replay>,
) -> Option<(Result<ReplayRunResponse, Status>, Option<Replay>)> {
    let mut replay = replay?;
    Some(match replay.step().await {
        Ok(replayed) => {
            let more = replayed.digest.is_empty().then_some(replay);
            (Ok(replay_message(replayed)), more)
        }
        Err(error) => (Err(error.into()), None),
    })
}

fn replay_message(replayed: Replayed) -> ReplayRunResponse {
    let differences = replayed.differences.into_iter();
    ReplayRunResponse {
        replayed: replayed.replayed,
        differing: replayed.differing,
        differences: differences
            .map(|it| v1::ReplayDifference {
                debtor_id: it.debtor_id,
                stored: it.stored,
                replayed: it.replayed,
            })
            .collect(),
        digest: replayed.digest,
    }
}
