//! What the service promises, as functions that tests call: over gRPC with the channels of a running registry and a
//! running scoring service ([`scores`], [`decisions`]), and on a database ([`projection`], [`states`]).
//!
//! Every suite over gRPC works on creditors of its own, so that suites can run side by side on one pair of services.

mod arrangements;
pub mod decisions;
mod facts;
pub mod projection;
pub mod scores;
pub mod states;

use std::time::Duration;

use mahnwerk_proto::{
    common::v1::{Date, ErrorReason, Money},
    registry::v1::{
        Allocation, BusinessDayMode, CreateCreditorRequest, CreateDebtorRequest,
        CreateInvoiceRequest, CreatePaymentRequest, Creditor, Debtor, DebtorKind, Item,
        OpenBusinessDayRequest, Relationship, SetFxRateRequest,
        account_service_client::AccountServiceClient,
        creditor_service_client::CreditorServiceClient, debtor_service_client::DebtorServiceClient,
    },
    scoring::v1::{
        GetScoreRequest, Score, scorecard_service_client::ScorecardServiceClient,
        scoring_service_client::ScoringServiceClient,
    },
};
use mahnwerk_runtime::status::reason_text;
use tonic::{Code, Response, Status, transport::Channel};
use tonic_types::StatusExt;

/// Result of a suite.
pub type Outcome = Result<(), Status>;

/// How often a call is repeated that was told to come again, and how many times: a fresh service takes its first
/// snapshot.
const RETRY: Duration = Duration::from_millis(25);
const TRIES: u32 = 400;

/// The channels of both services.
#[derive(Clone, Debug)]
pub struct Channels {
    /// To the registry.
    pub registry: Channel,
    /// To scoring.
    pub scoring: Channel,
}

/// A creditor in euro with what a suite does to it. The registry's calls remember their consistency token.
pub(crate) struct World {
    pub creditor_id: String,
    pub scores: ScoringServiceClient<Channel>,
    pub scorecards: ScorecardServiceClient<Channel>,
    pub creditors: CreditorServiceClient<Channel>,
    pub debtors: DebtorServiceClient<Channel>,
    accounts: AccountServiceClient<Channel>,
    /// Of the last write.
    pub token: String,
}

pub(crate) fn date(year: i32, month: i32, day: i32) -> Date {
    Date { year, month, day }
}

pub(crate) fn money(currency: &str, minor_units: i64) -> Money {
    Money {
        currency_code: currency.to_owned(),
        minor_units,
    }
}

impl World {
    /// Creates the creditor, without a business day.
    pub async fn create(channels: &Channels, creditor_id: &str) -> Result<Self, Status> {
        let registry = || channels.registry.clone();
        let mut world = Self {
            creditor_id: creditor_id.to_owned(),
            scores: ScoringServiceClient::new(channels.scoring.clone()),
            scorecards: ScorecardServiceClient::new(channels.scoring.clone()),
            creditors: CreditorServiceClient::new(registry()),
            debtors: DebtorServiceClient::new(registry()),
            accounts: AccountServiceClient::new(registry()),
            token: String::new(),
        };
        let created = world
            .creditors
            .create_creditor(CreateCreditorRequest {
                request_id: format!("create-{creditor_id}"),
                creditor: Some(Creditor {
                    creditor_id: creditor_id.to_owned(),
                    display_name: "Sample GmbH".to_owned(),
                    time_zone: "Europe/Berlin".to_owned(),
                    calendar: "WEEKDAYS".to_owned(),
                    reporting_currency: "EUR".to_owned(),
                    business_day_mode: BusinessDayMode::Manual.into(),
                    ..Creditor::default()
                }),
            })
            .await?;
        world.token = created.into_inner().consistency_token;
        Ok(world)
    }

    /// Creates the creditor, opens a business day and creates an organisation `d1`.
    pub async fn open(channels: &Channels, creditor_id: &str, today: Date) -> Result<Self, Status> {
        let mut world = Self::create(channels, creditor_id).await?;
        world.open_day(today).await?;
        world.debtor("d1", DebtorKind::Organisation).await?;
        Ok(world)
    }

    pub async fn open_day(&mut self, day: Date) -> Outcome {
        let opened = self
            .creditors
            .open_business_day(OpenBusinessDayRequest {
                request_id: format!("open-{}-{}-{}", day.year, day.month, day.day),
                creditor_id: self.creditor_id.clone(),
                business_date: Some(day),
            })
            .await?;
        self.token = opened.into_inner().consistency_token;
        Ok(())
    }

    pub async fn debtor(&mut self, debtor_id: &str, kind: DebtorKind) -> Outcome {
        let created = self
            .debtors
            .create_debtor(CreateDebtorRequest {
                request_id: format!("create-{debtor_id}"),
                debtor: Some(Debtor {
                    creditor_id: self.creditor_id.clone(),
                    debtor_id: debtor_id.to_owned(),
                    kind: kind.into(),
                    relationship: Relationship::Customer.into(),
                    display_name: "Beispiel".to_owned(),
                    language: "de".to_owned(),
                    billing_method: mahnwerk_proto::registry::v1::BillingMethod::EmailPdf.into(),
                    ..Debtor::default()
                }),
            })
            .await?;
        self.token = created.into_inner().consistency_token;
        Ok(())
    }

    /// Posts an invoice to `d1`.
    pub async fn invoice(
        &mut self,
        item_id: &str,
        amount: Money,
        document: Date,
        due: Date,
    ) -> Outcome {
        let posted = self
            .accounts
            .create_invoice(CreateInvoiceRequest {
                request_id: format!("post-{item_id}"),
                invoice: Some(Item {
                    creditor_id: self.creditor_id.clone(),
                    debtor_id: "d1".to_owned(),
                    item_id: item_id.to_owned(),
                    amount: Some(amount),
                    document_date: Some(document),
                    due_date: Some(due),
                    ..Item::default()
                }),
            })
            .await?;
        self.token = posted.into_inner().consistency_token;
        Ok(())
    }

    /// Pays an invoice of `d1` in full.
    pub async fn pay(&mut self, invoice_id: &str, amount: Money, on: Date) -> Outcome {
        let posted = self
            .accounts
            .create_payment(CreatePaymentRequest {
                request_id: format!("pay-{invoice_id}"),
                payment: Some(Item {
                    creditor_id: self.creditor_id.clone(),
                    debtor_id: "d1".to_owned(),
                    item_id: format!("p-{invoice_id}"),
                    amount: Some(amount.clone()),
                    value_date: Some(on),
                    ..Item::default()
                }),
                allocations: vec![Allocation {
                    invoice_id: invoice_id.to_owned(),
                    amount: Some(amount),
                    discount: None,
                }],
            })
            .await?;
        self.token = posted.into_inner().consistency_token;
        Ok(())
    }

    /// 1 `base` is `numerator / denominator` euro.
    pub async fn rate(
        &mut self,
        base: &str,
        on: Date,
        numerator: i64,
        denominator: i64,
    ) -> Outcome {
        let set = self
            .creditors
            .set_fx_rate(SetFxRateRequest {
                request_id: format!("rate-{base}-{}-{}-{}", on.year, on.month, on.day),
                fx_rate: Some(mahnwerk_proto::registry::v1::FxRate {
                    creditor_id: self.creditor_id.clone(),
                    base_currency: base.to_owned(),
                    quote_currency: "EUR".to_owned(),
                    rate_date: Some(on),
                    numerator,
                    denominator,
                    source: "test".to_owned(),
                    version: 0,
                }),
            })
            .await?;
        self.token = set.into_inner().consistency_token;
        Ok(())
    }

    pub fn score_request(&self, debtor_id: &str) -> GetScoreRequest {
        GetScoreRequest {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            at_least: self.token.clone(),
            language: String::new(),
        }
    }

    /// The score of a debtor that contains the last write.
    pub async fn score(&self, debtor_id: &str) -> Result<Score, Status> {
        let request = self.score_request(debtor_id);
        let answer =
            patiently(async || self.scores.clone().get_score(request.clone()).await).await?;
        Ok(answer.into_inner().score.unwrap_or_default())
    }
}

/// Calls until the answer is not "not now" any more.
pub(crate) async fn patiently<T>(
    call: impl AsyncFn() -> Result<Response<T>, Status>,
) -> Result<Response<T>, Status> {
    let mut pause = tokio::time::interval(RETRY);
    let mut tries = 1;
    loop {
        pause.tick().await;
        match call().await {
            Err(status) if tries < TRIES && is_not_now(&status) => tries += 1,
            answer => return answer,
        }
    }
}

fn is_not_now(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Aborted)
        || reason_of(status) == reason_text(ErrorReason::ProjectionNotReady)
}

/// The stable reason of a refusal; empty if it has none.
pub(crate) fn reason_of(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

/// Asserts that a call was refused with this code and reason.
#[track_caller]
pub(crate) fn assert_refused<T>(
    result: &Result<Response<T>, Status>,
    code: Code,
    reason: ErrorReason,
) {
    let refused = result
        .as_ref()
        .err()
        .map(|status| (status.code(), reason_of(status)));
    assert_eq!(refused, Some((code, reason_text(reason).to_owned())));
}

/// Asserts that something named in the request was not found, and what.
#[track_caller]
pub(crate) fn assert_not_found<T>(result: &Result<Response<T>, Status>, resource: &str) {
    assert_refused(result, Code::NotFound, ErrorReason::ResourceNotFound);
    let named = result
        .as_ref()
        .err()
        .and_then(StatusExt::get_details_error_info)
        .and_then(|info| info.metadata.get("resource").cloned());
    assert_eq!(named.as_deref(), Some(resource));
}

/// Asserts that a call was refused for exactly these fields, in any order.
#[track_caller]
pub(crate) fn assert_violates<T>(result: &Result<Response<T>, Status>, fields: &[&str]) {
    let status = result.as_ref().err();
    assert_eq!(status.map(Status::code), Some(Code::InvalidArgument));
    let mut found: Vec<_> = status
        .and_then(StatusExt::get_details_bad_request)
        .map(|details| details.field_violations)
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect();
    let mut expected: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
