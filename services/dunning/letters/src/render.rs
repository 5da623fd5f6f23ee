//! From the facts of a notice to its texts.

use dunning_core::plan::LineKind;
use dunning_core::procedure::{Statutory, Tone};
use minijinja::Environment;
use serde::Serialize;
use thiserror::Error;

use crate::format::Language;
use crate::letter::{Letter, LetterItem, LetterLine};
use crate::table::{text_amount, text_table};
use crate::template;
use crate::words::Words;
use crate::wrap::{WIDTH, field_lines, lines, paragraphs, single_line};

/// A letter in its final words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Plain text, lines ended by `\n`; what can be broken is broken at 72 characters.
    pub text: String,
    /// A complete HTML page that loads nothing from anywhere.
    pub html: String,
}

/// Why a letter cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenderError {
    /// No letters are written in it.
    #[error("no letters in language {0:?}")]
    UnknownLanguage(String),
    /// There is no such template.
    #[error("unknown template {0:?}")]
    UnknownTemplate(String),
    /// No ISO 4217 code of a currency with a minor unit.
    #[error("unknown currency {0:?}")]
    UnknownCurrency(String),
    /// Nothing, or too much, to print.
    #[error("letter has {count} {what}, allowed are 1 to {limit}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The amounts contradict each other.
    #[error("amounts are wrong: {0}")]
    Amounts(&'static str),
    /// A statute wants something said that the letter does not know.
    #[error("{statute:?} cannot be rendered without {field}")]
    Missing {
        /// Which statute.
        statute: Statutory,
        /// What is missing.
        field: &'static str,
    },
    /// A handover says nothing of what a statute wants said.
    #[error("a handover cannot be the notice that a statute demands")]
    StatutoryHandover,
    /// A template is broken: it failed at this place, for this reason.
    #[error("template failed: {0}")]
    Template(String),
}

/// Renders a letter. The same letter renders to the same bytes.
///
/// # Errors
///
/// See [`RenderError`]; none names a person.
pub fn render(letter: &Letter) -> Result<Rendered, RenderError> {
    let checked = letter.check()?;
    let name = template::name(letter.language, &letter.template)?;
    let money = Money {
        language: letter.language,
        currency: &letter.currency,
        digits: checked.digits,
    };
    let environment = template::environment()?;
    let said = Said::new(environment, &name, &Facts::new(letter, &money))?;
    let page = Page::new(letter, &money, checked.principal_minor, &said);
    let text = layout(environment, "letter.txt", &page)?;
    Ok(Rendered {
        text: without_trailing_blanks(&text),
        html: layout(environment, "letter.html", &page)?,
        subject: said.subject,
    })
}

fn layout(
    environment: &Environment<'_>,
    name: &str,
    page: &Page<'_>,
) -> Result<String, RenderError> {
    let template = environment.get_template(name);
    let rendered = template.and_then(|template| template.render(page));
    rendered.map_err(|error| RenderError::Template(template::failure(&error)))
}

/// No blanks at the end of a line, never two empty lines in a row, one line break at the end.
fn without_trailing_blanks(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        let empty_twice = line.is_empty() && kept.last().is_none_or(|last| last.is_empty());
        if !empty_twice {
            kept.push(line);
        }
    }
    let mut text = kept.join("\n").trim_end().to_owned();
    text.push('\n');
    text
}

/// How amounts of the letter are written.
struct Money<'a> {
    language: Language,
    currency: &'a str,
    digits: u32,
}

impl Money<'_> {
    fn of(&self, minor: i64) -> String {
        self.language.money(minor, self.currency, self.digits)
    }
}

/// Parts what a template says; no field of a letter has it.
const PART: char = '\u{c}';

/// What the sentences of a letter may speak of.
#[derive(Serialize)]
struct Facts {
    part: char,
    tone: Tone,
    person: bool,
    reminded: bool,
    debtor: String,
    creditor: String,
    /// `invoice R-1` or `3 invoices`.
    invoices: String,
    one: bool,
    /// Days past due of the longest overdue item: `12 days`, `up to 12 days`.
    overdue: String,
    total: String,
    pay_by: String,
    /// Name of the statute, empty for none.
    statute: &'static str,
    /// Empty if unknown.
    costs: String,
}

impl Facts {
    fn new(letter: &Letter, money: &Money<'_>) -> Self {
        let language = letter.language;
        let first = letter.items.first().map(|it| single_line(&it.item_id));
        let oldest = letter.items.iter().map(|it| it.days_overdue).max();
        let costs = letter.costs_after_period_minor;
        Self {
            part: PART,
            tone: letter.tone,
            person: letter.debtor_is_person,
            reminded: letter.reminded,
            debtor: single_line(&letter.debtor_name),
            creditor: single_line(&letter.creditor_name),
            invoices: language.invoices(letter.items.len(), &first.unwrap_or_default()),
            one: letter.items.len() == 1,
            overdue: language.overdue(oldest.unwrap_or_default(), letter.items.len() == 1),
            total: money.of(letter.total_minor),
            pay_by: language.date(letter.pay_by),
            statute: match letter.statute {
                Some(Statutory::BeFreeReminder) => "be",
                Some(Statutory::NlFourteenDayLetter) => "nl",
                None => "",
            },
            costs: costs.map(|minor| money.of(minor)).unwrap_or_default(),
        }
    }
}

/// The sentences of a letter, paragraph by paragraph.
struct Said {
    subject: String,
    opening: Vec<String>,
    request: Vec<String>,
    closing: Vec<String>,
}

impl Said {
    fn new(environment: &Environment<'_>, name: &str, facts: &Facts) -> Result<Self, RenderError> {
        let said = environment
            .get_template(name)
            .and_then(|template| template.render(facts))
            .map_err(|error| RenderError::Template(template::failure(&error)))?;
        let mut parts = said.split(PART).map(paragraphs);
        let mut part = || parts.next().unwrap_or_default();
        Ok(Self {
            subject: part().join(" "),
            opening: part(),
            request: part(),
            closing: part(),
        })
    }
}

/// What the layouts print.
#[derive(Serialize)]
struct Page<'a> {
    lang: &'static str,
    words: &'a Words,
    subject: &'a str,
    creditor: String,
    creditor_number: String,
    debtor: String,
    reference: String,
    date: String,
    opening: &'a [String],
    items: Vec<Row>,
    lines: Vec<Amount>,
    total: String,
    request: &'a [String],
    payment_details: Vec<String>,
    closing: &'a [String],
    sender: Vec<String>,
    plain: Plain,
}

/// What plain text needs broken and aligned.
#[derive(Serialize)]
struct Plain {
    head: Vec<String>,
    rule: String,
    items: String,
    lines: Vec<String>,
    total: String,
    opening: Vec<String>,
    request: Vec<String>,
    closing: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    number: String,
    dated: String,
    due: String,
    overdue: String,
    open: String,
    claimed: String,
    /// Whether less is claimed than is open.
    partly: bool,
}

#[derive(Serialize)]
struct Amount {
    label: String,
    amount: String,
}

impl<'a> Page<'a> {
    fn new(letter: &Letter, money: &Money<'_>, principal: i64, said: &'a Said) -> Self {
        let language = letter.language;
        let words = language.words();
        let items: Vec<Row> = letter.items.iter().map(|it| Row::new(it, money)).collect();
        let mut lines = vec![Amount {
            label: words.principal.to_owned(),
            amount: money.of(principal),
        }];
        let charges = letter.lines.iter();
        let charges = charges.filter(|line| line.kind != LineKind::Principal);
        lines.extend(charges.map(|line| Amount::new(line, money)));
        let total = money.of(letter.total_minor);
        Self {
            lang: language.code(),
            words,
            subject: &said.subject,
            creditor: single_line(&letter.creditor_name),
            creditor_number: letter
                .creditor_number
                .as_deref()
                .map(single_line)
                .unwrap_or_default(),
            debtor: single_line(&letter.debtor_name),
            reference: single_line(&letter.notice_id),
            date: language.date(letter.notice_date),
            opening: &said.opening,
            plain: Plain {
                head: wrapped(&[
                    single_line(&letter.creditor_name),
                    format!("{}: {}", words.to, single_line(&letter.debtor_name)),
                ]),
                rule: "-".repeat(WIDTH),
                items: plain_items(words, &items),
                lines: lines
                    .iter()
                    .map(|it| text_amount(&it.label, &it.amount))
                    .collect(),
                total: text_amount(words.total, &total),
                opening: wrapped(&said.opening),
                request: wrapped(&said.request),
                closing: wrapped(&said.closing),
            },
            items,
            lines,
            total,
            request: &said.request,
            payment_details: field_lines(&letter.payment_details),
            closing: &said.closing,
            sender: field_lines(&letter.sender),
        }
    }
}

fn wrapped(paragraphs: &[String]) -> Vec<String> {
    let wrap = |text: &String| lines(text, WIDTH).join("\n");
    paragraphs.iter().map(wrap).collect()
}

/// A column says what of each item is claimed, if that is not always all.
fn plain_items(words: &Words, items: &[Row]) -> String {
    let partly = items.iter().any(|it| it.partly);
    let mut heading = vec![
        words.number,
        words.dated,
        words.due,
        words.overdue,
        words.open,
    ];
    heading.extend(partly.then_some(words.claimed));
    let heading: Vec<String> = heading.into_iter().map(str::to_owned).collect();
    let row = |it: &Row| {
        let claimed = partly.then_some(&it.claimed);
        let cells = [&it.number, &it.dated, &it.due, &it.overdue, &it.open];
        cells.into_iter().chain(claimed).cloned().collect()
    };
    let rows: Vec<Vec<String>> = items.iter().map(row).collect();
    text_table(&heading, &rows)
}

impl Row {
    fn new(item: &LetterItem, money: &Money<'_>) -> Self {
        Self {
            number: single_line(&item.item_id),
            dated: money.language.short_date(item.document_date),
            due: money.language.short_date(item.due_date),
            overdue: money.language.days(item.days_overdue),
            open: money.of(item.open_minor),
            claimed: money.of(item.dunned_minor),
            partly: item.open_minor != item.dunned_minor,
        }
    }
}

impl Amount {
    /// The basis is for the debtor where a law gives it; that of fees names our own procedure.
    fn new(line: &LetterLine, money: &Money<'_>) -> Self {
        let words = money.language.words();
        let (label, lawful) = match line.kind {
            LineKind::Principal => (words.principal, false),
            LineKind::Interest => (words.interest, true),
            LineKind::FlatSum => (words.flat_sum, true),
            LineKind::EarlierFees => (words.earlier_fees, false),
            LineKind::Fee => (words.fee, false),
        };
        let mut label = label.to_owned();
        if let Some(item) = &line.item_id {
            label.push(' ');
            label.push_str(&single_line(item));
        }
        if lawful && !line.basis.is_empty() {
            let basis = money.language.basis(&line.basis);
            label.push_str(&format!(" ({basis})"));
        }
        Self {
            label,
            amount: money.of(line.minor),
        }
    }
}
