//! `FeedAdminService`: what an operator needs to know and do about the feeds of one service.

use std::{collections::BTreeMap, sync::Arc};

use mahnwerk_proto::common::v1::{
    ConsumedPartition, DiscardParkedRequest, DiscardParkedResponse, GetFeedStatusRequest,
    GetFeedStatusResponse, ListParkedRequest, ListParkedResponse, Parked, Position,
    ResetFeedRequest, ResetFeedResponse, RetryParkedRequest, RetryParkedResponse,
    feed_admin_service_server::FeedAdminService,
};
use mahnwerk_runtime::{
    about,
    context::Call,
    db::{Sql, column},
    error::{Error, Result},
    idempotency::RequestKey,
    page::{PageRequest, next_token},
    status::chain,
    validate::Checker,
};
use serde::{Deserialize, Serialize};
use tonic::{Request, Response, Status};

use crate::{
    Begun, Consumer, Locks, Publisher, Tailer,
    tailer::{horizon, timestamp},
};

/// Serves the operators of one service.
pub struct FeedAdmin {
    tailer: Tailer,
    consumers: BTreeMap<&'static str, Arc<Consumer>>,
}

/// What became of a parked debtor; stored under the request id.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Outcome {
    applied: i32,
    released: bool,
    error: String,
}

impl Outcome {
    fn new(applied: usize, released: bool, error: String) -> Self {
        Self {
            applied: i32::try_from(applied).unwrap_or(i32::MAX),
            released,
            error,
        }
    }
}

/// A request to release a parked debtor: feed, creditor, debtor.
struct Release<'a> {
    discard: bool,
    request_id: &'a str,
    key: (&'a str, &'a str, &'a str),
}

impl FeedAdmin {
    /// For the published feed of `tailer` and the feeds consumed here.
    pub fn new(tailer: Tailer, consumers: impl IntoIterator<Item = Arc<Consumer>>) -> Self {
        Self {
            tailer,
            consumers: consumers
                .into_iter()
                .map(|consumer| (consumer.feed(), consumer))
                .collect(),
        }
    }

    fn publisher(&self) -> &Publisher {
        self.tailer.publisher()
    }

    async fn status(&self) -> Result<GetFeedStatusResponse> {
        let db = self.publisher().db();
        let (low, _) = horizon(db).await?;
        let incarnation = self.publisher().incarnation();
        let retained: i64 = match db
            .query_one("SELECT retained_from FROM feed_retention", vec![])
            .await?
        {
            Some(row) => column(&row, "retained_from")?,
            None => 0,
        };
        let rows = db
            .query(
                "SELECT c.feed, c.part, c.incarnation, c.tx, c.ready, coalesce(l.owner, '') AS owner, \
                 (SELECT count(*) FROM feed_sweep s WHERE s.feed = c.feed AND s.part = c.part) AS sweeps \
                 FROM feed_cursor c LEFT JOIN feed_lease l ON l.feed = c.feed AND l.part = c.part \
                 ORDER BY c.feed, c.part",
                vec![],
            )
            .await?;
        let consumed = rows
            .iter()
            .map(|row| {
                Ok(ConsumedPartition {
                    feed: column(row, "feed")?,
                    partition: i32::try_from(column::<i64>(row, "part")?).unwrap_or(-1),
                    applied: Some(Position {
                        incarnation: column(row, "incarnation")?,
                        tx: column(row, "tx")?,
                    }),
                    ready: column::<i64>(row, "ready")? == 1,
                    owner: column(row, "owner")?,
                    open_sweeps: i32::try_from(column::<i64>(row, "sweeps")?).unwrap_or(i32::MAX),
                })
            })
            .collect::<Result<_>>()?;
        let position = |tx| {
            Some(Position {
                incarnation: incarnation.id.to_string(),
                tx,
            })
        };
        Ok(GetFeedStatusResponse {
            horizon: position(low),
            retained_from: position(retained),
            oldest_writer_ms: i64::try_from(self.tailer.oldest_writer().as_millis())
                .unwrap_or(i64::MAX),
            consumed,
        })
    }

    async fn parked(&self, request: &ListParkedRequest) -> Result<ListParkedResponse> {
        const METHOD: &str = "ListParked";
        let page = PageRequest::parse(
            request.page_size,
            &request.page_token,
            100,
            1_000,
            METHOD,
            "",
        )?;
        let mut after = page.after.clone().unwrap_or_default().into_iter();
        let at: i64 = match after.next() {
            Some(at) => at.parse().map_err(|_| Error::InvalidPageToken)?,
            None => -1,
        };
        let [feed, creditor, debtor] = [(); 3].map(|()| after.next().unwrap_or_default());
        let rows = self
            .publisher()
            .db()
            .query(
                "SELECT p.feed, p.creditor_id, p.debtor_id, p.error, p.entity, p.entity_id, p.parked_at, \
                 (SELECT count(*) FROM feed_parked_change q WHERE q.feed = p.feed \
                  AND q.creditor_id = p.creditor_id AND q.debtor_id = p.debtor_id) AS queued FROM feed_parked p \
                 WHERE (p.parked_at, p.feed, p.creditor_id, p.debtor_id) > ($1, $2, $3, $4) \
                 ORDER BY p.parked_at, p.feed, p.creditor_id, p.debtor_id LIMIT $5",
                vec![
                    at.into(),
                    feed.into(),
                    creditor.into(),
                    debtor.into(),
                    i64::try_from(page.limit).unwrap_or(i64::MAX).into(),
                ],
            )
            .await?;
        let mut response = ListParkedResponse::default();
        let mut last = Vec::new();
        for row in &rows {
            let parked_at: i64 = column(row, "parked_at")?;
            let parked = Parked {
                feed: column(row, "feed")?,
                creditor_id: column(row, "creditor_id")?,
                debtor_id: column(row, "debtor_id")?,
                error: column(row, "error")?,
                entity: column(row, "entity")?,
                entity_id: column(row, "entity_id")?,
                queued: i32::try_from(column::<i64>(row, "queued")?).unwrap_or(i32::MAX),
                park_time: Some(timestamp(parked_at)),
            };
            last = vec![
                parked_at.to_string(),
                parked.feed.clone(),
                parked.creditor_id.clone(),
                parked.debtor_id.clone(),
            ];
            response.parked.push(parked);
        }
        if response.parked.len() as u64 == page.limit {
            response.next_page_token = next_token(METHOD, "", &last);
        }
        Ok(response)
    }

    /// Releases a parked key, once per request id. A retry is all or nothing; a discard drops the first change that
    /// cannot be applied and goes as far as the next one.
    async fn release(&self, call: &Call, release: Release<'_>) -> Result<Outcome> {
        let consumer = self.consumer_of(&release)?;
        let Release {
            discard,
            request_id,
            key: (_, creditor_id, debtor_id),
        } = release;
        let method = if discard {
            "DiscardParked"
        } else {
            "RetryParked"
        };
        let begin = || {
            self.publisher().begin_once::<_, Outcome>(
                call,
                method,
                creditor_id,
                request_id,
                &release.key,
                Locks::creditor(creditor_id),
            )
        };
        let key = (creditor_id.to_owned(), debtor_id.to_owned());
        let mut once = match begin().await? {
            Begun::Replayed(written) => return Ok(written.response),
            Begun::Fresh(once) => once,
        };
        let outcome = if discard {
            // Trying takes transactions of its own, which need the same locks.
            once.rollback().await?;
            let plan = consumer.plan_discard(&key).await;
            once = match begin().await? {
                Begun::Replayed(written) => return Ok(written.response),
                Begun::Fresh(once) => once,
            };
            // What the plan met may have been the same request, which was faster.
            let plan = plan?;
            let applied = consumer.discard(&mut once, &key, &plan).await?;
            Outcome::new(applied, plan.releases(), plan.error())
        } else {
            match consumer.replay(&mut once, &key).await {
                Ok(applied) => Outcome::new(applied, true, String::new()),
                Err(error @ (Error::NotFound { .. } | Error::Precondition { .. })) => {
                    return Err(error);
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    once.rollback().await?;
                    once = match begin().await? {
                        Begun::Replayed(written) => return Ok(written.response),
                        Begun::Fresh(once) => once,
                    };
                    Outcome::new(0, false, chain(&error))
                }
            }
        };
        Ok(once.finish(outcome).await?.response)
    }

    fn consumer_of(&self, release: &Release<'_>) -> Result<&Consumer> {
        let (feed, creditor_id, debtor_id) = release.key;
        let mut check = Checker::new();
        check.request_id(release.request_id);
        check.key("feed", feed);
        check.key("creditor_id", creditor_id);
        check.optional_key("debtor_id", debtor_id);
        check.finish()?;
        let consumer = self.consumers.get(feed).ok_or(Error::NotFound {
            resource: "feed",
            id: feed.to_owned(),
        })?;
        Ok(consumer)
    }

    async fn reset(&self, call: &Call, request: &ResetFeedRequest) -> Result<String> {
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        check.finish()?;
        let key = RequestKey {
            principal: call.principal.clone(),
            creditor_id: String::new(),
            method: "ResetFeed",
            request_id: request.request_id.clone(),
        };
        self.publisher().reset(&key).await
    }
}

#[tonic::async_trait]
impl FeedAdminService for FeedAdmin {
    async fn get_feed_status(
        &self,
        _request: Request<GetFeedStatusRequest>,
    ) -> Result<Response<GetFeedStatusResponse>, Status> {
        let status = self.status().await?;
        Ok(about::announced(status, &**self.publisher().clock()))
    }

    async fn list_parked(
        &self,
        request: Request<ListParkedRequest>,
    ) -> Result<Response<ListParkedResponse>, Status> {
        Ok(Response::new(self.parked(&request.into_inner()).await?))
    }

    async fn retry_parked(
        &self,
        request: Request<RetryParkedRequest>,
    ) -> Result<Response<RetryParkedResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let outcome = self
            .release(
                &call,
                Release {
                    discard: false,
                    request_id: &r.request_id,
                    key: (&r.feed, &r.creditor_id, &r.debtor_id),
                },
            )
            .await?;
        Ok(Response::new(RetryParkedResponse {
            applied: outcome.applied,
            released: outcome.released,
            error: outcome.error,
        }))
    }

    async fn discard_parked(
        &self,
        request: Request<DiscardParkedRequest>,
    ) -> Result<Response<DiscardParkedResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let outcome = self
            .release(
                &call,
                Release {
                    discard: true,
                    request_id: &r.request_id,
                    key: (&r.feed, &r.creditor_id, &r.debtor_id),
                },
            )
            .await?;
        Ok(Response::new(DiscardParkedResponse {
            applied: outcome.applied,
            released: outcome.released,
            error: outcome.error,
        }))
    }

    async fn reset_feed(
        &self,
        request: Request<ResetFeedRequest>,
    ) -> Result<Response<ResetFeedResponse>, Status> {
        let call = Call::of(&request);
        let incarnation = self.reset(&call, &request.into_inner()).await?;
        Ok(Response::new(ResetFeedResponse { incarnation }))
    }
}
