//! What undoes what was settled.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{Allocation, EntryKind, ItemKind},
};
use tonic::{Code, transport::Channel};

use super::books::{Books, answered, cents, eur, first_day, part};
use crate::conformance::{Outcome, assert_refused, assert_violates, date};

/// A returned direct debit over three invoices.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_reversed_payment_reopens_three_invoices(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-returned").await?;
    let ids = ["i1", "i2", "i3"];
    for id in ids {
        books.invoice(id, 2_000, date(2026, 2, 14)).await?;
    }
    let parts = ids.iter().map(|id| part(id, 2_000)).collect();
    books.pay("p1", 7_000, date(2026, 2, 20), parts).await?;
    let reversed = books.reverse(ItemKind::Payment, "p1", None).await?;
    assert!(reversed.reversed);
    assert_eq!(
        (cents(reversed.open_amount.as_ref()), reversed.version),
        (0, 2),
        "it settles nothing any more"
    );
    for id in ids {
        let reopened = books.item(ItemKind::Invoice, id).await?;
        assert_eq!(
            (cents(reopened.open_amount.as_ref()), reopened.version),
            (2_000, 3)
        );
        let [settled, undone] = reopened.entries.as_slice() else {
            return Err(tonic::Status::internal("two entries expected"));
        };
        assert_eq!(undone.reverses_entry_id, settled.entry_id);
        assert_eq!(
            (undone.kind(), cents(undone.amount.as_ref())),
            (EntryKind::Allocation, -2_000)
        );
        assert_eq!(undone.value_date, Some(first_day()));
    }
    assert_eq!(
        books.owed(date(2026, 3, 1), None).await?,
        (0, 1_000),
        "before the return"
    );
    assert_eq!(
        books.owed(first_day(), None).await?,
        (6_000, 0),
        "after the return"
    );

    let again = books.reverse(ItemKind::Payment, "p1", None).await;
    assert_refused(
        answered(again),
        Code::FailedPrecondition,
        ErrorReason::AlreadyReversed,
    );
    let allocated = books.allocate("p1", vec![part("i1", 1)]).await;
    assert_refused(
        answered(allocated),
        Code::FailedPrecondition,
        ErrorReason::ExceedsOpenAmount,
    );
    Ok(())
}

/// The discount was for the payment.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_discount_is_undone_with_its_payment(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-undiscount").await?;
    books.invoice("i1", 10_000, date(2026, 2, 14)).await?;
    let allocation = Allocation {
        discount: eur(300),
        ..part("i1", 9_700)
    };
    books
        .pay("p1", 9_700, date(2026, 1, 20), vec![allocation])
        .await?;
    assert_eq!(books.open_on("i1").await?, 0);
    books
        .reverse(ItemKind::Payment, "p1", Some(date(2026, 1, 20)))
        .await?;
    let reopened = books.item(ItemKind::Invoice, "i1").await?;
    assert_eq!(cents(reopened.open_amount.as_ref()), 10_000);
    assert_eq!(reopened.entries.len(), 4);
    assert_eq!(
        books.owed(date(2026, 1, 20), None).await?,
        (10_000, 0),
        "reversed on its own value date"
    );
    Ok(())
}

/// An allocation is undone on its own value date, a day after it was posted.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn an_entry_is_undone_as_if_it_had_never_been(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-undone").await?;
    books.invoice("i1", 10_000, date(2026, 2, 14)).await?;
    books
        .pay("p1", 10_000, date(2026, 2, 1), vec![part("i1", 10_000)])
        .await?;
    let settled = books.item(ItemKind::Invoice, "i1").await?;
    let entry_id = settled
        .entries
        .first()
        .map(|entry| entry.entry_id.clone())
        .unwrap_or_default();
    let mid = date(2026, 2, 10);
    assert_eq!(books.owed(mid, None).await?, (0, 0));

    books.open_day(date(2026, 3, 3)).await?;
    let too_early = books
        .reverse_entry("i1", &entry_id, Some(date(2026, 1, 31)))
        .await;
    assert_violates(answered(too_early), &["value_date"]);
    let reopened = books
        .reverse_entry("i1", &entry_id, Some(date(2026, 2, 1)))
        .await?;
    assert_eq!(cents(reopened.open_amount.as_ref()), 10_000);
    assert_eq!(
        books.owed(mid, None).await?,
        (10_000, 10_000),
        "as if it had never been"
    );
    assert_eq!(
        books.owed(mid, Some(date(2026, 3, 2))).await?,
        (0, 0),
        "as it was known the day before"
    );
    assert_eq!(
        books.owed(mid, Some(date(2026, 3, 3))).await?,
        (10_000, 10_000)
    );

    let again = books.reverse_entry("i1", &entry_id, None).await;
    assert_refused(
        answered(again),
        Code::FailedPrecondition,
        ErrorReason::AlreadyReversed,
    );
    let undoing = reopened
        .entries
        .last()
        .map(|entry| entry.entry_id.clone())
        .unwrap_or_default();
    let of_an_undoing = books.reverse_entry("i1", &undoing, None).await;
    assert_violates(answered(of_an_undoing), &["entry_id"]);
    let unknown = books.reverse_entry("i1", "no-such-entry", None).await;
    assert_refused(
        answered(unknown),
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    Ok(())
}

/// Allocations come off first.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn only_an_invoice_without_allocations_is_reversed(channel: Channel) -> Outcome {
    let mut books = Books::open(channel, "acc-cancel").await?;
    books.invoice("i1", 10_000, date(2026, 2, 14)).await?;
    books
        .pay("p1", 10_000, date(2026, 2, 1), vec![part("i1", 10_000)])
        .await?;
    let refused = books.reverse(ItemKind::Invoice, "i1", None).await;
    assert_refused(
        answered(refused),
        Code::FailedPrecondition,
        ErrorReason::HasAllocations,
    );
    books.reverse(ItemKind::Payment, "p1", None).await?;
    let too_early = books
        .reverse(ItemKind::Invoice, "i1", Some(date(2026, 1, 14)))
        .await;
    assert_violates(answered(too_early), &["value_date"]);
    let cancelled = books.reverse(ItemKind::Invoice, "i1", None).await?;
    assert!(cancelled.reversed);
    assert_eq!(cents(cancelled.open_amount.as_ref()), 0);
    let last = cancelled
        .entries
        .last()
        .map(|entry| (entry.kind(), cents(entry.amount.as_ref())));
    assert_eq!(last, Some((EntryKind::Cancellation, 10_000)));
    let again = books.reverse(ItemKind::Invoice, "i1", None).await;
    assert_refused(
        answered(again),
        Code::FailedPrecondition,
        ErrorReason::AlreadyReversed,
    );
    Ok(())
}
