//! `ImportService`.

mod rows;
mod stream;
mod streams;

use mahnwerk_proto::registry::v1::{
    GetImportRequest, GetImportResponse, ImportRowResult, ListImportRowsRequest,
    import_service_client::ImportServiceClient,
};
use tonic::{Status, transport::Channel};

use super::Outcome;

pub use rows::{
    a_chunk_may_create_a_debtor_its_invoice_and_the_payment, every_refused_row_says_why,
    history_states_when_it_became_known, rows_are_applied_in_their_order,
};
pub use streams::{
    a_broken_stream_is_resumed_without_doubling, ends_when_draining,
    five_thousand_rows_are_accounted_for, rows_taken_before_are_skipped_unless_they_differ,
    wrong_messages_end_the_stream,
};

/// Everything about imports, one after the other.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn suite(channel: Channel) -> Outcome {
    a_chunk_may_create_a_debtor_its_invoice_and_the_payment(channel.clone()).await?;
    rows_are_applied_in_their_order(channel.clone()).await?;
    every_refused_row_says_why(channel.clone()).await?;
    rows_taken_before_are_skipped_unless_they_differ(channel.clone()).await?;
    a_broken_stream_is_resumed_without_doubling(channel.clone()).await?;
    history_states_when_it_became_known(channel.clone()).await?;
    wrong_messages_end_the_stream(channel.clone()).await?;
    five_thousand_rows_are_accounted_for(channel).await
}

async fn counts(
    channel: &Channel,
    creditor_id: &str,
    import_id: &str,
) -> Result<GetImportResponse, Status> {
    let request = GetImportRequest {
        creditor_id: creditor_id.to_owned(),
        import_id: import_id.to_owned(),
        at_least: String::new(),
    };
    Ok(ImportServiceClient::new(channel.clone())
        .get_import(request)
        .await?
        .into_inner())
}

/// All rows of an import, page by page.
async fn rows_of(
    channel: &Channel,
    creditor_id: &str,
    import_id: &str,
    refused_only: bool,
    page_size: i32,
) -> Result<Vec<ImportRowResult>, Status> {
    let mut client = ImportServiceClient::new(channel.clone());
    let mut rows = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListImportRowsRequest {
            creditor_id: creditor_id.to_owned(),
            import_id: import_id.to_owned(),
            refused_only,
            page_size,
            page_token,
            at_least: String::new(),
        };
        let page = client.list_import_rows(request).await?.into_inner();
        rows.extend(page.rows);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(rows);
        }
    }
}

fn reason(row: &ImportRowResult) -> String {
    row.errors
        .first()
        .map(|error| error.reason.clone())
        .unwrap_or_default()
}
