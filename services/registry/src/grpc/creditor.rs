//! `CreditorService`.

use mahnwerk_feed::Written;
use mahnwerk_proto::registry::v1::{
    CreateCreditorRequest, CreateCreditorResponse, GetCreditorRequest, GetCreditorResponse,
    ListCreditorsRequest, ListCreditorsResponse, ListFxRatesRequest, ListFxRatesResponse,
    OpenBusinessDayRequest, OpenBusinessDayResponse, RecordBankImportRequest,
    RecordBankImportResponse, SetFxRateRequest, SetFxRateResponse, UpdateCreditorRequest,
    UpdateCreditorResponse, creditor_service_server::CreditorService,
};
use mahnwerk_runtime::{
    context::Call,
    error::{Error, Result},
    page::{PageRequest, read_page},
    validate::Checker,
};
use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{self, Fields, creditor_to_wire, fx_rate_to_wire},
    token_behind,
};
use crate::{app::creditor::UpdateCreditor, storage::fx_rate::FxRateKey};

const LIST_CREDITORS: &str = "ListCreditors";
const LIST_FX_RATES: &str = "ListFxRates";

#[tonic::async_trait]
impl CreditorService for Api {
    async fn create_creditor(
        &self,
        request: Request<CreateCreditorRequest>,
    ) -> Result<Response<CreateCreditorResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        let new = convert::creditor(
            &mut check,
            request.creditor.unwrap_or_default(),
            Fields::All,
        );
        let new = convert::finish(check, new)?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .create_creditor(&call, &request.request_id, new)
            .await?;
        Ok(Response::new(CreateCreditorResponse {
            creditor: Some(creditor_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn get_creditor(
        &self,
        request: Request<GetCreditorRequest>,
    ) -> Result<Response<GetCreditorResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let GetCreditorRequest {
            creditor_id,
            at_least,
        } = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &creditor_id);
        check.finish()?;
        let creditor = self
            .app
            .get_creditor(&creditor_id, &at_least, deadline)
            .await?;
        Ok(Response::new(GetCreditorResponse {
            creditor: Some(creditor_to_wire(&creditor)),
        }))
    }

    async fn list_creditors(
        &self,
        request: Request<ListCreditorsRequest>,
    ) -> Result<Response<ListCreditorsResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let ListCreditorsRequest {
            page_size,
            page_token,
            at_least,
        } = request.into_inner();
        let page = read_page(Checker::new(), page_size, &page_token, LIST_CREDITORS, "")?;
        let after = page.after_id()?;
        let found = self
            .app
            .list_creditors(after, page.limit, &at_least, deadline)
            .await?;
        let key = |creditor: &registry_core::creditor::Creditor| vec![creditor.creditor_id.clone()];
        Ok(Response::new(ListCreditorsResponse {
            next_page_token: token_behind(&found, LIST_CREDITORS, "", key),
            creditors: found.rows.iter().map(creditor_to_wire).collect(),
        }))
    }

    async fn update_creditor(
        &self,
        request: Request<UpdateCreditorRequest>,
    ) -> Result<Response<UpdateCreditorResponse>, Status> {
        let call = Call::of(&request);
        let UpdateCreditorRequest {
            request_id,
            creditor,
            update_mask: mask,
            etag,
        } = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request_id);
        let fields = Fields::Named(&mask);
        let new = convert::creditor(&mut check, creditor.unwrap_or_default(), fields);
        let new = convert::finish(check, new)?;
        let update = UpdateCreditor { new, mask, etag };
        let Written {
            response,
            consistency_token,
        } = self.app.update_creditor(&call, &request_id, update).await?;
        Ok(Response::new(UpdateCreditorResponse {
            creditor: Some(creditor_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn open_business_day(
        &self,
        request: Request<OpenBusinessDayRequest>,
    ) -> Result<Response<OpenBusinessDayResponse>, Status> {
        let call = Call::of(&request);
        let OpenBusinessDayRequest {
            request_id,
            creditor_id,
            business_date,
        } = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request_id);
        check.key("creditor_id", &creditor_id);
        let date = check.date("business_date", business_date.as_ref());
        let date = convert::finish(check, date)?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .open_business_day(&call, &request_id, &creditor_id, date)
            .await?;
        Ok(Response::new(OpenBusinessDayResponse {
            creditor: Some(creditor_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn record_bank_import(
        &self,
        request: Request<RecordBankImportRequest>,
    ) -> Result<Response<RecordBankImportResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        check.key("creditor_id", &request.creditor_id);
        let day = check.date("import_date", request.import_date.as_ref());
        let day = convert::finish(check, day)?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .record_bank_import(&call, &request.request_id, &request.creditor_id, day)
            .await?;
        Ok(Response::new(RecordBankImportResponse {
            creditor: Some(creditor_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn set_fx_rate(
        &self,
        request: Request<SetFxRateRequest>,
    ) -> Result<Response<SetFxRateResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let mut check = Checker::new();
        check.request_id(&request.request_id);
        let rate = convert::fx_rate(&mut check, request.fx_rate.unwrap_or_default());
        let rate = convert::finish(check, rate)?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .set_fx_rate(&call, &request.request_id, rate)
            .await?;
        Ok(Response::new(SetFxRateResponse {
            fx_rate: Some(fx_rate_to_wire(&response)),
            consistency_token,
        }))
    }

    async fn list_fx_rates(
        &self,
        request: Request<ListFxRatesRequest>,
    ) -> Result<Response<ListFxRatesResponse>, Status> {
        let deadline = Call::of(&request).deadline;
        let ListFxRatesRequest {
            creditor_id,
            page_size,
            page_token,
            at_least,
        } = request.into_inner();
        let mut check = Checker::new();
        check.key("creditor_id", &creditor_id);
        let page = read_page(check, page_size, &page_token, LIST_FX_RATES, &creditor_id)?;
        let after = fx_rate_key(&creditor_id, &page)?;
        let found = self
            .app
            .list_fx_rates(&after, page.limit, &at_least, deadline)
            .await?;
        let key = |rate: &registry_core::creditor::FxRate| {
            let FxRateKey {
                base, quote, day, ..
            } = FxRateKey::of(rate);
            vec![base, quote, day.to_string()]
        };
        Ok(Response::new(ListFxRatesResponse {
            next_page_token: token_behind(&found, LIST_FX_RATES, &creditor_id, key),
            fx_rates: found.rows.iter().map(fx_rate_to_wire).collect(),
        }))
    }
}

fn fx_rate_key(creditor_id: &str, page: &PageRequest) -> Result<FxRateKey> {
    let Some([base, quote, day]) = page.after_parts::<3>()? else {
        return Ok(FxRateKey::before(creditor_id));
    };
    Ok(FxRateKey {
        creditor_id: creditor_id.to_owned(),
        base: base.to_owned(),
        quote: quote.to_owned(),
        day: day.parse().map_err(|_| Error::InvalidPageToken)?,
    })
}
