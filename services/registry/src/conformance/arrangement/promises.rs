//! Promises: what counts, and what the day decides.

use mahnwerk_proto::registry::v1::{
    CreateCreditNoteRequest, CreatePromiseRequest, Item, ItemKind, ListPromisesRequest,
    OpenBusinessDayRequest, Promise, PromiseState, creditor_service_client::CreditorServiceClient,
};
use tonic::transport::Channel;

use super::agreements::{Agreements, counts, promise};
use crate::conformance::{
    Outcome,
    account::{cents, eur, invoice, part},
    date,
};

/// Payments, credit notes and write-offs all bring the open amount down, whichever invoice they go to.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn every_posting_is_counted(channel: Channel) -> Outcome {
    let creditor = "promise-counts";
    let mut made = Agreements::open(channel, creditor).await?;
    for (id, amount) in [("i1", 7_000), ("i2", 3_000), ("i3", 500)] {
        made.books.invoice(id, amount, date(2026, 2, 14)).await?;
    }
    let request = CreatePromiseRequest {
        request_id: "promise".to_owned(),
        promise: Some(promise(creditor, "P-1", &["i1", "i2"], date(2026, 3, 10))),
    };
    let answer = made
        .client
        .create_promise(request.clone())
        .await?
        .into_inner();
    let given = answer.promise.clone().unwrap_or_default();
    let expected = Promise {
        amount: eur(10_000),
        state: PromiseState::Open.into(),
        paid_amount: eur(0),
        covered_amounts: [7_000, 3_000].into_iter().filter_map(eur).collect(),
        created_date: Some(date(2026, 3, 2)),
        version: 1,
        ..promise(creditor, "P-1", &["i1", "i2"], date(2026, 3, 10))
    };
    assert_eq!(given, expected);
    let repeated = made.client.create_promise(request).await?.into_inner();
    assert_eq!(repeated, answer, "the same call has one effect");

    let parts = vec![part("i1", 1_000), part("i3", 500)];
    made.books.pay("p1", 1_500, date(2026, 3, 2), parts).await?;
    let counted = made.the_promise().await?;
    assert_eq!(counts(&counted), (1_000, vec![6_000, 3_000]));
    assert_eq!(counted.version, 2);
    // An advance is no payment of anything until it is allocated.
    made.books
        .pay("p2", 2_000, date(2026, 3, 2), vec![])
        .await?;
    assert_eq!(made.the_promise().await?, counted);
    made.books.allocate("p2", vec![part("i2", 2_000)]).await?;
    let counted = made.the_promise().await?;
    assert_eq!(counts(&counted), (3_000, vec![6_000, 1_000]));
    let note = CreateCreditNoteRequest {
        request_id: "note".to_owned(),
        credit_note: Some(Item {
            due_date: None,
            ..invoice(creditor, "c1", 500, date(2026, 2, 14))
        }),
        allocations: vec![part("i1", 500)],
    };
    made.books.client.create_credit_note(note).await?;
    assert_eq!(
        counts(&made.the_promise().await?),
        (3_500, vec![5_500, 1_000])
    );
    made.books.write_off("i2", None).await?;
    assert_eq!(counts(&made.the_promise().await?), (4_500, vec![5_500, 0]));
    made.books.open_day(date(2026, 3, 3)).await?;
    made.books
        .pay("p3", 5_500, date(2026, 3, 3), vec![part("i1", 5_500)])
        .await?;
    let kept = made.the_promise().await?;
    let expected = Promise {
        state: PromiseState::Kept.into(),
        paid_amount: eur(10_000),
        covered_amounts: vec![],
        closed_date: Some(date(2026, 3, 3)),
        version: 6,
        ..given
    };
    assert_eq!(kept, expected);
    // The day that would have broken it finds nothing to do.
    made.books.open_day(date(2026, 3, 11)).await?;
    assert_eq!(made.the_promise().await?, kept);
    Ok(())
}

/// A direct debit is returned.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_return_takes_back_what_had_come_unless_the_promise_is_closed(
    channel: Channel,
) -> Outcome {
    let creditor = "promise-return";
    let mut made = Agreements::open(channel, creditor).await?;
    for id in ["i1", "i2"] {
        made.books.invoice(id, 1_000, date(2026, 2, 14)).await?;
    }
    let one_and_a_half = Promise {
        amount: eur(1_500),
        ..promise(creditor, "P-1", &["i1", "i2"], date(2026, 3, 10))
    };
    let given = made.promise(one_and_a_half).await?;
    assert_eq!(counts(&given), (0, vec![1_000, 500]));
    let half = |id: &str| part(id, 600);
    made.books
        .pay("p1", 1_200, date(2026, 3, 2), vec![half("i1"), half("i2")])
        .await?;
    assert_eq!(counts(&made.the_promise().await?), (1_200, vec![300, 0]));
    made.books.reverse(ItemKind::Payment, "p1", None).await?;
    let back = made.the_promise().await?;
    assert_eq!(counts(&back), (0, vec![1_000, 500]));
    assert_eq!((back.state(), back.version), (PromiseState::Open, 3));

    made.books
        .pay(
            "p2",
            1_500,
            date(2026, 3, 2),
            vec![part("i1", 1_000), part("i2", 500)],
        )
        .await?;
    let kept = made.the_promise().await?;
    assert_eq!(kept.state(), PromiseState::Kept);
    made.books.reverse(ItemKind::Payment, "p2", None).await?;
    assert_eq!(made.the_promise().await?, kept);
    // Its invoices are free for another one.
    made.promise(promise(creditor, "P-2", &["i2"], date(2026, 3, 10)))
        .await?;
    Ok(())
}

/// Nothing, a part, or everything; the bank has its tolerance; the answer to the new day comes after the verdicts.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn the_day_after_decides_what_a_promise_was_worth(channel: Channel) -> Outcome {
    let creditor = "promise-day";
    let mut made = Agreements::open(channel.clone(), creditor).await?;
    for (number, tolerance) in [(1, 0), (2, 0), (3, 0), (4, 3)] {
        let id = format!("i{number}");
        made.books.invoice(&id, 1_000, date(2026, 2, 14)).await?;
        made.promise(Promise {
            tolerance_days: tolerance,
            // A Saturday.
            ..promise(creditor, &format!("P-{number}"), &[&id], date(2026, 3, 7))
        })
        .await?;
    }
    made.books
        .pay("p2", 400, date(2026, 3, 2), vec![part("i2", 400)])
        .await?;
    made.books.open_day(date(2026, 3, 9)).await?;
    // On the Monday it is in time.
    made.books
        .pay("p3", 1_000, date(2026, 3, 9), vec![part("i3", 1_000)])
        .await?;
    let states = |promises: &[Promise]| -> Vec<PromiseState> {
        promises.iter().map(Promise::state).collect()
    };
    use PromiseState::{Broken, Kept, Open, PartlyKept};
    assert_eq!(states(&made.promises().await?), [Open, Open, Kept, Open]);

    let tuesday = OpenBusinessDayRequest {
        request_id: "tuesday".to_owned(),
        creditor_id: creditor.to_owned(),
        business_date: Some(date(2026, 3, 10)),
    };
    let mut creditors = CreditorServiceClient::new(channel);
    let opened = creditors
        .open_business_day(tuesday.clone())
        .await?
        .into_inner();
    let request = ListPromisesRequest {
        creditor_id: creditor.to_owned(),
        debtor_id: "d1".to_owned(),
        at_least: opened.consistency_token.clone(),
        ..ListPromisesRequest::default()
    };
    let listed = made
        .client
        .list_promises(request)
        .await?
        .into_inner()
        .promises;
    assert_eq!(states(&listed), [Broken, PartlyKept, Kept, Open]);
    let closed: Vec<_> = listed.iter().map(|each| each.closed_date).collect();
    let [monday, tuesday_too] = [date(2026, 3, 9), date(2026, 3, 10)].map(Some);
    assert_eq!(closed, [tuesday_too, tuesday_too, monday, None]);
    let paid: Vec<_> = listed
        .iter()
        .map(|each| cents(each.paid_amount.as_ref()))
        .collect();
    assert_eq!(paid, [0, 400, 1_000, 0]);
    let repeated = creditors.open_business_day(tuesday).await?.into_inner();
    assert_eq!(repeated.creditor, opened.creditor);
    assert_eq!(
        made.promises().await?,
        listed,
        "a repeated day decides nothing"
    );

    // Too late for the one, in time for the other.
    for (payment, invoice) in [("p1", "i1"), ("p4", "i4")] {
        made.books
            .pay(
                payment,
                1_000,
                date(2026, 3, 10),
                vec![part(invoice, 1_000)],
            )
            .await?;
    }
    assert_eq!(
        states(&made.promises().await?),
        [Broken, PartlyKept, Kept, Kept]
    );
    Ok(())
}
