//! `mahnwerk approval`.

use mahnwerk_proto::registry::v1::{
    Approval, Creditor, FourEyes, GrantApprovalRequest, ListApprovalsRequest,
    RefuseApprovalRequest, RequestWriteOffRequest, UpdateCreditorRequest, approval,
};

use super::{Context, listing::pages};
use crate::{
    cli::{
        ListArgs,
        approval::{ApprovalCommand, AskArgs, PolicyArgs},
    },
    client::{Result, call, new_request_id},
    names,
    output::{date_text, facts, money_text, parse_amount, right, table},
};

const APPROVAL: &str = "mahnwerk.registry.v1.Approval";
const STATE: &str = "mahnwerk.registry.v1.ApprovalState";

/// Runs the command.
pub(super) async fn run(context: &Context, command: ApprovalCommand) -> Result<()> {
    let mut client = context.clients.approvals();
    let (approval, token) = match command {
        ApprovalCommand::Policy(args) => return policy(context, args).await,
        ApprovalCommand::List {
            creditor,
            debtor,
            state,
            list,
        } => return list_approvals(context, (creditor, debtor), state, list).await,
        ApprovalCommand::Ask(args) => {
            let request = asking(args)?;
            let answer = client.request_write_off(call(request)).await?.into_inner();
            (answer.approval, answer.consistency_token)
        }
        ApprovalCommand::Grant { creditor, id } => {
            let request = GrantApprovalRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                approval_id: id,
            };
            let answer = client.grant_approval(call(request)).await?.into_inner();
            (answer.approval, answer.consistency_token)
        }
        ApprovalCommand::Refuse { creditor, id, note } => {
            let request = RefuseApprovalRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                approval_id: id,
                note,
            };
            let answer = client.refuse_approval(call(request)).await?.into_inner();
            (answer.approval, answer.consistency_token)
        }
    };
    let approval = approval.unwrap_or_default();
    let shown = |it: &Approval| approvals(std::slice::from_ref(it));
    context.print_written(("approval", APPROVAL), &approval, &token, shown);
    Ok(())
}

fn asking(args: AskArgs) -> Result<RequestWriteOffRequest> {
    let amount = args.amount.amount.as_ref();
    let amount = amount.map(|text| parse_amount(text, &args.amount.currency, '.'));
    Ok(RequestWriteOffRequest {
        request_id: new_request_id(),
        creditor_id: args.creditor,
        invoice_id: args.invoice,
        amount: amount.transpose()?,
        reason: args.reason,
    })
}

async fn list_approvals(
    context: &Context,
    (creditor, debtor): (String, String),
    state: Option<i32>,
    list: ListArgs,
) -> Result<()> {
    let mut client = context.clients.approvals();
    let listed = pages(list.limit, async |page| {
        let request = ListApprovalsRequest {
            creditor_id: creditor.clone(),
            debtor_id: debtor.clone(),
            state: state.unwrap_or_default(),
            page_size: page.size,
            page_token: page.token,
            at_least: list.read.at_least.clone(),
        };
        let answer = client.list_approvals(call(request)).await?.into_inner();
        Ok((answer.approvals, answer.next_page_token))
    })
    .await?;
    context.print_list(("approvals", APPROVAL), &listed, "no approvals", approvals);
    Ok(())
}

async fn policy(context: &Context, args: PolicyArgs) -> Result<()> {
    let above = args.write_off_above.as_ref();
    let above = above.map(|text| parse_amount(text, &args.currency, '.'));
    let four_eyes = above.transpose()?.map(|above| FourEyes {
        write_off_above: Some(above),
    });
    let request = UpdateCreditorRequest {
        request_id: new_request_id(),
        creditor: Some(Creditor {
            creditor_id: args.creditor,
            four_eyes,
            ..Creditor::default()
        }),
        update_mask: vec!["four_eyes".to_owned()],
        etag: String::new(),
    };
    let mut creditors = context.clients.creditors();
    let answer = creditors.update_creditor(call(request)).await?.into_inner();
    let creditor = answer.creditor.unwrap_or_default();
    let name = ("creditor", "mahnwerk.registry.v1.Creditor");
    let token = &answer.consistency_token;
    context.print_written(name, &creditor, token, policy_table);
    Ok(())
}

fn policy_table(creditor: &Creditor) -> comfy_table::Table {
    let above = creditor.four_eyes.as_ref();
    let above = above.and_then(|it| it.write_off_above.as_ref());
    let needed = above.map_or_else(
        || "never".to_owned(),
        |above| format!("above {} of an invoice", money_text(Some(above))),
    );
    facts(&[
        ("Creditor", creditor.creditor_id.clone()),
        ("Two for write-offs", needed),
    ])
}

fn approvals(approvals: &[Approval]) -> comfy_table::Table {
    let header = [
        "Approval",
        "State",
        "Debtor",
        "Invoice",
        "Amount",
        "Asked by",
        "On",
        "Until",
        "Decided by",
        "Reason",
        "Note",
    ];
    let mut shown = table(&header);
    for it in approvals {
        let (invoice, amount) = match &it.command {
            Some(approval::Command::WriteOff(it)) => (it.invoice_id.clone(), it.amount.as_ref()),
            None => (String::new(), None),
        };
        shown.add_row([
            it.approval_id.clone(),
            names::word(STATE, it.state),
            it.debtor_id.clone(),
            invoice,
            money_text(amount),
            it.requested_by.clone(),
            date_text(it.requested_date.as_ref()),
            date_text(it.expire_date.as_ref()),
            it.decided_by.clone(),
            it.reason.clone(),
            it.note.clone(),
        ]);
    }
    right(&mut shown, [4]);
    shown
}
