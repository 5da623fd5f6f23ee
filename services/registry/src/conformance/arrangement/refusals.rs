//! What is not agreed.

use mahnwerk_proto::{
    common::v1::{ErrorReason, Money},
    registry::v1::{
        CancelInstalmentPlanRequest, CancelPromiseRequest, CreateInstalmentPlanRequest,
        CreatePromiseRequest, Instalment, InstalmentPlan, ListInstalmentPlansRequest,
        ListPromisesRequest, Promise,
    },
};
use tonic::{Code, Status, transport::Channel};

use super::agreements::{Agreements, dispute, plan, promise};
use crate::conformance::{
    Outcome,
    account::{answered, eur, invoice},
    assert_refused, assert_violates, date, metadata_of, reason_of,
};

/// The reason and what it names, for a refused call.
fn told<T>(result: Result<T, Status>, keys: [&str; 2]) -> Option<[String; 3]> {
    result.err().map(|status| {
        let [first, second] = keys.map(|key| metadata_of(&status, key));
        [reason_of(&status), first, second]
    })
}

/// Promise and plan exclude each other on an invoice; a dispute may stand beside them.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn an_invoice_is_covered_once_at_a_time(channel: Channel) -> Outcome {
    let creditor = "cover-once";
    let mut made = Agreements::open(channel, creditor).await?;
    for id in ["i1", "i2", "i3"] {
        made.books.invoice(id, 1_000, date(2026, 2, 14)).await?;
    }
    let day = date(2026, 3, 10);
    made.promise(promise(creditor, "A", &["i1"], day)).await?;
    made.dispute(dispute(creditor, "D", "i1", None)).await?;
    // Promises and plans have keys of their own.
    made.plan(plan(creditor, "A", &["i2"], &[(day, 1_000)]))
        .await?;
    let both = |id: &str, ids: &[&str]| promise(creditor, id, ids, day);
    let cases = [(["i3", "i1"], "promise"), (["i2", "i3"], "instalment_plan")];
    for (ids, kind) in cases {
        let expected = ["ALREADY_COVERED", kind, "A"].map(str::to_owned);
        let refused = made.promise(both("B", &ids)).await;
        assert_eq!(told(refused, ["kind", "id"]), Some(expected.clone()));
        let refused = made.plan(plan(creditor, "B", &ids, &[(day, 2_000)])).await;
        assert_eq!(told(refused, ["kind", "id"]), Some(expected));
    }
    made.cancel_promise("A").await?;
    made.cancel_plan("A").await?;
    made.promise(both("B", &["i1", "i2", "i3"])).await?;
    let taken = made.promise(both("A", &["i1"])).await;
    assert_refused(
        answered(taken),
        Code::AlreadyExists,
        ErrorReason::ResourceExists,
    );
    Ok(())
}

/// Once, and not what the day has decided.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn only_open_arrangements_are_cancelled(channel: Channel) -> Outcome {
    let creditor = "cancel-once";
    let mut made = Agreements::open(channel, creditor).await?;
    for id in ["i1", "i2", "i3", "i4"] {
        made.books.invoice(id, 1_000, date(2026, 2, 14)).await?;
    }
    let day = date(2026, 3, 3);
    made.promise(promise(creditor, "P-1", &["i1"], day)).await?;
    made.promise(promise(creditor, "P-2", &["i2"], day)).await?;
    made.plan(plan(creditor, "T-1", &["i3"], &[(day, 1_000)]))
        .await?;
    made.plan(plan(creditor, "T-2", &["i4"], &[(day, 1_000)]))
        .await?;
    let cancelled = made.cancel_promise("P-1").await?;
    assert_eq!(
        (cancelled.closed_date, cancelled.version),
        (Some(date(2026, 3, 2)), 2)
    );
    assert!(cancelled.covered_amounts.is_empty());
    made.cancel_plan("T-1").await?;
    made.books.open_day(date(2026, 3, 4)).await?;
    for (id, state) in [("1", "cancelled"), ("2", "broken")] {
        let expected = Some(["WRONG_STATE", state, ""].map(str::to_owned));
        let refused = made.cancel_promise(&format!("P-{id}")).await;
        assert_eq!(told(refused, ["state", ""]), expected);
        let refused = made.cancel_plan(&format!("T-{id}")).await;
        assert_eq!(told(refused, ["state", ""]), expected);
    }
    for refused in [
        answered(made.cancel_promise("T-1").await.map(|_| ())),
        answered(made.cancel_plan("P-1").await.map(|_| ())),
    ] {
        assert_refused(refused, Code::NotFound, ErrorReason::ResourceNotFound);
    }
    let wrong = CancelPromiseRequest::default();
    assert_violates(
        made.client.cancel_promise(wrong).await,
        &["request_id", "creditor_id", "promise_id"],
    );
    let wrong = CancelInstalmentPlanRequest::default();
    assert_violates(
        made.client.cancel_instalment_plan(wrong).await,
        &["request_id", "creditor_id", "plan_id"],
    );
    Ok(())
}

/// Invoices that are not there, not open, of somebody else; amounts and dates that do not fit.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn what_does_not_fit_the_books_is_refused(channel: Channel) -> Outcome {
    let creditor = "misfits";
    let mut made = Agreements::open(channel, creditor).await?;
    for id in ["i1", "i2", "gone"] {
        made.books.invoice(id, 1_000, date(2026, 2, 14)).await?;
    }
    made.books.write_off("gone", None).await?;
    let mut other = invoice(creditor, "other", 1_000, date(2026, 2, 14));
    other.debtor_id = "d2".to_owned();
    made.books.post_invoice(other).await?;
    let day = date(2026, 3, 10);
    let francs = Money {
        currency_code: "CHF".to_owned(),
        minor_units: 1,
    };
    let about = |ids: &[&str], amount: Option<Money>| Promise {
        amount,
        ..promise(creditor, "P-1", ids, day)
    };
    let precondition = Code::FailedPrecondition;
    for (refused, code, reason) in [
        (
            about(&["i1", "i9"], None),
            Code::NotFound,
            ErrorReason::ResourceNotFound,
        ),
        (
            about(&["gone"], None),
            precondition,
            ErrorReason::WrongState,
        ),
        (
            about(&["i1", "other"], None),
            precondition,
            ErrorReason::ItemsDoNotMatch,
        ),
        (
            about(&["i1"], Some(francs)),
            precondition,
            ErrorReason::ItemsDoNotMatch,
        ),
        (
            about(&["i1", "i2"], eur(2_001)),
            precondition,
            ErrorReason::ExceedsOpenAmount,
        ),
    ] {
        let refused = made.promise(refused).await;
        assert_refused(answered(refused), code, reason);
    }
    let nobody = Promise {
        debtor_id: "nobody".to_owned(),
        ..about(&["i1"], None)
    };
    let refused = made.promise(nobody).await;
    assert_refused(
        answered(refused),
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    let less = plan(creditor, "T-1", &["i1"], &[(day, 999)]);
    assert_violates(
        answered(made.plan(less).await),
        &["instalment_plan.instalments"],
    );
    let over = promise(creditor, "P-1", &["i1"], date(2026, 2, 27));
    assert_violates(
        answered(made.promise(over).await),
        &["promise.promised_date"],
    );
    let wide = [(date(2026, 2, 27), 500), (date(2036, 3, 3), 500)];
    assert_violates(
        answered(made.plan(plan(creditor, "T-1", &["i1"], &wide)).await),
        &[
            "instalment_plan.instalments[0].due_date",
            "instalment_plan.instalments[1].due_date",
        ],
    );
    assert!(made.promises().await?.is_empty() && made.plans().await?.is_empty());
    let list = ListPromisesRequest {
        creditor_id: creditor.to_owned(),
        debtor_id: "nobody".to_owned(),
        ..ListPromisesRequest::default()
    };
    assert_refused(
        made.client.list_promises(list).await,
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    Ok(())
}

/// All of them at once.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn every_wrong_field_of_an_arrangement_is_named(channel: Channel) -> Outcome {
    let mut made = Agreements::open(channel, "wrong-terms").await?;
    let wrong = Promise {
        debtor_id: String::new(),
        amount: eur(0),
        promised_date: None,
        tolerance_days: 31,
        ..promise("", "a b", &["i1", "i1", ""], date(2026, 3, 10))
    };
    let request = CreatePromiseRequest {
        request_id: String::new(),
        promise: Some(wrong),
    };
    assert_violates(
        made.client.create_promise(request).await,
        &[
            "request_id",
            "promise.creditor_id",
            "promise.debtor_id",
            "promise.promise_id",
            "promise.invoice_ids[1]",
            "promise.invoice_ids[2]",
            "promise.amount.minor_units",
            "promise.promised_date",
            "promise.tolerance_days",
        ],
    );
    let wrong = InstalmentPlan {
        instalments: vec![
            Instalment {
                due_date: Some(date(2026, 3, 10)),
                amount: eur(1),
            },
            Instalment {
                due_date: Some(date(2026, 3, 10)),
                amount: None,
            },
        ],
        grace_days: -1,
        ..plan("", "", &[], &[])
    };
    let request = CreateInstalmentPlanRequest {
        request_id: "a b".to_owned(),
        instalment_plan: Some(wrong),
    };
    assert_violates(
        made.client.create_instalment_plan(request).await,
        &[
            "request_id",
            "instalment_plan.creditor_id",
            "instalment_plan.plan_id",
            "instalment_plan.invoice_ids",
            "instalment_plan.instalments[1].due_date",
            "instalment_plan.instalments[1].amount",
            "instalment_plan.grace_days",
        ],
    );
    let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let request = promise("wrong-terms", "P-1", &many, date(2026, 3, 10));
    assert_violates(
        answered(made.promise(request).await),
        &["promise.invoice_ids"],
    );
    let list = ListInstalmentPlansRequest {
        page_size: -1,
        ..ListInstalmentPlansRequest::default()
    };
    assert_violates(
        made.client.list_instalment_plans(list).await,
        &["creditor_id", "debtor_id", "page_size"],
    );
    Ok(())
}
