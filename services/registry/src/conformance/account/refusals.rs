//! What is not posted.

use mahnwerk_proto::{
    common::v1::{ErrorReason, Money},
    registry::v1::{
        AllocateCreditRequest, Allocation, CreateCreditorRequest, CreateInvoiceRequest,
        CreatePaymentRequest, GetBalanceRequest, Item, ItemKind,
        creditor_service_client::CreditorServiceClient,
    },
};
use tonic::{Code, transport::Channel};

use super::books::{Books, answered, invoice, part, payment};
use crate::conformance::{
    Outcome, assert_refused, create_debtor, date, metadata_of, sample_creditor, sample_debtor,
};

/// Creditors, debtors and items that are not there.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn unknown_things_are_not_found(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-unknown").await?;
    let due = date(2026, 2, 14);
    let no_creditor = books.post_invoice(invoice("nobody", "i1", 100, due)).await;
    let no_debtor = Item {
        debtor_id: "nobody".to_owned(),
        ..invoice("acc-unknown", "i1", 100, due)
    };
    let no_debtor = books.post_invoice(no_debtor).await;
    let no_invoice = books.pay("p1", 100, due, vec![part("i1", 100)]).await;
    let no_payment = books.allocate("p1", vec![part("i1", 100)]).await;
    let nothing_to_reverse = books.reverse(ItemKind::CreditNote, "c1", None).await;
    let nothing_to_undo = books.reverse_entry("i1", "e1", None).await;
    let nothing_to_write_off = books.write_off("i1", None).await;
    for (result, resource, id) in [
        (no_creditor, "creditor", "nobody"),
        (no_debtor, "debtor", "nobody"),
        (no_invoice, "invoice", "i1"),
        (no_payment, "payment", "p1"),
        (nothing_to_reverse, "credit_note", "c1"),
        (nothing_to_undo, "invoice", "i1"),
        (nothing_to_write_off, "invoice", "i1"),
    ] {
        let told = result
            .as_ref()
            .err()
            .map(|status| (metadata_of(status, "resource"), metadata_of(status, "id")));
        assert_eq!(told, Some((resource.to_owned(), id.to_owned())));
        assert_refused(
            answered(result),
            Code::NotFound,
            ErrorReason::ResourceNotFound,
        );
    }
    let unknown = GetBalanceRequest {
        creditor_id: "acc-unknown".to_owned(),
        debtor_id: "nobody".to_owned(),
        ..GetBalanceRequest::default()
    };
    assert_refused(
        books.client.get_balance(unknown).await,
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    Ok(())
}

/// A number is taken, be it by another debtor; a payment may carry the number of an invoice.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn keys_are_unique_per_creditor_and_kind(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-unique").await?;
    let item = invoice("acc-unique", "x1", 100, date(2026, 2, 14));
    books.post_invoice(item.clone()).await?;
    for debtor_id in ["d1", "d2"] {
        let again = books
            .post_invoice(Item {
                debtor_id: debtor_id.to_owned(),
                ..item.clone()
            })
            .await;
        assert_refused(
            answered(again),
            Code::AlreadyExists,
            ErrorReason::ResourceExists,
        );
    }
    books
        .pay("x1", 100, date(2026, 2, 1), vec![part("x1", 100)])
        .await?;
    assert_eq!(books.open_on("x1").await?, 0);
    Ok(())
}

/// Two debtors have different locks, so these calls do run at the same time.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_number_that_two_debtors_want_at_once_is_given_once(channel: Channel) -> Outcome {
    let books = Books::open(channel, "acc-race").await?;
    for number in 0..10 {
        let calls = ["d1", "d2", "d1", "d2"]
            .into_iter()
            .enumerate()
            .map(|(index, debtor_id)| {
                let mut client = books.client.clone();
                let item = invoice("acc-race", &format!("i{number}"), 100, date(2026, 2, 14));
                let request = CreateInvoiceRequest {
                    request_id: format!("race-{number}-{index}"),
                    invoice: Some(Item {
                        debtor_id: debtor_id.to_owned(),
                        ..item
                    }),
                };
                async move { client.create_invoice(request).await }
            });
        let results = futures::future::join_all(calls).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for refused in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(
                matches!(refused.code(), Code::AlreadyExists | Code::Aborted),
                "{refused:?}"
            );
        }
    }
    Ok(())
}

/// Neither debtors nor currencies are mixed, and nothing more is used than there is. A refused payment leaves no trace.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn items_must_match(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-match").await?;
    let due = date(2026, 2, 14);
    books.invoice("mine", 100, due).await?;
    let others = Item {
        debtor_id: "d2".to_owned(),
        ..invoice("acc-match", "others", 100, due)
    };
    books.post_invoice(others).await?;
    let francs = |minor_units| {
        Some(Money {
            currency_code: "CHF".to_owned(),
            minor_units,
        })
    };
    let in_francs = Item {
        amount: francs(100),
        ..invoice("acc-match", "francs", 0, due)
    };
    books.post_invoice(in_francs).await?;

    let of_other_debtor = books
        .pay("p1", 100, due, vec![part("mine", 50), part("others", 50)])
        .await;
    let other_currency = books.pay("p1", 100, due, vec![part("francs", 50)]).await;
    let wrong_part = Allocation {
        amount: francs(50),
        ..part("mine", 0)
    };
    let part_in_francs = books.pay("p1", 100, due, vec![wrong_part]).await;
    let written_off_in_francs = books.write_off("mine", francs(50)).await;
    for result in [
        of_other_debtor,
        other_currency,
        part_in_francs,
        written_off_in_francs,
    ] {
        assert_refused(
            answered(result),
            Code::FailedPrecondition,
            ErrorReason::ItemsDoNotMatch,
        );
    }
    let more_than_owed = books.pay("p1", 500, due, vec![part("mine", 101)]).await;
    let status = more_than_owed.as_ref().err();
    let told = status.map(|status| (metadata_of(status, "open"), metadata_of(status, "wanted")));
    assert_eq!(told, Some(("100".to_owned(), "101".to_owned())));
    assert_refused(
        answered(more_than_owed),
        Code::FailedPrecondition,
        ErrorReason::ExceedsOpenAmount,
    );
    let more_than_paid = books.pay("p1", 50, due, vec![part("mine", 51)]).await;
    assert_refused(
        answered(more_than_paid),
        Code::FailedPrecondition,
        ErrorReason::ExceedsOpenAmount,
    );

    let nothing = books.item(ItemKind::Payment, "p1").await;
    assert_refused(
        answered(nothing),
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    assert_eq!(books.item(ItemKind::Invoice, "mine").await?.version, 1);
    Ok(())
}

/// Recorded dates are business dates, so there must be one.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn nothing_is_posted_without_a_business_day(channel: Channel) -> Outcome {
    let create = CreateCreditorRequest {
        request_id: "closed".to_owned(),
        creditor: Some(sample_creditor("acc-closed")),
    };
    CreditorServiceClient::new(channel.clone())
        .create_creditor(create)
        .await?;
    create_debtor(&channel, sample_debtor("acc-closed", "d1")).await?;
    let mut client =
        mahnwerk_proto::registry::v1::account_service_client::AccountServiceClient::new(channel);
    let request = CreateInvoiceRequest {
        request_id: "i1".to_owned(),
        invoice: Some(invoice("acc-closed", "i1", 100, date(2026, 2, 14))),
    };
    let refused = client.create_invoice(request).await;
    assert_refused(
        refused,
        Code::FailedPrecondition,
        ErrorReason::NoBusinessDay,
    );
    let mut balance = GetBalanceRequest {
        creditor_id: "acc-closed".to_owned(),
        debtor_id: "d1".to_owned(),
        ..GetBalanceRequest::default()
    };
    let refused = client.get_balance(balance.clone()).await;
    assert_refused(
        refused,
        Code::FailedPrecondition,
        ErrorReason::NoBusinessDay,
    );
    balance.as_of = Some(date(2026, 2, 1));
    assert_eq!(client.get_balance(balance).await?.into_inner().balances, []);
    Ok(())
}

/// The same answer to the same call, a refusal for other content, one effect on the account.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_repeated_posting_has_one_effect(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-repeat").await?;
    books.invoice("i1", 1_000, date(2026, 2, 14)).await?;
    let request = CreatePaymentRequest {
        request_id: "once".to_owned(),
        payment: Some(payment("acc-repeat", "p1", 1_000, date(2026, 2, 1))),
        allocations: vec![part("i1", 600)],
    };
    let first = books
        .client
        .create_payment(request.clone())
        .await?
        .into_inner();
    let allocate = AllocateCreditRequest {
        request_id: "once".to_owned(),
        creditor_id: "acc-repeat".to_owned(),
        credit_kind: ItemKind::Payment.into(),
        credit_id: "p1".to_owned(),
        allocations: vec![part("i1", 100)],
    };
    let allocated = books
        .client
        .allocate_credit(allocate.clone())
        .await?
        .into_inner();
    assert_eq!(
        books
            .client
            .create_payment(request.clone())
            .await?
            .into_inner(),
        first,
        "as it was then"
    );
    assert_eq!(
        books
            .client
            .allocate_credit(allocate.clone())
            .await?
            .into_inner(),
        allocated
    );
    assert_eq!(books.open_on("i1").await?, 300);

    let other = CreatePaymentRequest {
        allocations: vec![part("i1", 601)],
        ..request
    };
    let reused = books.client.create_payment(other).await;
    assert_refused(reused, Code::AlreadyExists, ErrorReason::RequestIdReused);
    let other = AllocateCreditRequest {
        credit_id: "not-there".to_owned(),
        ..allocate
    };
    let reused = books.client.allocate_credit(other).await;
    assert_refused(reused, Code::AlreadyExists, ErrorReason::RequestIdReused);
    Ok(())
}
