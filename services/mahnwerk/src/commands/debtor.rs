//! `mahnwerk debtor`.

use mahnwerk_proto::registry::v1::{
    Balance, Debtor, GetBalanceRequest, GetDebtorRequest, Item, ItemKind, ListContactPointsRequest,
    ListItemsRequest, ListTimelineRequest, SetDeceasedRequest, TimelineEntry,
};
use serde_json::json;

use super::Context;
use crate::{
    cli::{DebtorArgs, facts::DeceasedArgs},
    client::{Result, call, new_request_id},
    json, names,
    output::{count_text, date_text, facts, money_text, print_json, proto_date, right, table},
};

/// So many open invoices and changes are shown.
const SHOWN: i32 = 20;

/// Shows who the debtor is, what is open, and what happened last.
pub(super) async fn show(context: &Context, args: &DebtorArgs) -> Result<()> {
    let (creditor_id, debtor_id) = (args.creditor.clone(), args.debtor.clone());
    let (mut debtors, mut accounts) = (context.clients.debtors(), context.clients.accounts());
    let request = GetDebtorRequest {
        creditor_id: creditor_id.clone(),
        debtor_id: debtor_id.clone(),
        at_least: args.read.at_least.clone(),
    };
    let debtor = debtors
        .get_debtor(call(request))
        .await?
        .into_inner()
        .debtor
        .unwrap_or_default();
    let request = ListContactPointsRequest {
        creditor_id: creditor_id.clone(),
        debtor_id: debtor_id.clone(),
        ..Default::default()
    };
    let contact_points = debtors
        .list_contact_points(call(request))
        .await?
        .into_inner()
        .contact_points;
    let request = GetBalanceRequest {
        creditor_id: creditor_id.clone(),
        debtor_id: debtor_id.clone(),
        ..Default::default()
    };
    let balance = accounts.get_balance(call(request)).await?.into_inner();
    let request = ListItemsRequest {
        creditor_id: creditor_id.clone(),
        debtor_id: debtor_id.clone(),
        kind: ItemKind::Invoice.into(),
        open_only: true,
        page_size: SHOWN,
        ..Default::default()
    };
    let open_items = accounts.list_items(call(request)).await?.into_inner().items;
    let request = ListTimelineRequest {
        creditor_id,
        debtor_id,
        page_size: SHOWN,
        ..Default::default()
    };
    let timeline = debtors
        .list_timeline(call(request))
        .await?
        .into_inner()
        .entries;

    if context.json {
        print_json(&json!({
            "debtor": json::message("mahnwerk.registry.v1.Debtor", &debtor),
            "contact_points": json::messages("mahnwerk.registry.v1.ContactPoint", &contact_points),
            "as_of": date_text(balance.as_of.as_ref()),
            "balances": json::messages("mahnwerk.registry.v1.Balance", &balance.balances),
            "open_items": json::messages("mahnwerk.registry.v1.Item", &open_items),
            "timeline": json::messages("mahnwerk.registry.v1.TimelineEntry", &timeline),
        }));
        return Ok(());
    }
    say!("{}", master_data(&debtor));
    say!(
        "\nBalance as of {}\n{}",
        date_text(balance.as_of.as_ref()),
        balances(&balance.balances)
    );
    say!(
        "\nOpen invoices (at most {SHOWN})\n{}",
        invoices(&open_items)
    );
    say!("\nWhat happened last\n{}", changes(&timeline));
    Ok(())
}

/// Marks a natural person as deceased, or lifts the mark.
pub(super) async fn deceased(context: &Context, args: DeceasedArgs) -> Result<()> {
    let request = SetDeceasedRequest {
        request_id: new_request_id(),
        creditor_id: args.creditor,
        debtor_id: args.debtor,
        deceased_since: args.since.map(proto_date),
    };
    let mut debtors = context.clients.debtors();
    let answer = debtors.set_deceased(call(request)).await?.into_inner();
    context.print_written(
        ("debtor", "mahnwerk.registry.v1.Debtor"),
        &answer.debtor.unwrap_or_default(),
        &answer.consistency_token,
        master_data,
    );
    Ok(())
}

fn master_data(debtor: &Debtor) -> comfy_table::Table {
    let hold = if debtor.credit_hold {
        format!("yes: {}", debtor.credit_hold_reason)
    } else {
        String::new()
    };
    facts(&[
        ("Debtor", debtor.debtor_id.clone()),
        ("Name", debtor.display_name.clone()),
        (
            "Kind",
            names::word("mahnwerk.registry.v1.DebtorKind", debtor.kind),
        ),
        (
            "Relationship",
            names::word("mahnwerk.registry.v1.Relationship", debtor.relationship),
        ),
        ("Country", debtor.country.clone()),
        ("Language", debtor.language.clone()),
        ("Sector", debtor.sector.clone()),
        (
            "Billing",
            names::word("mahnwerk.registry.v1.BillingMethod", debtor.billing_method),
        ),
        ("Customer since", date_text(debtor.customer_since.as_ref())),
        ("Credit hold", hold),
        (
            "Insolvent since",
            date_text(debtor.insolvent_since.as_ref()),
        ),
        ("Deceased since", date_text(debtor.deceased_since.as_ref())),
    ])
}

fn balances(balances: &[Balance]) -> comfy_table::Table {
    let header = [
        "Owed",
        "Not due",
        "1-30 days",
        "31-60 days",
        "61-90 days",
        "over 90 days",
        "Unallocated",
        "Open invoices",
    ];
    let mut shown = table(&header);
    for balance in balances {
        shown.add_row([
            money_text(balance.receivable.as_ref()),
            money_text(balance.not_due.as_ref()),
            money_text(balance.overdue_1_30.as_ref()),
            money_text(balance.overdue_31_60.as_ref()),
            money_text(balance.overdue_61_90.as_ref()),
            money_text(balance.overdue_over_90.as_ref()),
            money_text(balance.unallocated.as_ref()),
            count_text(balance.open_items),
        ]);
    }
    right(&mut shown, 0..header.len());
    shown
}

fn invoices(items: &[Item]) -> comfy_table::Table {
    let mut shown = table(&["Invoice", "Date", "Due", "Amount", "Open"]);
    for item in items {
        shown.add_row([
            item.item_id.clone(),
            date_text(item.document_date.as_ref()),
            date_text(item.due_date.as_ref()),
            money_text(item.amount.as_ref()),
            money_text(item.open_amount.as_ref()),
        ]);
    }
    right(&mut shown, 3..5);
    shown
}

fn changes(timeline: &[TimelineEntry]) -> comfy_table::Table {
    let mut shown = table(&["Business date", "What", "Which", "Action", "By"]);
    for entry in timeline {
        shown.add_row([
            date_text(entry.business_date.as_ref()),
            entry.entity.clone(),
            entry.entity_id.clone(),
            entry.action.clone(),
            entry.principal.clone(),
        ]);
    }
    shown
}
