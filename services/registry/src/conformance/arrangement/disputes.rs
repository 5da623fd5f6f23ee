//! Disputes.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    registry::v1::{
        CloseDisputeRequest, Dispute, DisputeState, ListDisputesRequest, OpenDisputeRequest,
    },
};
use tonic::{Code, transport::Channel};

use super::agreements::{Agreements, dispute};
use crate::conformance::{
    Outcome,
    account::{answered, eur, part},
    assert_refused, assert_violates, date, metadata_of, reason_of,
};

/// From complaint to outcome; what is paid meanwhile changes nothing of it.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_dispute_is_opened_closed_and_listed(channel: Channel) -> Outcome {
    let mut made = Agreements::open(channel, "dispute-life").await?;
    for id in ["i1", "i2"] {
        made.books.invoice(id, 5_000, date(2026, 2, 14)).await?;
    }
    let request = OpenDisputeRequest {
        request_id: "open".to_owned(),
        dispute: Some(dispute("dispute-life", "D-1", "i1", eur(2_000))),
    };
    let answer = made
        .client
        .open_dispute(request.clone())
        .await?
        .into_inner();
    let opened = answer.dispute.clone().unwrap_or_default();
    let expected = Dispute {
        debtor_id: "d1".to_owned(),
        state: DisputeState::Open.into(),
        opened_date: Some(date(2026, 3, 2)),
        version: 1,
        ..dispute("dispute-life", "D-1", "i1", eur(2_000))
    };
    assert_eq!(opened, expected);
    let repeated = made.client.open_dispute(request).await?.into_inner();
    assert_eq!(repeated, answer, "the same call has one effect");
    let whole = made
        .dispute(dispute("dispute-life", "D-2", "i2", None))
        .await?;
    assert_eq!(whole.amount, None, "whatever is open");

    made.books
        .pay("p1", 5_000, date(2026, 3, 2), vec![part("i1", 5_000)])
        .await?;
    made.books.open_day(date(2026, 3, 3)).await?;
    assert_eq!(made.disputes().await?, [opened.clone(), whole.clone()]);
    let closed = made.close("D-1", DisputeState::Rejected).await?;
    let expected = Dispute {
        state: DisputeState::Rejected.into(),
        closed_date: Some(date(2026, 3, 3)),
        version: 2,
        ..opened
    };
    assert_eq!(closed, expected);
    assert_eq!(made.disputes().await?, [closed, whole]);

    let twice = made.close("D-1", DisputeState::Upheld).await;
    let status = twice.err();
    let told = status.map(|status| (reason_of(&status), metadata_of(&status, "state")));
    assert_eq!(
        told,
        Some(("WRONG_STATE".to_owned(), "rejected".to_owned()))
    );
    let nobody = made.close("D-9", DisputeState::Upheld).await;
    assert_refused(
        answered(nobody),
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    let open_again = made.close("D-2", DisputeState::Open).await;
    assert_violates(answered(open_again), &["outcome"]);
    let wrong = CloseDisputeRequest::default();
    assert_violates(
        made.client.close_dispute(wrong).await,
        &["request_id", "creditor_id", "dispute_id", "outcome"],
    );
    let of_nobody = ListDisputesRequest {
        creditor_id: "dispute-life".to_owned(),
        debtor_id: "nobody".to_owned(),
        ..ListDisputesRequest::default()
    };
    assert_refused(
        made.client.list_disputes(of_nobody).await,
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    Ok(())
}

/// A second one has to wait for the outcome of the first.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn an_invoice_has_one_open_dispute_at_a_time(channel: Channel) -> Outcome {
    let creditor = "dispute-one";
    let mut made = Agreements::open(channel, creditor).await?;
    made.books.invoice("i1", 5_000, date(2026, 2, 14)).await?;
    made.books.invoice("i2", 100, date(2026, 2, 14)).await?;
    made.dispute(dispute(creditor, "D-1", "i1", None)).await?;
    let second = made.dispute(dispute(creditor, "D-2", "i1", eur(1))).await;
    let told = second.err().map(|status| {
        let metadata = |key| metadata_of(&status, key);
        (reason_of(&status), metadata("kind"), metadata("id"))
    });
    let expected = ["ALREADY_COVERED", "dispute", "D-1"].map(str::to_owned);
    assert_eq!(told, Some(expected.into()));
    made.close("D-1", DisputeState::Withdrawn).await?;
    made.dispute(dispute(creditor, "D-2", "i1", eur(1))).await?;

    let taken = made.dispute(dispute(creditor, "D-1", "i2", None)).await;
    assert_refused(
        answered(taken),
        Code::AlreadyExists,
        ErrorReason::ResourceExists,
    );
    let too_much = made.dispute(dispute(creditor, "D-3", "i2", eur(101))).await;
    assert_refused(
        answered(too_much),
        Code::FailedPrecondition,
        ErrorReason::ExceedsOpenAmount,
    );
    let nothing = made.dispute(dispute(creditor, "D-3", "i9", None)).await;
    assert_refused(
        answered(nothing),
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    made.books.write_off("i2", None).await?;
    let settled = made.dispute(dispute(creditor, "D-3", "i2", None)).await;
    assert_refused(
        answered(settled),
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );
    let wrong = Dispute {
        reason: 0,
        owner: "a b".to_owned(),
        note: "x".repeat(501),
        amount: eur(0),
        ..dispute("", "", "", None)
    };
    assert_violates(
        answered(made.dispute(wrong).await),
        &[
            "dispute.creditor_id",
            "dispute.dispute_id",
            "dispute.invoice_id",
            "dispute.amount.minor_units",
            "dispute.reason",
            "dispute.owner",
            "dispute.note",
        ],
    );
    Ok(())
}
