//! Requests with everything wrong at once.

use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{
        AllocateCreditRequest, Allocation, CreateCreditNoteRequest, CreateInvoiceRequest,
        CreatePaymentRequest, Item, ItemKind, ReverseEntryRequest, ReverseItemRequest,
        WriteOffInvoiceRequest, account_service_client::AccountServiceClient,
    },
};
use tonic::transport::Channel;

use super::books::{eur, invoice, part};
use crate::conformance::{Outcome, assert_violates, date};

type Client = AccountServiceClient<Channel>;

/// Every method that posts.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn every_wrong_field_of_a_posting_is_named(channel: Channel) -> Outcome {
    let mut client = Client::new(channel);
    wrong_creates_are_refused(&mut client).await;
    wrong_references_are_refused(&mut client).await;
    Ok(())
}

/// A currency without a minor unit.
fn gold(minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "XAU".to_owned(),
        minor_units,
    })
}

fn no_day() -> Option<Date> {
    Some(date(0, 1, 1))
}

fn wrong_item(kind: ItemKind) -> Item {
    let long = "x".repeat(100_000);
    Item {
        debtor_id: "a/b".to_owned(),
        item_id: long.clone(),
        kind: kind.into(),
        amount: gold(-1),
        document_date: no_day(),
        value_date: Some(date(10_000, 1, 1)),
        discount_date: no_day(),
        discount_bps: 10_001,
        reference: long,
        ..Item::default()
    }
}

/// The wrong fields of [`wrong_item`]: those of every kind, those of its own kind, and others of the request.
fn fields_of(item: &str, own: &[&str], others: &[&str]) -> Vec<String> {
    let common = [
        "creditor_id",
        "debtor_id",
        "item_id",
        "kind",
        "document_date",
        "reference",
        "amount.currency_code",
        "amount.minor_units",
    ];
    let within = common
        .iter()
        .chain(own)
        .map(|field| format!("{item}.{field}"));
    within
        .chain(others.iter().map(|field| (*field).to_owned()))
        .collect()
}

fn texts(fields: &[String]) -> Vec<&str> {
    fields.iter().map(String::as_str).collect()
}

async fn wrong_creates_are_refused(client: &mut Client) {
    let request = CreateInvoiceRequest {
        request_id: String::new(),
        invoice: Some(wrong_item(ItemKind::Payment)),
    };
    let own = ["due_date", "discount_date", "discount_bps"];
    let fields = fields_of("invoice", &own, &["request_id"]);
    assert_violates(client.create_invoice(request).await, &texts(&fields));

    let allocations = vec![
        Allocation {
            invoice_id: "i1".to_owned(),
            amount: eur(0),
            discount: gold(-1),
        },
        Allocation {
            invoice_id: "i1".to_owned(),
            amount: None,
            discount: None,
        },
    ];
    let of_allocations = [
        "allocations[0].amount.minor_units",
        "allocations[0].discount.currency_code",
        "allocations[0].discount.minor_units",
        "allocations[1].invoice_id",
        "allocations[1].amount",
        "request_id",
    ];
    let request = CreatePaymentRequest {
        request_id: "a b".to_owned(),
        payment: Some(wrong_item(ItemKind::Invoice)),
        allocations,
    };
    let fields = fields_of("payment", &["value_date"], &of_allocations);
    assert_violates(client.create_payment(request).await, &texts(&fields));

    let many = (0..501)
        .map(|number| part(&format!("i{number}"), 1))
        .collect();
    let request = CreateCreditNoteRequest {
        request_id: "r".to_owned(),
        credit_note: None,
        allocations: many,
    };
    assert_violates(
        client.create_credit_note(request.clone()).await,
        &["credit_note"],
    );
    let credit_note = Some(Item {
        creditor_id: "c".to_owned(),
        ..invoice("c", "n", 1, date(2026, 1, 1))
    });
    let request = CreateCreditNoteRequest {
        credit_note,
        ..request
    };
    assert_violates(client.create_credit_note(request).await, &["allocations"]);
}

async fn wrong_references_are_refused(client: &mut Client) {
    let request = AllocateCreditRequest {
        credit_kind: 99,
        ..AllocateCreditRequest::default()
    };
    let fields = [
        "request_id",
        "creditor_id",
        "credit_kind",
        "credit_id",
        "allocations",
    ];
    assert_violates(client.allocate_credit(request).await, &fields);
    let request = ReverseItemRequest {
        value_date: no_day(),
        ..ReverseItemRequest::default()
    };
    let fields = ["request_id", "creditor_id", "kind", "item_id", "value_date"];
    assert_violates(client.reverse_item(request).await, &fields);
    let request = ReverseEntryRequest {
        value_date: no_day(),
        ..ReverseEntryRequest::default()
    };
    let fields = [
        "request_id",
        "creditor_id",
        "invoice_id",
        "entry_id",
        "value_date",
    ];
    assert_violates(client.reverse_entry(request).await, &fields);
    let request = WriteOffInvoiceRequest {
        amount: gold(0),
        ..WriteOffInvoiceRequest::default()
    };
    let fields = [
        "request_id",
        "creditor_id",
        "invoice_id",
        "amount.currency_code",
        "amount.minor_units",
    ];
    assert_violates(client.write_off_invoice(request).await, &fields);
}
