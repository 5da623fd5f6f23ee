//! `ProcedureService`.

use dunning_channel::is_sender;
use dunning_core::input::WhenStale;
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

use super::Api;
use crate::{app::procedure::Revision, storage::settings::DunningSettings};

/// Longest definition, in bytes.
const MAX_DEFINITION: usize = 64 * 1024;

/// Procedures of a page: by default, and at most.
const PAGE: (u32, u32) = (20, 100);

/// Most days since a bank import that a limit may allow.
const MAX_IMPORT_AGE: i32 = 365;

/// Longest head of a notice, and longest payment details, in characters.
const MAX_PRINTED: usize = 500;

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
        let r = request.into_inner();
        let given = r.settings.unwrap_or_default();
        let mut check = Checker::new();
        check.request_id(&r.request_id);
        check.key("settings.creditor_id", &given.creditor_id);
        let settings = checked_settings(&mut check, &given);
        check.finish()?;
        let written = self
            .app
            .set_dunning_settings(&call, &r.request_id, &given.creditor_id, settings)
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

fn checked_settings(check: &mut Checker, given: &v1::DunningSettings) -> DunningSettings {
    let days = given.max_bank_import_age_days;
    if days.is_some_and(|days| !(0..=MAX_IMPORT_AGE).contains(&days)) {
        check.refuse("settings.max_bank_import_age_days", "must be 0 to 365");
    }
    let when_stale = check.enum_value("settings.when_stale", given.when_stale);
    check.text("settings.sender", &given.sender, 0, MAX_PRINTED);
    let printed = &given.payment_details;
    check.text("settings.payment_details", printed, 0, MAX_PRINTED);
    if !given.email_from.is_empty() && !is_sender(&given.email_from) {
        check.refuse(
            "settings.email_from",
            "must be an ASCII e-mail address without a name, such as a@example.com, or empty",
        );
    }
    DunningSettings {
        max_bank_import_age_days: days.and_then(|days| u16::try_from(days).ok()),
        when_stale: match when_stale {
            Some(v1::WhenStale::Mark) => WhenStale::Mark,
            _ => WhenStale::Withhold,
        },
        sender: given.sender.clone(),
        payment_details: given.payment_details.clone(),
        email_from: given.email_from.clone(),
        four_eyes_release: given.four_eyes_release,
        version: 0,
    }
}

fn settings_message(creditor_id: &str, settings: DunningSettings) -> v1::DunningSettings {
    v1::DunningSettings {
        creditor_id: creditor_id.to_owned(),
        max_bank_import_age_days: settings.max_bank_import_age_days.map(i32::from),
        when_stale: match settings.when_stale {
            WhenStale::Withhold => v1::WhenStale::Withhold,
            WhenStale::Mark => v1::WhenStale::Mark,
        }
        .into(),
        sender: settings.sender,
        payment_details: settings.payment_details,
        email_from: settings.email_from,
        version: settings.version,
        four_eyes_release: settings.four_eyes_release,
    }
}
