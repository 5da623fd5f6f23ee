//! `mahnwerk procedure`.

use std::path::Path;

use mahnwerk_proto::dunning::v1::{
    CreateProcedureRevisionRequest, DunningSettings, GetDunningSettingsRequest,
    GetProcedureRequest, ListProceduresRequest, Procedure, SetDunningSettingsRequest,
};

use super::{Context, listing::pages, read_text};
use crate::{
    cli::{
        ListArgs,
        dunning::{Limit, ProcedureCommand, SettingsArgs},
    },
    client::{Result, call, new_request_id},
    names,
    output::{facts, right, table, yes},
};

const PROCEDURE: &str = "mahnwerk.dunning.v1.Procedure";
const SETTINGS: &str = "mahnwerk.dunning.v1.DunningSettings";

/// Runs the command.
pub(super) async fn run(context: &Context, command: ProcedureCommand) -> Result<()> {
    match command {
        ProcedureCommand::List { creditor, list } => list_procedures(context, creditor, list).await,
        ProcedureCommand::Show {
            creditor,
            procedure,
            revision,
            read,
        } => {
            let request = GetProcedureRequest {
                creditor_id: creditor,
                procedure_id: procedure,
                revision,
                at_least: read.at_least,
            };
            let mut procedures = context.clients.procedures();
            let answer = procedures.get_procedure(call(request)).await?.into_inner();
            let procedure = answer.procedure.unwrap_or_default();
            context.print_read(("procedure", PROCEDURE), &procedure, definition);
            Ok(())
        }
        ProcedureCommand::Create {
            creditor,
            procedure,
            file,
            check,
        } => create(context, creditor, procedure, &file, check).await,
        ProcedureCommand::Settings(args) => settings(context, args).await,
    }
}

async fn list_procedures(context: &Context, creditor: String, list: ListArgs) -> Result<()> {
    let mut procedures = context.clients.procedures();
    let listed = pages(list.limit, async |page| {
        let request = ListProceduresRequest {
            creditor_id: creditor.clone(),
            page_size: page.size,
            page_token: page.token,
            at_least: list.read.at_least.clone(),
        };
        let answer = procedures
            .list_procedures(call(request))
            .await?
            .into_inner();
        Ok((answer.procedures, answer.next_page_token))
    })
    .await?;
    context.print_list(
        ("procedures", PROCEDURE),
        &listed,
        "no procedures",
        revisions,
    );
    Ok(())
}

async fn create(
    context: &Context,
    creditor: String,
    procedure: String,
    file: &Path,
    check: bool,
) -> Result<()> {
    let request = CreateProcedureRevisionRequest {
        request_id: new_request_id(),
        procedure: Some(Procedure {
            creditor_id: creditor,
            procedure_id: procedure,
            revision: 0,
            definition: read_text(file)?,
        }),
        validate_only: check,
    };
    let mut procedures = context.clients.procedures();
    let answer = procedures.create_procedure_revision(call(request)).await?;
    let answer = answer.into_inner();
    let stored = |it: &Procedure| {
        if check {
            "nothing is wrong with it; nothing is stored".to_owned()
        } else {
            format!(
                "{} revision {} applies to runs from now on",
                it.procedure_id, it.revision
            )
        }
    };
    let procedure = answer.procedure.unwrap_or_default();
    let token = &answer.consistency_token;
    context.print_written(("procedure", PROCEDURE), &procedure, token, stored);
    Ok(())
}

/// Shows the settings; what is named is changed first, the rest stays.
async fn settings(context: &Context, args: SettingsArgs) -> Result<()> {
    let mut procedures = context.clients.procedures();
    let request = GetDunningSettingsRequest {
        creditor_id: args.creditor.clone(),
        at_least: args.read.at_least.clone(),
    };
    let answer = procedures.get_dunning_settings(call(request)).await?;
    let before = answer.into_inner().settings.unwrap_or_default();
    let (wanted, update_mask) = changed(before.clone(), args);
    if wanted == before {
        context.print_read(("settings", SETTINGS), &before, settings_table);
        return Ok(());
    }
    let request = SetDunningSettingsRequest {
        request_id: new_request_id(),
        settings: Some(wanted),
        update_mask,
        etag: before.etag,
    };
    let answer = procedures
        .set_dunning_settings(call(request))
        .await?
        .into_inner();
    let settings = answer.settings.unwrap_or_default();
    let token = &answer.consistency_token;
    context.print_written(("settings", SETTINGS), &settings, token, settings_table);
    Ok(())
}

/// The settings with what the arguments name, and the fields named.
fn changed(mut settings: DunningSettings, args: SettingsArgs) -> (DunningSettings, Vec<String>) {
    let days = args.max_bank_import_age.map(|Limit(days)| days);
    let fields = [
        (
            "max_bank_import_age_days",
            put(&mut settings.max_bank_import_age_days, days),
        ),
        ("when_stale", put(&mut settings.when_stale, args.when_stale)),
        ("sender", put(&mut settings.sender, args.sender)),
        (
            "payment_details",
            put(&mut settings.payment_details, args.payment_details),
        ),
        ("email_from", put(&mut settings.email_from, args.email_from)),
        (
            "four_eyes_release",
            put(&mut settings.four_eyes_release, args.four_eyes_release),
        ),
    ];
    let named = fields.into_iter().filter(|(_, is_named)| *is_named);
    (settings, named.map(|(field, _)| field.to_owned()).collect())
}

/// Puts what is given in place; answers whether something is.
fn put<T>(field: &mut T, given: Option<T>) -> bool {
    let is_given = given.is_some();
    if let Some(given) = given {
        *field = given;
    }
    is_given
}

fn settings_table(settings: &DunningSettings) -> comfy_table::Table {
    let limit = settings.max_bank_import_age_days.map_or_else(
        || "no limit".to_owned(),
        |days| format!("at most {days} days old"),
    );
    let or_none =
        |text: &str, otherwise: &str| if text.is_empty() { otherwise } else { text }.to_owned();
    facts(&[
        ("Bank import", limit),
        (
            "When it is older",
            names::word("mahnwerk.dunning.v1.WhenStale", settings.when_stale),
        ),
        ("Sender", or_none(&settings.sender, "the creditor's name")),
        (
            "Payment details",
            or_none(&settings.payment_details, "none"),
        ),
        (
            "E-mails from",
            or_none(&settings.email_from, "none are sent"),
        ),
        (
            "Released by another",
            yes(settings.four_eyes_release).to_owned(),
        ),
    ])
}

fn revisions(procedures: &[Procedure]) -> comfy_table::Table {
    let mut shown = table(&["Procedure", "Revision", "Name", "Steps"]);
    for it in procedures {
        let definition: toml::Table = toml::from_str(&it.definition).unwrap_or_default();
        let name = definition.get("name").and_then(toml::Value::as_str);
        let steps = definition.get("steps").and_then(toml::Value::as_array);
        shown.add_row([
            it.procedure_id.clone(),
            it.revision.to_string(),
            name.unwrap_or_default().to_owned(),
            steps.map_or_else(String::new, |steps| steps.len().to_string()),
        ]);
    }
    right(&mut shown, [1, 3]);
    shown
}

/// The file that would create it.
fn definition(procedure: &Procedure) -> String {
    format!(
        "# Revision {}.\n{}",
        procedure.revision,
        procedure.definition.trim_end()
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn arguments(given: &[&str]) -> SettingsArgs {
        let words = ["mahnwerk", "procedure", "settings", "acme"];
        let parsed = Cli::try_parse_from(words.iter().chain(given)).expect("arguments");
        match parsed.command {
            Command::Procedure(ProcedureCommand::Settings(args)) => args,
            _ => panic!("another command"),
        }
    }

    #[test]
    fn settings_change_only_where_they_are_named() {
        let before = DunningSettings {
            creditor_id: "acme".to_owned(),
            max_bank_import_age_days: Some(3),
            when_stale: 1,
            sender: "Acme".to_owned(),
            ..DunningSettings::default()
        };
        let change = |of: &DunningSettings, named: &[&str]| changed(of.clone(), arguments(named));
        assert_eq!(change(&before, &[]), (before.clone(), Vec::new()));
        let named = ["--max-bank-import-age", "none", "--sender", ""];
        let (after, mask) = change(&before, &named);
        assert_eq!(after.max_bank_import_age_days, None);
        assert_eq!((after.sender.as_str(), after.when_stale), ("", 1));
        assert_eq!(mask, ["max_bank_import_age_days", "sender"]);
        let named = ["--max-bank-import-age", "7", "--when-stale", "mark"];
        let (after, mask) = change(&before, &named);
        assert_eq!(
            (after.max_bank_import_age_days, after.when_stale),
            (Some(7), 2)
        );
        assert_eq!(mask, ["max_bank_import_age_days", "when_stale"]);
        let (two, mask) = change(&after, &["--four-eyes-release", "true"]);
        assert!(two.four_eyes_release && !after.four_eyes_release);
        assert_eq!(mask, ["four_eyes_release"]);
        let (two, mask) = change(&two, &["--sender", "x"]);
        assert!(two.four_eyes_release);
        assert_eq!(mask, ["sender"]);
    }

    #[test]
    fn a_list_of_procedures_shows_their_names_and_steps() {
        let procedure = Procedure {
            procedure_id: "standard".to_owned(),
            revision: 1,
            definition: include_str!("../../../dunning/core/data/standard.toml").to_owned(),
            ..Procedure::default()
        };
        let text = revisions(std::slice::from_ref(&procedure)).to_string();
        let row = text.lines().last().unwrap_or_default();
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells, ["standard", "1", "Standard", "5"]);
        assert!(definition(&procedure).starts_with("# Revision 1.\n"));
    }
}
