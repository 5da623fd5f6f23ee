//! The caller's side of an import.

use mahnwerk_proto::registry::v1::{
    Channel as ContactChannel, ContactPoint, ContactState, ImportChunk, ImportLedgerRequest,
    ImportLedgerResponse, ImportRow, ImportStart, Item, PaymentRow, import_ledger_request::Message,
    import_row::Record, import_service_client::ImportServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming, transport::Channel};

use crate::conformance::{
    account::{eur, invoice, part},
    date, sample_debtor,
};

/// An open import.
pub(super) struct Stream {
    sender: mpsc::Sender<ImportLedgerRequest>,
    answers: Streaming<ImportLedgerResponse>,
}

impl Stream {
    pub(super) async fn open(
        channel: &Channel,
        creditor_id: &str,
        import_id: &str,
    ) -> Result<Self, Status> {
        let (sender, messages) = mpsc::channel(8);
        let start = ImportStart {
            creditor_id: creditor_id.to_owned(),
            import_id: import_id.to_owned(),
        };
        send(&sender, Message::Start(start)).await;
        let mut client = ImportServiceClient::new(channel.clone());
        let answers = client
            .import_ledger(ReceiverStream::new(messages))
            .await?
            .into_inner();
        Ok(Self { sender, answers })
    }

    /// Sends a chunk and waits for its acknowledgement.
    pub(super) async fn send(
        &mut self,
        rows: Vec<ImportRow>,
    ) -> Result<ImportLedgerResponse, Status> {
        self.send_only(rows).await;
        self.answer().await
    }

    pub(super) async fn send_only(&self, rows: Vec<ImportRow>) {
        send(&self.sender, Message::Chunk(ImportChunk { rows })).await;
    }

    pub(super) async fn answer(&mut self) -> Result<ImportLedgerResponse, Status> {
        self.answers
            .message()
            .await?
            .ok_or_else(|| Status::internal("the stream ended too early"))
    }

    /// Says that everything was sent; nothing more is answered.
    pub(super) async fn finish(self) -> Result<(), Status> {
        let Self {
            sender,
            mut answers,
        } = self;
        drop(sender);
        match answers.message().await? {
            None => Ok(()),
            Some(_) => Err(Status::internal("an answer to nothing")),
        }
    }
}

async fn send(sender: &mpsc::Sender<ImportLedgerRequest>, message: Message) {
    // When the stream has ended, its status says why.
    let _ = sender
        .send(ImportLedgerRequest {
            message: Some(message),
        })
        .await;
}

/// How a stream of these messages ends; the last message must be wrong.
pub(super) async fn ended_with(
    channel: &Channel,
    messages: Vec<Message>,
) -> Result<Response<()>, Status> {
    let messages: Vec<_> = messages
        .into_iter()
        .map(|message| ImportLedgerRequest {
            message: Some(message),
        })
        .collect();
    let mut client = ImportServiceClient::new(channel.clone());
    let mut answers = client
        .import_ledger(tokio_stream::iter(messages))
        .await?
        .into_inner();
    while answers.message().await?.is_some() {}
    Ok(Response::new(()))
}

pub(super) fn row(row_number: i64, record: Record) -> ImportRow {
    ImportRow {
        row_number,
        record: Some(record),
    }
}

pub(super) fn debtor_row(row_number: i64, debtor_id: &str) -> ImportRow {
    row(row_number, Record::Debtor(sample_debtor("", debtor_id)))
}

/// An invoice dated 2026-01-15, due 2026-02-14.
pub(super) fn invoice_row(
    row_number: i64,
    debtor_id: &str,
    item_id: &str,
    amount: i64,
) -> ImportRow {
    let item = Item {
        debtor_id: debtor_id.to_owned(),
        ..invoice("", item_id, amount, date(2026, 2, 14))
    };
    row(row_number, Record::Invoice(item))
}

/// A payment of 2026-02-20.
pub(super) fn payment_row(
    row_number: i64,
    debtor_id: &str,
    item_id: &str,
    amount: i64,
    parts: &[(&str, i64)],
) -> ImportRow {
    let payment = Item {
        debtor_id: debtor_id.to_owned(),
        item_id: item_id.to_owned(),
        amount: eur(amount),
        value_date: Some(date(2026, 2, 20)),
        ..Item::default()
    };
    let allocations = parts
        .iter()
        .map(|(invoice_id, amount)| part(invoice_id, *amount))
        .collect();
    row(
        row_number,
        Record::Payment(PaymentRow {
            payment: Some(payment),
            allocations,
        }),
    )
}

pub(super) fn contact_point(debtor_id: &str, contact_point_id: &str) -> ContactPoint {
    ContactPoint {
        debtor_id: debtor_id.to_owned(),
        contact_point_id: contact_point_id.to_owned(),
        channel: ContactChannel::Email.into(),
        address: "someone@example.com".to_owned(),
        state: ContactState::Unverified.into(),
        ..ContactPoint::default()
    }
}
