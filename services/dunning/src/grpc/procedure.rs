//! `ProcedureService`.

use mahnwerk_proto::dunning::v1::{
    self, CreateProcedureRevisionRequest, CreateProcedureRevisionResponse,
    GetDunningSettingsRequest, GetDunningSettingsResponse, GetProcedureRequest,
    GetProcedureResponse, ListProceduresRequest, ListProceduresResponse, SetDunningSettingsRequest,
    SetDunningSettingsResponse, procedure_service_server::ProcedureService,
};
use mahnwerk_runtime::{
    context::Call,
    page::{next_token, read_page_within},
    validate::Checker,
};
use tonic::{Request, Response, Status};

use super::{
    Api,
    convert_settings::{check_mask, settings, settings_message},
};
use crate::app::{procedure::Revision, settings::UpdateSettings};

/// Longest definition, in bytes.
const MAX_DEFINITION: usize = 64 * 1024;

/// Procedures of a page: by default, and at most.
const PAGE: (u32, u32) = (20, 100);

#[tonic::async_trait]
impl ProcedureService for Api {
    async fn create_procedure_revision(
        &self,
        request: Request<CreateProcedureRevisionRequest>,
    ) -> Result<Response<CreateProcedureRevisionResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let given = r.procedure.unwrap_or_default();
        let mut check = Checker::new();
        check.request_id(&r.request_id);
        check.key("procedure.creditor_id", &given.creditor_id);
        check.key("procedure.procedure_id", &given.procedure_id);
        if given.definition.is_empty() || given.definition.len() > MAX_DEFINITION {
            check.refuse("procedure.definition", "must be 1 byte to 64 KiB");
        }
        check.finish()?;
        let revision = Revision {
            creditor_id: given.creditor_id,
            procedure_id: given.procedure_id,
            revision: 0,
            definition: given.definition,
        };
        let written = self
            .app
            .create_procedure_revision(&call, &r.request_id, revision, r.validate_only)
            .await?;
        Ok(Response::new(CreateProcedureRevisionResponse {
            procedure: Some(procedure(written.response)),
            consistency_token: written.consistency_token,
        }))
    }

    async fn get_procedure(
        &self,
        request: Request<GetProcedureRequest>,
    ) -> Result<Response<GetProcedureResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        check.key("procedure_id", &r.procedure_id);
        let revision = u32::try_from(r.revision).unwrap_or_else(|_| {
            check.refuse("revision", "must not be negative");
            0
        });
        check.finish()?;
        let found = self
            .app
            .procedure(
                &call,
                &r.creditor_id,
                &r.procedure_id,
                revision,
                &r.at_least,
            )
            .await?;
        Ok(Response::new(GetProcedureResponse {
            procedure: Some(procedure(found)),
        }))
    }

    async fn list_procedures(
        &self,
        request: Request<ListProceduresRequest>,
    ) -> Result<Response<ListProceduresResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        let method = "ListProcedures";
        let of = &r.creditor_id;
        let page = read_page_within(check, PAGE, r.page_size, &r.page_token, method, of)?;
        let after = page.after_id()?;
        let found = self
            .app
            .procedures(&call, of, after, page.limit, &r.at_least)
            .await?;
        let next_page_token = match found.last() {
            Some(last) if found.len() as u64 == page.limit => {
                next_token(method, of, std::slice::from_ref(&last.procedure_id))
            }
            _ => String::new(),
        };
        Ok(Response::new(ListProceduresResponse {
            procedures: found.into_iter().map(procedure).collect(),
            next_page_token,
        }))
    }

    async fn set_dunning_settings(
        &self,
        request: Request<SetDunningSettingsRequest>,
    ) -> Result<Response<SetDunningSettingsResponse>, Status> {
        let call = Call::of(&request);
        let SetDunningSettingsRequest {
            request_id,
            settings: given,
            update_mask: mask,
            etag,
        } = request.into_inner();
        let given = given.unwrap_or_default();
        let mut check = Checker::new();
        check.request_id(&request_id);
        check.key("settings.creditor_id", &given.creditor_id);
        check_mask(&mut check, &mask);
        let new = settings(&mut check, &given, &mask);
        check.finish()?;
        let update = UpdateSettings { new, mask, etag };
        let written = self
            .app
            .set_dunning_settings(&call, &request_id, &given.creditor_id, update)
            .await?;
        Ok(Response::new(SetDunningSettingsResponse {
            settings: Some(settings_message(&given.creditor_id, written.response)),
            consistency_token: written.consistency_token,
        }))
    }

    async fn get_dunning_settings(
        &self,
        request: Request<GetDunningSettingsRequest>,
    ) -> Result<Response<GetDunningSettingsResponse>, Status> {
        let call = Call::of(&request);
        let r = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &r.creditor_id);
        check.finish()?;
        let settings = self
            .app
            .dunning_settings(&call, &r.creditor_id, &r.at_least)
            .await?;
        Ok(Response::new(GetDunningSettingsResponse {
            settings: Some(settings_message(&r.creditor_id, settings)),
        }))
    }
}

fn procedure(revision: Revision) -> v1::Procedure {
    v1::Procedure {
        creditor_id: revision.creditor_id,
        procedure_id: revision.procedure_id,
        revision: i32::try_from(revision.revision).unwrap_or(i32::MAX),
        definition: revision.definition,
    }
}
