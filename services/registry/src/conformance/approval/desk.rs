//! A creditor with a limit for write-offs, worked on by people with names.

use std::sync::Arc;

use mahnwerk_feed::{Freshness, Publisher};
use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{
        Approval, CreateCreditorRequest, CreateDebtorRequest, CreateInvoiceRequest,
        CreatePaymentRequest, Creditor, FourEyes, GetApprovalRequest, GetItemRequest,
        GrantApprovalRequest, GrantApprovalResponse, Item, ItemKind, OpenBusinessDayRequest,
        RefuseApprovalRequest, RequestWriteOffRequest, ReverseEntryRequest, UpdateCreditorRequest,
        UpdateCreditorResponse, WriteOffInvoiceRequest, account_service_server::AccountService,
        approval_service_server::ApprovalService, creditor_service_client::CreditorServiceClient,
        creditor_service_server::CreditorService, debtor_service_server::DebtorService,
    },
};
use mahnwerk_runtime::{
    clock::{Clock as _, ManualClock, SharedClock},
    context::Call,
    db::{Db, Sql, column},
    error::Error,
    ids::{SharedIds, SystemIds},
};
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::Channel};

use crate::{
    SERVICE,
    app::App,
    conformance::{
        Outcome,
        account::{invoice, part, payment},
        date, sample_creditor, sample_debtor,
    },
    feed,
    grpc::Api,
};

/// The creditor.
pub(super) const CREDITOR: &str = "desk";
/// 2026-03-02, 10:00 UTC.
const BEGIN: i64 = 1_772_445_600_000_000;
const SECOND: i64 = 1_000_000;

/// A creditor with debtor `d1` on 2026-03-02, and the handlers.
pub(super) struct Desk {
    pub(super) api: Api,
    db: Db,
    clock: Arc<ManualClock>,
}

/// A call by somebody.
pub(super) fn by<T>(principal: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Call {
        principal: principal.to_owned(),
        ..Call::internal("unused")
    });
    request
}

fn limit_request(
    creditor_id: &str,
    request_id: &str,
    write_off_above: Option<Money>,
) -> UpdateCreditorRequest {
    let four_eyes = write_off_above.map(|above| FourEyes {
        write_off_above: Some(above),
    });
    UpdateCreditorRequest {
        request_id: request_id.to_owned(),
        creditor: Some(Creditor {
            creditor_id: creditor_id.to_owned(),
            four_eyes,
            ..Creditor::default()
        }),
        update_mask: vec!["four_eyes".to_owned()],
        etag: String::new(),
    }
}

/// Sets a limit over the wire, or lifts it.
pub(super) async fn limited(
    channel: Channel,
    creditor_id: &str,
    request_id: &str,
    above: Option<Money>,
) -> Result<Response<UpdateCreditorResponse>, Status> {
    let request = limit_request(creditor_id, request_id, above);
    CreditorServiceClient::new(channel)
        .update_creditor(request)
        .await
}

/// An amount.
pub(super) fn money(currency_code: &str, minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: currency_code.to_owned(),
        minor_units,
    })
}

impl Desk {
    /// The database must be migrated and empty; no service may run on it.
    pub(super) async fn open(db: &Db, write_off_above: Option<Money>) -> Result<Self, Status> {
        let clock = Arc::new(ManualClock::at(BEGIN));
        let shared: SharedClock = clock.clone();
        let ids: SharedIds = Arc::new(SystemIds(shared.clone()));
        let publisher = Publisher::open(db.clone(), SERVICE, feed::ENTITIES, shared, ids).await?;
        let app = App {
            freshness: Freshness::own(publisher.clone()),
            publisher,
        };
        let desk = Self {
            api: Api {
                app,
                draining: CancellationToken::new(),
            },
            db: db.clone(),
            clock,
        };
        let request = CreateCreditorRequest {
            request_id: "creditor".to_owned(),
            creditor: Some(sample_creditor(CREDITOR)),
        };
        desk.api.create_creditor(by("admin", request)).await?;
        desk.open_day(date(2026, 3, 2)).await?;
        let request = CreateDebtorRequest {
            request_id: "debtor".to_owned(),
            debtor: Some(sample_debtor(CREDITOR, "d1")),
        };
        desk.api.create_debtor(by("admin", request)).await?;
        desk.limit("limit", write_off_above).await?;
        Ok(desk)
    }

    pub(super) async fn open_day(&self, day: Date) -> Outcome {
        let request = OpenBusinessDayRequest {
            request_id: format!("day-{}-{}", day.month, day.day),
            creditor_id: CREDITOR.to_owned(),
            business_date: Some(day),
        };
        self.api.open_business_day(by("admin", request)).await?;
        Ok(())
    }

    pub(super) async fn limit(&self, request_id: &str, above: Option<Money>) -> Outcome {
        let request = limit_request(CREDITOR, request_id, above.clone());
        let set = self.api.update_creditor(by("admin", request)).await?;
        let creditor = set.into_inner().creditor.unwrap_or_default();
        let stored = creditor.four_eyes.and_then(|it| it.write_off_above);
        assert_eq!(stored, above);
        Ok(())
    }

    pub(super) async fn invoice(&self, item_id: &str, cents: i64) -> Outcome {
        self.invoice_in(item_id, money("EUR", cents)).await
    }

    pub(super) async fn invoice_in(&self, item_id: &str, amount: Option<Money>) -> Outcome {
        let item = Item {
            amount,
            ..invoice(CREDITOR, item_id, 1, date(2026, 2, 14))
        };
        let request = CreateInvoiceRequest {
            request_id: item_id.to_owned(),
            invoice: Some(item),
        };
        self.api.create_invoice(by("erp", request)).await?;
        Ok(())
    }

    /// Pays a part of an invoice, once.
    pub(super) async fn pay(&self, invoice_id: &str, cents: i64) -> Outcome {
        let id = format!("pay-{invoice_id}");
        let request = CreatePaymentRequest {
            request_id: id.clone(),
            payment: Some(payment(CREDITOR, &id, cents, date(2026, 3, 2))),
            allocations: vec![part(invoice_id, cents)],
        };
        self.api.create_payment(by("erp", request)).await?;
        Ok(())
    }

    async fn item(&self, invoice_id: &str) -> Result<Item, Status> {
        let request = GetItemRequest {
            creditor_id: CREDITOR.to_owned(),
            kind: ItemKind::Invoice.into(),
            item_id: invoice_id.to_owned(),
            at_least: String::new(),
        };
        let found = self.api.get_item(by("erp", request)).await?;
        Ok(found.into_inner().item.unwrap_or_default())
    }

    pub(super) async fn open_amount(&self, invoice_id: &str) -> Result<Option<Money>, Status> {
        Ok(self.item(invoice_id).await?.open_amount)
    }

    pub(super) async fn undo_first_entry(&self, invoice_id: &str) -> Outcome {
        let entries = self.item(invoice_id).await?.entries;
        let first = entries.first().map(|entry| entry.entry_id.clone());
        let request = ReverseEntryRequest {
            request_id: "undo".to_owned(),
            creditor_id: CREDITOR.to_owned(),
            invoice_id: invoice_id.to_owned(),
            entry_id: first.unwrap_or_default(),
            value_date: None,
        };
        self.api.reverse_entry(by("erp", request)).await?;
        Ok(())
    }

    pub(super) async fn write_off(
        &self,
        principal: &str,
        request_id: &str,
        invoice_id: &str,
        amount: Option<Money>,
    ) -> Result<Item, Status> {
        let request = WriteOffInvoiceRequest {
            request_id: request_id.to_owned(),
            creditor_id: CREDITOR.to_owned(),
            invoice_id: invoice_id.to_owned(),
            amount,
        };
        let written = self.api.write_off_invoice(by(principal, request)).await?;
        Ok(written.into_inner().invoice.unwrap_or_default())
    }

    /// Each request is a second later than the one before, so that its id is a later one.
    pub(super) async fn ask(
        &self,
        principal: &str,
        request_id: &str,
        invoice_id: &str,
        amount: Option<Money>,
    ) -> Result<Approval, Status> {
        self.clock.set(self.clock.now() + SECOND);
        let request = RequestWriteOffRequest {
            request_id: request_id.to_owned(),
            creditor_id: CREDITOR.to_owned(),
            invoice_id: invoice_id.to_owned(),
            amount,
            reason: "insolvent".to_owned(),
        };
        let asked = self.api.request_write_off(by(principal, request)).await?;
        Ok(asked.into_inner().approval.unwrap_or_default())
    }

    pub(super) async fn grant(
        &self,
        principal: &str,
        request_id: &str,
        approval_id: &str,
    ) -> Result<GrantApprovalResponse, Status> {
        let request = GrantApprovalRequest {
            request_id: request_id.to_owned(),
            creditor_id: CREDITOR.to_owned(),
            approval_id: approval_id.to_owned(),
        };
        let granted = self.api.grant_approval(by(principal, request)).await?;
        Ok(granted.into_inner())
    }

    pub(super) async fn refuse(
        &self,
        principal: &str,
        request_id: &str,
        approval_id: &str,
    ) -> Result<Approval, Status> {
        let request = RefuseApprovalRequest {
            request_id: request_id.to_owned(),
            creditor_id: CREDITOR.to_owned(),
            approval_id: approval_id.to_owned(),
            note: "no".to_owned(),
        };
        let refused = self.api.refuse_approval(by(principal, request)).await?;
        Ok(refused.into_inner().approval.unwrap_or_default())
    }

    pub(super) async fn get(&self, approval_id: &str) -> Result<Approval, Status> {
        let request = GetApprovalRequest {
            creditor_id: CREDITOR.to_owned(),
            approval_id: approval_id.to_owned(),
            at_least: String::new(),
        };
        let found = self.api.get_approval(by("reader", request)).await?;
        Ok(found.into_inner().approval.unwrap_or_default())
    }

    /// Who did what to approvals, and who wrote off, in order.
    pub(super) async fn trail(&self) -> Result<Vec<(String, String, String)>, Status> {
        let sql = "SELECT principal, entity, action FROM event WHERE debtor_id = 'd1' \
                   AND (entity = 'approval' OR action = 'written_off') ORDER BY seq";
        let rows = self.db.query(sql, vec![]).await?;
        let entries = rows.iter().map(|row| {
            Ok((
                column(row, "principal")?,
                column(row, "entity")?,
                column(row, "action")?,
            ))
        });
        let entries = entries.collect::<Result<_, DbErr>>();
        Ok(entries.map_err(Error::from)?)
    }
}
