//! Reading items.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        CreateCreditNoteRequest, CreateInvoiceRequest, GetItemRequest, Item, ItemKind,
        ListItemsRequest,
    },
};
use tonic::{Code, Status, transport::Channel};

use super::books::{Books, cents, invoice, part};
use crate::conformance::{Outcome, assert_refused, assert_violates, date};

/// What a write answers is what is read, in every way.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn items_are_read_with_what_settled_them(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-read").await?;
    let posted = CreateInvoiceRequest {
        request_id: "first".to_owned(),
        invoice: Some(invoice("acc-read", "i1", 5_000, date(2026, 2, 14))),
    };
    let token = books
        .client
        .create_invoice(posted)
        .await?
        .into_inner()
        .consistency_token;
    assert!(!token.is_empty());
    books
        .pay("i1", 5_000, date(2026, 2, 1), vec![part("i1", 5_000)])
        .await?;
    let get = |kind: ItemKind, at_least: &str| GetItemRequest {
        creditor_id: "acc-read".to_owned(),
        kind: kind.into(),
        item_id: "i1".to_owned(),
        at_least: at_least.to_owned(),
    };
    let read = books
        .client
        .get_item(get(ItemKind::Invoice, &token))
        .await?
        .into_inner()
        .item
        .unwrap_or_default();
    assert_eq!((read.version, read.entries.len()), (2, 1));
    let paid = books
        .client
        .get_item(get(ItemKind::Payment, ""))
        .await?
        .into_inner()
        .item
        .unwrap_or_default();
    assert_eq!(
        (paid.kind(), paid.item_id.as_str()),
        (ItemKind::Payment, "i1"),
        "kinds have keys of their own"
    );
    let all = ListItemsRequest {
        creditor_id: "acc-read".to_owned(),
        at_least: token,
        ..ListItemsRequest::default()
    };
    assert_eq!(
        books.client.list_items(all).await?.into_inner().items,
        [read, paid]
    );

    let none = books.client.get_item(get(ItemKind::CreditNote, "")).await;
    assert_refused(none, Code::NotFound, ErrorReason::ResourceNotFound);
    let no_token = books
        .client
        .get_item(get(ItemKind::Invoice, "no-token"))
        .await;
    assert_violates(no_token, &["at_least"]);
    let wrong = GetItemRequest {
        item_id: "a b".to_owned(),
        creditor_id: String::new(),
        ..get(ItemKind::Unspecified, "")
    };
    assert_violates(
        books.client.get_item(wrong).await,
        &["creditor_id", "kind", "item_id"],
    );
    Ok(())
}

/// Ids of all pages of two items, as `kind id`.
async fn list(books: &mut Books, request: ListItemsRequest) -> Result<Vec<String>, Status> {
    let mut ids = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = ListItemsRequest {
            page_size: 2,
            page_token,
            ..request.clone()
        };
        let page = books.client.list_items(page).await?.into_inner();
        assert!((1..=2).contains(&page.items.len()) || ids.is_empty());
        ids.extend(
            page.items
                .iter()
                .map(|item| format!("{} {}", item.kind, item.item_id)),
        );
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(ids);
        }
    }
}

/// All filters, two items at a time.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn items_are_listed_page_by_page(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-list").await?;
    for id in ["i2", "i1", "i3"] {
        books.invoice(id, 1_000, date(2026, 2, 14)).await?;
    }
    let of_other = Item {
        debtor_id: "d2".to_owned(),
        ..invoice("acc-list", "i4", 1_000, date(2026, 2, 14))
    };
    books.post_invoice(of_other).await?;
    books
        .pay("p1", 1_000, date(2026, 2, 1), vec![part("i2", 1_000)])
        .await?;
    let credit_note = Some(Item {
        due_date: None,
        ..invoice("acc-list", "c1", 10, date(2026, 2, 14))
    });
    let request = CreateCreditNoteRequest {
        request_id: "c".to_owned(),
        credit_note,
        allocations: vec![],
    };
    let noted = books
        .client
        .create_credit_note(request)
        .await?
        .into_inner()
        .credit_note
        .unwrap_or_default();
    assert_eq!(cents(noted.open_amount.as_ref()), 10);

    let all = ListItemsRequest {
        creditor_id: "acc-list".to_owned(),
        ..ListItemsRequest::default()
    };
    assert_eq!(
        list(&mut books, all.clone()).await?,
        ["2 c1", "1 i1", "1 i2", "1 i3", "1 i4", "3 p1"]
    );
    let of_debtor = ListItemsRequest {
        debtor_id: "d1".to_owned(),
        ..all.clone()
    };
    assert_eq!(
        list(&mut books, of_debtor.clone()).await?,
        ["2 c1", "1 i1", "1 i2", "1 i3", "3 p1"]
    );
    let open = ListItemsRequest {
        open_only: true,
        ..of_debtor
    };
    assert_eq!(
        list(&mut books, open.clone()).await?,
        ["2 c1", "1 i1", "1 i3"]
    );
    let open_invoices = ListItemsRequest {
        kind: ItemKind::Invoice.into(),
        debtor_id: String::new(),
        ..open
    };
    assert_eq!(
        list(&mut books, open_invoices).await?,
        ["1 i1", "1 i3", "1 i4"]
    );

    wrong_lists_are_refused(&mut books, all).await
}

async fn wrong_lists_are_refused(books: &mut Books, all: ListItemsRequest) -> Outcome {
    let first = ListItemsRequest {
        page_size: 1,
        ..all.clone()
    };
    let page_token = books
        .client
        .list_items(first)
        .await?
        .into_inner()
        .next_page_token;
    let other_filter = ListItemsRequest {
        open_only: true,
        page_token,
        ..all
    };
    let refused = books.client.list_items(other_filter).await;
    assert_refused(
        refused,
        Code::InvalidArgument,
        ErrorReason::InvalidPageToken,
    );
    let wrong = ListItemsRequest {
        creditor_id: String::new(),
        debtor_id: "ä".to_owned(),
        kind: 99,
        page_size: -1,
        ..ListItemsRequest::default()
    };
    assert_violates(
        books.client.list_items(wrong).await,
        &["creditor_id", "debtor_id", "kind", "page_size"],
    );
    for (creditor_id, debtor_id) in [("nobody", ""), ("acc-list", "nobody")] {
        let unknown = ListItemsRequest {
            creditor_id: creditor_id.to_owned(),
            debtor_id: debtor_id.to_owned(),
            ..ListItemsRequest::default()
        };
        assert_refused(
            books.client.list_items(unknown).await,
            Code::NotFound,
            ErrorReason::ResourceNotFound,
        );
    }
    Ok(())
}
