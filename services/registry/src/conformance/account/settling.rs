//! What settles invoices.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        Allocation, CreateCreditNoteRequest, Entry, EntryKind, GetDebtorRequest, Item, ItemKind,
        ListItemsRequest, ListTimelineRequest, Relationship,
        debtor_service_client::DebtorServiceClient,
    },
};
use tonic::{Code, transport::Channel};

use super::books::{Books, answered, cents, eur, first_day, invoice, part};
use crate::conformance::{Outcome, assert_refused, create_debtor, date, sample_debtor};

/// Kind and cents of entries.
fn summary(entries: &[Entry]) -> Vec<(EntryKind, i64)> {
    entries
        .iter()
        .map(|entry| (entry.kind(), cents(entry.amount.as_ref())))
        .collect()
}

/// Two payments, of which the second is too large.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn payments_in_parts_settle_an_invoice(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-parts").await?;
    let posted = books.invoice("i1", 10_000, date(2026, 2, 14)).await?;
    let expected = Item {
        kind: ItemKind::Invoice.into(),
        open_amount: eur(10_000),
        value_date: Some(date(2026, 1, 15)),
        recorded_date: Some(first_day()),
        version: 1,
        ..invoice("acc-parts", "i1", 10_000, date(2026, 2, 14))
    };
    assert_eq!(posted, expected);

    books
        .pay("p1", 6_000, date(2026, 2, 10), vec![part("i1", 6_000)])
        .await?;
    assert_eq!(books.open_on("i1").await?, 4_000);
    let second = books
        .pay("p2", 5_000, date(2026, 2, 20), vec![part("i1", 4_000)])
        .await?;
    assert_eq!(
        cents(second.open_amount.as_ref()),
        1_000,
        "the rest stays unallocated"
    );
    assert_eq!(
        second.document_date,
        Some(date(2026, 2, 20)),
        "the value date if absent"
    );
    assert_eq!(second.entries, [], "entries are told with invoices");

    let settled = books.item(ItemKind::Invoice, "i1").await?;
    assert_eq!(
        (cents(settled.open_amount.as_ref()), settled.version),
        (0, 3)
    );
    let allocation = EntryKind::Allocation;
    assert_eq!(
        summary(&settled.entries),
        [(allocation, 6_000), (allocation, 4_000)]
    );
    let entry = settled.entries.first().cloned().unwrap_or_default();
    let expected = Entry {
        entry_id: entry.entry_id.clone(),
        kind: EntryKind::Allocation.into(),
        amount: eur(6_000),
        credit_kind: ItemKind::Payment.into(),
        credit_id: "p1".to_owned(),
        value_date: Some(date(2026, 2, 10)),
        recorded_date: Some(first_day()),
        reverses_entry_id: String::new(),
    };
    assert_eq!(entry, expected);
    assert!(!entry.entry_id.is_empty());
    assert_eq!(
        timeline(&books).await?,
        [
            "allocated",
            "created",
            "created",
            "created",
            "created",
            "settled"
        ]
    );
    Ok(())
}

/// What was done with `d1`, sorted.
async fn timeline(books: &Books) -> Result<Vec<String>, tonic::Status> {
    let request = ListTimelineRequest {
        creditor_id: books.creditor_id.clone(),
        debtor_id: "d1".to_owned(),
        ..ListTimelineRequest::default()
    };
    let listed = DebtorServiceClient::new(books.channel.clone())
        .list_timeline(request)
        .await?
        .into_inner();
    let mut actions: Vec<String> = listed
        .entries
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    actions.sort_unstable();
    Ok(actions)
}

/// The money comes before the invoice; nothing is settled before both are there.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_prepayment_waits_for_its_invoice(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-prepaid").await?;
    let paid = books.pay("p1", 5_000, date(2026, 1, 5), vec![]).await?;
    assert_eq!(cents(paid.open_amount.as_ref()), 5_000);
    books.invoice("i1", 3_000, date(2026, 2, 14)).await?;
    let allocated = books.allocate("p1", vec![part("i1", 3_000)]).await?;
    assert_eq!(
        (cents(allocated.open_amount.as_ref()), allocated.version),
        (2_000, 2)
    );
    let settled = books.item(ItemKind::Invoice, "i1").await?;
    let value_date = settled.entries.first().and_then(|entry| entry.value_date);
    assert_eq!(
        value_date,
        Some(date(2026, 1, 15)),
        "not before the invoice"
    );
    assert_eq!(books.owed(date(2026, 1, 14), None).await?, (0, 5_000));
    assert_eq!(books.owed(date(2026, 1, 15), None).await?, (0, 2_000));

    let too_much = books.allocate("p1", vec![part("i1", 1)]).await;
    assert_refused(
        answered(too_much),
        Code::FailedPrecondition,
        ErrorReason::ExceedsOpenAmount,
    );
    Ok(())
}

/// Two percent for paying early.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_discount_settles_the_rest(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-discount").await?;
    let with_discount = Item {
        discount_date: Some(date(2026, 1, 29)),
        discount_bps: 200,
        reference: "order 7".to_owned(),
        ..invoice("acc-discount", "i1", 100_000, date(2026, 2, 14))
    };
    let posted = books.post_invoice(with_discount).await?;
    assert_eq!(
        (posted.discount_date, posted.discount_bps),
        (Some(date(2026, 1, 29)), 200)
    );
    assert_eq!(posted.reference, "order 7");
    let allocation = Allocation {
        discount: eur(2_000),
        ..part("i1", 98_000)
    };
    let paid = books
        .pay("p1", 98_000, date(2026, 1, 28), vec![allocation])
        .await?;
    assert_eq!(
        cents(paid.open_amount.as_ref()),
        0,
        "a discount uses nothing of the payment"
    );
    let settled = books.item(ItemKind::Invoice, "i1").await?;
    assert_eq!(cents(settled.open_amount.as_ref()), 0);
    assert_eq!(
        summary(&settled.entries),
        [
            (EntryKind::Allocation, 98_000),
            (EntryKind::Discount, 2_000)
        ]
    );
    Ok(())
}

/// A credit note settles one invoice in part; it grants no discount.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_credit_note_settles_without_discount(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-credit-note").await?;
    books.invoice("i1", 5_000, date(2026, 2, 14)).await?;
    let note = Item {
        due_date: None,
        ..invoice("acc-credit-note", "i1", 2_000, date(2026, 2, 14))
    };
    let request = |request_id: &str, allocation| CreateCreditNoteRequest {
        request_id: request_id.to_owned(),
        credit_note: Some(note.clone()),
        allocations: vec![allocation],
    };
    let with_discount = Allocation {
        discount: eur(1),
        ..part("i1", 1_500)
    };
    let refused = books
        .client
        .create_credit_note(request("n1", with_discount))
        .await;
    crate::conformance::assert_violates(refused, &["allocations[0].discount"]);

    let posted = books
        .client
        .create_credit_note(request("n2", part("i1", 1_500)))
        .await?
        .into_inner();
    let posted = posted.credit_note.unwrap_or_default();
    assert_eq!(posted.kind(), ItemKind::CreditNote);
    assert_eq!(
        posted.value_date,
        Some(date(2026, 1, 15)),
        "the document date"
    );
    assert_eq!(cents(posted.open_amount.as_ref()), 500);
    assert_eq!(books.open_on("i1").await?, 3_500);
    Ok(())
}

/// First a part, then the rest, then nothing is left to give up.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_write_off_gives_up_what_is_open(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-write-off").await?;
    books.invoice("i1", 10_000, date(2026, 2, 14)).await?;
    let part_written_off = books.write_off("i1", eur(3_000)).await?;
    assert_eq!(cents(part_written_off.open_amount.as_ref()), 7_000);
    let gone = books.write_off("i1", None).await?;
    assert_eq!(cents(gone.open_amount.as_ref()), 0);
    assert_eq!(
        summary(&gone.entries),
        [(EntryKind::WriteOff, 3_000), (EntryKind::WriteOff, 7_000)]
    );
    assert!(
        gone.entries
            .iter()
            .all(|entry| entry.value_date == Some(first_day()))
    );
    assert!(gone.entries.iter().all(|entry| entry.credit_id.is_empty()));
    let again = books.write_off("i1", None).await;
    assert_refused(
        answered(again),
        Code::FailedPrecondition,
        ErrorReason::ExceedsOpenAmount,
    );
    let entry_id = gone
        .entries
        .first()
        .map(|entry| entry.entry_id.clone())
        .unwrap_or_default();
    let reopened = books.reverse_entry("i1", &entry_id, None).await?;
    assert_eq!(cents(reopened.open_amount.as_ref()), 3_000);
    Ok(())
}

/// A bulk payment, and its return.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn one_payment_settles_three_hundred_invoices(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-bulk").await?;
    let ids: Vec<String> = (1..=300).map(|number| format!("i{number:03}")).collect();
    for id in &ids {
        books.invoice(id, 1_000, date(2026, 2, 14)).await?;
    }
    let parts = ids.iter().map(|id| part(id, 1_000)).collect();
    let paid = books.pay("p1", 300_000, date(2026, 2, 20), parts).await?;
    assert_eq!(cents(paid.open_amount.as_ref()), 0);
    let open = ListItemsRequest {
        creditor_id: "acc-bulk".to_owned(),
        debtor_id: "d1".to_owned(),
        kind: ItemKind::Invoice.into(),
        open_only: true,
        page_size: 1_000,
        ..ListItemsRequest::default()
    };
    assert_eq!(
        books
            .client
            .list_items(open.clone())
            .await?
            .into_inner()
            .items
            .len(),
        0
    );
    books.reverse(ItemKind::Payment, "p1", None).await?;
    let reopened = books.client.list_items(open).await?.into_inner().items;
    assert_eq!(reopened.len(), 300);
    assert!(
        reopened
            .iter()
            .all(|item| item.version == 3 && item.entries.len() == 2)
    );
    Ok(())
}

/// Only the first invoice does, and a payment does not.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn the_first_invoice_makes_a_prospect_a_customer(channel: Channel) -> Outcome {
    let mut books = Books::open(channel.clone(), "acc-prospect").await?;
    let mut prospect = sample_debtor("acc-prospect", "p");
    prospect.set_relationship(Relationship::Prospect);
    create_debtor(&channel, prospect).await?;
    let mut debtors = DebtorServiceClient::new(channel);
    let get = GetDebtorRequest {
        creditor_id: "acc-prospect".to_owned(),
        debtor_id: "p".to_owned(),
        at_least: String::new(),
    };
    let of_prospect = |item: Item| Item {
        debtor_id: "p".to_owned(),
        ..item
    };
    let advance = super::books::payment("acc-prospect", "p1", 100, date(2026, 2, 1));
    books.post_payment(of_prospect(advance), vec![]).await?;
    let paid = debtors
        .get_debtor(get.clone())
        .await?
        .into_inner()
        .debtor
        .unwrap_or_default();
    assert_eq!(
        (paid.relationship(), paid.version),
        (Relationship::Prospect, 1)
    );
    for id in ["i1", "i2"] {
        books
            .post_invoice(of_prospect(invoice(
                "acc-prospect",
                id,
                100,
                date(2026, 2, 14),
            )))
            .await?;
        let invoiced = debtors
            .get_debtor(get.clone())
            .await?
            .into_inner()
            .debtor
            .unwrap_or_default();
        assert_eq!(
            (invoiced.relationship(), invoiced.version),
            (Relationship::Customer, 2)
        );
    }
    Ok(())
}
