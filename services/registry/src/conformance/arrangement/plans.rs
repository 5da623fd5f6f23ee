//! Instalment plans.

use mahnwerk_proto::registry::v1::{InstalmentPlan, InstalmentPlanState, ItemKind};
use tonic::transport::Channel;

use super::agreements::{Agreements, plan, promise};
use crate::conformance::{
    Outcome,
    account::{cents, eur, part},
    date,
};

fn covered(plan: &InstalmentPlan) -> Vec<i64> {
    let covered = plan.covered_amounts.iter();
    covered.map(|amount| cents(Some(amount))).collect()
}

/// Instalment by instalment, over two invoices.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_plan_is_kept_with_its_last_cent(channel: Channel) -> Outcome {
    let creditor = "plan-kept";
    let mut made = Agreements::open(channel, creditor).await?;
    made.books.invoice("i1", 4_000, date(2026, 2, 14)).await?;
    made.books.invoice("i2", 2_000, date(2026, 2, 14)).await?;
    let days = [date(2026, 3, 16), date(2026, 4, 15), date(2026, 5, 15)];
    let wanted = InstalmentPlan {
        grace_days: 2,
        ..plan(
            creditor,
            "T-1",
            &["i1", "i2"],
            &days.map(|day| (day, 2_000)),
        )
    };
    let agreed = made.plan(wanted.clone()).await?;
    let expected = InstalmentPlan {
        state: InstalmentPlanState::Active.into(),
        paid_amount: eur(0),
        covered_amounts: [4_000, 2_000].into_iter().filter_map(eur).collect(),
        created_date: Some(date(2026, 3, 2)),
        version: 1,
        ..wanted
    };
    assert_eq!(agreed, expected);
    // The second one comes on the last day of the grace.
    for (number, (day, left)) in [
        (date(2026, 3, 16), vec![2_000, 2_000]),
        (date(2026, 4, 17), vec![0, 2_000]),
    ]
    .into_iter()
    .enumerate()
    {
        made.books.open_day(day).await?;
        let payment = format!("p{number}");
        made.books
            .pay(&payment, 2_000, day, vec![part("i1", 2_000)])
            .await?;
        let plans = made.plans().await?;
        assert_eq!(plans.iter().map(covered).collect::<Vec<_>>(), [left]);
        assert!(
            plans
                .iter()
                .all(|each| each.state() == InstalmentPlanState::Active)
        );
    }
    made.books
        .pay("last", 2_000, date(2026, 4, 17), vec![part("i2", 2_000)])
        .await?;
    let kept = InstalmentPlan {
        state: InstalmentPlanState::Kept.into(),
        paid_amount: eur(6_000),
        covered_amounts: vec![],
        closed_date: Some(date(2026, 4, 17)),
        version: 4,
        ..agreed
    };
    assert_eq!(made.plans().await?, std::slice::from_ref(&kept));
    made.books.open_day(date(2026, 5, 18)).await?;
    assert_eq!(made.plans().await?, [kept]);
    Ok(())
}

/// One by the calendar, one by a return.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn a_plan_breaks_with_a_late_instalment_and_frees_its_invoices(
    channel: Channel,
) -> Outcome {
    let creditor = "plan-broken";
    let mut made = Agreements::open(channel, creditor).await?;
    for (invoice, id) in [("i1", "T-1"), ("i2", "T-2")] {
        made.books
            .invoice(invoice, 2_000, date(2026, 2, 14))
            .await?;
        let instalments = [(date(2026, 3, 10), 1_000), (date(2026, 4, 10), 1_000)];
        let wanted = plan(creditor, id, &[invoice], &instalments);
        made.plan(InstalmentPlan {
            grace_days: 1,
            ..wanted
        })
        .await?;
    }
    let early = vec![part("i1", 400), part("i2", 1_000)];
    made.books.pay("p1", 1_400, date(2026, 3, 2), early).await?;
    made.books.open_day(date(2026, 3, 11)).await?;
    let states = |plans: Vec<InstalmentPlan>| -> Vec<(InstalmentPlanState, i64)> {
        plans
            .iter()
            .map(|each| (each.state(), cents(each.paid_amount.as_ref())))
            .collect()
    };
    use InstalmentPlanState::{Active, Broken};
    assert_eq!(
        states(made.plans().await?),
        [(Active, 400), (Active, 1_000)]
    );
    made.books.open_day(date(2026, 3, 12)).await?;
    assert_eq!(
        states(made.plans().await?),
        [(Broken, 400), (Active, 1_000)],
        "a part is not enough"
    );
    made.books.reverse(ItemKind::Payment, "p1", None).await?;
    assert_eq!(
        states(made.plans().await?),
        [(Broken, 400), (Broken, 0)],
        "what came in time was returned too late to pay again"
    );
    let all = promise(creditor, "P-1", &["i1", "i2"], date(2026, 3, 20));
    let given = made.promise(all).await?;
    assert_eq!(cents(given.amount.as_ref()), 4_000);
    Ok(())
}
