//! The report as data: sections of sentences, tables, charts and letters. [`text`] and [`html`] say the same with it. All
//! but its last section depends on the seed alone.

mod chart;
mod dunning;
mod figures;
mod html;
mod scores;
mod text;

use serde::Serialize;

use super::{
    collect::Facts, drive::Driven, examples::Example, ledger::Story, statistics::Outcome,
    traffic::Counts,
};
use crate::{cli::DemoArgs, output::count_text};
use chart::Chart;
pub(super) use html::page;
pub(super) use text::lines;

/// What depends on the machine.
pub(super) struct Machine {
    /// Time to play the story.
    pub(super) driving_took: std::time::Duration,
    /// Time from the start to the report.
    pub(super) took: std::time::Duration,
    /// Changes seen on the feeds.
    pub(super) counts: Counts,
}

/// The whole report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    title: String,
    sections: Vec<Section>,
}

#[derive(Debug, Serialize)]
struct Section {
    title: String,
    blocks: Vec<Block>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", content = "of", rename_all = "snake_case")]
enum Block {
    /// A sentence or more.
    Paragraph(String),
    /// One point of a list, with what stands before it.
    Point {
        mark: String,
        text: String,
    },
    Table(Table),
    /// Shows what a table beside it says, so it is left out of the text.
    Chart(Chart),
    /// Lines for a terminal.
    Commands(Vec<String>),
    /// In a language by its ISO 639-1 code.
    Letter {
        language: String,
        subject: String,
        text: String,
    },
}

/// The first column is the name of the row, the others are figures.
#[derive(Debug, Serialize)]
struct Table {
    caption: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// The last column is not a figure but words.
    ends_with_words: bool,
}

impl Section {
    fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            blocks: Vec::new(),
        }
    }

    fn say(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Paragraph(text.into()));
    }

    fn point(&mut self, mark: impl Into<String>, text: &str) {
        self.blocks.push(Block::Point {
            mark: mark.into(),
            text: text.to_owned(),
        });
    }

    fn table(&mut self, caption: &str, head: &[&str], rows: Vec<Vec<String>>) {
        self.blocks.push(Block::Table(Table {
            caption: caption.to_owned(),
            head: head.iter().map(|name| (*name).to_owned()).collect(),
            rows,
            ends_with_words: false,
        }));
    }

    fn chart(&mut self, chart: Chart) {
        self.blocks.push(Block::Chart(chart));
    }
}

impl Report {
    /// Works out all figures.
    pub(super) fn of(
        args: &DemoArgs,
        story: &Story,
        driven: &Driven,
        facts: &Facts,
        examples: &[Example],
        machine: &Machine,
    ) -> Self {
        let outcomes: Vec<Outcome> = facts.invoices.iter().filter_map(Outcome::of).collect();
        let mut sections = vec![
            figures::portfolio(&facts.debtors),
            figures::ageing(story, &facts.balances),
            figures::days_sales_outstanding(facts, &outcomes),
            figures::payment_practice(story, &outcomes),
            scores::right_or_wrong(story, driven, facts, &outcomes),
        ];
        sections.extend(examples.iter().map(scores::example));
        sections.extend([
            dunning::segments(&driven.segments),
            dunning::movements(&facts.movements),
            dunning::notices(&driven.dunned),
            dunning::reasons(&driven.dunned),
            dunning::effect(&facts.with_reminders, &facts.without_reminders),
            dunning::tasks(&facts.tasks),
        ]);
        sections.extend(facts.letters.iter().map(dunning::letter));
        sections.extend([
            figures::what_was_done(story, driven),
            figures::how_to_go_on(args, examples),
            figures::this_machine(driven, machine),
        ]);
        Self {
            title: format!(
                "Mahnwerk demo, seed {}: {} debtors, {} months up to {}; reporting currency {}",
                args.seed,
                count_text(args.debtors),
                args.months,
                story.period.last(),
                super::drive::CURRENCY
            ),
            sections,
        }
    }
}

/// A count of things in memory.
fn size(count: usize) -> String {
    count_text(i64::try_from(count).unwrap_or(i64::MAX))
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
