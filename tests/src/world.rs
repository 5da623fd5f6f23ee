//! A creditor with a debtor and postings of every kind, and short ways to post more.

use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{
        Allocation, BillingMethod, BusinessDayMode, Channel as ContactChannel, ContactPoint,
        ContactState, CreateContactPointRequest, CreateCreditorRequest, CreateDebtorRequest,
        CreateInvoiceRequest, CreatePaymentRequest, Creditor, Debtor, DebtorKind, ImportChunk,
        ImportLedgerRequest, ImportRow, ImportStart, Item, OpenBusinessDayRequest, Relationship,
        import_ledger_request::Message, import_row::Record,
    },
};

use crate::suite::Clients;

/// The business date of every new world; a Thursday.
pub const TODAY: Date = day(2025, 1, 2);

/// Rows of one chunk of an import: as many as it may have.
const CHUNK: usize = 1_000;

/// A date.
#[must_use]
pub const fn day(year: i32, month: i32, day: i32) -> Date {
    Date { year, month, day }
}

/// So many euro cents.
#[must_use]
pub fn euro(minor_units: i64) -> Money {
    Money {
        currency_code: "EUR".to_owned(),
        minor_units,
    }
}

/// A creditor as a caller names it.
#[must_use]
pub fn creditor(creditor_id: &str) -> Creditor {
    Creditor {
        creditor_id: creditor_id.to_owned(),
        display_name: "Nordlicht Handel GmbH".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        calendar: "WEEKDAYS".to_owned(),
        reporting_currency: "EUR".to_owned(),
        business_day_mode: BusinessDayMode::Manual.into(),
        ..Creditor::default()
    }
}

/// A debtor as a caller names it.
#[must_use]
pub fn debtor(creditor_id: &str, debtor_id: &str) -> Debtor {
    Debtor {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        kind: DebtorKind::Organisation.into(),
        relationship: Relationship::Customer.into(),
        display_name: "Werkstatt am Deich".to_owned(),
        language: "de".to_owned(),
        country: "DE".to_owned(),
        billing_method: BillingMethod::EmailPdf.into(),
        ..Debtor::default()
    }
}

/// An invoice of 2024, due thirty days later.
#[must_use]
pub fn invoice(creditor_id: &str, debtor_id: &str, item_id: &str, cents: i64) -> Item {
    Item {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        item_id: item_id.to_owned(),
        amount: Some(euro(cents)),
        document_date: Some(day(2024, 11, 4)),
        due_date: Some(day(2024, 12, 4)),
        ..Item::default()
    }
}

/// A payment of 2024.
#[must_use]
pub fn payment(creditor_id: &str, debtor_id: &str, item_id: &str, cents: i64) -> Item {
    Item {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        item_id: item_id.to_owned(),
        amount: Some(euro(cents)),
        value_date: Some(day(2024, 12, 2)),
        ..Item::default()
    }
}

impl Clients {
    /// Creates a creditor and opens its first business day, [`TODAY`].
    pub async fn open_creditor(&mut self, creditor_id: &str) {
        self.creditors
            .create_creditor(CreateCreditorRequest {
                request_id: format!("create-{creditor_id}"),
                creditor: Some(creditor(creditor_id)),
            })
            .await
            .expect("a creditor");
        self.creditors
            .open_business_day(OpenBusinessDayRequest {
                request_id: format!("open-{creditor_id}"),
                creditor_id: creditor_id.to_owned(),
                business_date: Some(TODAY),
            })
            .await
            .expect("a business day");
    }

    /// Creates a debtor. Returns the consistency token.
    pub async fn add_debtor(&mut self, creditor_id: &str, debtor_id: &str) -> String {
        self.debtors
            .create_debtor(CreateDebtorRequest {
                request_id: format!("debtor-{debtor_id}"),
                debtor: Some(debtor(creditor_id, debtor_id)),
            })
            .await
            .expect("a debtor")
            .into_inner()
            .consistency_token
    }

    /// Posts an invoice. Returns the consistency token.
    pub async fn add_invoice(&mut self, invoice: Item) -> String {
        self.accounts
            .create_invoice(CreateInvoiceRequest {
                request_id: format!("invoice-{}", invoice.item_id),
                invoice: Some(invoice),
            })
            .await
            .expect("an invoice")
            .into_inner()
            .consistency_token
    }

    /// Posts a payment that settles so much of each invoice named. Returns the consistency token.
    pub async fn add_payment(&mut self, payment: Item, settles: &[(&str, i64)]) -> String {
        let allocations = settles.iter().map(|(invoice_id, cents)| Allocation {
            invoice_id: (*invoice_id).to_owned(),
            amount: Some(euro(*cents)),
            discount: None,
        });
        self.accounts
            .create_payment(CreatePaymentRequest {
                request_id: format!("payment-{}", payment.item_id),
                payment: Some(payment),
                allocations: allocations.collect(),
            })
            .await
            .expect("a payment")
            .into_inner()
            .consistency_token
    }

    /// Creates a contact point. Returns the consistency token.
    pub async fn add_contact_point(
        &mut self,
        creditor_id: &str,
        debtor_id: &str,
        id: &str,
    ) -> String {
        self.debtors
            .create_contact_point(CreateContactPointRequest {
                request_id: format!("contact-{id}"),
                contact_point: Some(ContactPoint {
                    creditor_id: creditor_id.to_owned(),
                    debtor_id: debtor_id.to_owned(),
                    contact_point_id: id.to_owned(),
                    channel: ContactChannel::Email.into(),
                    address: "rechnung@example.org".to_owned(),
                    state: ContactState::Unverified.into(),
                    version: 0,
                }),
            })
            .await
            .expect("a contact point")
            .into_inner()
            .consistency_token
    }

    /// Imports records of a creditor. Returns the consistency token of the last.
    ///
    /// # Panics
    /// If one is refused.
    pub async fn import(
        &mut self,
        creditor_id: &str,
        import_id: &str,
        records: impl IntoIterator<Item = Record>,
    ) -> String {
        let rows = (1..).zip(records).map(|(row_number, record)| ImportRow {
            row_number,
            record: Some(record),
        });
        let rows: Vec<_> = rows.collect();
        let chunks = rows.chunks(CHUNK).map(|rows| {
            Message::Chunk(ImportChunk {
                rows: rows.to_vec(),
            })
        });
        let start = Message::Start(ImportStart {
            creditor_id: creditor_id.to_owned(),
            import_id: import_id.to_owned(),
        });
        let messages: Vec<_> = std::iter::once(start)
            .chain(chunks)
            .map(|message| ImportLedgerRequest {
                message: Some(message),
            })
            .collect();
        let answers = self.imports.import_ledger(tokio_stream::iter(messages));
        let mut answers = answers.await.expect("an import").into_inner();
        let mut token = String::new();
        while let Some(answer) = answers.message().await.expect("an answer") {
            assert!(answer.refused.is_empty(), "{:?}", answer.refused.first());
            token = answer.consistency_token;
        }
        token
    }
}
