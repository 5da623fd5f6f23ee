//! `mahnwerk scheme`.

use std::{collections::BTreeSet, path::Path};

use mahnwerk_proto::segmentation::v1::{
    ActivateSchemeRequest, Activation, ActivationState, CreateSchemeRevisionRequest, Field,
    GetActivationRequest, GetSchemeRequest, ListFieldsRequest, ListSchemesRequest, Movement,
    Scheme, SchemeWarning, SimulateSchemeRequest, SimulationResult,
};
use serde_json::json;

use super::{
    Context,
    listing::{Listed, advance, pages, progress_bar, until_rest},
    read_text, scheme_file,
};
use crate::{
    cli::{
        ListArgs,
        segments::{RevisionArgs, SchemeCommand},
    },
    client::{Failure, Result, call, new_request_id, once_arrived},
    json, names,
    output::{count_text, facts, minor_text, print_json, right, table, time_text, yes},
};

const SCHEME: &str = "mahnwerk.segmentation.v1.Scheme";
const SCHEME_STATE: &str = "mahnwerk.segmentation.v1.SchemeState";
const ACTIVATION: &str = "mahnwerk.segmentation.v1.Activation";

/// Runs the command.
pub(super) async fn run(context: &Context, command: SchemeCommand) -> Result<()> {
    match command {
        SchemeCommand::List { creditor, list } => list_schemes(context, creditor, list).await,
        SchemeCommand::Show(args) => show(context, args).await,
        SchemeCommand::Fields => list_fields(context).await,
        SchemeCommand::Create {
            creditor,
            file,
            check,
        } => create(context, &creditor, &file, check).await,
        SchemeCommand::Simulate(args) => simulate(context, args).await,
        SchemeCommand::Activate {
            creditor,
            scheme,
            revision,
            max_error_ppm,
            wait,
        } => {
            let request = ActivateSchemeRequest {
                request_id: new_request_id(),
                creditor_id: creditor,
                scheme_id: scheme,
                revision,
                max_error_ppm,
            };
            activate(context, request, wait).await
        }
    }
}

async fn list_schemes(context: &Context, creditor: String, list: ListArgs) -> Result<()> {
    let mut schemes = context.clients.schemes();
    let listed = pages(list.limit, async |page| {
        let request = ListSchemesRequest {
            creditor_id: creditor.clone(),
            page_size: page.size,
            page_token: page.token,
            at_least: list.read.at_least.clone(),
        };
        let answer = schemes.list_schemes(call(request)).await?.into_inner();
        Ok((answer.schemes, answer.next_page_token))
    })
    .await?;
    context.print_list(("schemes", SCHEME), &listed, "no schemes", revisions);
    Ok(())
}

async fn show(context: &Context, args: RevisionArgs) -> Result<()> {
    let request = GetSchemeRequest {
        creditor_id: args.creditor,
        scheme_id: args.scheme,
        revision: args.revision,
        at_least: args.read.at_least,
    };
    let mut schemes = context.clients.schemes();
    let answer = schemes.get_scheme(call(request)).await?.into_inner();
    let scheme = answer.scheme.unwrap_or_default();
    let text = scheme_file::write(&scheme)?;
    context.print_read(("scheme", SCHEME), &scheme, |scheme| {
        format!(
            "# Revision {}, {}, created {}.\n{}",
            scheme.revision,
            names::word(SCHEME_STATE, scheme.state),
            time_text(scheme.create_time.as_ref()),
            text.trim_end()
        )
    });
    Ok(())
}

async fn list_fields(context: &Context) -> Result<()> {
    let mut schemes = context.clients.schemes();
    let answer = schemes.list_fields(call(ListFieldsRequest {})).await?;
    let listed = Listed {
        rows: answer.into_inner().fields,
        more: false,
    };
    let name = ("fields", "mahnwerk.segmentation.v1.Field");
    context.print_list(name, &listed, "no fields", fields);
    Ok(())
}

async fn create(context: &Context, creditor: &str, file: &Path, check: bool) -> Result<()> {
    let request = CreateSchemeRevisionRequest {
        request_id: new_request_id(),
        scheme: Some(scheme_file::read(creditor, &read_text(file)?)?),
        validate_only: check,
    };
    let mut schemes = context.clients.schemes();
    let answer = schemes.create_scheme_revision(call(request)).await?;
    let answer = answer.into_inner();
    let scheme = answer.scheme.unwrap_or_default();
    if context.json {
        let name = "mahnwerk.segmentation.v1.SchemeWarning";
        print_json(&json!({
            "scheme": json::message(SCHEME, &scheme),
            "warnings": json::messages(name, &answer.warnings),
            "consistency_token": answer.consistency_token,
        }));
        return Ok(());
    }
    if check {
        say!("nothing is wrong with it; nothing is stored");
    } else {
        say!(
            "{} revision {} is a draft",
            scheme.scheme_id,
            scheme.revision
        );
        context.print_token(&answer.consistency_token);
    }
    if !answer.warnings.is_empty() {
        say!("\n{}", warnings(&answer.warnings));
    }
    Ok(())
}

async fn simulate(context: &Context, args: RevisionArgs) -> Result<()> {
    let request = SimulateSchemeRequest {
        creditor_id: args.creditor,
        scheme_id: args.scheme,
        revision: args.revision,
        at_least: args.read.at_least,
    };
    // Without a deadline: it takes as long as there are debtors.
    let mut schemes = context.clients.schemes();
    let mut messages = schemes.simulate_scheme(request).await?.into_inner();
    let (bar, mut result) = (progress_bar(), None);
    while let Some(message) = messages.message().await? {
        advance(&bar, (message.visited, message.total));
        result = message.result.or(result);
    }
    bar.finish_and_clear();
    let ended_early = || Failure::Unexpected("the simulation ended without a result".to_owned());
    let result = result.ok_or_else(ended_early)?;
    let name = ("result", "mahnwerk.segmentation.v1.SimulationResult");
    context.print_read(name, &result, simulated);
    Ok(())
}

async fn activate(context: &Context, request: ActivateSchemeRequest, wait: bool) -> Result<()> {
    let mut schemes = context.clients.schemes();
    let (creditor_id, scheme_id) = (request.creditor_id.clone(), request.scheme_id.clone());
    let answer = schemes.activate_scheme(call(request)).await?.into_inner();
    let token = answer.consistency_token;
    let mut activation = answer.activation.unwrap_or_default();
    if wait {
        let request = GetActivationRequest {
            creditor_id,
            scheme_id,
            at_least: token.clone(),
        };
        let look = async || {
            let read = async || schemes.get_activation(call(request.clone())).await;
            Ok(once_arrived(read).await?.activation.unwrap_or_default())
        };
        let ended = |it: &Activation| {
            matches!(it.state(), ActivationState::Done | ActivationState::Refused)
        };
        activation = until_rest(look, |it| (it.visited, it.total), ended).await?;
    }
    context.print_written(("activation", ACTIVATION), &activation, &token, activated);
    if activation.state() == ActivationState::Refused {
        return Err(Failure::NotAllowed(format!(
            "the rules fail for {} debtors; nothing was changed",
            count_text(activation.errors)
        )));
    }
    Ok(())
}

fn revisions(schemes: &[Scheme]) -> comfy_table::Table {
    let mut shown = table(&["Scheme", "Revision", "State", "Name", "Segments", "Created"]);
    for it in schemes {
        shown.add_row([
            it.scheme_id.clone(),
            it.revision.to_string(),
            names::word(SCHEME_STATE, it.state),
            it.display_name.clone(),
            it.segments.len().to_string(),
            time_text(it.create_time.as_ref()),
        ]);
    }
    right(&mut shown, [1, 4]);
    shown
}

fn fields(fields: &[Field]) -> comfy_table::Table {
    let mut shown = table(&["Field", "Type", "Unit", "May be absent", "Meaning"]);
    for it in fields {
        shown.add_row([
            format!("debtor.{}", it.name).as_str(),
            &it.r#type,
            &it.unit,
            yes(it.optional),
            &it.description,
        ]);
    }
    shown
}

fn warnings(warnings: &[SchemeWarning]) -> comfy_table::Table {
    let mut shown = table(&["Field", "Hardly meant"]);
    for it in warnings {
        shown.add_row([&it.field, &it.description]);
    }
    shown
}

fn activated(activation: &Activation) -> comfy_table::Table {
    let visited = format!(
        "{} of {}",
        count_text(activation.visited),
        count_text(activation.total)
    );
    facts(&[
        ("Scheme", activation.scheme_id.clone()),
        ("Revision", activation.revision.to_string()),
        (
            "State",
            names::word("mahnwerk.segmentation.v1.ActivationState", activation.state),
        ),
        ("Debtors visited", visited),
        ("Moved", count_text(activation.moved)),
        ("Rules failed", count_text(activation.errors)),
        ("Began", time_text(activation.start_time.as_ref())),
        ("Ended", time_text(activation.end_time.as_ref())),
    ])
}

/// Who would go where: the matrix, and what and who it is about.
fn simulated(result: &SimulationResult) -> String {
    let counts = facts(&[
        ("Evaluated", count_text(result.evaluated)),
        ("Would move", count_text(result.moved)),
        ("Rules failed", count_text(result.errors)),
    ]);
    let mut text = format!(
        "{counts}\n\nDebtors by where they are (down) and would be (across)\n{}",
        matrix(&result.movements)
    );
    let moving: Vec<_> = result
        .movements
        .iter()
        .filter(|it| it.from_segment_id != it.to_segment_id)
        .collect();
    if !moving.is_empty() {
        let moves = moves(&moving, &result.currency_code);
        text = format!("{text}\n\nWho would move\n{moves}");
    }
    text
}

/// Debtors that are in no segment yet have a name here.
fn segment_name(id: &str) -> &str {
    if id.is_empty() { "(none)" } else { id }
}

fn matrix(movements: &[Movement]) -> comfy_table::Table {
    let targets: BTreeSet<&str> = movements
        .iter()
        .map(|it| it.to_segment_id.as_str())
        .collect();
    let sources: BTreeSet<&str> = movements
        .iter()
        .map(|it| it.from_segment_id.as_str())
        .collect();
    let header: Vec<&str> = ["From"]
        .into_iter()
        .chain(targets.iter().copied())
        .collect();
    let mut shown = table(&header);
    for from in sources {
        let cells = targets.iter().map(|to| {
            let there = movements
                .iter()
                .find(|it| it.from_segment_id == from && it.to_segment_id == *to);
            there.map_or_else(|| "·".to_owned(), |it| count_text(it.debtors))
        });
        shown.add_row([segment_name(from).to_owned()].into_iter().chain(cells));
    }
    right(&mut shown, 1..header.len());
    shown
}

fn moves(moving: &[&Movement], currency: &str) -> comfy_table::Table {
    let mut shown = table(&[
        "From",
        "To",
        "Debtors",
        "Open amount",
        "Not in it",
        "For example",
    ]);
    for it in moving {
        let examples: Vec<_> = it
            .examples
            .iter()
            .map(|example| {
                let amount = example.open_amount_minor.map_or_else(
                    || "amount unknown".to_owned(),
                    |minor| minor_text(currency, minor),
                );
                format!("{} ({amount})", example.debtor_id)
            })
            .collect();
        shown.add_row([
            segment_name(&it.from_segment_id).to_owned(),
            it.to_segment_id.clone(),
            count_text(it.debtors),
            minor_text(currency, it.open_amount_minor),
            count_text(it.debtors_without_amount),
            examples.join(", "),
        ]);
    }
    right(&mut shown, 2..5);
    shown
}

#[cfg(test)]
mod tests {
    use mahnwerk_proto::segmentation::v1::MovementExample;

    use super::*;

    #[test]
    fn a_simulation_shows_the_matrix_the_amounts_and_examples() {
        let movement = |from: &str, to: &str, debtors, examples| Movement {
            from_segment_id: from.to_owned(),
            to_segment_id: to.to_owned(),
            debtors,
            open_amount_minor: debtors * 10_000,
            debtors_without_amount: 0,
            examples,
        };
        let example = |id: &str, open_amount_minor| MovementExample {
            debtor_id: id.to_owned(),
            open_amount_minor,
        };
        let result = SimulationResult {
            movements: vec![
                movement("", "fast", 3, Vec::new()),
                movement("fast", "fast", 1_200, Vec::new()),
                movement(
                    "fast",
                    "slow",
                    2,
                    vec![example("C-1", Some(15_000)), example("C-2", None)],
                ),
            ],
            moved: 5,
            evaluated: 1_205,
            errors: 0,
            currency_code: "EUR".to_owned(),
        };
        let text = simulated(&result);
        let line = |start: &str| {
            let found = text
                .lines()
                .find(|line| line.trim_start().starts_with(start));
            found
                .unwrap_or_else(|| panic!("{start} in\n{text}"))
                .to_owned()
        };
        let cells = |line: String| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(cells(line("(none)")), ["(none)", "3", "·"]);
        assert_eq!(cells(line("fast")), ["fast", "1,200", "2"]);
        assert_eq!(cells(line("Would move")), ["Would", "move", "5"]);
        let moves = text.split("Who would move").nth(1).expect("moves");
        assert!(moves.contains("200.00 EUR"), "{moves}");
        assert!(
            moves.contains("C-1 (150.00 EUR), C-2 (amount unknown)"),
            "{moves}"
        );
        assert!(
            !moves.contains("1,200"),
            "those that stay do not move: {moves}"
        );
    }
}
