//! `mahnwerk contact` and `bank-import`.

use mahnwerk_proto::registry::v1::{
    Contact, Creditor, ListContactsRequest, RecordBankImportRequest, RecordContactRequest,
};

use super::{Context, listing::pages};
use crate::{
    cli::facts::{BankImportArgs, ContactArgs, ContactCommand, DebtorListArgs},
    client::{Result, call, new_request_id},
    names,
    output::{date_text, facts, proto_date, table},
};

const CONTACT: &str = "mahnwerk.registry.v1.Contact";

/// Runs `contact`.
pub(super) async fn run(context: &Context, command: ContactCommand) -> Result<()> {
    match command {
        ContactCommand::Record(args) => record(context, args).await,
        ContactCommand::List(args) => list(context, args).await,
    }
}

async fn record(context: &Context, args: ContactArgs) -> Result<()> {
    let request = RecordContactRequest {
        request_id: new_request_id(),
        contact: Some(Contact {
            creditor_id: args.creditor,
            debtor_id: args.debtor,
            contact_id: args.id,
            channel: args.channel.unwrap_or_default(),
            purpose: args.purpose,
            contact_date: args.date.map(proto_date),
            text: args.text,
            reference: args.reference,
            version: 0,
        }),
    };
    let mut debtors = context.clients.debtors();
    let answer = debtors.record_contact(call(request)).await?.into_inner();
    let shown = |contact: &Contact| contacts(std::slice::from_ref(contact));
    let contact = answer.contact.unwrap_or_default();
    context.print_written(
        ("contact", CONTACT),
        &contact,
        &answer.consistency_token,
        shown,
    );
    Ok(())
}

async fn list(context: &Context, args: DebtorListArgs) -> Result<()> {
    let mut debtors = context.clients.debtors();
    let listed = pages(args.list.limit, async |page| {
        let request = ListContactsRequest {
            creditor_id: args.creditor.clone(),
            debtor_id: args.debtor.clone(),
            page_size: page.size,
            page_token: page.token,
            at_least: args.list.read.at_least.clone(),
        };
        let answer = debtors.list_contacts(call(request)).await?.into_inner();
        Ok((answer.contacts, answer.next_page_token))
    })
    .await?;
    context.print_list(("contacts", CONTACT), &listed, "no contacts", contacts);
    Ok(())
}

/// Runs `bank-import`.
pub(super) async fn bank_import(context: &Context, args: BankImportArgs) -> Result<()> {
    let request = RecordBankImportRequest {
        request_id: new_request_id(),
        creditor_id: args.creditor,
        import_date: Some(proto_date(args.date)),
    };
    let mut creditors = context.clients.creditors();
    let answer = creditors
        .record_bank_import(call(request))
        .await?
        .into_inner();
    let (creditor, token) = (
        answer.creditor.unwrap_or_default(),
        answer.consistency_token,
    );
    let name = ("creditor", "mahnwerk.registry.v1.Creditor");
    context.print_written(name, &creditor, &token, |creditor: &Creditor| {
        facts(&[
            ("Creditor", creditor.creditor_id.clone()),
            ("Business date", date_text(creditor.business_date.as_ref())),
            (
                "Bank import up to",
                date_text(creditor.last_bank_import.as_ref()),
            ),
        ])
    });
    Ok(())
}

fn contacts(contacts: &[Contact]) -> comfy_table::Table {
    let mut shown = table(&["Date", "Contact", "Purpose", "Channel", "Reference", "Text"]);
    for it in contacts {
        shown.add_row([
            date_text(it.contact_date.as_ref()),
            it.contact_id.clone(),
            names::word("mahnwerk.registry.v1.ContactPurpose", it.purpose),
            names::word("mahnwerk.registry.v1.Channel", it.channel),
            it.reference.clone(),
            it.text.clone(),
        ]);
    }
    shown
}
