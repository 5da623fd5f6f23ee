//! `SchemeService`.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    segmentation::v1::{
        ActivateSchemeRequest, ActivateSchemeResponse, CreateSchemeRevisionRequest,
        CreateSchemeRevisionResponse, GetActivationRequest, GetActivationResponse,
        GetSchemeRequest, GetSchemeResponse, ListFieldsRequest, ListFieldsResponse,
        ListSchemesRequest, ListSchemesResponse, SchemeWarning, SimulateSchemeRequest,
        SimulateSchemeResponse, scheme_service_server::SchemeService,
    },
};
use mahnwerk_runtime::{
    context::Call,
    error::Error,
    page::{next_token, read_page_within},
    validate::Checker,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{Api, convert, definition};
use crate::app::{activate::Activate, simulate::Run};

/// Rows of a page of schemes, by default and at most.
const PAGE: (u32, u32) = (20, 100);

/// Most warnings of one answer.
const WARNINGS: usize = 100;

/// Messages of a simulation that wait for their reader.
const AHEAD: usize = 4;

fn scheme_keys(creditor_id: &str, scheme_id: &str, revision: i32) -> Checker {
    let mut check = Checker::new();
    check.key("creditor_id", creditor_id);
    check.key("scheme_id", scheme_id);
    if revision < 0 {
        check.refuse("revision", "must not be negative");
    }
    check
}

#[tonic::async_trait]
impl SchemeService for Api {
    type SimulateSchemeStream = ReceiverStream<Result<SimulateSchemeResponse, Status>>;

    async fn create_scheme_revision(
        &self,
        request: Request<CreateSchemeRevisionRequest>,
    ) -> Result<Response<CreateSchemeRevisionResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&r.request_id);
        let scheme = r.scheme.as_ref();
        let creditor_id = scheme.map_or_else(String::new, |it| it.creditor_id.clone());
        let compiled = definition::read(check, r.scheme)?;
        let warnings = compiled.warnings().iter().take(WARNINGS);
        let warnings = warnings.map(|warning| SchemeWarning {
            field: definition::path(&warning.field),
            description: definition::description(warning),
        });
        let warnings = warnings.collect();
        let (row, consistency_token) = if r.validate_only {
            let definition = compiled.scheme().clone();
            let row = self.app.draft(&creditor_id, definition).await?;
            (row, String::new())
        } else {
            let written = self
                .app
                .create_revision(&call, &r.request_id, &creditor_id, &compiled)
                .await?;
            (written.response, written.consistency_token)
        };
        Ok(Response::new(CreateSchemeRevisionResponse {
            scheme: Some(definition::message(row)),
            warnings,
            consistency_token,
        }))
    }

    async fn get_scheme(
        &self,
        request: Request<GetSchemeRequest>,
    ) -> Result<Response<GetSchemeResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        scheme_keys(&r.creditor_id, &r.scheme_id, r.revision).finish()?;
        let row = self
            .app
            .scheme(
                &r.creditor_id,
                &r.scheme_id,
                r.revision,
                &r.at_least,
                deadline,
            )
            .await?;
        Ok(Response::new(GetSchemeResponse {
            scheme: Some(definition::message(row)),
        }))
    }

    async fn list_schemes(
        &self,
        request: Request<ListSchemesRequest>,
    ) -> Result<Response<ListSchemesResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        let (method, of) = ("ListSchemes", r.creditor_id.as_str());
        let page = read_page_within(check, PAGE, r.page_size, &r.page_token, method, of)?;
        let after = match page.after_parts::<2>()? {
            Some([id, revision]) => (id, revision.parse().map_err(|_| Error::InvalidPageToken)?),
            None => ("", 0),
        };
        let found = self
            .app
            .scheme_list(of, after, page.limit, &r.at_least, deadline)
            .await?;
        let last = found.rows.last().filter(|_| found.more);
        let next_page_token = last.map_or_else(String::new, |last| {
            let key = [last.definition.id.clone(), last.revision.to_string()];
            next_token(method, of, &key)
        });
        Ok(Response::new(ListSchemesResponse {
            schemes: found.rows.into_iter().map(definition::message).collect(),
            next_page_token,
        }))
    }

    async fn simulate_scheme(
        &self,
        request: Request<SimulateSchemeRequest>,
    ) -> Result<Response<Self::SimulateSchemeStream>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        scheme_keys(&r.creditor_id, &r.scheme_id, r.revision).finish()?;
        let run = self
            .app
            .simulate(
                &r.creditor_id,
                &r.scheme_id,
                r.revision,
                &r.at_least,
                deadline,
            )
            .await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(simulate(run, sender, self.draining.clone()));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn activate_scheme(
        &self,
        request: Request<ActivateSchemeRequest>,
    ) -> Result<Response<ActivateSchemeResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&r.request_id);
        check.key("creditor_id", &r.creditor_id);
        check.key("scheme_id", &r.scheme_id);
        if r.revision < 1 {
            check.refuse("revision", "must be 1 or more");
        }
        if !(0..=1_000_000).contains(&r.max_error_ppm) {
            check.refuse("max_error_ppm", "must be from 0 to 1,000,000");
        }
        check.finish()?;
        let command = Activate {
            creditor_id: r.creditor_id,
            scheme_id: r.scheme_id,
            revision: r.revision,
            max_error_ppm: r.max_error_ppm,
        };
        let written = self.app.activate(&call, &r.request_id, command).await?;
        Ok(Response::new(ActivateSchemeResponse {
            activation: Some(convert::activation(written.response)),
            consistency_token: written.consistency_token,
        }))
    }

    async fn get_activation(
        &self,
        request: Request<GetActivationRequest>,
    ) -> Result<Response<GetActivationResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let r = request.into_inner();
        scheme_keys(&r.creditor_id, &r.scheme_id, 0).finish()?;
        let row = self
            .app
            .activation(&r.creditor_id, &r.scheme_id, &r.at_least, deadline)
            .await?;
        Ok(Response::new(GetActivationResponse {
            activation: Some(convert::activation(row)),
        }))
    }

    async fn list_fields(
        &self,
        _request: Request<ListFieldsRequest>,
    ) -> Result<Response<ListFieldsResponse>, Status> {
        Ok(Response::new(ListFieldsResponse {
            fields: convert::fields(),
        }))
    }
}

/// Tells the progress after every page and the result at the end, until nobody listens.
async fn simulate(
    mut run: Run,
    sender: mpsc::Sender<Result<SimulateSchemeResponse, Status>>,
    draining: CancellationToken,
) {
    loop {
        let step = tokio::select! {
            () = draining.cancelled() => Err(Error::Unavailable {
                reason: ErrorReason::ShuttingDown,
                message: "this replica is shutting down; begin again".to_owned(),
                retry_after: std::time::Duration::ZERO,
            }),
            step = run.advance() => step,
        };
        let more = matches!(step, Ok(true));
        let message = step
            .map_err(Status::from)
            .map(|more| SimulateSchemeResponse {
                visited: run.visited,
                total: run.total,
                result: (!more).then(|| convert::simulation(&run)),
            });
        if sender.send(message).await.is_err() || !more {
            return;
        }
    }
}
