//! Shorthand for the calls of `ArrangementService`.

use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{
        CancelInstalmentPlanRequest, CancelPromiseRequest, CloseDisputeRequest,
        CreateInstalmentPlanRequest, CreatePromiseRequest, Dispute, DisputeReason, DisputeState,
        Instalment, InstalmentPlan, ListDisputesRequest, ListInstalmentPlansRequest,
        ListPromisesRequest, OpenDisputeRequest, Promise,
        arrangement_service_client::ArrangementServiceClient,
    },
};
use tonic::{Status, transport::Channel};

use crate::conformance::account::{Books, cents, eur};

/// The books of one creditor, and what was agreed with its debtor `d1`.
pub(super) struct Agreements {
    pub(super) books: Books,
    pub(super) client: ArrangementServiceClient<Channel>,
}

/// A promise of `d1`.
pub(super) fn promise(creditor: &str, id: &str, invoice_ids: &[&str], day: Date) -> Promise {
    Promise {
        creditor_id: creditor.to_owned(),
        debtor_id: "d1".to_owned(),
        promise_id: id.to_owned(),
        invoice_ids: invoice_ids.iter().map(|id| (*id).to_owned()).collect(),
        promised_date: Some(day),
        ..Promise::default()
    }
}

/// A plan of `d1`.
pub(super) fn plan(
    creditor: &str,
    id: &str,
    invoice_ids: &[&str],
    instalments: &[(Date, i64)],
) -> InstalmentPlan {
    let instalment = |(day, amount): &(Date, i64)| Instalment {
        due_date: Some(*day),
        amount: eur(*amount),
    };
    InstalmentPlan {
        creditor_id: creditor.to_owned(),
        debtor_id: "d1".to_owned(),
        plan_id: id.to_owned(),
        invoice_ids: invoice_ids.iter().map(|id| (*id).to_owned()).collect(),
        instalments: instalments.iter().map(instalment).collect(),
        ..InstalmentPlan::default()
    }
}

/// A dispute about an invoice.
pub(super) fn dispute(
    creditor: &str,
    id: &str,
    invoice_id: &str,
    amount: Option<Money>,
) -> Dispute {
    Dispute {
        creditor_id: creditor.to_owned(),
        dispute_id: id.to_owned(),
        invoice_id: invoice_id.to_owned(),
        amount,
        reason: DisputeReason::Quality.into(),
        owner: "agent-7".to_owned(),
        note: "the paint comes off".to_owned(),
        ..Dispute::default()
    }
}

/// What is paid of a promise, and what of it is left on each invoice, in cents.
pub(super) fn counts(promise: &Promise) -> (i64, Vec<i64>) {
    let covered = promise.covered_amounts.iter();
    (
        cents(promise.paid_amount.as_ref()),
        covered.map(|amount| cents(Some(amount))).collect(),
    )
}

impl Agreements {
    pub(super) async fn open(channel: Channel, creditor_id: &str) -> Result<Self, Status> {
        Ok(Self {
            books: Books::open(channel.clone(), creditor_id).await?,
            client: ArrangementServiceClient::new(channel),
        })
    }

    pub(super) async fn dispute(&mut self, dispute: Dispute) -> Result<Dispute, Status> {
        let request = OpenDisputeRequest {
            request_id: self.books.request_id(),
            dispute: Some(dispute),
        };
        let answer = self.client.open_dispute(request).await?.into_inner();
        Ok(answer.dispute.unwrap_or_default())
    }

    pub(super) async fn close(
        &mut self,
        dispute_id: &str,
        outcome: DisputeState,
    ) -> Result<Dispute, Status> {
        let request = CloseDisputeRequest {
            request_id: self.books.request_id(),
            creditor_id: self.books.creditor_id.clone(),
            dispute_id: dispute_id.to_owned(),
            outcome: outcome.into(),
        };
        let answer = self.client.close_dispute(request).await?.into_inner();
        Ok(answer.dispute.unwrap_or_default())
    }

    pub(super) async fn promise(&mut self, promise: Promise) -> Result<Promise, Status> {
        let request = CreatePromiseRequest {
            request_id: self.books.request_id(),
            promise: Some(promise),
        };
        let answer = self.client.create_promise(request).await?.into_inner();
        Ok(answer.promise.unwrap_or_default())
    }

    pub(super) async fn cancel_promise(&mut self, promise_id: &str) -> Result<Promise, Status> {
        let request = CancelPromiseRequest {
            request_id: self.books.request_id(),
            creditor_id: self.books.creditor_id.clone(),
            promise_id: promise_id.to_owned(),
        };
        let answer = self.client.cancel_promise(request).await?.into_inner();
        Ok(answer.promise.unwrap_or_default())
    }

    pub(super) async fn plan(&mut self, plan: InstalmentPlan) -> Result<InstalmentPlan, Status> {
        let request = CreateInstalmentPlanRequest {
            request_id: self.books.request_id(),
            instalment_plan: Some(plan),
        };
        let answer = self.client.create_instalment_plan(request).await?;
        Ok(answer.into_inner().instalment_plan.unwrap_or_default())
    }

    pub(super) async fn cancel_plan(&mut self, plan_id: &str) -> Result<InstalmentPlan, Status> {
        let request = CancelInstalmentPlanRequest {
            request_id: self.books.request_id(),
            creditor_id: self.books.creditor_id.clone(),
            plan_id: plan_id.to_owned(),
        };
        let answer = self.client.cancel_instalment_plan(request).await?;
        Ok(answer.into_inner().instalment_plan.unwrap_or_default())
    }

    /// The disputes of `d1`, one a page.
    pub(super) async fn disputes(&mut self) -> Result<Vec<Dispute>, Status> {
        let mut request = ListDisputesRequest {
            creditor_id: self.books.creditor_id.clone(),
            debtor_id: "d1".to_owned(),
            page_size: 1,
            ..ListDisputesRequest::default()
        };
        let mut found = Vec::new();
        loop {
            let page = self.client.list_disputes(request.clone()).await?;
            let page = page.into_inner();
            found.extend(page.disputes);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// The promises of `d1`, one a page.
    pub(super) async fn promises(&mut self) -> Result<Vec<Promise>, Status> {
        let mut request = ListPromisesRequest {
            creditor_id: self.books.creditor_id.clone(),
            debtor_id: "d1".to_owned(),
            page_size: 1,
            ..ListPromisesRequest::default()
        };
        let mut found = Vec::new();
        loop {
            let page = self.client.list_promises(request.clone()).await?;
            let page = page.into_inner();
            found.extend(page.promises);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// The only promise of `d1`.
    pub(super) async fn the_promise(&mut self) -> Result<Promise, Status> {
        let mut promises = self.promises().await?;
        assert_eq!(promises.len(), 1);
        Ok(promises.pop().unwrap_or_default())
    }

    /// The plans of `d1`, one a page.
    pub(super) async fn plans(&mut self) -> Result<Vec<InstalmentPlan>, Status> {
        let mut request = ListInstalmentPlansRequest {
            creditor_id: self.books.creditor_id.clone(),
            debtor_id: "d1".to_owned(),
            page_size: 1,
            ..ListInstalmentPlansRequest::default()
        };
        let mut found = Vec::new();
        loop {
            let page = self.client.list_instalment_plans(request.clone()).await?;
            let page = page.into_inner();
            found.extend(page.instalment_plans);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return Ok(found);
            }
        }
    }
}
