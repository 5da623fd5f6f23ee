//! What a notice says: its facts handed to the letters.

use std::collections::BTreeMap;

use dunning_core::{Input, procedure::Statutory};
use dunning_letters::{Language, Letter, LetterItem, LetterLine};

use super::inputs::Addressee;
use crate::storage::{
    notice::{NoticeRow, Text},
    settings::DunningSettings,
};

/// What a letter needs beside the notice.
pub struct Paper<'a> {
    /// Name of the creditor.
    pub creditor_name: &'a str,
    /// What the creditor has printed on every letter.
    pub settings: &'a DunningSettings,
    /// Who is written to.
    pub addressee: &'a Addressee,
    /// The input that the notice was made from.
    pub input: &'a Input,
}

/// The language in which letters to somebody who speaks `language` are written: English if there are none in it.
#[must_use]
pub fn written_in(language: &str) -> Language {
    Language::parse(language).unwrap_or(Language::En)
}

/// Renders a notice.
///
/// # Errors
/// Why it cannot be rendered, without personal data.
pub fn render(paper: &Paper<'_>, row: &NoticeRow) -> Result<Text, String> {
    let letter = letter(paper, row);
    let rendered = dunning_letters::render(&letter).map_err(|error| error.to_string())?;
    Ok(Text {
        subject: rendered.subject,
        text: rendered.text,
        html: rendered.html,
    })
}

fn letter(paper: &Paper<'_>, row: &NoticeRow) -> Letter {
    let content = &row.content;
    let documents: BTreeMap<&str, _> = paper
        .input
        .items
        .iter()
        .map(|item| (item.id.as_str(), item.document_date))
        .collect();
    let sender = match paper.settings.sender.as_str() {
        "" => paper.creditor_name,
        sender => sender,
    };
    let items = content.items.iter().map(|it| LetterItem {
        item_id: it.item_id.clone(),
        document_date: documents
            .get(it.item_id.as_str())
            .copied()
            .unwrap_or(it.due_date),
        due_date: it.due_date,
        days_overdue: it.age.max(0),
        open_minor: it.amounts.open,
        dunned_minor: it.amounts.dunned,
    });
    let lines = content.lines.iter().map(|line| LetterLine {
        kind: line.kind,
        item_id: line.item_id.clone(),
        minor: line.minor,
        basis: line.basis.clone(),
    });
    Letter {
        language: written_in(&row.language),
        template: content.template.clone(),
        tone: content.tone,
        reminded: content.items.iter().all(|it| it.sent > 0),
        sender: sender.to_owned(),
        payment_details: paper.settings.payment_details.clone(),
        creditor_name: paper.creditor_name.to_owned(),
        creditor_number: None,
        debtor_name: paper.addressee.display_name.clone(),
        debtor_is_person: paper.addressee.person,
        notice_id: row.notice_id.clone(),
        notice_date: row.notice_date,
        pay_by: content.pay_by,
        currency: content.currency.clone(),
        items: items.collect(),
        lines: lines.collect(),
        total_minor: content.total,
        statute: content
            .statutory
            .then(|| Statutory::protecting(&paper.input.debtor))
            .flatten(),
        costs_after_period_minor: content.costs_after_period,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_a_language_without_letters_is_written_to_in_english() {
        let codes = ["de", "de-CH", "nl", "en", "fr", ""];
        let written = codes.map(|code| written_in(code).code());
        assert_eq!(written, ["de", "de", "nl", "en", "en", "en"]);
    }
}
