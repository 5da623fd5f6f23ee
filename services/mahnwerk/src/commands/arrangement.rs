//! `mahnwerk dispute`, `promise` and `plan`.

use mahnwerk_proto::{
    common::v1::Money,
    registry::v1::{
        CancelInstalmentPlanRequest, CancelPromiseRequest, CloseDisputeRequest,
        CreateInstalmentPlanRequest, CreatePromiseRequest, Dispute, Instalment, InstalmentPlan,
        ListDisputesRequest, ListInstalmentPlansRequest, ListPromisesRequest, OpenDisputeRequest,
        Promise,
    },
};

use super::{Context, listing::pages};
use crate::{
    cli::facts::{
        AmountArgs, DebtorListArgs, DisputeArgs, DisputeCommand, PlanArgs, PlanCommand,
        PromiseArgs, PromiseCommand,
    },
    client::{Result, call, new_request_id},
    names,
    output::{date_text, money_text, parse_amount, proto_date, right, table},
};

const DISPUTE: &str = "mahnwerk.registry.v1.Dispute";
const PROMISE: &str = "mahnwerk.registry.v1.Promise";
const PLAN: &str = "mahnwerk.registry.v1.InstalmentPlan";

/// Runs `dispute`.
pub(super) async fn dispute(context: &Context, command: DisputeCommand) -> Result<()> {
    let mut arrangements = context.clients.arrangements();
    let (dispute, token) = match command {
        DisputeCommand::List(args) => return list_disputes(context, args).await,
        DisputeCommand::Open(args) => {
            let request = OpenDisputeRequest {
                request_id: new_request_id(),
                dispute: Some(new_dispute(args)?),
            };
            let answer = arrangements.open_dispute(call(request)).await?.into_inner();
            (answer.dispute, answer.consistency_token)
        }
        DisputeCommand::Close {
            creditor,
            id,
            outcome,
        } => {
            let request = CloseDisputeRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                dispute_id: id,
                outcome,
            };
            let answer = arrangements
                .close_dispute(call(request))
                .await?
                .into_inner();
            (answer.dispute, answer.consistency_token)
        }
    };
    let shown = |dispute: &Dispute| disputes(std::slice::from_ref(dispute));
    context.print_written(
        ("dispute", DISPUTE),
        &dispute.unwrap_or_default(),
        &token,
        shown,
    );
    Ok(())
}

/// The amount; absent if all that is open is meant.
fn amount(args: &AmountArgs) -> Result<Option<Money>> {
    let amount = args.amount.as_ref();
    amount
        .map(|text| parse_amount(text, &args.currency, '.'))
        .transpose()
}

fn new_dispute(args: DisputeArgs) -> Result<Dispute> {
    Ok(Dispute {
        amount: amount(&args.amount)?,
        creditor_id: args.creditor,
        dispute_id: args.id,
        invoice_id: args.invoice,
        reason: args.reason,
        owner: args.owner,
        note: args.note,
        ..Dispute::default()
    })
}

async fn list_disputes(context: &Context, args: DebtorListArgs) -> Result<()> {
    let mut arrangements = context.clients.arrangements();
    let listed = pages(args.list.limit, async |page| {
        let request = ListDisputesRequest {
            creditor_id: args.creditor.clone(),
            debtor_id: args.debtor.clone(),
            page_size: page.size,
            page_token: page.token,
            at_least: args.list.read.at_least.clone(),
        };
        let answer = arrangements
            .list_disputes(call(request))
            .await?
            .into_inner();
        Ok((answer.disputes, answer.next_page_token))
    })
    .await?;
    context.print_list(("disputes", DISPUTE), &listed, "no disputes", disputes);
    Ok(())
}

/// Runs `promise`.
pub(super) async fn promise(context: &Context, command: PromiseCommand) -> Result<()> {
    let mut arrangements = context.clients.arrangements();
    let (promise, token) = match command {
        PromiseCommand::List(args) => return list_promises(context, args).await,
        PromiseCommand::Add(args) => {
            let request = CreatePromiseRequest {
                request_id: new_request_id(),
                promise: Some(new_promise(args)?),
            };
            let answer = arrangements
                .create_promise(call(request))
                .await?
                .into_inner();
            (answer.promise, answer.consistency_token)
        }
        PromiseCommand::Cancel { creditor, id } => {
            let request = CancelPromiseRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                promise_id: id,
            };
            let answer = arrangements
                .cancel_promise(call(request))
                .await?
                .into_inner();
            (answer.promise, answer.consistency_token)
        }
    };
    let shown = |promise: &Promise| promises(std::slice::from_ref(promise));
    context.print_written(
        ("promise", PROMISE),
        &promise.unwrap_or_default(),
        &token,
        shown,
    );
    Ok(())
}

fn new_promise(args: PromiseArgs) -> Result<Promise> {
    Ok(Promise {
        amount: amount(&args.amount)?,
        creditor_id: args.creditor,
        debtor_id: args.debtor,
        promise_id: args.id,
        invoice_ids: args.invoices,
        promised_date: Some(proto_date(args.by)),
        tolerance_days: args.tolerance,
        ..Promise::default()
    })
}

async fn list_promises(context: &Context, args: DebtorListArgs) -> Result<()> {
    let mut arrangements = context.clients.arrangements();
    let listed = pages(args.list.limit, async |page| {
        let request = ListPromisesRequest {
            creditor_id: args.creditor.clone(),
            debtor_id: args.debtor.clone(),
            page_size: page.size,
            page_token: page.token,
            at_least: args.list.read.at_least.clone(),
        };
        let answer = arrangements
            .list_promises(call(request))
            .await?
            .into_inner();
        Ok((answer.promises, answer.next_page_token))
    })
    .await?;
    context.print_list(("promises", PROMISE), &listed, "no promises", promises);
    Ok(())
}

/// Runs `plan`.
pub(super) async fn plan(context: &Context, command: PlanCommand) -> Result<()> {
    let mut arrangements = context.clients.arrangements();
    let (plan, token) = match command {
        PlanCommand::List(args) => return list_plans(context, args).await,
        PlanCommand::Add(args) => {
            let request = CreateInstalmentPlanRequest {
                request_id: new_request_id(),
                instalment_plan: Some(new_plan(args)?),
            };
            let answer = arrangements.create_instalment_plan(call(request)).await?;
            let answer = answer.into_inner();
            (answer.instalment_plan, answer.consistency_token)
        }
        PlanCommand::Cancel { creditor, id } => {
            let request = CancelInstalmentPlanRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                plan_id: id,
            };
            let answer = arrangements.cancel_instalment_plan(call(request)).await?;
            let answer = answer.into_inner();
            (answer.instalment_plan, answer.consistency_token)
        }
    };
    let plan = plan.unwrap_or_default();
    context.print_written(
        ("instalment_plan", PLAN),
        &plan,
        &token,
        |plan: &InstalmentPlan| {
            let head = plans(std::slice::from_ref(plan));
            format!("{head}\n\n{}", instalments(&plan.instalments))
        },
    );
    Ok(())
}

fn new_plan(args: PlanArgs) -> Result<InstalmentPlan> {
    let instalments = args.instalments.iter().map(|(date, amount)| {
        Ok(Instalment {
            due_date: Some(proto_date(*date)),
            amount: Some(parse_amount(amount, &args.currency, '.')?),
        })
    });
    Ok(InstalmentPlan {
        instalments: instalments.collect::<Result<_>>()?,
        creditor_id: args.creditor,
        debtor_id: args.debtor,
        plan_id: args.id,
        invoice_ids: args.invoices,
        grace_days: args.grace,
        ..InstalmentPlan::default()
    })
}

async fn list_plans(context: &Context, args: DebtorListArgs) -> Result<()> {
    let mut arrangements = context.clients.arrangements();
    let listed = pages(args.list.limit, async |page| {
        let request = ListInstalmentPlansRequest {
            creditor_id: args.creditor.clone(),
            debtor_id: args.debtor.clone(),
            page_size: page.size,
            page_token: page.token,
            at_least: args.list.read.at_least.clone(),
        };
        let answer = arrangements.list_instalment_plans(call(request)).await?;
        let answer = answer.into_inner();
        Ok((answer.instalment_plans, answer.next_page_token))
    })
    .await?;
    context.print_list(("instalment_plans", PLAN), &listed, "no plans", plans);
    Ok(())
}

/// An amount, or that it is all.
fn amount_or_all(money: Option<&Money>) -> String {
    money.map_or_else(|| "all".to_owned(), |money| money_text(Some(money)))
}

fn disputes(disputes: &[Dispute]) -> comfy_table::Table {
    let header = [
        "Dispute", "Debtor", "Invoice", "Amount", "Reason", "State", "Opened", "Closed", "Owner",
    ];
    let mut shown = table(&header);
    for it in disputes {
        shown.add_row([
            it.dispute_id.clone(),
            it.debtor_id.clone(),
            it.invoice_id.clone(),
            amount_or_all(it.amount.as_ref()),
            names::word("mahnwerk.registry.v1.DisputeReason", it.reason),
            names::word("mahnwerk.registry.v1.DisputeState", it.state),
            date_text(it.opened_date.as_ref()),
            date_text(it.closed_date.as_ref()),
            it.owner.clone(),
        ]);
    }
    right(&mut shown, [3]);
    shown
}

fn promises(promises: &[Promise]) -> comfy_table::Table {
    let header = [
        "Promise",
        "Debtor",
        "Invoices",
        "Amount",
        "By",
        "Tolerance",
        "State",
        "Paid",
        "Closed",
    ];
    let mut shown = table(&header);
    for it in promises {
        shown.add_row([
            it.promise_id.clone(),
            it.debtor_id.clone(),
            it.invoice_ids.join(", "),
            amount_or_all(it.amount.as_ref()),
            date_text(it.promised_date.as_ref()),
            format!("{} days", it.tolerance_days),
            names::word("mahnwerk.registry.v1.PromiseState", it.state),
            money_text(it.paid_amount.as_ref()),
            date_text(it.closed_date.as_ref()),
        ]);
    }
    right(&mut shown, [3, 5, 7]);
    shown
}

fn plans(plans: &[InstalmentPlan]) -> comfy_table::Table {
    let header = [
        "Plan",
        "Debtor",
        "Invoices",
        "Instalments",
        "Last on",
        "Grace",
        "State",
        "Paid",
        "Closed",
    ];
    let mut shown = table(&header);
    for it in plans {
        let last = it
            .instalments
            .last()
            .and_then(|last| last.due_date.as_ref());
        shown.add_row([
            it.plan_id.clone(),
            it.debtor_id.clone(),
            it.invoice_ids.join(", "),
            it.instalments.len().to_string(),
            date_text(last),
            format!("{} days", it.grace_days),
            names::word("mahnwerk.registry.v1.InstalmentPlanState", it.state),
            money_text(it.paid_amount.as_ref()),
            date_text(it.closed_date.as_ref()),
        ]);
    }
    right(&mut shown, [3, 5, 7]);
    shown
}

fn instalments(instalments: &[Instalment]) -> comfy_table::Table {
    let mut shown = table(&["Instalment due", "Amount"]);
    for it in instalments {
        shown.add_row([
            date_text(it.due_date.as_ref()),
            money_text(it.amount.as_ref()),
        ]);
    }
    right(&mut shown, [1]);
    shown
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        client::Failure,
    };

    fn plan_of(instalment: &str, currency: &str) -> Result<InstalmentPlan> {
        let words = [
            "mahnwerk",
            "plan",
            "add",
            "acme",
            "C-1",
            "P-1",
            "--invoice",
            "R-2",
            "--invoice",
            "R-1",
            "--instalment",
            "2026-02-01=100",
            "--instalment",
            instalment,
            "--currency",
            currency,
        ];
        let parsed = Cli::try_parse_from(words).expect("arguments");
        match parsed.command {
            Command::Plan(PlanCommand::Add(args)) => new_plan(args),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn instalments_are_read_with_their_dates_in_the_order_given() {
        let plan = plan_of("2026-03-01=50.5", "EUR").expect("plan");
        assert_eq!(plan.invoice_ids, ["R-2", "R-1"]);
        let read: Vec<_> = plan
            .instalments
            .iter()
            .map(|it| {
                (
                    date_text(it.due_date.as_ref()),
                    money_text(it.amount.as_ref()),
                )
            })
            .collect();
        let expected = [("2026-02-01", "100.00 EUR"), ("2026-03-01", "50.50 EUR")];
        assert_eq!(
            read,
            expected.map(|(date, amount)| (date.to_owned(), amount.to_owned()))
        );
    }

    #[test]
    fn an_instalment_has_no_more_decimals_than_its_currency() {
        assert!(matches!(
            plan_of("2026-03-01=50.5", "JPY"),
            Err(Failure::Input(_))
        ));
    }

    #[test]
    fn a_dispute_without_an_amount_is_about_all() {
        let dispute = Dispute {
            dispute_id: "D-1".to_owned(),
            ..Dispute::default()
        };
        assert!(disputes(&[dispute]).to_string().contains("all"));
    }
}
