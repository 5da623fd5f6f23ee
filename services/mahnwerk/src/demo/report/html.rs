//! The report as a page of its own: nothing is loaded, and nothing has to run for it to be read.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde::Serialize;

use super::{Block, Report, Section, chart::Drawing};
use crate::client::{Failure, Result};

const TEMPLATE: &str = include_str!("page.html");

/// A section as the template needs it.
#[derive(Serialize)]
struct Shown<'a> {
    title: &'a str,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "kind", content = "of", rename_all = "snake_case")]
enum Part<'a> {
    Chart(Drawing),
    /// Points that follow each other are one list.
    List(Vec<&'a Block>),
    #[serde(untagged)]
    Block(&'a Block),
}

/// The report as an HTML document.
///
/// # Errors
/// If the template fails, which its test excludes.
pub(in super::super) fn page(report: &Report) -> Result<String> {
    let sections: Vec<_> = report.sections.iter().map(shown).collect();
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment
        .template_from_str(TEMPLATE)
        .and_then(|template| template.render(context! { title => report.title, sections }))
        .map_err(|error| Failure::Unexpected(format!("the page cannot be written: {error:#}")))
}

fn shown(section: &Section) -> Shown<'_> {
    let mut parts = Vec::new();
    for block in &section.blocks {
        match (block, parts.last_mut()) {
            (Block::Chart(chart), _) => parts.extend(chart.drawing().map(Part::Chart)),
            (Block::Point { .. }, Some(Part::List(points))) => points.push(block),
            (Block::Point { .. }, _) => parts.push(Part::List(vec![block])),
            _ => parts.push(Part::Block(block)),
        }
    }
    Shown {
        title: &section.title,
        parts,
    }
}
