//! The books of one creditor, with shorthand for the calls that fill and read them.

use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{
        AllocateCreditRequest, Allocation, Balance, CreateInvoiceRequest, CreatePaymentRequest,
        GetBalanceRequest, GetItemRequest, Item, ItemKind, OpenBusinessDayRequest,
        ReverseEntryRequest, ReverseItemRequest, WriteOffInvoiceRequest,
        account_service_client::AccountServiceClient,
        creditor_service_client::CreditorServiceClient,
    },
};
use tonic::{Response, Status, transport::Channel};

use crate::conformance::{create_debtor, date, open_creditor, sample_debtor};

/// The first business day of all books: a Monday.
pub(crate) fn first_day() -> Date {
    date(2026, 3, 2)
}

/// Euros, in cents.
pub(crate) fn eur(minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "EUR".to_owned(),
        minor_units,
    })
}

/// The cents of an amount in euros.
#[track_caller]
pub(crate) fn cents(money: Option<&Money>) -> i64 {
    assert_eq!(money.map(|money| money.currency_code.as_str()), Some("EUR"));
    money.map_or(0, |money| money.minor_units)
}

/// An invoice of debtor `d1`, dated 2026-01-15.
pub(crate) fn invoice(creditor_id: &str, item_id: &str, amount: i64, due_date: Date) -> Item {
    Item {
        creditor_id: creditor_id.to_owned(),
        debtor_id: "d1".to_owned(),
        item_id: item_id.to_owned(),
        amount: eur(amount),
        document_date: Some(date(2026, 1, 15)),
        due_date: Some(due_date),
        ..Item::default()
    }
}

/// A payment of debtor `d1`.
pub(crate) fn payment(creditor_id: &str, item_id: &str, amount: i64, value_date: Date) -> Item {
    Item {
        creditor_id: creditor_id.to_owned(),
        debtor_id: "d1".to_owned(),
        item_id: item_id.to_owned(),
        amount: eur(amount),
        value_date: Some(value_date),
        ..Item::default()
    }
}

/// A part of a payment for one invoice.
pub(crate) fn part(invoice_id: &str, amount: i64) -> Allocation {
    Allocation {
        invoice_id: invoice_id.to_owned(),
        amount: eur(amount),
        discount: None,
    }
}

/// A creditor with the debtors `d1` and `d2`.
pub(crate) struct Books {
    pub(crate) channel: Channel,
    pub(crate) client: AccountServiceClient<Channel>,
    pub(crate) creditor_id: String,
    requests: u32,
}

impl Books {
    pub(crate) async fn open(channel: Channel, creditor_id: &str) -> Result<Self, Status> {
        open_creditor(&channel, creditor_id, first_day()).await?;
        for debtor_id in ["d1", "d2"] {
            create_debtor(&channel, sample_debtor(creditor_id, debtor_id)).await?;
        }
        let client = AccountServiceClient::new(channel.clone());
        Ok(Self {
            channel,
            client,
            creditor_id: creditor_id.to_owned(),
            requests: 0,
        })
    }

    /// A request id that was not used before.
    pub(crate) fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("r{}", self.requests)
    }

    pub(crate) async fn open_day(&mut self, day: Date) -> Result<(), Status> {
        let request = OpenBusinessDayRequest {
            request_id: self.request_id(),
            creditor_id: self.creditor_id.clone(),
            business_date: Some(day),
        };
        CreditorServiceClient::new(self.channel.clone())
            .open_business_day(request)
            .await?;
        Ok(())
    }

    pub(crate) async fn post_invoice(&mut self, item: Item) -> Result<Item, Status> {
        let request = CreateInvoiceRequest {
            request_id: self.request_id(),
            invoice: Some(item),
        };
        Ok(self
            .client
            .create_invoice(request)
            .await?
            .into_inner()
            .invoice
            .unwrap_or_default())
    }

    /// Posts an invoice of `d1`.
    pub(crate) async fn invoice(
        &mut self,
        item_id: &str,
        amount: i64,
        due_date: Date,
    ) -> Result<Item, Status> {
        let item = invoice(&self.creditor_id, item_id, amount, due_date);
        self.post_invoice(item).await
    }

    pub(crate) async fn post_payment(
        &mut self,
        item: Item,
        allocations: Vec<Allocation>,
    ) -> Result<Item, Status> {
        let request = CreatePaymentRequest {
            request_id: self.request_id(),
            payment: Some(item),
            allocations,
        };
        Ok(self
            .client
            .create_payment(request)
            .await?
            .into_inner()
            .payment
            .unwrap_or_default())
    }

    /// Posts a payment of `d1`.
    pub(crate) async fn pay(
        &mut self,
        item_id: &str,
        amount: i64,
        value_date: Date,
        allocations: Vec<Allocation>,
    ) -> Result<Item, Status> {
        let item = payment(&self.creditor_id, item_id, amount, value_date);
        self.post_payment(item, allocations).await
    }

    pub(crate) async fn allocate(
        &mut self,
        payment_id: &str,
        allocations: Vec<Allocation>,
    ) -> Result<Item, Status> {
        let request = AllocateCreditRequest {
            request_id: self.request_id(),
            creditor_id: self.creditor_id.clone(),
            credit_kind: ItemKind::Payment.into(),
            credit_id: payment_id.to_owned(),
            allocations,
        };
        Ok(self
            .client
            .allocate_credit(request)
            .await?
            .into_inner()
            .credit
            .unwrap_or_default())
    }

    pub(crate) async fn reverse(
        &mut self,
        kind: ItemKind,
        item_id: &str,
        value_date: Option<Date>,
    ) -> Result<Item, Status> {
        let request = ReverseItemRequest {
            request_id: self.request_id(),
            creditor_id: self.creditor_id.clone(),
            kind: kind.into(),
            item_id: item_id.to_owned(),
            value_date,
        };
        Ok(self
            .client
            .reverse_item(request)
            .await?
            .into_inner()
            .item
            .unwrap_or_default())
    }

    pub(crate) async fn reverse_entry(
        &mut self,
        invoice_id: &str,
        entry_id: &str,
        value_date: Option<Date>,
    ) -> Result<Item, Status> {
        let request = ReverseEntryRequest {
            request_id: self.request_id(),
            creditor_id: self.creditor_id.clone(),
            invoice_id: invoice_id.to_owned(),
            entry_id: entry_id.to_owned(),
            value_date,
        };
        Ok(self
            .client
            .reverse_entry(request)
            .await?
            .into_inner()
            .invoice
            .unwrap_or_default())
    }

    pub(crate) async fn write_off(
        &mut self,
        invoice_id: &str,
        amount: Option<Money>,
    ) -> Result<Item, Status> {
        let request = WriteOffInvoiceRequest {
            request_id: self.request_id(),
            creditor_id: self.creditor_id.clone(),
            invoice_id: invoice_id.to_owned(),
            amount,
        };
        Ok(self
            .client
            .write_off_invoice(request)
            .await?
            .into_inner()
            .invoice
            .unwrap_or_default())
    }

    pub(crate) async fn item(&mut self, kind: ItemKind, item_id: &str) -> Result<Item, Status> {
        let request = GetItemRequest {
            creditor_id: self.creditor_id.clone(),
            kind: kind.into(),
            item_id: item_id.to_owned(),
            at_least: String::new(),
        };
        Ok(self
            .client
            .get_item(request)
            .await?
            .into_inner()
            .item
            .unwrap_or_default())
    }

    /// What is open on an invoice, in cents.
    pub(crate) async fn open_on(&mut self, invoice_id: &str) -> Result<i64, Status> {
        let item = self.item(ItemKind::Invoice, invoice_id).await?;
        Ok(cents(item.open_amount.as_ref()))
    }

    /// The balances of a debtor.
    pub(crate) async fn balances(
        &mut self,
        debtor_id: &str,
        as_of: Option<Date>,
        known_at: Option<Date>,
    ) -> Result<Vec<Balance>, Status> {
        let request = GetBalanceRequest {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            as_of,
            known_at,
            at_least: String::new(),
        };
        Ok(self
            .client
            .get_balance(request)
            .await?
            .into_inner()
            .balances)
    }

    /// What `d1` owes and what it has paid in advance, in cents.
    pub(crate) async fn owed(
        &mut self,
        as_of: Date,
        known_at: Option<Date>,
    ) -> Result<(i64, i64), Status> {
        let balances = self.balances("d1", Some(as_of), known_at).await?;
        assert!(balances.len() <= 1, "one currency");
        Ok(balances.first().map_or((0, 0), |balance| {
            (
                cents(balance.receivable.as_ref()),
                cents(balance.unallocated.as_ref()),
            )
        }))
    }
}

/// A result as the refusal checks want it.
pub(crate) fn answered<T>(result: Result<T, Status>) -> Result<Response<T>, Status> {
    result.map(Response::new)
}
