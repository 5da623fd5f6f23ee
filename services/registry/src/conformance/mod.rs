//! What the service promises over gRPC, as functions that tests call with the channel of a running one.
//!
//! Every suite works on creditors of its own, so that suites can run side by side on one database.

pub mod account;
pub mod approval;
pub mod arrangement;
pub mod business_day;
pub mod contact;
pub mod contact_point;
pub mod creditor;
pub mod debtor;
pub mod feed;
pub mod import;
pub mod timeline;

use mahnwerk_proto::{
    common::v1::{Date, ErrorReason},
    registry::v1::{
        BillingMethod, BusinessDayMode, CreateCreditorRequest, CreateDebtorRequest, Creditor,
        Debtor, DebtorKind, OpenBusinessDayRequest, Relationship,
        creditor_service_client::CreditorServiceClient, debtor_service_client::DebtorServiceClient,
    },
};
use tonic::{Code, Response, Status, transport::Channel};
use tonic_types::StatusExt;

/// Result of a suite.
pub type Outcome = Result<(), Status>;

/// A calendar date of the wire.
#[must_use]
pub fn date(year: i32, month: i32, day: i32) -> Date {
    Date { year, month, day }
}

/// A creditor as a caller would create it: Germany, euro, business days opened by hand.
#[must_use]
pub fn sample_creditor(creditor_id: &str) -> Creditor {
    Creditor {
        creditor_id: creditor_id.to_owned(),
        display_name: "Sample GmbH".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        calendar: "DE".to_owned(),
        reporting_currency: "EUR".to_owned(),
        business_day_mode: BusinessDayMode::Manual.into(),
        ..Creditor::default()
    }
}

/// A debtor as a caller would create it: an organisation that is a customer.
#[must_use]
pub fn sample_debtor(creditor_id: &str, debtor_id: &str) -> Debtor {
    Debtor {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        kind: DebtorKind::Organisation.into(),
        relationship: Relationship::Customer.into(),
        display_name: "Beispiel & Söhne".to_owned(),
        language: "de".to_owned(),
        country: "DE".to_owned(),
        billing_method: BillingMethod::EmailPdf.into(),
        ..Debtor::default()
    }
}

/// Creates a creditor and opens a business day.
///
/// # Errors
/// Those of the service.
pub async fn open_creditor(
    channel: &Channel,
    creditor_id: &str,
    day: Date,
) -> Result<Creditor, Status> {
    let mut client = CreditorServiceClient::new(channel.clone());
    client
        .create_creditor(CreateCreditorRequest {
            request_id: format!("create-{creditor_id}"),
            creditor: Some(sample_creditor(creditor_id)),
        })
        .await?;
    let opened = client
        .open_business_day(OpenBusinessDayRequest {
            request_id: "first-day".to_owned(),
            creditor_id: creditor_id.to_owned(),
            business_date: Some(day),
        })
        .await?;
    Ok(opened.into_inner().creditor.unwrap_or_default())
}

/// Creates a debtor.
///
/// # Errors
/// Those of the service.
pub async fn create_debtor(channel: &Channel, debtor: Debtor) -> Result<Debtor, Status> {
    let created = DebtorServiceClient::new(channel.clone())
        .create_debtor(CreateDebtorRequest {
            request_id: format!("create-{}", debtor.debtor_id),
            debtor: Some(debtor),
        })
        .await?;
    Ok(created.into_inner().debtor.unwrap_or_default())
}

/// Asserts that a call was refused with this code and reason.
#[track_caller]
pub fn assert_refused<T>(result: Result<Response<T>, Status>, code: Code, reason: ErrorReason) {
    let refused = result
        .err()
        .map(|status| (status.code(), reason_of(&status)));
    let reason = reason
        .as_str_name()
        .trim_start_matches("ERROR_REASON_")
        .to_owned();
    assert_eq!(refused, Some((code, reason)));
}

/// Asserts that a call was refused for exactly these fields, in any order.
#[track_caller]
pub fn assert_violates<T>(result: Result<Response<T>, Status>, fields: &[&str]) {
    let status = result.err();
    assert_eq!(
        status.as_ref().map(Status::code),
        Some(Code::InvalidArgument)
    );
    let mut found: Vec<_> = status
        .and_then(|status| status.get_details_bad_request())
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

/// The stable reason of a refusal, without prefix; empty if it has none.
#[must_use]
pub fn reason_of(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

/// The metadata of a refusal under this key; empty if there is none.
#[must_use]
pub fn metadata_of(status: &Status, key: &str) -> String {
    status
        .get_details_error_info()
        .and_then(|info| info.metadata.get(key).cloned())
        .unwrap_or_default()
}
