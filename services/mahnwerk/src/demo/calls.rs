//! What happens to single debtors and is not imported: one call each.

use mahnwerk_proto::registry::v1::{
    CloseDisputeRequest, CreatePromiseRequest, Dispute, DisputeReason, ItemKind,
    OpenDisputeRequest, Promise, ReverseItemRequest, SetCreditHoldRequest, SetInsolvencyRequest,
    WriteOffInvoiceRequest,
};

use super::{
    CREDITOR,
    ledger::{Dated, Event},
};
use crate::{
    client::{Clients, Result, call},
    output::proto_date,
};

/// Makes the call of an event that is not imported; answers with its consistency token.
///
/// # Errors
/// If the registry refuses.
pub(crate) async fn single_call(
    clients: &Clients,
    debtor_id: &str,
    dated: &Dated,
) -> Result<String> {
    let (creditor_id, debtor_id) = (CREDITOR.to_owned(), debtor_id.to_owned());
    let token = match &dated.event {
        Event::Returned { payment } => {
            let request = ReverseItemRequest {
                request_id: format!("return-{payment}"),
                creditor_id,
                kind: ItemKind::Payment.into(),
                item_id: payment.clone(),
                value_date: None,
            };
            clients
                .accounts()
                .reverse_item(call(request))
                .await?
                .into_inner()
                .consistency_token
        }
        Event::WrittenOff { invoice } => {
            let request = WriteOffInvoiceRequest {
                request_id: format!("write-off-{invoice}"),
                creditor_id,
                invoice_id: invoice.clone(),
                amount: None,
            };
            clients
                .accounts()
                .write_off_invoice(call(request))
                .await?
                .into_inner()
                .consistency_token
        }
        Event::Hold(hold) => {
            let request = SetCreditHoldRequest {
                request_id: format!("hold-{debtor_id}-{}", dated.date),
                creditor_id,
                debtor_id,
                credit_hold: *hold,
                reason: if *hold {
                    "invoices overdue by more than 70 days".to_owned()
                } else {
                    String::new()
                },
            };
            clients
                .debtors()
                .set_credit_hold(call(request))
                .await?
                .into_inner()
                .consistency_token
        }
        Event::Insolvent => {
            let request = SetInsolvencyRequest {
                request_id: format!("insolvency-{debtor_id}"),
                creditor_id,
                debtor_id,
                insolvent_since: Some(proto_date(dated.date)),
            };
            clients
                .debtors()
                .set_insolvency(call(request))
                .await?
                .into_inner()
                .consistency_token
        }
        Event::Promised { id, invoices, by } => {
            let promise = Promise {
                creditor_id,
                debtor_id,
                promise_id: id.clone(),
                invoice_ids: invoices.clone(),
                promised_date: Some(proto_date(*by)),
                tolerance_days: 3,
                ..Promise::default()
            };
            let request = CreatePromiseRequest {
                request_id: id.clone(),
                promise: Some(promise),
            };
            clients
                .arrangements()
                .create_promise(call(request))
                .await?
                .into_inner()
                .consistency_token
        }
        Event::Disputed { id, invoice } => {
            let dispute = Dispute {
                creditor_id,
                dispute_id: id.clone(),
                invoice_id: invoice.clone(),
                reason: DisputeReason::Quality.into(),
                ..Dispute::default()
            };
            let request = OpenDisputeRequest {
                request_id: id.clone(),
                dispute: Some(dispute),
            };
            clients
                .arrangements()
                .open_dispute(call(request))
                .await?
                .into_inner()
                .consistency_token
        }
        Event::Decided { id, outcome } => {
            let request = CloseDisputeRequest {
                request_id: format!("close-{id}"),
                creditor_id,
                dispute_id: id.clone(),
                outcome: (*outcome).into(),
            };
            clients
                .arrangements()
                .close_dispute(call(request))
                .await?
                .into_inner()
                .consistency_token
        }
        Event::Registered
        | Event::Invoice(_)
        | Event::CreditNote { .. }
        | Event::Payment { .. } => String::new(),
    };
    Ok(token)
}
