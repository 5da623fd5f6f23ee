//! `mahnwerk doctor`: whether the suite is well.

mod judge;
mod look;
mod seen;
mod show;

use std::process::ExitCode;

use serde_json::{Value, json};

use super::Context;
use crate::{
    cli::{Urls, doctor::DoctorArgs},
    client::{Failure, Result},
    output::print_json,
};
use judge::Finding;
use seen::Seen;

/// The exit code if something needs attention, as documented in the help.
const NEEDS_ATTENTION: u8 = 7;

/// Runs the command. What is wrong is its answer and no failure of its own.
pub(super) async fn run(context: &Context, urls: &Urls, args: &DoctorArgs) -> Result<ExitCode> {
    let seen = look::look(context, urls, args).await?;
    let findings = judge::judge(&seen);
    if context.json {
        print_json(&document(&seen, &findings)?);
    } else {
        show::show(&seen, &findings);
    }
    Ok(if is_well(&findings) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NEEDS_ATTENTION)
    })
}

fn is_well(findings: &[Finding]) -> bool {
    !findings.iter().any(Finding::needs_attention)
}

/// All of it for programs.
fn document(seen: &Seen, findings: &[Finding]) -> Result<Value> {
    let broken = |error: serde_json::Error| Failure::Unexpected(error.to_string());
    let mut document = serde_json::to_value(seen).map_err(broken)?;
    document["well"] = json!(is_well(findings));
    document["findings"] = serde_json::to_value(findings).map_err(broken)?;
    Ok(document)
}
