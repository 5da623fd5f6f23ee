//! Letters rendered: plain text and HTML of a reminder of ten invoices, on one core.

use std::{hint::black_box, time::Duration};

use chrono::{Days, NaiveDate};
use dunning_core::{plan::LineKind, procedure::Tone};
use dunning_letters::{Language, Letter, LetterItem, LetterLine, render};
use tokio::time::Instant;

use super::{Line, tell};

const LENGTH: Duration = Duration::from_secs(3);
/// Letters between two looks at the time.
const BATCH: usize = 100;

pub fn measure() -> Line {
    tell("rendering letters");
    let letter = letter();
    let began = Instant::now();
    let mut rendered = 0;
    while began.elapsed() < LENGTH {
        for _ in 0..BATCH {
            black_box(render(black_box(&letter)).expect("a letter"));
        }
        rendered += BATCH;
    }
    let rate = rendered as f64 / began.elapsed().as_secs_f64();
    Line::alone(
        "letters of ten invoices rendered, one core",
        "letters",
        rate,
    )
}

fn letter() -> Letter {
    let today = NaiveDate::from_ymd_opt(2025, 3, 10).expect("a date");
    let item = |number: u64| LetterItem {
        item_id: format!("R-{number:04}"),
        document_date: today - Days::new(number + 30),
        due_date: today - Days::new(number),
        days_overdue: i64::try_from(number).expect("a small number"),
        open_minor: 12_345,
        dunned_minor: 12_345,
    };
    let items: Vec<_> = (10..20).map(item).collect();
    let line = |item: &LetterItem| LetterLine {
        kind: LineKind::Principal,
        item_id: Some(item.item_id.clone()),
        minor: item.dunned_minor,
        basis: "open amount".to_owned(),
    };
    Letter {
        language: Language::De,
        template: "reminder".to_owned(),
        tone: Tone::Friendly,
        sender: "Nordlicht Handel GmbH\nBuchhaltung".to_owned(),
        payment_details: "IBAN DE02 1203 0000 0000 2020 51".to_owned(),
        creditor_name: "Nordlicht Handel GmbH".to_owned(),
        creditor_number: None,
        debtor_name: "Werkstatt am Deich".to_owned(),
        debtor_is_person: false,
        reminded: false,
        notice_id: "N-1".to_owned(),
        notice_date: today,
        pay_by: today + Days::new(14),
        currency: "EUR".to_owned(),
        lines: items.iter().map(line).collect(),
        total_minor: items.iter().map(|item| item.dunned_minor).sum(),
        items,
        statute: None,
        costs_after_period_minor: None,
    }
}
