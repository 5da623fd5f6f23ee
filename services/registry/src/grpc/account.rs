//! `AccountService`.

use mahnwerk_feed::Written;
use mahnwerk_proto::registry::v1::{
    AllocateCreditRequest, AllocateCreditResponse, CreateCreditNoteRequest,
    CreateCreditNoteResponse, CreateInvoiceRequest, CreateInvoiceResponse, CreatePaymentRequest,
    CreatePaymentResponse, GetBalanceRequest, GetBalanceResponse, GetItemRequest, GetItemResponse,
    GetPortfolioBalanceRequest, GetPortfolioBalanceResponse, Item, ListItemsRequest,
    ListItemsResponse, ReverseEntryRequest, ReverseEntryResponse, ReverseItemRequest,
    ReverseItemResponse, WriteOffInvoiceRequest, WriteOffInvoiceResponse,
    account_service_server::AccountService,
};
use mahnwerk_runtime::{
    context::Call,
    error::Error,
    page::read_page,
    validate::{Checker, from_date},
};
use registry_core::account::{ItemKey, Posting};
use tonic::{Request, Response, Status};

use super::{Api, convert::finish, convert_account as convert, token_behind};
use crate::{
    app::{account::ItemView, balance::BalanceQuery},
    storage::item::ItemFilter,
};

#[tonic::async_trait]
impl AccountService for Api {
    async fn create_invoice(
        &self,
        request: Request<CreateInvoiceRequest>,
    ) -> Result<Response<CreateInvoiceResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        let creditor_id = owner(&mut check, "invoice", request.invoice.as_ref());
        let posting = convert::invoice(&mut check, request.invoice.as_ref());
        let new = Write {
            method: "CreateInvoice",
            request_id: &request.request_id,
            creditor_id,
        };
        let (invoice, consistency_token) = self.write(&call, check, new, posting).await?;
        Ok(Response::new(CreateInvoiceResponse {
            invoice,
            consistency_token,
        }))
    }

    async fn create_credit_note(
        &self,
        request: Request<CreateCreditNoteRequest>,
    ) -> Result<Response<CreateCreditNoteResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        let creditor_id = owner(&mut check, "credit_note", request.credit_note.as_ref());
        let posting = convert::credit_note(
            &mut check,
            request.credit_note.as_ref(),
            &request.allocations,
        );
        let new = Write {
            method: "CreateCreditNote",
            request_id: &request.request_id,
            creditor_id,
        };
        let (credit_note, consistency_token) = self.write(&call, check, new, posting).await?;
        Ok(Response::new(CreateCreditNoteResponse {
            credit_note,
            consistency_token,
        }))
    }

    async fn create_payment(
        &self,
        request: Request<CreatePaymentRequest>,
    ) -> Result<Response<CreatePaymentResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        let creditor_id = owner(&mut check, "payment", request.payment.as_ref());
        let posting = convert::payment(&mut check, request.payment.as_ref(), &request.allocations);
        let new = Write {
            method: "CreatePayment",
            request_id: &request.request_id,
            creditor_id,
        };
        let (payment, consistency_token) = self.write(&call, check, new, posting).await?;
        Ok(Response::new(CreatePaymentResponse {
            payment,
            consistency_token,
        }))
    }

    async fn allocate_credit(
        &self,
        request: Request<AllocateCreditRequest>,
    ) -> Result<Response<AllocateCreditResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        check.key("creditor_id", &request.creditor_id);
        let kind = convert::kind(&mut check, "credit_kind", request.credit_kind);
        let allocations = convert::allocations(&mut check, &request.allocations);
        let posting = convert::allocate(&mut check, kind, request.credit_id, allocations);
        let new = Write {
            method: "AllocateCredit",
            request_id: &request.request_id,
            creditor_id: &request.creditor_id,
        };
        let (credit, consistency_token) = self.write(&call, check, new, posting).await?;
        Ok(Response::new(AllocateCreditResponse {
            credit,
            consistency_token,
        }))
    }

    async fn reverse_item(
        &self,
        request: Request<ReverseItemRequest>,
    ) -> Result<Response<ReverseItemResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        check.key("creditor_id", &request.creditor_id);
        let kind = convert::kind(&mut check, "kind", request.kind);
        let value_date = check.optional_date("value_date", request.value_date.as_ref());
        let posting = convert::reverse_item(&mut check, kind, request.item_id, value_date);
        let new = Write {
            method: "ReverseItem",
            request_id: &request.request_id,
            creditor_id: &request.creditor_id,
        };
        let (item, consistency_token) = self.write(&call, check, new, posting).await?;
        Ok(Response::new(ReverseItemResponse {
            item,
            consistency_token,
        }))
    }

    async fn reverse_entry(
        &self,
        request: Request<ReverseEntryRequest>,
    ) -> Result<Response<ReverseEntryResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        check.key("creditor_id", &request.creditor_id);
        let value_date = check.optional_date("value_date", request.value_date.as_ref());
        let (invoice_id, entry_id) = (request.invoice_id, request.entry_id);
        let posting = Posting::ReverseEntry {
            invoice_id,
            entry_id,
            value_date,
        };
        convert::check_posting(&mut check, &posting);
        let new = Write {
            method: "ReverseEntry",
            request_id: &request.request_id,
            creditor_id: &request.creditor_id,
        };
        let (invoice, consistency_token) = self.write(&call, check, new, Some(posting)).await?;
        Ok(Response::new(ReverseEntryResponse {
            invoice,
            consistency_token,
        }))
    }

    async fn write_off_invoice(
        &self,
        request: Request<WriteOffInvoiceRequest>,
    ) -> Result<Response<WriteOffInvoiceResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        check.key("creditor_id", &request.creditor_id);
        let amount = convert::optional_money(&mut check, "amount", request.amount.as_ref());
        let posting = Posting::WriteOff {
            invoice_id: request.invoice_id,
            amount,
        };
        convert::check_posting(&mut check, &posting);
        let new = Write {
            method: "WriteOffInvoice",
            request_id: &request.request_id,
            creditor_id: &request.creditor_id,
        };
        let (invoice, consistency_token) = self.write(&call, check, new, Some(posting)).await?;
        Ok(Response::new(WriteOffInvoiceResponse {
            invoice,
            consistency_token,
        }))
    }

    async fn get_item(
        &self,
        request: Request<GetItemRequest>,
    ) -> Result<Response<GetItemResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        check.key("creditor_id", &request.creditor_id);
        check.key("item_id", &request.item_id);
        let kind = convert::kind(&mut check, "kind", request.kind);
        let key = ItemKey::new(finish(check, kind)?, request.item_id);
        let view = self
            .app
            .item(&request.creditor_id, &key, &request.at_least, call.deadline)
            .await?;
        let item = Some(convert::item_message(&request.creditor_id, &view));
        Ok(Response::new(GetItemResponse { item }))
    }

    async fn list_items(
        &self,
        request: Request<ListItemsRequest>,
    ) -> Result<Response<ListItemsResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let creditor_id = &request.creditor_id;
        let mut check = Checker::new();
        check.key("creditor_id", creditor_id);
        check.optional_key("debtor_id", &request.debtor_id);
        let kind = convert::kind_filter(&mut check, "kind", request.kind);
        let filter = ItemFilter {
            debtor_id: Some(request.debtor_id).filter(|debtor_id| !debtor_id.is_empty()),
            kind,
            open_only: request.open_only,
        };
        let parameters = format!("{creditor_id} {filter:?}");
        let page = read_page(
            check,
            request.page_size,
            &request.page_token,
            "ListItems",
            &parameters,
        )?;
        let after = page.after_parts::<2>()?;
        let found = self
            .app
            .items(
                creditor_id,
                &filter,
                after,
                page.limit,
                &request.at_least,
                call.deadline,
            )
            .await?;
        let key = |view: &ItemView| {
            vec![
                view.item.key.kind.name().to_owned(),
                view.item.key.id.clone(),
            ]
        };
        Ok(Response::new(ListItemsResponse {
            next_page_token: token_behind(&found, "ListItems", &parameters, key),
            items: found
                .rows
                .iter()
                .map(|view| convert::item_message(creditor_id, view))
                .collect(),
        }))
    }

    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        check.key("creditor_id", &request.creditor_id);
        check.key("debtor_id", &request.debtor_id);
        let query = BalanceQuery {
            as_of: check.optional_date("as_of", request.as_of.as_ref()),
            known_at: check.optional_date("known_at", request.known_at.as_ref()),
            at_least: &request.at_least,
            deadline: call.deadline,
        };
        check.finish()?;
        let found = self
            .app
            .balance(&request.creditor_id, &request.debtor_id, &query)
            .await?;
        Ok(Response::new(GetBalanceResponse {
            balances: found
                .balances
                .iter()
                .map(convert::balance_message)
                .collect(),
            as_of: Some(from_date(found.as_of)),
        }))
    }

    async fn get_portfolio_balance(
        &self,
        request: Request<GetPortfolioBalanceRequest>,
    ) -> Result<Response<GetPortfolioBalanceResponse>, Status> {
        let (call, request) = (Call::of(&request), request.into_inner());
        let mut check = Checker::new();
        check.key("creditor_id", &request.creditor_id);
        let query = BalanceQuery {
            as_of: check.optional_date("as_of", request.as_of.as_ref()),
            known_at: check.optional_date("known_at", request.known_at.as_ref()),
            at_least: &request.at_least,
            deadline: call.deadline,
        };
        check.finish()?;
        let found = self
            .app
            .portfolio_balance(&request.creditor_id, &query)
            .await?;
        Ok(Response::new(GetPortfolioBalanceResponse {
            balances: found
                .balances
                .iter()
                .map(convert::balance_message)
                .collect(),
            as_of: Some(from_date(found.as_of)),
        }))
    }
}

/// What the writing methods have in common.
struct Write<'a> {
    method: &'static str,
    request_id: &'a str,
    creditor_id: &'a str,
}

impl Api {
    /// Ends the check, posts, and answers with the item and the consistency token.
    async fn write(
        &self,
        call: &Call,
        mut check: Checker,
        write: Write<'_>,
        posting: Option<Posting>,
    ) -> Result<(Option<Item>, String), Error> {
        check.request_id(write.request_id);
        let posting = finish(check, posting)?;
        let Written {
            response,
            consistency_token,
        } = self
            .app
            .post(
                call,
                write.method,
                write.creditor_id,
                write.request_id,
                posting,
            )
            .await?;
        Ok((
            Some(convert::item_message(write.creditor_id, &response)),
            consistency_token,
        ))
    }
}

/// The creditor of a new item; a missing item is reported by the conversion.
fn owner<'a>(check: &mut Checker, field: &str, item: Option<&'a Item>) -> &'a str {
    let Some(item) = item else { return "" };
    check.key(&format!("{field}.creditor_id"), &item.creditor_id);
    &item.creditor_id
}
